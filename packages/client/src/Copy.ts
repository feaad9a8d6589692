/**
 * Bulk transfer of rows by COPY: {@link into} a table from a stream, an array or any iterable, and {@link from} a table
 * or a query as a stream.
 *
 * The columns are queried from the server unless given; rows are plain values as in any other query. The format is the
 * server's binary one if all columns support it, text otherwise, or an explicit one such as `CopyFormat.csv()`. Memory
 * use does not grow with the number of rows: backpressure applies in both directions.
 *
 * COPY is all or nothing. When a row does not fit, or its source fails or is interrupted, the server is told and keeps
 * none of the rows.
 *
 * @since 0.1.0
 */
import * as BuiltIn from "@hyperfect/values/BuiltIn"
import * as CopyFormat from "@hyperfect/values/CopyFormat"
import * as Preset from "@hyperfect/values/Preset"
import type { ArrayRow, ObjectRow } from "@hyperfect/values/RowReader"
import type { Column } from "@hyperfect/values/RowWriter"
import * as TypeRegistry from "@hyperfect/values/TypeRegistry"
import * as ValueError from "@hyperfect/values/ValueError"
import * as Effect from "effect/Effect"
import { dual } from "effect/Function"
import { isIterable } from "effect/Predicate"
import * as Schema from "effect/Schema"
import * as SchemaAST from "effect/SchemaAST"
import * as Stream from "effect/Stream"
import { Client, type ClientError } from "./Client.ts"
import { fromUnknown } from "./internal/model/sql.ts"
import * as CopyRows from "./internal/query/copyRows.ts"
import { refuse } from "./internal/session/queryError.ts"
import { holdsDatetimes, holdsType } from "./internal/session/typeParts.ts"
import type { CopyResult } from "./Queries.ts"
import type { QueryError } from "./QueryError.ts"
import {
  type Fragment,
  fromTextUnsafe,
  identifier,
  list,
  literal,
  sql,
  type Statement,
  withPreset
} from "./Statement.ts"

/**
 * The errors of a COPY, other than those of the source of the rows: a `ValueError`, which names row and column, for a
 * row that does not fit or cannot be decoded, and the errors of any query.
 *
 * @category errors
 * @since 0.1.0
 */
export type CopyError = ClientError | ValueError.ValueError

export type { Progress } from "./internal/query/copyRows.ts"

/**
 * Options for encoding rows to messages.
 *
 * @category models
 * @since 0.1.0
 */
export interface EncodeOptions<E = never, R = never> {
  /** The number of bytes per message; 64 KiB when absent. */
  readonly messageSize?: number | undefined
  /** Runs after each message. The copy waits for it, and fails if it fails. */
  readonly onProgress?: ((progress: CopyRows.Progress) => Effect.Effect<unknown, E, R>) | undefined
}

/**
 * The columns to copy, and the format.
 *
 * @category models
 * @since 0.1.0
 */
export interface FromOptions {
  /**
   * The columns to copy; all when absent. If given with their types, the server is not queried for them.
   *
   * Into a table of Hyper, whose COPY would store NULL in a column with a default that is not copied, such a column must be
   * among them. With types this is not checked, nor is what they say about NULL.
   */
  readonly columns?: ReadonlyArray<string> | ReadonlyArray<Column> | undefined
  /**
   * The data format; when absent, the server's binary one if all columns support it, text otherwise. In text, Hyper
   * prints 15 digits of a floating-point number unless `extra_float_digits` is 3. PostgreSQL before 10 may have dates
   * and times as floating-point numbers in its binary format, so they are read as text there.
   */
  readonly format?: CopyFormat.CopyFormat | undefined
}

/**
 * Options for copying rows into a table.
 *
 * @category models
 * @since 0.1.0
 */
export interface IntoOptions<E = never, R = never> extends FromOptions, EncodeOptions<E, R> {}

/**
 * A table: its name, which is quoted; a part of a statement, such as `Statement.identifier("schema", "table")`; or a
 * value that stands for a table.
 *
 * @category models
 * @since 0.1.0
 */
export type Table = string | Statement | Fragment

/** Rows to copy; a generator can be iterated once. */
type Rows<Row, E, R> = Iterable<Row> | Stream.Stream<Row, E, R>

/** True if the first argument is rows, not a table, which is a name or no iterable. */
const isDataFirst = ({ 0: rows }: IArguments): boolean =>
  typeof rows !== "string" && (isIterable(rows) || Stream.isStream(rows))

const defaultMessageSize = 64 * 1024

