/**
 * Plans: how one statement is run, how its frames are written and its rows decoded.
 *
 * - PostgreSQL, prepared: the statement has a name and was described; one round trip of Bind and Execute, with results
 *   in binary where the type supports it.
 * - PostgreSQL, unnamed: Parse, Bind, Describe and Execute in one group, if statements are not cached. The column types
 *   are not known when Bind declares their format, so results are in text.
 * - Hyper: also one such group, with types declared from the values and results in HyperBinary. No named statements are
 *   used: a statement whose table is created again would continue to read the old one (H-06).
 *
 * @internal
 */
import * as Frontend from "@hyperfect/protocol/Frontend"
import * as BindWriter from "@hyperfect/values/BindWriter"
import type * as Parameter from "@hyperfect/values/Parameter"
import * as Preset from "@hyperfect/values/Preset"
import type { ArrayRow, ObjectRow } from "@hyperfect/values/RowReader"
import * as Type from "@hyperfect/values/Type"
import * as Effect from "effect/Effect"
import type { QueryError } from "../../QueryError.ts"
import { operationOf } from "../../QueryText.ts"
import { isStatement, type Statement } from "../../Statement.ts"
import { type Engine, type WriteFrames, writeFrontend } from "../engine/engine.ts"
import { Exchange, type Flow, flows } from "../engine/exchange.ts"
import { checkFormats, type ColumnsDecoder, ResultDecoders, type RowsDecoder } from "../engine/resultDecoders.ts"
import { DescriptionSink, type MakeDecoder, type StatementDescription } from "../engine/sinks.ts"
import { noteCaller } from "../model/callers.ts"
import { canComment, keptText, sentText, type StatementComment } from "../model/comment.ts"
import { derived } from "../model/sql.ts"
import { refuseFloats } from "../session/hyperText.ts"
import { flatMapEager, trySync } from "../session/queryError.ts"
import { Declarations } from "./declarations.ts"
import { textEncoders } from "./floatDatetimes.ts"
import { declaredTypes, encodersForTypes, encodersForUndescribed, encodersOfTypes, typeOids } from "./parameters.ts"
import type { Pins } from "./pins.ts"
import { parseAndDescribe, type Prepared, type StatementCache } from "./prepared.ts"
import { makeRecords, type Records } from "./records.ts"
import type { KnownTypes, TypeCatalogue } from "./typeCatalogue.ts"

/** The parts of a statement that are needed to run it. */
export interface Request extends Pick<Statement, "text" | "parameters" | "preset" | "isUnprepared"> {
  readonly comment?: StatementComment | undefined
}

const noParameters: ReadonlyArray<unknown> = []

/**
 * Stands for an input that is not a statement, such as an object that looks like one but was made by `JSON.parse`. It
 * is refused, and nothing of it is sent.
 */
export const notStatement: Request = { text: "", parameters: noParameters, preset: undefined, isUnprepared: undefined }

/** @internal */
export const toRequest = (input: Statement | string): Request => {
  if (typeof input !== "string") return isStatement(input) ? input : notStatement
  noteCaller(input)
  return { text: input, parameters: noParameters, preset: undefined, isUnprepared: undefined }
}

/** Returns a request with a comment, if it can have one. */
export const withComment = (request: Request, comment: StatementComment): Request =>
  !canComment(request.text) ? request : isStatement(request) ? derived(request, { comment }) : { ...request, comment }

/** Selects the decoder of a result. Throws a `ValueError.Reason` for columns that it cannot read. */
export type ResultShape<K> = (reading: ResultDecoders) => K

/** @internal */
export const objects: ResultShape<RowsDecoder<ObjectRow>> = (reading) => reading.objects()
/** @internal */
export const arrays: ResultShape<RowsDecoder<ArrayRow>> = (reading) => reading.arrays()
/** @internal */
export const columns: ResultShape<ColumnsDecoder> = (reading) => reading.columns()
/** For callers that do not read the rows. */
export const noRows: ResultShape<undefined> = () => undefined

/** @internal */
export interface Plan<K> {
  readonly flow: Flow
  /** Writes everything before the Execute. */
  readonly write: WriteFrames
  /** The prepared statement, if it can be invalidated. */
  readonly prepared: Prepared | undefined
  readonly describe: MakeDecoder<K>
  /** The decoder of the result, if its columns are already known. */
  readonly known: K | undefined
  /** Completes anonymous records in the result, if there may be any. */
  readonly records?: Records | undefined
}

const encodeAll = (...messages: ReadonlyArray<Frontend.Message>): Uint8Array =>
  Uint8Array.from(messages.flatMap((message) => [...Frontend.encodeUnsafe(message)]))

const executeAll: Frontend.Message = { _tag: "Execute", portal: "", maxRows: 0 }
const describePortal = encodeAll({ _tag: "Describe", kind: "P", name: "" })

