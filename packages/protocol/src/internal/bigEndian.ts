/**
 * Reading of integers in network byte order, at a position where the caller has checked that the bytes exist.
 *
 * **Not public.** The packages of Hyperfect import this module as `@hyperfect/protocol/internal/bigEndian`. It is no
 * part of the documented interface and may change in any release.
 *
 * @internal
 */
import { type Code, code } from "./codegen.ts"

/** Reads four bytes as a signed integer. */
export const readInt32 = (bytes: Uint8Array, at: number): number =>
  (bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!

/** Reads eight bytes as a signed integer. */
export const readInt64 = (bytes: Uint8Array, at: number): bigint =>
  new DataView(bytes.buffer, bytes.byteOffset + at, 8).getBigInt64(0)

/**
 * Returns {@link readInt32} of the bytes `b` as source. `order` has the positions of the bytes after `at`, the most
 * significant one first.
 *
 * A call in generated code would not be free: V8 inlines only so much into one function. On Node 24 it costs 9 % of the
 * time of reading a row of 12 columns, and 20 % of one of 120.
 */
export const readInt32Code = (at: Code, order: readonly [number, number, number, number] = [0, 1, 2, 3]): Code => {
  const [first, second, third, fourth] = order.map((offset) =>
    offset === 0 ? code`b[${at}]` : code`b[${at} + ${offset}]`
  )
  return code`(${first!} << 24) | (${second!} << 16) | (${third!} << 8) | ${fourth!}`
}
