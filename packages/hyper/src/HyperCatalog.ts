/**
 * The databases, schemas and tables that a session can use, as the server describes them.
 *
 * Every function asks the server anew. Names are taken literally and quoted. A function that is given no database uses
 * the only one that is attached; with several attached it fails with a `CatalogError`, instead of finding nothing.
 *
 * Catalogs of PostgreSQL are not supported.
 *
 * @since 0.1.0
 */
import { Client, type ClientError } from "@hyperfect/client/Client"
import { identifier, literal, sql, type Statement } from "@hyperfect/client/Statement"
import * as Effect from "effect/Effect"
import * as CatalogError_ from "./CatalogError.ts"
import type { CatalogError } from "./CatalogError.ts"
import type { DatabaseVersionError } from "./DatabaseVersionError.ts"
import * as FileVersion from "./internal/fileVersion.ts"
import * as TableName from "./internal/tableName.ts"

/**
 * An attached database.
 *
 * @category models
 * @since 0.1.0
 */
export interface Database {
  /** The name that it was attached as; for the database that the session was opened with, its path. */
  readonly name: string
  readonly path: string
}

/**
 * The database of a schema.
 *
 * @category models
 * @since 0.1.0
 */
export interface SchemaOptions {
  /** The name that the database was attached as; the only one attached when absent. */
  readonly database?: string | undefined
}

/**
 * The location of a table.
 *
 * @category models
 * @since 0.1.0
 */
export interface TableOptions extends SchemaOptions {
  /** The schema; `public` when absent. */
  readonly schema?: string | undefined
  /** True for a temporary table of the session, which is in no schema and no database. */
  readonly temporary?: boolean | undefined
}

/**
 * The name of a table and its location, which can be passed as `TableOptions`.
 *
 * @category models
 * @since 0.1.0
 */
export interface TableEntry extends TableOptions {
  readonly name: string
}

/**
 * A column of a table.
 *
 * @category models
 * @since 0.1.0
 */
export interface Column {
  readonly name: string
  /** The type in the form that CREATE TABLE accepts. */
  readonly type: string
  readonly typeOid: number
  /** The length, or precision and scale, as the catalog encodes it; -1 if the type has none. */
  readonly typeModifier: number
  readonly nullable: boolean
  /** `undefined` for the default collation. */
  readonly collation: string | undefined
  /** The default as an expression in SQL. */
  readonly default: string | undefined
}

/**
 * An `ASSUMED FOREIGN KEY` of a table, to the assumed primary key of another one in the same database.
 *
 * @category models
 * @since 0.1.0
 */
export interface ForeignKey {
  readonly columns: ReadonlyArray<string>
  readonly references: {
    readonly schema: string
    readonly table: string
    readonly columns: ReadonlyArray<string>
  }
}

/**
 * The definition of a table.
 *
 * @category models
 * @since 0.1.0
 */
export interface Table extends TableEntry {
  readonly columns: ReadonlyArray<Column>
  /** The columns of its `ASSUMED PRIMARY KEY`, which the server does not enforce. */
  readonly primaryKey: ReadonlyArray<string>
  /** The columns of each `ASSUMED UNIQUE`, which the server does not enforce either; `undefined` if there is none. */
  readonly uniqueKeys?: ReadonlyArray<ReadonlyArray<string>> | undefined
  /** The foreign keys, which the server does not enforce either; `undefined` if there are none. */
  readonly foreignKeys?: ReadonlyArray<ForeignKey> | undefined
}

const values = (statement: Statement) =>
  Effect.flatMap(Client, (client) => Effect.map(client.values(statement), ({ rows }) => rows))

const execute = (statement: Statement): Effect.Effect<void, ClientError, Client> =>
  Effect.flatMap(Client, (client) => Effect.asVoid(client.simple(statement.text)))

const fail = (reason: CatalogError_.Reason) => Effect.fail(CatalogError_.fromReason(reason))

