/**
 * Results by columns instead of rows: typed arrays, for analytics.
 *
 * Numbers and texts are kept as [Arrow](https://arrow.apache.org/docs/format/Columnar.html) lays them out in memory: a value
 * for each row, and a bitmap that says which of them are there; booleans, dates and timestamps likewise, in numbers. Nothing
 * is allocated for a row. All other types are arrays of the values that a row would have.
 *
 * @since 0.1.0
 */
import * as Wire from "@hyperfect/protocol/Wire"
import * as CalendarDate from "./CalendarDate.ts"
import * as Codec from "./internal/codec.ts"
import * as Closures from "./internal/columnClosures.ts"
import * as Generated from "./internal/columnGenerated.ts"
import * as Stores from "./internal/columnStores.ts"
import * as JsonReader from "./internal/jsonReader.ts"
import * as Plan from "./internal/rowPlan.ts"
import type * as RowReader from "./RowReader.ts"
import * as Timestamp from "./Timestamp.ts"
import * as TimestampTz from "./TimestampTz.ts"

interface Common {
  readonly name: string
  readonly typeOid: number
  /** The number of rows. */
  readonly length: number
  readonly nullCount: number
  /**
   * One bit a row, the least significant first: 1 where there is a value, 0 for NULL, as in Arrow's validity bitmaps;
   * `undefined` when no value is NULL.
   */
  readonly validity: Uint8Array | undefined
}

/**
 * Values of a fixed width. Where a value is NULL there is a 0.
 *
 * @category models
 * @since 0.1.0
 */
export type FixedColumn =
  | Common & { readonly _tag: "Int16"; readonly values: Int16Array }
  | Common & { readonly _tag: "Int32"; readonly values: Int32Array }
  | Common & { readonly _tag: "UInt32"; readonly values: Uint32Array }
  | Common & { readonly _tag: "Int64"; readonly values: BigInt64Array }
  | Common & { readonly _tag: "Float32"; readonly values: Float32Array }
  | Common & { readonly _tag: "Float64"; readonly values: Float64Array }
  /** A byte a row: 0 or 1. */
  | Common & { readonly _tag: "Bool"; readonly values: Uint8Array }
  /** Days from 2000-01-01; the greatest and the least number are the infinities. */
  | Common & { readonly _tag: "Date"; readonly values: Int32Array }
  /** Microseconds from 2000-01-01 00:00:00; the greatest and the least number are the infinities. */
  | Common & { readonly _tag: "Timestamp"; readonly values: BigInt64Array }
  /** The same for instants, in UTC. */
  | Common & { readonly _tag: "TimestampTz"; readonly values: BigInt64Array }

/**
 * Texts, as their UTF-8 in one array: that of row `i` is `bytes[offsets[i], offsets[i + 1])`. Strings are made by {@link get},
 * when they are asked for.
 *
 * @category models
 * @since 0.1.0
 */
export type TextColumn = Common & { readonly _tag: "Text"; readonly offsets: Int32Array; readonly bytes: Uint8Array }

/**
 * Values of any other type; `null` is NULL.
 *
 * @category models
 * @since 0.1.0
 */
export type ValuesColumn = Common & { readonly _tag: "Values"; readonly values: ReadonlyArray<unknown> }

/**
 * The values of one column.
 *
 * **Details**
 *
 * | type | column |
 * | --- | --- |
 * | `int2`, `int4`, `oid`, `int8` | `Int16`, `Int32`, `UInt32`, `Int64` |
 * | `float4`, `float8` | `Float32`, `Float64` |
 * | `bool` | `Bool` |
 * | `date` | `Date` |
 * | `timestamp`, `timestamptz` | `Timestamp`, `TimestampTz` |
 * | `text`, `varchar`, `char(n)`, `name` | `Text` |
 * | all others, and those that a preset reads in another way | `Values` |
 *
 * @category models
 * @since 0.1.0
 */
export type Column = FixedColumn | TextColumn | ValuesColumn

/**
 * Whether the value of a row is NULL.
 *
 * @category guards
 * @since 0.1.0
 */
export const isNull = ({ validity }: Column, row: number): boolean =>
  validity !== undefined && (validity[row >> 3]! >> (row & 7) & 1) === 0

/**
 * The value of a row, as reading the row would have given it; `null` for NULL, `undefined` beyond the rows that there are.
 *
 * @category getters
 * @since 0.1.0
 */
