/**
 * The types of a server: those that are known from the start, and those that have been looked up since.
 *
 * A statement that was described may have columns or parameters of types that nobody here knows. Then, and only then, the
 * catalogue is asked, once for each type however many fibers and sessions meet it; the sessions of a pool share what is
 * found. A type that cannot be looked up stays what it was, a text or an `UnknownValue`: no statement fails of it.
 *
 * @internal
 */
import * as BuiltIn from "@hyperfect/values/BuiltIn"
import * as Catalogue from "@hyperfect/values/Catalogue"
import * as Preset from "@hyperfect/values/Preset"
import type { ObjectRow } from "@hyperfect/values/RowReader"
import * as Type from "@hyperfect/values/Type"
import * as TypeRegistry from "@hyperfect/values/TypeRegistry"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Schema from "effect/Schema"
import type { Failure } from "../QueryError.ts"
import type { Describe } from "./exchanges.ts"
import { Reading, type Rows } from "./reading.ts"

/** Runs a statement of the catalogue by the simple protocol, and reads its rows with the built-in types. */
export type Ask = (text: string) => Effect.Effect<ReadonlyArray<unknown>, Failure>

/** How long a fiber waits for what another session is looking up, before it looks for itself. */
const patience = "1 second"

const decodeRows = Schema.decodeUnknownOption(Schema.Array(Catalogue.Row))

/** @internal */
export class Types {
  /** All that is known by now. Replaced when more is found. */
  registry: TypeRegistry.TypeRegistry
  /** How often everything was forgotten. */
  version = 0
  /** What is known from the start. */
  readonly initial: TypeRegistry.TypeRegistry
  /** What the catalogue has been asked for, whether it had an answer or not. */
  private readonly asked = new Set<number>()
  private readonly lookUps = new Map<number, Deferred.Deferred<void>>()

  constructor(initial: TypeRegistry.TypeRegistry) {
    this.initial = initial
    this.registry = initial
  }

  /** Those that nobody knows and nobody has asked for. */
  unknown(oids: Iterable<number>): ReadonlyArray<number> {
    const { asked, registry } = this
    const found: Array<number> = []
    for (const oid of oids) if (registry.find(oid) === undefined && !asked.has(oid) && oid !== 0) found.push(oid)
    return found
  }

  /** Looks up those of the types that are unknown. Ends when all that can be known is. */
  readonly learn = (oids: ReadonlyArray<number>, ask: Ask): Effect.Effect<void> =>
    Effect.suspend(() => {
      const unknown = this.unknown(oids)
      if (unknown.length === 0) return Effect.void
      const other = unknown.map((oid) => this.lookUps.get(oid)).find((lookUp) => lookUp !== undefined)
      if (other === undefined) return this.lookUp(unknown, ask)
      return Effect.flatMap(Effect.timeoutOption(Deferred.await(other), patience), (done) =>
        // Whoever looked may have been interrupted, or have lost the line.
        done._tag === "Some" ? this.learn(oids, ask) : this.lookUp(this.unknown(oids), ask))
    })

  private lookUp(oids: ReadonlyArray<number>, ask: Ask): Effect.Effect<void> {
    const lookUp = Deferred.makeUnsafe<void>()
    for (const oid of oids) this.lookUps.set(oid, lookUp)
    return ask(Catalogue.query(oids)).pipe(
      Effect.onExit((exit) =>
        Effect.sync(() => {
          this.note(oids, exit)
          for (const oid of oids) if (this.lookUps.get(oid) === lookUp) this.lookUps.delete(oid)
          Deferred.doneUnsafe(lookUp, Exit.void)
        })
      ),
      Effect.ignore
    )
  }

  private note(oids: ReadonlyArray<number>, exit: Exit.Exit<ReadonlyArray<unknown>, Failure>): void {
    // A line that broke says nothing of the types. A server that refuses will refuse again.
    if (Exit.isFailure(exit) && !isRefusal(exit)) return
    for (const oid of oids) this.asked.add(oid)
    const rows = Exit.isSuccess(exit) ? decodeRows(exit.value) : undefined
    if (rows?._tag !== "Some") return
    this.registry = TypeRegistry.extend(this.registry, Catalogue.types(rows.value, this.registry))
  }

  /**
   * Forgets all that was looked up: some of it has been found wrong, as that of a composite type is that has got another
   * field.
   */
  forget(): void {
    this.version++
    this.registry = this.initial
    this.asked.clear()
  }
}

/** A server that has no such catalogue, or does not show it. */
const isRefusal = (exit: Exit.Failure<unknown, Failure>): boolean =>
  exit.cause.reasons.some((reason) =>
    reason._tag === "Fail" && reason.error._tag === "ServerError" && /^(42|0A)/.test(reason.error.reason.sqlState)
  )

/** The types that the sessions of a pool share; a session outside a pool has its own. */
export const SharedTypes = Context.Reference<Types | undefined>("@hyperfect/client/SharedTypes", {
  defaultValue: () => undefined
})

const catalogueTypes = TypeRegistry.make(
  TypeRegistry.withArrays([BuiltIn.oid, BuiltIn.text, BuiltIn.int4, BuiltIn.bool])
)

/** Reads rows of the catalogue, which come in text, in the same way whatever types and presets a client has. */
export const readCatalogue: Describe<Rows<ObjectRow>> = (fields) =>
  new Reading(fields, Preset.lossless, catalogueTypes, () => Type.text).objects()
