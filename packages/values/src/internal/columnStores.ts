/**
 * Where the values of a column are kept while rows are read: typed arrays that grow, with a bit for each value that says
 * whether there is one.
 *
 * A store has room after {@link Store.grow}, puts a value or NULL at the index of a row, and is rewound when the row turns
 * out to be wrong.
 *
 * @internal
 */
import * as BuiltIn from "../BuiltIn.ts"
import type { CalendarDate } from "../CalendarDate.ts"
import type { Timestamp } from "../Timestamp.ts"
import type { TimestampTz } from "../TimestampTz.ts"
import type { Codec, Type } from "../Type.ts"
import * as Calendar from "./calendar.ts"
import * as Codec_ from "./codec.ts"
import type { Column } from "./rowPlan.ts"

/** Little, for most results have few rows. A multiple of 32, so that bits and words fill whole arrays. */
const firstCapacity = 64

type Read = Codec<unknown>["read"]

/** How large a column is likely to become: as large as it was the last time. */
export interface Expected {
  readonly capacity: number
  readonly textBytes: number
}

export const nothingExpected: Expected = { capacity: 0, textBytes: 0 }

/** Twice as much, or quickly towards what is expected: not at once, for a small result may follow a large one. */
const grown = (size: number, expected: number): number => Math.max(size * 2, Math.min(size * 16, expected))

export abstract class Store {
  /** It may be replaced by one that is read in another way to the same values. */
  column: Column
  readonly expected: Expected
  /** Least significant bit first, 1 for a value; `undefined` as long as no value is NULL. */
  validity: Uint8Array | undefined
  nullCount = 0
  capacity = 0

  constructor(column: Column, expected: Expected) {
    this.column = column
    this.expected = expected
  }

  /** What to expect of the next store, if it becomes like this one with so many rows. */
  likeness(length: number): Expected {
    return { capacity: length + 31 & ~31, textBytes: 0 }
  }

  /** Makes room for more rows. */
  grow(): void {
    this.capacity = this.capacity === 0 ? firstCapacity : grown(this.capacity, this.expected.capacity)
    if (this.validity !== undefined) this.validity = this.widened(this.validity)
    this.resize(this.capacity)
  }

  private widened(validity: Uint8Array): Uint8Array {
    const wider = new Uint8Array(this.capacity >> 3).fill(0xff)
    wider.set(validity)
    return wider
  }

  /** Marks the value of a row as NULL. */
  putNull(row: number): void {
    this.validity ??= this.widened(new Uint8Array(0))
    this.validity[row >> 3]! &= ~(1 << (row & 7))
    this.nullCount++
    this.clear(row)
  }

  /** Takes back what was put for a row. */
  rewind(row: number): void {
    if (this.validity === undefined || (this.validity[row >> 3]! >> (row & 7) & 1) === 1) return
    this.validity[row >> 3]! |= 1 << (row & 7)
    this.nullCount--
  }

  /** The validity of the first rows; the bits beyond them are 0. */
  takeValidity(length: number): Uint8Array | undefined {
    if (this.nullCount === 0) return undefined
    const validity = this.validity!.slice(0, (length + 7) >> 3)
    if ((length & 7) !== 0) validity[length >> 3]! &= (1 << (length & 7)) - 1
    return validity
  }

  abstract put(bytes: Uint8Array, start: number, end: number, row: number): void
  protected abstract resize(capacity: number): void
  protected abstract clear(row: number): void
}

type Fixed =
  | Int16Array
  | Int32Array
  | Uint32Array
  | BigInt64Array
  | Float32Array
  | Float64Array
  | Uint8Array

/** How a type of a fixed width is kept. */
export interface Kind {
  readonly tag:
    | "Int16"
    | "Int32"
    | "UInt32"
    | "Int64"
    | "Float32"
    | "Float64"
    | "Bool"
    | "Date"
    | "Timestamp"
    | "TimestampTz"
  readonly make: (length: number) => Fixed
  /** What is kept of a value as the codec reads it. */
  readonly keep: (value: never) => number | bigint
}

