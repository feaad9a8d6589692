/**
 * Tables and record batches of the package `apache-arrow`, from queries and into tables.
 *
 * The package is an optional peer dependency. This module is not in the package's index: it is imported as
 * `@hyperfect/hyper/apache/ArrowTable`.
 *
 * @since 0.1.0
 */
import type { Client, ClientError } from "@hyperfect/client/Client"
import type { CopyResult } from "@hyperfect/client/Queries"
import { sql, type Statement } from "@hyperfect/client/Statement"
import * as ValueError from "@hyperfect/values/ValueError"
import {
  type DataType,
  Field,
  makeData,
  RecordBatch,
  RecordBatchStreamWriter,
  Schema,
  Struct,
  Table,
  tableFromIPC
} from "apache-arrow"
import * as Bytes from "effect/Bytes"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { type ArrowError, ArrowMismatch } from "../ArrowError.ts"
import * as ArrowSchema from "../ArrowSchema.ts"
import * as HyperArrow from "../HyperArrow.ts"
import * as Conversion from "../internal/arrowConversion.ts"
import { joinStreams } from "../internal/arrowStreams.ts"

/**
 * Returns the result of a query as a `Table`. The query cannot have parameters.
 *
 * **Example** (A query as a table)
 *
 * ```ts
 * import { Statement } from "@hyperfect/client"
 * import { Hyper, Hyperd } from "@hyperfect/hyper"
 * import * as ArrowTable from "@hyperfect/hyper/apache/ArrowTable"
 * import { NodePlatform } from "@hyperfect/node"
 * import { Effect, Layer } from "effect"
 * import { strict as assert } from "node:assert"
 *
 * const program = Effect.gen(function*() {
 *   const table = yield* ArrowTable.fromQuery(Statement.sql`select i * 0.5e0 as half from generate_series(1, 3) as g(i)`)
 *   assert.deepEqual(table.getChild("half")!.toArray(), Float64Array.of(0.5, 1, 1.5))
 * })
 *
 * const Live = Hyper.layer().pipe(Layer.provide(Hyperd.layer()), Layer.provide(NodePlatform.layer))
 *
 * await Effect.runPromise(Effect.provide(program, Live))
 * ```
 *
 * @category queries
 * @since 0.1.0
 */
export const fromQuery = (query: Statement): Effect.Effect<Table, ClientError, Client> =>
  Effect.map(HyperArrow.collect(query), (bytes) => tableFromIPC(bytes))

/**
 * Streams the result of a query as record batches, as the server sends them: 10,240 rows each. The query cannot have
 * parameters.
 *
 * **Gotchas**
 *
 * The data is valid only once the stream ends: the server may send batches and then fail.
 *
 * @category streams
 * @since 0.1.0
 */
export const streamQuery = (query: Statement): Stream.Stream<RecordBatch, ClientError | ArrowError, Client> =>
  Stream.unwrap(Effect.sync(() => {
    const { isComplete, push } = joinStreams(() => undefined)
    let schema: Uint8Array | undefined
    let pending: Array<Uint8Array> = []
    return Stream.flattenIterable(
      Stream.mapEffect(HyperArrow.stream(query), (chunk) =>
        HyperArrow.tryArrow(() => {
          const messages = push(chunk)
          pending.push(...messages)
          if (!isComplete() || messages.length === 0) return []
          schema ??= messages[0]!
          // The schema is repeated, so that the batches received so far are a stream of their own.
          const { batches } = tableFromIPC(Bytes.concat(pending))
          pending = [schema]
          return batches.filter(({ numRows }) => numRows > 0)
        }))
    )
  }))

/**
 * The data for a table.
 *
 * @category models
 * @since 0.1.0
 */
export type Data<E = never, R = never> = Table | Iterable<RecordBatch> | Stream.Stream<RecordBatch, E, R>

/** The columns of a table, as both this library and `apache-arrow` have them. */
interface Target {
  readonly name: string
  readonly fields: ReadonlyArray<ArrowSchema.ArrowField>
  readonly schema: Schema
}

/**
 * Inserts record batches into a table with one COPY, with values that are converted to the types of its columns: all of
 * them, or none if anything fails or the insert is interrupted.
 *
 * **Details**
 *
 * Columns are matched by name. Columns that the table does not have are ignored. Data in Arrow IPC is read by
 * `RecordBatchReader.from(bytes)`, which is an iterable of batches.
 *
 * | column | accepts |
 * | --- | --- |
 * | `smallint`, `integer`, `bigint`, `oid` | integers of any width, and floating-point numbers that are integers |
 * | `real`, `double precision` | floating-point numbers of any precision, and integers |
 * | `numeric(p, s)` | decimals of any precision and scale, and integers |
 * | `text`, `varchar`, `char`, `json` | Utf8, LargeUtf8, Utf8View |
 * | `bytes` | Binary, LargeBinary, BinaryView, FixedSizeBinary |
 * | `date` | Date of both units |
 * | `time` | Time of all units |
 * | `timestamp`, `timestamptz` | Timestamp of all units, without a zone and with one |
 *
 * and for each of them a Dictionary of these, and Null. Other columns accept their own type. A column of another type
 * or one that is missing fails the insert with an `ArrowMismatch`. A value that the column cannot store as it is, such
 * as an integer out of range, a nanosecond, a text that is too long, or NULL in a NOT NULL column, fails it with a
 * `ValueError` that names the column and the row.
 *
 * **Example** (What a program has computed)
 *
 * ```ts
 * import { Hyper, Hyperd, HyperTable } from "@hyperfect/hyper"
 * import * as ArrowTable from "@hyperfect/hyper/apache/ArrowTable"
 * import { NodePlatform } from "@hyperfect/node"
 * import { tableFromArrays } from "apache-arrow"
 * import { Effect, Layer, Schema } from "effect"
 * import { strict as assert } from "node:assert"
 *
 * const Delay = HyperTable.make("delays", { origin: Schema.String, delay: Schema.Int }, { temporary: true })
 *
 * const program = Effect.gen(function*() {
 *   yield* Delay.create
 *   // A Dictionary of Utf8, and Float64
 *   const table = tableFromArrays({ origin: ["SFO", "ANC"], delay: [7, -2] })
 *   const { rowCount } = yield* ArrowTable.insert(Delay, table)
 *   assert.equal(rowCount, 2)
 * })
 *
 * const Live = Hyper.layer().pipe(Layer.provide(Hyperd.layer()), Layer.provide(NodePlatform.layer))
 *
 * await Effect.runPromise(Effect.provide(program, Live))
 * ```
 *
 * @see `HyperArrow.insert` for data of the table's own types, which is passed on as it is
 *
 * @category inserting
 * @since 0.1.0
 */
