/**
 * Rows as lines of text: what the text format and CSV have in common.
 *
 * @internal
 */
import * as ByteWriter from "@hyperfect/protocol/ByteWriter"
import * as Utf8 from "@hyperfect/protocol/Utf8"
import type { Column } from "../RowWriter.ts"
import * as ValueError from "../ValueError.ts"
import type { Reader, Shapes, Writer } from "./copyModel.ts"
import * as Pieces from "./copyPieces.ts"
import { Rest } from "./copyRest.ts"
import { define } from "./properties.ts"
import * as RowWriteClosures from "./rowWriteClosures.ts"

export const newline = 0x0a
export const carriageReturn = 0x0d

/** What a statement says of the lines. */
export interface Options {
  readonly format: "text" | "csv"
  readonly delimiter: string
  readonly null: string
  readonly header: boolean
  readonly quote?: string | undefined
  readonly escape?: string | undefined
}

/** Looks for the end of a line, piece by piece. */
export interface Scan {
  /** Where the line feed is that ends the line, or `end` when there is none yet. */
  readonly next: (bytes: Uint8Array, start: number, end: number) => number
  /** Whether the data may end here. */
  readonly mayEnd: () => boolean
}

export interface Rows {
  readonly options: Options
  /** Makes of the value that was written last, so many bytes long, what a reader gets the same bytes from. */
  readonly protect: (out: ByteWriter.ByteWriter, length: number) => void
  readonly scan: () => Scan
  /** Splits `bytes[start, end)` and hands each value over, `undefined` for NULL. */
  readonly split: (
    bytes: Uint8Array,
    start: number,
    end: number,
    onValue: (bytes: Uint8Array | undefined, start: number, end: number) => void
  ) => void
  /** Whether a line says that no row comes any more. */
  readonly isEnd: (bytes: Uint8Array, start: number, end: number) => boolean
}

export const encode = (text: string): Uint8Array => {
  const out = ByteWriter.make(16)
  out.utf8(text)
  return out.take()
}

export const equals = (bytes: Uint8Array, start: number, end: number, other: Uint8Array): boolean => {
  if (end - start !== other.length) return false
  for (let i = 0; i < other.length; i++) if (bytes[start + i] !== other[i]) return false
  return true
}

const literal = (text: string): string =>
  text.includes("\\") ? `E'${text.replaceAll("\\", "\\\\").replaceAll("'", "''")}'` : `'${text.replaceAll("'", "''")}'`

/** What differs from how the servers do it unasked. */
export const statementOptions = ({ delimiter, escape, format, header, null: nothing, quote }: Options): string => {
  const isCsv = format === "csv"
  return [
    `FORMAT ${format}`,
    ...delimiter === (isCsv ? "," : "\t") ? [] : [`DELIMITER ${literal(delimiter)}`],
    ...nothing === (isCsv ? "" : "\\N") ? [] : [`NULL ${literal(nothing)}`],
    ...header ? ["HEADER"] : [],
    ...quote === undefined || quote === "\"" ? [] : [`QUOTE ${literal(quote)}`],
    ...escape === undefined || escape === quote ? [] : [`ESCAPE ${literal(escape)}`]
  ].join(", ")
}

/** Refuses an option as the servers would. */
export const check = (holds: boolean, wanted: string): void => {
  if (!holds) throw ValueError.reason("OutOfRange", "COPY", undefined, wanted, "others")
}

/** What must hold of a delimiter and a text of NULL in both formats. */
export const checkCommon = (delimiter: string, nothing: string): void => {
  check(
    isByte(delimiter) && delimiter !== "\n" && delimiter !== "\r",
    "a delimiter of one ASCII character, no line end"
  )
  check(!/[\r\n\0]/.test(nothing) && nothing.isWellFormed(), "a NULL without line ends")
  check(!nothing.includes(delimiter), "a NULL without the delimiter in it")
}

export const isByte = (text: string): boolean => text.length === 1 && text > "\0" && text < "\x80"

