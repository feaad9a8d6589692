/**
 * The prepared statements of a PostgreSQL session.
 *
 * @internal
 */
import type * as RowDescription from "@hyperfect/protocol/backend/RowDescription"
import type * as Frontend from "@hyperfect/protocol/Frontend"
import * as BindWriter from "@hyperfect/values/BindWriter"
import type * as Preset from "@hyperfect/values/Preset"
import * as Type from "@hyperfect/values/Type"
import * as TypeRegistry from "@hyperfect/values/TypeRegistry"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type { Failure, QueryError } from "../../QueryError.ts"
import { type Engine, type WriteFrames, writeFrontend } from "../engine/engine.ts"
import { Exchange, flows } from "../engine/exchange.ts"
import { ResultDecoders } from "../engine/resultDecoders.ts"
import { DescriptionSink, type StatementDescription } from "../engine/sinks.ts"
import { keptText, type StatementComment } from "../model/comment.ts"
import { failQuery, isExit, type StatementLike } from "../session/queryError.ts"
import { makeBind, textPreset } from "./floatDatetimes.ts"
import { isUndecided } from "./parameters.ts"
import type { Pinnable, Pins } from "./pins.ts"
import { holdRecords } from "./records.ts"
import { SchemaEpoch } from "./schemaEpoch.ts"
import { endOfGuard, type SessionTypes } from "./sessionTypes.ts"
import type { KnownTypes, TypeCatalogue } from "./typeCatalogue.ts"

/** The writer of a statement's Bind, and the decoders of its rows, for one preset. */
interface PresetCodec {
  readonly bind: BindWriter.BindWriter
  readonly decoders: ResultDecoders
}

/** A statement that is prepared on the server under a name. */
export class Prepared {
  readonly name: string
  readonly parameterTypes: ReadonlyArray<number>
  /** The types with which its columns and parameters are read and written. */
  registry: KnownTypes
  readonly fields: ReadonlyArray<RowDescription.FieldDescription>
  /** True if its rows may hold values whose types are known only from the values. */
  readonly holdsRecords: boolean
  /** The number of times that it was planned. */
  timesPlanned = 0
  private readonly types: TypeCatalogue
  /** The version of the types with which it was last refreshed. */
  private typesVersion: number | undefined
  /** A cache. Weak, since a program may make a preset for each query. */
  private codecs = new WeakMap<Preset.Preset, PresetCodec>()
  readonly origin: Preparing
  /** True if any of its types has to be looked up. */
  private readonly needsCatalogue: boolean
  /** The composite types that it reads or writes. */
  composites: ReadonlyArray<number> = []
  /** True if the server inferred the type of a parameter. */
  private readonly isInferred: boolean
  /** The time when the server last described its parameters. */
  describedAt: number
  /** The version of the types at that time. */
  private readonly describedVersion: number
  /** The undeclared parameters for which the server expects another type than a number. */
  misfits: ReadonlyArray<number> = none
  /** The types to declare instead, by the types of the numbers in these places (see `Declarations`). */
  readonly choices = new Map<string, ReadonlyArray<number>>()

  constructor(origin: Preparing, { fields, parameterTypes }: StatementDescription, types: TypeCatalogue) {
    this.origin = origin
    this.name = origin.name
    this.parameterTypes = parameterTypes
    this.fields = fields
    this.holdsRecords = holdRecords(fields)
    this.types = types
    this.registry = types.registry
    this.describedAt = origin.startedAt
    this.describedVersion = origin.typesVersion
    this.isInferred = parameterTypes.some((_, i) => (origin.declared[i] ?? 0) === 0)
    this.needsCatalogue = this.holdsRecords ||
      describedTypeOids(this).some((oid) => oid !== 0 && types.initial.find(oid) === undefined)
    this.misfits = this.findMisfits()
    if (types.unresolved(describedTypeOids(this)).length === 0) this.refreshTypes()
  }

  /** The declared types of its parameters. */
  get declared(): ReadonlyArray<number> {
    return this.origin.declared
  }