const tableName = (table: Table): Statement => typeof table === "string" ? identifier(table) : fromUnknown(table)

/**
 * Encodes rows to the data of a COPY: messages of at least `messageSize` bytes, except the last.
 *
 * **When to use**
 *
 * Use for data with another destination than a client's table, such as a file. Writers are made by a `CopyFormat`.
 *
 * @category encoding
 * @since 0.1.0
 */
export const encode: {
  <Row, E2 = never, R2 = never>(
    writer: CopyFormat.Writer<Row>,
    options?: EncodeOptions<E2, R2>
  ): <E = never, R = never>(
    rows: Rows<Row, E, R>
  ) => Stream.Stream<Uint8Array, E | E2 | ValueError.ValueError, R | R2>
  <Row, E = never, R = never, E2 = never, R2 = never>(
    rows: Rows<Row, E, R>,
    writer: CopyFormat.Writer<Row>,
    options?: EncodeOptions<E2, R2>
  ): Stream.Stream<Uint8Array, E | E2 | ValueError.ValueError, R | R2>
} = dual(
  isDataFirst,
  <Row, E, R, E2, R2>(rows: Rows<Row, E, R>, writer: CopyFormat.Writer<Row>, options: EncodeOptions<E2, R2> = {}) =>
    CopyRows.encode(CopyRows.fromSource(rows), writer, options.messageSize ?? defaultMessageSize, options.onProgress)
)

/**
 * Decodes the rows in the data of a COPY, which may be split anywhere.
 *
 * **When to use**
 *
 * Use for data from another source than a client, such as a file. `makeReader` is called each time the stream runs.
 *
 * @category decoding
 * @since 0.1.0
 */
export const decode: {
  <Row>(
    makeReader: () => CopyFormat.Reader<Row>
  ): <E, R>(data: Stream.Stream<Uint8Array, E, R>) => Stream.Stream<Row, E | ValueError.ValueError, R>
  <Row, E, R>(
    data: Stream.Stream<Uint8Array, E, R>,
    makeReader: () => CopyFormat.Reader<Row>
  ): Stream.Stream<Row, E | ValueError.ValueError, R>
} = dual(
  2,
  <Row, E, R>(data: Stream.Stream<Uint8Array, E, R>, makeReader: () => CopyFormat.Reader<Row>) =>
    Stream.unwrap(Effect.map(tryValue(makeReader), (reader) => CopyRows.decode(data, reader)))
)

const tryValue = <A>(evaluate: () => A): Effect.Effect<A, ValueError.ValueError> =>
  Effect.try({ try: evaluate, catch: ValueError.fromThrown })

// -- Columns

type Columns = ReadonlyArray<Column>

const isTyped = (columns: ReadonlyArray<string> | Columns): columns is Columns => typeof columns[0] === "object"

const identifierList = (names: ReadonlyArray<string>): Statement => list(names.map((name) => identifier(name)))

const part = /"(?:[^"]|"")+"|[^".\s]+/.source
const threeParts = new RegExp(`^(${part})\\.(${part})\\.(${part})$`)

/** Returns a part of a name as the catalogue has it. */
const unquoted = (part: string): string =>
  part.startsWith("\"") ? part.slice(1, -1).replaceAll("\"\"", "\"") : part.toLowerCase()

/** The query for a table's columns on Hyper, whose `regclass` does not cover other databases (H-40). */
const hyperAttributes = ({ text }: Statement): Statement => {
  const columns = (catalog: string) =>
    sql`select a.attname, a.attnotnull, a.atthasdef from ${fromTextUnsafe(`${catalog}pg_catalog.pg_attribute`)} a`
  const [, database, schema, table] = threeParts.exec(text) ?? []
  if (table === undefined) {
    return sql`${columns("")} where a.attrelid = ${literal(text)}::regclass and a.attnum > 0 order by a.attnum`
  }
  const catalog = fromTextUnsafe(`${database}.pg_catalog`)
  return sql`${columns(`${database}.`)} join ${catalog}.pg_class c on a.attrelid = c.oid
    join ${catalog}.pg_namespace n on c.relnamespace = n.oid where n.nspname = ${literal(unquoted(schema!))}
    and c.relname = ${literal(unquoted(table))} and a.attnum > 0 order by a.attnum`
}

