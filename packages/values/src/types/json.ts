/**
 * `json` and `jsonb`, as values or as text.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import * as Codec from "../internal/codec.ts"
import type { Codec as TypeCodec, Format, Type } from "../Type.ts"

/** An escape of an unpaired surrogate, which `JSON.stringify` writes for one, behind an even number of backslashes. */
const surrogateEscape = /(?<!\\)(?:\\\\)*\\ud[89a-f]/
const nulEscape = /(?<!\\)(?:\\\\)*\\u0000/

/** Refuses what `JSON.stringify` would silently make null. */
const strict = function(this: unknown, _key: string, value: unknown): unknown {
  if (typeof value === "number" && !Number.isFinite(value)) {
    return Codec.notRepresentable("json", 0, "numbers that JSON can hold", "NaN or an infinity")
  }
  const type = typeof value
  if (Array.isArray(this) && (type === "undefined" || type === "function" || type === "symbol")) {
    return Codec.typeMismatch("json", 0, "elements that JSON can hold", value)
  }
  return value
}

const stringify = (value: unknown, typeName: string, format: Format): string => {
  let json: string | undefined
  try {
    json = JSON.stringify(value)
    // Only a null in the text can have been something else before.
    if (json !== undefined && json.includes("null")) JSON.stringify(value, strict)
  } catch (thrown) {
    if (!(thrown instanceof Error)) throw thrown // a reason
    return Codec.typeMismatch(typeName, format, "a value that JSON can hold", value) // a cycle, a bigint, too deep
  }
  if (json === undefined) return Codec.typeMismatch(typeName, format, "a value that JSON can hold", value)
  if (json.includes("\\ud") && surrogateEscape.test(json)) {
    return Codec.notRepresentable(typeName, format, "well-formed strings", "an unpaired surrogate")
  }
  return json
}

const parse = (text: string, typeName: string, format: Format): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return Codec.malformed(typeName, format, "JSON", "another text")
  }
}

const json_ = (format: Format): TypeCodec<unknown> => ({
  read: (bytes, start, end) => parse(Codec.utf8(bytes, start, end, "json", format), "json", format),
  write: (out, value) => out.utf8(stringify(value, "json", format))
})

/**
 * `json`: the parsed value.
 *
 * **Details**
 *
 * A key `__proto__` becomes an ordinary property. When writing, what JSON cannot hold is refused where `JSON.stringify`
 * would make it null: NaN, infinities, `undefined` in an array. Properties that are `undefined` are left out.
 *
 * Where the documents of a column look alike, readers of rows read them by code for their shape instead of `JSON.parse`. They
 * become the same values.
 *
 * **Gotchas**
 *
 * Numbers become JavaScript numbers, so digits beyond a double's are lost; use {@link jsonText} to get the document as it
 * is. The JSON value null reads as `null`, just as NULL does.
 *
 * @category types
 * @since 0.1.0
 */
export const json: Type<unknown> = {
  name: "json",
  oid: 114,
  arrayOid: 199,
  hasArrayValues: true,
  schema: Schema.Unknown,
  text: json_(0),
  binary: json_(1),
  hyper: Codec.variable(json_(2))
}

const stringifyJsonb = (value: unknown, format: Format): string => {
  const text = stringify(value, "jsonb", format)
  return text.includes("\\u0000") && nulEscape.test(text)
    ? Codec.notRepresentable("jsonb", format, "strings without U+0000", "one with")
    : text
}

/** The first byte of `jsonb` in binary. There is no other version. */
const version = 1

const afterVersion = (bytes: Uint8Array, start: number, end: number): number =>
  end > start && bytes[start] === version
    ? start + 1
    : Codec.malformed("jsonb", 1, "version 1", end > start ? `version ${bytes[start]}` : "0 bytes")

/**
 * `jsonb`: the parsed value. See {@link json}; U+0000 in a string is refused, because PostgreSQL cannot store it there.
 *
 * @category types
 * @since 0.1.0
 */
export const jsonb: Type<unknown> = {
  name: "jsonb",
  oid: 3802,
  arrayOid: 3807,
  hasArrayValues: true,
  schema: Schema.Unknown,
  text: {
    read: (bytes, start, end) => parse(Codec.utf8(bytes, start, end, "jsonb", 0), "jsonb", 0),
    write: (out, value) => out.utf8(stringifyJsonb(value, 0))
  },
  binary: {
    read: (bytes, start, end) => parse(Codec.utf8(bytes, afterVersion(bytes, start, end), end, "jsonb", 1), "jsonb", 1),
    write: (out, value) => {
      const text = stringifyJsonb(value, 1)
      out.uint8(version)
      out.utf8(text)
    }
  },
  hyper: undefined
}

const checkText = (value: unknown, typeName: string, format: Format): string => {
  if (typeof value !== "string") return Codec.typeMismatch(typeName, format, "string", value)
  if (!value.isWellFormed()) {
    return Codec.notRepresentable(typeName, format, "well-formed UTF-16", "an unpaired surrogate")
  }
  return value
}

const verbatim = (typeName: string, format: Format): TypeCodec<string> => ({
  read: (bytes, start, end) => Codec.utf8(bytes, start, end, typeName, format),
  write: (out, value) => out.utf8(checkText(value, typeName, format))
})

/**
 * `json` as its text, untouched in both directions.
 *
 * **When to use**
 *
 * Use in a registry of your own where numbers of more than 15 digits, the order of keys, or the JSON value null matter.
 *
 * @category types
 * @since 0.1.0
 */
export const jsonText: Type<string> = {
  name: "json",
  oid: 114,
  arrayOid: 199,
  schema: Schema.String,
  text: verbatim("json", 0),
  binary: verbatim("json", 1),
  hyper: Codec.variable(verbatim("json", 2))
}

/**
 * `jsonb` as its text, as {@link jsonText} for `json`.
 *
 * @category types
 * @since 0.1.0
 */
export const jsonbText: Type<string> = {
  name: "jsonb",
  oid: 3802,
  arrayOid: 3807,
  schema: Schema.String,
  text: verbatim("jsonb", 0),
  binary: {
    read: (bytes, start, end) => Codec.utf8(bytes, afterVersion(bytes, start, end), end, "jsonb", 1),
    write: (out, value) => {
      const text = checkText(value, "jsonb", 1)
      out.uint8(version)
      out.utf8(text)
    }
  },
  hyper: undefined
}
