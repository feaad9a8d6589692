/**
 * Rows in bulk, by COPY: {@link into} a table out of a stream, an array or any iterable, and out of a table or a query as a
 * stream ({@link from}).
 *
 * What the columns are is asked of the server, unless it is said; the rows are plain values as in any other query. The format is
 * the server's binary one wherever all columns have it, text otherwise, or the one that is chosen: `CopyFormat.csv()`, for
 * example. Memory stays flat in both directions, however many rows there are: rows are asked for only as fast as the server
 * takes them, and taken only as fast as they are asked for.
 *
 * COPY is all or nothing. When a row does not fit, when its source fails or is interrupted, the server is told and keeps none
 * of the rows.
 *
 * @since 0.1.0
 */
import * as BuiltIn from "@hyperfect/values/BuiltIn"
import * as CopyFormat from "@hyperfect/values/CopyFormat"
import * as Preset from "@hyperfect/values/Preset"
import type { ArrayRow, ObjectRow } from "@hyperfect/values/RowReader"
import type { Column } from "@hyperfect/values/RowWriter"
import * as ValueError from "@hyperfect/values/ValueError"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as SchemaAST from "effect/SchemaAST"
import * as Stream from "effect/Stream"
import { Client, type ClientError } from "./Client.ts"
import { fail } from "./internal/circumstances.ts"
import * as CopyRows from "./internal/copyRows.ts"
import type { Copied } from "./Queries.ts"
import { UnsupportedError } from "./QueryError.ts"
import {
  type Fragment,
  fragment,
  fromTextUnsafe,
  identifier,
  isFragment,
  join,
  sql,
  type Statement,
  withPreset
} from "./Statement.ts"

/**
 * What can go wrong, the source of the rows aside: a row that does not fit, or cannot be read, is a `ValueError` that names its
 * position and the column; the rest is what any query can fail with.
 *
 * @category errors
 * @since 0.1.0
 */
export type CopyError = ClientError | ValueError.ValueError

/**
 * How far a COPY into a table is: the rows in the messages that the line has taken. Whether the table will hold them is known
 * only at the end.
 *
 * @category models
 * @since 0.1.0
 */
export interface Progress {
  readonly rows: number
  readonly bytes: number
}

/**
 * How rows become messages.
 *
 * @category models
 * @since 0.1.0
 */
export interface EncodeOptions<E = never, R = never> {
  /** How many bytes are sent at a time; 64 KiB when absent. */
  readonly messageSize?: number | undefined
  /** Run after each message. The copy waits for it, and fails when it fails. */
  readonly onProgress?: ((progress: Progress) => Effect.Effect<unknown, E, R>) | undefined
}

/**
 * Which columns are copied, and in which format.
 *
 * @category models
 * @since 0.1.0
 */
export interface FromOptions {
  /** The columns that are wanted, all when absent. With their types nothing is asked of the server. */
  readonly columns?: ReadonlyArray<string> | ReadonlyArray<Column> | undefined
  /** The server's binary format where all columns have it, otherwise text, when absent. */
  readonly format?: CopyFormat.CopyFormat | undefined
}

/**
 * How rows are copied into a table.
 *
 * @category models
 * @since 0.1.0
 */
export interface IntoOptions<E = never, R = never> extends FromOptions, EncodeOptions<E, R> {}

/**
 * A table: its name, which is quoted; a part of a statement, such as `Statement.identifier("schema", "table")`; or something
 * that stands for a table.
 *
 * @category models
 * @since 0.1.0
 */
export type Table = string | Statement | Fragment

const defaultMessageSize = 64 * 1024

const nameOf = (table: Table): Statement =>
  typeof table === "string" ? identifier(table) : isFragment(table) ? table[fragment] : table

/**
 * The data of a COPY as the rows come: messages of at least the wanted size, but for the last.
 *
 * **When to use**
 *
 * Use for data that goes elsewhere than into a table of a client, such as a file. A writer comes from a `CopyFormat`.
 *
 * @category encoding
 * @since 0.1.0
 */
export const encode = <Row, E = never, R = never, E2 = never, R2 = never>(
  rows: Iterable<Row> | Stream.Stream<Row, E, R>,
  writer: CopyFormat.Writer<Row>,
  options: EncodeOptions<E2, R2> = {}
): Stream.Stream<Uint8Array, E | E2 | ValueError.ValueError, R | R2> =>
  CopyRows.encode(
    Stream.isStream(rows) ? rows : CopyRows.fromIterable(rows),
    writer,
    options.messageSize ?? defaultMessageSize,
    options.onProgress
  )

