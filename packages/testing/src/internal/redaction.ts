/** The JSON form of messages without what should not be in a file. The rules are those of `Trace`. */
import * as Backend from "@hyperfect/protocol/Backend"
import * as Frontend from "@hyperfect/protocol/Frontend"
import * as Json from "@hyperfect/protocol/Json"
import * as Layout from "@hyperfect/protocol/Layout"
import { withoutQuotedValues } from "@hyperfect/protocol/Trace"
import * as Utf8 from "@hyperfect/protocol/Utf8"
import type * as Wire from "@hyperfect/protocol/Wire"
import * as Schema from "effect/Schema"

type Message = Backend.Message | Frontend.Message

const definitions = new Map<string, Wire.Definition>(
  [...Backend.messages, ...Frontend.messages].map(({ definition }) => [definition.name, definition])
)

const hidden = (size: number): string => `<${size} bytes>`

const redactValue = (
  layout: Layout.Layout,
  value: unknown,
  beside: Readonly<Record<string, unknown>>
): Schema.Json => {
  switch (layout._tag) {
    case "Int":
      return typeof value === "bigint" ? String(value) : value as number
    case "Char":
      return value as string
    case "CString":
      return Layout.isSecret(layout, beside) ? hidden(Utf8.byteLength(value as string)) : value as string
    case "Bytes":
    case "Rest":
    case "Nullable":
      return value === null ? null : hidden((value as Uint8Array).length)
    case "Counted":
    case "Terminated":
      return (value as ReadonlyArray<unknown>).map((item) => redactValue(layout.item, item, {}))
    case "Struct": {
      const fields = value as Readonly<Record<string, unknown>>
      return Object.fromEntries(
        layout.fields.map((field) => [field.name, redactValue(field.layout, fields[field.name], fields)])
      )
    }
  }
}

/** A message with every secret, and all bytes, as how many bytes they are. */
export const redact = (message: Message): Schema.Json => ({
  _tag: message._tag,
  ...redactValue(definitions.get(message._tag)!.layout, withoutQuotedValues(message), {}) as Readonly<
    Record<string, Schema.Json>
  >
})

/** Whether a message is about who somebody is. No recording needs it: a replay lets everybody in. */
export const isLogin = (tag: string): boolean =>
  (tag.startsWith("Authentication") && tag !== "AuthenticationOk") ||
  ["PasswordMessage", "SASLInitialResponse", "SASLResponse", "GSSResponse"].includes(tag)

const encodeBackend = Schema.encodeSync(Json.Backend)
const encodeFrontend = Schema.encodeSync(Json.Frontend)

/** A message with its data, but without what proves who somebody is: keys are zeros, and the log-in is redacted. */
export const withoutProof = (by: "client" | "server", message: Message): Schema.Json => {
  if (isLogin(message._tag)) return redact(message)
  const open = "secretKey" in message ? { ...message, secretKey: new Uint8Array(message.secretKey.length) } : message
  return by === "server" ? encodeBackend(open as Backend.Message) : encodeFrontend(open as Frontend.Message)
}
