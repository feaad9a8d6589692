/**
 * Readers of rows into columns as generated code.
 *
 * As in `rowGenerated` the code takes the straight road only, and hands the row to the closures wherever something is wrong.
 * Nothing of what a server sent gets into the code, only numbers.
 *
 * @internal
 */
import * as BuiltIn from "../BuiltIn.ts"
import type { Codec, Type } from "../Type.ts"
import * as Calendar from "./calendar.ts"
import { type AppendRow, appendRow } from "./columnClosures.ts"
import type { Store } from "./columnStores.ts"
import type { Column } from "./rowPlan.ts"
import * as Words from "./words.ts"

interface Inline {
  readonly size: number
  /** True for values that are left to the closures. */
  readonly refuses?: string
  /** Keeps the value at `p` as that of row `i` in the store `c`. */
  readonly code: (c: string) => string
}

const big = (at: number): string =>
  `(b[p + ${at}] << 24) | (b[p + ${at + 1}] << 16) | (b[p + ${at + 2}] << 8) | b[p + ${at + 3}]`
const little = (at: number): string =>
  `(b[p + ${at + 3}] << 24) | (b[p + ${at + 2}] << 16) | (b[p + ${at + 1}] << 8) | b[p + ${at}]`

const value = (size: number, expression: string): Inline => ({ size, code: (c) => `${c}.values[i] = ${expression}` })

/** Values of 8 bytes are kept by their two words, without a `bigint` or a number in between. */
const words = (low: string, high: string): Inline => ({
  size: 8,
  code: (c) => `${c}.words[2 * i + ${Words.low}] = ${low}; ${c}.words[2 * i + ${Words.high}] = ${high}`
})

const word = (expression: string): Inline => ({ size: 4, code: (c) => `${c}.words[i] = ${expression}` })

const puts = new Map<Codec<unknown>["read"] | undefined, Inline>()

const add = (type: Type<unknown, never>, binary: Inline, hyper: Inline): void => {
  puts.set(type.binary?.read, binary).set(type.hyper?.read, hyper)
}

const bool = value(1, "b[p] !== 0 ? 1 : 0")
add(BuiltIn.bool, bool, bool)
add(BuiltIn.int2, value(2, "(b[p] << 8) | b[p + 1]"), value(2, "(b[p + 1] << 8) | b[p]"))
for (const type of [BuiltIn.int4, BuiltIn.oid, BuiltIn.float4]) add(type, word(big(0)), word(little(0)))
for (const type of [BuiltIn.int8, BuiltIn.float8]) add(type, words(big(4), big(0)), words(little(0), little(4)))

/** Days of Hyper are Julian ones, and its microseconds are counted from Julian day 0, without a sign. */
const epoch = BigInt(Calendar.julianOf2000) * BigInt(Calendar.microsecondsPerDay)
const epochLow = Number(BigInt.asUintN(32, epoch))
const epochHigh = Number(epoch >> BigInt(32))

add(BuiltIn.date, word(big(0)), { ...word(`(${little(0)}) - ${Calendar.julianOf2000}`), refuses: "b[p + 3] > 0x7f" })
for (const type of [BuiltIn.timestamp, BuiltIn.timestamptz]) {
  const low = little(0)
  const high = `(${little(4)}) - ${epochHigh} - (((${low}) >>> 0) < ${epochLow} ? 1 : 0)`
  add(type, words(big(4), big(0)), {
    ...words(`(${low}) - ${epochLow}`, high),
    // Close to 2^63 of PostgreSQL's microseconds, and beyond.
    refuses: `(b[p + 7] > 0x82 || (b[p + 7] === 0x82 && b[p + 6] > 0xef))`
  })
}

const put = ({ read }: Column, index: number): string => {
  const inline = puts.get(read)
  const c = `c${index}`
  const sizes = inline === undefined ? "n < 0 || n > e - p" : `n !== ${inline.size} || n > e - p`
  const refuses = inline?.refuses === undefined ? "" : ` || ${inline.refuses}`
  return `
    if (p + 4 > e) return -1
    n = ${big(0)}
    p += 4
    if (n === -1) ${c}.putNull(i)
    else {
      if (${sizes}${refuses}) return -1
      ${inline === undefined ? `${c}.put(b, p, p + n, i)` : inline.code(c)}
      p += n
    }`
}

/** More columns in one function are optimised less and less well (measured). */
const groupSize = 16

/** Puts the columns of a group, and returns where the next one begins; -1 leaves the row to the closures. */
type PutGroup = (bytes: Uint8Array, at: number, end: number, row: number, stores: ReadonlyArray<Store>) => number

const makeGroup = (columns: ReadonlyArray<Column>, first: number): PutGroup => {
  const body = `"use strict"
return (b, p, e, i, t) => {
  ${columns.map((_, index) => `const c${index} = t[${first + index}]`).join("\n  ")}
  let n = 0${columns.map(put).join("")}
  return p
}`
  // oxlint-disable-next-line typescript/no-implied-eval -- what is in the code is said above
  return new Function(body)() as PutGroup
}

export const make = (columns: ReadonlyArray<Column>): AppendRow => {
  const count = columns.length
  const groups: Array<PutGroup> = []
  for (let first = 0; first < count; first += groupSize) {
    groups.push(makeGroup(columns.slice(first, first + groupSize), first))
  }
  const slow: AppendRow = (bytes, start, end, row, stores) => {
    for (const store of stores) store.rewind(row)
    appendRow(bytes, start, end, row, stores)
  }
  return (bytes, start, end, row, stores) => {
    let at = start + 2
    if (at > end || ((bytes[start]! << 8) | bytes[start + 1]!) !== count) return slow(bytes, start, end, row, stores)
    try {
      for (let i = 0; i < groups.length && at >= 0; i++) at = groups[i]!(bytes, at, end, row, stores)
    } catch {
      return slow(bytes, start, end, row, stores)
    }
    if (at !== end) slow(bytes, start, end, row, stores)
  }
}
