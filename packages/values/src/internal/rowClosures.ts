/**
 * Row readers as closures over the columns: the ones that run everywhere, and the ones that know what is wrong with a row.
 *
 * @internal
 */
import * as ValueError from "../ValueError.ts"
import { define } from "./properties.ts"
import type { Column } from "./rowPlan.ts"
import * as Words from "./words.ts"

export const broken = (
  tag: "RowTruncated" | "ColumnCountMismatch" | "Malformed",
  wanted: string,
  found: string
): ValueError.Reason => ValueError.reason(tag, "row", undefined, wanted, found)

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
    if (end - start < 2) throw broken("RowTruncated", "the number of columns", `${end - start} bytes`)
    const found = (bytes[start]! << 8) | bytes[start + 1]!
    if (found !== count) throw broken("ColumnCountMismatch", `${count} columns`, `${found}`)
    const object = {}
    const array: Array<unknown> = asObject ? noValues : new Array(count)
    let at = start + 2
    let i = 0
    try {
      for (; i < count; i++) {
        if (end - at < 4) throw broken("RowTruncated", "a length of 4 bytes", `${end - at} bytes`)
        const length = Words.int32(bytes, at)
        at += 4
        let value: unknown = null
        if (length !== -1) {
          if (length < 0) throw broken("Malformed", "a length of -1 or more", `${length}`)
          if (length > end - at) throw broken("RowTruncated", `a column of ${length} bytes`, `${end - at} bytes`)
          value = reads[i]!(bytes, at, at + length, typeModifiers[i]!)
          at += length
        }
        if (!asObject) array[i] = value
        else define(object, names[i]!, value)
      }
    } catch (thrown) {
      throw ValueError.atColumn(thrown, names[i]!, i)
    }
    if (at !== end) throw broken("Malformed", "no bytes after the last column", `${end - at}`)
    return (asObject ? object : array) as Row
  }
}

const noValues: Array<unknown> = []