/**
 * The rows in the data of a COPY, which may be cut anywhere.
 *
 * **When to use**
 *
 * Use for data that comes from elsewhere than a client, such as a file. `makeReader` is run when the stream is.
 *
 * @category decoding
 * @since 0.1.0
 */
export const decode = <Row>(
  makeReader: () => CopyFormat.Reader<Row>
): <E, R>(data: Stream.Stream<Uint8Array, E, R>) => Stream.Stream<Row, E | ValueError.ValueError, R> =>
(data) => Stream.unwrap(Effect.map(attempt(makeReader), (reader) => CopyRows.decode(data, reader)))

const attempt = <A>(evaluate: () => A): Effect.Effect<A, ValueError.ValueError> =>
  Effect.try({ try: evaluate, catch: ValueError.fromThrown })

// -- The columns

type Columns = ReadonlyArray<Column>

const isTyped = (columns: ReadonlyArray<string> | Columns): columns is Columns => typeof columns[0] === "object"

const list = (names: ReadonlyArray<string>): Statement => join(names.map((name) => identifier(name)), ", ")

const literal = (text: string): Statement => fromTextUnsafe(`E'${text.replaceAll("\\", "\\\\").replaceAll("'", "''")}'`)

/** What the catalogue says of the columns that can be copied into: not of those that are generated. */
const attributes = (client: Client["Service"], table: Statement) =>
  Effect.map(
    client.values(
      client.server.kind === "hyper"
        ? sql`select a.attname, a.attnotnull from pg_catalog.pg_attribute a
          where a.attrelid = ${literal(table.text)}::regclass and a.attnum > 0 order by a.attnum`
        // Generated columns came with PostgreSQL 12; before that the column of the catalogue is not there.
        : sql`select a.attname::text, a.attnotnull from pg_catalog.pg_attribute a
          where a.attrelid = ${table.text}::text::regclass and a.attnum > 0 and not a.attisdropped
          and coalesce(pg_catalog.to_jsonb(a) ->> 'attgenerated', '') = '' order by a.attnum`
    ),
    ({ rows }) => new Map(rows.map(([name, notNull]) => [String(name), notNull === true]))
  )

/** The columns of a statement, and a text for what nobody knows. */
const describe = (client: Client["Service"], statement: Statement): Effect.Effect<Columns, ClientError> =>
  Effect.map(
    client.describe(statement),
    ({ fields }) => fields.map(({ name, type, typeModifier }) => ({ name, type: type ?? unknown, typeModifier }))
  )

/** Sent and read as a text, whatever it is. */
const unknown = { ...BuiltIn.unknown, binary: undefined, hyper: undefined }

const columnsOfTable = Effect.fnUntraced(function*(
  client: Client["Service"],
  table: Statement,
  wanted: ReadonlyArray<string> | undefined
) {
  const isHyper = client.server.kind === "hyper"
  const found = wanted === undefined || isHyper ? yield* attributes(client, table) : undefined
  const names = wanted ?? [...found!.keys()]
  // What is written is as it is, however rows are to be read.
  const columns = yield* describe(client, withPreset(sql`select ${list(names)} from ${table}`, Preset.lossless))
  if (!isHyper) return columns
  // Whether the elements of an array take NULL is part of its bytes, and nothing that can be asked (measured).
  const array = columns.find(({ type }) => type.name.endsWith("[]"))
  if (array !== undefined) {
    const feature = `copying into the array column ${JSON.stringify(array.name)} without its type among the columns`
    return yield* fail(new UnsupportedError({ feature, server: "hyper" }), "nothing", table)
  }
  return columns.map((column) => ({ ...column, nullable: found!.get(column.name) !== true }))
})

// -- Formats

const textFormat = CopyFormat.text()

/** The binary format of the server where all columns exist in it. */
const formatFor = ({ server: { kind } }: Client["Service"], columns: Columns): CopyFormat.CopyFormat => {
  const isBinary = columns.every(({ type }) => (kind === "hyper" ? type.hyper : type.binary) !== undefined)
  if (!isBinary) return textFormat
  return kind === "hyper" ? CopyFormat.hyperBinary : CopyFormat.binary
}

/** Whatever the session has made its encoding: all text here is UTF-8, which Hyper knows alone. */
const optionsFor = ({ server: { kind } }: Client["Service"], { options }: CopyFormat.CopyFormat): Statement =>
  fromTextUnsafe(kind === "hyper" ? options : `${options}, ENCODING 'UTF8'`)

// -- Into a table

