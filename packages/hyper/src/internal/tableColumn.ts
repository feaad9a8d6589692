/**
 * A column of a table, as the rest of the package needs it.
 *
 * @internal
 */
import type * as Schema from "effect/Schema"
import * as SchemaAST from "effect/SchemaAST"
import * as ColumnType from "./columnType.ts"

export interface TableColumn extends ColumnType.Resolved {
  readonly name: string
  readonly schema: Schema.Constraint
}

/** Throws a `TypeError`: a field that is no column is a mistake in the program. */
export const make = (table: string, name: string, schema: Schema.Constraint): TableColumn => {
  const wrong = (problem: string): never => {
    throw new TypeError(`the field ${JSON.stringify(name)} of the table ${JSON.stringify(table)} ${problem}`)
  }
  if (SchemaAST.isOptional(schema.ast)) wrong("may be missing, but a column is always there: use HyperTable.NullOr")
  const resolved = ColumnType.resolve(schema) ??
    wrong("has no database type: use a column such as HyperTable.Text, or HyperTable.column(type, schema)")
  return { ...resolved, name, schema }
}

/** As CREATE TABLE says it, behind the name. */
export const definition = ({ nullable, type }: TableColumn): string => nullable ? type.name : `${type.name} NOT NULL`
