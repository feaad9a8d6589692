import { readInt32 } from "../internal/bigEndian.ts"
import { trailingBytes } from "../internal/failure.ts"
import * as ProtocolError from "../ProtocolError.ts"
import * as Wire from "../Wire.ts"

/**
 * One row of a result.
 *
 * **Details**
 *
 * A column is its bytes, in the requested format, or `null`. The bytes are views of the frame.
 *
 * @see {@link columnRangesUnsafe} for the positions of the columns, without a view for each
 *
 * @category messages
 * @since 0.1.0
 */
export const DataRow = Wire.message("DataRow", { from: "backend", tag: "D", limit: Wire.longLimit }, {
  columns: Wire.Array(Wire.UInt16, Wire.Nullable)
})

/**
 * The decoded {@link DataRow} message.
 *
 * @category messages
 * @since 0.1.0
 */
export type DataRow = typeof DataRow.Type

/**
 * Finds the position of each column of a row in its frame `bytes[start, end)`, and returns the number of columns.
 *
 * **Details**
 *
 * For column `i`, `into[2 * i]` is set to the index of its first byte in `bytes` and `into[2 * i + 1]` to the index
 * after its last byte; both are -1 for NULL. Nothing is allocated or copied. Throws a `ProtocolError.Reason` if the row
 * is malformed or has more columns than `into` has room for.
 *
 * @category decoding
 * @since 0.1.0
 */
export const columnRangesUnsafe = (bytes: Uint8Array, start: number, end: number, into: Int32Array): number => {
  const fail = (at: number, wanted: string, found: string) =>
    ProtocolError.reason("Truncated", "DataRow", "columns", at - start, wanted, found)
  let at = start + 7
  if (at > end) throw fail(start, "7 bytes", `${end - start} bytes`)
  const count = (bytes[at - 2]! << 8) | bytes[at - 1]!
  if (count * 2 > into.length) {
    throw ProtocolError.reason("CountInvalid", "DataRow", "columns", 5, `at most ${into.length >> 1}`, `${count}`)
  }
  for (let i = 0; i < count; i++) {
    if (at + 4 > end) throw fail(at, "4 bytes", `${end - at} bytes`)
    const length = readInt32(bytes, at)
    at += 4
    if (length === -1) {
      into[2 * i] = -1
      into[2 * i + 1] = -1
    } else {
      if (length < 0 || length > end - at) throw fail(at - 4, `a length up to ${end - at}`, `${length}`)
      into[2 * i] = at
      at += length
      into[2 * i + 1] = at
    }
  }
  if (at !== end) throw trailingBytes("DataRow", at - start, end - at)
  return count
}
