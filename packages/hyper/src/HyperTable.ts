/**
 * Tables declared by Schemas: CREATE TABLE and bulk inserts.
 *
 * {@link make} turns a record of columns into a table: the Schema of its rows, the statements that create and drop it,
 * and {@link HyperTable.insert}, which sends any number of rows by COPY in the server's binary format: HyperBinary on
 * Hyper, and PostgreSQL's own on PostgreSQL. A table is a value; it holds no connection and can be used with any
 * client.
 *
 * A column is a Schema with a database type: one of this module's, such as {@link Int} or {@link Timestamp}; a plain
 * one whose type is obvious; or any other with its type given by {@link column}. `Schema.NullOr` and
 * `Schema.OptionFromNullOr` around a column make it nullable; otherwise it is NOT NULL.
 *
 * Memory use stays constant for any number of rows: rows are pulled only as fast as the server accepts them.
 *
 * {@link fromServer} makes a table from the definition that a Hyper server has of it. This module does not alter tables.
 *
 * @since 0.1.0
 */
import { Client, type ClientError } from "@hyperfect/client/Client"
import * as Copy from "@hyperfect/client/Copy"
import type { Dialect } from "@hyperfect/client/Dialect"
import * as Statement from "@hyperfect/client/Statement"
import type { Writer } from "@hyperfect/values/CopyFormat"
import * as ValueError from "@hyperfect/values/ValueError"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Pipeable from "effect/Pipeable"
import { hasProperty } from "effect/Predicate"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { type CatalogError, fromReason, type Reason, TableEmpty, TypeUnsupported } from "./CatalogError.ts"
import type { DatabaseVersionError } from "./DatabaseVersionError.ts"
import * as HyperCatalog from "./HyperCatalog.ts"
import type { Accepts } from "./HyperColumn.ts"
import * as FileVersion from "./internal/fileVersion.ts"
import * as RowFormat from "./internal/rowFormat.ts"
import * as ServerColumn from "./internal/serverColumn.ts"
import * as TableColumn from "./internal/tableColumn.ts"
import * as TableName from "./internal/tableName.ts"
import * as VerifyTable from "./internal/verifyTable.ts"
import type { TableMismatch } from "./TableMismatch.ts"

export * from "./HyperColumn.ts"

const TypeId: unique symbol = Symbol.for("@hyperfect/hyper/HyperTable")

/**
 * The columns of a table, by name and in order.
 *
 * @category models
 * @since 0.1.0
 */
export type Fields = {
  readonly [name: PropertyKey]: Schema.ConstraintCodec<unknown, unknown, unknown, never>
}

/**
 * The columns of a table whose definition comes from a server.
 *
 * @category models
 * @since 0.1.0
 */
export type ServerFields = { readonly [name: PropertyKey]: Schema.Codec<unknown> }

/**
 * The values that a column accepts on insert: its own values, and any others it accepts.
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
 * The values that are accepted as a row on insert.
 *
 * @category models
 * @since 0.1.0
 */
export type RowInput<F extends Fields> = { readonly [Name in keyof F]: Input<F[Name]> }

/**
 * The location of a table.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** The schema of the table; resolved by the server's search path when absent. */
  readonly schema?: string | undefined
  /** The database, for a session that uses several. In Hyper it is the name that the database was attached as. */
  readonly database?: string | undefined
  /**
   * True if the table is temporary: it belongs to the session and is dropped with it. A temporary table has neither
   * schema nor database. A client over a pool can use it only within one transaction.
   */
  readonly temporary?: boolean | undefined
}

/**
 * The location of a table, and its key.
 *
 * @category models
 * @since 0.1.0
 */
export interface MakeOptions<Column extends string> extends Options {
  /**
   * The columns of an `ASSUMED PRIMARY KEY`, in Hyper only. The server does not check that they are unique, but plans
   * queries as if they were.
   */
  readonly primaryKey?: ReadonlyArray<Column> | undefined
}

/**
 * Options of a bulk insert.
 *
 * @category models
 * @since 0.1.0
 */
export interface InsertOptions<E = never, R = never> {
  /** Runs after each message. The insert waits for it, and fails if it fails. */
  readonly onProgress?: ((progress: Copy.Progress) => Effect.Effect<unknown, E, R>) | undefined
  /**
   * The number of bytes per message; 1 MiB when absent, above which larger messages are not faster. At most 128 MiB.
   */
  readonly messageSize?: number | undefined
}

/**
 * The outcome of a bulk insert.
 *
 * @category models
 * @since 0.1.0
 */
export interface InsertResult {
  /** The number of rows, as counted by the server. */
  readonly rows: number
  readonly bytes: number
  readonly elapsed: Duration.Duration
  readonly rowsPerSecond: number
}

