/**
 * The source text of codecs that generated code inlines, because a call would cost more than reading or writing the
 * value; and the typed arrays that columns of their values are stored in.
 *
 * Source text is found by the functions of a codec and declared by this package's types only: a `Type` has none of its
 * own, so neither a caller's type nor data can add text to generated code.
 *
 * In the code `b` is the array of bytes and `p` a position in it. A reader's `n` is the length of the value at `p`. A
 * writer's `v` is the value to write at `p`, where space is reserved, and `w` a `DataView` over `b`.
 *
 * @internal
 */
import { readInt32Code } from "@hyperfect/protocol/internal/bigEndian"
import { type Code, code } from "@hyperfect/protocol/internal/codegen"
import type { Codec, Type } from "../../Type.ts"
import * as Numbers from "./numbers.ts"

interface WriteBase {
  /** One of the values that the code writes, which represents all others of its type. */
  readonly sample: unknown
  /** An expression that is true for a value that the codec rejects, or writes differently. */
  readonly refuses: Code
}

export interface FixedWrite extends WriteBase {
  readonly _tag: "Fixed"
  readonly code: Code
}

export interface VariableWrite extends WriteBase {
  readonly _tag: "Variable"
  /** An expression for the maximum size of a value in bytes. */
  readonly maxSize: Code
  /** A function that writes `v` and returns the number of bytes, or -1 for a value that the codec rejects. */
  readonly helper: (value: never, bytes: Uint8Array, at: number) => number
}

export type Write = FixedWrite | VariableWrite

/** Code that stores the value at `p` as the value of row `i` of a column. */
export interface Store {
  /** An expression that is true for values that the closures must handle. */
  readonly refuses?: Code
  readonly code: (column: Code) => Code
}

/** The source text of one codec. */
export interface Source {
  /** The size of a value in bytes, if it is fixed. */
  readonly size?: number
  /** An expression for the value. It may throw anything to pass the row to the closures. */
  readonly read?: Code
  readonly store?: Store
  readonly write?: Write
}

type FixedArray = Int16Array | Int32Array | Uint32Array | BigInt64Array | Float32Array | Float64Array | Uint8Array

/** The storage of a type with a fixed width in a column. */
export interface FixedStorage {
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
  readonly make: (length: number) => FixedArray
  /** Converts a value that the codec returned to the stored number. */
  readonly toStored: (value: never) => number | bigint
}

const identity = (value: unknown) => value as number

/** Creates the storage of values that are numbers, or are converted to numbers by `toStored`. */
export const stored = <A>(
  tag: FixedStorage["tag"],
  Values: new(length: number) => FixedArray,
  toStored: (value: A) => number | bigint = identity
): FixedStorage => ({ tag, make: (length) => new Values(length), toStored })

type Storage = FixedStorage | "text"

type Read = Codec<unknown>["read"]
type WriteValue = Codec<never, never>["write"]

const storages = new WeakMap<Read, Storage>()
const sources = new WeakMap<Read | WriteValue, Source>()

/** Returns the source text for a codec's `read` or `write`, if it has any. */
export const find = (method: Read | WriteValue): Source | undefined => sources.get(method)

/** Returns the storage of a column by the codec that reads it. */
export const storage = (read: Read): Storage | undefined => storages.get(read)

/** Creates a function that declares the storage of a type's columns, and the source text of its codecs. */
export const declare = (
  storage: Storage | undefined,
  formats: { readonly text?: Source; readonly binary: Source; readonly hyper: Source }
) =>
<A, I>(type: Type<A, I>): Type<A, I> => {
  for (const format of ["text", "binary", "hyper"] as const) {
    const codec = type[format]
    if (codec === undefined) continue
    if (storage !== undefined) storages.set(codec.read, storage)
    const source = formats[format]
    if (source !== undefined) sources.set(codec.read, source).set(codec.write, source)
  }
  return type
}

/** The byte order of a format, and what depends on it. */
export interface ByteOrder {
  readonly littleEndian: boolean
  readonly int16: Code
  readonly int32: Code
  /** The positions of the two words of a 64-bit integer, and expressions for them. */
  readonly words: { readonly highAt: number; readonly lowAt: number; readonly high: Code; readonly low: Code }
  readonly numbers: Pick<typeof Numbers, "float32" | "float64" | "int64">
}

const word = (...order: readonly [number, number, number, number]): Code => readInt32Code(code`p`, order)

const bigEndian: ByteOrder = {
  littleEndian: false,
  int16: code`(b[p] << 24 >> 16) | b[p + 1]`,
  int32: word(0, 1, 2, 3),
  words: { highAt: 0, lowAt: 4, high: word(0, 1, 2, 3), low: word(4, 5, 6, 7) },
  numbers: Numbers
}

const littleEndian: ByteOrder = {
  littleEndian: true,
  int16: code`(b[p + 1] << 24 >> 16) | b[p]`,
  int32: word(3, 2, 1, 0),
  words: { highAt: 4, lowAt: 0, high: word(7, 6, 5, 4), low: word(3, 2, 1, 0) },
  numbers: { float32: Numbers.float32LE, float64: Numbers.float64LE, int64: Numbers.int64LE }
}

/** Does the same for types whose values have the same fixed size in both binary formats. */
export const fixed = (size: number, storage: FixedStorage, source: (order: ByteOrder) => Source) =>
  declare(storage, { binary: { size, ...source(bigEndian) }, hyper: { size, ...source(littleEndian) } })

export const storeValue = (expression: Code): Store => ({ code: (column) => code`${column}.values[i] = ${expression}` })

export const storeWord = (expression: Code): Store => ({ code: (column) => code`${column}.words[i] = ${expression}` })

/** Stores an 8-byte value as two words, without creating a `bigint` or a number. */
export const storeWords = ({ high, low }: Pick<ByteOrder["words"], "high" | "low">): Store => ({
  code: (column) =>
    code`${column}.words[2 * i + ${Numbers.low}] = ${low}; ${column}.words[2 * i + ${Numbers.high}] = ${high}`
})

export const writeFixed = (sample: unknown, refuses: Code, code: Code): FixedWrite => ({
  _tag: "Fixed",
  sample,
  refuses,
  code
})

/** An expression that is true for a value that is not a number. */
export const notNumber = code`typeof v !== "number"`
