/**
 * Reader of PostgreSQL's binary COPY data: a signature, flags and an extension, then the rows, each encoded as in a
 * DataRow message, and -1 instead of another row's number of columns.
 *
 * @internal
 */
import * as RowReader from "../../RowReader.ts"
import type { Column } from "../../RowWriter.ts"
import * as Numbers from "../codec/numbers.ts"
import * as BinaryReader from "./binaryReader.ts"
import type { Reader, RowShapes } from "./format.ts"

/** "PGCOPY", followed by bytes that a conversion of line endings would corrupt. */
export const signature = [0x50, 0x47, 0x43, 0x4f, 0x50, 0x59, 0x0a, 0xff, 0x0d, 0x0a, 0]

export const reader = <S extends keyof RowShapes>(shape: S, columns: ReadonlyArray<Column>): Reader<RowShapes[S]> => {
  const options = {
    columns: columns.map(({ name, type, typeModifier = -1 }) => ({ name, type, typeModifier, typeOid: type.oid })),
    formats: 1
  } as const
  const read =
    (shape === "object" ? RowReader.objectsUnsafe(options) : RowReader.arraysUnsafe(options)) as RowReader.RowReader<
      RowShapes[S]
    >
  return BinaryReader.reader({
    signature,
    read,
    hasTrailer: true,
    /** Skips the values by their lengths; the row reader reports invalid values. */
    endOfRow: (bytes, start, end) => {
      if (end - start < 2) return BinaryReader.incomplete(2)
      const count = Numbers.int16(bytes, start)
      if (count === -1) return BinaryReader.trailer
      if (count < 0) throw BinaryReader.malformed("a number of columns", `${count}`)
      let at = start + 2
      for (let i = 0; i < count; i++) {
        if (end - at < 4) return BinaryReader.incomplete(at + 4 - start)
        const length = Numbers.int32(bytes, at)
        at += 4
        if (length < -1) throw BinaryReader.malformed("a length of -1 or more", `${length}`)
        if (length > 0) at += length
        if (at > end) return BinaryReader.incomplete(at - start)
      }
      return at
    }
  })
}
