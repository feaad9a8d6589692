/**
 * The types of a COPY format.
 *
 * @since 0.1.0
 */
import type { ByteWriter } from "@hyperfect/protocol/ByteWriter"
import type { ArrayRow, ObjectRow } from "../../RowReader.ts"
import type { Column, RowWriter } from "../../RowWriter.ts"

/**
 * The shapes of a row: an object keyed by column name, or an array with one value per column.
 *
 * @category models
 * @since 0.1.0
 */
export interface RowShapes {
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
  /** Writes the data before the rows. */
  readonly begin: (out: ByteWriter) => void
  readonly row: RowWriter<Row>
  /** Writes the data after the rows. */
  readonly end: (out: ByteWriter) => void
}

/**
 * Reads the data of one COPY. A reader has state, so each COPY needs its own.
 *
 * @category models
 * @since 0.1.0
 */
export interface Reader<Row> {
  /**
   * Reads the chunk `bytes[start, end)` and appends the rows that are now complete. It does not retain the chunk's
   * memory.
   */
  readonly push: (bytes: Uint8Array, start: number, end: number, rows: Array<Row>) => void
  /** Marks the end of the data: appends the last rows, or throws if the data is incomplete. */
  readonly end: (rows: Array<Row>) => void
}

/**
 * A format of COPY.
 *
 * @category models
 * @since 0.1.0
 */
export interface CopyFormat {
  /** The options of the COPY statement, such as `FORMAT csv, HEADER`. */
  readonly options: string
  /**
   * Creates a writer. Throws a plain `ValueError.Reason` for columns that the format does not support, and for invalid
   * options.
   */
  readonly writer: <S extends keyof RowShapes>(shape: S, columns: ReadonlyArray<Column>) => Writer<RowShapes[S]>
  readonly reader: <S extends keyof RowShapes>(shape: S, columns: ReadonlyArray<Column>) => Reader<RowShapes[S]>
}

/**
 * The options of the text format.
 *
 * @category models
 * @since 0.1.0
 */
export interface TextOptions {
  /** The one-byte delimiter between values; a tab by default, in CSV a comma. */
  readonly delimiter?: string | undefined
  /** The text of NULL; `\N` by default, in CSV nothing. */
  readonly null?: string | undefined
  /**
   * True if the first line contains the column names; a reader rejects names other than the expected ones. False by
   * default.
   */
  readonly header?: boolean | undefined
}

/**
 * The options of CSV. By default, the delimiter is a comma, and the text of NULL, which is not quoted, is empty.
 *
 * @category models
 * @since 0.1.0
 */
export interface CsvOptions extends TextOptions {
  /** The one-byte quote character; `"` by default. */
  readonly quote?: string | undefined
  /** The one-byte character that escapes a quote inside quotes; the quote itself by default. */
  readonly escape?: string | undefined
}
