/** Listens to lines and says what passes, message by message. */
import * as Backend from "@hyperfect/protocol/Backend"
import * as Frame from "@hyperfect/protocol/Frame"
import * as Frontend from "@hyperfect/protocol/Frontend"
import type { Connection } from "@hyperfect/transport/Connection"
import type * as TransportError from "@hyperfect/transport/TransportError"
import * as Effect from "effect/Effect"
import type * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import type { Entry } from "./recordingEntry.ts"

type Side = "client" | "server"
type Message = Backend.Message | Frontend.Message

/** An entry before it has its place and time. */
type Bare<E> = E extends unknown ? Omit<E, "at" | "connection"> : never
export type Event = Bare<Entry>

export interface Tape {
  readonly write: (event: Event) => void
  readonly show: (by: Side, message: Message) => Schema.Json
}

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
class Listener {
  private readonly tape: Tape
  private phase: Frontend.Phase = "password"
  /** How many requests for encryption wait for their byte. */
  private unanswered = 0
  private readonly deaf = new Set<Side>()
  private readonly client: Frame.Parser
  private readonly server: Frame.Parser

  constructor(tape: Tape) {
    this.tape = tape
    this.client = Frame.makeParser(Frontend.limits(), (bytes, start, end) => {
      if (!this.client.tagged && Frontend.isStartupMessage(bytes, start)) this.client.tagged = true
      const message = frontendReader(bytes[start] === 0 ? "startup" : this.phase)(bytes, start, end)
      if (message._tag === "SSLRequest" || message._tag === "GSSENCRequest") this.unanswered++
      tape.write({ _tag: "Sent", message: tape.show("client", message) })
    })
    this.client.tagged = false
    this.server = Frame.makeParser(Backend.limits(), (bytes, start, end) => {
      const message = backendReader(bytes, start, end)
      if (message._tag.startsWith("Authentication")) this.phase = phases[message._tag] ?? "password"
      tape.write({ _tag: "Received", message: tape.show("server", message) })
    })
  }

  hear(by: Side, bytes: Uint8Array): void {
    if (this.deaf.has(by)) return
    try {
      if (by === "client") this.client.push(bytes)
      else this.server.push(this.unanswered > 0 ? this.answer(bytes) : bytes)
    } catch {
      this.deaf.add(by)
      this.tape.write({ _tag: "Unreadable", by })
    }
  }

  /** Takes the byte that answers a request. An `E` is no answer, but the beginning of an error. */
  private answer(bytes: Uint8Array): Uint8Array {
    this.unanswered--
    if (bytes[0] === 0x45) return bytes
    this.tape.write({ _tag: "Answered", answer: String.fromCharCode(bytes[0]!) })
    return bytes.subarray(1)
  }
}

const closing = ({ reason }: TransportError.TransportError): Event | undefined =>
  reason._tag === "Closed"
    ? reason.by === "local" ? undefined : { _tag: "Closed", by: "server" }
    : { _tag: "Closed", by: "server", code: "code" in reason && reason.code !== undefined ? reason.code : reason._tag }

/**
 * Listens to a line until the scope closes.
 *
 * @internal
 */
export const listen = (line: Connection, tape: Tape): Effect.Effect<Connection, never, Scope.Scope> =>
  Effect.gen(function*() {
    const listener = new Listener(tape)
    let isClosed = false
    const close = (event: Event | undefined): void => {
      if (isClosed || event === undefined) return
      isClosed = true
      tape.write(event)
    }
    yield* Effect.addFinalizer(() => Effect.sync(() => close({ _tag: "Closed", by: "client" })))
    return {
      ...line,
      // The chunks are heard in the step that hands them on, so that an interruption does not come between.
      pull: line.pull.pipe(
        Effect.map((chunks) => {
          for (const chunk of chunks) listener.hear("server", chunk)
          return chunks
        }),
        Effect.tapError((error) => Effect.sync(() => close(closing(error))))
      ),
      write: (bytes) =>
        Effect.suspend(() => {
          listener.hear("client", bytes)
          return line.write(bytes)
        }),
      startTls: (options) =>
        Effect.tap(
          line.startTls(options),
          ({ cipher, protocol }) => Effect.sync(() => tape.write({ _tag: "Secured", protocol, cipher }))
        )
    }
  })
