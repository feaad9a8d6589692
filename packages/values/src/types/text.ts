/**
 * Types whose values are texts.
 *
 * @since 0.1.0
 */
import { code } from "@hyperfect/protocol/internal/codegen"
import * as Utf8 from "@hyperfect/protocol/Utf8"
import * as Schema from "effect/Schema"
import * as Codec from "../internal/codec/codec.ts"
import * as Inline from "../internal/codec/inline.ts"
import * as Numbers from "../internal/codec/numbers.ts"
import * as ValueSchema from "../internal/schema/value.ts"
import type { Codec as TypeCodec, Format, Type } from "../Type.ts"

/**
 * Rejects U+0000, which PostgreSQL's texts cannot contain. Hyper's can, but in the protocol's text format it is
 * rejected too.
 */
const checkNoNul = (typeName: string, format: Format, value: unknown): string => {
  const checked = Codec.checkString(typeName, format, value)
  return checked.includes("\0")
    ? Codec.notRepresentable(typeName, format, "a text without U+0000", "one with")
    : checked
}

const textual = (typeName: string, format: 0 | 1): TypeCodec<string> => ({
  read: (bytes, start, end) => Codec.utf8(bytes, start, end, typeName, format),
  write: (out, value) => {
    if (typeof value !== "string" || !out.tryUtf8NoNul(value)) checkNoNul(typeName, format, value) // throws the reason
  }
})

const make = (name: string, oid: number, arrayOid: number): Type<string> => ({
  name,
  oid,
  arrayOid,
  schema: Schema.String.check(Schema.makeFilter(
    (value: string) => value.isWellFormed() && !value.includes("\0"),
    { expected: "a well-formed string without U+0000" }
  )),
  text: textual(name, 0),
  binary: textual(name, 1),
  hyper: Codec.variable({
    read: (bytes, start, end) => Codec.utf8(bytes, start, end, name, 2),
    write: (out, value) => {
      if (typeof value !== "string" || !out.tryUtf8(value)) Codec.checkString(name, 2, value)
    }
  })
})

/** Decodes UTF-8, or throws anything, as generated code passes a row with an error to the closures. */
const readUtf8 = (bytes: Uint8Array, start: number, end: number): string => {
  const text = Utf8.decode(bytes, start, end)
  if (text === undefined) throw source
  return text
}

const source = (helper: typeof Utf8.write): Inline.Source => ({
  read: code`${readUtf8}(b, p, p + n)`,
  write: { _tag: "Variable", sample: "", refuses: code`typeof v !== "string"`, maxSize: code`v.length * 3`, helper }
})

const protocolSource = source(Utf8.writeNoNul)
const declare = Inline.declare("text", {
  text: protocolSource,
  binary: protocolSource,
  hyper: source(Utf8.write)
})

const makeText = (name: string, oid: number, arrayOid: number): Type<string> =>
  declare({ ...make(name, oid, arrayOid), category: "text" })

/**
 * `text`: a JavaScript string.
 *
 * **Details**
 *
 * Bytes that are not UTF-8, strings with an unpaired surrogate and, outside HyperBinary, U+0000 are rejected: the first
 * two would be changed by the conversion, and PostgreSQL cannot store the last. Hyper can, so format 2 accepts it.
 *
 * @category types
 * @since 0.1.0
 */
export const text: Type<string> = makeText("text", 25, 1009)

/**
 * `varchar`, with or without a length, which the server checks.
 *
 * @category types
 * @since 0.1.0
 */
export const varchar: Type<string> = makeText("varchar", 1043, 1015)

const unpaddedBpchar = makeText("bpchar", 1042, 1014)

/** PostgreSQL's maximum length of `char(n)`, in characters. */
const maxPaddedLength = 10_485_760

/**
 * Pads a text with spaces to the length in its type modifier. Hyper sends the spaces in results, but not in HyperBinary
 * arrays and COPY data (H-29). The spaces that `repeat` makes share memory until the text is read, so the padding of an
 * array takes little memory.
 */
const pad = (value: string, typeModifier: number): string => {
  if (typeModifier < 4) return value
  if (typeModifier - 4 > maxPaddedLength) {
    Codec.malformed("bpchar", 2, `a length up to ${maxPaddedLength}`, `${typeModifier - 4}`)
  }
  const length = Array.from(value).length // in characters, as SQL counts
  return length < typeModifier - 4 ? value + " ".repeat(typeModifier - 4 - length) : value
}

