/**
 * Results as `pg` has them, of rows in text.
 *
 * @internal
 */
import type { FieldDescription, QueryResult as Result } from "@hyperfect/client/QueryResult"
import type { ArrayRow, ObjectRow } from "@hyperfect/values/RowReader"
import types from "pg-types"
import type { FieldDef, QueryArrayResult, QueryResult, TypeParsers } from "./model.ts"

const toField = (field: FieldDescription): FieldDef => ({
  name: field.name,
  tableID: field.tableOid,
  columnID: field.columnNumber,
  dataTypeID: field.typeOid,
  dataTypeSize: field.typeSize,
  dataTypeModifier: field.typeModifier,
  format: "text"
})

/** A command tag: the first word, and one or two numbers, of which the last one counts rows. */
const commandTag = /^([A-Za-z]+)(?: (\d+))?(?: (\d+))?/

const numberOf = (digits: string | undefined): number | null => digits === undefined ? null : Number(digits)

/** Converts a result whose rows are the texts of their values. A parser may throw. */
export const toResult = (
  { commandTag: tag, fields, rows }: Result<ArrayRow>,
  isArray: boolean,
  { getTypeParser }: TypeParsers = types
): QueryResult | QueryArrayResult => {
  const [, command = null, first, last] = commandTag.exec(tag) ?? []
  const parsers = fields.map(({ typeOid }) => getTypeParser(typeOid, "text") as (text: string) => unknown)
  const parse = (text: unknown, i: number): unknown => text === null ? null : parsers[i]!(text as string)
  // Own properties, so that a column named `__proto__` is one like any other.
  const empty = Object.fromEntries(fields.map(({ name }) => [name, null]))
  const toObject = (row: ArrayRow) => {
    const object: Record<string, unknown> = { ...empty }
    for (let i = 0; i < row.length; i++) object[fields[i]!.name] = parse(row[i], i)
    return object
  }
  return {
    command: command as string,
    rowCount: numberOf(last ?? first),
    oid: numberOf(last === undefined ? undefined : first),
    rows: rows.map((row) => isArray ? row.map(parse) : toObject(row)),
    fields: fields.map(toField)
  } as QueryResult
}

/** Returns the rows of a result as arrays, by the names of its columns, which have to be unique. */
export const toArrayRows = (result: Result<ObjectRow>): Result<ArrayRow> => ({
  ...result,
  rows: result.rows.map((row) => result.fields.map(({ name }) => row[name]))
})