/**
 * Returns the databases that are attached to the session.
 *
 * @category databases
 * @since 0.1.0
 */
export const databases: Effect.Effect<ReadonlyArray<Database>, ClientError, Client> = Effect.map(
  values(sql`select database_alias, database_name from pg_catalog.hyper_attached_database order by 1`),
  (rows) => rows.map(([name, path]) => ({ name: String(name), path: String(path) }))
)

/** Returns the name of the database, or of the only one. Unknown names in `IF EXISTS` are no error of the server. */
const resolveDatabase = (database: string | undefined): Effect.Effect<string, ClientError | CatalogError, Client> =>
  Effect.flatMap(databases, (found) => {
    const attached = found.map(({ name }) => name)
    if (database === undefined && attached.length > 1) {
      return fail(new CatalogError_.DatabaseAmbiguous({ attached }))
    }
    const name = database ?? attached[0]
    return name !== undefined && attached.includes(name)
      ? Effect.succeed(name)
      : fail(new CatalogError_.DatabaseMissing({ database, attached }))
  })

interface Resolved {
  readonly name: TableName.TableName
  /** The schema of the catalog that describes the table. */
  readonly catalog: Statement
  readonly schema: string
}

const resolveTable = (
  table: string,
  options: TableOptions
): Effect.Effect<Resolved, ClientError | CatalogError, Client> => {
  const { database, schema = "public", temporary } = options
  if (temporary === true) {
    const name = TableName.make(table, { temporary })
    return Effect.succeed({ name, catalog: identifier("pg_catalog"), schema: "pg_temp" })
  }
  return Effect.map(resolveDatabase(database), (database) => ({
    name: TableName.make(table, { database, schema }),
    catalog: identifier(database, "pg_catalog"),
    schema
  }))
}

// -- schemas

const systemSchemas: ReadonlyArray<string> = ["pg_catalog", "pg_temp", "tableau", "information_schema"]

/**
 * Returns the schemas of a database, in the order of their names, without those of the server.
 *
 * @category schemas
 * @since 0.1.0
 */
export const schemas = (
  options: SchemaOptions = {}
): Effect.Effect<ReadonlyArray<string>, ClientError | CatalogError, Client> =>
  Effect.flatMap(resolveDatabase(options.database), (database) =>
    Effect.map(
      values(sql`select nspname from ${identifier(database, "pg_catalog", "pg_namespace")} order by 1`),
      (rows) => rows.map(([name]) => String(name)).filter((name) => !systemSchemas.includes(name))
    ))

/**
 * True if a database has the schema.
 *
 * @category schemas
 * @since 0.1.0
 */
export const hasSchema = (
  schema: string,
  options: SchemaOptions = {}
): Effect.Effect<boolean, ClientError | CatalogError, Client> =>
  Effect.map(schemas(options), (names) => names.includes(schema))

/**
 * Creates a schema. If it exists, this fails with a `ServerError`.
 *
 * @category schemas
 * @since 0.1.0
 */
export const createSchema = (
  schema: string,
  options: SchemaOptions & { readonly ifNotExists?: boolean | undefined } = {}
): Effect.Effect<void, ClientError | CatalogError, Client> =>
  Effect.flatMap(resolveDatabase(options.database), (database) => {
    const name = identifier(database, schema)
    return execute(options.ifNotExists === true ? sql`CREATE SCHEMA IF NOT EXISTS ${name}` : sql`CREATE SCHEMA ${name}`)
  })

/**
 * Drops a schema. If it has tables, this fails with the `ServerError` `DependentObjectsStillExist`, unless `cascade`
 * drops them too.
 *
 * @category schemas
 * @since 0.1.0
 */
export const dropSchema = (
  schema: string,
  options: SchemaOptions & {
    readonly ifExists?: boolean | undefined
    readonly cascade?: boolean | undefined
  } = {}
): Effect.Effect<void, ClientError | CatalogError, Client> =>
  Effect.flatMap(
    resolveDatabase(options.database),
    (database) =>
      execute(
        sql`DROP SCHEMA ${options.ifExists === true ? sql`IF EXISTS ` : sql``}${identifier(database, schema)} ${
          options.cascade === true ? sql`CASCADE` : sql`RESTRICT`
        }`
      )
  )

