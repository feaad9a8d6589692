/**
 * Row writers for COPY as closures over the columns: the ones that run everywhere, and the ones that know what is wrong
 * with a row.
 *
 * @internal
 */
import type { ByteWriter } from "@hyperfect/protocol/ByteWriter"
import type { Codec, Format } from "../Type.ts"
import * as ValueError from "../ValueError.ts"
import { property } from "./properties.ts"

/** How a stream of rows frames its values. */
export type Framing = "postgres" | "hyper"

/** What is written around and for each value of a row. */
export interface Frames {
  readonly begin: (out: ByteWriter, count: number) => void
  readonly write: (out: ByteWriter, column: Column, value: unknown, index: number) => void
  readonly end: (out: ByteWriter) => void
}

export interface Column {
  readonly name: string
  readonly typeName: string
  readonly format: Format
  readonly write: Codec<never, unknown>["write"]
  readonly typeModifier: number
  readonly nullable: boolean
  /** The number of bytes of each value, or -1. Only HyperBinary makes a difference between the two. */
  readonly size: number
}

export type Shape = "object" | "array"

export type WriteRow<Row> = (out: ByteWriter, row: Row, index: number) => void

const writeHyper = (out: ByteWriter, column: Column, value: unknown): void => {
  if (value === null) return out.uint8(1)
  if (column.nullable) out.uint8(0)
  if (column.size >= 0) return column.write(out, value, column.typeModifier)
  out.int32LE(0)
  // The writer may move its bytes while it grows, so sizes count and not positions.
  const before = out.size
  column.write(out, value, column.typeModifier)
  const length = out.size - before
  out.setInt32LE(out.position - length - 4, length)
}

const writePostgres = (out: ByteWriter, column: Column, value: unknown): void => {
  if (value === null) return out.int32(-1)
  out.int32(0)
  const before = out.size
  column.write(out, value, column.typeModifier)
  const length = out.size - before
  out.setInt32(out.position - length - 4, length)
}

const nothing = (): void => {}

const frames: Readonly<Record<Framing, Frames>> = {
  hyper: { begin: nothing, write: writeHyper, end: nothing },
  postgres: { begin: (out, count) => out.int16(count), write: writePostgres, end: nothing }
}

/** Takes back what was written beyond a size. */
export const rewind = (out: ByteWriter, size: number): void => out.rewind(out.position - (out.size - size))

const rowMismatch = (tag: "TypeMismatch" | "ColumnCountMismatch", wanted: string, found: string, row: number) => ({
  ...ValueError.reason(tag, "row", undefined, wanted, found),
  row
})

export const make = <Row>(
  columns: ReadonlyArray<Column>,
  shape: Shape,
  framing: Framing | Frames
): WriteRow<Row> => {
  const count = columns.length
  const { begin, end, write } = typeof framing === "string" ? frames[framing] : framing
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
