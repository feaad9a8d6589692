/**
 * Common types of the row writers for COPY: the columns they are compiled for, and the writer function.
 *
 * The writers themselves are in `HyperBinaryCopy` and `PgBinaryCopy`.
 *
 * @since 0.1.0
 */
import type { ByteWriter } from "@hyperfect/protocol/ByteWriter"
import type * as Wire from "@hyperfect/protocol/Wire"
import type * as Type from "./Type.ts"

/**
 * A column of the table.
 *
 * @category models
 * @since 0.1.0
 */
export interface Column {
  readonly name: string
  readonly type: Type.Any
  /** The type modifier of the column's declaration; `numeric` needs it, for its scale and width. -1 by default. */
  readonly typeModifier?: number | undefined
  /** True if the column may be NULL; this is the default. */
  readonly nullable?: boolean | undefined
}

/**
 * Appends a row.
 *
 * **Details**
 *
 * `index` is the row number reported in errors. For an invalid row the function throws a plain `ValueError.Reason`,
 * which names the column and the row, and leaves `out` as it was before the row.
 *
 * @category models
 * @since 0.1.0
 */
export type RowWriter<Row> = (out: ByteWriter, row: Row, index: number) => void

/**
 * The description of a table whose rows are written.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  readonly columns: ReadonlyArray<Column>
  /** The implementation; by default generated code where it is allowed. */
  readonly codegen?: Wire.Codegen | undefined
}