/** The columns that can be copied into, from the catalogue: generated columns are left out. */
const attributes = (client: Client["Service"], table: Statement) =>
  Effect.map(
    client.values(
      client.server.dialect.catalogueLookups
        // Generated columns came with PostgreSQL 12; before that, `pg_attribute` has no such column.
        ? sql`select a.attname::text, a.attnotnull, a.atthasdef from pg_catalog.pg_attribute a
          where a.attrelid = ${table.text}::text::regclass and a.attnum > 0 and not a.attisdropped
          and coalesce(pg_catalog.to_jsonb(a) ->> 'attgenerated', '') = '' order by a.attnum`
        : hyperAttributes(table)
    ),
    ({ rows }) =>
      new Map(
        rows.map(([name, notNull, hasDefault]) => [
          String(name),
          { notNull: notNull === true, hasDefault: hasDefault === true }
        ])
      )
  )

type Attributes = Effect.Success<ReturnType<typeof attributes>>

/** Fails on Hyper for a column with a default that is not copied: it would store NULL there (H-41). */
const refuseDefaults = (
  client: Client["Service"],
  table: Statement,
  found: Attributes,
  names: ReadonlyArray<string>
): Effect.Effect<void, QueryError> => {
  const [omitted] = [...found].find(([name, { hasDefault }]) => hasDefault && !names.includes(name)) ?? []
  if (omitted === undefined) return Effect.void
  const feature = `copying without the column ${JSON.stringify(omitted)}, whose default COPY would replace by NULL,`
  return refuse(client.server.dialect, feature, table)
}

/** @internal */
export const checkDefaults = (
  table: Statement,
  names: ReadonlyArray<string>
): Effect.Effect<void, ClientError, Client> =>
  Effect.flatMap(Client, (client) =>
    client.server.dialect.copyFormat === "hyperBinary"
      ? Effect.flatMap(attributes(client, table), (found) => refuseDefaults(client, table, found, names))
      : Effect.void)

/** The columns of a statement, with text for unknown types. */
const describe = (client: Client["Service"], statement: Statement): Effect.Effect<Columns, ClientError> =>
  Effect.map(
    client.describe(statement),
    ({ fields }) => fields.map(({ name, type, typeModifier }) => ({ name, type: type ?? unknownType, typeModifier }))
  )

/** Sent and read as text. */
const unknownType = { ...BuiltIn.unknown, binary: undefined, hyper: undefined }

const columnsOfTable = Effect.fnUntraced(function*(
  client: Client["Service"],
  table: Statement,
  wanted: ReadonlyArray<string> | undefined
) {
  const { dialect } = client.server
  const found = dialect.copyFormat === "hyperBinary" || (wanted === undefined && dialect.catalogueLookups)
    ? yield* attributes(client, table)
    : undefined
  const names = wanted ?? (found && [...found.keys()])
  // Values are written as they are, independently of the preset for reading.
  const columns = yield* describe(
    client,
    withPreset(
      sql`select ${names === undefined ? fromTextUnsafe("*") : identifierList(names)} from ${table}`,
      Preset.lossless
    )
  )
  if (dialect.copyFormat !== "hyperBinary" || found === undefined) return columns
  yield* refuseDefaults(client, table, found, columns.map(({ name }) => name))
  // The binary form of an array tells whether its elements may be NULL, and that cannot be queried (H-04).
  const array = columns.find(({ type }) => type.name.endsWith("[]"))
  if (array !== undefined) {
    const feature = `copying into the array column ${JSON.stringify(array.name)} without its type among the columns`
    return yield* refuse(dialect, feature, table)
  }
  return columns.map((column) => ({ ...column, nullable: found.get(column.name)?.notNull !== true }))
})

// -- Formats

const textFormat = CopyFormat.text()

/** Versions that may have been built with floating-point dates and times in their binary format. */
const mayHaveFloatDatetimes = /^\d\./

/** The formats of dialects, and the form of values in each. */
const formats = {
  hyperBinary: { format: CopyFormat.hyperBinary, form: "hyper" },
  binary: { format: CopyFormat.binary, form: "binary" },
  text: { format: textFormat, form: "text" }
} as const

const hasBinary = ({ server: { dialect, version } }: Client["Service"], { type }: Column): boolean =>
  type[formats[dialect.copyFormat].form] !== undefined && !(mayHaveFloatDatetimes.test(version) && holdsDatetimes(type))

const moneyOids = TypeRegistry.oidsOf("money")

/** True for columns with values that only text can hold, such as empty vectors, unless money needs binary. */
const preferText = (columns: Columns): boolean =>
  columns.some(({ type }) => type.prefersText === true) && !columns.some(({ type }) => holdsType(type, moneyOids))

