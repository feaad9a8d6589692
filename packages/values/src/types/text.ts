/**
 * Types whose value is a text.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import * as Codec from "../internal/codec.ts"
import * as ValueSchema from "../internal/valueSchema.ts"
import * as Words from "../internal/words.ts"
import type { Codec as TypeCodec, Format, Type } from "../Type.ts"

const check = (typeName: string, format: Format, value: unknown): string => {
  if (typeof value !== "string") return Codec.typeMismatch(typeName, format, "string", value)
  if (!value.isWellFormed()) {
    return Codec.notRepresentable(typeName, format, "well-formed UTF-16", "an unpaired surrogate")
  }
  return value
}

/** PostgreSQL's texts hold any character but this one. Hyper's hold it, but the protocol's text form of it is PostgreSQL's. */
const checkNoNul = (typeName: string, format: Format, value: unknown): string => {
  const checked = check(typeName, format, value)
  return checked.includes("\0")
    ? Codec.notRepresentable(typeName, format, "a text without U+0000", "one with")
    : checked
}

const textual = (typeName: string, format: 0 | 1): TypeCodec<string> => ({
  read: (bytes, start, end) => Codec.utf8(bytes, start, end, typeName, format),
  write: (out, value) => {
    if (typeof value !== "string" || !out.tryUtf8NoNul(value)) checkNoNul(typeName, format, value) // which says why
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
      if (typeof value !== "string" || !out.tryUtf8(value)) check(name, 2, value)
    }
  })
})

/**
 * `text`: a JavaScript string.
 *
 * **Details**
 *
 * Bytes that are not UTF-8, strings with an unpaired surrogate and, outside HyperBinary, U+0000 are refused: the first two
 * would change on the way, the last PostgreSQL cannot store. Hyper can, so format 2 takes it.
 *
 * @category types
 * @since 0.1.0
 */
export const text: Type<string> = make("text", 25, 1009)

/**
 * `varchar`, with a length or not. The length is the server's to check.
 *
 * @category types
 * @since 0.1.0
 */
export const varchar: Type<string> = make("varchar", 1043, 1015)

const blanks = make("bpchar", 1042, 1014)

/** Hyper sends blanks in results, but not in arrays of HyperBinary (measured on hyperd). The modifier says how many. */
const pad = (value: string, typeModifier: number): string => {
  if (typeModifier < 4) return value
  const length = Array.from(value).length // in characters, as SQL counts
  return length < typeModifier - 4 ? value + " ".repeat(typeModifier - 4 - length) : value
}

/**
 * `char(n)`, in Hyper for n above 1. Results are padded with blanks to n, as the servers send them.
 *
 * @category types
 * @since 0.1.0
 */
export const bpchar: Type<string> = {
  ...blanks,
  hyper: blanks.hyper && {
    ...blanks.hyper,
    element: Codec.variable({
      read: (bytes, start, end, typeModifier) => pad(Codec.utf8(bytes, start, end, "bpchar", 2), typeModifier),
      write: blanks.hyper.write
    })
  }
}

/**
 * `name`, the type of PostgreSQL's identifiers.
 *
 * @category types
 * @since 0.1.0
 */
export const name: Type<string> = make("name", 19, 1003)

/**
 * `xml`, as its text.
 *
 * @category types
 * @since 0.1.0
 */
export const xml: Type<string> = { ...make("xml", 142, 143), hyper: undefined }

/**
 * `unknown`, the type of a bare literal in PostgreSQL.
 *
 * @category types
 * @since 0.1.0
 */
export const unknown: Type<string> = make("unknown", 705, 0)

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
  // Hyper would make a blank of U+0000 here (measured on hyperd).
  const checked = checkNoNul("char", format, value)
  return isOneCodePoint(checked) || (format !== 2 && (checked === "" || octal.test(checked)))
    ? checked
    : Codec.outOfRange("char", format, "one character", "a longer or empty string")
}

/**
 * OID 18: `char(1)` in Hyper, which is any one character, and `"char"` in PostgreSQL, which is one byte.
 *
 * **Details**
 *
 * A byte of PostgreSQL's that is not ASCII reads as the text that PostgreSQL prints for it, a backslash and three octal
 * digits; the byte 0 reads as the empty string, as it prints. Both are written as they are read. Hyper has neither.
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
    // In an array of Hyper's it is a code point, and the blank, of which nothing is left without blanks, is 0 (measured on
    // hyperd).
    element: Codec.fixed(4, {
      read: (bytes, start) => {
        const code = Words.int32LE(bytes, start)
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
