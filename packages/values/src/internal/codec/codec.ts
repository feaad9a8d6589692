/**
 * Helpers of the codecs: throwing reasons, and the text codec of types whose text is short ASCII.
 *
 * @internal
 */
import type { ByteWriter } from "@hyperfect/protocol/ByteWriter"
import * as Utf8 from "@hyperfect/protocol/Utf8"
import type { Codec, Format, HyperCodec, Type } from "../../Type.ts"
import * as ValueError from "../../ValueError.ts"

export const malformed = (typeName: string, format: Format, wanted: string, found: string): never => {
  throw ValueError.reason("Malformed", typeName, format, wanted, found)
}

/** Rejects bytes because of their number. */
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

/** V8 does not create longer strings, and a text has at least as many bytes as UTF-16 code units. */
const maxStringLength = 0x1fffffe8

/** Reads the text of a value, which must be UTF-8. */
export const utf8 = (bytes: Uint8Array, start: number, end: number, typeName: string, format: Format): string => {
  if (end - start > maxStringLength) {
    malformed(typeName, format, `at most ${maxStringLength} bytes, the limit of a JavaScript string`, `${end - start}`)
  }
  return Utf8.decode(bytes, start, end) ?? malformed(typeName, format, "UTF-8", "an invalid sequence")
}

/** Creates a text codec from two functions on strings; `parse` returns `undefined` for invalid text. */
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

/** Writes a value with its length before it, as in Bind and in the binary formats of types that contain others. */
export const writeSized = <I>(out: ByteWriter, write: Codec<never, I>["write"], value: I, typeModifier = -1): void => {
  out.int32(0)
  // The writer may move its bytes when it grows, so this relies on sizes instead of positions.
  const before = out.size
  write(out, value, typeModifier)
  const length = out.size - before
  out.setInt32(out.position - length - 4, length)
}

/** Rejects values that UTF-8 cannot represent. */
export const checkString = (typeName: string, format: Format, value: unknown): string => {
  if (typeof value !== "string") return typeMismatch(typeName, format, "string", value)
  return value.isWellFormed()
    ? value
    : notRepresentable(typeName, format, "well-formed UTF-16", "an unpaired surrogate")
}

/** Creates a HyperBinary codec for a type of fixed size. */
export const sized =
  <A>(typeName: string, format: Format, size: number, read: (bytes: Uint8Array, at: number) => A): Codec<A>["read"] =>
  (bytes, start, end) =>
    end - start === size ? read(bytes, start) : wrongLength(typeName, format, `${size} bytes`, end - start)

export const fixed = <A, I = A>(size: number, codec: Codec<A, I>): HyperCodec<A, I> => ({ ...codec, size: () => size })

export const variableSize = (): number => -1

/** Creates a HyperBinary codec for a type whose values differ in length. */
export const variable = <A, I = A>(codec: Codec<A, I>): HyperCodec<A, I> => ({ ...codec, size: variableSize })

/** Returns a type that maps what another one reads, and writes as that one, for types with one form in HyperBinary. */
export const mapRead = <A, B, I>(
  type: Type<A, I>,
  schema: Type<B>["schema"],
  map: (value: A, format: Format) => B
): Type<B, I> => {
  const mapped = <C extends Codec<A, I>>(codec: C, format: Format) => ({
    ...codec,
    read: (bytes: Uint8Array, start: number, end: number, typeModifier: number) =>
      map(codec.read(bytes, start, end, typeModifier), format)
  })
  const { binary, hyper, text } = type
  return {
    ...type,
    schema,
    text: mapped(text, 0),
    binary: binary && mapped(binary, 1),
    hyper: hyper && { ...mapped(hyper, 2), element: undefined, copy: undefined }
  }
}

export type { ByteWriter }
