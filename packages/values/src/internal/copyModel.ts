/**
 * What a format of COPY is.
 *
 * @since 0.1.0
 */
import type { ByteWriter } from "@hyperfect/protocol/ByteWriter"
import type { ArrayRow, ObjectRow } from "../RowReader.ts"
import type { Column, RowWriter } from "../RowWriter.ts"

/**
 * What a row is: an object by the names of the columns, or an array with one value a column.
 *
 * @category models
 * @since 0.1.0
 */
export interface Shapes {
  readonly object: ObjectRow
  readonly array: ArrayRow
}

/**
 * Writes the data of one COPY.
 *
 * @category models
 * @since 0.1.0
 */
export interface Writer<in Row> {
  /** What comes before all rows. */
  readonly begin: (out: ByteWriter) => void
  readonly row: RowWriter<Row>
  /** What comes behind them. */
  readonly end: (out: ByteWriter) => void
}

/**
 * Reads the data of one COPY. It remembers where it is, so each COPY wants its own.
 *
 * @category models
 * @since 0.1.0
 */
export interface Reader<Row> {
  /** Takes the piece `bytes[start, end)` and appends the rows that are complete now. Nothing of the piece is kept. */
  readonly push: (bytes: Uint8Array, start: number, end: number, rows: Array<Row>) => void
  /** There is no more: appends what is still to come, or throws when the data should not end here. */
  readonly end: (rows: Array<Row>) => void
}

/**
 * A format of COPY.
 *
 * @category models
 * @since 0.1.0
 */
export interface CopyFormat {
  /** The options of the statement, such as `FORMAT csv, HEADER`. */
  readonly options: string
  /** Throws a plain `ValueError.Reason` for columns that do not exist in the format, and for impossible options. */
  readonly writer: <S extends keyof Shapes>(shape: S, columns: ReadonlyArray<Column>) => Writer<Shapes[S]>
  readonly reader: <S extends keyof Shapes>(shape: S, columns: ReadonlyArray<Column>) => Reader<Shapes[S]>
}

/**
 * How the text format differs from what it is when nothing is said.
 *
 * @category models
 * @since 0.1.0
 */
export interface TextOptions {
  /** The character of one byte between values; a tab when absent. */
  readonly delimiter?: string | undefined
  /** What stands for NULL; `\N` when absent. */
  readonly null?: string | undefined
  /** Whether the first line holds the names of the columns. When reading they must be the ones that are expected. */
  readonly header?: boolean | undefined
}

/**
 * How CSV differs from what it is when nothing is said.
 *
 * @category models
 * @since 0.1.0
 */
export interface CsvOptions {
  /** The character of one byte between values; a comma when absent. */
  readonly delimiter?: string | undefined
  /** What stands for NULL, outside quotation marks; nothing when absent. */
  readonly null?: string | undefined
  /** Whether the first line holds the names of the columns. When reading they must be the ones that are expected. */
  readonly header?: boolean | undefined
  /** The character of one byte around a value that needs it; a quotation mark when absent. */
  readonly quote?: string | undefined
  /** The character of one byte before a quote that is meant as it is; the quote itself when absent. */
  readonly escape?: string | undefined
}