/** The server's binary format if all columns support it. */
const formatFor = (client: Client["Service"], columns: Columns): CopyFormat.CopyFormat => {
  const { copyFormat } = client.server.dialect
  return columns.every((column) => hasBinary(client, column)) && !(copyFormat === "binary" && preferText(columns))
    ? formats[copyFormat].format
    : textFormat
}

/**
 * Fails if there are both columns that have only a text format, and money, whose text depends on a server setting, so
 * that it can only be written in binary.
 */
const checkMoney = (client: Client["Service"], columns: Columns, table: Statement): Effect.Effect<void, QueryError> => {
  const money = columns.find(({ type }) => holdsType(type, moneyOids))
  const other = columns.find((column) => !hasBinary(client, column))
  if (money === undefined || other === undefined) return Effect.void
  const named = ({ name, type }: Column): string => `${JSON.stringify(name)} of ${type.name}`
  const feature = `copying into the column ${named(money)}, which is written in binary alone, together with ` +
    `${named(other)}, which has no binary form here (use INSERT with parameters, or copy without one of them)`
  return refuse(client.server.dialect, feature, table)
}

/**
 * Sets the encoding explicitly, whatever the session's is: all text here is UTF-8, the only encoding that Hyper
 * supports.
 */
const optionsFor = ({ server: { dialect } }: Client["Service"], { options }: CopyFormat.CopyFormat): Statement =>
  fromTextUnsafe(dialect.copyEncoding ? `${options}, ENCODING 'UTF8'` : options)

// -- Into a table

type Shape = keyof CopyFormat.RowShapes

const copyInto = Effect.fnUntraced(function*<S extends Shape, Row, E, R, E2, R2>(
  shape: S,
  table: Table,
  rows: Rows<Row, E, R>,
  options: IntoOptions<E2, R2>,
  prepare: (write: CopyFormat.Writer<CopyFormat.RowShapes[S]>) => CopyFormat.Writer<Row>
): Effect.fn.Return<CopyResult, CopyError | E | E2, Client | R | R2> {
  const client = yield* Client
  const name = tableName(table)
  const wanted = options.columns
  const columns = wanted !== undefined && isTyped(wanted) ? wanted : yield* columnsOfTable(client, name, wanted)
  const format = options.format ?? formatFor(client, columns)
  if (format === textFormat) yield* checkMoney(client, columns, name)
  const writer = yield* tryValue(() => prepare(format.writer(shape, columns)))
  const names = identifierList(columns.map((column) => column.name))
  const statement = sql`COPY ${name} (${names}) FROM STDIN WITH (${optionsFor(client, format)})`
  const openAfter = options.messageSize ?? defaultMessageSize
  return yield* client.copyIn(statement, encode(rows, writer, options), { openAfter })
})

interface Into<Row> {
  <E2 = never, R2 = never>(
    table: Table,
    options?: IntoOptions<E2, R2>
  ): <E = never, R = never>(
    rows: Rows<Row, E, R>
  ) => Effect.Effect<CopyResult, CopyError | E | E2, Client | R | R2>
  <E = never, R = never, E2 = never, R2 = never>(
    rows: Rows<Row, E, R>,
    table: Table,
    options?: IntoOptions<E2, R2>
  ): Effect.Effect<CopyResult, CopyError | E | E2, Client | R | R2>
}

const makeInto = <S extends Shape>(shape: S): Into<CopyFormat.RowShapes[S]> =>
  dual(
    isDataFirst,
    <E, R, E2, R2>(rows: Rows<CopyFormat.RowShapes[S], E, R>, table: Table, options: IntoOptions<E2, R2> = {}) =>
      copyInto(shape, table, rows, options, (writer) => writer)
  )

/**
 * Copies rows into a table. A row is an object with a property for each column; NULL is `null`, and a missing property
 * is an error.
 *
 * **Details**
 *
 * Values are those that {@link from} and queries return, and must have the exact types of their columns: the binary
 * formats convert nothing. A row that does not fit fails with a `ValueError` that names its position and the column,
 * before it is sent to the server.
 *
 * **Gotchas**
 *
 * A generator can be iterated once: re-running a copy of one, for example with `Effect.retry`, copies nothing. Use an
 * array or a `Stream` instead.
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
 * const load = Copy.into(days(), "delays")
 * ```
 *
 * @category copying
 * @since 0.1.0
 */
export const into: Into<ObjectRow> = makeInto("object")

