/**
 * The types of a server: the built-in ones, and those that were looked up.
 *
 * A described statement may have columns or parameters of unknown types. Only then the catalogue is queried, once for
 * each type however many fibers and sessions need it; the sessions of a pool share the result. A type that cannot be
 * looked up remains a text or an `UnknownValue`: it fails no statement.
 *
 * @internal
 */
import * as BuiltIn from "@hyperfect/values/BuiltIn"
import * as Catalogue from "@hyperfect/values/Catalogue"
import * as Preset from "@hyperfect/values/Preset"
import type { ObjectRow } from "@hyperfect/values/RowReader"
import * as Type from "@hyperfect/values/Type"
import * as TypeRegistry from "@hyperfect/values/TypeRegistry"
import type { Clock } from "effect/Clock"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Schema from "effect/Schema"
import type { Failure } from "../../QueryError.ts"
import { checkFormats, ResultDecoders, type RowsDecoder } from "../engine/resultDecoders.ts"
import type { MakeDecoder } from "../engine/sinks.ts"
import { typeLookupTimeout } from "../session/timing.ts"

/** Types by their OIDs, and types of extensions by their names. */
export type KnownTypes = Pick<TypeRegistry.TypeRegistry, "find" | "findByName">

/** A type, and the revision in which it was added. */
interface Entry {
  readonly type: Type.Any
  readonly revision: number
}

/**
 * The types that have been looked up, in addition to the built-in ones.
 *
 * Each state is immutable: a decoder that was made with it reads all values in the same way, whatever is added
 * meanwhile. All states share one map, because many statements may keep the state with which they were prepared.
 */
class LookedUpTypes {
  /** The current state. */
  known: KnownTypes
  private readonly initial: KnownTypes
  private readonly entries = new Map<number, Entry>()
  private revision = 0

  constructor(initial: KnownTypes) {
    this.initial = initial
    this.known = initial
  }

  add(types: Iterable<Type.Any>): void {
    const { entries, initial } = this
    const revision = ++this.revision
    for (const type of types) {
      const entry = entries.get(type.oid)
      if (entry === undefined || entry.revision === revision) entries.set(type.oid, { type, revision })
    }
    const find = (oid: number): Type.Any | undefined => {
      if (oid === record.oid) return record
      if (oid === records.oid) return records
      const entry = entries.get(oid)
      return entry !== undefined && entry.revision <= revision ? entry.type : initial.find(oid)
    }
    const record = BuiltIn.record(find)
    const records = BuiltIn.array(record)
    this.known = { find, findByName: initial.findByName }
  }
}

/** Runs a query of the catalogue by the simple protocol, and decodes its rows with the built-in types. */
export type QueryCatalogue = (text: string) => Effect.Effect<ReadonlyArray<unknown>, Failure>

const decodeRows = Schema.decodeUnknownOption(Schema.Array(Catalogue.Row))

/** The kind of composite types in the catalogue. */
const composite = "c"

const none: ReadonlyArray<number> = []

/**
 * The maximum size of the looked-up types, unless a single response is larger: 4,096 types without fields and labels.
 */
const maxSize = 65_536
const maxMet = 4096

/** The size of the types that were requested, in units of about half a kilobyte. */
const sizeOf = (oids: ReadonlyArray<number>, rows: ReadonlyArray<Catalogue.Row>): number =>
  rows.reduce(
    (size, { fieldNames, labels }) => size + fieldNames.length + labels.length,
    16 * Math.max(oids.length, rows.length)
  )

/** @internal */
export class TypeCatalogue {
  private types: LookedUpTypes
  private size = 0
  /** The number of times that all looked-up types were dropped. */
  version = 0
  /** The built-in types. */
  readonly initial: TypeRegistry.TypeRegistry
  /** The types that the catalogue was queried for, whether it had them or not. */
  private readonly lookedUp = new Set<number>()
  private readonly inFlight = new Map<number, Deferred.Deferred<void>>()
  /** Types that were found in anonymous records, and have not been looked up yet. */
  private readonly met = new Set<number>()

  /** The catalogue's rows of types, and the element types of arrays. */
  private readonly rows = new Map<number, Catalogue.Row>()
  private readonly elementOids = new Map<number, number>()
  /** The time when each composite type was last known to match the catalogue. */
  private readonly checkedAt = new Map<number, number>()
  private checking: Deferred.Deferred<void> | undefined

