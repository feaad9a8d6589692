/**
 * The fields of ErrorResponse and NoticeResponse.
 *
 * Each is a one-byte code and a text. The codes are listed in the protocol chapter "Error and Notice Message Fields";
 * clients must preserve codes they do not know. Hyper adds `B`, the error source: `User` or `System`.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import * as Printable from "./internal/printable.ts"
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
  /** Detail, context and internal query may contain rows and parameters; traces hide them. */
  value: Wire.secretCStringWhen("code", ["D", "W", "q"])
})

/**
 * The decoded {@link ErrorField}.
 *
 * @category models
 * @since 0.1.0
 */
export type ErrorField = typeof ErrorField.Type

/**
 * The code of each known field, by its name in this library.
 *
 * @category constants
 * @since 0.1.0
 */
export const codes = {
  /** Severity, possibly translated: `ERROR`, `FATAL`, `PANIC`, `WARNING`, `NOTICE`, `DEBUG`, `INFO` or `LOG`. */
  severityLocalized: "S",
  /** Severity, never translated. Hyper does not send it. */
  severity: "V",
  /** The SQLSTATE. */
  sqlState: "C",
  message: "M",
  detail: "D",
  hint: "H",
  /** Error position in the query, as a 1-based count of characters. */
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
  /** Hyper: the source of the error, `User` or `System`. */
  source: "B"
} as const

/**
 * The name of an error field.
 *
 * @category models
 * @since 0.1.0
 */
export type Name = keyof typeof codes

/**
 * Returns the value of a field, or `undefined` if it was not sent.
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
 * Returns the fields with the message masked if it usually quotes values: data exceptions (SQLSTATE class 22), such as
 * `invalid input syntax for type integer: "s3cret"`. The message is replaced by as many asterisks as it has bytes.
 *
 * @internal
 */
export const withoutQuotedValues = (fields: ReadonlyArray<ErrorField>): ReadonlyArray<ErrorField> =>
  get(fields, "sqlState")?.startsWith("22") === true
    ? fields.map((field) =>
      field.code === codes.message ? { ...field, value: "*".repeat(Utf8.byteLength(field.value)) } : field
    )
    : fields

/**
 * Makes text safe for a terminal: control characters other than tab and line feed, and characters that change the
 * direction of text, are written as escapes such as `\\u001b`.
 *
 * **When to use**
 *
 * Use it before printing text that a server sent. Error messages of this library already use it; the errors' fields
 * hold the text as received.
 *
 * @category converting
 * @since 0.1.0
 */
export const printable: (text: string) => string = Printable.printable