  private findMisfits(): ReadonlyArray<number> {
    if (!this.isInferred) return none
    const found = this.parameterTypes.flatMap((oid, i) =>
      (this.declared[i] ?? 0) === 0 && !takesNumbers(this.registry.find(oid)) ? [i] : []
    )
    return found.length === 0 ? none : found
  }

  /** True if all of its types that can be looked up have been, and all types that any record has been found to hold. */
  get hasCurrentTypes(): boolean {
    if (!this.needsCatalogue) return true
    return this.typesVersion === this.types.version &&
      (!this.holdsRecords ||
        (this.registry === this.types.registry && this.types.unresolvedInRecords.length === 0))
  }

  /** True if one of its composite types was not compared with the catalogue for this number of milliseconds. */
  isCheckDue(interval: number): boolean {
    return this.needsCatalogue && this.types.isCheckDue(this.composites, interval)
  }

  /** True if describing it again may help: it was run before, with types that the server inferred. */
  get mayBeDescribedAnew(): boolean {
    return this.isInferred && this.timesPlanned > 1
  }

  /**
   * True if the server inferred types of its parameters at least this number of milliseconds ago, or for other versions
   * of the types, so that they may have changed.
   */
  isDescriptionDue(interval: number): boolean {
    return this.isInferred &&
      (this.types.now() - this.describedAt >= interval || this.describedVersion !== this.types.version)
  }

  /**
   * True if no session of the pool has altered a type or a table since it was described, as far as these types know.
   */
  isDescribedWith(types: TypeCatalogue): boolean {
    return this.types === types && this.describedVersion === types.version
  }

  /** True if a new description is the same. */
  isDescribedBy({ fields, parameterTypes }: StatementDescription): boolean {
    return isSameList(parameterTypes, this.parameterTypes) &&
      isSameList(fields.map(({ typeOid }) => typeOid), this.fields.map(({ typeOid }) => typeOid))
  }

  /** True if it has just been prepared, and none of its types had to be looked up. */
  get isFresh(): boolean {
    return this.timesPlanned <= 1 && !this.usesResolvedTypes
  }

  /** Refreshes the types to the current ones. It is refreshed again later if some could not be looked up yet. */
  refreshTypes(): void {
    const isSettled = this.types.unresolved(describedTypeOids(this)).length === 0
    this.typesVersion = isSettled ? this.types.version : undefined
    this.composites = this.holdsRecords ? this.types.composites : this.types.compositesOf(describedTypeOids(this))
    if (this.registry === this.types.registry) return
    this.registry = this.types.registry
    this.codecs = new WeakMap()
    this.misfits = this.findMisfits()
  }

  /** True if any of its types had to be looked up. */
  get usesResolvedTypes(): boolean {
    return describedTypeOids(this).some((oid) => this.types.initial.find(oid) !== this.registry.find(oid))
  }

  /**
   * Returns the codec for a preset: binary for each column whose type has a binary codec, otherwise text. So a column
   * of an unknown type arrives as text.
   */
  codecFor(preset: Preset.Preset): PresetCodec {
    let use = this.codecs.get(preset)
    if (use === undefined) {
      const decoders = new ResultDecoders(
        this.fields,
        this.origin.hasFloatDatetimes ? textPreset(preset) : preset,
        this.registry,
        (type) => Type.formatFor(type, Type.binary),
        // A type may have been altered since it was looked up.
        this.usesResolvedTypes ? () => this.types.invalidate() : undefined
      )
      const bind = (this.origin.hasFloatDatetimes ? makeBind : BindWriter.make)({
        statement: this.name,
        types: this.parameterTypes.map((oid) => this.registry.find(oid)),
        resultFormats: decoders.formats
      })
      this.codecs.set(preset, use = { bind, decoders })
    }
    return use
  }
}

const none: ReadonlyArray<number> = []

/** The types that accept numbers, and those for which a number is refused even where the server has a cast. */
const numberTypes = TypeRegistry.oidsOf("number", "float", "boolean", "json", "money")

const takesNumbers = (type: Type.Any | undefined): boolean =>
  type !== undefined && numberTypes.has(Type.underlying(type).oid)

