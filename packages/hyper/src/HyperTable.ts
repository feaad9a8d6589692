/**
 * Tables declared by Schemas: CREATE TABLE, and rows in bulk.
 *
 * {@link make} turns a record of columns into a table: the Schema of its rows, the statements that make and drop it, and
 * {@link HyperTable.insert}, which sends any number of rows by COPY in the binary format of the server, HyperBinary on Hyper
 * and PostgreSQL's own on PostgreSQL. A table is a value; it holds no connection and can be used with any client.
 *
 * A column is a Schema that knows its database type: one of this module's, such as {@link Int} or {@link Timestamp}; a plain
 * one where the type is obvious; or any other with its type said by {@link column}. `Schema.NullOr` and
 * `Schema.OptionFromNullOr` around a column make it take NULL; without, it is NOT NULL.
 *
 * Memory stays flat however many rows there are: rows are asked for only as fast as the server takes them.
 *
 * This module alters no tables and reads no definitions from a server; it knows neither keys, nor defaults, nor collations.
 *
 * @since 0.1.0
 */
import { Client, type ClientError } from "@hyperfect/client/Client"
import * as Copy from "@hyperfect/client/Copy"
import * as Statement from "@hyperfect/client/Statement"
import type { Writer } from "@hyperfect/values/CopyFormat"
import * as ValueError from "@hyperfect/values/ValueError"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import type { Accepts } from "./columns.ts"
import * as InsertRows from "./internal/insertRows.ts"
import * as TableColumn from "./internal/tableColumn.ts"
import * as VerifyTable from "./internal/verifyTable.ts"
import type { TableMismatch } from "./TableMismatch.ts"

export * from "./columns.ts"

const TypeId = "~@hyperfect/hyper/HyperTable"

/**
 * The columns of a table, by their names and in their order.
 *
 * @category models
 * @since 0.1.0
 */
export type Fields = {
  readonly [name: PropertyKey]: Schema.ConstraintCodec<unknown, unknown, unknown, never>
}

/**
 * What a column takes when rows are inserted: its own values, and what else it accepts.
 *
 * @category models
 * @since 0.1.0
 */
export type Input<S extends Schema.Constraint> = S extends {
  readonly members: readonly [infer Member extends Schema.Constraint, Schema.Null]
} ? Input<Member> | null
  : S extends Accepts<infer I> ? I
  : S["Type"]

/**
 * What is taken for a row when rows are inserted.
 *
 * @category models
 * @since 0.1.0
 */
export type RowInput<F extends Fields> = { readonly [Name in keyof F]: Input<F[Name]> }

/**
 * Where a table is.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** The schema that the table is in; where the server's search path leads when absent. */
  readonly schema?: string | undefined
  /** The database, for a session that works with several. In Hyper that is the name it was attached as. */
  readonly database?: string | undefined
  /**
   * Whether the table is the session's own and goes with it. It is in no schema and no database then. A client over a pool
   * finds it again only within one transaction.
   */
  readonly temporary?: boolean | undefined
}

/**
 * How rows are inserted.
 *
 * @category models
 * @since 0.1.0
 */
export interface InsertOptions<E = never, R = never> {
  /** Run after each message. The insert waits for it, and fails when it fails. */
  readonly onProgress?: ((progress: Copy.Progress) => Effect.Effect<unknown, E, R>) | undefined
  /** How many bytes are sent at a time; 1 MiB when absent, from where on larger ones are no faster. At most 128 MiB. */
  readonly messageSize?: number | undefined
}

/**
 * The outcome of a bulk insert.
 *
 * @category models
 * @since 0.1.0
 */
export interface Inserted {
  /** As the server counted them. */
  readonly rows: number
  readonly bytes: number
  readonly elapsed: Duration.Duration
  readonly rowsPerSecond: number
}

/**
 * A failure of a bulk insert: of the source aside, that a row does not fit (`ValueError`), that the table is another than
 * declared (`TableMismatch`), or what any query can fail with.
 *
 * @category errors
 * @since 0.1.0
 */
export type InsertError = ClientError | ValueError.ValueError | TableMismatch

/**
 * A table.
 *
 * **Details**
 *
 * Put into the template `Statement.sql` it stands for its quoted name.
 *
 * @category models
 * @since 0.1.0
 */