export const get = (self: Column, row: number): unknown => {
  if (!(row >= 0 && row < self.length)) return undefined
  if (isNull(self, row)) return null
  switch (self._tag) {
    case "Bool":
      return self.values[row] === 1
    case "Text":
      return Codec.utf8(self.bytes, self.offsets[row]!, self.offsets[row + 1]!, "text", 0)
    case "Date":
      return CalendarDate.fromDayUnsafe(self.values[row]!)
    case "Timestamp":
      return Stores.fromMicroseconds(self.values[row]!, Timestamp.fromPartsUnsafe)
    case "TimestampTz":
      return Stores.fromMicroseconds(self.values[row]!, TimestampTz.fromPartsUnsafe)
    default:
      return self.values[row]
  }
}

/**
 * The values of all rows, each as {@link get} has it.
 *
 * @category converting
 * @since 0.1.0
 */
export const toArray = (self: Column): Array<unknown> => Array.from({ length: self.length }, (_, row) => get(self, row))

/**
 * Takes rows out of DataRow messages and keeps them by columns.
 *
 * @category models
 * @since 0.1.0
 */
export interface ColumnReader {
  /**
   * Adds the row in the body of a DataRow message, `bytes[start, end)`. A row that is wrong makes it throw a plain
   * `ValueError.Reason`, and is not added.
   */
  readonly append: (bytes: Uint8Array, start: number, end: number) => void
  /** The rows that were added. The reader keeps them: it can go on, and be asked again. */
  readonly take: () => ReadonlyArray<Column>
}

/** Beyond this the code would be too much, and before so many rows it does not pay (measured). */
const maxGeneratedColumns = 512
const rowsBeforeGenerating = 512

const finish = (store: Stores.Store, typeOid: number, length: number): Column => {
  const common: Common = {
    name: store.column.name,
    typeOid,
    length,
    nullCount: store.nullCount,
    validity: store.takeValidity(length)
  }
  if (store instanceof Stores.FixedStore) {
    return { _tag: store.kind.tag, ...common, values: store.values.slice(0, length) } as FixedColumn
  }
  if (store instanceof Stores.TextStore) {
    const offsets = store.offsets.slice(0, length + 1)
    return { _tag: "Text", ...common, offsets, bytes: store.bytes.slice(0, offsets[length]) }
  }
  return { _tag: "Values", ...common, values: (store as Stores.ValuesStore).values.slice(0, length) }
}

/**
 * Makes readers of rows into columns, one for each result; what they share is compiled once. Two columns of one name are
 * nothing special.
 *
 * **Example** (A column with NULL)
 *
 * ```ts
 * import { BuiltIn, Columns } from "@hyperfect/values"
 * import { strict as assert } from "node:assert"
 *
 * const start = Columns.make({ columns: [{ name: "n", typeOid: BuiltIn.int4.oid, typeModifier: -1 }], formats: 1 })
 * const reader = start()
 * // One column: of 4 bytes, and NULL, which has the length -1.
 * reader.append(Uint8Array.of(0, 1, 0, 0, 0, 4, 0, 0, 0, 7), 0, 10)
 * reader.append(Uint8Array.of(0, 1, 255, 255, 255, 255), 0, 6)
 * const [column] = reader.take()
 * assert.deepEqual(Columns.toArray(column!), [7, null])
 * assert.deepEqual(column!._tag === "Int32" && column!.values, Int32Array.of(7, 0))
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (options: RowReader.Options): () => ColumnReader => {
  let plan = Plan.make(options)
  const backEnd: Wire.BackEnd | undefined = plan.length > maxGeneratedColumns || Wire.defaultBackEnd === "closures"
    ? "closures"
    : options.backEnd
  let appendRow = Closures.appendRow
  let rows = 0
  let expected = plan.map(() => Stores.nothingExpected)
  const generate = (): void => {
    appendRow = Generated.make(plan)
    plan = plan.map(JsonReader.learning)
  }
  if (backEnd === "generated") generate()
  return () => {
    const stores = plan.map((column, i) => Stores.make(column, expected[i]!))
    let length = 0
    let capacity = 0
    return {
      append: (bytes, start, end) => {
        if (length === capacity) {
          for (const store of stores) store.grow()
          capacity = stores[0]?.capacity ?? Infinity
        }
        if (backEnd === undefined && rows < rowsBeforeGenerating && ++rows === rowsBeforeGenerating) {
          generate()
          for (const [i, store] of stores.entries()) store.column = plan[i]!
        }
        appendRow(bytes, start, end, length, stores)
        length++
      },
      take: () => {
        expected = stores.map((store) => store.likeness(length))
        return stores.map((store, i) => finish(store, options.columns[i]!.typeOid, length))
      }
    }
  }
}
