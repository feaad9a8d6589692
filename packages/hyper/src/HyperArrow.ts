/**
 * Query results and tables as Arrow IPC streams, which Hyper reads and writes natively: column by column, without
 * converting to rows.
 *
 * This module transfers bytes. For tables and record batches of the package `apache-arrow` there is
 * `@hyperfect/hyper/apache/ArrowTable`, which also converts values to the types of a table.
 *
 * | Hyper | Arrow |
 * | --- | --- |
 * | `boolean`, `smallint`, `integer`, `bigint` | Bool, Int16, Int32, Int64 |
 * | `real`, `double precision` | Float32, Float64 |
 * | `numeric(p, s)` | Decimal128(p, s) |
 * | `text`, `varchar`, `char`, `json` | Utf8 |
 * | `bytes`, `geography` | Binary |
 * | `date`, `time` | Date64 in ms, Time64 in µs |
 * | `timestamp`, `timestamptz` | Timestamp in µs, the latter with the zone `Utc` |
 * | `interval` | Interval, month-day-nano |
 * | `T[]` | List of T |
 *
 * A nullable column is a nullable field. The fields of `varchar(n)`, `char`, `json`, `oid` and `geography` carry the
 * type in their metadata, as `hyper:type` and `hyper:max_string_length`. `uuid` is not supported.
 *
 * PostgreSQL does not support Arrow, and rejects the statements with a server error.
 *
 * @since 0.1.0
 */
import { Client, type ClientError } from "@hyperfect/client/Client"
import type { CopyResult } from "@hyperfect/client/Queries"
import { type Fragment, identifier, sql, type Statement } from "@hyperfect/client/Statement"
import * as Bytes from "effect/Bytes"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { type ArrowError, ArrowMismatch } from "./ArrowError.ts"
import * as ArrowSchema from "./ArrowSchema.ts"
import { joinStreams } from "./internal/arrowStreams.ts"

/**
 * Streams the result of a query as one Arrow IPC stream, in chunks as the server sends them: the schema with the first
 * record batch, then one record batch of 10,240 rows per chunk. The query cannot have parameters.
 *
 * **Gotchas**
 *
 * The data is valid only once the stream ends: the server may send batches and then fail.
 *
 * @see {@link collect} for all of them at once
 *
 * @category streams
 * @since 0.1.0
 */
export const stream = (query: Statement): Stream.Stream<Uint8Array, ClientError, Client> =>
  Stream.unwrap(
    Effect.map(Client, (client) => client.copyOut(sql`COPY (${query}) TO STDOUT WITH (FORMAT arrowstream)`))
  )

/**
 * Returns the result of a query as one complete Arrow IPC stream. The query cannot have parameters.
 *
 * **Example** (A column of a query)
 *
 * ```ts
 * import { Statement } from "@hyperfect/client"
 * import { Hyper, HyperArrow, Hyperd } from "@hyperfect/hyper"
 * import { NodePlatform } from "@hyperfect/node"
 * import { tableFromIPC } from "apache-arrow"
 * import { Effect, Layer } from "effect"
 * import { strict as assert } from "node:assert"
 *
 * const program = Effect.gen(function*() {
 *   const bytes = yield* HyperArrow.collect(Statement.sql`select i, i * 0.5e0 as half from generate_series(1, 3) as g(i)`)
 *   const table = tableFromIPC(bytes)
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
export const collect = (query: Statement): Effect.Effect<Uint8Array, ClientError, Client> =>
  Effect.map(Stream.runCollect(stream(query)), Bytes.concat)

/**
 * A table: its name, which is quoted, or a fragment that stands for a table, such as a `HyperTable` or
 * `Statement.identifier("schema", "table")`.
 *
 * @category models
 * @since 0.1.0
 */
export type Table = string | Statement | Fragment

/**
 * Inserts the rows of Arrow IPC streams into a table with one COPY: all of them, or none if anything fails or the
 * insert is interrupted.
 *
 * **Details**
 *
 * The data is one IPC stream, or several streams of byte-for-byte the same schema one after the other, in chunks cut at
 * any position; memory use stays constant. Hyper itself would treat the end of the first stream as the end of all data,
 * and silently ignore the rows after it.
 *
 * Columns are matched by name. Columns that the table does not have are ignored. A missing column, a type that is not
 * exactly the column's, and a nullable field for a NOT NULL column are an `ArrowMismatch`, before any row is sent.
 *
 * During the insert the session runs nothing else. From the first 64 KiB on, or the end of the data if it has fewer, the
 * table cannot be read: a source that pauses later blocks readers.
 *
 * **Gotchas**
 *
 * Values are not checked on this side, and Hyper does not check all: it stores text that is longer than its column, cuts
 * that of `char(1)`, and drops nanoseconds of a `time` (H-64). `ArrowTable.insert` of
 * `@hyperfect/hyper/apache/ArrowTable` refuses them, and converts other types.
 *
 * **Example** (Columns into a table)
 *
 * ```ts
 * import { Hyper, HyperArrow, Hyperd, HyperTable } from "@hyperfect/hyper"
 * import { NodePlatform } from "@hyperfect/node"
 * import { tableFromArrays, tableToIPC } from "apache-arrow"
 * import { Effect, Layer, Schema } from "effect"
 * import { strict as assert } from "node:assert"
 *
 * const Delay = HyperTable.make("delays", { day: Schema.NullOr(Schema.Int), delay: Schema.NullOr(Schema.Number) }, {
 *   temporary: true
 * })
 *
 * const program = Effect.gen(function*() {
 *   yield* Delay.create
 *   const table = tableFromArrays({ day: Int32Array.of(1, 2, 3), delay: Float64Array.of(0, 1.5, 7) })
 *   const { rowCount } = yield* HyperArrow.insert(Delay, [tableToIPC(table, "stream")])
 *   assert.equal(rowCount, 3)
 * })
 *
 * const Live = Hyper.layer().pipe(Layer.provide(Hyperd.layer()), Layer.provide(NodePlatform.layer))
 *
 * await Effect.runPromise(Effect.provide(program, Live))
 * ```
 *
 * @category inserting
 * @since 0.1.0
 */
