/**
 * Codecs of types whose values are kept as the text that PostgreSQL prints.
 *
 * @internal
 */
import type { Codec as TypeCodec, Format } from "../../Type.ts"
import * as Codec from "../codec/codec.ts"

const checked = (typeName: string, format: Format, value: unknown): string => {
  if (typeof value !== "string") return Codec.typeMismatch(typeName, format, "string", value)
  return value.isWellFormed() && !value.includes("\0")
    ? value
    : Codec.notRepresentable(typeName, format, "a well-formed text without U+0000", "another")
}

/** Creates the text codec of a type whose values are kept as text. */
export const textual = (name: string): TypeCodec<string> => ({
  read: (bytes, start, end) => Codec.utf8(bytes, start, end, name, 0),
  write: (out, value) => out.utf8(checked(name, 0, value))
})

/** The first byte of the binary format. Version 1 is the only version. */
const version = 1

/** Creates the binary codec of a type whose values are kept as text: a version number, then the text. */
export const versioned = (name: string): TypeCodec<string> => ({
  read: (bytes, start, end) =>
    end > start && bytes[start] === version
      ? Codec.utf8(bytes, start + 1, end, name, 1)
      : Codec.malformed(name, 1, "version 1", "another first byte"),
  write: (out, value) => {
    const text = checked(name, 1, value)
    out.uint8(version)
    out.utf8(text)
  }
})