type Shape = keyof CopyFormat.Shapes

const copyInto = Effect.fnUntraced(function*<S extends Shape, Row, E, R, E2, R2>(
  shape: S,
  table: Table,
  rows: Iterable<Row> | Stream.Stream<Row, E, R>,
  options: IntoOptions<E2, R2>,
  prepare: (write: CopyFormat.Writer<CopyFormat.Shapes[S]>) => CopyFormat.Writer<Row>
): Effect.fn.Return<Copied, CopyError | E | E2, Client | R | R2> {
  const client = yield* Client
  const name = nameOf(table)
  const wanted = options.columns
  const columns = wanted !== undefined && isTyped(wanted) ? wanted : yield* columnsOfTable(client, name, wanted)
  const format = options.format ?? formatFor(client, columns)
  const writer = yield* attempt(() => prepare(format.writer(shape, columns)))
  const names = list(columns.map((column) => column.name))
  const statement = sql`COPY ${name} (${names}) FROM STDIN WITH (${optionsFor(client, format)})`
  return yield* client.copyIn(statement, encode(rows, writer, options))
})

/**
 * Copies rows into a table. A row is an object with a property for each column; NULL is `null`, and a missing property is an
 * error.
 *
 * **Details**
 *
 * Values are as {@link from} and queries give them, and of their columns' exact types: the binary formats convert nothing. A row
 * that does not fit fails with a `ValueError` that names its position and the column, before the server sees it.
 *
 * **Gotchas**
 *
 * A generator can be gone through once: a copy of one that is run again, as by `Effect.retry`, copies nothing. Give it an
 * array, or a `Stream`, which can be run again.
 *
 * **Example** (Rows of a generator into a table)
 *
 * ```ts
 * import { Copy } from "@hyperfect/client"
 *
 * const days = function*() {
 *   for (let day = 1; day <= 31; day++) yield { day, delay: day % 7 === 0 ? null : day * 1.5 }
 * }
 *
 * const load = Copy.into("delays", days())
 * ```
 *
 * @category copying
 * @since 0.1.0
 */
export const into = <E = never, R = never, E2 = never, R2 = never>(
  table: Table,
  rows: Iterable<ObjectRow> | Stream.Stream<ObjectRow, E, R>,
  options: IntoOptions<E2, R2> = {}
): Effect.Effect<Copied, CopyError | E | E2, Client | R | R2> =>
  copyInto("object", table, rows, options, (writer) => writer)

/**
 * As {@link into}, with rows as arrays: one value for each column, in the order of the table or of `columns`.
 *
 * @category copying
 * @since 0.1.0
 */
export const intoValues = <E = never, R = never, E2 = never, R2 = never>(
  table: Table,
  rows: Iterable<ArrayRow> | Stream.Stream<ArrayRow, E, R>,
  options: IntoOptions<E2, R2> = {}
): Effect.Effect<Copied, CopyError | E | E2, Client | R | R2> =>
  copyInto("array", table, rows, options, (writer) => writer)

/** Encodes each row by a Schema before it is written, if that changes or checks anything. */
const encoding = <A>(
  schema: Schema.Codec<A, ObjectRow>,
  writer: CopyFormat.Writer<ObjectRow>
): CopyFormat.Writer<A> => {
  if (SchemaAST.toEncoded(schema.ast) === schema.ast) return writer as unknown as CopyFormat.Writer<A>
  const encodeRow = Schema.encodeUnknownResult(schema)
  return {
    begin: writer.begin,
    end: writer.end,
    row: (out, row, index) => {
      const result = encodeRow(row)
      if (result._tag === "Failure") {
        const wanted = result.failure.message
        throw { ...ValueError.reason("TypeMismatch", "row", undefined, wanted, ValueError.kind(row)), row: index }
      }
      writer.row(out, result.success, index)
    }
  }
}

/**
 * As {@link into}, with rows that a Schema describes: its fields are the columns, and each row is encoded by it.
 *
 * **Example** (Typed rows)
 *
 * ```ts
 * import { Copy } from "@hyperfect/client"
 * import { Schema } from "effect"
 *
 * const Delay = Schema.Struct({ day: Schema.Int, delay: Schema.NullOr(Schema.Number) })
 *
 * const load = Copy.intoSchema("delays", Delay, [{ day: 1, delay: 1.5 }, { day: 2, delay: null }])
 * ```
 *
 * @category copying
 * @since 0.1.0
 */
export const intoSchema = <
  const F extends { readonly [name: string]: Schema.ConstraintCodec<unknown, unknown> },
  E = never,
  R = never,
  E2 = never,
  R2 = never