export const insert = <E = never, R = never>(
  table: Table,
  data: Iterable<Uint8Array> | Stream.Stream<Uint8Array, E, R>
): Effect.Effect<CopyResult, ClientError | ArrowError | ArrowMismatch | E, Client | R> =>
  Effect.gen(function*() {
    const client = yield* Client
    const name = sql`${nameOf(table)}`
    const chunks = Stream.isStream(data) ? data : Stream.fromIterable(data, { chunkSize: 1 })
    const wanted = yield* schemaOf(name)
    return yield* client.copyIn(
      sql`COPY ${name} FROM STDIN WITH (FORMAT arrowstream)`,
      joinedStream(chunks, (found) => checkFields(name.text, wanted, found)),
      { openAfter }
    )
  })

/** @internal */
export const nameOf = (table: Table): Statement | Fragment => typeof table === "string" ? identifier(table) : table

const checkFields = (
  table: string,
  wanted: ReadonlyArray<ArrowSchema.ArrowField>,
  found: ReadonlyArray<ArrowSchema.ArrowField>
): Effect.Effect<void, ArrowMismatch> => {
  const columns = wanted.flatMap((field) => {
    const given = found.find(({ name }) => name === field.name)
    if (given !== undefined && ArrowSchema.accepts(field, given)) return []
    return [{ name: field.name, wanted: ArrowSchema.describe(field), found: given && ArrowSchema.describe(given) }]
  })
  return columns.length === 0 ? Effect.void : Effect.fail(new ArrowMismatch({ table, columns }))
}

/**
 * Returns the Arrow fields of a table's columns: those that {@link insert} requires, and that {@link stream} returns
 * for all columns of the table.
 *
 * **Gotchas**
 *
 * Hyper has no Arrow type for `uuid`: a table with such a column fails with the `ServerError` `FeatureNotSupported`.
 *
 * @category queries
 * @since 0.1.0
 */
export const schemaOf = (
  table: Table
): Effect.Effect<ReadonlyArray<ArrowSchema.ArrowField>, ClientError | ArrowError, Client> =>
  Effect.flatMap(collect(sql`SELECT * FROM ${nameOf(table)} WHERE false`), readSchema)

/**
 * Returns the fields of an Arrow IPC stream.
 *
 * @internal
 */
export const readSchema = (bytes: Uint8Array): Effect.Effect<ReadonlyArray<ArrowSchema.ArrowField>, ArrowError> =>
  tryArrow(() => {
    const { push, schema } = joinStreams(ArrowSchema.readFields)
    push(bytes)
    return schema() ?? []
  })

/** More than a schema, which a source may send before it has data. */
const openAfter = 64 * 1024

/** @internal */
export const tryArrow = <A>(evaluate: () => A): Effect.Effect<A, ArrowError> =>
  Effect.try({ try: evaluate, catch: (thrown) => thrown as ArrowError })

/** Joins several Arrow IPC streams into one, whose fields are checked before its first message is returned. */
const joinedStream = <E, R>(
  data: Stream.Stream<Uint8Array, E, R>,
  check: (fields: ReadonlyArray<ArrowSchema.ArrowField>) => Effect.Effect<void, ArrowMismatch>
): Stream.Stream<Uint8Array, E | ArrowError | ArrowMismatch, R> =>
  Stream.suspend(() => {
    const { end, push, schema } = joinStreams(ArrowSchema.readFields)
    let isChecked = false
    const accept = (chunk: Uint8Array) =>
      Effect.flatMap(tryArrow(() => push(chunk)), (messages) => {
        const found = schema()
        if (isChecked || found === undefined) return Effect.succeed(messages)
        isChecked = true
        return Effect.as(check(found), messages)
      })
    return Stream.concat(
      Stream.flattenIterable(Stream.mapEffect(data, accept)),
      Stream.drain(Stream.fromEffect(tryArrow(end)))
    )
  })
