/**
 * The types by which a session reads and writes values, and its queries of the catalogue.
 *
 * The sessions of a pool share the types. If a command of any of them may alter a type, all looked-up types are dropped
 * when it is committed; until then its session uses separate types, which no other session may see. Changes by other
 * clients are not reported by the server: composite types are compared with the catalogue before they are used, at most
 * once an interval.
 *
 * @internal
 */
import type { ObjectRow } from "@hyperfect/values/RowReader"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { type Engine, writeQuery } from "../engine/engine.ts"
import { Exchange, flows, type Sink } from "../engine/exchange.ts"
import { Discard, Results, Rows } from "../engine/sinks.ts"
import { unsupported } from "../session/queryError.ts"
import { mayMatch } from "../session/statementKind.ts"
import { catalogueDecoder, type QueryCatalogue, type TypeCatalogue } from "./typeCatalogue.ts"

/** Commands that may alter types, or run others that do. DROP counts only if it also drops dependent objects. */
const alters = /^(?:ALTER |DO$|CALL$)/
const drops = /^DROP /
const cascade = /\bcascade\b/i

const savepoint = "hyperfect_types"

/** Ends a guard, whether the guarded exchange has failed or not: it does nothing that could be lost. */
export const endOfGuard = `rollback to savepoint ${savepoint}; release savepoint ${savepoint}`

/** @internal */
export interface TypeOptions {
  readonly types: TypeCatalogue
  /** Milliseconds for which the types of cached statements are assumed to be unchanged. */
  readonly typeCheckInterval: number
  /** True if the server represents dates and times as floating-point numbers. */
  readonly hasFloatDatetimes: boolean
}

/** @internal */
export class SessionTypes {
  private readonly engine: Engine
  private readonly shared: TypeCatalogue
  /** Milliseconds for which composite types are assumed to be unchanged. */
  readonly checkInterval: number
  /** The types in a transaction that has altered types. */
  private own: TypeCatalogue | undefined

  /** True if the server represents dates and times as floating-point numbers. */
  readonly hasFloatDatetimes: boolean

  constructor(engine: Engine, { hasFloatDatetimes, typeCheckInterval, types }: TypeOptions) {
    this.engine = engine
    this.shared = types
    this.checkInterval = typeCheckInterval
    this.hasFloatDatetimes = hasFloatDatetimes
  }

  get current(): TypeCatalogue {
    return this.own ?? this.shared
  }

  /** True if a transaction can be guarded. */
  get canGuard(): boolean {
    return this.engine.dialect.guards
  }

  /**
   * Submits the preparation of a statement so that its refusal does not end a transaction, in the same step as its
   * guard. An error of the guard itself, if there is no transaction after all, has no effect.
   */
  guard(submit: () => void): void {
    if (!this.canGuard || this.engine.isOutsideTransaction) return submit()
    this.submitSimple(`savepoint ${savepoint}`)
    submit()
    this.submitSimple(endOfGuard)
  }

  /** Notes that a command has completed; `text` is the text that it was sent in, as far as known. */
  noteCommand(tag: string, text: string): void {
    if (this.own !== undefined) {
      // Rolling back to a savepoint undoes later changes.
      if (alters.test(tag) || drops.test(tag) || tag === "ROLLBACK") this.own.invalidate()
    } else if (alters.test(tag) || (drops.test(tag) && mayMatch(text, cascade))) {
      this.own = this.shared.fresh()
      this.engine.onReady = () => this.endTransaction()
    }
  }

  private endTransaction(): void {
    if (this.engine.status !== "I") return
    this.engine.onReady = undefined
    this.own = undefined
    this.shared.invalidate()
  }

  /** Looks up the unknown ones of these types. */
  readonly resolve = (oids: ReadonlyArray<number>): Effect.Effect<void> =>
    this.current.resolveTypes(oids, this.queryCatalogue)

  /** Compares composite types with the catalogue, unless that was done within the interval. */
  readonly check = (oids: ReadonlyArray<number>): Effect.Effect<void> =>
    this.current.check(oids, this.checkInterval, this.queryCatalogue)

  /**
   * Queries the catalogue. In a transaction it does so after a savepoint, because an error must not fail the
   * transaction, and in a single message, so that no other statement comes in between and is rolled back. Without
   * savepoints the query is made after the transaction. Without a catalogue no type is found.
   */
  private readonly queryCatalogue: QueryCatalogue = (text) => {
    const { dialect, status } = this.engine
    if (!dialect.catalogueLookups) return Effect.succeed([])
    if (status !== "T") return this.runSimple(text)
    if (!this.canGuard) return Effect.fail(unsupported(dialect, "savepoints"))
    return Effect.tapError(
      this.runSimple(`savepoint ${savepoint}; ${text}; release savepoint ${savepoint}`),
      (error) =>
        // If the transaction had failed before, there is no savepoint, and the failure is not ours.
        error._tag === "ServerError" && error.reason._tag !== "InFailedSqlTransaction"
          ? Effect.ignore(this.runSimple(endOfGuard))
          : Effect.void
    )
  }

  private runSimple(text: string): ReturnType<QueryCatalogue> {
    const exchange = makeExchange(text, new Results<ObjectRow>(() => new Rows(catalogueDecoder, undefined)))
    return this.engine.run(
      exchange,
      writeQuery(text),
      () => Exit.map(exchange.outcome(), (results) => results.flatMap(({ rows }) => rows))
    )
  }

  private submitSimple(text: string): void {
    this.engine.submit(makeExchange(text, new Discard()), writeQuery(text))
  }
}

/** Only the end of a guard is known by its text, as a command that changes nothing. */
const makeExchange = <A>(text: string, sink: Sink<A>): Exchange<A> =>
  new Exchange(flows.simple, sink, text === endOfGuard ? text : "")
