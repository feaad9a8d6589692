/**
 * What the writers of rows for COPY have in common: the columns that they are compiled for, and the function that they are.
 *
 * The writers themselves are in `HyperBinaryCopy` and `PgBinaryCopy`.
 *
 * @since 0.1.0
 */
import type { ByteWriter } from "@hyperfect/protocol/ByteWriter"
import type * as Wire from "@hyperfect/protocol/Wire"
import type * as Type from "./Type.ts"

/**
 * A column as the table has it.
 *
 * @category models
 * @since 0.1.0
 */
export interface Column {
  readonly name: string
  readonly type: Type.Any
  /** What the type was declared with; `numeric` needs it, for its scale and its width. -1 when left out. */
  readonly typeModifier?: number | undefined
  /** Whether the column takes NULL. True when left out. */
  readonly nullable?: boolean | undefined
}

/**
 * Appends a row.
 *
 * **Details**
 *
 * `index` is the row's number for the error. When a row is wrong the function throws a plain `ValueError.Reason`, which
 * names column and row, and leaves `out` as it was before the row.
 *
 * @category models
 * @since 0.1.0
 */
export type RowWriter<Row> = (out: ByteWriter, row: Row, index: number) => void

/**
 * What has to be known of a table to write its rows.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  readonly columns: ReadonlyArray<Column>
  /** Generated code where that is allowed, when left out. */
  readonly backEnd?: Wire.BackEnd | undefined
}
