/**
 * Files in CSV, Parquet, Arrow, JSON and Iceberg, read and written by the Hyper server itself.
 *
 * {@link scan} reads files as if they were a table, {@link importInto} copies them into a table, {@link exportTo} writes a
 * table or the result of a query to a file. The data does not pass through the program.
 *
 * **Gotchas**
 *
 * - The server resolves the paths, with its own rights: a relative one starts at its working directory, which is the
 *   program's unless `Hyperd` was given another. A path such as `s3://bucket/key` makes the server read from the network.
 *   Do not take paths from an untrusted source; they are escaped, but any file that the server can read can be named.
 * - Patterns such as `*.parquet` are not expanded.
 *
 * @since 0.1.0
 */
import { Client, type ClientError } from "@hyperfect/client/Client"
import { checkDefaults } from "@hyperfect/client/Copy"
import { UnsupportedError } from "@hyperfect/client/QueryError"
import * as Statement from "@hyperfect/client/Statement"
import * as ValueError from "@hyperfect/values/ValueError"
import * as Effect from "effect/Effect"
import type { Fields } from "./HyperTable.ts"
import * as TableColumn from "./internal/tableColumn.ts"
import { columnDefinition } from "./internal/tableName.ts"

/**
 * Options of CSV, for reading and writing.
 *
 * @category models
 * @since 0.1.0
 */
export interface CsvOptions {
  readonly format: "csv"
  /** True if the first line has the names of the columns. When reading it is skipped, its names are not compared. */
  readonly header?: boolean | undefined
  /** One ASCII character; a comma when absent. */
  readonly delimiter?: string | undefined
  /** The text for NULL; empty when absent, in contrast to the quoted empty text. */
  readonly null?: string | undefined
  /** One ASCII character; `"` when absent. */
  readonly quote?: string | undefined
  /** The character before a quote within quotes; the quote when absent. */
  readonly escape?: string | undefined
}

/**
 * Options of CSV for reading.
 *
 * @category models
 * @since 0.1.0
 */
export interface CsvReadOptions extends CsvOptions {
  /** `"utf-8"` when absent. A byte order mark is not skipped. */
  readonly encoding?: "utf-8" | "utf-16" | "utf-16-le" | "utf-16-be" | undefined
  /** `"auto"` when absent: by the ending of the file's name. */
  readonly compression?: "auto" | "none" | "gzip" | "zstd" | undefined
  /** The effect of a text that is not of the column's type; `"error"` when absent. */
  readonly onCastFailure?: "error" | "set_null" | undefined
}

/**
 * Options of Parquet for writing.
 *
 * @category models
 * @since 0.1.0
 */
export interface ParquetWriteOptions {
  readonly format: "parquet"
  /** The compression; `"snappy"` when absent. */
  readonly codec?: "snappy" | "gzip" | "zstd" | undefined
  readonly rowsPerRowGroup?: number | undefined
}

/**
 * The formats without options: Parquet for reading, files and streams of Arrow IPC, lines of JSON, and tables of Apache
 * Iceberg, whose path is that of their directory.
 *
 * @category models
 * @since 0.1.0
 */
export interface PlainFormat<Format extends string> {
  readonly format: Format
}

/**
 * The format of files that are imported. JSON is imported into one column of that type, a row for each line.
 *
 * @category models
 * @since 0.1.0
 */
export type ReadOptions = CsvReadOptions | PlainFormat<"parquet" | "arrowfile" | "arrowstream" | "json">

/**
 * The format of a file that is written.
 *
 * @category models
 * @since 0.1.0
 */
export type WriteOptions = CsvOptions | ParquetWriteOptions | PlainFormat<"arrowfile" | "arrowstream" | "iceberg">

/**
 * The format of files that are scanned, and their columns. Only Parquet and Iceberg have their columns in the file.
 *
 * **Details**
 *
 * Columns of CSV are matched by position, those of Parquet, Arrow and Iceberg by name: some of the file's columns, in any
 * order. JSON has one column, `json`, unless another one of that type is declared; its rows are the documents of the lines.
 * The columns are declared as in `HyperTable.make`. A type that the file's column does not convert to without loss is
 * an error of the server, for Arrow any other type is.
 *
 * @category models
 * @since 0.1.0
 */
