/**
 * A column of a table, as used inside this package.
 *
 * @internal
 */
import type * as Schema from "effect/Schema"
import * as SchemaAST from "effect/SchemaAST"
import * as ColumnType from "./columnType.ts"
import type * as TableName from "./tableName.ts"

export interface TableColumn extends ColumnType.ResolvedColumn {
  readonly name: string
  readonly schema: Schema.Constraint
}

/** Makes a column. Throws a `TypeError` for a field that is not a column, which is a mistake in the program. */
export const make = (table: string, name: string, schema: Schema.Constraint): TableColumn => {
  const wrong = (problem: string): never => {
    throw new TypeError(`the field ${JSON.stringify(name)} of the table ${JSON.stringify(table)} ${problem}`)
  }
  if (SchemaAST.isOptional(schema.ast)) wrong("may be missing, but a column is always there: use HyperTable.NullOr")
  const resolved = ColumnType.resolve(schema) ??
    wrong("has no database type: use a column such as HyperTable.Text, or HyperTable.column(type, schema)")
  return { ...resolved, name, schema }
}

/** Returns the column as in CREATE TABLE. */
export const toDefinition = (column: TableColumn): TableName.ColumnDefinition => ({
  ...column,
  type: column.type.name,
  default: column.default?.text
})