/**
 * A failure of a bulk insert other than one of the source: a row that does not fit (`ValueError`), a table that differs
 * from its declaration (`TableMismatch`), or any query error.
 *
 * @category errors
 * @since 0.1.0
 */
export type InsertError = ClientError | ValueError.ValueError | TableMismatch

/**
 * A declared table.
 *
 * **Details**
 *
 * In the template `Statement.sql` it stands for its quoted name.
 *
 * @category models
 * @since 0.1.0
 */
export interface HyperTable<F extends Fields> extends Statement.Fragment, Pipeable.Pipeable {
  readonly [TypeId]: typeof TypeId
  readonly name: string
  readonly fields: F
  readonly options: Options
  /** The columns of its assumed primary key. */
  readonly primaryKey: ReadonlyArray<string>
  /** The Schema of a row, as returned by a query for all columns. */
  readonly Row: Schema.Struct<F>
  /** The statement that creates the table. It is valid on both servers. */
  readonly createTable: (options?: { readonly ifNotExists?: boolean | undefined }) => Statement.Statement
  /** Creates the table. */
  readonly create: Effect.Effect<void, ClientError | DatabaseVersionError, Client>
  /**
   * Creates the table unless one of that name exists, regardless of its columns; {@link HyperTable.insert} compares
   * them.
   */
  readonly createIfNotExists: Effect.Effect<void, ClientError | DatabaseVersionError, Client>
  /** Drops the table. */
  readonly drop: Effect.Effect<void, ClientError, Client>
  /** Drops the table if it exists. */
  readonly dropIfExists: Effect.Effect<void, ClientError, Client>
  /**
   * Inserts rows in bulk with one COPY: all of them, or none if anything fails or the insert is interrupted.
   *
   * **Details**
   *
   * A row is an object with a property for each column; NULL is `null`, and a missing property is an error. A row that
   * does not fit fails the insert with a `ValueError` that names its position and the column, before it is sent.
   * Columns of this module are checked as they are written. Schemas with checks or transformations of their own run for
   * each value, at a few hundred nanoseconds apiece.
   *
   * The table's columns are compared with the declared ones before the first row is sent; see `TableMismatch`.
   *
   * During the insert the session runs nothing else. On Hyper the table cannot be read from the first message on, which
   * is sent when it is full or the rows have ended, until the end: a source that pauses blocks readers.
   *
   * **Gotchas**
   *
   * On Hyper, success means that the rows are committed, not that they are in the file: see `Hyper.save` and
   * `Hyper.withDatabase`.
   *
   * A generator can be iterated only once: re-running an insert of one, as `Effect.retry` does, inserts nothing. Pass
   * an array, or a `Stream` that can be run again.
   */
  readonly insert: <E = never, R = never, E2 = never, R2 = never>(
    rows: Iterable<RowInput<F>> | Stream.Stream<RowInput<F>, E, R>,
    options?: InsertOptions<E2, R2>
  ) => Effect.Effect<InsertResult, InsertError | E | E2, Client | R | R2>
}

const defaultMessageSize = 1024 * 1024
const maxMessageSize = 128 * 1024 * 1024

const execute = (statement: Statement.Statement): Effect.Effect<void, ClientError, Client> =>
  // The simple protocol leaves no prepared statement behind.
  Effect.flatMap(Client, (client) => Effect.asVoid(client.simple(statement.text)))

