/**
 * Rows out of PostgreSQL's binary COPY: a signature, flags and an extension, the rows, each laid out as in a DataRow message,
 * and -1 in place of another row's number of columns.
 *
 * @internal
 */
import * as RowReader from "../RowReader.ts"
import type { Column } from "../RowWriter.ts"
import type { Reader, Shapes } from "./copyModel.ts"
import * as Pieces from "./copyPieces.ts"
import * as Words from "./words.ts"

/** PGCOPY, and what a change of line endings would spoil. */
export const signature = [0x50, 0x47, 0x43, 0x4f, 0x50, 0x59, 0x0a, 0xff, 0x0d, 0x0a, 0]

export const reader = <S extends keyof Shapes>(shape: S, columns: ReadonlyArray<Column>): Reader<Shapes[S]> => {
  const options = {
    columns: columns.map(({ name, type, typeModifier = -1 }) => ({ name, type, typeModifier, typeOid: type.oid })),
    formats: 1
  } as const
  const read =
    (shape === "object" ? RowReader.objectsUnsafe(options) : RowReader.arraysUnsafe(options)) as RowReader.RowReader<
      Shapes[S]
    >
  return Pieces.reader({
    signature,
    read,
    hasTrailer: true,
    /** The values are walked over by their lengths only; what is wrong with one the reader of the row says. */
    endOfRow: (bytes, start, end) => {
      if (end - start < 2) return Pieces.incomplete(2)
      const count = Words.int16(bytes, start)
      if (count === -1) return Pieces.trailer
      if (count < 0) throw Pieces.malformed("a number of columns", `${count}`)
      let at = start + 2
      for (let i = 0; i < count; i++) {
        if (end - at < 4) return Pieces.incomplete(at + 4 - start)
        const length = Words.int32(bytes, at)
        at += 4
        if (length < -1) throw Pieces.malformed("a length of -1 or more", `${length}`)
        if (length > 0) at += length
        if (at > end) return Pieces.incomplete(at - start)
      }
      return at
    }
  })
}
