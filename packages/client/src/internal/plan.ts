/**
 * Plans: how one statement is run on one kind of server, how its frames are written and its rows read.
 *
 * - PostgreSQL, prepared: the statement is known by a name and was described; one round trip of Bind and Execute, results in
 *   binary where the type has it.
 * - PostgreSQL, unnamed: Parse, Bind, Describe and Execute in one group, for those who keep no statements. The types of
 *   the columns are not known when Bind says their format, so results come as text.
 * - Hyper: one such group too, types declared from the values, results in HyperBinary. Nothing is prepared under a name: a
 *   statement whose table is made anew would go on reading the old one (measured).
 *
 * @internal
 */
import * as Frontend from "@hyperfect/protocol/Frontend"
import * as BindWriter from "@hyperfect/values/BindWriter"
import type * as Preset from "@hyperfect/values/Preset"
import type { ArrayRow, ObjectRow } from "@hyperfect/values/RowReader"
import type * as Type from "@hyperfect/values/Type"
import * as Effect from "effect/Effect"
import type { QueryError } from "../QueryError.ts"
import { operationOf } from "../QueryText.ts"
import type { Statement } from "../Statement.ts"
import type { Types } from "./catalogue.ts"
import { attempt, chain } from "./circumstances.ts"
import { type Engine, type WriteFrames, writeFrontend } from "./engine.ts"
import { states } from "./exchange.ts"
import type { Describe, Described } from "./exchanges.ts"
import { declaredTypes, forHyper, forHyperTypes, forUndescribed, typeOids } from "./parameters.ts"
import type { Prepared, Statements } from "./prepared.ts"
import { type IntoColumns, Reading, type Rows } from "./reading.ts"

/** What is asked for, as far as it takes to ask it. */
export type Asked = Pick<Statement, "text" | "parameters" | "preset">

const noParameters: ReadonlyArray<unknown> = []

/** @internal */
export const asked = (input: Statement | string): Asked =>
  typeof input === "string" ? { text: input, parameters: noParameters, preset: undefined } : input

/** What a result is read as. Throws a `ValueError.Reason` for columns that cannot be read so. */
export type Shape<K> = (reading: Reading) => K

/** @internal */
export const objects: Shape<Rows<ObjectRow>> = (reading) => reading.objects()
/** @internal */
export const arrays: Shape<Rows<ArrayRow>> = (reading) => reading.arrays()
/** @internal */
export const columns: Shape<IntoColumns> = (reading) => reading.columns()
/** For whoever does not want the rows. */
export const nothing: Shape<undefined> = () => undefined

/** @internal */
export interface Plan<K> {
  /** What is due first. */
  readonly state: number
  /** Everything before the Execute. */
  readonly write: WriteFrames
  /** The statement that the server knows it by, if it can be forgotten. */
  readonly prepared: Prepared | undefined
  readonly describe: Describe<K>
  /** What reads the result, when its columns are known already. */
  readonly known: K | undefined
}

const bytesOf = (...messages: ReadonlyArray<Frontend.Message>): Uint8Array =>
  Uint8Array.from(messages.flatMap((message) => [...Frontend.encodeUnsafe(message)]))

const executeAll: Frontend.Message = { _tag: "Execute", portal: "", maxRows: 0 }
const describePortal = bytesOf({ _tag: "Describe", kind: "P", name: "" })

/** Runs what was bound, to its end. */
export const execute = bytesOf(executeAll)

/** @internal */
export const sync = bytesOf({ _tag: "Sync" })

const executeSync = bytesOf(executeAll, { _tag: "Sync" })

/** Writes a plan as a group of its own. */
export const group = ({ write }: Plan<unknown>): WriteFrames => (out) => {
  write(out)
  out.copy(executeSync)
}

/** How many results a session remembers the readers of, for others that look alike. */
const readingCacheSize = 256

/** Plans the statements of a session. */
export class Planner {
  readonly statements: Statements
  private readonly engine: Engine
  private readonly kind: "hyper" | "postgres"
  private readonly types: Types
  readonly defaultPreset: Preset.Preset
  private readonly readings = new WeakMap<Preset.Preset, Map<string, Reading>>()

