/**
 * The fields of ErrorResponse and NoticeResponse.
 *
 * Each is a code of one byte and a text. Which codes there are is in the chapter "Error and Notice Message Fields"; a
 * client shall keep what it does not know. Hyper adds `B`, who is to blame: `User` or `System`.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import * as Utf8 from "./Utf8.ts"
import * as Wire from "./Wire.ts"

/**
 * One field of an error or a notice: its code and its text.
 *
 * @category schemas
 * @since 0.1.0
 */
export const ErrorField = Schema.Struct({
  /** The field's code, such as `M`; see {@link codes}. */
  code: Wire.Char,
  /** Detail, context and internal query may hold rows and parameters; traces hide them. */
  value: Wire.secretCStringWhen("code", ["D", "W", "q"])
})

/**
 * The value of an {@link ErrorField}.
 *
 * @category models
 * @since 0.1.0
 */
export type ErrorField = typeof ErrorField.Type

/**
 * The code of each field that has a meaning, by the name that it has here.
 *
 * @category constants
 * @since 0.1.0
 */
export const codes = {
  /** Severity, perhaps translated: `ERROR`, `FATAL`, `PANIC`, `WARNING`, `NOTICE`, `DEBUG`, `INFO` or `LOG`. */
  severityLocalized: "S",
  /** Severity, never translated. Hyper does not send it. */
  severity: "V",
  /** The SQLSTATE. */
  sqlState: "C",
  message: "M",
  detail: "D",
  hint: "H",
  /** Where in the query, as a 1-based count of characters. */
  position: "P",
  internalPosition: "p",
  internalQuery: "q",
  where: "W",
  schema: "s",
  table: "t",
  column: "c",
  dataType: "d",
  constraint: "n",
  file: "F",
  line: "L",
  routine: "R",
  /** Hyper: whether the cause lies with the `User` or the `System`. */
  source: "B"
} as const

/**
 * A name that a field of an error is found by.
 *
 * @category models
 * @since 0.1.0
 */
export type Name = keyof typeof codes

/**
 * The value of a field, or `undefined` when it was not sent.
 *
 * **Example** (The message of an error)
 *
 * ```ts
 * import { ErrorField } from "@hyperfect/protocol"
 * import { strict as assert } from "node:assert"
 *
 * const fields = [{ code: "S", value: "ERROR" }, { code: "C", value: "42601" }, { code: "M", value: "syntax error" }]
 * assert.equal(ErrorField.get(fields, "sqlState"), "42601")
 * assert.equal(ErrorField.get(fields, "hint"), undefined)
 * ```
 *
 * @category getters
 * @since 0.1.0
 */
export const get = (fields: ReadonlyArray<ErrorField>, name: Name): string | undefined => {
  const code = codes[name]
  return fields.find((field) => field.code === code)?.value
}

/**
 * The fields without the message where that quotes values as a rule: data exceptions (SQLSTATE class 22), such as
 * `invalid input syntax for type integer: "s3cret"`. As many asterisks stand in its place as it has bytes.
 *
 * @category combinators
 * @since 0.1.0
 */
export const withoutQuotedValues = (fields: ReadonlyArray<ErrorField>): ReadonlyArray<ErrorField> =>
  get(fields, "sqlState")?.startsWith("22") === true
    ? fields.map((field) =>
      field.code === codes.message ? { ...field, value: "*".repeat(Utf8.byteLength(field.value)) } : field
    )
    : fields
