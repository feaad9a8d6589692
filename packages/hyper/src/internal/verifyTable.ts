/**
 * Compares a table on the server with its declared columns.
 *
 * @internal
 */
import type { Client, ClientError } from "@hyperfect/client/Client"
import { identifier, type Statement } from "@hyperfect/client/Statement"
import * as Statement_ from "@hyperfect/client/Statement"
import * as Effect from "effect/Effect"
import { TableMismatch } from "../TableMismatch.ts"
import type * as TableColumn from "./tableColumn.ts"
import { columnDefinition, type TableName } from "./tableName.ts"

const { literal, sql } = Statement_

const selectAttributes = (catalog: Statement): Statement =>
  sql`select a.attname, a.atttypid, a.atttypmod, a.attnotnull, a.atthasdef,
    format_type(a.atttypid, a.atttypmod)
    from ${catalog}pg_attribute a`

/**
 * Returns the query for the table's columns. The server resolves a name without a database, as it will for COPY;
 * `regclass` does not cover databases, so for a name with one the catalog of that database is queried.
 */
const catalogQuery = ({ database, schema, sql: name, table }: TableName): Statement => {
  if (database === undefined) {
    return sql`${selectAttributes(Statement_.fromTextUnsafe("pg_catalog."))}
      where a.attrelid = ${literal(name.text)}::regclass and a.attnum > 0`
  }
  const catalog = sql`${identifier(database, "pg_catalog")}.`
  return sql`${selectAttributes(catalog)}
    join ${catalog}pg_class c on a.attrelid = c.oid join ${catalog}pg_namespace n on c.relnamespace = n.oid
    where n.nspname = ${literal(schema ?? "public")} and c.relname = ${literal(table)} and a.attnum > 0`
}

/**
 * True if all values of the declared modifier fit the column. Precision and scale of a numeric must be the same: they
 * determine how Hyper stores it, without a check of the digits. A shorter length is one of the values too.
 */
const fitsModifier = ({ name, typeModifier }: TableColumn.TableColumn["type"], found: number): boolean =>
  typeModifier === -1 || typeModifier === found ||
  (/^(?:var)?char\(\d+\)(?:\[\])?$/.test(name) && (found === -1 || typeModifier < found))

type Attribute = readonly [
  name: string,
  oid: number,
  modifier: number,
  notNull: boolean,
  hasDefault: boolean,
  type: string
]

const attributesOf = (client: Client["Service"], name: TableName) =>
  Effect.map(client.values(catalogQuery(name)), ({ rows }) => rows as unknown as ReadonlyArray<Attribute>)

/**
 * Returns the columns of a table whose texts have a limited length, with that length. A server that is not Hyper has
 * none: it refuses a text that is longer, where Hyper cuts it in INSERT with a query (H-70).
 */
export const limitedColumns = (
  client: Client["Service"],
  name: TableName
): Effect.Effect<ReadonlyMap<string, { readonly type: string; readonly length: number }>, ClientError> =>
  client.server.dialect.copyFormat === "hyperBinary"
    ? Effect.map(attributesOf(client, name), (attributes) =>
      new Map(attributes.flatMap(([column, , , , , type]) => {
        const length = /^character(?: varying)?\((\d+)\)$/.exec(type)?.[1]
        return length === undefined ? [] : [[column, { type, length: Number(length) }] as const]
      })))
    : Effect.succeed(new Map())

/**
 * Fails if a column differs from its declaration, or if COPY would store NULL in place of the default of a column that
 * is not declared (H-41). A missing table is left for the statement to report.
 *
 * Nullability affects the bytes of HyperBinary only; PostgreSQL checks it row by row, and stores defaults. So does INSERT
 * with a query, which however converts to other types without an error, and with loss.
 */
export const verifyTable = (
  client: Client["Service"],
  name: TableName,
  columns: ReadonlyArray<TableColumn.TableColumn>,
  statement: "copy" | "insert" = "copy"
): Effect.Effect<void, ClientError | TableMismatch> =>
  Effect.flatMap(attributesOf(client, name), (attributes) => {
    if (attributes.length === 0) return Effect.void
    const { copyFormat, valueEncoding } = client.server.dialect
    const isHyperBinary = copyFormat === "hyperBinary" && statement === "copy"
    const found = new Map(attributes.map((attribute) => [attribute[0], attribute]))
    const differences: Array<TableMismatch["columns"][number]> = []
    for (const { name, nullable, type } of columns) {
      const attribute = found.get(name)
      found.delete(name)
      const isSame = attribute !== undefined && attribute[1] === type[valueEncoding].oid &&
        fitsModifier(type, attribute[2]) && (!isHyperBinary || attribute[3] === !nullable)
      if (!isSame) {
        differences.push({
          name,
          declared: columnDefinition({ name, nullable, type: type.name }),
          found: attribute && columnDefinition({ name, nullable: !attribute[3], type: attribute[5] })
        })
      }
    }
    if (isHyperBinary) {
      for (const [name, , , notNull, hasDefault, type] of found.values()) {
        const definition = columnDefinition({ name, nullable: !notNull, type })
        if (hasDefault) differences.push({ name, declared: undefined, found: definition })
      }
    }
    return differences.length === 0
      ? Effect.void
      : Effect.fail(new TableMismatch({ table: name.sql.text, columns: differences }))
  })
