/**
 * SQL literals: values written into the text of a statement, for statements that take no parameters.
 *
 * @since 0.1.0
 */
import * as ByteWriter from "@hyperfect/protocol/ByteWriter"
import * as Utf8 from "@hyperfect/protocol/Utf8"
import * as Numeric from "./Numeric.ts"
import * as Parameter from "./Parameter.ts"
import * as TypeRegistry from "./TypeRegistry.ts"
import * as UnknownValue from "./UnknownValue.ts"
import * as ValueError from "./ValueError.ts"

/** PostgreSQL's limit. */
const maxDimensions = 6

const refuse = (wanted: string, value: unknown): never => {
  throw ValueError.reason("TypeMismatch", "literal", undefined, wanted, ValueError.kind(value))
}

/** Returns a value in its text format. */
const textOf = (value: unknown, write: Parameter.Encoder["write"]): string => {
  const out = ByteWriter.make(64)
  write(out, value, -1)
  const bytes = out.take()
  return Utf8.decode(bytes, 0, bytes.length) ?? refuse("a text in UTF-8", value)
}

const { write: writeText } = Parameter.encoder("", "postgres")

/** Returns the text of a value whose type is given or inferred, by the same rules as for a parameter. */
const typedText = (parameter: unknown): string => {
  const isTyped = Parameter.isParameter(parameter)
  const value = isTyped ? parameter.value : parameter
  const encoder = Parameter.encoder(parameter, "postgres")
  if (encoder.format === 0) return textOf(value, encoder.write)
  const type = isTyped ? parameter.type : TypeRegistry.builtIn.find(encoder.typeOid)
  if (type === undefined || UnknownValue.isUnknownValue(value)) return refuse("a value that has a text", value)
  return textOf(value, Parameter.encoderFor({ ...type, binary: undefined }, "postgres").write)
}

/**
 * Quotes a text by the rules of standard SQL: quotes are doubled, and no other character is special.
 *
 * **When to use**
 *
 * Use for a grammar that has no other literals, such as that of the replication commands. In SQL statements use
 * {@link format}: there a backslash is special if `standard_conforming_strings` is off.
 *
 * **Details**
 *
 * Throws a plain `ValueError.Reason` for text that no server accepts: U+0000, and an unpaired surrogate.
 *
 * @category converting
 * @since 0.1.0
 */
export const quote = (text: string): string => `'${textOf(text, writeText).replaceAll("'", "''")}'`

/**
 * Returns the literal of a value, which denotes that value under any server settings.
 *
 * **Details**
 *
 * | value | literal |
 * | --- | --- |
 * | `null` | `NULL` |
 * | boolean | `true`, `false` |
 * | number, bigint, `BigDecimal` | its digits |
 * | NaN, the infinities, -0 | `'NaN'::double precision` |
 * | string | quoted |
 * | array | `ARRAY[...]` of such literals, up to six levels |
 * | plain object | its JSON, quoted |
 * | anything else that can be a parameter | quoted, the text format of its type |
 *
 * A text that contains a backslash becomes an `E'...'` literal, so that it does not depend on
 * `standard_conforming_strings`. For an array that is meant as JSON, or a PostgreSQL array with bounds of its own, use
 * `Parameter.make` with its type. Throws a plain `ValueError.Reason` for values that cannot be sent as a parameter, and
 * for an `UnknownValue` and a `Money`, which have no text.
 *
 * **Gotchas**
 *
 * - A quoted literal has no type until the server infers one, for instance from the column it is assigned to; elsewhere
 *   add a cast. A cast binds more tightly than a minus: put parentheses around a number before casting it.
 * - The text of a type is PostgreSQL's. Hyper's array syntax differs: pass it plain JavaScript arrays.
 *
 * **Example** (Text and numbers)
 *
 * ```ts
 * import { Literal } from "@hyperfect/values"
 * import { strict as assert } from "node:assert"
 *
 * assert.equal(Literal.format("it's"), "'it''s'")
 * assert.equal(Literal.format([1, null]), "ARRAY[1, NULL]")
 * ```
 *
 * @category converting
 * @since 0.1.0
 */
export const format = (value: unknown): string => formatNested(value, 0)

const formatNested = (value: unknown, depth: number): string => {
  if (typeof value === "string") return formatText(value)
  if (typeof value === "boolean") return String(value)
  if (typeof value !== "number" && typeof value !== "bigint") return formatObject(value, depth)
  const isPlain = typeof value === "bigint" || (Number.isFinite(value) && !Object.is(value, -0))
  return isPlain ? formatNumber(value) : `${quote(typedText(value))}::double precision`
}

const formatObject = (value: unknown, depth: number): string => {
  if (value === null || (Parameter.isParameter(value) && value.value === null)) return "NULL"
  if (Array.isArray(value)) {
    if (depth === maxDimensions) return refuse(`an array of at most ${maxDimensions} dimensions`, value)
    return `ARRAY[${Array.from(value, (element) => formatNested(element, depth + 1)).join(", ")}]`
  }
  return Numeric.isDecimal(value) ? formatNumber(value) : formatText(typedText(value))
}

/** Avoids two adjacent minus signs, which would begin a comment. */
const formatNumber = (value: unknown): string => typedText(value).replace(/^-/, " -")

/** The space before `E` separates it from a preceding letter. */
const formatText = (text: string): string =>
  text.includes("\\") ? ` E${quote(text.replaceAll("\\", "\\\\"))}` : quote(text)
