/**
 * Row readers as closures over the columns. They work on all platforms, and report the error of an invalid row.
 *
 * @internal
 */
import * as ValueError from "../../ValueError.ts"
import * as Numbers from "../codec/numbers.ts"
import { define } from "../codec/properties.ts"
import type { Column } from "./plan.ts"

export const rowReason = (
  tag: "RowTruncated" | "ColumnCountMismatch" | "Malformed",
  wanted: string,
  found: string
): ValueError.Reason => ValueError.reason(tag, "row", undefined, wanted, found)

/** Checks the number of columns, with which a row starts. */
export const checkCount = (bytes: Uint8Array, start: number, end: number, count: number): void => {
  if (end - start < 2) throw rowReason("RowTruncated", "the number of columns", `${end - start} bytes`)
  const found = (bytes[start]! << 8) | bytes[start + 1]!
  if (found !== count) throw rowReason("ColumnCountMismatch", `${count} columns`, `${found}`)
}

/** Reads the length of a column, which lies before its value; -1 for NULL. */
export const readLength = (bytes: Uint8Array, at: number, end: number): number => {
  if (end - at < 4) throw rowReason("RowTruncated", "a length of 4 bytes", `${end - at} bytes`)
  const length = Numbers.int32(bytes, at)
  if (length < -1) throw rowReason("Malformed", "a length of -1 or more", `${length}`)
  if (length > end - at - 4) throw rowReason("RowTruncated", `a column of ${length} bytes`, `${end - at - 4} bytes`)
  return length
}

export const make = <Row>(
  columns: ReadonlyArray<Column>,
  shape: "object" | "array"
): (bytes: Uint8Array, start: number, end: number) => Row => {
  const count = columns.length
  const names = columns.map((column) => column.name)
  const reads = columns.map((column) => column.read)
  const typeModifiers = columns.map((column) => column.typeModifier)
  const asObject = shape === "object"

  return (bytes, start, end) => {
    checkCount(bytes, start, end, count)
    const object = {}
    const array: Array<unknown> = asObject ? emptyArray : new Array(count)
    let at = start + 2
    let i = 0
    try {
      for (; i < count; i++) {
        const length = readLength(bytes, at, end)
        at += 4
        let value: unknown = null
        if (length !== -1) {
          value = reads[i]!(bytes, at, at + length, typeModifiers[i]!)
          at += length
        }
        if (!asObject) array[i] = value
        else define(object, names[i]!, value)
      }
    } catch (thrown) {
      throw ValueError.atColumn(thrown, names[i]!, i)
    }
    if (at !== end) throw rowReason("Malformed", "no bytes after the last column", `${end - at}`)
    return (asObject ? object : array) as Row
  }
}

const emptyArray: Array<unknown> = []
