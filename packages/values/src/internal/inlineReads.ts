/**
 * The codecs that generated row readers do not call but write out, because the call would cost more than the reading.
 *
 * In the code `b` is the frame, `p` the position of a value, `n` its length and `e` the end of the row.
 *
 * @internal
 */
import * as Utf8 from "@hyperfect/protocol/Utf8"
import * as BuiltIn from "../BuiltIn.ts"
import type { Codec } from "../Type.ts"
import * as Bytes from "./bytes.ts"
import * as Words from "./words.ts"

interface Inline {
  /** The number of bytes, where there is only one. */
  readonly size: number | undefined
  /** An expression for the value. It may throw anything to have the closures look at the row. */
  readonly code: string
}

/** What the code may call. */
export const tools = {
  copy: Bytes.copy,
  float32: Words.float32,
  float32LE: Words.float32LE,
  float64: Words.float64,
  float64LE: Words.float64LE,
  int64: Words.int64,
  int64LE: Words.int64LE,
  utf8: (bytes: Uint8Array, start: number, end: number): string => {
    const text = Utf8.decode(bytes, start, end)
    if (text === undefined) throw tools
    return text
  }
}

export const names: ReadonlyArray<string> = Object.keys(tools)

const fixed = (size: number, code: string): Inline => ({ size, code })

const reads = new Map<Codec<unknown>["read"] | undefined, Inline>([
  [BuiltIn.bool.binary?.read, fixed(1, "b[p] !== 0")],
  [BuiltIn.bool.hyper?.read, fixed(1, "b[p] !== 0")],
  [BuiltIn.int2.binary?.read, fixed(2, "(b[p] << 24 >> 16) | b[p + 1]")],
  [BuiltIn.int2.hyper?.read, fixed(2, "(b[p + 1] << 24 >> 16) | b[p]")],
  [BuiltIn.int4.binary?.read, fixed(4, "(b[p] << 24) | (b[p + 1] << 16) | (b[p + 2] << 8) | b[p + 3]")],
  [BuiltIn.int4.hyper?.read, fixed(4, "(b[p + 3] << 24) | (b[p + 2] << 16) | (b[p + 1] << 8) | b[p]")],
  [BuiltIn.int8.binary?.read, fixed(8, "int64(b, p)")],
  [BuiltIn.int8.hyper?.read, fixed(8, "int64LE(b, p)")],
  [BuiltIn.float4.binary?.read, fixed(4, "float32(b, p)")],
  [BuiltIn.float4.hyper?.read, fixed(4, "float32LE(b, p)")],
  [BuiltIn.float8.binary?.read, fixed(8, "float64(b, p)")],
  [BuiltIn.float8.hyper?.read, fixed(8, "float64LE(b, p)")]
])

for (const type of [BuiltIn.text, BuiltIn.varchar, BuiltIn.bpchar, BuiltIn.name]) {
  for (const codec of [type.text, type.binary, type.hyper]) {
    reads.set(codec?.read, { size: undefined, code: "utf8(b, p, p + n)" })
  }
}

for (const codec of [BuiltIn.bytea.binary, BuiltIn.bytea.hyper]) {
  reads.set(codec?.read, { size: undefined, code: "copy(b, p, p + n)" })
}

/** The code for a reading function, if there is any. */
export const find = (read: Codec<unknown>["read"]): Inline | undefined => reads.get(read)