  constructor(
    engine: Engine,
    kind: "hyper" | "postgres",
    types: Types,
    defaultPreset: Preset.Preset,
    statements: Statements
  ) {
    this.engine = engine
    this.kind = kind
    this.types = types
    this.defaultPreset = defaultPreset
    this.statements = statements
  }

  /** How a result is read that all comes in one format, when its columns become known. */
  describe<K>(shape: Shape<K>, format: Type.Format, preset = this.defaultPreset): Describe<K> {
    return (fields) => {
      let ofPreset = this.readings.get(preset)
      if (ofPreset === undefined) this.readings.set(preset, ofPreset = new Map())
      let key = `${format}`
      for (const { columnNumber, name, tableOid, typeModifier, typeOid } of fields) {
        key += `\0${typeOid} ${typeModifier} ${tableOid} ${columnNumber} ${name}`
      }
      let reading = ofPreset.get(key)
      if (reading === undefined) {
        // Without a statement that is described first there is no time to look types up.
        reading = new Reading(fields, preset, this.types.initial, () => format)
        if (ofPreset.size === readingCacheSize) ofPreset.delete(ofPreset.keys().next().value!)
        ofPreset.set(key, reading)
      }
      return shape(reading)
    }
  }

  /** One group, nothing known before. */
  unprepared<K>({ parameters, preset, text }: Asked, shape: Shape<K>): Plan<K> {
    const [format, encodersOf] = this.kind === "hyper" ? [2, forHyper] as const : [0, forUndescribed] as const
    return {
      state: states.Parsing,
      prepared: undefined,
      write: (out) => {
        const encoders = encodersOf(parameters)
        writeFrontend(out, { _tag: "Parse", name: "", query: text, parameterTypes: typeOids(encoders) })
        BindWriter.writeUnsafe(out, { statement: "", encoders, values: parameters, resultFormats: [format] })
        out.copy(describePortal)
      },
      describe: this.describe(shape, format, preset),
      known: undefined
    }
  }

  /** A statement that PostgreSQL knows, with these values. Throws a `ValueError.Reason`. */
  preparedUnsafe<K>({ parameters, preset = this.defaultPreset }: Asked, shape: Shape<K>, prepared: Prepared): Plan<K> {
    const { bind, reading } = prepared.use(preset)
    const known = shape(reading)
    return {
      state: states.BindingPrepared,
      prepared,
      write: (out) => bind(out, parameters),
      describe: () => known,
      known
    }
  }

  /** How the result of a statement is read that Hyper knows. */
  declared({ fields }: Described): Reading {
    return new Reading(fields, this.defaultPreset, this.types.initial, () => 2)
  }

  /** A statement that Hyper knows, with these values of the types that it was told. Throws a `ValueError.Reason`. */
  declaredUnsafe<K>(
    { parameters }: Asked,
    shape: Shape<K>,
    name: string,
    reading: Reading,
    types: ReadonlyArray<Type.Any>
  ): Plan<K> {
    const known = shape(reading)
    return {
      state: states.BindingPrepared,
      prepared: undefined,
      write: (out) => {
        const encoders = forHyperTypes(parameters, types)
        BindWriter.writeUnsafe(out, { statement: name, encoders, values: parameters, resultFormats: [2] })
      },
      describe: () => known,
      known
    }
  }

  /** In a failed transaction Hyper leaves it to us to refuse statements, for it does not always do so (measured). */
  isRefused(text: string): boolean {
    return this.kind === "hyper" && this.engine.status === "E" &&
      !["ROLLBACK", "ABORT"].includes(operationOf(text) ?? "")
  }

  /** An effect that has its outcome already, unless the statement is not known yet. */
  planUnsafe<K>(
    statement: Asked,
    shape: Shape<K>,
    isKept = this.statements.isKept
  ): Effect.Effect<Plan<K>, QueryError> {
    if (this.kind === "hyper" || !isKept) return Effect.succeed(this.unprepared(statement, shape))
    const { parameters, text } = statement
    return chain(
      attempt(statement, () => this.statements.get(statement, text, declaredTypes(parameters))),
      (prepared) =>
        chain(prepared, (prepared) => attempt(statement, () => this.preparedUnsafe(statement, shape, prepared)))
    )
  }
}