const paddedHyper = unpaddedBpchar.hyper && Codec.variable({
  read: (bytes, start, end, typeModifier) => pad(Codec.utf8(bytes, start, end, "bpchar", 2), typeModifier),
  write: unpaddedBpchar.hyper.write
})

/**
 * `char(n)`, in Hyper for n above 1. Values are padded with spaces to n characters, as the servers send them.
 *
 * @category types
 * @since 0.1.0
 */
export const bpchar: Type<string> = {
  ...unpaddedBpchar,
  hyper: unpaddedBpchar.hyper && { ...unpaddedBpchar.hyper, element: paddedHyper, copy: paddedHyper }
}

/**
 * `name`, the type of PostgreSQL's identifiers.
 *
 * @category types
 * @since 0.1.0
 */
export const name: Type<string> = makeText("name", 19, 1003)

/**
 * `xml`, as its text.
 *
 * @category types
 * @since 0.1.0
 */
export const xml: Type<string> = { ...make("xml", 142, 143), hyper: undefined }

/**
 * `unknown`, the type of an untyped literal in PostgreSQL.
 *
 * @category types
 * @since 0.1.0
 */
export const unknown: Type<string> = { ...make("unknown", 705, 0), category: "text" }

/**
 * `refcursor`, the name of a cursor.
 *
 * @category types
 * @since 0.1.0
 */
export const refcursor: Type<string> = { ...make("refcursor", 1790, 2201), hyper: undefined }

const octal = /^\\[0-3][0-7]{2}$/

const isOneCodePoint = (value: string): boolean =>
  value.length === 1 || (value.length === 2 && value.codePointAt(0)! > 0xffff)

const checkChar = (value: unknown, format: Format): string => {
  // Hyper would convert U+0000 to a space here (H-25).
  const checked = checkNoNul("char", format, value)
  return isOneCodePoint(checked) || (format !== 2 && (checked === "" || octal.test(checked)))
    ? checked
    : Codec.outOfRange("char", format, "one character", "a longer or empty string")
}

/**
 * OID 18: Hyper's `char(1)`, which is any one character, and PostgreSQL's `"char"`, which is one byte.
 *
 * **Details**
 *
 * A PostgreSQL byte that is not ASCII is read as the text that PostgreSQL prints for it, a backslash and three octal
 * digits; the byte 0 is read as the empty string, as it is printed. Both are written back as the same bytes. Hyper has
 * neither.
 *
 * @category types
 * @since 0.1.0
 */
export const char: Type<string> = {
  name: "char",
  oid: 18,
  arrayOid: 1002,
  schema: ValueSchema.refine("one character", {
    kind: "string",
    is: (u): u is string => typeof u === "string" && u.isWellFormed() && isOneCodePoint(u) && u !== "\0",
    arbitrary: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 0x10ffff })),
    fromArbitrary: (code) => String.fromCodePoint(code >= 0xd800 && code <= 0xdfff ? 0xfffd : code)
  }),
  text: {
    read: (bytes, start, end) => Codec.utf8(bytes, start, end, "char", 0),
    write: (out, value) => out.utf8(checkChar(value, 0))
  },
  binary: {
    read: (bytes, start, end) => {
      const byte = bytes[start]!
      if (end - start !== 1 || (byte > 0 && byte < 0x80)) return Codec.utf8(bytes, start, end, "char", 1)
      return byte === 0 ? "" : `\\${byte.toString(8)}`
    },
    write: (out, value) => {
      const checked = checkChar(value, 1)
      if (checked === "") return out.uint8(0)
      if (octal.test(checked)) return out.uint8(parseInt(checked.slice(1), 8))
      out.utf8(checked)
    }
  },
  hyper: {
    ...Codec.variable({
      read: (bytes, start, end) => Codec.utf8(bytes, start, end, "char", 2),
      write: (out, value) => out.utf8(checkChar(value, 2))
    }),
    // Hyper's arrays contain the code point, and 0 for a space, which is empty without trailing spaces
    // (H-30).
    element: Codec.fixed(4, {
      read: (bytes, start) => {
        const code = Numbers.int32LE(bytes, start)
        if (code === 0) return " "
        return code > 0 && code <= 0x10ffff && (code < 0xd800 || code > 0xdfff)
          ? String.fromCodePoint(code)
          : Codec.malformed("char", 2, "a code point", "another number")
      },
      write: (out, value) => {
        const code = checkChar(value, 2).codePointAt(0)!
        out.int32LE(code === 0x20 ? 0 : code)
      }
    })
  }
}