export class FixedStore extends Store {
  readonly kind: Kind
  values: Fixed
  /** The same memory in words of 32 bits. */
  words: Int32Array

  constructor(column: Column, expected: Expected, kind: Kind) {
    super(column, expected)
    this.kind = kind
    this.values = kind.make(0)
    this.words = new Int32Array(0)
  }

  put(bytes: Uint8Array, start: number, end: number, row: number): void {
    const { read, typeModifier } = this.column
    this.values[row] = this.kind.keep(read(bytes, start, end, typeModifier) as never) as never
  }

  protected resize(capacity: number): void {
    const values = this.kind.make(capacity)
    ;(values as Int32Array).set(this.values as Int32Array)
    this.values = values
    this.words = new Int32Array(values.buffer)
  }

  protected clear(row: number): void {
    this.values[row] = (this.values instanceof BigInt64Array ? zero : 0) as never
  }
}

const zero = BigInt(0)
const microsecondsPerDay = BigInt(Calendar.microsecondsPerDay)

/** The least and the greatest count of microseconds, which are PostgreSQL's infinities. */
const minInt64 = BigInt("-9223372036854775808")
const maxInt64 = BigInt("9223372036854775807")

/** Microseconds from 2000-01-01, as PostgreSQL counts. */
const microseconds = ({ day, microsecond }: Timestamp | TimestampTz): bigint => {
  if (day === Calendar.infinity) return maxInt64
  if (day === Calendar.negativeInfinity) return minInt64
  const count = BigInt(day) * microsecondsPerDay + BigInt(microsecond)
  return BigInt.asIntN(64, count) === count
    ? count
    : Codec_.outOfRange("timestamp", 2, "microseconds from 2000-01-01 in 64 bits", "more")
}

/** The count's days and microseconds of the last day. */
export const fromMicroseconds = <A>(count: bigint, make: (day: number, microsecond: number) => A): A => {
  if (count === maxInt64) return make(Calendar.infinity, 0)
  if (count === minInt64) return make(Calendar.negativeInfinity, 0)
  const rest = count % microsecondsPerDay
  const microsecond = rest < zero ? rest + microsecondsPerDay : rest
  return make(Number((count - microsecond) / microsecondsPerDay), Number(microsecond))
}

/** Up to here a loop copies faster than the calls that `set` needs. */
const loopLimit = 64

const maxTextBytes = 0x7fffffff

/** Whether bytes are UTF-8 (RFC 3629), without a string of them. */
const isUtf8 = (bytes: Uint8Array, start: number, end: number): boolean => {
  for (let at = start; at < end;) {
    const lead = bytes[at++]!
    if (lead < 0x80) continue
    // How many bytes follow, and which the first of them may be: neither too long a form, nor a surrogate, nor too large.
    const more = lead < 0xc2 ? 0 : lead < 0xe0 ? 1 : lead < 0xf0 ? 2 : lead < 0xf5 ? 3 : 0
    if (more === 0 || at + more > end) return false
    const next = bytes[at]!
    const least = lead === 0xe0 ? 0xa0 : lead === 0xf0 ? 0x90 : 0x80
    const most = lead === 0xed ? 0x9f : lead === 0xf4 ? 0x8f : 0xbf
    if (next < least || next > most) return false
    for (let i = 1; i < more; i++) if ((bytes[at + i]! & 0xc0) !== 0x80) return false
    at += more
  }
  return true
}

export class TextStore extends Store {
  offsets = new Int32Array(1)
  bytes = new Uint8Array(0)

  put(bytes: Uint8Array, start: number, end: number, row: number): void {
    const at = this.offsets[row]!
    const length = end - start
    if (at + length > this.bytes.length) this.makeRoom(at + length)
    const into = this.bytes
    let units = 0
    if (length <= loopLimit) {
      for (let i = 0; i < length; i++) {
        const byte = bytes[start + i]!
        into[at + i] = byte
        units |= byte
      }
    } else {
      into.set(bytes.subarray(start, end), at)
      units = 0x80
    }
    // What is not UTF-8 is found in its row, and reading it says so.
    if (units >= 0x80 && (length > loopLimit || !isUtf8(bytes, start, end))) {
      this.column.read(bytes, start, end, this.column.typeModifier)
    }
    this.offsets[row + 1] = at + length
  }

