/**
 * The reader of rows into columns that runs everywhere, and knows what is wrong with a row.
 *
 * @internal
 */
import * as ValueError from "../ValueError.ts"
import type { Store } from "./columnStores.ts"
import { broken } from "./rowClosures.ts"
import * as Words from "./words.ts"

/** Appends the row in `bytes[start, end)` as the row of an index. When it throws, nothing of the row is left. */
export type AppendRow = (
  bytes: Uint8Array,
  start: number,
  end: number,
  row: number,
  stores: ReadonlyArray<Store>
) => void

export const appendRow: AppendRow = (bytes, start, end, row, stores) => {
  const count = stores.length
  if (end - start < 2) throw broken("RowTruncated", "the number of columns", `${end - start} bytes`)
  const found = (bytes[start]! << 8) | bytes[start + 1]!
  if (found !== count) throw broken("ColumnCountMismatch", `${count} columns`, `${found}`)
  let at = start + 2
  let i = 0
  try {
    for (; i < count; i++) {
      if (end - at < 4) throw broken("RowTruncated", "a length of 4 bytes", `${end - at} bytes`)
      const length = Words.int32(bytes, at)
      at += 4
      if (length === -1) stores[i]!.putNull(row)
      else {
        if (length < 0) throw broken("Malformed", "a length of -1 or more", `${length}`)
        if (length > end - at) throw broken("RowTruncated", `a column of ${length} bytes`, `${end - at} bytes`)
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
    throw broken("Malformed", "no bytes after the last column", `${end - at}`)
  }
}