export type ScanOptions =
  | (PlainFormat<"parquet" | "iceberg" | "json"> & { readonly columns?: Fields | undefined })
  | ((CsvReadOptions | PlainFormat<"arrowfile" | "arrowstream">) & { readonly columns: Fields })

const { identifier, list, literal, sql } = Statement

type OptionKind = "boolean" | "string" | "character" | "count" | ReadonlyArray<string>

const csv: Readonly<Record<string, OptionKind>> = {
  header: "boolean",
  delimiter: "character",
  null: "string",
  quote: "character",
  escape: "character"
}

const readable: Readonly<Record<string, Readonly<Record<string, OptionKind>>>> = {
  csv: {
    ...csv,
    encoding: ["utf-8", "utf-16", "utf-16-le", "utf-16-be"],
    compression: ["auto", "none", "gzip", "zstd"],
    onCastFailure: ["error", "set_null"]
  },
  parquet: {},
  arrowfile: {},
  arrowstream: {},
  json: {}
}

const scannable: typeof readable = { ...readable, iceberg: {} }

/** The formats that name and type their columns. */
const selfDescribing: ReadonlyArray<string> = ["parquet", "iceberg", "json"]

const writable: typeof readable = {
  csv,
  // Another codec is not an error of the server but its end (H-46).
  parquet: { codec: ["snappy", "gzip", "zstd"], rowsPerRowGroup: "count" },
  arrowfile: {},
  arrowstream: {},
  iceberg: {}
}

const accepts = (kind: OptionKind, value: unknown): boolean =>
  typeof kind !== "string"
    ? kind.includes(value as string)
    : kind === "count"
    ? Number.isSafeInteger(value) && (value as number) > 0
    : kind === "character"
    ? typeof value === "string" && value.length === 1 && value > "\0" && value < "\x80"
    : typeof value === kind

/** Returns the options as `name => value`, the syntax that `external` and COPY share. */
const optionList = (formats: typeof readable, options: { readonly format: string }): Statement.Statement => {
  const { format, ...others } = options as { readonly format: string } & Readonly<Record<string, unknown>>
  if (!Object.hasOwn(formats, format)) {
    throw new TypeError(`format must be one of ${Object.keys(formats).join(", ")}, not ${JSON.stringify(format)}`)
  }
  const entries = Object.entries(others).filter(([, value]) => value !== undefined).map(([name, value]) => {
    const kinds = formats[format]!
    if (!Object.hasOwn(kinds, name)) throw new TypeError(`${name} is not an option of ${format}`)
    const kind = kinds[name]!
    if (!accepts(kind, value)) {
      const wanted = typeof kind === "string" ? `a ${kind}` : `one of ${kind.join(", ")}`
      throw new TypeError(`${name} must be ${wanted}, not ${JSON.stringify(value)}`)
    }
    return sql`${identifier(name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`))} => ${literal(value)}`
  })
  return list([sql`format => ${literal(format)}`, ...entries])
}

/** Returns the literal of the paths. Throws for a path that no server accepts, such as one with U+0000. */
const source = (paths: string | ReadonlyArray<string>): Statement.Statement => {
  if (paths.length === 0) throw new TypeError("no file was given")
  return literal(paths)
}

const columnOf = ([name, schema]: [string, Fields[string]]): Statement.Statement => {
  // A descriptor takes no defaults.
  const definition = { ...TableColumn.toDefinition(TableColumn.make("external", name, schema)), default: undefined }
  return sql`${identifier(name)} ${Statement.fromTextUnsafe(columnDefinition(definition))}`
}

/**
 * Reads files as a table: a piece of a statement, for its FROM.
 *
 * **Details**
 *
 * Several files of CSV, Parquet or JSON are read as one table; of Arrow and Iceberg the server reads a single one. Paths and options become part of the text, because the
 * server takes no parameters there; they are quoted by `Statement.literal`. Throws a `ValueError` for a path that cannot
 * be sent, such as one with U+0000, and a `TypeError` for an unknown option or an invalid value.
 *
 * A missing file, another format, and columns or values that do not fit are a `ServerError` of the query.
 *
 * **Example** (Statistics of a CSV file)
 *
 * ```ts
 * import { Client, Statement } from "@hyperfect/client"
 * import { Hyper, Hyperd, HyperExternal, HyperTable } from "@hyperfect/hyper"
 * import { NodePlatform } from "@hyperfect/node"
 * import { Effect, FileSystem, Layer, Schema } from "effect"
 * import { strict as assert } from "node:assert"
 *
 * const program = Effect.gen(function*() {
 *   const fs = yield* FileSystem.FileSystem
 *   const client = yield* Client.Client
 *   const path = `${yield* fs.makeTempDirectoryScoped()}/delays.csv`
 *   yield* fs.writeFileString(path, "origin,delay\nSFO,7\nANC,\nSFO,30\n")
 *   const delays = HyperExternal.scan(path, {
 *     format: "csv",
 *     header: true,
 *     columns: { origin: HyperTable.Text, delay: Schema.NullOr(Schema.Int) }
 *   })
 *   const { rows } = yield* client.query(
 *     Statement.sql`select max(delay) as delay from ${delays} where origin = ${"SFO"}`
 *   )
 *   assert.deepEqual(rows, [{ delay: 30 }])
 * })
 *
 * const Live = Hyper.layer().pipe(Layer.provide(Hyperd.layer()), Layer.provideMerge(NodePlatform.layer))
 *
 * await Effect.runPromise(Effect.provide(Effect.scoped(program), Live))
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const scan = (paths: string | ReadonlyArray<string>, options: ScanOptions): Statement.Statement => {
  const { columns, ...others } = options
  const format = optionList(scannable, others)
  if (columns === undefined && !selfDescribing.includes(options.format)) {
    throw new TypeError(`the columns of ${options.format} are not in the file: pass columns`)
  }
  return sql`external(${source(paths)}, ${format}${
    columns === undefined ? sql`` : sql`, columns => DESCRIPTOR(${list(Object.entries(columns).map(columnOf))})`
  })`
}

