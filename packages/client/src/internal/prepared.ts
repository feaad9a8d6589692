/**
 * The prepared statements of a PostgreSQL session.
 *
 * @internal
 */
import type * as RowDescription from "@hyperfect/protocol/backend/RowDescription"
import * as ErrorField from "@hyperfect/protocol/ErrorField"
import * as Frontend from "@hyperfect/protocol/Frontend"
import * as BindWriter from "@hyperfect/values/BindWriter"
import type * as Preset from "@hyperfect/values/Preset"
import type { ObjectRow } from "@hyperfect/values/RowReader"
import * as Type from "@hyperfect/values/Type"
import type * as TypeRegistry from "@hyperfect/values/TypeRegistry"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type { Failure, QueryError } from "../QueryError.ts"
import { type Ask, readCatalogue, type Types } from "./catalogue.ts"
import { type About, fail } from "./circumstances.ts"
import { type Engine, type WriteFrames, writeFrontend } from "./engine.ts"
import { states } from "./exchange.ts"
import { type Described, Prepare } from "./exchanges.ts"
import { Simple } from "./gathering.ts"
import { Reading } from "./reading.ts"

/** How a statement is run with values, and its rows are read. */
interface Use {
  readonly bind: BindWriter.BindWriter
  readonly reading: Reading
}

/** A statement that the server knows by name, and how its rows are asked for and read. */
export class Prepared {
  readonly name: string
  readonly parameterTypes: ReadonlyArray<number>
  /** What its columns and parameters are read and written with. */
  registry: TypeRegistry.TypeRegistry
  readonly fields: ReadonlyArray<RowDescription.FieldDescription>
  private readonly types: Types
  /** The version of the types that it was settled with. */
  private version: number | undefined
  private uses = new WeakMap<Preset.Preset, Use>()

  constructor(
    name: string,
    parameterTypes: ReadonlyArray<number>,
    fields: ReadonlyArray<RowDescription.FieldDescription>,
    types: Types
  ) {
    this.name = name
    this.parameterTypes = parameterTypes
    this.fields = fields
    this.types = types
    this.registry = types.registry
    if (types.unknown(typeOids(this)).length === 0) this.settle()
  }

  /** Whether all types have been looked up that can be. */
  get isSettled(): boolean {
    return this.version === this.types.version
  }

  /** Takes the types as they are known now. */
  settle(): void {
    this.version = this.types.version
    this.registry = this.types.registry
    this.uses = new WeakMap()
  }

  /** Whether any of its types had to be looked up. */
  get hasLearned(): boolean {
    return typeOids(this).some((oid) => this.types.initial.find(oid) !== this.registry.find(oid))
  }

  /** Binary for each column that has a codec for it, else text: so a type that is not known here arrives as text. */
  use(preset: Preset.Preset): Use {
    let use = this.uses.get(preset)
    if (use === undefined) {
      const reading = new Reading(
        this.fields,
        preset,
        this.registry,
        (type) => Type.formatFor(type, Type.binary),
        // It may be because a type has been altered since it was looked up.
        this.hasLearned ? () => this.types.forget() : undefined
      )
      const bind = BindWriter.make({
        statement: this.name,
        types: this.parameterTypes.map((oid) => this.registry.find(oid)),
        resultFormats: reading.formats
      })
      this.uses.set(preset, use = { bind, reading })
    }
    return use
  }
}

/** The types of its columns and parameters. */
const typeOids = ({ fields, parameterTypes }: Described): ReadonlyArray<number> => [
  ...parameterTypes,
  ...fields.map(({ typeOid }) => typeOid)
]

/** A statement that is being prepared. */
interface Preparing {
  readonly exchange: Prepare
  readonly outcome: Deferred.Deferred<Prepared, Failure>
  /** How many fibers wait for it. */
  waiters: number
}

