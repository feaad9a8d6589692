/** Helpers of this package's tests for bytes, rows and errors. */
import { assert } from "@effect/vitest"
import * as ByteWriter from "@hyperfect/protocol/ByteWriter"
import { Type, ValueError } from "@hyperfect/values"

export const fromHex = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex, "hex"))

export const toHex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex")

export const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text)

/** Reads a value from the middle of a larger array. */
export const read = (type: Type.Any, format: Type.Format, bytes: Uint8Array, typeModifier = -1): unknown => {
  const padded = new Uint8Array(bytes.length + 7).fill(0xa5)
  padded.set(bytes, 3)
  return Type.codec(type, format)!.read(padded, 3, 3 + bytes.length, typeModifier)
}

export const write = (type: Type.Any, format: Type.Format, value: unknown, typeModifier = -1): Uint8Array => {
  const out = ByteWriter.make()
  Type.codec(type, format)!.write(out, value, typeModifier)
  return out.take()
}

/** Encodes the body of a DataRow message. */
export const dataRow = (columns: ReadonlyArray<Uint8Array | null>): Uint8Array => {
  const out = ByteWriter.make()
  out.int16(columns.length)
  for (const column of columns) {
    out.int32(column === null ? -1 : column.length)
    if (column !== null) out.copy(column)
  }
  return out.take()
}

/** Returns the reason that a function throws; fails the test if it does anything else. */
export const reasonOf = (run: () => unknown): ValueError.Reason => {
  try {
    run()
  } catch (thrown) {
    if (ValueError.isReason(thrown)) return thrown
    throw thrown
  }
  return assert.fail("nothing was thrown")
}