export const isSameList = (a: ReadonlyArray<unknown>, b: ReadonlyArray<unknown>): boolean =>
  a.length === b.length && a.every((value, i) => value === b[i])

/** The types of its columns and parameters. */
const describedTypeOids = ({ fields, parameterTypes }: StatementDescription): ReadonlyArray<number> => [
  ...parameterTypes,
  ...fields.map(({ typeOid }) => typeOid)
]

/** A statement that is being prepared. */
interface Preparing extends Pinnable {
  readonly name: string
  readonly exchange: Exchange
  readonly outcome: Deferred.Deferred<Prepared, Failure>
  /** The map that it is stored in, and its key there. */
  readonly home: Home
  readonly key: string
  /** The epoch in which it was prepared, and the lookup. */
  readonly epoch: number
  readonly lookup: string
  readonly startedAt: number
  readonly typesVersion: number
  readonly hasFloatDatetimes: boolean
  /** The declared types of its parameters. */
  readonly declared: ReadonlyArray<number>
  /** The number of fibers that wait for it. */
  waiters: number
  /** True if all fibers that waited for it were interrupted, so that it may be cancelled. */
  isAbandoned: boolean
  /** True if it has been taken to be closed on the server, so that it must not be run any more. */
  isClosed: boolean
}

type Home = Map<string, Prepared | Preparing>

/** A statement that is requested from the cache. */
interface Wanted {
  readonly statement: StatementLike
  /** The text to prepare, with the comment. */
  readonly text: string
  readonly parameterTypes: ReadonlyArray<number>
  /** The values, if a refusal of the statement because of them must not end a transaction. */
  readonly values?: ReadonlyArray<unknown> | undefined
}

let lastKey = { text: "", types: [] as ReadonlyArray<number>, key: "" }

/**
 * Returns the key of a statement: its text and the declared types of its parameters. The last one is kept, as statements
 * with thousands of parameters are often run many times in a row (M-23).
 */
export const statementKey = (text: string, types: ReadonlyArray<number>): string => {
  if (types.length === 0) return text
  if (lastKey.text !== text || !isSameList(lastKey.types, types)) {
    lastKey = { text, types, key: `${types.join()} ${text}` }
  }
  return lastKey.key
}

/**
 * The length from which the text of a statement is long, and the length up to which long texts are kept together. The
 * parameters of a long INSERT occupy many times the memory of its text, here and in each session of the server.
 */
const longText = 16_384
const maxLongTexts = 1_048_576

/** @internal */
export interface CacheOptions {
  readonly engine: Engine
  readonly types: SessionTypes
  /** The maximum number of statements that are cached implicitly. */
  readonly capacity: number
  readonly processId: number | undefined
  /** The search path that the server reported; absent before PostgreSQL 18. */
  readonly searchPath: string | undefined
}

/**
 * Prepares each statement once, and evicts the least recently used ones from both the client and the server.
 *
 * A statement is prepared again if a command of the session may have changed its meaning (see `SchemaEpoch`), and
 * cached separately for each search path, and each role of a transaction. Statements that a program prepares explicitly
 * are kept until it releases them.
 */
export class StatementCache {
  private readonly engine: Engine
  readonly types: SessionTypes
  private readonly capacity: number
  private readonly entries: Home = new Map()
  /** Statements that a program has prepared explicitly. */
  private readonly owned: Home = new Map()
  /** The key that was used last. */
  private lastUsed = ""
  /** Evicted here, not yet closed on the server. */
  private toClose: Array<Preparing> = []
  private readonly prefix: string
  private count = 0
  readonly epoch: SchemaEpoch
  /** The search path, if it differs from the initial one. */
  private searchPath = ""

  /**
   * The names contain the server's process id, by which the server, or a pooler, distinguishes its clients: behind a
   * pooler, several sessions may share one server session.
   */
  constructor({ capacity, engine, processId, searchPath, types }: CacheOptions) {
    this.engine = engine
    this.types = types
    this.capacity = capacity
    this.prefix = `hyperfect_${processId ?? 0}`
    this.epoch = new SchemaEpoch(searchPath !== undefined)
    engine.onCommand = (tag, text) => {
      if (text === endOfGuard) return
      if (tag === "DEALLOCATE ALL" || tag === "DISCARD ALL") this.forgetAll()
      this.epoch.noteCommand(tag, text)
      types.noteCommand(tag, text)
    }
    engine.onParameterStatus = (name, value) => {
      if (name === "search_path") this.searchPath = value === searchPath ? "" : value
    }
  }