/** Prepares each statement once and forgets, on both sides, those that were not used for longest. */
export class Statements {
  private readonly engine: Engine
  private readonly types: Types
  private readonly capacity: number
  private readonly entries = new Map<string, Prepared | Preparing>()
  /** The key that was used last. */
  private lastUsed = ""
  private readonly toClose: Array<string> = []
  private readonly prefix: string
  private count = 0

  /**
   * The names hold the server's process, by which the server, or a pooler, tells its clients apart: behind a pooler several
   * sessions may meet on one of the server's.
   */
  constructor(engine: Engine, types: Types, capacity: number, processId: number | undefined) {
    this.engine = engine
    this.types = types
    this.capacity = capacity
    this.prefix = `hyperfect_${processId ?? 0}`
  }

  /** Whether statements are kept at all. Poolers that lend a server for one transaction do not know those of another one. */
  get isKept(): boolean {
    return this.capacity > 0
  }

  /** Whether statements can all be kept at once. More than that would drive each other out before they are run. */
  canKeep(texts: Iterable<string>): boolean {
    return new Set(texts).size <= this.capacity
  }

  /** A name that no other statement has. */
  freshName(): string {
    return `${this.prefix}_${++this.count}`
  }

  /** The prepared statement of a text and the types that are declared for its parameters. */
  get(statement: About, text: string, parameterTypes: ReadonlyArray<number>): Effect.Effect<Prepared, QueryError> {
    const key = parameterTypes.length === 0 ? text : `${parameterTypes.join()} ${text}`
    const entry = this.entries.get(key)
    if (entry === undefined) return this.prepare(key, statement, text, parameterTypes)
    // A map keeps the order of insertion: what was used last goes to the end.
    if (key !== this.lastUsed) {
      this.entries.delete(key)
      this.entries.set(key, entry)
      this.lastUsed = key
    }
    return entry instanceof Prepared ? this.settled(entry) : this.wait(key, statement, entry)
  }

  /** Looks up the types of a statement that nobody knows. */
  learn(described: Described): Effect.Effect<void> {
    return this.types.learn(typeOids(described), this.ask)
  }

  /** Has the types of a statement looked up that nobody knows. */
  settled(prepared: Prepared): Effect.Effect<Prepared> {
    if (prepared.isSettled) return Effect.succeed(prepared)
    return Effect.map(this.learn(prepared), () => {
      if (!prepared.isSettled) prepared.settle()
      return prepared
    })
  }

  /**
   * Asks the catalogue. In a transaction behind a savepoint, for the transaction must not fail of it; in one message, so that
   * nothing of what others do in it can come in between and be rolled back.
   */
  private readonly ask: Ask = (text) => {
    if (this.engine.status !== "T") return this.run(text)
    const end = `release savepoint ${savepoint}`
    return Effect.tapError(
      this.run(`savepoint ${savepoint}; ${text}; ${end}`),
      (error) =>
        // When it had failed before, there is no savepoint, and what has failed is not ours.
        error._tag === "ServerError" && error.reason._tag !== "InFailedSqlTransaction"
          ? Effect.ignore(this.run(`rollback to savepoint ${savepoint}; ${end}`))
          : Effect.void
    )
  }

  private run(text: string): ReturnType<Ask> {
    return Effect.callback((resume) => {
      const exchange = new Simple<ObjectRow>(
        states.Querying,
        readCatalogue,
        (exit) => resume(Exit.map(exit, (results) => results.flatMap(({ rows }) => rows)))
      )
      this.engine.submit(exchange, (out) => writeFrontend(out, { _tag: "Query", query: text }))
      return this.engine.abandon(exchange)
    })
  }

