/** Parses the text of a recording into events to replay. */
import * as Json from "@hyperfect/protocol/Json"
import type * as Sniffer from "@hyperfect/transport/Sniffer"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { RecordingError } from "../../RecordingError.ts"
import { Entry, Header } from "./entry.ts"
import { isAuthentication } from "./redaction.ts"

/** An event on a connection, and the line of the file that contains it. */
export type ReplayEvent =
  & { readonly line: number; readonly connection: number }
  & (
    | Exclude<Sniffer.Event, { readonly _tag: "Unreadable" | "Closed" }>
    | { readonly _tag: "Refused"; readonly code: string }
    | { readonly _tag: "Closed"; readonly code: string | undefined }
  )

const decodeHeader = Schema.decodeUnknownResult(Schema.fromJsonString(Header))
const decodeEntry = Schema.decodeUnknownResult(Schema.fromJsonString(Entry))
const decodeBackend = Schema.decodeUnknownResult(Json.Backend)
const decodeFrontend = Schema.decodeUnknownResult(Json.Frontend)

const fail = (line: number, problem: string): never => {
  throw new RecordingError({ line, problem })
}

const orFail = <A>(line: number, what: string, result: Result.Result<A, Schema.SchemaError>): A =>
  Result.isSuccess(result) ? result.success : fail(line, `is not ${what}: ${result.failure.message}`)

const tagOf = (message: Schema.Json): string =>
  typeof message === "object" && message !== null && "_tag" in message && typeof message._tag === "string"
    ? message._tag
    : ""

export const isCopy = (tag: string): boolean => tag === "CopyData" || tag === "CopyDone" || tag === "CopyFail"

const readEntry = (line: number, text: string): ReplayEvent | undefined => {
  const entry = orFail(line, "an entry", decodeEntry(text))
  const { connection } = entry
  switch (entry._tag) {
    case "Sent":
      if (isAuthentication(tagOf(entry.message))) return undefined
      return { _tag: "Sent", line, connection, message: orFail(line, "a message", decodeFrontend(entry.message)) }
    case "Received":
      if (isAuthentication(tagOf(entry.message))) return undefined
      return { _tag: "Received", line, connection, message: orFail(line, "a message", decodeBackend(entry.message)) }
    case "Answered":
    case "Secured":
    case "Refused":
      return { ...entry, line }
    case "Closed":
      return entry.by === "client" ? undefined : { _tag: "Closed", line, connection, code: entry.code }
    case "Opened":
      return undefined
    case "Unreadable":
      return fail(line, "bytes that are not the protocol came here, and were not recorded")
  }
}

const read = (text: string): ReadonlyArray<ReplayEvent> => {
  const [first = "", ...rest] = text.split("\n")
  const head = orFail(1, "the beginning of a recording", decodeHeader(first))
  if (head.content === "redacted") fail(1, "it is redacted; only one with the content \"full\" can be replayed")
  // COPY data that was in flight when the server had already failed: another run may send more or less of it.
  const failed = new Set<number>()
  return rest.flatMap((text, i) => {
    const entry = text === "" ? undefined : readEntry(i + 2, text)
    if (entry === undefined) return []
    if (entry._tag === "Received" && entry.message._tag === "ErrorResponse") failed.add(entry.connection)
    if (entry._tag === "Sent") {
      if (failed.has(entry.connection) && isCopy(entry.message._tag)) return []
      failed.delete(entry.connection)
    }
    return [entry]
  })
}

/** @internal */
export const readRecording = (text: string): Effect.Effect<ReadonlyArray<ReplayEvent>, RecordingError> =>
  Effect.suspend(() => {
    try {
      return Effect.succeed(read(text))
    } catch (thrown) {
      if (thrown instanceof RecordingError) return Effect.fail(thrown)
      throw thrown
    }
  })
