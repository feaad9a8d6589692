/**
 * The rows of A1 and A2: int4, bool, float8, text, jsonb, bytea, the same in PostgreSQL's binary and in its text format.
 *
 * They are computed from their number, so that every process has the same. One text in sixteen is NULL.
 */
import { frame, toChunks } from "./chunks.ts"

export const rowCount = 100_000

/** As RowDescription says them. */
export const columns = [
  { name: "id", typeOid: 23, typeModifier: -1 },
  { name: "isOdd", typeOid: 16, typeModifier: -1 },
  { name: "ratio", typeOid: 701, typeModifier: -1 },
  { name: "name", typeOid: 25, typeModifier: -1 },
  { name: "document", typeOid: 3802, typeModifier: -1 },
  { name: "blob", typeOid: 17, typeModifier: -1 }
]

export const columnCount = columns.length

/** A row as JavaScript values. */
export interface RowObject {
  readonly id: number
  readonly isOdd: boolean
  readonly ratio: number
  readonly name: string | null
  readonly document: unknown
  readonly blob: Uint8Array
}

interface Row {
  readonly id: number
  readonly isOdd: boolean
  readonly ratio: number
  readonly name: string | null
  readonly document: string
  readonly blob: Buffer
}

const row = (index: number): Row => {
  // A linear congruential step: enough to make neighbours differ, in value and in length.
  const random = (Math.imul(index + 1, 1664525) + 1013904223) >>> 0
  return {
    id: random | 0,
    isOdd: index % 2 === 1,
    ratio: random / 1024,
    name: index % 16 === 7 ? null : `name ${index} ${"é".repeat(random % 24)}`,
    document: JSON.stringify({ id: index, tags: ["a", "b"], nested: { score: random % 1000 } }),
    blob: Buffer.alloc(8 + random % 24, random & 0xff)
  }
}

const dataRow = (fields: ReadonlyArray<Buffer | null>): Buffer => {
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

/** The values of a row as a line for a digest. Throws when it is not what it says it is. */
export const lineOf = ({ blob, document, id, isOdd, name, ratio, ...rest }: RowObject): string => {
  if (Object.keys(rest).length > 0) throw new Error(`a row has ${Object.keys(rest).join(", ")}`)
  return JSON.stringify([id, isOdd, ratio, name, document, Buffer.from(blob).toString("hex")])
}

/** The values of a row from its fields in binary format, as a line for a digest. */
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

/** The values of a row from its fields in text format, as a line for a digest. */
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
