/**
 * The reader of rows into columns that works on all platforms, and reports the error of an invalid row.
 *
 * @internal
 */
import * as ValueError from "../../ValueError.ts"
import { checkCount, readLength, rowReason } from "../rows/interpreted.ts"
import type { Store } from "./stores.ts"

/** Appends the row in `bytes[start, end)` at a row index. If it throws, no part of the row remains. */
export type AppendRow = (
  bytes: Uint8Array,
  start: number,
  end: number,
  row: number,
  stores: ReadonlyArray<Store>
) => void

export const appendRow: AppendRow = (bytes, start, end, row, stores) => {
  const count = stores.length
  checkCount(bytes, start, end, count)
  let at = start + 2
  let i = 0
  try {
    for (; i < count; i++) {
      const length = readLength(bytes, at, end)
      at += 4
      if (length === -1) stores[i]!.putNull(row)
      else {
        stores[i]!.put(bytes, at, at + length, row)
        at += length
      }
    }
  } catch (thrown) {
    for (const store of stores) store.rewind(row)
    throw ValueError.atColumn(thrown, stores[i]!.column.name, i)
  }
  if (at !== end) {
    for (const store of stores) store.rewind(row)
    throw rowReason("Malformed", "no bytes after the last column", `${end - at}`)
  }
}