  /**
   * True if statements are cached. A pooler that assigns a server per transaction does not know the statements of
   * another one.
   */
  get isEnabled(): boolean {
    return this.capacity > 0
  }

  /** True if all statements fit in the cache. Otherwise they would evict each other before they are run. */
  canHold(texts: Iterable<string>): boolean {
    return new Set(texts).size <= this.capacity
  }

  /** The settings by which names are looked up now, as far as they differ from the initial ones. */
  private get lookup(): string {
    const { localNames } = this.epoch
    return localNames === "" ? this.searchPath : `${this.searchPath}\0${localNames}`
  }

  /** Returns a name that no other statement has. */
  freshName(): string {
    return `${this.prefix}_${++this.count}`
  }

  /**
   * Returns the prepared statement of a text, its comment and the declared types of its parameters. If the values
   * contain numbers or booleans, a transaction survives if the server refuses these types.
   */
  get(
    statement: { readonly text: string; readonly comment?: StatementComment | undefined },
    parameterTypes: ReadonlyArray<number>,
    pins: Pins,
    values?: ReadonlyArray<unknown>
  ): Effect.Effect<Prepared, QueryError> {
    const text = keptText(statement)
    let key = statementKey(text, parameterTypes)
    if (this.lookup !== "") key = `${this.lookup}\0${key}`
    const entry = this.entries.get(key)
    // A map keeps the order of insertion: the most recently used entry moves to the end.
    if (entry !== undefined && key !== this.lastUsed) {
      this.entries.delete(key)
      this.entries.set(key, entry)
      this.lastUsed = key
    }
    return this.use(this.entries, key, entry, { statement, text, parameterTypes, values }, pins)
  }

  /** Returns the statement that was prepared explicitly under this name. */
  getOwned(name: string, wanted: Wanted, pins: Pins): Effect.Effect<Prepared, QueryError> {
    return this.use(this.owned, name, this.owned.get(name), wanted, pins)
  }

  /** Releases a statement that was prepared explicitly. Returns its name on the server. */
  releaseOwned(name: string): string | undefined {
    const entry = this.owned.get(name)
    this.owned.delete(name)
    return entry?.name
  }

  private use(
    home: Home,
    key: string,
    entry: Prepared | Preparing | undefined,
    wanted: Wanted,
    pins: Pins
  ): Effect.Effect<Prepared, QueryError> {
    if (entry === undefined) return this.prepare(home, key, wanted, pins)
    const isPrepared = entry instanceof Prepared
    const preparing = isPrepared ? entry.origin : entry
    const isStale = preparing.epoch !== this.epoch.current || preparing.lookup !== this.lookup
    if (isStale || (!isPrepared && preparing.isAbandoned)) {
      if (isPrepared) this.forget(entry)
      return this.prepare(home, key, wanted, pins)
    }
    if (!isPrepared) return this.awaitPrepared(wanted.statement, entry, pins)
    if (entry.isDescriptionDue(this.types.checkInterval)) {
      if (this.types.checkInterval === 0 || !entry.isDescribedWith(this.types.current)) {
        this.forget(entry)
        return this.prepare(home, key, wanted, pins)
      }
      this.describeBehind(entry, wanted)
    }
    const current = this.withCurrentTypes(entry)
    // While types are looked up the statement may be evicted, and its name closed.
    if (pins.isLasting || !isExit(current)) pins.add(preparing)
    return current
  }

  /** Looks up the unknown types of a statement. */
  resolveTypes(described: StatementDescription): Effect.Effect<void> {
    return this.types.resolve(describedTypeOids(described))
  }

