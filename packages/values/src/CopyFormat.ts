/**
 * The formats of COPY: what the statement says of each, and how rows become its bytes and come out of them.
 *
 * A format is a value: {@link binary}, {@link hyperBinary}, {@link text} or {@link csv}. A writer appends rows to a
 * `ByteWriter`; a reader takes the bytes in pieces that may be cut anywhere, and hands out the rows that are complete. Both are
 * plain synchronous code that throws a plain `ValueError.Reason`, which names the row and, where it is one, the column.
 *
 * @since 0.1.0
 */
import * as HyperBinaryCopy from "./HyperBinaryCopy.ts"
import * as BinaryRows from "./internal/copyBinary.ts"
import * as CsvRows from "./internal/copyCsv.ts"
import * as HyperBinaryRows from "./internal/copyHyperBinary.ts"
import * as Lines from "./internal/copyLines.ts"
import type { CopyFormat, CsvOptions, Shapes, TextOptions, Writer } from "./internal/copyModel.ts"
import * as TextRows from "./internal/copyText.ts"
import * as PgBinaryCopy from "./PgBinaryCopy.ts"
import type { Column, RowWriter } from "./RowWriter.ts"

export type { CopyFormat, CsvOptions, Reader, Shapes, TextOptions, Writer } from "./internal/copyModel.ts"

const nothing = (): void => {}

/**
 * PostgreSQL's binary format.
 *
 * **Gotchas**
 *
 * The server converts nothing: the types must be exactly those of the columns.
 *
 * @category formats
 * @since 0.1.0
 */
export const binary: CopyFormat = {
  options: "FORMAT binary",
  writer: <S extends keyof Shapes>(shape: S, columns: ReadonlyArray<Column>): Writer<Shapes[S]> => ({
    begin: PgBinaryCopy.writeHeader,
    row: (shape === "object"
      ? PgBinaryCopy.objectsUnsafe({ columns })
      : PgBinaryCopy.arraysUnsafe({ columns })) as RowWriter<Shapes[S]>,
    end: PgBinaryCopy.writeTrailer
  }),
  reader: (shape, columns) => BinaryRows.reader(shape, columns)
}

/**
 * Hyper's own binary format.
 *
 * **Gotchas**
 *
 * Nothing in the data says which columns may be NULL, and both ends must know it in the same way: `nullable` of each column has
 * to be what the table says, or, for the result of a query, what the server's optimizer can prove. A query's rows are better
 * read without COPY.
 *
 * @category formats
 * @since 0.1.0
 */
export const hyperBinary: CopyFormat = {
  options: "FORMAT hyperbinary",
  writer: <S extends keyof Shapes>(shape: S, columns: ReadonlyArray<Column>): Writer<Shapes[S]> => ({
    begin: HyperBinaryCopy.writeHeader,
    row: (shape === "object"
      ? HyperBinaryCopy.objectsUnsafe({ columns })
      : HyperBinaryCopy.arraysUnsafe({ columns })) as RowWriter<Shapes[S]>,
    end: nothing
  }),
  reader: (shape, columns) => HyperBinaryRows.reader(shape, columns)
}

const formatOf = (rows: Lines.Rows): CopyFormat => ({
  options: Lines.statementOptions(rows.options),
  writer: (shape, columns) => Lines.writer(rows, shape, columns),
  reader: (shape, columns) => Lines.reader(rows, shape, columns)
})

/**
 * The text format: a line for each row, backslashes before what would be mistaken.
 *
 * **Details**
 *
 * Everything is UTF-8. A value that would look like the text of NULL is written so that it does not; only an empty text with
 * `null: ""` cannot be, and is refused. Throws a plain `ValueError.Reason` for options that PostgreSQL would refuse.
 *
 * **Gotchas**
 *
 * A server does not write such a value in another way: with `null: "NULL"` the text `NULL` comes back as NULL. With a `null`
 * that begins with a backslash, as the default does, that cannot be. Hyper knows no header in this format.
 *
 * @category formats
 * @since 0.1.0
 */
export const text = (options: TextOptions = {}): CopyFormat => formatOf(TextRows.make(options))

/**
 * Values with commas between them, in quotation marks where they need them (PostgreSQL's dialect, which both servers speak).
 *
 * **Details**
 *
 * Everything is UTF-8. Line ends inside quotation marks belong to the value; outside, a carriage return before one does not.
 * Throws a plain `ValueError.Reason` for options that PostgreSQL would refuse.
 *
 * @category formats
 * @since 0.1.0
 */
export const csv = (options: CsvOptions = {}): CopyFormat => formatOf(CsvRows.make(options))
