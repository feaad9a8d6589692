/**
 * Reading of 4-byte and 8-byte numbers from a byte array, without a `DataView`, which would have to be created for each
 * chunk and would keep it alive. The scratch buffer below is nearly as fast as an existing view (M-09).
 *
 * @internal
 */
import { readInt32 as int32 } from "@hyperfect/protocol/internal/bigEndian"

const scratch = new ArrayBuffer(8)
const words = new Int32Array(scratch)
const doubles = new Float64Array(scratch)
const floats = new Float32Array(scratch)
const integers = new BigInt64Array(scratch)

// All platforms that JavaScript runs on today are little-endian, but no standard requires it.
words[0] = 1
export const low: 0 | 1 = new Uint8Array(scratch)[0] === 1 ? 0 : 1
export const high: 0 | 1 = low === 0 ? 1 : 0

export const int16 = (bytes: Uint8Array, at: number): number => (bytes[at]! << 24 >> 16) | bytes[at + 1]!

export const int16LE = (bytes: Uint8Array, at: number): number => (bytes[at + 1]! << 24 >> 16) | bytes[at]!

export { int32 }

export const int32LE = (bytes: Uint8Array, at: number): number =>
  (bytes[at + 3]! << 24) | (bytes[at + 2]! << 16) | (bytes[at + 1]! << 8) | bytes[at]!

export const int64 = (bytes: Uint8Array, at: number): bigint => {
  words[high] = int32(bytes, at)
  words[low] = int32(bytes, at + 4)
  return integers[0]!
}

export const int64LE = (bytes: Uint8Array, at: number): bigint => {
  words[high] = int32LE(bytes, at + 4)
  words[low] = int32LE(bytes, at)
  return integers[0]!
}

export const float32 = (bytes: Uint8Array, at: number): number => {
  words[0] = int32(bytes, at)
  return floats[0]!
}

export const float32LE = (bytes: Uint8Array, at: number): number => {
  words[0] = int32LE(bytes, at)
  return floats[0]!
}

export const float64 = (bytes: Uint8Array, at: number): number => {
  words[high] = int32(bytes, at)
  words[low] = int32(bytes, at + 4)
  return doubles[0]!
}

export const float64LE = (bytes: Uint8Array, at: number): number => {
  words[high] = int32LE(bytes, at + 4)
  words[low] = int32LE(bytes, at)
  return doubles[0]!
}