/**
 * Declares a table.
 *
 * **Details**
 *
 * Names are quoted: `make("Flights", ...)` is not the table that unquoted `Flights` refers to, which the servers fold
 * to lower case. A field whose type cannot be inferred, or that is optional, throws a `TypeError`.
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
export const make = <const F extends Fields>(
  name: string,
  fields: F,
  { primaryKey = [], ...options }: MakeOptions<Extract<keyof F, string>> = {}
): HyperTable<F> => {
  const columns = Object.entries(fields).map(([column, schema]) => TableColumn.make(name, column, schema))
  if (columns.length === 0) throw new TypeError(`the table ${JSON.stringify(name)} has no columns`)
  if (options.temporary === true && (options.schema ?? options.database) !== undefined) {
    throw new TypeError(`the table ${JSON.stringify(name)} is temporary, so it cannot have a schema or a database`)
  }
  const unknown = primaryKey.find((column) => !Object.hasOwn(fields, column))
  if (unknown !== undefined) {
    throw new TypeError(`the table ${JSON.stringify(name)} has no column ${JSON.stringify(unknown)} for its key`)
  }
  const { sql } = Statement
  const tableName = TableName.make(name, options)
  const columnNames = Statement.list(columns.map((column) => Statement.identifier(column.name)))
  const createTable: HyperTable<F>["createTable"] = ({ ifNotExists = false } = {}) =>
    TableName.createTable(
      tableName,
      options.temporary === true,
      columns.map(TableColumn.toDefinition),
      primaryKey,
      ifNotExists
    )

  const create = (statement: Statement.Statement) =>
    FileVersion.mapUnsupported(
      execute(statement),
      tableName.sql.text,
      columns.map((column) => ({ name: column.name, type: column.type.name }))
    )

  const formats: { [Name in Dialect["copyFormat"]]?: RowFormat.RowFormat } = {}

  const insert: HyperTable<F>["insert"] = (rows, { messageSize = defaultMessageSize, onProgress } = {}) =>
    Effect.gen(function*() {
      if (!Number.isInteger(messageSize) || messageSize < 1 || messageSize > maxMessageSize) {
        throw new RangeError(`messageSize must be a whole number from 1 to ${maxMessageSize}, not ${messageSize}`)
      }
      const client = yield* Client
      const start = yield* Clock.monotonicTimeNanos
      yield* VerifyTable.verifyTable(client, tableName, columns)
      const { dialect } = client.server
      const format = yield* Effect.try({
        try: () => formats[dialect.copyFormat] ??= RowFormat.makeRowFormat(dialect, columns),
        catch: ValueError.fromThrown
      })
      let bytes = 0
      const messages = Copy.encode(rows, format.writer as Writer<RowInput<F>>, { messageSize, onProgress })
      const copied = yield* client.copyIn(
        sql`COPY ${tableName.sql} (${columnNames}) FROM STDIN WITH (${Statement.fromTextUnsafe(format.options)})`,
        Stream.map(messages, (message) => {
          bytes += message.length
          return message
        }),
        { openAfter: messageSize }
      )
      const elapsed = Duration.nanos((yield* Clock.monotonicTimeNanos) - start)
      const seconds = Duration.toSeconds(elapsed)
      const rowsPerSecond = seconds > 0 ? Math.round(copied.rowCount / seconds) : 0
      return { rows: copied.rowCount, bytes, elapsed, rowsPerSecond }
    })

  return {
    ...Pipeable.Prototype,
    [TypeId]: TypeId,
    [Statement.fragment]: tableName.sql,
    name,
    fields,
    options,
    primaryKey,
    Row: Schema.Struct(fields),
    createTable,
    create: create(createTable()),
    createIfNotExists: create(createTable({ ifNotExists: true })),
    drop: execute(sql`DROP TABLE ${tableName.sql}`),
    dropIfExists: execute(sql`DROP TABLE IF EXISTS ${tableName.sql}`),
    insert
  }
}

/**
 * True if the value is a {@link HyperTable}.
 *
 * @category guards
 * @since 0.1.0
 */
export const isHyperTable = (u: unknown): u is HyperTable<Fields> => hasProperty(u, TypeId)

/**
 * Makes a table from its definition on a Hyper server: columns with their types, nullability, collations and defaults,
 * and the assumed primary key.
 *
 * **Details**
 *
 * The types of the fields are not known to the compiler: rows are records of `unknown`, checked as they are inserted
 * and read. Elements of arrays are assumed to be nullable (H-04).
 *
 * **Example** (A table that another program has made)
 *
 * ```ts
 * import { HyperTable } from "@hyperfect/hyper"
 * import { Effect } from "effect"
 *
 * const program = Effect.gen(function*() {
 *   const flights = yield* HyperTable.fromServer("flights", { schema: "Extract" })
 *   yield* flights.insert([{ origin: "SFO", delay: 7 }])
 *   return Object.keys(flights.fields)
 * })
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const fromServer = (
  name: string,
  options: Options = {}
): Effect.Effect<HyperTable<ServerFields>, ClientError | CatalogError, Client> =>
  Effect.flatMap(HyperCatalog.table(name, options), ({ columns, primaryKey }) => {
    const table = TableName.make(name, options).sql.text
    const fields: Array<readonly [string, ServerFields[string]]> = []
    for (const column of columns) {
      const schema = ServerColumn.fromCatalog(column)
      if (schema === undefined) {
        return fail(new TypeUnsupported({ table, column: column.name, type: column.type }))
      }
      fields.push([column.name, schema])
    }
    return fields.length === 0
      ? fail(new TableEmpty({ table }))
      : Effect.succeed(make<ServerFields>(name, Object.fromEntries(fields), { ...options, primaryKey }))
  })

const fail = (reason: Reason) => Effect.fail(fromReason(reason))