export interface HyperTable<F extends Fields> extends Statement.Fragment {
  readonly [TypeId]: typeof TypeId
  readonly name: string
  readonly fields: F
  readonly options: Options
  /** The Schema of a row, as a query for all columns gives it. */
  readonly Row: Schema.Struct<F>
  /** The statement that creates the table. Both servers understand it. */
  readonly createTable: (options?: { readonly ifNotExists?: boolean | undefined }) => Statement.Statement
  /** Creates the table. */
  readonly create: Effect.Effect<void, ClientError, Client>
  /** Creates the table unless one of that name exists, whatever its columns are; {@link HyperTable.insert} looks at them. */
  readonly createIfNotExists: Effect.Effect<void, ClientError, Client>
  /** Drops the table. */
  readonly drop: Effect.Effect<void, ClientError, Client>
  /** Drops the table if it exists. */
  readonly dropIfExists: Effect.Effect<void, ClientError, Client>
  /**
   * Inserts rows in bulk, by one COPY: all of them, or none when anything fails or the insert is interrupted.
   *
   * **Details**
   *
   * A row is an object with a property for each column; NULL is `null`, and a missing property is an error. A row that does
   * not fit fails the insert with a `ValueError` that names its position and the column, before the server sees it.
   * Columns of this module are checked as they are written. Schemas with checks or transformations of their own are asked
   * for each value, at some hundred nanoseconds apiece.
   *
   * Before the first row the table's columns are compared with the declared ones; see `TableMismatch`.
   *
   * The session is used for nothing else meanwhile, and on Hyper nobody can read the table.
   *
   * **Gotchas**
   *
   * A generator can be gone through once: an insert of one that is run again, as by `Effect.retry`, inserts nothing. Give
   * it an array, or a `Stream`, which can be run again.
   */
  readonly insert: <E = never, R = never, E2 = never, R2 = never>(
    rows: Iterable<RowInput<F>> | Stream.Stream<RowInput<F>, E, R>,
    options?: InsertOptions<E2, R2>
  ) => Effect.Effect<Inserted, InsertError | E | E2, Client | R | R2>
}

const defaultMessageSize = 1024 * 1024
const maxMessageSize = 128 * 1024 * 1024

const execute = (statement: Statement.Statement): Effect.Effect<void, ClientError, Client> =>
  // By the simple protocol, which leaves no prepared statement behind.
  Effect.flatMap(Client, (client) => Effect.asVoid(client.simple(statement.text)))

const nameOf = (table: string, { database, schema, temporary }: Options): VerifyTable.TableName => {
  const quoted = (...names: ReadonlyArray<string | undefined>) =>
    Statement.identifier(...names.filter((name) => name !== undefined))
  return {
    database,
    schema,
    table,
    sql: temporary === true
      // Both servers know it by this name, so that a table beneath it is never dropped in its place.
      ? quoted("pg_temp", table)
      // Hyper takes two names for schema and table (measured).
      : database === undefined
      ? quoted(schema, table)
      : quoted(database, schema ?? "public", table)
  }
}

