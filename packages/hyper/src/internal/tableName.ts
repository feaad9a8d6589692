/**
 * The names and definitions of tables in SQL.
 *
 * @internal
 */
import * as Statement from "@hyperfect/client/Statement"

/** The location of a table; see `HyperTable.Options`. */
export interface Location {
  readonly schema?: string | undefined
  readonly database?: string | undefined
  readonly temporary?: boolean | undefined
}

export interface TableName {
  readonly database: string | undefined
  readonly schema: string | undefined
  readonly table: string
  /** The qualified name, quoted. */
  readonly sql: Statement.Statement
}

export const make = (table: string, { database, schema, temporary }: Location): TableName => {
  const quoted = (...names: ReadonlyArray<string | undefined>) =>
    Statement.identifier(...names.filter((name) => name !== undefined))
  return {
    database,
    schema,
    table,
    sql: temporary === true
      // Both servers accept this schema name, so a permanent table of the same name is never dropped instead.
      ? quoted("pg_temp", table)
      // Hyper accepts two-part names for schema and table (H-21).
      : database === undefined
      ? quoted(schema, table)
      : quoted(database, schema ?? "public", table)
  }
}

/** A column as in CREATE TABLE. */
export interface ColumnDefinition {
  readonly name: string
  readonly type: string
  readonly nullable: boolean
  readonly collation?: string | undefined
  /** An expression in SQL. */
  readonly default?: string | undefined
}

/** Returns the definition of a column, after its name. */
export const columnDefinition = (column: ColumnDefinition): string =>
  [
    column.type,
    ...column.collation === undefined ? [] : ["COLLATE", Statement.identifier(column.collation).text],
    ...column.default === undefined ? [] : ["DEFAULT", column.default],
    ...column.nullable ? [] : ["NOT NULL"]
  ].join(" ")

/** Returns quoted names of columns. */
export const columnList = (names: ReadonlyArray<string>): string =>
  names.map((name) => Statement.identifier(name).text).join(", ")

/** Returns the statement that creates a table. */
export const createTable = (
  name: TableName,
  isTemporary: boolean,
  columns: ReadonlyArray<ColumnDefinition>,
  primaryKey: ReadonlyArray<string>,
  ifNotExists: boolean,
  constraints: ReadonlyArray<string> = []
): Statement.Statement => {
  const quote = (column: string) => Statement.identifier(column).text
  const definitions = columns.map((column) => `${quote(column.name)} ${columnDefinition(column)}`)
  if (primaryKey.length > 0) definitions.push(`ASSUMED PRIMARY KEY (${columnList(primaryKey)})`)
  definitions.push(...constraints)
  return Statement.fromTextUnsafe([
    isTemporary ? "CREATE TEMPORARY TABLE" : "CREATE TABLE",
    ...ifNotExists ? ["IF NOT EXISTS"] : [],
    // A temporary table is created without a schema, but found in `pg_temp`.
    isTemporary ? quote(name.table) : name.sql.text,
    `(${definitions.join(", ")})`
  ].join(" "))
}
