/**
 * Values of the types that are measured individually, and their library-independent form in a digest.
 *
 * There are two sets of different content, both computed from the index of a value.
 */
import { BuiltIn, CalendarDate, TimestampTz, type Type } from "@hyperfect/values"
import { BigDecimal } from "effect"
import { documents, random, seeded, sentence } from "./documents.ts"

export interface Sample {
  readonly type: Type.Any
  readonly make: (index: number) => unknown
  /** Converts the value of any library to one common form. */
  readonly line: (value: unknown) => string
}

interface Kind extends Omit<Sample, "make"> {
  /** The functions of the two sets. */
  readonly makes: readonly [Sample["make"], Sample["make"]]
}

const iso = (date: Date): string =>
  [`${date.getFullYear()}`, `${date.getMonth() + 1}`, `${date.getDate()}`].map((part) => part.padStart(2, "0")).join(
    "-"
  )

const hex = (digits: number, seed: number): string => random(seed).toString(16).padStart(8, "0").slice(0, digits)

let posts: ReadonlyArray<unknown> | undefined
/** Returns a document of some hundred bytes, with nested arrays. */
const post = (index: number): unknown => {
  posts ??= documents["post"]![1]()
  return posts[index % posts.length]
}

const kinds: ReadonlyArray<Kind> = [
  { type: BuiltIn.bool, makes: [(i) => random(i) % 3 === 0, (i) => i % 64 !== 0], line: String },
  { type: BuiltIn.int4, makes: [(i) => random(i) | 0, (i) => random(i) % 200 - 50], line: String },
  {
    type: BuiltIn.int8,
    makes: [(i) => BigInt(random(i)) * BigInt(1_000_000_007), (i) => BigInt(random(i) % 5000 - 1000)],
    line: String
  },
  { type: BuiltIn.float8, makes: [(i) => random(i) / 1024, (i) => (random(i) % 20_000 - 5000) / 100], line: String },
  {
    type: BuiltIn.numeric,
    makes: [
      (i) => BigDecimal.make(BigInt(random(i)) * BigInt(10) + BigInt(1), 4),
      (i) =>
        i % 3 === 0
          ? BigDecimal.make(BigInt(i % 500 - 250), 0)
          : BigDecimal.make(BigInt(random(i)) * BigInt(10) ** BigInt(20) + BigInt(1), 12)
    ],
    line: (value) => BigDecimal.isBigDecimal(value) ? BigDecimal.format(value) : String(value)
  },
  {
    type: BuiltIn.text,
    makes: [
      (i) => `name ${i} ${"é".repeat(random(i) % 12)}`,
      (i) => {
        const next = seeded(i)
        return sentence(next, next(40))
      }
    ],
    line: String
  },
  {
    type: BuiltIn.bytea,
    makes: [
      (i) => Buffer.alloc(8 + random(i) % 24, random(i) & 0xff),
      (i) => Buffer.alloc(i % 8 === 0 ? 0 : random(i) % 300, hex(8, i), "hex")
    ],
    line: (value) => Buffer.from(value as Uint8Array).toString("hex")
  },
  {
    type: BuiltIn.uuid,
    makes: [
      (i) => `00112233-4455-6677-8899-${random(i).toString(16).padStart(12, "0")}`,
      (i) => {
        const [at, next] = [hex(8, i), random(i)]
        return `${at}-${hex(4, next)}-4${hex(3, next + 1)}-8${hex(3, next + 2)}-${hex(8, next + 3)}${hex(4, next + 4)}`
      }
    ],
    line: String
  },
  {
    type: BuiltIn.date,
    makes: [
      (i) => CalendarDate.fromDayUnsafe(random(i) % 20_000),
      (i) => CalendarDate.fromDayUnsafe(random(i) % 60_000 - 30_000)
    ],
    line: (value) => value instanceof Date ? iso(value) : String(value)
  },
  {
    type: BuiltIn.timestamptz,
    // Milliseconds from 1970 on; whole seconds before and after 1970.
    makes: [(i) => new Date(random(i) * 400), (i) => new Date((random(i) - 2 ** 31) * 1000)],
    line: (value) => `${(TimestampTz.isTimestampTz(value) ? TimestampTz.toDateUnsafe(value) : value as Date).getTime()}`
  },
  {
    type: BuiltIn.jsonb,
    makes: [(i) => ({ id: i, tags: ["a", "b"], nested: { score: random(i) % 1000 } }), post],
    line: (value) => JSON.stringify(value)
  },
  {
    type: BuiltIn.array(BuiltIn.int4),
    makes: [
      (i) => Array.from({ length: i % 12 }, (_, j) => random(i + j) | 0),
      (i) => Array.from({ length: random(i) % 60 }, (_, j) => random(i + j) % 5 === 0 ? null : random(i + j) % 100)
    ],
    line: (value) => JSON.stringify(value)
  }
]

/** The number of a set. */
export type Which = 0 | 1

export const sets: ReadonlyArray<Which> = [0, 1]

/** Returns the values of each type in a set. */
export const samplesOf = (set: Which): ReadonlyArray<Sample> =>
  kinds.map(({ line, makes, type }) => ({ type, line, make: makes[set] }))

/** Returns the values of these types in a set. */
export const columnsOf = (set: Which, types: ReadonlyArray<Type.Any>): ReadonlyArray<Sample> => {
  const samples = samplesOf(set)
  return types.map((type) => {
    const found = samples.find((sample) => sample.type.oid === type.oid)
    if (found === undefined) throw new Error(`no values of ${type.name}`)
    return found
  })
}

/** Returns the id of a workload with the fixture of a set: that of the first set has no suffix. */
export const idOf = (id: string, set: Which): string => set === 0 ? id : `${id}-${set + 1}`
