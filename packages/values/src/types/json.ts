/**
 * `json` and `jsonb`, as values or as text.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import * as Codec from "../internal/codec/codec.ts"
import * as Json from "../Json.ts"
import type { Codec as TypeCodec, Format, Type } from "../Type.ts"

/** The escape that `JSON.stringify` writes for an unpaired surrogate, after an even number of backslashes. */
const surrogateEscape = /(?<!\\)(?:\\\\)*\\ud[89a-f]/
const nulEscape = /(?<!\\)(?:\\\\)*\\u0000/

/** Rejects values that `JSON.stringify` would silently convert to null. */
const strictReplacer = function(this: unknown, key: string, value: unknown): unknown {
  if (typeof value === "number" && !Number.isFinite(value)) {
    return Codec.notRepresentable("json", 0, "numbers that JSON can hold", "NaN or an infinity")
  }
  // Here `value` already is what `toJSON` returned, which for an invalid Date is null.
  if (value === null && (this as Readonly<Record<string, unknown>>)[key] instanceof Date) {
    return Codec.notRepresentable("json", 0, "dates that JSON can hold", "an invalid Date")
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
    // If the text contains no null, no value was converted to null.
    if (json !== undefined && json.includes("null")) JSON.stringify(value, strictReplacer)
  } catch (thrown) {
    if (!(thrown instanceof Error)) throw thrown // a reason
    return Codec.typeMismatch(typeName, format, "a value that JSON can hold", value) // a cycle, a bigint, deep nesting
  }
  if (json === undefined) return Codec.typeMismatch(typeName, format, "a value that JSON can hold", value)
  if (json.includes("\\ud") && surrogateEscape.test(json)) {
    return Codec.notRepresentable(typeName, format, "well-formed strings", "an unpaired surrogate")
  }
  return json
}

/** Reads a document. A `null` inside stays `null`: only the document as a whole could be confused with NULL. */
const parse = (text: string, typeName: string, format: Format): unknown => {
  try {
    return JSON.parse(text) ?? Json.Null
  } catch {
    return Codec.malformed(typeName, format, "JSON", "another text")
  }
}

/** The first byte of `jsonb` in binary format. Version 1 is the only version. */
const version = 1

const afterVersion = (bytes: Uint8Array, start: number, end: number): number =>
  end > start && bytes[start] === version
    ? start + 1
    : Codec.malformed("jsonb", 1, "version 1", end > start ? `version ${bytes[start]}` : "0 bytes")

const identities = {
  json: { name: "json", oid: 114, arrayOid: 199 },
  jsonb: { name: "jsonb", oid: 3802, arrayOid: 3807 }
}

/** Creates the codecs of documents, of which `read` and `print` take and return the text. */
const codecs = <A>(
  name: "json" | "jsonb",
  read: (text: string, typeName: string, format: Format) => A,
  print: (value: unknown, typeName: string, format: Format) => string
) => {
  const codec = (format: Format): TypeCodec<A> => {
    const hasVersion = name === "jsonb" && format === 1
    return {
      read: (bytes, start, end) => {
        const from = hasVersion ? afterVersion(bytes, start, end) : start
        return read(Codec.utf8(bytes, from, end, name, format), name, format)
      },
      write: (out, value) => {
        const text = print(value, name, format)
        if (hasVersion) out.uint8(version)
        out.utf8(text)
      }
    }
  }
  const hyper = name === "json" ? Codec.variable(codec(2)) : undefined
  return { ...identities[name], text: codec(0), binary: codec(1), hyper }
}

/** The facts of types that read documents. */
const ofDocuments = { category: "json", hasArrayValues: true, schema: Schema.Unknown } as const

/**
 * `json`: the value that `JSON.parse` returns, and `Json.Null` for a document that is null, as distinct from NULL.
 *
 * **Details**
 *
 * A key `__proto__` becomes an ordinary property. Writing rejects values that `JSON.stringify` would convert to null:
 * NaN, infinities, an invalid `Date`, and `undefined` in an array. Properties that are `undefined` are omitted.
 *
 * **Gotchas**
 *
 * Numbers become JavaScript numbers: `12345678901234567890` is read as `12345678901234567000`, and `1.10` as `1.1`. If
 * every digit matters, read the document as text with {@link jsonText}, and decode it with a parser that keeps the
 * digits, for example in a Schema.
 *
 * A string parameter is a literal: JSON text where the server expects `json`. Send a document that is itself a string
 * with `Parameter.make(value, BuiltIn.json)`.
 *
 * @category types
 * @since 0.1.0
 */
export const json: Type<unknown> = { ...ofDocuments, ...codecs("json", parse, stringify) }

const stringifyJsonb = (value: unknown, typeName: string, format: Format): string => {
  const text = stringify(value, typeName, format)
  return text.includes("\\u0000") && nulEscape.test(text)
    ? Codec.notRepresentable(typeName, format, "strings without U+0000", "one with")
    : text
}

/**
 * `jsonb`: the value that `JSON.parse` returns, as for {@link json}. U+0000 in a string is rejected, because PostgreSQL
 * cannot store it in `jsonb`.
 *
 * @category types
 * @since 0.1.0
 */
export const jsonb: Type<unknown> = { ...ofDocuments, ...codecs("jsonb", parse, stringifyJsonb) }

const orNull = (document: unknown): unknown => document === Json.Null ? null : document

/**
 * `json` as {@link json} reads it, but with `null` for a document that is null, like NULL.
 *
 * **When to use**
 *
 * Use in a preset for code that expects exactly what `JSON.parse` returns; `Preset.native` includes it.
 *
 * @category types
 * @since 0.1.0
 */
export const jsonPlain: Type<unknown> = Codec.mapRead(json, Schema.Unknown, orNull)

/**
 * `jsonb`, with `null` for a document that is null, like {@link jsonPlain}.
 *
 * @category types
 * @since 0.1.0
 */
export const jsonbPlain: Type<unknown> = Codec.mapRead(jsonb, Schema.Unknown, orNull)

const verbatim = (text: string): string => text
const checkText = (value: unknown, typeName: string, format: Format): string =>
  Codec.checkString(typeName, format, value)

/**
 * `json` as its text, unchanged in both directions.
 *
 * **When to use**
 *
 * Use in a registry or a preset if numbers of more than 15 digits, trailing zeros, the order of keys or duplicate keys
 * matter.
 *
 * **Example** (A preset that keeps all digits of documents)
 *
 * ```ts
 * import { BuiltIn, Preset } from "@hyperfect/values"
 * import { strict as assert } from "node:assert"
 *
 * const exact = Preset.withTypes(Preset.lossless, { json: BuiltIn.jsonText, jsonb: BuiltIn.jsonbText })
 * assert.equal(exact(BuiltIn.jsonb, "document"), BuiltIn.jsonbText)
 * ```
 *
 * @category types
 * @since 0.1.0
 */
export const jsonText: Type<string> = { schema: Schema.String, ...codecs("json", verbatim, checkText) }

/**
 * `jsonb` as its text, like {@link jsonText} for `json`.
 *
 * @category types
 * @since 0.1.0
 */
export const jsonbText: Type<string> = { schema: Schema.String, ...codecs("jsonb", verbatim, checkText) }