// -- tables

/**
 * Returns the tables of a schema, or of all schemas of a database when none is given; with `temporary` those of the
 * session. They are in the order of schemas and names.
 *
 * @category tables
 * @since 0.1.0
 */
export const tables = (
  options: TableOptions = {}
): Effect.Effect<ReadonlyArray<TableEntry>, ClientError | CatalogError, Client> =>
  Effect.gen(function*() {
    const { catalog } = yield* resolveTable("", options)
    const { database, temporary = false } = options
    const schema = temporary ? "pg_temp" : options.schema
    if (schema !== undefined && !temporary && !(yield* hasSchema(schema, options))) {
      return yield* fail(new CatalogError_.SchemaMissing({ schema: identifier(schema).text }))
    }
    const rows = yield* values(
      sql`select n.nspname, c.relname
        from ${catalog}.pg_class c join ${catalog}.pg_namespace n on c.relnamespace = n.oid
        where c.relkind = 'r' and c.relpersistence = ${literal(temporary ? "t" : "p")} and n.nspname ${
        schema === undefined ? sql`<> 'pg_catalog'` : sql`= ${literal(schema)}`
      } order by 1, 2`
    )
    return rows.map(([schema, name]) => ({
      name: String(name),
      ...temporary ? { temporary } : { schema: String(schema), database }
    }))
  })

const definitionQuery = ({ catalog, name, schema }: Resolved): Statement =>
  sql`select a.attname, a.atttypid, a.atttypmod, format_type(a.atttypid, a.atttypmod), a.attnotnull, l.collname,
      d.adsrc, a.attnum, k.conkey
    from ${catalog}.pg_class c join ${catalog}.pg_namespace n on c.relnamespace = n.oid
    left join ${catalog}.pg_attribute a on a.attrelid = c.oid and a.attnum > 0
    left join ${catalog}.pg_attrdef d on d.adrelid = c.oid and d.adnum = a.attnum
    left join ${catalog}.pg_collation l on l.oid = a.attcollation and l.collname <> 'default'
    left join ${catalog}.pg_constraint k on k.conrelid = c.oid and k.contype = 'p'
    where n.nspname = ${literal(schema)} and c.relname = ${literal(name.table)} and c.relkind = 'r'
    order by a.attnum`

type Constraint = readonly [
  kind: string,
  key: ReadonlyArray<number>,
  schema: string | null,
  table: string | null,
  references: ReadonlyArray<number> | null
]

const constraintQuery = ({ catalog, name, schema }: Resolved): Statement =>
  sql`select k.contype, k.conkey, m.nspname, d.relname, k.confkey
    from ${catalog}.pg_constraint k join ${catalog}.pg_class c on k.conrelid = c.oid
    join ${catalog}.pg_namespace n on c.relnamespace = n.oid
    left join ${catalog}.pg_class d on k.confrelid = d.oid left join ${catalog}.pg_namespace m on d.relnamespace = m.oid
    where n.nspname = ${literal(schema)} and c.relname = ${literal(name.table)} and c.relkind = 'r' and k.contype <> 'p'
    order by k.conname`

const numberedColumns = (catalog: Statement, schema: string, table: string) =>
  Effect.map(
    values(
      sql`select a.attnum, a.attname from ${catalog}.pg_attribute a join ${catalog}.pg_class c on a.attrelid = c.oid
        join ${catalog}.pg_namespace n on c.relnamespace = n.oid
        where n.nspname = ${literal(schema)} and c.relname = ${literal(table)} and c.relkind = 'r' and a.attnum > 0`
    ),
    (rows) => new Map(rows.map(([number, name]) => [Number(number), String(name)]))
  )

