/** The JSON form of messages without sensitive content. The rules are those of `Trace`. */
import * as Backend from "@hyperfect/protocol/Backend"
import * as Frontend from "@hyperfect/protocol/Frontend"
import * as Json from "@hyperfect/protocol/Json"
import * as Layout from "@hyperfect/protocol/Layout"
import { withoutQuotedValues } from "@hyperfect/protocol/Trace"
import * as Utf8 from "@hyperfect/protocol/Utf8"
import type * as Wire from "@hyperfect/protocol/Wire"
import type * as Sniffer from "@hyperfect/transport/Sniffer"
import * as Schema from "effect/Schema"

type MessageEvent = Extract<Sniffer.Event, { readonly message: unknown }>

const definitions = new Map<string, Wire.Definition>(
  [...Backend.messages, ...Frontend.messages].map(({ definition }) => [definition.name, definition])
)

const placeholder = (size: number): string => `<${size} bytes>`

const redactValue = (
  layout: Layout.Layout,
  value: unknown,
  siblings: Readonly<Record<string, unknown>>
): Schema.Json => {
  switch (layout._tag) {
    case "Int":
      return typeof value === "bigint" ? String(value) : value as number
    case "Char":
      return value as string
    case "CString":
      return Layout.isSecret(layout, siblings) ? placeholder(Utf8.byteLength(value as string)) : value as string
    case "Bytes":
    case "Rest":
    case "Nullable":
      return value === null ? null : placeholder((value as Uint8Array).length)
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

/** Replaces every secret, and all bytes, by their lengths. */
export const redact = ({ message }: MessageEvent): Schema.Json => ({
  _tag: message._tag,
  ...redactValue(definitions.get(message._tag)!.layout, withoutQuotedValues(message), {}) as Readonly<
    Record<string, Schema.Json>
  >
})

/** True if a message is part of authentication. No recording needs it: a replay accepts every client. */
export const isAuthentication = (tag: string): boolean =>
  (tag.startsWith("Authentication") && tag !== "AuthenticationOk") ||
  ["PasswordMessage", "SASLInitialResponse", "SASLResponse", "GSSResponse"].includes(tag)

const encodeBackend = Schema.encodeSync(Json.Backend)
const encodeFrontend = Schema.encodeSync(Json.Frontend)

/** Keeps a message's data, but removes credentials: keys become zeros, and the login is redacted. */
export const withoutCredentials = (event: MessageEvent): Schema.Json => {
  const { message } = event
  if (isAuthentication(message._tag)) return redact(event)
  const open = "secretKey" in message ? { ...message, secretKey: new Uint8Array(message.secretKey.length) } : message
  return event._tag === "Received"
    ? encodeBackend(open as Backend.Message)
    : encodeFrontend(open as Frontend.Message)
}
