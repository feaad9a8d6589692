/**
 * Storage for a column's values while rows are read: typed arrays that grow, with a validity bit per value.
 *
 * {@link Store.grow} makes room, then a value or NULL is stored at a row's index. If the row turns out to be invalid,
 * the store is rewound.
 *
 * @internal
 */
import * as Codec from "../codec/codec.ts"
import * as Inline from "../codec/inline.ts"
import type { Column } from "../rows/plan.ts"

/** Small, because most results have few rows. A multiple of 32, so that bits and words fill whole arrays. */
const firstCapacity = 64

/** The expected size of a column: the size it had in the previous result. */
export interface ExpectedSize {
  readonly capacity: number
  readonly textBytes: number
}

export const noExpectedSize: ExpectedSize = { capacity: 0, textBytes: 0 }

/**
 * Doubles the size, or grows up to 16-fold towards the expected size. It is not allocated at once, because a small
 * result may follow a large one.
 */
const grownSize = (size: number, expected: number): number => Math.max(size * 2, Math.min(size * 16, expected))

export abstract class Store {
  readonly column: Column
  readonly expected: ExpectedSize
  /** Least significant bit first, 1 for a value; `undefined` while no value is NULL. */
  validity: Uint8Array | undefined
  nullCount = 0
  capacity = 0

  constructor(column: Column, expected: ExpectedSize) {
    this.column = column
    this.expected = expected
  }

  /** Returns the expected size of the next store, if it becomes like this one with `length` rows. */
  nextExpectedSize(length: number): ExpectedSize {
    return { capacity: length + 31 & ~31, textBytes: 0 }
  }

  /** Makes room for more rows. */
  grow(): void {
    this.capacity = this.capacity === 0 ? firstCapacity : grownSize(this.capacity, this.expected.capacity)
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

  /** Removes the value of a row. */
  rewind(row: number): void {
    if (this.validity === undefined || (this.validity[row >> 3]! >> (row & 7) & 1) === 1) return
    this.validity[row >> 3]! |= 1 << (row & 7)
    this.nullCount--
  }

  /** Returns the validity of the first `length` rows; the bits after them are 0. */
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

export class FixedStore extends Store {
  readonly kind: Inline.FixedStorage
  values: ReturnType<Inline.FixedStorage["make"]>
  /** The same memory as 32-bit words. */
  words: Int32Array

  constructor(column: Column, expected: ExpectedSize, kind: Inline.FixedStorage) {
    super(column, expected)
    this.kind = kind
    this.values = kind.make(0)
    this.words = new Int32Array(0)
  }

  put(bytes: Uint8Array, start: number, end: number, row: number): void {
    const { read, typeModifier } = this.column
    this.values[row] = this.kind.toStored(read(bytes, start, end, typeModifier) as never) as never
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

/** Up to this length a loop copies faster than a call of `set`. */
const loopLimit = 64

const maxTextBytes = 0x7fffffff

/** True if the bytes are UTF-8 (RFC 3629). Creates no string. */
const isUtf8 = (bytes: Uint8Array, start: number, end: number): boolean => {
  for (let at = start; at < end;) {
    const lead = bytes[at++]!
    if (lead < 0x80) continue
    // The number of bytes that follow, and the range of the first of them, which excludes overlong forms, surrogates
    // and code points that are too large.
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
    // Invalid UTF-8 is detected in its own row: the codec throws the reason.
    if (units >= 0x80 && (length > loopLimit || !isUtf8(bytes, start, end))) {
      this.column.read(bytes, start, end, this.column.typeModifier)
    }
    this.offsets[row + 1] = at + length
  }

  override nextExpectedSize(length: number): ExpectedSize {
    return { ...super.nextExpectedSize(length), textBytes: this.offsets[length]! }
  }

  private makeRoom(length: number): void {
    if (length > maxTextBytes) {
      const { format, typeName } = this.column
      Codec.outOfRange(typeName, format, `at most ${maxTextBytes} bytes of text in a column`, "more")
    }
    const wanted = grownSize(Math.max(this.bytes.length, firstCapacity * 8), this.expected.textBytes)
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

/** Stores the values of any other type unchanged. */
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

/**
 * Creates the store for a column by the codec that reads it, so that a type for which a preset has another codec is
 * stored as that codec's values.
 */
export const make = (column: Column, expected: ExpectedSize): Store => {
  const storage = Inline.storage(column.read)
  if (storage === undefined) return new ValuesStore(column, expected)
  return storage === "text" ? new TextStore(column, expected) : new FixedStore(column, expected, storage)
}

const unusedColumn: Column = { name: "", read: () => null, typeModifier: -1, typeName: "", format: 0 }

/**
 * One unused instance of each class. If two garbage collections in a row find no instance of a class, V8 discards its
 * hidden class, and all code that it has optimised for it.
 */
export const retainHiddenClasses: ReadonlyArray<Store> = [
  new FixedStore(unusedColumn, noExpectedSize, Inline.stored("Int32", Int32Array)),
  new TextStore(unusedColumn, noExpectedSize),
  new ValuesStore(unusedColumn, noExpectedSize)
]