/**
 * Declares a table.
 *
 * **Details**
 *
 * Names are used as they are: `make("Flights", ...)` is not the table that unquoted `Flights` would name, which the servers
 * fold to lower case. A field whose type cannot be told, or that may be missing, throws a `TypeError`.
 *
 * | plain Schema | type |
 * | --- | --- |
 * | `Schema.Boolean` | `boolean` |
 * | `Schema.Int` | `integer` |
 * | `Schema.BigInt` | `bigint` |
 * | `Schema.Number` | `double precision` |
 * | `Schema.String` | `text` |
 * | `Schema.Uint8Array` | `bytea` |
 *
 * **Example** (A table and its rows)
 *
 * ```ts
 * import { Query, Statement } from "@hyperfect/client"
 * import { Client } from "@hyperfect/client"
 * import { Hyper, Hyperd, HyperTable } from "@hyperfect/hyper"
 * import { NodePlatform } from "@hyperfect/node"
 * import { Timestamp } from "@hyperfect/values"
 * import { Effect, Layer, Schema } from "effect"
 * import { strict as assert } from "node:assert"
 *
 * const Flight = HyperTable.make("flights", {
 *   departure: HyperTable.Timestamp, // timestamp NOT NULL
 *   delay: Schema.Int, // integer NOT NULL
 *   distance: Schema.NullOr(Schema.Int), // integer
 *   origin: HyperTable.Varchar(3) // varchar(3) NOT NULL
 * }, { temporary: true })
 *
 * const program = Effect.gen(function*() {
 *   const client = yield* Client.Client
 *   yield* Flight.create
 *   const departure = Timestamp.fromStringUnsafe("2026-03-01 17:40")
 *   const { rows } = yield* Flight.insert([
 *     { departure, delay: -3, distance: 2704, origin: "SFO" },
 *     { departure, delay: 41, distance: null, origin: "ANC" }
 *   ])
 *   assert.equal(rows, 2)
 *   const late = yield* client.query(Statement.sql`select * from ${Flight} where delay > ${15}`).pipe(Query.rows(Flight.Row))
 *   assert.deepEqual(late.map(({ origin }) => origin), ["ANC"])
 * })
 *
 * const Live = Hyper.layer().pipe(Layer.provide(Hyperd.layer()), Layer.provide(NodePlatform.layer))
 *
 * await Effect.runPromise(Effect.provide(program, Live))
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = <const F extends Fields>(name: string, fields: F, options: Options = {}): HyperTable<F> => {
  const columns = Object.entries(fields).map(([column, schema]) => TableColumn.make(name, column, schema))
  if (columns.length === 0) throw new TypeError(`the table ${JSON.stringify(name)} has no columns`)
  if (options.temporary === true && (options.schema ?? options.database) !== undefined) {
    throw new TypeError(`the table ${JSON.stringify(name)} is temporary, and so in no schema and no database`)
  }
  const { sql } = Statement
  const tableName = nameOf(name, options)
  const columnNames = Statement.join(columns.map((column) => Statement.identifier(column.name)), ", ")
  const definitions = Statement.join(
    columns.map((column) =>
      sql`${Statement.identifier(column.name)} ${Statement.fromTextUnsafe(TableColumn.definition(column))}`
    ),
    ", "
  )
  const createTable: HyperTable<F>["createTable"] = ({ ifNotExists = false } = {}) =>
    Statement.fromTextUnsafe([
      options.temporary === true ? "CREATE TEMPORARY TABLE" : "CREATE TABLE",
      ...ifNotExists ? ["IF NOT EXISTS"] : [],
      options.temporary === true ? Statement.identifier(name).text : tableName.sql.text,
      `(${definitions.text})`
    ].join(" "))

  const formats: { hyper?: InsertRows.Format; postgres?: InsertRows.Format } = {}

  const insert: HyperTable<F>["insert"] = (rows, { messageSize = defaultMessageSize, onProgress } = {}) =>
    Effect.gen(function*() {
      if (!Number.isInteger(messageSize) || messageSize < 1 || messageSize > maxMessageSize) {
        throw new RangeError(`messageSize is a whole number from 1 to ${maxMessageSize}, not ${messageSize}`)
      }
      const client = yield* Client
      const start = yield* Clock.currentTimeNanos
      yield* VerifyTable.verifyTable(client, tableName, columns)
      const { kind } = client.server
      const format = yield* Effect.try({
        try: () => formats[kind] ??= InsertRows.format(kind, columns),
        catch: ValueError.fromThrown
      })
      let bytes = 0
      const messages = Copy.encode(rows, format.writer as Writer<RowInput<F>>, { messageSize, onProgress })
      const copied = yield* client.copyIn(
        sql`COPY ${tableName.sql} (${columnNames}) FROM STDIN WITH (${Statement.fromTextUnsafe(format.options)})`,
        Stream.map(messages, (message) => {
          bytes += message.length
          return message
        })
      )
      const elapsed = Duration.nanos((yield* Clock.currentTimeNanos) - start)
      const seconds = Duration.toSeconds(elapsed)
      const rowsPerSecond = seconds > 0 ? Math.round(copied.rowCount / seconds) : 0
      return { rows: copied.rowCount, bytes, elapsed, rowsPerSecond }
    })

  return {
    [TypeId]: TypeId,
    [Statement.fragment]: tableName.sql,
    name,
    fields,
    options,
    Row: Schema.Struct(fields),
    createTable,
    create: execute(createTable()),
    createIfNotExists: execute(createTable({ ifNotExists: true })),
    drop: execute(sql`DROP TABLE ${tableName.sql}`),
    dropIfExists: execute(sql`DROP TABLE IF EXISTS ${tableName.sql}`),
    insert
  }
}

/**
 * Whether a value is a {@link HyperTable}.
 *
 * @category guards
 * @since 0.1.0
 */
export const isHyperTable = (u: unknown): u is HyperTable<Fields> => typeof u === "object" && u !== null && TypeId in u
