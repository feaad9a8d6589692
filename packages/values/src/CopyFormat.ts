/**
 * The formats of COPY: the statement's options, and the encoding and decoding of rows.
 *
 * A format is a value: {@link binary}, {@link hyperBinary}, {@link text} or {@link csv}. A writer appends rows to a
 * `ByteWriter`; a reader accepts chunks of bytes with arbitrary boundaries and returns the rows that are complete. Both
 * are synchronous and throw a plain `ValueError.Reason`, which names the row and, where possible, the column.
 *
 * @since 0.1.0
 */
import * as HyperBinaryCopy from "./HyperBinaryCopy.ts"
import * as CsvRows from "./internal/copy/csv.ts"
import type { CopyFormat, CsvOptions, TextOptions } from "./internal/copy/format.ts"
import * as HyperBinaryRows from "./internal/copy/hyperBinary.ts"
import * as Lines from "./internal/copy/lines.ts"
import * as BinaryRows from "./internal/copy/pgBinary.ts"
import * as TextRows from "./internal/copy/text.ts"
import * as Writers from "./internal/writers/compile.ts"
import * as PgBinaryCopy from "./PgBinaryCopy.ts"

export type { CopyFormat, CsvOptions, Reader, RowShapes, TextOptions, Writer } from "./internal/copy/format.ts"

/**
 * PostgreSQL's binary format.
 *
 * **Gotchas**
 *
 * The server does not convert values: the types must be exactly those of the columns.
 *
 * @category formats
 * @since 0.1.0
 */
export const binary: CopyFormat = {
  options: "FORMAT binary",
  writer: (shape, columns) => ({
    begin: PgBinaryCopy.writeHeader,
    row: Writers.make(columns, shape, "postgres", undefined),
    end: PgBinaryCopy.writeTrailer
  }),
  reader: BinaryRows.reader
}

/**
 * Hyper's own binary format.
 *
 * **Gotchas**
 *
 * The data does not say which columns may be NULL, and both sides must agree on it: `nullable` of each column must
 * match the table or, for the result of a query, what the server's optimizer can prove. Read the rows of a query
 * without COPY where possible.
 *
 * @category formats
 * @since 0.1.0
 */
export const hyperBinary: CopyFormat = {
  options: "FORMAT hyperbinary",
  writer: (shape, columns) => ({
    begin: HyperBinaryCopy.writeHeader,
    row: Writers.make(columns, shape, "hyper", undefined),
    end: () => {}
  }),
  reader: HyperBinaryRows.reader
}

const formatOf = (rows: Lines.LineFormat): CopyFormat => ({
  options: Lines.statementOptions(rows.options),
  writer: (shape, columns) => Lines.writer(rows, shape, columns),
  reader: (shape, columns) => Lines.reader(rows, shape, columns)
})

/**
 * The text format: one line per row, with backslash escapes.
 *
 * **Details**
 *
 * All text is UTF-8. A value that equals the text of NULL is escaped; only an empty text with `null: ""` cannot be
 * escaped, and is rejected. Throws a plain `ValueError.Reason` for options that PostgreSQL would reject.
 *
 * **Gotchas**
 *
 * A server does not escape a value that equals the text of NULL: with `null: "NULL"` the text `NULL` is read as NULL.
 * This cannot happen if `null` begins with a backslash, as the default does. Hyper does not support a header in this
 * format.
 *
 * @category formats
 * @since 0.1.0
 */
export const text = (options: TextOptions = {}): CopyFormat => formatOf(TextRows.make(options))

/**
 * Comma-separated values, quoted where necessary (PostgreSQL's dialect, which both servers support).
 *
 * **Details**
 *
 * All text is UTF-8. Line breaks inside quotes are part of the value; outside, a carriage return before a line break is
 * not. Throws a plain `ValueError.Reason` for options that PostgreSQL would reject.
 *
 * @category formats
 * @since 0.1.0
 */
export const csv = (options: CsvOptions = {}): CopyFormat => formatOf(CsvRows.make(options))
