import * as Schema from "effect/Schema"
import * as Wire from "../Wire.ts"

/**
 * One column.
 *
 * @category models
 * @since 0.1.0
 */
export const FieldDescription = Schema.Struct({
  name: Wire.CString,
  /** The table that the column comes from; 0 when it is not a column of a table, and always on Hyper. */
  tableOid: Wire.UInt32,
  /** The column's number in that table; 0 when there is none. */
  columnNumber: Wire.Int16,
  typeOid: Wire.UInt32,
  /** Bytes of a value of this type; negative when they vary. Hyper says 4 for `time`, of which the values have 8. */
  typeSize: Wire.Int16,
  /** What the type was declared with, such as length or precision and scale; -1 for nothing. */
  typeModifier: Wire.Int32,
  /** 0 for text, 1 for binary. Hyper always says 0, whatever Bind has asked for. */
  format: Wire.Int16
})

/**
 * The value that {@link FieldDescription} is read to, and written from.
 *
 * @category models
 * @since 0.1.0
 */
export type FieldDescription = typeof FieldDescription.Type

/**
 * The columns of the rows that follow.
 *
 * @category messages
 * @since 0.1.0
 */
export const RowDescription = Wire.message("RowDescription", { from: "backend", tag: "T", limit: Wire.longLimit }, {
  fields: Wire.Array(Wire.UInt16, FieldDescription)
})

/**
 * The value that {@link RowDescription} is read to, and written from.
 *
 * @category messages
 * @since 0.1.0
 */
export type RowDescription = typeof RowDescription.Type
