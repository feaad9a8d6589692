/**
 * Copies of tables and of whole database files, with another format version or without unused space.
 *
 * Columns keep their types, nullability, collations and defaults, tables their schema and assumed keys. Comments on columns
 * are not copied. Tables are created from the catalog and filled by the server; no rows are sent to this program.
 *
 * @since 0.1.0
 */
import { Client, type ClientError } from "@hyperfect/client/Client"
import type { TransactionRolledBack } from "@hyperfect/client/QueryError"
import * as Statement from "@hyperfect/client/Statement"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { CatalogError } from "./CatalogError.ts"
import type { DatabaseVersionError } from "./DatabaseVersionError.ts"
import * as HyperCatalog from "./HyperCatalog.ts"
import type { DatabaseVersion } from "./HyperOptions.ts"
import * as OpenDatabase from "./internal/database/open.ts"
import * as Databases from "./internal/database/statements.ts"
import * as FileVersion from "./internal/fileVersion.ts"
import * as TableName from "./internal/tableName.ts"
import type { SaveError } from "./SaveError.ts"

const { fromTextUnsafe, identifier, list, literal, sql } = Statement

/**
 * The databases of a copy, and its tables.
 *
 * @category models
 * @since 0.1.0
 */
export interface CopyTablesOptions {
  /** The name that the source was attached as. */
  readonly from: string
  /** The name that the target was attached as. */
  readonly to: string
  /** The tables to copy; all tables and schemas of the source when absent. */
  readonly tables?: ReadonlyArray<{ readonly name: string; readonly schema?: string | undefined }> | undefined
}

/**
 * A table that was copied.
 *
 * @category models
 * @since 0.1.0
 */
export interface CopiedTable {
  readonly schema: string
  readonly name: string
  /** The number of its rows. */
  readonly rows: number
}

/**
 * Options of a copy of a file.
 *
 * @category models
 * @since 0.1.0
 */
export interface FileOptions {
  /** The time that saving the new file may take; 5 minutes when absent. */
  readonly saveTimeout?: Duration.Input | undefined
}

/**
 * The errors of {@link copyTables}.
 *
 * @category errors
 * @since 0.1.0
 */
export type CopyTablesError = ClientError | TransactionRolledBack | CatalogError | DatabaseVersionError

/**
 * The errors of {@link copyDatabase}, {@link convert} and {@link defragment}.
 *
 * @category errors
 * @since 0.1.0
 */
export type FileError = CopyTablesError | OpenDatabase.OpenError | SaveError

const versionOf = (database: string) =>
  Effect.gen(function*() {
    const client = yield* Client
    const found = (yield* HyperCatalog.databases).find(({ name }) => name === database)
    const { rows } = yield* client.values(
      sql`select database_version from pg_catalog.hyper_database where datname = ${literal(found?.path ?? "")}`
    )
    return Number(rows[0]?.[0]) as DatabaseVersion
  })

/**
 * Copies tables from one attached database to another.
 *
 * **Details**
 *
 * Missing schemas are created. An `ASSUMED FOREIGN KEY` to a table that is not copied is left out. All rows are inserted in one transaction. If anything fails, the schemas and tables that
 * were created are dropped. A type that the version of the target cannot store fails with a `DatabaseVersionError` before anything
 * is created, a table that exists with the `ServerError` `DuplicateTable`.
 *
 * **Example** (Two files in one)
 *
 * ```ts
 * import { Hyper } from "@hyperfect/hyper"
 *
 * export const merged = Hyper.copyTables({ from: "2025", to: "all.hyper", tables: [{ name: "flights" }] }).pipe(
 *   Hyper.withDatabase({ database: "all.hyper", attach: { "2025": "2025.hyper" } })
 * )
 * ```
 *
 * @category databases
 * @since 0.1.0
 */
export const copyTables = (
  { from, tables, to }: CopyTablesOptions
): Effect.Effect<ReadonlyArray<CopiedTable>, CopyTablesError, Client> =>
  Effect.gen(function*() {
    const client = yield* Client
    const entries = tables ?? (yield* HyperCatalog.tables({ database: from }))
    const definitions = yield* Effect.forEach(entries, ({ name, schema = "public" }) =>
      HyperCatalog.table(name, { database: from, schema }))
    const version = yield* versionOf(to)
    const named = definitions.map((definition) => {
      const { name, schema = "public" } = definition
      return {
        definition,
        schema,
        name,
        source: TableName.make(name, { database: from, schema }).sql,
        target: TableName.make(name, { database: to, schema }).sql
      }
    })
    for (const { definition, target } of named) {
      const unsupported = FileVersion.unsupportedColumns(target.text, definition.columns, version)
      if (unsupported !== undefined) {
        return yield* unsupported
      }
    }
    const schemas = tables === undefined
      ? yield* HyperCatalog.schemas({ database: from })
      : new Set(named.map(({ schema }) =>
        schema
      ))
    const existing = yield* HyperCatalog.schemas({ database: to })
    const missing = [...schemas].filter((schema) => !existing.includes(schema))
    // Tables are dropped before their schemas.
    const undo: Array<Statement.Statement> = []
    const copy = Effect.gen(function*() {
      for (const schema of missing) {
        yield* HyperCatalog.createSchema(schema, { database: to })
        undo.push(sql`DROP SCHEMA ${identifier(to, schema)}`)
      }
      // The server refuses to create tables after rows were inserted in a transaction.
      for (const { definition, target } of named) {
        yield* HyperCatalog.createTable({ ...definition, foreignKeys: undefined, database: to })
        // The new tables that refer to it are dropped with it.
        undo.unshift(sql`DROP TABLE ${target} CASCADE`)
      }
      // Tables can refer to each other, or to themselves.
      for (const { definition: { foreignKeys = [] }, target } of named) {
        for (const key of foreignKeys) {
          const { schema, table } = key.references
          if (!named.some((other) => other.schema === schema && other.name === table)) continue
          const added = fromTextUnsafe(HyperCatalog.foreignKeyDefinition(key, to))
          yield* client.simple(sql`ALTER TABLE ${target} ADD ${added}`.text)
        }
      }
      return yield* client.transaction(Effect.forEach(named, ({ definition, name, schema, source, target }) => {
        const columns = list(definition.columns.map((column) => identifier(column.name)))
        const insert = definition.columns.length === 0
          ? Effect.succeed([])
          : client.simple(sql`INSERT INTO ${target} (${columns}) SELECT ${columns} FROM ${source}`.text)
        return Effect.map(insert, ([result]) => ({ schema, name, rows: result?.rowCount ?? 0 }))
      }))
    })
    return yield* Effect.onError(
      copy,
      () => Effect.forEach(undo, ({ text }) => Effect.ignore(client.simple(text)), { discard: true })
    )
  })