/**
 * A failure of an import or export: a path or value that cannot be sent (`ValueError`), an export that would damage a
 * table (`UnsupportedError`), or any query error.
 *
 * @category errors
 * @since 0.1.0
 */
export type ExternalError = ClientError | UnsupportedError | ValueError.ValueError

const tryStatement = (
  statement: () => Statement.Statement
): Effect.Effect<Statement.Statement, ValueError.ValueError> =>
  Effect.try({
    try: statement,
    catch: (thrown) => thrown instanceof ValueError.ValueError ? thrown : ValueError.fromThrown(thrown)
  })

const copy = (statement: () => Statement.Statement): Effect.Effect<number, ExternalError, Client> =>
  Effect.gen(function*() {
    const client = yield* Client
    const { text } = yield* tryStatement(statement)
    const [result] = yield* client.simple(text)
    return result?.rowCount ?? 0
  })

/**
 * Imports files into a table, all rows or none, and returns the number of rows.
 *
 * **Details**
 *
 * `columns` are the columns of the table that the files have: for CSV in the order of the file, for Parquet and Arrow by
 * name. Without it these are all columns of the table. Columns that are not listed become NULL; one that has a default
 * must be listed, since the server would not use it (H-41).
 *
 * **Gotchas**
 *
 * - To convert or complete values, insert a query of {@link scan} instead.
 * - A text of Parquet that is longer than its column is stored whole (H-71); one of CSV is an error of the server.
 * - Until it ends, the table cannot be read. The rows are in the database's file once the database was saved.
 *
 * @category running
 * @since 0.1.0
 */
export const importInto = (
  table: Statement.Statement | Statement.Fragment,
  paths: string | ReadonlyArray<string>,
  options: ReadOptions & { readonly columns?: ReadonlyArray<string> | undefined }
): Effect.Effect<number, ExternalError, Client> =>
  Effect.andThen(
    options.columns === undefined ? Effect.void : checkDefaults(sql`${table}`, options.columns),
    copy(() => {
      const { columns, ...format } = options
      const names = columns === undefined ? sql`` : sql`(${list(columns.map((name) => identifier(name)))})`
      return sql`COPY ${table} ${names} FROM ${source(paths)} WITH (${optionList(readable, format)})`
    })
  )

