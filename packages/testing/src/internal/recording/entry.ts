/** The entries of a recording, one per line. */
import * as Schema from "effect/Schema"

/** The amount of message content that is kept. */
export const Content = Schema.Literals(["redacted", "full"])

/** The first line. */
export const Header = Schema.TaggedStruct("Recording", { version: Schema.Literal(1), content: Content })

const commonFields = { at: Schema.Number, connection: Schema.Number }

/** A connection was opened. */
const Opened = Schema.TaggedStruct("Opened", { ...commonFields, endpoint: Schema.String })
/** A connection could not be opened. */
const Refused = Schema.TaggedStruct("Refused", { ...commonFields, code: Schema.String })
/** The client sent a message. */
const Sent = Schema.TaggedStruct("Sent", { ...commonFields, message: Schema.Json })
/** The server sent a message. */
const Received = Schema.TaggedStruct("Received", { ...commonFields, message: Schema.Json })
/** The server answered a request for encryption with one byte, which is not a message. */
const Answered = Schema.TaggedStruct("Answered", { ...commonFields, answer: Schema.String })
/** The connection was secured. */
const Secured = Schema.TaggedStruct("Secured", { ...commonFields, protocol: Schema.String, cipher: Schema.String })
/** The data was not the protocol, or not a known part of it; the rest of that direction is left out. */
const Unreadable = Schema.TaggedStruct("Unreadable", { ...commonFields, by: Schema.Literals(["client", "server"]) })
/** The connection ended; by a failure, if there is a code. */
const Closed = Schema.TaggedStruct("Closed", {
  ...commonFields,
  by: Schema.Literals(["client", "server"]),
  code: Schema.optionalKey(Schema.String)
})

export const Entry = Schema.Union([Opened, Refused, Sent, Received, Answered, Secured, Unreadable, Closed])
export type Entry = typeof Entry.Type

type WithoutPosition<E> = E extends unknown ? Omit<E, "at" | "connection"> : never

/** An entry without its connection and time. */
export type Event = WithoutPosition<Entry>