/** The name of the source in the session that copies. */
const source = "hyperfect source"

/** Attaches the source for an effect. To attach it for writing would change a counter in its file. */
const withSource = <A, E, R>(effect: Effect.Effect<A, E, R>, path: string) =>
  Effect.flatMap(Client, (client) =>
    Effect.acquireUseRelease(
      Databases.attachReadOnly(client, path, source),
      () => effect,
      () => Effect.ignore(Databases.detach(client, source))
    ))

const rewrite = (
  from: string,
  to: string,
  version: DatabaseVersion | undefined,
  { saveTimeout }: FileOptions
): Effect.Effect<ReadonlyArray<CopiedTable>, FileError, OpenDatabase.Services> =>
  Effect.gen(function*() {
    const server = yield* OpenDatabase.local
    const target = version ?? (yield* OpenDatabase.withDatabase(server, withSource(versionOf(source), from), {}))
    return yield* OpenDatabase.withDatabase(server, withSource(copyTables({ from: source, to }), from), {
      database: to,
      create: "atomic",
      version: target,
      saveTimeout
    })
  })

/**
 * Copies a database to another file, of the same format version.
 *
 * **Details**
 *
 * The file is written as with `create: "atomic"`: it replaces an existing one only after it was saved, and on any
 * failure no file is changed or left. The source is attached for reading, and detached in any case.
 *
 * **Gotchas**
 *
 * Neither file may be in use by other sessions or programs, except for reading only.
 *
 * @category databases
 * @since 0.1.0
 */
export const copyDatabase = (
  from: string,
  to: string,
  options: FileOptions = {}
): Effect.Effect<ReadonlyArray<CopiedTable>, FileError, OpenDatabase.Services> => rewrite(from, to, undefined, options)

/**
 * Copies a database to a file of another format version; the two paths may be the same. It works as
 * {@link copyDatabase} does.
 *
 * **When to use**
 *
 * Use for a file that older products have to open, or that a type needs a newer version for. A type that the version
 * cannot store fails with a `DatabaseVersionError` that names the version that can.
 *
 * **Example** (A file for older products)
 *
 * ```ts
 * import { Hyper, Hyperd, HyperTable } from "@hyperfect/hyper"
 * import { NodePlatform } from "@hyperfect/node"
 * import { Effect, Layer, Schema } from "effect"
 * import { strict as assert } from "node:assert"
 *
 * const Answer = HyperTable.make("answers", { answer: Schema.Int })
 *
 * const program = Effect.gen(function*() {
 *   yield* Effect.andThen(Answer.create, Answer.insert([{ answer: 42 }])).pipe(
 *     Hyper.withDatabase({ database: "/tmp/new.hyper", create: "replace", version: 4 })
 *   )
 *   const tables = yield* Hyper.convert("/tmp/new.hyper", "/tmp/old.hyper", { version: 2 })
 *   assert.deepEqual(tables, [{ schema: "public", name: "answers", rows: 1 }])
 * })
 *
 * await Effect.runPromise(Effect.provide(program, Hyperd.layer().pipe(Layer.provideMerge(NodePlatform.layer))))
 * ```
 *
 * @category databases
 * @since 0.1.0
 */
export const convert = (
  from: string,
  to: string,
  options: FileOptions & { readonly version: DatabaseVersion }
): Effect.Effect<ReadonlyArray<CopiedTable>, FileError, OpenDatabase.Services> =>
  rewrite(from, to, options.version, options)

/**
 * Rewrites a database without the space that deleted and updated rows have left, in the same format version. It works
 * as {@link copyDatabase} does: on any failure the file is unchanged.
 *
 * @category databases
 * @since 0.1.0
 */
export const defragment = (
  path: string,
  options: FileOptions = {}
): Effect.Effect<ReadonlyArray<CopiedTable>, FileError, OpenDatabase.Services> =>
  rewrite(path, path, undefined, options)
