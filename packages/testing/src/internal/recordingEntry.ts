/** The lines of a recording. */
import * as Schema from "effect/Schema"

/** How much of the messages is kept. */
export const Content = Schema.Literals(["redacted", "full"])

/** The first line. */
export const Head = Schema.TaggedStruct("Recording", { version: Schema.Literal(1), content: Content })

const on = { at: Schema.Number, connection: Schema.Number }

/** A connection was opened. */
const Opened = Schema.TaggedStruct("Opened", { ...on, endpoint: Schema.String })
/** A connection could not be opened. */
const Refused = Schema.TaggedStruct("Refused", { ...on, code: Schema.String })
/** The client sent a message. */
const Sent = Schema.TaggedStruct("Sent", { ...on, message: Schema.Json })
/** The server sent a message. */
const Received = Schema.TaggedStruct("Received", { ...on, message: Schema.Json })
/** The server answered a request for encryption, by the one byte that is no message. */
const Answered = Schema.TaggedStruct("Answered", { ...on, answer: Schema.String })
/** The line was secured. */
const Secured = Schema.TaggedStruct("Secured", { ...on, protocol: Schema.String, cipher: Schema.String })
/** What came or went was not the protocol, or not one that is known here; the rest of that direction is left out. */
const Unreadable = Schema.TaggedStruct("Unreadable", { ...on, by: Schema.Literals(["client", "server"]) })
/** The line ended; by a failure, when there is a code. */
const Closed = Schema.TaggedStruct("Closed", {
  ...on,
  by: Schema.Literals(["client", "server"]),
  code: Schema.optionalKey(Schema.String)
})

export const Entry = Schema.Union([Opened, Refused, Sent, Received, Answered, Secured, Unreadable, Closed])
export type Entry = typeof Entry.Type