/** Execute of the bound portal, without a row limit. */
export const executeBytes = encodeAll(executeAll)

/** @internal */
export const syncBytes = encodeAll({ _tag: "Sync" })

const executeSync = encodeAll(executeAll, { _tag: "Sync" })

/** The flow of a statement that was described. */
const bindingFlow = ({ fields }: { readonly fields: ReadonlyArray<unknown> }): Flow =>
  fields.length === 0 ? flows.bindCommand : flows.bind

/** Writes a plan as its own group, ended by Sync. */
export const writeGroup = ({ write }: Plan<unknown>): WriteFrames => (out) => {
  write(out)
  out.copy(executeSync)
}

/** The number of results whose decoders a session caches, for other results with the same columns. */
const decoderCacheSize = 256

/**
 * Texts that modify data and return rows. They are checked before they are run; a SELECT is not, because it has no
 * effect if its rows cannot be read, and there are many of them.
 */
const returnsRows = /\breturning\b/i

/** Plans the statements of a session. */
export class Planner {
  readonly statementCache: StatementCache
  readonly declarations: Declarations
  readonly engine: Engine
  readonly defaultPreset: Preset.Preset
  /** A cache. Weak, since a program may make a preset for each query. */
  private decoderCache = new WeakMap<Preset.Preset, Map<string, ResultDecoders>>()
  /** The types with which the cached decoders were made. */
  private decoderRegistry: KnownTypes | undefined

  constructor(engine: Engine, defaultPreset: Preset.Preset, statements: StatementCache) {
    this.engine = engine
    this.defaultPreset = defaultPreset
    this.statementCache = statements
    this.declarations = new Declarations(engine, statements)
  }

  private get types(): TypeCatalogue {
    return this.statementCache.types.current
  }

  /**
   * Makes the decoder of a result in a single format, once its columns are known. With `isResolving`, user-defined
   * types are looked up for it.
   */
  makeDecoder<K>(
    shape: ResultShape<K>,
    format: Type.Format,
    preset = this.defaultPreset,
    isResolving = false
  ): MakeDecoder<K> {
    return (fields, isFinal = false) => {
      if (this.engine.dialect.reportedFormats) checkFormats(fields, format)
      const { types } = this
      if (this.decoderRegistry !== types.registry) {
        this.decoderRegistry = types.registry
        this.decoderCache = new WeakMap()
      }
      let ofPreset = this.decoderCache.get(preset)
      if (ofPreset === undefined) this.decoderCache.set(preset, ofPreset = new Map())
      let key = `${format}${isResolving}`
      for (const { columnNumber, name, tableOid, typeModifier, typeOid } of fields) {
        key += `\0${typeOid} ${typeModifier} ${tableOid} ${columnNumber} ${name}`
      }
      let reading = ofPreset.get(key)
      if (reading === undefined) {
        const registry = isResolving ? types.registry : types.initial
        if (!this.engine.dialect.exactFloats && format === Type.text) refuseFloats(fields, registry)
        const oids = fields.map(({ typeOid }) => typeOid)
        const isUnresolved = isResolving && types.unresolved(oids).length > 0
        if (isUnresolved && !isFinal) return undefined
        const isResolved = oids.some((oid) => registry.find(oid) !== types.initial.find(oid))
        const onFailure = isResolved ? () => types.invalidate() : undefined
        reading = new ResultDecoders(fields, preset, registry, () => format, onFailure)
        if (isUnresolved) {
          types.meet(oids)
          return shape(reading)
        }
        if (ofPreset.size === decoderCacheSize) ofPreset.delete(ofPreset.keys().next().value!)
        ofPreset.set(key, reading)
      }
      return shape(reading)
    }
  }

  /** Returns encoders for a PostgreSQL server that has not described the parameters. Throws a `ValueError.Reason`. */
  readonly undescribedEncoders = (values: ReadonlyArray<unknown>): ReadonlyArray<Parameter.Encoder> => {
    const encoders = encodersForUndescribed(values)
    return this.statementCache.types.hasFloatDatetimes ? textEncoders(encoders, values) : encoders
  }

  /** Plans one group without prior knowledge of the statement. */
  unprepared<K>(statement: Request, shape: ResultShape<K>): Plan<K> {
    const { parameters, preset } = statement
    const { dialect } = this.engine
    const resultFormats = [dialect.resultFormat]
    const encodersOf = dialect.inferredTypes ? this.undescribedEncoders : encodersOfTypes(dialect)
    return {
      flow: flows.parse,
      prepared: undefined,
      write: (out) => {
        const encoders = encodersOf(parameters)
        writeFrontend(out, { _tag: "Parse", name: "", query: sentText(statement), parameterTypes: typeOids(encoders) })
        BindWriter.writeUnsafe(out, { statement: "", encoders, values: parameters, resultFormats })
        out.copy(describePortal)
      },
      describe: this.makeDecoder(shape, dialect.resultFormat, preset, dialect.catalogueLookups),
      known: undefined
    }
  }

