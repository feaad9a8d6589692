/**
 * Readers of rows into columns, as generated code.
 *
 * As in `rows/generated`, the code covers the fast path only, and passes any row with an error to the closures.
 *
 * @internal
 */
import { readInt32Code } from "@hyperfect/protocol/internal/bigEndian"
import * as Codegen from "@hyperfect/protocol/internal/codegen"
import * as Inline from "../codec/inline.ts"
import type { Column } from "../rows/plan.ts"
import { type AppendRow, appendRow } from "./interpreted.ts"
import type { Store } from "./stores.ts"

const { code, join } = Codegen

const putColumn = ({ read }: Column, index: number): Codegen.Code => {
  const { size = 0, store } = Inline.find(read) ?? {}
  const c = code`c${index}`
  const sizes = store === undefined ? code`n < 0 || n > e - p` : code`n !== ${size} || n > e - p`
  const isRefused = store?.refuses === undefined ? sizes : code`${sizes} || ${store.refuses}`
  return code`
    if (p + 4 > e) return -1
    n = ${readInt32Code(code`p`)}
    p += 4
    if (n === -1) ${c}.putNull(i)
    else {
      if (${isRefused}) return -1
      ${store === undefined ? code`${c}.put(b, p, p + n, i)` : store.code(c)}
      p += n
    }`
}

/** Bounds the size of one function, and so its compilation (M-12). */
const groupSize = 16

/** Closures store more columns as fast (M-12). */
const maxColumns = 512

/** Stores the columns of a group, and returns the position after them; -1 makes the closures handle the row. */
type PutGroup = (bytes: Uint8Array, at: number, end: number, row: number, stores: ReadonlyArray<Store>) => number

const groupSource = (columns: ReadonlyArray<Column>, first: number): Codegen.Code =>
  code`(b, p, e, i, t) => {
  ${join(columns.map((_, index) => code`const c${index} = t[${first + index}]`))}
  let n = 0${join(columns.map(putColumn), "")}
  return p
}`

export const make = (columns: ReadonlyArray<Column>, codegen: Codegen.Codegen | undefined): AppendRow => {
  const count = columns.length
  if (count > maxColumns) return appendRow
  const groups = Codegen.compile<ReadonlyArray<PutGroup> | undefined>({
    codegen,
    fields: Math.min(count, groupSize),
    interpreted: undefined,
    generated: () => {
      const sources: Array<Codegen.Code> = []
      for (let first = 0; first < count; first += groupSize) {
        sources.push(groupSource(columns.slice(first, first + groupSize), first))
      }
      return code`[${join(sources, ", ")}]`
    }
  })
  if (groups === undefined) return appendRow
  const slow: AppendRow = (bytes, start, end, row, stores) => {
    for (const store of stores) store.rewind(row)
    appendRow(bytes, start, end, row, stores)
  }
  return (bytes, start, end, row, stores) => {
    let at = start + 2
    if (at > end || ((bytes[start]! << 8) | bytes[start + 1]!) !== count) return slow(bytes, start, end, row, stores)
    try {
      for (let i = 0; i < groups.length && at >= 0; i++) at = groups[i]!(bytes, at, end, row, stores)
    } catch {
      return slow(bytes, start, end, row, stores)
    }
    if (at !== end) slow(bytes, start, end, row, stores)
  }
}
