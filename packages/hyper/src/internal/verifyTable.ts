/**
 * Compares a table with the columns that a program has declared for it.
 *
 * @internal
 */
import type { Client, ClientError } from "@hyperfect/client/Client"
import { identifier, type Statement } from "@hyperfect/client/Statement"
import * as Statement_ from "@hyperfect/client/Statement"
import * as Effect from "effect/Effect"
import { TableMismatch } from "../TableMismatch.ts"
import * as TableColumn from "./tableColumn.ts"

/** Where a table is to be found. */
export interface TableName {
  readonly database: string | undefined
  readonly schema: string | undefined
  readonly table: string
  /** The whole name, quoted. */
  readonly sql: Statement
}

/** A string literal that means the same whatever the server thinks of backslashes. */
const literal = (text: string): Statement =>
  Statement_.fromTextUnsafe(`E'${text.replaceAll("\\", "\\\\").replaceAll("'", "''")}'`)

const { sql } = Statement_

const attributes = (catalog: Statement): Statement =>
  sql`select a.attname, a.atttypid, a.atttypmod, a.attnotnull, format_type(a.atttypid, a.atttypmod) as type
    from ${catalog}pg_attribute a`

/**
 * The table's columns. A name without a database is the server's to resolve, as it will for COPY; `regclass` knows no
 * databases, so with one the catalogue of that database is asked.
 */
const query = ({ database, schema, sql: name, table }: TableName): Statement => {
  if (database === undefined) {
    return sql`${attributes(Statement_.fromTextUnsafe("pg_catalog."))}
      where a.attrelid = ${literal(name.text)}::regclass and a.attnum > 0`
  }
  const catalog = sql`${identifier(database, "pg_catalog")}.`
  return sql`${attributes(catalog)}
    join ${catalog}pg_class c on a.attrelid = c.oid join ${catalog}pg_namespace n on c.relnamespace = n.oid
    where n.nspname = ${literal(schema ?? "public")} and c.relname = ${literal(table)} and a.attnum > 0`
}

/** Of a numeric the modifier says how many bytes Hyper keeps, and where the point is. Lengths change no bytes. */
const hasModifier = (column: TableColumn.TableColumn): boolean => column.type.name.startsWith("numeric")

/**
 * Fails when a column is not as declared. That there is no such table is left to COPY to say.
 *
 * Which columns take NULL is part of the bytes on Hyper only; PostgreSQL checks it row by row.
 */
export const verifyTable = (
  client: Client["Service"],
  name: TableName,
  columns: ReadonlyArray<TableColumn.TableColumn>
): Effect.Effect<void, ClientError | TableMismatch> =>
  Effect.flatMap(client.values(query(name)), ({ rows }) => {
    if (rows.length === 0) return Effect.void
    const { kind } = client.server
    const found = new Map(rows.map(([attribute, ...rest]) => [attribute, rest]))
    const differences: Array<TableMismatch["columns"][number]> = []
    for (const column of columns) {
      const attribute = found.get(column.name)
      const declared = TableColumn.definition(column)
      if (attribute === undefined) {
        differences.push({ name: column.name, declared, found: undefined })
        continue
      }
      const [oid, modifier, notNull, type] = attribute
      const isSame = oid === column.type[kind].oid &&
        (!hasModifier(column) || modifier === column.type.typeModifier) &&
        (kind === "postgres" || notNull === !column.nullable)
      if (!isSame) {
        const found = notNull === true ? `${String(type)} NOT NULL` : String(type)
        differences.push({ name: column.name, declared, found })
      }
    }
    return differences.length === 0
      ? Effect.void
      : Effect.fail(new TableMismatch({ table: name.sql.text, columns: differences }))
  })