  private readonly clock: Clock

  constructor(initial: TypeRegistry.TypeRegistry, clock: Clock) {
    this.initial = initial
    this.clock = clock
    this.types = new LookedUpTypes(initial)
  }

  /** All known types. Another object once more are found. */
  get registry(): KnownTypes {
    return this.types.known
  }

  /** Returns a new catalogue with the same built-in types. */
  fresh(): TypeCatalogue {
    return new TypeCatalogue(this.initial, this.clock)
  }

  /** Milliseconds of a monotonic clock. */
  now(): number {
    return Number(this.clock.monotonicTimeNanosUnsafe()) / 1e6
  }

  /** Returns the types that are unknown and were not looked up yet. */
  unresolved(oids: Iterable<number>): ReadonlyArray<number> {
    const { lookedUp, registry } = this
    const found: Array<number> = []
    for (const oid of oids) if (registry.find(oid) === undefined && !lookedUp.has(oid) && oid !== 0) found.push(oid)
    return found
  }

  /** Notes types that were found in anonymous records. */
  meet(oids: Iterable<number>): void {
    for (const oid of this.unresolved(oids)) if (this.met.size < maxMet) this.met.add(oid)
  }

  /** The types to look up before anonymous records can be decoded. */
  get unresolvedInRecords(): ReadonlyArray<number> {
    return this.met.size === 0 ? none : [...this.met]
  }

  /** Looks up the unknown ones of these types. Ends when all that can be known are. */
  readonly resolveTypes = (oids: ReadonlyArray<number>, ask: QueryCatalogue): Effect.Effect<void> =>
    Effect.suspend(() => {
      const unknown = this.unresolved(oids)
      if (unknown.length === 0) return Effect.void
      const other = unknown.map((oid) => this.inFlight.get(oid)).find((lookUp) => lookUp !== undefined)
      if (other === undefined) return this.lookUp(unknown, ask)
      return Effect.flatMap(Effect.timeoutOption(Deferred.await(other), typeLookupTimeout), (done) =>
        // The fiber that looked them up may have been interrupted, or have lost its connection.
        done._tag === "Some" ? this.resolveTypes(oids, ask) : this.lookUp(this.unresolved(oids), ask))
    })

  private lookUp(oids: ReadonlyArray<number>, ask: QueryCatalogue): Effect.Effect<void> {
    const lookUp = Deferred.makeUnsafe<void>()
    const { version } = this
    const startedAt = this.now()
    for (const oid of oids) this.inFlight.set(oid, lookUp)
    return ask(Catalogue.query(oids)).pipe(
      Effect.onExit((exit) =>
        Effect.sync(() => {
          // The response may be wrong if it was requested before the types were dropped.
          if (version === this.version) this.record(oids, exit, startedAt)
          for (const oid of oids) if (this.inFlight.get(oid) === lookUp) this.inFlight.delete(oid)
          Deferred.doneUnsafe(lookUp, Exit.void)
        })
      ),
      Effect.ignore,
      Effect.flatMap(() => (version === this.version ? Effect.void : this.resolveTypes(oids, ask)))
    )
  }

  private record(
    oids: ReadonlyArray<number>,
    exit: Exit.Exit<ReadonlyArray<unknown>, Failure>,
    startedAt: number
  ): void {
    // A broken connection tells nothing about the types. A server that refuses will refuse again.
    if (Exit.isFailure(exit) && !isRefusal(exit)) return
    const decoded = Exit.isSuccess(exit) ? decodeRows(exit.value) : undefined
    const rows = decoded?._tag === "Some" ? decoded.value : []
    const size = sizeOf(oids, rows)
    if (this.size + size > maxSize) this.invalidate()
    this.size += size
    for (const oid of oids) {
      this.lookedUp.add(oid)
      this.met.delete(oid)
    }
    if (rows.length === 0) return
    for (const row of rows) {
      this.rows.set(row.oid, row)
      if (row.arrayOid !== 0) this.elementOids.set(row.arrayOid, row.oid)
      if (row.kind === composite) this.checkedAt.set(row.oid, startedAt)
    }
    this.types.add(Catalogue.types(rows, this.registry))
  }

