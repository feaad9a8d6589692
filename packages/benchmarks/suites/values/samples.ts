/** Values of the types that are measured individually, and their library-independent form in a digest. */
import { BuiltIn, CalendarDate, TimestampTz, type Type } from "@hyperfect/values"
import { BigDecimal } from "effect"
import { random } from "../codec/documents.ts"

export interface Sample {
  readonly type: Type.Any
  readonly make: (index: number) => unknown
  /** Converts the value of any library to one common form. */
  readonly line: (value: unknown) => string
}

const iso = (date: Date): string =>
  [`${date.getFullYear()}`, `${date.getMonth() + 1}`, `${date.getDate()}`].map((part) => part.padStart(2, "0")).join(
    "-"
  )

export const samples: ReadonlyArray<Sample> = [
  { type: BuiltIn.bool, make: (i) => random(i) % 3 === 0, line: String },
  { type: BuiltIn.int4, make: (i) => random(i) | 0, line: String },
  { type: BuiltIn.int8, make: (i) => BigInt(random(i)) * BigInt(1_000_000_007), line: String },
  { type: BuiltIn.float8, make: (i) => random(i) / 1024, line: String },
  {
    type: BuiltIn.numeric,
    make: (i) => BigDecimal.make(BigInt(random(i)) * BigInt(10) + BigInt(1), 4),
    line: (value) => BigDecimal.isBigDecimal(value) ? BigDecimal.format(value) : String(value)
  },
  { type: BuiltIn.text, make: (i) => `name ${i} ${"é".repeat(random(i) % 12)}`, line: String },
  {
    type: BuiltIn.bytea,
    make: (i) => Buffer.alloc(8 + random(i) % 24, random(i) & 0xff),
    line: (value) => Buffer.from(value as Uint8Array).toString("hex")
  },
  {
    type: BuiltIn.uuid,
    make: (i) => `00112233-4455-6677-8899-${random(i).toString(16).padStart(12, "0")}`,
    line: String
  },
  {
    type: BuiltIn.date,
    make: (i) => CalendarDate.fromDayUnsafe(random(i) % 20_000),
    line: (value) => value instanceof Date ? iso(value) : String(value)
  },
  {
    type: BuiltIn.timestamptz,
    make: (i) => new Date(random(i) * 400),
    line: (value) => `${(TimestampTz.isTimestampTz(value) ? TimestampTz.toDateUnsafe(value) : value as Date).getTime()}`
  },
  {
    type: BuiltIn.jsonb,
    make: (i) => ({ id: i, tags: ["a", "b"], nested: { score: random(i) % 1000 } }),
    line: (value) => JSON.stringify(value)
  },
  {
    type: BuiltIn.array(BuiltIn.int4),
    make: (i) => Array.from({ length: i % 12 }, (_, j) => random(i + j) | 0),
    line: (value) => JSON.stringify(value)
  }
]

/** Returns the type's name without blanks and brackets. */
export const idOf = ({ type }: Sample): string => type.name.replace("[]", "-array")