  /** Looks up the types of a statement that are unknown or may have changed. */
  withCurrentTypes(prepared: Prepared): Effect.Effect<Prepared> {
    const { types } = this
    if (prepared.isCheckDue(types.checkInterval)) {
      return Effect.flatMap(types.check(prepared.composites), () => this.withKnownTypes(prepared))
    }
    return this.withKnownTypes(prepared)
  }

  private withKnownTypes(prepared: Prepared): Effect.Effect<Prepared> {
    if (prepared.hasCurrentTypes) return Effect.succeed(prepared)
    const inRecords = prepared.holdsRecords ? this.types.current.unresolvedInRecords : []
    return Effect.map(this.types.resolve([...describedTypeOids(prepared), ...inRecords]), () => {
      if (!prepared.hasCurrentTypes) prepared.refreshTypes()
      return prepared
    })
  }

  private awaitPrepared(
    statement: StatementLike,
    preparing: Preparing,
    pins: Pins
  ): Effect.Effect<Prepared, QueryError> {
    return Effect.suspend(() => {
      pins.add(preparing)
      preparing.waiters++
      // Whatever the outcome, nothing that could run the statement was sent.
      const outcome = Effect.catch(
        Deferred.await(preparing.outcome),
        (failure) =>
          failQuery(failure, failure._tag === "ServerError" && !failure.isFatal ? "all" : "nothing", statement)
      )
      const prepared = Effect.onInterrupt(outcome, () => {
        preparing.waiters--
        if (preparing.waiters > 0) return Effect.void
        // A fiber that requests it now must not get an exchange that may be cancelled.
        preparing.isAbandoned = true
        return this.engine.cancellation.abandonSent(preparing.exchange)
      })
      return Effect.flatMap(prepared, (prepared) => this.withCurrentTypes(prepared))
    })
  }

  private prepare(home: Home, key: string, wanted: Wanted, pins: Pins): Effect.Effect<Prepared, QueryError> {
    const outcome = Deferred.makeUnsafe<Prepared, Failure>()
    const name = this.freshName()
    if (home === this.entries) this.makeRoom(key)
    // Not tied to the fiber that requests it first: others may wait for the same statement.
    const { exchange, submit } = this.parse(name, wanted, (exit) => {
      if (Exit.isSuccess(exit)) {
        const prepared = new Prepared(preparing, exit.value, this.types.current)
        if (home.get(key) === preparing) home.set(key, prepared)
        else this.toClose.push(preparing)
        Deferred.doneUnsafe(outcome, Effect.succeed(prepared))
      } else {
        if (home.get(key) === preparing) home.delete(key)
        Deferred.doneUnsafe(outcome, Exit.failCause(exit.cause))
      }
    })
    const preparing = this.makePreparing(name, wanted, home, key, exchange, outcome)
    home.set(key, preparing)
    if (home === this.entries) this.lastUsed = key
    if (wanted.values?.some(isUndecided) === true) this.types.guard(submit)
    else submit()
    return this.awaitPrepared(wanted.statement, preparing, pins)
  }

  private makePreparing(
    name: string,
    { parameterTypes }: Wanted,
    home: Home,
    key: string,
    exchange: Exchange,
    outcome: Preparing["outcome"]
  ): Preparing {
    return {
      name,
      exchange,
      outcome,
      home,
      key,
      epoch: this.epoch.current,
      lookup: this.lookup,
      startedAt: this.types.current.now(),
      typesVersion: this.types.current.version,
      hasFloatDatetimes: this.types.hasFloatDatetimes,
      declared: parameterTypes,
      waiters: 0,
      isAbandoned: false,
      isClosed: false,
      pins: 0
    }
  }

  /**
   * Parse and Describe of a statement, and Close of the evicted ones. On a dead session it has ended once it is
   * submitted.
   */
  private parse(
    name: string,
    { parameterTypes, text }: Wanted,
    done: (exit: Exit.Exit<StatementDescription, Failure>) => void
  ): { readonly exchange: Exchange; readonly submit: () => void } {
    const closing = this.takeClosable()
    let isSent = false
    const parse = parseAndDescribe(name, text, parameterTypes)
    const exchange = new Exchange(flows.prepare, new DescriptionSink())
    const write: WriteFrames = (out) => {
      for (const { name } of closing) writeFrontend(out, { _tag: "Close", kind: "S", name })
      parse(out)
      isSent = true
    }
    const onDone = () => {
      if (!isSent) this.toClose.push(...closing)
      done(exchange.outcome())
    }
    return { exchange, submit: () => this.engine.submit(exchange, write, onDone) }
  }

