/**
 * The rows of A2: int4, bool, float8, text, jsonb, bytea, in both PostgreSQL's binary and text formats.
 *
 * They are computed from their index, so that every process has the same. One text in sixteen is NULL.
 */
import { random } from "./documents.ts"
import { frame, toChunks } from "./frames.ts"

export const rowCount = 100_000

export const columnCount = 6

interface Row {
  readonly id: number
  readonly isOdd: boolean
  readonly ratio: number
  readonly name: string | null
  readonly document: string
  readonly blob: Buffer
}

const row = (index: number): Row => {
  const seed = random(index)
  return {
    id: seed | 0,
    isOdd: index % 2 === 1,
    ratio: seed / 1024,
    name: index % 16 === 7 ? null : `name ${index} ${"é".repeat(seed % 24)}`,
    document: JSON.stringify({ id: index, tags: ["a", "b"], nested: { score: seed % 1000 } }),
    blob: Buffer.alloc(8 + seed % 24, seed & 0xff)
  }
}

/** Makes a DataRow message of the fields. */
export const dataRow = (fields: ReadonlyArray<Buffer | null>): Buffer => {
  const count = Buffer.alloc(2)
  count.writeInt16BE(fields.length)
  const parts = fields.flatMap((field) => {
    const length = Buffer.alloc(4)
    length.writeInt32BE(field === null ? -1 : field.length)
    return field === null ? [length] : [length, field]
  })
  return frame("D", count, ...parts)
}

const stream = (fields: (row: Row) => ReadonlyArray<Buffer | null>): ReadonlyArray<Buffer> =>
  toChunks(Array.from({ length: rowCount }, (_, index) => dataRow(fields(row(index)))))

/** The rows in binary format. */
export const binaryChunks = (): ReadonlyArray<Buffer> =>
  stream(({ blob, document, id, isOdd, name, ratio }) => {
    const int4 = Buffer.alloc(4)
    int4.writeInt32BE(id)
    const float8 = Buffer.alloc(8)
    float8.writeDoubleBE(ratio)
    const text = name === null ? null : Buffer.from(name)
    return [int4, Buffer.from([isOdd ? 1 : 0]), float8, text, Buffer.from(`\u0001${document}`), blob]
  })

/** The rows in text format. */
export const textChunks = (): ReadonlyArray<Buffer> =>
  stream(({ blob, document, id, isOdd, name, ratio }) =>
    [`${id}`, isOdd ? "t" : "f", `${ratio}`, name, document, `\\x${blob.toString("hex")}`]
      .map((text) => text === null ? null : Buffer.from(text))
  )

/** Formats the values of a row as a line for a digest. */
const lineOf = ({ blob, document, id, isOdd, name, ratio }: Omit<Row, "document"> & { readonly document: unknown }) =>
  JSON.stringify([id, isOdd, ratio, name, document, blob.toString("hex")])

/** Formats the values of a row from its binary fields, as a line for a digest. */
export const fromBinary = (fields: ReadonlyArray<Uint8Array | null>): string => {
  const [id, isOdd, ratio, name, document, blob] = fields.map((field) =>
    field === null ? null : Buffer.from(field.buffer, field.byteOffset, field.length)
  )
  return lineOf({
    id: id!.readInt32BE(),
    isOdd: isOdd![0] === 1,
    ratio: ratio!.readDoubleBE(),
    name: name?.toString() ?? null,
    document: JSON.parse(document!.toString("utf8", 1)),
    blob: blob!
  })
}

/** Formats the values of a row from its text fields, as a line for a digest. */
export const fromText = (fields: ReadonlyArray<string | null>): string => {
  const [id, isOdd, ratio, name, document, blob] = fields
  return lineOf({
    id: Number(id),
    isOdd: isOdd === "t",
    ratio: Number(ratio),
    name: name!,
    document: JSON.parse(document!),
    blob: Buffer.from(blob!.slice(2), "hex")
  })
}
