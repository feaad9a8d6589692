/**
 * Schemas of columns for the types of a server's catalog.
 *
 * @internal
 */
import { fromTextUnsafe } from "@hyperfect/client/Statement"
import type * as Schema from "effect/Schema"
import type { Column } from "../HyperCatalog.ts"
import * as HyperColumn from "../HyperColumn.ts"
import * as ColumnType from "./columnType.ts"

type Column_ = Schema.Codec<unknown>

const fixed = [
  HyperColumn.Bool,
  HyperColumn.Bytes,
  HyperColumn.BigInt,
  HyperColumn.SmallInt,
  HyperColumn.Int,
  HyperColumn.Text,
  HyperColumn.Oid,
  HyperColumn.Json,
  HyperColumn.Real,
  HyperColumn.Double,
  HyperColumn.Date,
  HyperColumn.Time,
  HyperColumn.Timestamp,
  HyperColumn.TimestampTz,
  HyperColumn.Interval,
  HyperColumn.Uuid,
  HyperColumn.GeographyText
].map((schema) => (): Column_ => schema as Column_)

type Make = (modifier: number) => Column_

/** The modifier of a length is greater by 4, and so is that of a precision and scale. The first one is a sample. */
const sized: ReadonlyArray<readonly [modifier: number, make: Make]> = [
  [-1, () => HyperColumn.Char(1)],
  [9, (modifier) => HyperColumn.Char(modifier - 4)],
  [9, (modifier) => HyperColumn.Varchar(modifier - 4)],
  [(1 << 16) + 4, (modifier) => HyperColumn.Numeric((modifier - 4) >> 16, (modifier - 4) & 0xffff) as Column_]
]

const oidOf = (schema: Schema.Constraint): number => ColumnType.resolve(schema)!.type.hyper.oid

const byOid: ReadonlyMap<number, Make> = new Map(
  [...fixed.map((make) => [-1, make] as const), ...sized].flatMap(([modifier, make]) => {
    const makeArray: Make = (modifier) => HyperColumn.Array(HyperColumn.NullOr(make(modifier)))
    return [make, makeArray].map((make) => [oidOf(make(modifier)), make] as const)
  })
)

/** Returns the Schema of a column, or `undefined` for a type without one. */
export const fromCatalog = (column: Column): Column_ | undefined => {
  const make = byOid.get(column.typeOid)
  if (make === undefined) return undefined
  let schema = make(column.typeModifier)
  if (column.collation !== undefined) schema = HyperColumn.collate(schema, column.collation)
  if (column.default !== undefined) schema = HyperColumn.withDefault(schema, fromTextUnsafe(column.default))
  return column.nullable ? HyperColumn.NullOr(schema) : schema
}