  override likeness(length: number): Expected {
    return { ...super.likeness(length), textBytes: this.offsets[length]! }
  }

  private makeRoom(length: number): void {
    if (length > maxTextBytes) {
      const { format, typeName } = this.column
      Codec_.outOfRange(typeName, format, `at most ${maxTextBytes} bytes of text in a column`, "more")
    }
    const wanted = grown(Math.max(this.bytes.length, firstCapacity * 8), this.expected.textBytes)
    const bytes = new Uint8Array(Math.min(maxTextBytes, Math.max(length, wanted)))
    bytes.set(this.bytes)
    this.bytes = bytes
  }

  protected resize(capacity: number): void {
    const offsets = new Int32Array(capacity + 1)
    offsets.set(this.offsets)
    this.offsets = offsets
  }

  protected clear(row: number): void {
    this.offsets[row + 1] = this.offsets[row]!
  }
}

/** Any other type: its values as they are. */
export class ValuesStore extends Store {
  values: Array<unknown> = []

  put(bytes: Uint8Array, start: number, end: number, row: number): void {
    this.values[row] = this.column.read(bytes, start, end, this.column.typeModifier)
  }

  protected resize(): void {}

  protected clear(row: number): void {
    this.values[row] = null
  }
}

const kinds = new Map<Read | undefined, Kind>()
const texts = new Set<Read | undefined>()

const readsOf = ({ binary, hyper, text }: Type<unknown, never>) => [text.read, binary?.read, hyper?.read]

const register = (type: Type<unknown, never>, kind: Kind): void => {
  for (const read of readsOf(type)) kinds.set(read, kind)
}

const asIs = (value: number | bigint) => value

register(BuiltIn.bool, {
  tag: "Bool",
  make: (length) => new Uint8Array(length),
  keep: (value: boolean) => value ? 1 : 0
})
register(BuiltIn.int2, { tag: "Int16", make: (length) => new Int16Array(length), keep: asIs })
register(BuiltIn.int4, { tag: "Int32", make: (length) => new Int32Array(length), keep: asIs })
register(BuiltIn.oid, { tag: "UInt32", make: (length) => new Uint32Array(length), keep: asIs })
register(BuiltIn.int8, { tag: "Int64", make: (length) => new BigInt64Array(length), keep: asIs })
register(BuiltIn.float4, { tag: "Float32", make: (length) => new Float32Array(length), keep: asIs })
register(BuiltIn.float8, { tag: "Float64", make: (length) => new Float64Array(length), keep: asIs })
register(BuiltIn.date, { tag: "Date", make: (length) => new Int32Array(length), keep: ({ day }: CalendarDate) => day })
const counted = { make: (length: number) => new BigInt64Array(length), keep: microseconds }
register(BuiltIn.timestamp, { tag: "Timestamp", ...counted })
register(BuiltIn.timestamptz, { tag: "TimestampTz", ...counted })
for (const type of [BuiltIn.text, BuiltIn.varchar, BuiltIn.bpchar, BuiltIn.name]) {
  for (const read of readsOf(type)) texts.add(read)
}

/** The store for a column, by the codec that reads it: a type that a preset reads as something else is kept as that. */
export const make = (column: Column, expected: Expected): Store => {
  const kind = kinds.get(column.read)
  if (kind !== undefined) return new FixedStore(column, expected, kind)
  return texts.has(column.read) ? new TextStore(column, expected) : new ValuesStore(column, expected)
}

const nobody: Column = { name: "", read: () => null, typeModifier: -1, typeName: "", format: 0 }

/**
 * One of each kind, never used: V8 forgets what objects of a class look like when it has found none of them twice while it
 * collected garbage, and with it all code that it had optimised for them.
 */
export const kept: ReadonlyArray<Store> = [
  new FixedStore(nobody, nothingExpected, kinds.get(BuiltIn.int4.text.read)!),
  new TextStore(nobody, nothingExpected),
  new ValuesStore(nobody, nothingExpected)
]