  /** Plans a statement that PostgreSQL has prepared, with these values. Throws a `ValueError.Reason`. */
  preparedUnsafe<K>(
    { parameters, preset = this.defaultPreset }: Request,
    shape: ResultShape<K>,
    prepared: Prepared
  ): Plan<K> {
    const { bind, decoders } = prepared.codecFor(preset)
    const known = shape(decoders)
    prepared.timesPlanned++
    return {
      flow: bindingFlow(prepared),
      prepared,
      write: (out) => bind(out, parameters),
      describe: () => known,
      known,
      records: prepared.holdsRecords
        ? makeRecords(this.types, preset, this.statementCache.types.resolve)
        : undefined
    }
  }

  /** Makes the decoders of a statement that is prepared with declared types. */
  declaredDecoders({ fields }: StatementDescription): ResultDecoders {
    return new ResultDecoders(fields, this.defaultPreset, this.types.initial, () => this.engine.dialect.resultFormat)
  }

  /** Plans a statement that is prepared with these declared types. Throws a `ValueError.Reason`. */
  declaredUnsafe<K>(
    { parameters }: Request,
    shape: ResultShape<K>,
    name: string,
    reading: ResultDecoders,
    types: ReadonlyArray<Type.Any>
  ): Plan<K> {
    const known = shape(reading)
    return {
      flow: bindingFlow(reading),
      prepared: undefined,
      write: (out) => {
        const encoders = encodersForTypes(this.engine.dialect, parameters, types)
        const resultFormats = [this.engine.dialect.resultFormat]
        BindWriter.writeUnsafe(out, { statement: name, encoders, values: parameters, resultFormats })
      },
      describe: () => known,
      known
    }
  }

  /** True if the client has to refuse a statement in a failed transaction, because the server does not always do so. */
  isRefused(text: string): boolean {
    return !this.engine.dialect.failedTransactions && this.engine.status === "E" &&
      !["ROLLBACK", "ABORT"].includes(operationOf(text) ?? "")
  }

  /**
   * Returns the plan of {@link unprepared}, after looking up types that earlier results lacked. For a statement that
   * modifies data, it first checks that its columns can be read.
   */
  planUnprepared<K>(statement: Request, shape: ResultShape<K>): Effect.Effect<Plan<K>, QueryError> {
    if (!this.engine.dialect.inferredTypes) return Effect.succeed(this.unprepared(statement, shape))
    const unresolved = this.types.unresolvedInRecords
    const plan = unresolved.length === 0
      ? Effect.succeed(this.unprepared(statement, shape))
      : Effect.map(this.statementCache.types.resolve(unresolved), () => this.unprepared(statement, shape))
    return this.mayRefuseColumns(statement, shape) ? Effect.andThen(this.checkColumns(statement, shape), plan) : plan
  }

  /** True if a statement modifies data and may be refused for columns of the same name. */
  private mayRefuseColumns<K>({ preset = this.defaultPreset, text }: Request, shape: ResultShape<K>): boolean {
    return shape as unknown === objects && returnsRows.test(text) && Preset.duplicates(preset) === "refuse"
  }

  /** Fails, before it is run, if the columns of a statement that modifies data could not be read. */
  private checkColumns<K>(statement: Request, shape: ResultShape<K>): Effect.Effect<unknown, QueryError> {
    const { parameters, preset = this.defaultPreset, text } = statement
    return Effect.flatMap(
      trySync(statement, () => parseAndDescribe("", keptText(statement), declaredTypes(parameters))),
      (write) => {
        const exchange = new Exchange(flows.prepare, new DescriptionSink(), text)
        return Effect.flatMap(
          this.engine.run(exchange, write, () => exchange.outcomeFor(statement)),
          ({ fields }) =>
            trySync(statement, () => shape(new ResultDecoders(fields, preset, this.types.initial, () => 0)))
        )
      }
    )
  }

  /**
   * Plans a statement. The effect is already an exit, unless the statement has to be prepared or its types looked up.
   */
  planUnsafe<K>(
    statement: Request,
    shape: ResultShape<K>,
    pins: Pins,
    isKept = this.statementCache.isEnabled
  ): Effect.Effect<Plan<K>, QueryError> {
    if (!isKept) return this.planUnprepared(statement, shape)
    return flatMapEager(
      trySync(statement, () => this.declarations.prepare(statement, pins)),
      (prepared) =>
        flatMapEager(prepared, (prepared) => trySync(statement, () => this.preparedUnsafe(statement, shape, prepared)))
    )
  }
}