const namesOf = (columns: ReadonlyMap<number, string>, key: ReadonlyArray<number> | null): ReadonlyArray<string> =>
  (key ?? []).flatMap((number) => columns.get(number) ?? [])

type Attribute = readonly [
  name: string,
  typeOid: number,
  typeModifier: number,
  type: string,
  notNull: boolean,
  collation: string | null,
  expression: string | null,
  number: number,
  key: ReadonlyArray<number> | null
]

/** CREATE TABLE does not accept the name that the server gives to this type, not even as the element of an array (H-37). */
const acceptedType = (type: string): string => type.replace("tabgeography", "geography")

const qualifiedFunction = /'(?:[^']|'')*'|("(?:[^"]|"")*"\.)"pg_catalog"\./g

/**
 * The server writes the functions of a default with the name that the database had (H-38), which would make the default
 * depend on that database.
 */
const portableDefault = (expression: string): string =>
  expression.replace(
    qualifiedFunction,
    (found, database: string | undefined) => database === undefined ? found : found.slice(database.length)
  )

/**
 * Returns the definition of a table.
 *
 * **Example** (The columns of a table)
 *
 * ```ts
 * import { Client } from "@hyperfect/client"
 * import { Hyper, HyperCatalog, Hyperd } from "@hyperfect/hyper"
 * import { NodePlatform } from "@hyperfect/node"
 * import { Effect, Layer } from "effect"
 * import { strict as assert } from "node:assert"
 *
 * const program = Effect.gen(function*() {
 *   const client = yield* Client.Client
 *   yield* client.simple("create temporary table flights (origin text collate \"en_US_CI\" not null, delay int default 0)")
 *   const { columns } = yield* HyperCatalog.table("flights", { temporary: true })
 *   assert.deepEqual(
 *     columns.map(({ collation, default: value, name, nullable, type }) => [name, type, nullable, collation, value]),
 *     [["origin", "text", false, "en_US_CI", undefined], ["delay", "integer", true, undefined, "0"]]
 *   )
 * })
 *
 * const Live = Hyper.layer().pipe(Layer.provide(Hyperd.layer()), Layer.provide(NodePlatform.layer))
 *
 * await Effect.runPromise(Effect.provide(program, Live))
 * ```
 *
 * @category tables
 * @since 0.1.0
 */
export const table = (
  name: string,
  options: TableOptions = {}
): Effect.Effect<Table, ClientError | CatalogError, Client> =>
  Effect.gen(function*() {
    const resolved = yield* resolveTable(name, options)
    const rows = yield* values(definitionQuery(resolved))
    if (rows.length === 0) return yield* fail(new CatalogError_.TableMissing({ table: resolved.name.sql.text }))
    const attributes = (rows as unknown as ReadonlyArray<Attribute>).filter(([column]) => column !== null)
    const columns = new Map(attributes.map(([column, , , , , , , number]) => [number, column]))
    const uniqueKeys: Array<ReadonlyArray<string>> = []
    const foreignKeys: Array<ForeignKey> = []
    const constraints = (yield* values(constraintQuery(resolved))) as unknown as ReadonlyArray<Constraint>
    for (const [kind, key, schema, table, references] of constraints) {
      if (kind === "u") uniqueKeys.push(namesOf(columns, key))
      else if (schema !== null && table !== null) {
        const referenced = yield* numberedColumns(resolved.catalog, schema, table)
        foreignKeys.push({
          columns: namesOf(columns, key),
          references: { schema, table, columns: namesOf(referenced, references) }
        })
      }
    }
    return {
      ...options,
      name,
      columns: attributes.map(([column, typeOid, typeModifier, type, notNull, collation, expression]) => ({
        name: column,
        type: acceptedType(type),
        typeOid,
        typeModifier,
        nullable: !notNull,
        collation: collation ?? undefined,
        default: expression === null ? undefined : portableDefault(expression)
      })),
      primaryKey: namesOf(columns, attributes[0]?.[8] ?? null),
      ...uniqueKeys.length === 0 ? {} : { uniqueKeys },
      ...foreignKeys.length === 0 ? {} : { foreignKeys }
    }
  })