>(
  table: Table,
  schema: Schema.Struct<F>,
  rows:
    | Iterable<Schema.Struct<F>["Type"]>
    | Stream.Stream<Schema.Struct<F>["Type"], E, R>,
  options: Omit<IntoOptions<E2, R2>, "columns"> = {}
): Effect.Effect<Copied, CopyError | E | E2, Client | R | R2> =>
  copyInto(
    "object",
    table,
    rows,
    { ...options, columns: Object.keys(schema.fields) },
    (writer) => encoding(schema as unknown as Schema.Codec<Schema.Struct<F>["Type"], ObjectRow>, writer)
  )

// -- Out of a table or a query

const copyFrom = <S extends Shape>(
  shape: S,
  query: Statement,
  { columns: wanted, format: chosen }: FromOptions
): Stream.Stream<CopyFormat.Shapes[S], CopyError, Client> =>
  Stream.unwrap(Effect.gen(function*() {
    const client = yield* Client
    if (client.server.kind === "hyper" && chosen === undefined) {
      return (shape === "object" ? client.stream(query) : client.streamValues(query)) as Stream.Stream<
        CopyFormat.Shapes[S],
        CopyError
      >
    }
    const columns = wanted !== undefined && isTyped(wanted)
      ? wanted
      : yield* describe(client, query)
    const format = chosen ?? formatFor(client, columns)
    const statement = sql`COPY (${query}) TO STDOUT WITH (${optionsFor(client, format)})`
    return client.copyOutWith(statement, () => format.reader(shape, columns))
  }))

const selectFrom = (table: Table, { columns }: FromOptions): Statement =>
  sql`select ${
    columns === undefined
      ? fromTextUnsafe("*")
      : list(columns.map((column) => (typeof column === "string" ? column : column.name)))
  } from ${nameOf(table)}`

/**
 * The rows of a table by COPY: objects by the names of the columns.
 *
 * **Details**
 *
 * Put `Query.stream(schema)` behind it for rows that a Schema describes. On Hyper rows come without COPY unless a format is
 * chosen: they take the same bytes, and unlike those of COPY say which values are NULL.
 *
 * **Gotchas**
 *
 * The rows are valid only when the stream ends: a server may send rows and fail after them.
 *
 * **Example** (A table as typed rows)
 *
 * ```ts
 * import { Copy, Query } from "@hyperfect/client"
 * import { Schema } from "effect"
 *
 * const Delay = Schema.Struct({ day: Schema.Int, delay: Schema.NullOr(Schema.Number) })
 *
 * const delays = Copy.from("delays").pipe(Query.stream(Delay))
 * ```
 *
 * @category copying
 * @since 0.1.0
 */
export const from = (table: Table, options: FromOptions = {}): Stream.Stream<ObjectRow, CopyError, Client> =>
  copyFrom("object", selectFrom(table, options), options)

/**
 * As {@link from}, with rows as arrays.
 *
 * @category copying
 * @since 0.1.0
 */
export const fromValues = (table: Table, options: FromOptions = {}): Stream.Stream<ArrayRow, CopyError, Client> =>
  copyFrom("array", selectFrom(table, options), options)

/**
 * How the rows of a query are copied.
 *
 * @category models
 * @since 0.1.0
 */
export interface QueryOptions {
  /** The columns of the query with their types, which are asked of the server when absent. */
  readonly columns?: ReadonlyArray<Column> | undefined
  /** As in {@link FromOptions}. */
  readonly format?: CopyFormat.CopyFormat | undefined
}

/**
 * The rows of a query by COPY, as {@link from} gives those of a table. The query has no parameters.
 *
 * **Example** (A query as CSV, read into rows)
 *
 * ```ts
 * import { Copy, Statement } from "@hyperfect/client"
 * import { CopyFormat } from "@hyperfect/values"
 *
 * const late = Copy.fromQuery(Statement.sql`select * from delays where delay > 60`, { format: CopyFormat.csv() })
 * ```
 *
 * @category copying
 * @since 0.1.0
 */
export const fromQuery = (query: Statement, options: QueryOptions = {}): Stream.Stream<ObjectRow, CopyError, Client> =>
  copyFrom("object", query, options)

/**
 * As {@link fromQuery}, with rows as arrays.
 *
 * @category copying
 * @since 0.1.0
 */
export const fromQueryValues = (
  query: Statement,
  options: QueryOptions = {}
): Stream.Stream<ArrayRow, CopyError, Client> => copyFrom("array", query, options)