export const writer = <S extends keyof Shapes>(
  rows: Rows,
  shape: S,
  columns: ReadonlyArray<Column>
): Writer<Shapes[S]> => {
  const { delimiter, header, null: nothing } = rows.options
  const separator = delimiter.charCodeAt(0)
  const nullBytes = encode(nothing)
  const plan = columns.map(({ name, nullable = true, type, typeModifier = -1 }) => ({
    name,
    typeName: type.name,
    format: 0 as const,
    write: type.text.write,
    typeModifier,
    nullable,
    size: -1
  }))
  return {
    begin: (out) => {
      if (!header) return
      for (const [i, { name }] of columns.entries()) {
        if (i > 0) out.uint8(separator)
        const before = out.size
        out.utf8(name)
        rows.protect(out, out.size - before)
      }
      out.uint8(newline)
    },
    row: RowWriteClosures.make<Shapes[S]>(plan, shape, {
      begin: () => {},
      write: (out, column, value, index) => {
        if (index > 0) out.uint8(separator)
        if (value === null) return out.copy(nullBytes)
        const before = out.size
        column.write(out, value, column.typeModifier)
        rows.protect(out, out.size - before)
      },
      end: (out) => out.uint8(newline)
    }),
    end: () => {}
  }
}

export const reader = <S extends keyof Shapes>(
  rows: Rows,
  shape: S,
  columns: ReadonlyArray<Column>
): Reader<Shapes[S]> => {
  const names = columns.map(({ name }) => name)
  const scan = rows.scan()
  /** The beginning of a line, in which its end has been looked for. */
  const rest = new Rest()
  let isHeader = rows.options.header
  let isOver = false
  let index = 0

  const mismatch = (found: number): ValueError.Reason =>
    ValueError.reason("ColumnCountMismatch", "row", undefined, `${columns.length} columns`, `${found}`)

  const readHeader = (bytes: Uint8Array, start: number, end: number): void => {
    const found: Array<string | undefined> = []
    rows.split(bytes, start, end, (bytes, start, end) => found.push(bytes && Utf8.decode(bytes, start, end)))
    isHeader = false
    if (found.length !== names.length || found.some((name, i) => name !== names[i])) {
      throw Pieces.malformed("a header of the names of the columns", "other names")
    }
  }

  const readRow = (bytes: Uint8Array, start: number, end: number): Shapes[S] => {
    const object = {}
    const array: Array<unknown> = []
    let i = 0
    rows.split(bytes, start, end, (bytes, start, end) => {
      if (i < columns.length) {
        const { name, type, typeModifier = -1 } = columns[i]!
        try {
          const value: unknown = bytes === undefined ? null : type.text.read(bytes, start, end, typeModifier)
          if (shape === "object") define(object, name, value)
          else array.push(value)
        } catch (thrown) {
          throw ValueError.atColumn(thrown, name, i)
        }
      }
      i++
    })
    // A line without anything in it is a row of no columns, too.
    if (i !== columns.length && !(columns.length === 0 && start === end)) throw mismatch(i)
    return (shape === "object" ? object : array) as Shapes[S]
  }

  const takeLine = (bytes: Uint8Array, start: number, end: number, into: Array<Shapes[S]>): void => {
    if (isOver) throw Pieces.malformed("nothing behind the mark of the end", `${end - start} bytes`)
    if (isHeader) return readHeader(bytes, start, end)
    if (rows.isEnd(bytes, start, end)) {
      isOver = true
      return
    }
    into.push(readRow(bytes, start, end))
    index++
  }

  return {
    push: (bytes, start, end, into) => {
      try {
        let at = start
        while (at < end) {
          const stop = scan.next(bytes, at, end)
          if (stop === end) return rest.keep(bytes, at, end)
          if (rest.size === 0) takeLine(bytes, at, stop, into)
          else {
            rest.keep(bytes, at, stop)
            takeLine(rest.bytes, 0, rest.size, into)
            rest.size = 0
          }
          at = stop + 1
        }
      } catch (thrown) {
        throw Pieces.atRow(thrown, index)
      }
    },
    end: (into) => {
      try {
        if (!scan.mayEnd()) throw ValueError.reason("RowTruncated", "COPY", undefined, "the end of a line", "nothing")
        // Of the last line the end may be missing.
        if (rest.size > 0) takeLine(rest.bytes, 0, rest.size, into)
        if (isHeader) throw ValueError.reason("RowTruncated", "COPY", undefined, "a header", "nothing")
      } catch (thrown) {
        throw Pieces.atRow(thrown, index)
      }
    }
  }
}