/**
 * Works as {@link into}, with rows as arrays: one value for each column, in the order of the table or of `columns`.
 *
 * @category copying
 * @since 0.1.0
 */
export const intoValues: Into<ArrayRow> = makeInto("array")

/** Encodes each row by a Schema before it is written, unless the Schema neither changes nor checks anything. */
const schemaWriter = <A>(
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

type Fields = { readonly [name: string]: Schema.ConstraintCodec<unknown, unknown> }

/**
 * Works as {@link into}, with rows that a Schema describes: its fields are the columns, and each row is encoded by it.
 *
 * **Example** (Typed rows)
 *
 * ```ts
 * import { Copy } from "@hyperfect/client"
 * import { Schema } from "effect"
 *
 * const Delay = Schema.Struct({ day: Schema.Int, delay: Schema.NullOr(Schema.Number) })
 *
 * const load = Copy.intoSchema([{ day: 1, delay: 1.5 }, { day: 2, delay: null }], "delays", Delay)
 * ```
 *
 * @category copying
 * @since 0.1.0
 */
export const intoSchema: {
  <const F extends Fields, E2 = never, R2 = never>(
    table: Table,
    schema: Schema.Struct<F>,
    options?: Omit<IntoOptions<E2, R2>, "columns">
  ): <E = never, R = never>(
    rows: Rows<Schema.Struct<F>["Type"], E, R>
  ) => Effect.Effect<CopyResult, CopyError | E | E2, Client | R | R2>
  <const F extends Fields, E = never, R = never, E2 = never, R2 = never>(
    rows: Rows<Schema.Struct<F>["Type"], E, R>,
    table: Table,
    schema: Schema.Struct<F>,
    options?: Omit<IntoOptions<E2, R2>, "columns">
  ): Effect.Effect<CopyResult, CopyError | E | E2, Client | R | R2>
} = dual(
  isDataFirst,
  <F extends Fields, E, R, E2, R2>(
    rows: Rows<Schema.Struct<F>["Type"], E, R>,
    table: Table,
    schema: Schema.Struct<F>,
    options: Omit<IntoOptions<E2, R2>, "columns"> = {}
  ) =>
    copyInto(
      "object",
      table,
      rows,
      { ...options, columns: Object.keys(schema.fields) },
      (writer) => schemaWriter(schema as unknown as Schema.Codec<Schema.Struct<F>["Type"], ObjectRow>, writer)
    )
)

// -- From a table or a query

const copyFrom = <S extends Shape>(
  shape: S,
  query: Statement,
  { columns: wanted, format: chosen }: FromOptions
): Stream.Stream<CopyFormat.RowShapes[S], CopyError, Client> =>
  Stream.unwrap(Effect.gen(function*() {
    const client = yield* Client
    if (client.server.dialect.copyFormat === "hyperBinary" && chosen === undefined) {
      return (shape === "object" ? client.stream(query) : client.streamValues(query)) as Stream.Stream<
        CopyFormat.RowShapes[S],
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
      : identifierList(columns.map((column) => (typeof column === "string" ? column : column.name)))
  } from ${tableName(table)}`

/**
 * Copies the rows of a table as a stream of objects by column name.
 *
 * **Details**
 *
 * Pipe it through `Query.stream(schema)` for rows that a Schema describes. On Hyper rows are queried without COPY
 * unless a format is chosen: they take the same number of bytes and, unlike those of COPY, mark NULL values.
 *
 * **Gotchas**
 *
 * The rows are valid only once the stream has ended successfully: a server may send rows and then fail.
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
 * Works as {@link from}, with rows as arrays.
 *
 * @category copying
 * @since 0.1.0
 */
export const fromValues = (table: Table, options: FromOptions = {}): Stream.Stream<ArrayRow, CopyError, Client> =>
  copyFrom("array", selectFrom(table, options), options)

/**
 * Options for copying the rows of a query.
 *
 * @category models
 * @since 0.1.0
 */
export interface QueryOptions extends Pick<FromOptions, "format"> {
  /** The columns of the query with their types; queried from the server when absent. */
  readonly columns?: ReadonlyArray<Column> | undefined
}

/**
 * Copies the rows of a query as a stream, as {@link from} does those of a table. The query must have no parameters.
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
 * Works as {@link fromQuery}, with rows as arrays.
 *
 * @category copying
 * @since 0.1.0
 */
export const fromQueryValues = (
  query: Statement,
  options: QueryOptions = {}
): Stream.Stream<ArrayRow, CopyError, Client> => copyFrom("array", query, options)