export const insert = <E = never, R = never>(
  table: HyperArrow.Table,
  data: Data<E, R>
): Effect.Effect<CopyResult, ClientError | ArrowError | ArrowMismatch | ValueError.ValueError | E, Client | R> =>
  Effect.gen(function*() {
    const name = HyperArrow.nameOf(table)
    const bytes = yield* HyperArrow.collect(sql`SELECT * FROM ${name} WHERE false`)
    const fields = yield* HyperArrow.readSchema(bytes)
    const convert = makeConverter({ name: sql`${name}`.text, fields, schema: tableFromIPC(bytes).schema })
    const batches = Stream.isStream(data)
      ? data
      : Stream.fromIterable(data instanceof Table ? data.batches : data, { chunkSize: 1 })
    const messages = Stream.flattenIterable(Stream.map(batches, slices)).pipe(
      Stream.mapEffect((batch) => Effect.try({ try: () => convert(batch), catch: toError })),
      // A stream of no batch has no schema.
      Stream.orElseIfEmpty(() => Stream.make(bytes))
    )
    return yield* HyperArrow.insert(table, messages)
  })

const toError = (thrown: unknown): ArrowMismatch | ValueError.ValueError =>
  thrown instanceof ArrowMismatch ? thrown : ValueError.fromThrown(thrown)

/** The rows that are converted at once, which bounds the memory that it takes. */
const sliceLength = 65_536

const slices = (batch: RecordBatch): Array<RecordBatch> =>
  Array.from(
    { length: Math.ceil(batch.numRows / sliceLength) || 1 },
    (_, i) => batch.numRows <= sliceLength ? batch : batch.slice(i * sliceLength, (i + 1) * sliceLength)
  )

const toIpc = (data: Table | ReadonlyArray<RecordBatch>): Uint8Array =>
  RecordBatchStreamWriter.writeAll(data).toUint8Array(true)

/** Returns the function that converts a batch to those of a table, as a stream of its own. Throws. */
const makeConverter = ({ fields, name, schema }: Target) => {
  const plans = new WeakMap<Schema, Plan>()
  let row = 0
  return (batch: RecordBatch): Uint8Array => {
    let plan = plans.get(batch.schema)
    if (plan === undefined) plans.set(batch.schema, plan = makePlan(batch.schema))
    const ends = new Map<ArrayBufferLike, number>()
    const children = plan.columns.map(({ convert, from, to }, i) => {
      const column = Conversion.convertColumn(batch.data.children[from]!, to, convert, fields[i]!, i, row)
      return Conversion.unshare(column, ends)
    })
    row += batch.numRows
    const { schema } = plan
    const data = makeData({ type: new Struct(schema.fields), length: batch.numRows, nullCount: 0, children })
    return toIpc([new RecordBatch(schema, data)])
  }

  function makePlan(found: Schema): Plan {
    const { push, schema: readFound } = joinStreams(ArrowSchema.readFields)
    push(toIpc(new Table(found)))
    const described = readFound()!
    const columns: Array<Plan["columns"][number]> = []
    const mismatches: Array<ArrowMismatch["columns"][number]> = []
    for (const [i, wanted] of fields.entries()) {
      const from = found.fields.findIndex((field) => field.name === wanted.name)
      const given = described[from]
      const type = found.fields[from]?.type
      const to = schema.fields[i]!.type
      const converted = type === undefined ? undefined : Conversion.conversion(wanted, to, type)
      // A type without a conversion fits if Hyper itself accepts it.
      const convert = converted ??
        (given !== undefined && ArrowSchema.accepts(wanted, { ...given, nullable: false }) ? "none" : undefined)
      if (convert !== undefined) columns.push({ from, convert, to: convert === "none" ? type! : to })
      else {
        const described = given && ArrowSchema.describe(given)
        mismatches.push({ name: wanted.name, wanted: ArrowSchema.describe(wanted), found: described })
      }
    }
    if (mismatches.length > 0) throw new ArrowMismatch({ table: name, columns: mismatches })
    return {
      columns,
      schema: new Schema(columns.map(({ to }, i) => {
        const { metadata, nullable } = fields[i]!
        return new Field(fields[i]!.name, to, nullable, new Map(metadata))
      }))
    }
  }
}

/** The conversion of the batches of one schema. */
interface Plan {
  readonly schema: Schema
  readonly columns: ReadonlyArray<{
    /** The position in the data. */
    readonly from: number
    readonly to: DataType
    readonly convert: Exclude<ReturnType<typeof Conversion.conversion>, undefined>
  }>
}
