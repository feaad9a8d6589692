/**
 * Results and tables as Arrow IPC streams, which Hyper reads and writes by itself: column by column, without a row in
 * between.
 *
 * This module moves bytes. What makes tables of them, such as the package `apache-arrow`, is the program's choice.
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
 * A nullable column is a nullable field. `varchar(n)`, `char`, `json`, `oid` and `geography` say what they are in the metadata
 * of the field, by `hyper:type` and `hyper:max_string_length`. `uuid` does not exist there.
 *
 * PostgreSQL knows no Arrow, and refuses the statements with an error of its own.
 *
 * @since 0.1.0
 */
import { Client, type ClientError } from "@hyperfect/client/Client"
import type { Copied } from "@hyperfect/client/Queries"
import { type Fragment, identifier, sql, type Statement } from "@hyperfect/client/Statement"
import * as Bytes from "effect/Bytes"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { ArrowError } from "./ArrowError.ts"
import { joinStreams } from "./internal/arrowMessages.ts"

/**
 * The result of a query as one Arrow IPC stream, in parts as the server sends them: the schema with the first record batch,
 * then a record batch each, of 10,240 rows. The query has no parameters.
 *
 * **Gotchas**
 *
 * The data are valid only when the stream ends: the server may send batches and fail after them.
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
 * The result of a query as one Arrow IPC stream, as a whole. The query has no parameters.
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
 * A table: its name, which is quoted, or something that stands for a table, such as a `HyperTable` or
 * `Statement.identifier("schema", "table")`.
 *
 * @category models
 * @since 0.1.0
 */
export type Table = string | Statement | Fragment

/**
 * Inserts the rows of Arrow IPC streams into a table, by one COPY: all of them, or none when anything fails or the insert is
 * interrupted.
 *
 * **Details**
 *
 * The data are one IPC stream, or several behind each other of the same schema, byte for byte, in parts that are cut
 * anywhere; memory stays flat. Hyper itself would take the end of the first stream for the end of everything, and say
 * nothing of the rows behind it.
 *
 * Columns are matched by their names. More of them than the table has are passed over; a missing one is an error of the
 * server, and so is any type that is not exactly the column's, or a nullable field for a NOT NULL column.
 *
 * The session is used for nothing else meanwhile, and nobody can read the table.
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
): Effect.Effect<Copied, ClientError | ArrowError | E, Client | R> =>
  Effect.flatMap(Client, (client) => {
    const name = typeof table === "string" ? identifier(table) : table
    return client.copyIn(
      sql`COPY ${name} FROM STDIN WITH (FORMAT arrowstream)`,
      joined(Stream.isStream(data) ? data : Stream.fromIterable(data, { chunkSize: 1 }))
    )
  })

const attempt = <A>(evaluate: () => A): Effect.Effect<A, ArrowError> =>
  Effect.try({ try: evaluate, catch: (thrown) => thrown as ArrowError })

/** One stream of Arrow IPC out of several. */
const joined = <E, R>(data: Stream.Stream<Uint8Array, E, R>): Stream.Stream<Uint8Array, E | ArrowError, R> =>
  Stream.suspend(() => {
    const { end, push } = joinStreams()
    return Stream.concat(
      Stream.flattenIterable(Stream.mapEffect(data, (chunk) => attempt(() => push(chunk)))),
      Stream.drain(Stream.fromEffect(attempt(end)))
    )
  })
