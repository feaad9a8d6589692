/**
 * Rows as lines of text: the common part of the text format and CSV.
 *
 * @internal
 */
import type * as ByteWriter from "@hyperfect/protocol/ByteWriter"
import * as Utf8 from "@hyperfect/protocol/Utf8"
import * as Literal from "../../Literal.ts"
import type { Column } from "../../RowWriter.ts"
import * as ValueError from "../../ValueError.ts"
import { define } from "../codec/properties.ts"
import * as Interpreted from "../writers/interpreted.ts"
import * as BinaryReader from "./binaryReader.ts"
import type { Reader, RowShapes, Writer } from "./format.ts"
import { PendingBytes } from "./pendingBytes.ts"

export const newline = 0x0a
export const carriageReturn = 0x0d

/** The options of the COPY statement. */
export interface Options {
  readonly format: "text" | "csv"
  readonly delimiter: string
  readonly null: string
  readonly header: boolean
  readonly quote?: string | undefined
  readonly escape?: string | undefined
}

/** Finds the end of a line in successive chunks. */
export interface LineScanner {
  /** Returns the position of the line feed that ends the line, or `end` if there is none yet. */
  readonly nextLineEnd: (bytes: Uint8Array, start: number, end: number) => number
  /** True if the data may end at the current position. */
  readonly mayEnd: () => boolean
}

export interface LineFormat {
  readonly options: Options
  /** Escapes the last `length` bytes, which are the text of one value. */
  readonly escapeValue: (out: ByteWriter.ByteWriter, length: number) => void
  readonly makeScanner: () => LineScanner
  /** Splits `bytes[start, end)` into values, and calls `onValue` for each, with `undefined` for NULL. */
  readonly splitValues: (
    bytes: Uint8Array,
    start: number,
    end: number,
    onValue: (bytes: Uint8Array | undefined, start: number, end: number) => void
  ) => void
  /** True if the line marks the end of the rows. */
  readonly isEndOfData: (bytes: Uint8Array, start: number, end: number) => boolean
}

export const equals = (bytes: Uint8Array, start: number, end: number, other: Uint8Array): boolean => {
  if (end - start !== other.length) return false
  for (let i = 0; i < other.length; i++) if (bytes[start + i] !== other[i]) return false
  return true
}

/** Returns the options of the statement, omitting the servers' defaults. */
export const statementOptions = ({ delimiter, escape, format, header, null: nothing, quote }: Options): string => {
  const isCsv = format === "csv"
  return [
    `FORMAT ${format}`,
    ...delimiter === (isCsv ? "," : "\t") ? [] : [`DELIMITER ${Literal.format(delimiter)}`],
    ...nothing === (isCsv ? "" : "\\N") ? [] : [`NULL ${Literal.format(nothing)}`],
    ...header ? ["HEADER"] : [],
    ...quote === undefined || quote === "\"" ? [] : [`QUOTE ${Literal.format(quote)}`],
    ...escape === undefined || escape === quote ? [] : [`ESCAPE ${Literal.format(escape)}`]
  ].join(", ")
}

/** Rejects an invalid option, as the servers would. */
export const checkOption = (holds: boolean, wanted: string): void => {
  if (!holds) throw ValueError.reason("OutOfRange", "COPY", undefined, wanted, "others")
}

/** Checks the rules for a delimiter and a NULL text that both formats have. */
export const checkDelimiterAndNull = (delimiter: string, nothing: string): void => {
  checkOption(
    isAsciiCharacter(delimiter) && delimiter !== "\n" && delimiter !== "\r",
    "a delimiter of one ASCII character, no line end"
  )
  checkOption(!/[\r\n\0]/.test(nothing) && nothing.isWellFormed(), "a NULL without line ends")
  checkOption(!nothing.includes(delimiter), "a NULL without the delimiter in it")
}

export const isAsciiCharacter = (text: string): boolean => text.length === 1 && text > "\0" && text < "\x80"

export const writer = <S extends keyof RowShapes>(
  rows: LineFormat,
  shape: S,
  columns: ReadonlyArray<Column>
): Writer<RowShapes[S]> => {
  const { delimiter, header, null: nothing } = rows.options
  const separator = delimiter.charCodeAt(0)
  const nullBytes = Utf8.encodeUnsafe(nothing)
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
        rows.escapeValue(out, out.size - before)
      }
      out.uint8(newline)
    },
    row: Interpreted.make<RowShapes[S]>(plan, shape, {
      begin: () => {},
      write: (out, column, value, index) => {
        if (index > 0) out.uint8(separator)
        if (value === null) return out.copy(nullBytes)
        const before = out.size
        column.write(out, value, column.typeModifier)
        rows.escapeValue(out, out.size - before)
      },
      end: (out) => out.uint8(newline)
    }),
    end: () => {}
  }
}

export const reader = <S extends keyof RowShapes>(
  rows: LineFormat,
  shape: S,
  columns: ReadonlyArray<Column>
): Reader<RowShapes[S]> => {
  const names = columns.map(({ name }) => name)
  const scan = rows.makeScanner()
  /** The start of an incomplete line, which the scanner has already seen. */
  const rest = new PendingBytes()
  let isHeader = rows.options.header
  let isOver = false
  let index = 0

  const mismatch = (found: number): ValueError.Reason =>
    ValueError.reason("ColumnCountMismatch", "row", undefined, `${columns.length} columns`, `${found}`)

  const readHeader = (bytes: Uint8Array, start: number, end: number): void => {
    const found: Array<string | undefined> = []
    rows.splitValues(bytes, start, end, (bytes, start, end) => found.push(bytes && Utf8.decode(bytes, start, end)))
    isHeader = false
    if (found.length !== names.length || found.some((name, i) => name !== names[i])) {
      throw BinaryReader.malformed("a header of the names of the columns", "other names")
    }
  }

  const readRow = (bytes: Uint8Array, start: number, end: number): RowShapes[S] => {
    const object = {}
    const array: Array<unknown> = []
    let i = 0
    rows.splitValues(bytes, start, end, (bytes, start, end) => {
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
    // An empty line is also a row without columns.
    if (i !== columns.length && !(columns.length === 0 && start === end)) throw mismatch(i)
    return (shape === "object" ? object : array) as RowShapes[S]
  }

  const takeLine = (bytes: Uint8Array, start: number, end: number, into: Array<RowShapes[S]>): void => {
    if (isOver) throw BinaryReader.malformed("nothing behind the mark of the end", `${end - start} bytes`)
    if (isHeader) return readHeader(bytes, start, end)
    if (rows.isEndOfData(bytes, start, end)) {
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
          const stop = scan.nextLineEnd(bytes, at, end)
          if (stop === end) return rest.append(bytes, at, end)
          if (rest.size === 0) takeLine(bytes, at, stop, into)
          else {
            rest.append(bytes, at, stop)
            takeLine(rest.bytes, 0, rest.size, into)
            rest.size = 0
          }
          at = stop + 1
        }
      } catch (thrown) {
        throw BinaryReader.atRow(thrown, index)
      }
    },
    end: (into) => {
      try {
        if (!scan.mayEnd()) throw ValueError.reason("RowTruncated", "COPY", undefined, "the end of a line", "nothing")
        // The last line may lack its line end.
        if (rest.size > 0) takeLine(rest.bytes, 0, rest.size, into)
        if (isHeader) throw ValueError.reason("RowTruncated", "COPY", undefined, "a header", "nothing")
      } catch (thrown) {
        throw BinaryReader.atRow(thrown, index)
      }
    }
  }
}
