/**
 * Human-readable message traces, in the format of libpq's PQtrace.
 *
 * A trace line has the direction (`F` from the frontend, `B` from the backend), the length as in the message, the name,
 * and the fields in wire order, separated by tabs and spaces. It is derived from the layout of the message: numbers as
 * they are, text in double quotes, bytes in single quotes, characters without quotes, a count before counted items, a
 * length before nullable values. Unlike libpq, it prints small integers as numbers and a version as one number, and
 * escapes control characters everywhere, so that a message is always one line.
 *
 * By default, a trace line shows only the number of bytes of binary data and secrets: passwords, SASL data, parameters,
 * columns, COPY data, keys, and the error fields that may contain rows or values. The text of statements is shown; do
 * not trace programs that write secrets into statements.
 *
 * @since 0.1.0
 */
import * as Backend from "./Backend.ts"
import * as ByteWriter from "./ByteWriter.ts"
import * as ErrorField from "./ErrorField.ts"
import * as Frontend from "./Frontend.ts"
import * as Layout from "./Layout.ts"
import * as Replication from "./Replication.ts"
import * as Utf8 from "./Utf8.ts"
import type * as Wire from "./Wire.ts"

/**
 * The sender of a message.
 *
 * @category models
 * @since 0.1.0
 */
export type Direction = "backend" | "frontend"

/**
 * A message that can be traced.
 *
 * @category models
 * @since 0.1.0
 */
export type Message = Backend.Message | Frontend.Message | Replication.Message

/**
 * Options for the contents of a trace line.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** Replaces bytes and secrets by their size. Defaults to true. */
  readonly redact?: boolean | undefined
}

const byName = (messages: ReadonlyArray<Wire.AnyMessage>): ReadonlyMap<string, Wire.Definition> =>
  new Map([...messages, ...Replication.messages].map(({ definition }) => [definition.name, definition]))

const definitions = { backend: byName(Backend.messages), frontend: byName(Frontend.messages) }

/**
 * Formats a message as one line, without a line break.
 *
 * **Example** (Hidden and visible fields)
 *
 * ```ts
 * import { Trace } from "@hyperfect/protocol"
 * import { strict as assert } from "node:assert"
 *
 * const row = { _tag: "DataRow", columns: [new TextEncoder().encode("hi"), null] } as const
 * assert.equal(Trace.formatLine("backend", row), "B\t16\tDataRow\t 2 2 -1")
 * assert.equal(Trace.formatLine("backend", row, { redact: false }), "B\t16\tDataRow\t 2 2 'hi' -1")
 * assert.equal(Trace.formatLine("frontend", { _tag: "Query", query: "select 1" }), "F\t13\tQuery\t \"select 1\"")
 * ```
 *
 * @category tracing
 * @since 0.1.0
 */
export const formatLine = (direction: Direction, message: Message, options?: Options): string => {
  const prefix = direction === "backend" ? "B" : "F"
  const definition = definitions[direction].get(message._tag)
  if (definition === undefined) return `${prefix}\t-\t${message._tag}`
  const redact = options?.redact ?? true
  const printer = new Printer(redact)
  printer.siblings(definition.layout, redact ? withoutQuotedValues(message) : message, {})
  const header = (definition.carriedBy === undefined ? 4 : 0) + (definition.code === undefined ? 0 : 4)
  const fields = printer.text === "" ? "" : `\t${printer.text}`
  return `${prefix}\t${header + printer.size}\t${definition.name}${fields}`
}

/**
 * Returns a message with the values quoted by an error's text masked.
 *
 * @category tracing
 * @since 0.1.0
 */
export const withoutQuotedValues = <M extends Message>(message: M): M =>
  message._tag === "ErrorResponse" || message._tag === "NoticeResponse"
    ? { ...message, fields: ErrorField.withoutQuotedValues(message.fields) }
    : message

/** Collects the text of fields and counts the bytes that they take on the wire. */
class Printer {
  text = ""
  size = 0
  private readonly redact: boolean

  constructor(redact: boolean) {
    this.redact = redact
  }

  /** `beside` holds the fields of the struct that contains the value. */
  siblings(layout: Layout.Layout, value: unknown, beside: Readonly<Record<string, unknown>>): void {
    switch (layout._tag) {
      case "Int":
        return this.add(String(value), Layout.intSize(layout))
      case "Char":
        return this.add(escapeText(value as string), 1)
      case "CString": {
        const text = value as string
        const size = Utf8.byteLength(text)
        return this.add(
          this.redact && Layout.isSecret(layout, beside) ? redacted(size) : `"${escapeText(text)}"`,
          size + 1
        )
      }
      case "Bytes":
      case "Rest":
        return this.add(
          this.redact ? redacted((value as Uint8Array).length) : quoted(value as Uint8Array),
          (value as Uint8Array).length
        )
      case "Nullable": {
        if (value === null) return this.add("-1", 4)
        const bytes = bytesOf(value as Uint8Array | Wire.Writable)
        this.add(String(bytes.length), 4)
        if (this.redact) this.size += bytes.length
        else this.add(quoted(bytes), bytes.length)
        return
      }
      case "Counted": {
        if (!Array.isArray(value)) {
          // The contents of a self-writing value are unknown, only its size.
          const { length } = bytesOf(value as Wire.Writable)
          return this.add(redacted(length), length)
        }
        const items: ReadonlyArray<unknown> = value
        this.add(String(items.length), Layout.intSize(layout.count))
        for (const item of items) this.siblings(layout.item, item, {})
        return
      }
      case "Terminated":
        for (const item of value as ReadonlyArray<unknown>) this.siblings(layout.item, item, {})
        return this.add("\\x00", 1)
      case "Struct": {
        const fields = value as Readonly<Record<string, unknown>>
        for (const field of layout.fields) this.siblings(field.layout, fields[field.name], fields)
      }
    }
  }

  private add(text: string, size: number): void {
    this.text += ` ${text}`
    this.size += size
  }
}

const redacted = (size: number): string => `<${size} bytes>`

/** Returns the bytes of a parameter, which may be a self-writing value. */
const bytesOf = (value: Uint8Array | Wire.Writable): Uint8Array => {
  if (value instanceof Uint8Array) return value
  const out = ByteWriter.make(64)
  value.writeTo(out)
  return out.take()
}

const escapeByte = (byte: number): string => `\\x${byte.toString(16).padStart(2, "0")}`

const quoted = (bytes: Uint8Array): string => {
  let text = ""
  for (const byte of bytes) text += byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : escapeByte(byte)
  return `'${text}'`
}

/** Control characters, and the line breaks of Unicode. No message content can start a new line. */
const controlCharacters = /[\p{Cc}\u2028\u2029]/gu

const escapeText = (text: string): string =>
  text.replace(controlCharacters, (character) => {
    const code = character.charCodeAt(0)
    return code <= 0xff ? escapeByte(code) : `\\u${code.toString(16)}`
  })
