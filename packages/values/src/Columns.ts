/**
 * Results by column instead of by row: typed arrays, for analytics.
 *
 * Numbers and texts have the memory layout of [Arrow](https://arrow.apache.org/docs/format/Columnar.html): one value
 * per row, and a validity bitmap. Booleans, dates and timestamps are stored in the same way, as numbers. Nothing is
 * allocated per row. All other types are stored as arrays of the values that a row would have.
 *
 * @since 0.1.0
 */
import * as Codegen from "@hyperfect/protocol/internal/codegen"
import * as CalendarDate from "./CalendarDate.ts"
import * as Codec from "./internal/codec/codec.ts"
import * as Generated from "./internal/columns/generated.ts"
import * as Interpreted from "./internal/columns/interpreted.ts"
import * as Stores from "./internal/columns/stores.ts"
import * as TimestampParts from "./internal/dateTime/timestampParts.ts"
import * as Plan from "./internal/rows/plan.ts"
import type * as RowReader from "./RowReader.ts"
import * as Timestamp from "./Timestamp.ts"
import * as TimestampTz from "./TimestampTz.ts"

interface ColumnBase {
  readonly name: string
  readonly typeOid: number
  /** The number of rows. */
  readonly length: number
  readonly nullCount: number
  /**
   * One bit per row, the least significant first: 1 for a value, 0 for NULL, as in Arrow's validity bitmaps;
   * `undefined` if no value is NULL.
   */
  readonly validity: Uint8Array | undefined
}

/**
 * Values of a fixed width. The slot of a NULL contains 0.
 *
 * @category models
 * @since 0.1.0
 */
export type FixedColumn =
  | ColumnBase & { readonly _tag: "Int16"; readonly values: Int16Array }
  | ColumnBase & { readonly _tag: "Int32"; readonly values: Int32Array }
  | ColumnBase & { readonly _tag: "UInt32"; readonly values: Uint32Array }
  | ColumnBase & { readonly _tag: "Int64"; readonly values: BigInt64Array }
  | ColumnBase & { readonly _tag: "Float32"; readonly values: Float32Array }
  | ColumnBase & { readonly _tag: "Float64"; readonly values: Float64Array }
  /** One byte per row: 0 or 1. */
  | ColumnBase & { readonly _tag: "Bool"; readonly values: Uint8Array }
  /** Days since 2000-01-01; the largest and smallest numbers are the infinities. */
  | ColumnBase & { readonly _tag: "Date"; readonly values: Int32Array }
  /** Microseconds since 2000-01-01 00:00:00; the largest and smallest numbers are the infinities. */
  | ColumnBase & { readonly _tag: "Timestamp"; readonly values: BigInt64Array }
  /** Microseconds since 2000-01-01 00:00:00 UTC; the largest and smallest numbers are the infinities. */
  | ColumnBase & { readonly _tag: "TimestampTz"; readonly values: BigInt64Array }

/**
 * Texts, as UTF-8 in one array: the text of row `i` is `bytes[offsets[i], offsets[i + 1])`. {@link get} creates the
 * strings on demand.
 *
 * @category models
 * @since 0.1.0
 */
export type TextColumn = ColumnBase & {
  readonly _tag: "Text"
  readonly offsets: Int32Array
  readonly bytes: Uint8Array
}

/**
 * Values of any other type; NULL is `null`.
 *
 * @category models
 * @since 0.1.0
 */
export type ValuesColumn = ColumnBase & { readonly _tag: "Values"; readonly values: ReadonlyArray<unknown> }

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
 * | all others, and those for which a preset has another codec | `Values` |
 *
 * @category models
 * @since 0.1.0
 */
export type Column = FixedColumn | TextColumn | ValuesColumn

/**
 * True if the value of a row is NULL.
 *
 * @category guards
 * @since 0.1.0
 */
export const isNull = ({ validity }: Column, row: number): boolean =>
  validity !== undefined && (validity[row >> 3]! >> (row & 7) & 1) === 0

/**
 * Returns the value of a row, as a row reader would; `null` for NULL, `undefined` if the row is out of range.
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
      return TimestampParts.fromMicroseconds(self.values[row]!, Timestamp.fromPartsUnsafe)
    case "TimestampTz":
      return TimestampTz.fromMicroseconds(self.values[row]!)
    default:
      return self.values[row]
  }
}

/**
 * Returns the values of all rows, as {@link get} does.
 *
 * @category converting
 * @since 0.1.0
 */
export const toArray = (self: Column): Array<unknown> => Array.from({ length: self.length }, (_, row) => get(self, row))

/**
 * Reads DataRow messages into columns.
 *
 * @category models
 * @since 0.1.0
 */
export interface ColumnReader {
  /**
   * Adds the row in the body of a DataRow message, `bytes[start, end)`. Throws a plain `ValueError.Reason` for an
   * invalid row, which is then not added.
   */
  readonly append: (bytes: Uint8Array, start: number, end: number) => void
  /** Returns the rows added so far. The reader keeps them, so it can add more rows and return them again. */
  readonly take: () => ReadonlyArray<Column>
}

/** About the number of rows after which generating code pays: the code of wide rows is compiled in many parts (M-12). */
const rowsBeforeGenerating = (columns: number): number => columns <= Codegen.maxFields ? 512 : 32_768

const toColumn = (store: Stores.Store, typeOid: number, length: number): Column => {
  const common: ColumnBase = {
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
 * Creates readers of rows into columns, one per result; what the readers share is compiled once. Columns may have the
 * same name.
 *
 * **Example** (A column with NULL)
 *
 * ```ts
 * import { BuiltIn, Columns } from "@hyperfect/values"
 * import { strict as assert } from "node:assert"
 *
 * const start = Columns.make({ columns: [{ name: "n", typeOid: BuiltIn.int4.oid, typeModifier: -1 }], formats: 1 })
 * const reader = start()
 * // A row with one column: a value of 4 bytes, then NULL, which has the length -1.
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
  const plan = Plan.make(options)
  const { codegen } = options
  let appendRow = codegen === undefined ? Interpreted.appendRow : Generated.make(plan, codegen)
  const uses = new Codegen.UseCount(codegen === undefined ? rowsBeforeGenerating(plan.length) : 0)
  let expected = plan.map(() => Stores.noExpectedSize)
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
        if (uses.reaches()) appendRow = Generated.make(plan, undefined)
        appendRow(bytes, start, end, length, stores)
        length++
      },
      take: () => {
        expected = stores.map((store) => store.nextExpectedSize(length))
        return stores.map((store, i) => toColumn(store, options.columns[i]!.typeOid, length))
      }
    }
  }
}