/** A name alone, such as `Statement.identifier` returns, which is no query. */
const tableName = /^(?:(?:^|\.)"(?:[^"]|"")+")+$/

/**
 * Exports a table, or the result of a query, to a file, or a new table of Iceberg, and returns the number of rows.
 *
 * **Details**
 *
 * The server creates missing directories, and the file with access for its user and group only. A type that the format
 * does not have is a `ServerError` before anything is written: `uuid`, `oid`, `interval`, `char(1)` and `geography` in
 * Parquet and Iceberg, `uuid` in Arrow. Cast such columns to `text` in a query. The query cannot have parameters: use
 * `Statement.literal` in it.
 *
 * **Gotchas**
 *
 * - An existing file is overwritten, and removed if the export fails. To keep it in that case, export to another name
 *   in the same directory and rename the file when this has succeeded.
 * - A table of Iceberg is never overwritten: where there is one, this fails with an `UnsupportedError`. The server would
 *   add a second one to its directory, and could read neither (H-73).
 *
 * **Example** (A query to Parquet)
 *
 * ```ts
 * import { Client, Statement } from "@hyperfect/client"
 * import { Hyper, Hyperd, HyperExternal } from "@hyperfect/hyper"
 * import { NodePlatform } from "@hyperfect/node"
 * import { Effect, FileSystem, Layer } from "effect"
 * import { strict as assert } from "node:assert"
 *
 * const { sql } = Statement
 *
 * const program = Effect.gen(function*() {
 *   const fs = yield* FileSystem.FileSystem
 *   const client = yield* Client.Client
 *   const path = `${yield* fs.makeTempDirectoryScoped()}/squares.parquet`
 *   const written = yield* HyperExternal.exportTo(
 *     sql`select i, i * i as square from generate_series(1, 1000) s(i)`,
 *     path,
 *     { format: "parquet", codec: "zstd" }
 *   )
 *   assert.equal(written, 1000)
 *   const squares = HyperExternal.scan(path, { format: "parquet" })
 *   const { rows } = yield* client.query(sql`select square from ${squares} where i = ${12}`)
 *   assert.deepEqual(rows, [{ square: 144 }])
 * })
 *
 * const Live = Hyper.layer().pipe(Layer.provide(Hyperd.layer()), Layer.provideMerge(NodePlatform.layer))
 *
 * await Effect.runPromise(Effect.provide(Effect.scoped(program), Live))
 * ```
 *
 * @category running
 * @since 0.1.0
 */
export const exportTo = (
  source: Statement.Statement | Statement.Fragment,
  path: string,
  options: WriteOptions
): Effect.Effect<number, ExternalError, Client> => {
  const exported = copy(() => {
    const isQuery = Statement.isStatement(source) && !tableName.test(source.text)
    if (isQuery && source.parameters.length > 0) {
      throw new TypeError("COPY takes no parameters: use Statement.literal for the values of the query")
    }
    return sql`COPY ${isQuery ? sql`(${source})` : source} TO ${literal(path)} WITH (${optionList(writable, options)})`
  })
  return options.format === "iceberg" ? Effect.andThen(checkNoIceberg(path), exported) : exported
}

const readsNothing = /^58/

/** Fails if there is a table of Iceberg. */
const checkNoIceberg = (path: string): Effect.Effect<void, ExternalError, Client> =>
  Effect.gen(function*() {
    const client = yield* Client
    const { text } = yield* tryStatement(() => sql`SELECT 1 FROM ${scan(path, { format: "iceberg" })} LIMIT 0`)
    const isMissing = yield* Effect.matchEffect(client.simple(text), {
      onSuccess: () => Effect.succeed(false),
      onFailure: (error) =>
        error._tag === "ServerError" && readsNothing.test(error.reason.sqlState)
          ? Effect.succeed(true)
          : Effect.fail(error)
    })
    if (isMissing) return
    return yield* new UnsupportedError({
      feature: "exporting to a table of Iceberg that exists",
      server: "hyper",
      problem: "the server would add a second table to its directory, and could read neither"
    })
  })