/**
 * True if the database has the table.
 *
 * @category tables
 * @since 0.1.0
 */
export const hasTable = (
  name: string,
  options: TableOptions = {}
): Effect.Effect<boolean, ClientError | CatalogError, Client> =>
  Effect.flatMap(
    resolveTable(name, options),
    (resolved) => Effect.map(values(definitionQuery(resolved)), (rows) => rows.length > 0)
  )

/**
 * Returns the number of rows of a table, by counting them.
 *
 * @category tables
 * @since 0.1.0
 */
export const rowCount = (
  name: string,
  options: TableOptions = {}
): Effect.Effect<number, ClientError | CatalogError, Client> =>
  Effect.gen(function*() {
    const resolved = yield* resolveTable(name, options)
    if (!(yield* hasTable(name, options))) {
      return yield* fail(new CatalogError_.TableMissing({ table: resolved.name.sql.text }))
    }
    const rows = yield* values(sql`select count(*) from ${resolved.name.sql}`)
    return Number(rows[0]![0])
  })

/**
 * Creates a table from its definition, such as one that {@link table} has returned. If it exists, this fails with the
 * `ServerError` `DuplicateTable`; if the database file cannot store one of the types, with a `DatabaseVersionError`.
 *
 * **Gotchas**
 *
 * - Types and defaults are SQL text that is run: use definitions from a server or from your own source only.
 * - The tables of its foreign keys must exist, in the same database.
 *
 * **Example** (The same columns in another database)
 *
 * ```ts
 * import { HyperCatalog } from "@hyperfect/hyper"
 * import { Effect } from "effect"
 *
 * const copyDefinition = Effect.gen(function*() {
 *   const flights = yield* HyperCatalog.table("flights", { database: "old" })
 *   yield* HyperCatalog.createTable({ ...flights, database: "new" })
 * })
 * ```
 *
 * @category tables
 * @since 0.1.0
 */
export const createTable = (
  definition: Table,
  options: { readonly ifNotExists?: boolean | undefined } = {}
): Effect.Effect<void, ClientError | CatalogError | DatabaseVersionError, Client> =>
  Effect.flatMap(resolveTable(definition.name, definition), ({ name }) => {
    const { columns, foreignKeys = [], primaryKey, temporary = false, uniqueKeys = [] } = definition
    const constraints = [
      ...uniqueKeys.map((key) => `ASSUMED UNIQUE (${TableName.columnList(key)})`),
      ...foreignKeys.map((key) => foreignKeyDefinition(key, name.database))
    ]
    const statement = TableName.createTable(
      name,
      temporary,
      columns,
      primaryKey,
      options.ifNotExists === true,
      constraints
    )
    return FileVersion.mapUnsupported(execute(statement), name.sql.text, columns)
  })

/**
 * Returns the definition of a foreign key.
 *
 * @internal
 */
export const foreignKeyDefinition = (
  { columns, references: { columns: referenced, schema, table } }: ForeignKey,
  database: string | undefined
): string =>
  `ASSUMED FOREIGN KEY (${TableName.columnList(columns)}) REFERENCES ${
    TableName.make(table, { database, schema }).sql.text
  } (${TableName.columnList(referenced)})`

/**
 * Drops a table. If it does not exist, this fails with a `ServerError`.
 *
 * @category tables
 * @since 0.1.0
 */
export const dropTable = (
  name: string,
  options: TableOptions & { readonly ifExists?: boolean | undefined } = {}
): Effect.Effect<void, ClientError | CatalogError, Client> =>
  Effect.flatMap(
    resolveTable(name, options),
    ({ name }) =>
      execute(options.ifExists === true ? sql`DROP TABLE IF EXISTS ${name.sql}` : sql`DROP TABLE ${name.sql}`)
  )
