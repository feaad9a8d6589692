import * as Schema from "effect/Schema"
import * as Wire from "../Wire.ts"

/**
 * The description of one column.
 *
 * @category models
 * @since 0.1.0
 */
export const FieldDescription = Schema.Struct({
  name: Wire.CString,
  /** The table of the column; 0 if it is not a table column, and always on Hyper. */
  tableOid: Wire.UInt32,
  /** The column's number in that table; 0 if there is none. */
  columnNumber: Wire.Int16,
  typeOid: Wire.UInt32,
  /**
   * The size of a value of this type in bytes; negative if it varies. Hyper sends 4 for `time`, whose values have 8.
   */
  typeSize: Wire.Int16,
  /** The type modifier, such as length or precision and scale; -1 for none. */
  typeModifier: Wire.Int32,
  /** 0 for text, 1 for binary. Hyper always sends 0, regardless of the format requested in Bind. */
  format: Wire.Int16
})

/**
 * A decoded {@link FieldDescription}.
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
export const RowDescription = Wire.message("RowDescription", { from: "backend", tag: "T", limit: Wire.mediumLimit }, {
  fields: Wire.Array(Wire.UInt16, FieldDescription)
})

/**
 * The decoded {@link RowDescription} message.
 *
 * @category messages
 * @since 0.1.0
 */
export type RowDescription = typeof RowDescription.Type