  /**
   * Describes a statement again, behind the exchange about to be run, to find the current types of its parameters for
   * the next run. The new statement replaces the old one if the description differs. Not done in a transaction, which
   * would fail if the server refused.
   */
  private describeBehind(prepared: Prepared, wanted: Wanted): void {
    const { home, key, outcome } = prepared.origin
    const isInPlace = () => home.get(key) === prepared
    prepared.describedAt = this.types.current.now()
    void endOfStep.then(() => {
      if (!isInPlace() || !this.engine.isOutsideTransaction) return
      const name = this.freshName()
      const { exchange, submit } = this.parse(name, wanted, (exit) => {
        if (Exit.isFailure(exit)) return
        if (!isInPlace() || prepared.isDescribedBy(exit.value)) {
          this.toClose.push(preparing)
          return
        }
        this.forget(prepared)
        home.set(key, new Prepared(preparing, exit.value, this.types.current))
      })
      const preparing = this.makePreparing(name, wanted, home, key, exchange, outcome)
      submit()
    })
  }

  /** Evicts the least recently used statements in favour of a new one, if there are too many, or too many long texts. */
  private makeRoom(key: string): void {
    if (this.entries.size >= this.capacity) this.evict(this.entries.keys().next().value!)
    if (key.length < longText) return
    const long = [...this.entries.keys()].filter(({ length }) => length >= longText)
    let size = long.reduce((sum, { length }) => sum + length, key.length)
    for (const oldest of long) {
      if (size <= maxLongTexts) return
      size -= oldest.length
      this.evict(oldest)
    }
  }

  private evict(key: string): void {
    const entry = this.entries.get(key)
    this.entries.delete(key)
    if (entry instanceof Prepared) this.toClose.push(entry.origin)
  }

  /** Takes the statements that may be closed. Those held by a plan are about to be run. */
  private takeClosable(): ReadonlyArray<Preparing> {
    if (this.toClose.length === 0) return []
    const closable = this.toClose.filter(({ pins }) => pins === 0)
    this.toClose = this.toClose.filter(({ pins }) => pins > 0)
    for (const preparing of closable) preparing.isClosed = true
    return closable
  }

  private forget(prepared: Prepared): void {
    const { home, key } = prepared.origin
    if (home.get(key) !== prepared) return
    home.delete(key)
    this.toClose.push(prepared.origin)
  }

  /** Removes a stale statement, so that it is prepared again. */
  invalidate(prepared: Prepared): void {
    if (prepared.usesResolvedTypes) this.types.current.invalidate()
    this.forget(prepared)
  }

  /** Drops all statements after the server has dropped them. Those being prepared come after that. */
  private forgetAll(): void {
    this.toClose = []
    for (const home of [this.entries, this.owned]) {
      for (const [key, entry] of home) if (entry instanceof Prepared) home.delete(key)
    }
  }
}

/** Callbacks chained to it run after the current step, and before the exchanges submitted in it are sent. */
const endOfStep = Promise.resolve()

/** @internal */
export const syncMessage: Frontend.Sync = { _tag: "Sync" }

/** Parse and Describe of a statement, with a name or unnamed. */
export const parseAndDescribe = (name: string, query: string, parameterTypes: ReadonlyArray<number>): WriteFrames => {
  let isAgain = false
  return (out) => {
    // A statement that was parsed remains even if its description was cancelled, and a name must not be used twice.
    if (isAgain && name !== "") writeFrontend(out, { _tag: "Close", kind: "S", name })
    isAgain = true
    writeFrontend(out, { _tag: "Parse", name, query, parameterTypes })
    writeFrontend(out, { _tag: "Describe", kind: "S", name })
    writeFrontend(out, syncMessage)
  }
}
