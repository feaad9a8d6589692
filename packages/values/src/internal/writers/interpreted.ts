/**
 * Row writers for COPY as closures over the columns. They work on all platforms, and report the error of an invalid
 * row.
 *
 * @internal
 */
import type { ByteWriter } from "@hyperfect/protocol/ByteWriter"
import type { Codec as TypeCodec, Format } from "../../Type.ts"
import * as ValueError from "../../ValueError.ts"
import * as Codec from "../codec/codec.ts"
import { property } from "../codec/properties.ts"

/** The framing of values in a stream of rows. */
export type Framing = "postgres" | "hyper"

/** Writes a row's values, and the bytes around them. */
export interface RowFraming {
  readonly begin: (out: ByteWriter, count: number) => void
  readonly write: (out: ByteWriter, column: Column, value: unknown, index: number) => void
  readonly end: (out: ByteWriter) => void
}

export interface Column {
  readonly name: string
  readonly typeName: string
  readonly format: Format
  readonly write: TypeCodec<never, unknown>["write"]
  readonly typeModifier: number
  readonly nullable: boolean
  /** The size of each value in bytes, or -1. Used by HyperBinary only. */
  readonly size: number
}

export type RowShape = "object" | "array"

export type WriteRow<Row> = (out: ByteWriter, row: Row, index: number) => void

const writeHyper = (out: ByteWriter, column: Column, value: unknown): void => {
  if (value === null) return out.uint8(1)
  if (column.nullable) out.uint8(0)
  if (column.size >= 0) return column.write(out, value, column.typeModifier)
  out.int32LE(0)
  // The writer may move its bytes when it grows, so this relies on sizes instead of positions.
  const before = out.size
  column.write(out, value, column.typeModifier)
  const length = out.size - before
  out.setInt32LE(out.position - length - 4, length)
}

const writePostgres = (out: ByteWriter, column: Column, value: unknown): void => {
  if (value === null) return out.int32(-1)
  Codec.writeSized(out, column.write, value, column.typeModifier)
}

const noop = (): void => {}

export const framings: Readonly<Record<Framing, RowFraming>> = {
  hyper: { begin: noop, write: writeHyper, end: noop },
  postgres: { begin: (out, count) => out.int16(count), write: writePostgres, end: noop }
}

/** Removes everything written after a size. */
export const rewind = (out: ByteWriter, size: number): void => out.rewind(out.position - (out.size - size))

const rowMismatch = (tag: "TypeMismatch" | "ColumnCountMismatch", wanted: string, found: string, row: number) => ({
  ...ValueError.reason(tag, "row", undefined, wanted, found),
  row
})

export const make = <Row>(
  columns: ReadonlyArray<Column>,
  shape: RowShape,
  framing: Framing | RowFraming
): WriteRow<Row> => {
  const count = columns.length
  const { begin, end, write } = typeof framing === "string" ? framings[framing] : framing
  return (out, row, index) => {
    const size = out.size
    let i = 0
    try {
      if (shape === "array" ? !Array.isArray(row) : typeof row !== "object" || row === null) {
        throw rowMismatch("TypeMismatch", shape, ValueError.kind(row), index)
      }
      if (shape === "array" && (row as ReadonlyArray<unknown>).length !== count) {
        const found = (row as ReadonlyArray<unknown>).length
        throw rowMismatch("ColumnCountMismatch", `${count} values`, `${found}`, index)
      }
      begin(out, count)
      for (; i < count; i++) {
        const column = columns[i]!
        const value = shape === "array" ? (row as ReadonlyArray<unknown>)[i] : property(row as object, column.name)
        if (value === null && !column.nullable) {
          throw ValueError.reason(
            "NullNotAllowed",
            column.typeName,
            column.format,
            "a value, as it is NOT NULL",
            "NULL"
          )
        }
        write(out, column, value, i)
      }
      end(out)
    } catch (thrown) {
      rewind(out, size)
      const located = ValueError.isReason(thrown) && thrown.row !== undefined
      throw located ? thrown : ValueError.atColumn(thrown, columns[i]!.name, i, index)
    }
  }
}