  private wait(key: string, statement: About, preparing: Preparing): Effect.Effect<Prepared, QueryError> {
    return Effect.suspend(() => {
      preparing.waiters++
      // Whatever became of it, nothing that could run the statement was sent.
      const outcome = Effect.catch(
        Deferred.await(preparing.outcome),
        (failure) => fail(failure, failure._tag === "ServerError" && !failure.isFatal ? "all" : "nothing", statement)
      )
      const prepared = Effect.onInterrupt(outcome, () => {
        preparing.waiters--
        if (preparing.waiters > 0) return Effect.void
        // Whoever comes now must not get what may be cancelled.
        if (this.entries.get(key) === preparing) this.entries.delete(key)
        return this.engine.forsake(preparing.exchange)
      })
      return Effect.flatMap(prepared, (prepared) => this.settled(prepared))
    })
  }

  private prepare(
    key: string,
    statement: About,
    text: string,
    parameterTypes: ReadonlyArray<number>
  ): Effect.Effect<Prepared, QueryError> {
    const outcome = Deferred.makeUnsafe<Prepared, Failure>()
    const name = this.freshName()
    this.makeRoom()
    const stale = this.toClose.splice(0)
    let isSent = false
    const parse = parseAndDescribe(name, text, parameterTypes)
    // Not tied to the fiber that asks first: others may be waiting for the same statement.
    const exchange = new Prepare(states.Preparing, (exit) => {
      if (!isSent) this.toClose.push(...stale)
      if (Exit.isSuccess(exit)) {
        const prepared = new Prepared(name, exit.value.parameterTypes, exit.value.fields, this.types)
        if (this.entries.get(key) === preparing) this.entries.set(key, prepared)
        else this.toClose.push(name)
        Deferred.doneUnsafe(outcome, Effect.succeed(prepared))
      } else {
        if (this.entries.get(key) === preparing) this.entries.delete(key)
        Deferred.doneUnsafe(outcome, Exit.failCause(exit.cause))
      }
    })
    const preparing: Preparing = { exchange, outcome, waiters: 0 }
    this.entries.set(key, preparing)
    this.lastUsed = key
    this.engine.submit(exchange, (out) => {
      for (const name of stale) writeFrontend(out, { _tag: "Close", kind: "S", name })
      parse(out)
      isSent = true
    })
    return this.wait(key, statement, preparing)
  }

  private makeRoom(): void {
    if (this.entries.size < this.capacity) return
    const [key, oldest] = this.entries.entries().next().value!
    this.entries.delete(key)
    if (oldest instanceof Prepared) this.toClose.push(oldest.name)
  }

  /** Forgets a statement that has become useless, so that it is prepared anew. */
  forget(prepared: Prepared): void {
    if (prepared.hasLearned) this.types.forget()
    for (const [key, entry] of this.entries) if (entry === prepared) this.entries.delete(key)
    this.toClose.push(prepared.name)
  }
}

/** @internal */
export const sync = Frontend.Sync.make({})

/** Parse and Describe of a statement under a name, or under none. */
export const parseAndDescribe = (name: string, query: string, parameterTypes: ReadonlyArray<number>): WriteFrames => {
  let isAgain = false
  return (out) => {
    // What was parsed stays although its description was cancelled, and no name may be given twice.
    if (isAgain && name !== "") writeFrontend(out, { _tag: "Close", kind: "S", name })
    isAgain = true
    writeFrontend(out, { _tag: "Parse", name, query, parameterTypes })
    writeFrontend(out, { _tag: "Describe", kind: "S", name })
    writeFrontend(out, sync)
  }
}

const savepoint = "hyperfect_types"

/**
 * Whether the server refused to run a statement because it has forgotten it, or because a table or a composite type has
 * changed, whose values then come with another number of fields.
 */
export const isStale = (exchange: {
  readonly failedIn: number | undefined
  readonly error: () => Failure | undefined
}): boolean => {
  const error = exchange.error()
  return exchange.failedIn === states.BindingPrepared && error?._tag === "ServerError" &&
    (error.reason.sqlState === "26000" || error.reason._tag === "DatatypeMismatch" ||
      ErrorField.get(error.reason.fields, "routine") === "RevalidateCachedQuery")
}
