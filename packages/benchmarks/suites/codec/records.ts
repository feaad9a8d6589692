/**
 * The rows of A1a and A1b: int4, bool, float8, text, timestamptz, bytea, and for A1b a jsonb, in PostgreSQL's binary and
 * text formats.
 *
 * Every process computes the same rows from their index.
 */
import * as TimestampTz from "@hyperfect/values/TimestampTz"
import { dataset, documents, random, toJsonb } from "./documents.ts"
import { dataRow, toChunks } from "./frames.ts"

/** A row as JavaScript values. */
export interface RowObject {
  readonly id: number
  readonly isOdd: boolean
  readonly ratio: number
  readonly name: string | null
  readonly at: Date | TimestampTz.TimestampTz
  readonly blob: Uint8Array
  readonly document?: unknown
}

interface Row extends RowObject {
  readonly at: Date
  readonly blob: Buffer
  readonly document?: string
}

export interface Fixture {
  readonly id: string
  readonly rowCount: number
  readonly hasDocuments: boolean
  /** Makes the function that computes a row. */
  readonly start: () => (index: number) => Row
}

const columns = [
  { name: "id", typeOid: 23, typeModifier: -1 },
  { name: "isOdd", typeOid: 16, typeModifier: -1 },
  { name: "ratio", typeOid: 701, typeModifier: -1 },
  { name: "name", typeOid: 25, typeModifier: -1 },
  { name: "at", typeOid: 1184, typeModifier: -1 },
  { name: "blob", typeOid: 17, typeModifier: -1 }
]

/** The columns as in RowDescription. */
export const columnsOf = ({ hasDocuments }: Fixture): typeof columns =>
  hasDocuments ? [...columns, { name: "document", typeOid: 3802, typeModifier: -1 }] : columns

/** Large numbers and long fractions; texts with some letters that are not ASCII; instants with milliseconds. */
const measurements = () => (index: number): Row => {
  const seed = random(index)
  return {
    id: seed | 0,
    isOdd: index % 2 === 1,
    ratio: seed / 1024,
    name: index % 16 === 7 ? null : `name ${index} ${"é".repeat(seed % 24)}`,
    at: new Date(seed * 400),
    blob: Buffer.alloc(8 + seed % 24, seed & 0xff)
  }
}

/** Small numbers, names of football clubs, days, and bytes of very different lengths; many values are NULL or empty. */
const matches = () => {
  const games = dataset("football") as ReadonlyArray<Readonly<Record<string, string | number>>>
  return (index: number): Row => {
    const seed = random(index)
    const { away_score, away_team, date, home_score, home_team } = games[index % games.length]!
    return {
      id: index,
      isOdd: seed % 7 < 3,
      ratio: Number(home_score) + Number(away_score) / 4,
      name: seed % 5 === 0 ? null : `${home_team} - ${away_team}`,
      at: new Date(date!),
      blob: Buffer.alloc(seed % 4 === 0 ? 0 : seed % 400, seed & 0xff)
    }
  }
}

const withDocuments = (kind: string, set: 0 | 1): Fixture => ({
  id: `A1b-${kind}-${set + 1}`,
  rowCount: 20_000,
  hasDocuments: true,
  start: () => {
    const texts = documents[kind]![set]().map(toJsonb)
    const row = set === 0 ? measurements() : matches()
    return (index) => ({ ...row(index), document: texts[index % texts.length]! })
  }
})

/** Two fixtures of A1a, and two of A1b for each kind of document. */
export const fixtures: ReadonlyArray<Fixture> = [
  { id: "A1a-1", rowCount: 100_000, hasDocuments: false, start: measurements },
  { id: "A1a-2", rowCount: 100_000, hasDocuments: false, start: matches },
  ...Object.keys(documents).flatMap((kind) => [withDocuments(kind, 0), withDocuments(kind, 1)])
]

const stream = ({ rowCount, start }: Fixture, fields: (row: Row) => ReadonlyArray<Buffer | null>) => {
  const row = start()
  return toChunks(Array.from({ length: rowCount }, (_, index) => dataRow(fields(row(index)))))
}

/** Microseconds from 1970 to 2000. */
const epoch = BigInt(946_684_800_000_000)

/** The rows in binary format. */
export const binaryChunks = (fixture: Fixture): ReadonlyArray<Buffer> =>
  stream(fixture, ({ at, blob, document, id, isOdd, name, ratio }) => {
    const int4 = Buffer.alloc(4)
    int4.writeInt32BE(id)
    const float8 = Buffer.alloc(8)
    float8.writeDoubleBE(ratio)
    const instant = Buffer.alloc(8)
    instant.writeBigInt64BE(BigInt(at.getTime()) * BigInt(1000) - epoch)
    const text = name === null ? null : Buffer.from(name)
    const fields = [int4, Buffer.from([isOdd ? 1 : 0]), float8, text, instant, blob]
    return document === undefined ? fields : [...fields, Buffer.from(`\u0001${document}`)]
  })

/** The rows in text format. */
export const textChunks = (fixture: Fixture): ReadonlyArray<Buffer> =>
  stream(fixture, ({ at, blob, document, id, isOdd, name, ratio }) => {
    const instant = at.toISOString().replace("T", " ").replace("Z", "+00")
    const fields = [`${id}`, isOdd ? "t" : "f", `${ratio}`, name, instant, `\\x${blob.toString("hex")}`]
    return (document === undefined ? fields : [...fields, document])
      .map((text) => text === null ? null : Buffer.from(text))
  })

/** Formats the values of a row as a line for a digest. Throws if the row has other fields. */
export const lineOf = ({ at, blob, document, id, isOdd, name, ratio, ...rest }: RowObject): string => {
  if (Object.keys(rest).length > 0) throw new Error(`a row has ${Object.keys(rest).join(", ")}`)
  const time = (TimestampTz.isTimestampTz(at) ? TimestampTz.toDateUnsafe(at) : at).getTime()
  return JSON.stringify([id, isOdd, ratio, name, time, Buffer.from(blob).toString("hex"), document])
}
