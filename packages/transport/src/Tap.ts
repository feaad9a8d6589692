/**
 * Listens to a line, and says message by message what passes over it.
 *
 * Both directions are read as the protocol, each message in the step in which its bytes are handed on; nothing is held up
 * and nothing is changed. What is said under TLS is heard in clear text. What is not the protocol, or not a message that is
 * known, is passed on all the same; that direction is not listened to any more.
 *
 * @since 0.1.0
 */
import * as Backend from "@hyperfect/protocol/Backend"
import * as Frame from "@hyperfect/protocol/Frame"
import * as Frontend from "@hyperfect/protocol/Frontend"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Connection } from "./Connection.ts"
import type * as TransportError from "./TransportError.ts"

/**
 * Which end of the line.
 *
 * @category models
 * @since 0.1.0
 */
export type Side = "client" | "server"

/**
 * What has passed, or has become of the line.
 *
 * **Details**
 *
 * - `Answered`: the one byte that answers a request for encryption.
 * - `Unreadable`: what this side said was not understood, and will not be listened to any more.
 * - `Closed`: the last that is said; with a code, the line has failed.
 *
 * @category models
 * @since 0.1.0
 */
export type Event =
  | { readonly _tag: "Sent"; readonly message: Frontend.Message }
  | { readonly _tag: "Received"; readonly message: Backend.Message }
  | { readonly _tag: "Answered"; readonly answer: string }
  | { readonly _tag: "Secured"; readonly protocol: string; readonly cipher: string }
  | { readonly _tag: "Unreadable"; readonly by: Side }
  | { readonly _tag: "Closed"; readonly by: Side; readonly code?: string }

/** What the next `p` is, by what the server has asked for. */
const phases: Readonly<Record<string, Frontend.Phase>> = {
  AuthenticationSASL: "sasl-initial",
  AuthenticationSASLContinue: "sasl",
  AuthenticationGSS: "gss",
  AuthenticationGSSContinue: "gss",
  AuthenticationSSPI: "gss"
}

const backendReader = Backend.readerUnsafe()
const frontendReaders = new Map<Frontend.Phase, ReturnType<typeof Frontend.readerUnsafe>>()
const frontendReader = (phase: Frontend.Phase) => {
  const reader = frontendReaders.get(phase) ?? Frontend.readerUnsafe(phase)
  frontendReaders.set(phase, reader)
  return reader
}

/** Reads what one line carries, in both directions. */
class Ear {
  private readonly onEvent: (event: Event) => void
  private phase: Frontend.Phase = "password"
  /** How many requests for encryption wait for their byte. */
  private unanswered = 0
  private readonly deaf = new Set<Side>()
  private readonly client: Frame.Parser
  private readonly server: Frame.Parser

  constructor(onEvent: (event: Event) => void) {
    this.onEvent = onEvent
    this.client = Frame.makeParser(Frontend.limits(), (bytes, start, end) => {
      if (!this.client.tagged && Frontend.isStartupMessage(bytes, start)) this.client.tagged = true
      const message = frontendReader(bytes[start] === 0 ? "startup" : this.phase)(bytes, start, end)
      if (message._tag === "SSLRequest" || message._tag === "GSSENCRequest") this.unanswered++
      onEvent({ _tag: "Sent", message })
    })
    this.client.tagged = false
    this.server = Frame.makeParser(Backend.limits(), (bytes, start, end) => {
      const message = backendReader(bytes, start, end)
      if (message._tag.startsWith("Authentication")) this.phase = phases[message._tag] ?? "password"
      onEvent({ _tag: "Received", message })
    })
  }

  hear(by: Side, bytes: Uint8Array): void {
    if (this.deaf.has(by)) return
    try {
      if (by === "client") this.client.push(bytes)
      else this.server.push(this.unanswered > 0 ? this.answer(bytes) : bytes)
    } catch {
      this.deaf.add(by)
      this.onEvent({ _tag: "Unreadable", by })
    }
  }

  /** Takes the byte that answers a request. An `E` is no answer, but the beginning of an error. */
  private answer(bytes: Uint8Array): Uint8Array {
    this.unanswered--
    if (bytes[0] === 0x45) return bytes
    this.onEvent({ _tag: "Answered", answer: String.fromCharCode(bytes[0]!) })
    return bytes.subarray(1)
  }
}

const closing = ({ reason }: TransportError.TransportError): Event | undefined =>
  reason._tag === "Closed"
    ? reason.by === "local" ? undefined : { _tag: "Closed", by: "server" }
    : { _tag: "Closed", by: "server", code: "code" in reason && reason.code !== undefined ? reason.code : reason._tag }

/**
 * Listens to a client's line until the scope closes. The connection that it returns is to be used in place of the other.
 *
 * **Gotchas**
 *
 * The function is called in the middle of reading and writing: it must be quick, and what it throws is taken for something
 * that could not be read.
 *
 * @see `ProtocolTrace` for what is heard as lines of text
 *
 * @category combinators
 * @since 0.1.0
 */
export const tap = (
  line: Connection,
  onEvent: (event: Event) => void
): Effect.Effect<Connection, never, Scope.Scope> =>
  Effect.gen(function*() {
    const ear = new Ear(onEvent)
    let isClosed = false
    const close = (event: Event | undefined): void => {
      if (isClosed || event === undefined) return
      isClosed = true
      onEvent(event)
    }
    yield* Effect.addFinalizer(() => Effect.sync(() => close({ _tag: "Closed", by: "client" })))
    return {
      ...line,
      // The chunks are heard in the step that hands them on, so that an interruption does not come between.
      pull: line.pull.pipe(
        Effect.map((chunks) => {
          for (const chunk of chunks) ear.hear("server", chunk)
          return chunks
        }),
        Effect.tapError((error) => Effect.sync(() => close(closing(error))))
      ),
      write: (bytes) =>
        Effect.suspend(() => {
          ear.hear("client", bytes)
          return line.write(bytes)
        }),
      startTls: (options) =>
        Effect.tap(
          line.startTls(options),
          ({ cipher, protocol }) => Effect.sync(() => onEvent({ _tag: "Secured", protocol, cipher }))
        )
    }
  })