  /** Returns the composite types that these types contain, as far as they have been looked up. */
  compositesOf(oids: Iterable<number>): ReadonlyArray<number> {
    if (this.checkedAt.size === 0) return none
    const seen = new Set(oids)
    // Elements added during the iteration are visited as well.
    for (const oid of seen) {
      const element = this.elementOids.get(oid)
      if (element !== undefined) seen.add(element)
      const row = this.rows.get(oid)
      if (row === undefined) continue
      for (const part of [row.elementOid, row.baseOid, row.boundOid, ...row.fieldOids]) seen.add(part)
    }
    const found = [...seen].filter((oid) => this.checkedAt.has(oid))
    return found.length === 0 ? none : found
  }

  /** All composite types that have been looked up. */
  get composites(): ReadonlyArray<number> {
    return [...this.checkedAt.keys()]
  }

  /** True if some of these composite types were not compared with the catalogue for this number of milliseconds. */
  isCheckDue(oids: ReadonlyArray<number>, interval: number): boolean {
    if (oids.length === 0) return false
    const before = this.now() - interval
    return oids.some((oid) => (this.checkedAt.get(oid) ?? before) <= before)
  }

  /** Compares composite types with the catalogue, and drops all looked-up types if one has changed. */
  readonly check = (oids: ReadonlyArray<number>, interval: number, ask: QueryCatalogue): Effect.Effect<void> =>
    Effect.suspend(() => {
      if (!this.isCheckDue(oids, interval)) return Effect.void
      if (this.checking === undefined) return this.compare(oids, ask)
      return Effect.flatMap(
        Effect.timeoutOption(Deferred.await(this.checking), typeLookupTimeout),
        () => (this.isCheckDue(oids, interval) ? this.compare(oids, ask) : Effect.void)
      )
    })

  private compare(oids: ReadonlyArray<number>, ask: QueryCatalogue): Effect.Effect<void> {
    const check = Deferred.makeUnsafe<void>()
    this.checking = check
    const { version } = this
    const startedAt = this.now()
    return ask(Catalogue.query(oids)).pipe(
      Effect.onExit((exit) =>
        Effect.sync(() => {
          if (this.checking === check) this.checking = undefined
          Deferred.doneUnsafe(check, Exit.void)
          const rows = Exit.isSuccess(exit) ? decodeRows(exit.value) : undefined
          if (rows?._tag !== "Some" || version !== this.version) return
          if (this.isAsKnown(oids, rows.value)) { for (const oid of oids) this.checkedAt.set(oid, startedAt) }
          else this.invalidate()
        })
      ),
      Effect.ignore
    )
  }

  private isAsKnown(oids: ReadonlyArray<number>, rows: ReadonlyArray<Catalogue.Row>): boolean {
    const found = new Set(rows.map(({ oid }) => oid))
    return oids.every((oid) => found.has(oid)) &&
      rows.every((row) => JSON.stringify(this.rows.get(row.oid)) === JSON.stringify(row))
  }

  /**
   * Drops all looked-up types: because one was found to be wrong, such as a composite type with a new field, or because
   * they exceed the maximum size.
   */
  invalidate(): void {
    this.version++
    this.types = new LookedUpTypes(this.initial)
    this.size = 0
    for (const known of [this.lookedUp, this.met, this.rows, this.elementOids, this.checkedAt]) known.clear()
  }
}

/** True for a server that has no such catalogue, or denies access to it. */
const isRefusal = (exit: Exit.Failure<unknown, Failure>): boolean =>
  exit.cause.reasons.some((reason) =>
    reason._tag === "Fail" && reason.error._tag === "ServerError" && /^(42|0A)/.test(reason.error.reason.sqlState)
  )

/** The types that the sessions of a pool share. A session outside a pool has its own. */
export const SharedTypes = Context.Reference<TypeCatalogue | undefined>("@hyperfect/client/SharedTypes", {
  defaultValue: () => undefined
})

const catalogueTypes = TypeRegistry.make(
  TypeRegistry.withArrays([BuiltIn.oid, BuiltIn.text, BuiltIn.int4, BuiltIn.bool])
)

/** Decodes rows of the catalogue, which are in text, independently of the types and presets of a client. */
export const catalogueDecoder: MakeDecoder<RowsDecoder<ObjectRow>> = (fields) => {
  checkFormats(fields, Type.text)
  return new ResultDecoders(fields, Preset.lossless, catalogueTypes, () => Type.text).objects()
}
