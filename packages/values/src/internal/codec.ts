/**
 * What codecs share: how they refuse, and the text form of types whose text is short ASCII.
 *
 * @internal
 */
import type { ByteWriter } from "@hyperfect/protocol/ByteWriter"
import * as Utf8 from "@hyperfect/protocol/Utf8"
import type { Codec, Format, HyperCodec } from "../Type.ts"
import * as ValueError from "../ValueError.ts"

export const malformed = (typeName: string, format: Format, wanted: string, found: string): never => {
  throw ValueError.reason("Malformed", typeName, format, wanted, found)
}

/** Refuses bytes by their number. */
export const wrongLength = (typeName: string, format: Format, wanted: string, found: number): never =>
  malformed(typeName, format, wanted, `${found} bytes`)

export const typeMismatch = (typeName: string, format: Format, wanted: string, value: unknown): never => {
  throw ValueError.reason("TypeMismatch", typeName, format, wanted, ValueError.kind(value))
}

export const outOfRange = (typeName: string, format: Format, wanted: string, found: string): never => {
  throw ValueError.reason("OutOfRange", typeName, format, wanted, found)
}

export const notRepresentable = (typeName: string, format: Format, wanted: string, found: string): never => {
  throw ValueError.reason("NotRepresentable", typeName, format, wanted, found)
}

/** V8 refuses longer strings, and bytes are never fewer than the UTF-16 units that they become. */
const maxStringLength = 0x1fffffe8

/** The text of a value, which must be UTF-8. */
export const utf8 = (bytes: Uint8Array, start: number, end: number, typeName: string, format: Format): string => {
  if (end - start > maxStringLength) {
    malformed(typeName, format, `at most ${maxStringLength} bytes, the limit of a JavaScript string`, `${end - start}`)
  }
  return Utf8.decode(bytes, start, end) ?? malformed(typeName, format, "UTF-8", "an invalid sequence")
}

/** Format 0 of a type by two functions over strings; `parse` gives `undefined` for what it does not understand. */
export const text = <A, I = A>(
  typeName: string,
  wanted: string,
  parse: (text: string) => A | undefined,
  print: (value: I) => string
): Codec<A, I> => ({
  read: (bytes, start, end) =>
    parse(utf8(bytes, start, end, typeName, 0)) ?? malformed(typeName, 0, wanted, `${end - start} other bytes`),
  write: (out, value) => out.utf8(print(value))
})

/** Format 2 of a type that always takes the same number of bytes. */
export const fixed = <A, I = A>(size: number, codec: Codec<A, I>): HyperCodec<A, I> => ({ ...codec, size: () => size })

const varying = (): number => -1

/** Format 2 of a type whose values differ in length. */
export const variable = <A, I = A>(codec: Codec<A, I>): HyperCodec<A, I> => ({ ...codec, size: varying })

export type { ByteWriter }
