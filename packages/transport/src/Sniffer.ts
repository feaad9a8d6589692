/**
 * Observes a connection and reports every message that passes over it.
 *
 * Both directions are decoded, each message as its bytes are passed on; nothing is delayed or changed. Messages under
 * TLS are seen in clear text. Bytes that violate the protocol, and unknown messages, are still passed on; that
 * direction is no longer observed.
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
 * The end of the connection that sent the data.
 *
 * @category models
 * @since 0.1.0
 */
export type Side = "client" | "server"

/**
 * An observed message or a state change of the connection.
 *
 * **Details**
 *
 * - `Answered`: the one byte that answers an encryption request.
 * - `Unreadable`: data from this side could not be decoded; this direction is no longer observed.
 * - `Closed`: the last event; with a code if the connection failed.
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

const backendReader = Backend.readerUnsafe()

/** Decodes both directions of one connection. */
class Sniffer {
  private readonly onEvent: (event: Event) => void
  private phase: Frontend.Phase = "password"
  /** The number of encryption requests without an answer. */
  private unanswered = 0
  private readonly undecodable = new Set<Side>()
  private readonly client: Frame.Parser
  private readonly server: Frame.Parser

  constructor(onEvent: (event: Event) => void) {
    this.onEvent = onEvent
    this.client = Frame.makeParser(Frontend.limits(), (bytes, start, end) => {
      if (!this.client.tagged && Frontend.isStartupMessage(bytes, start)) this.client.tagged = true
      const message = Frontend.readerUnsafe(bytes[start] === 0 ? "startup" : this.phase)(bytes, start, end)
      if (message._tag === "SSLRequest" || message._tag === "GSSENCRequest") this.unanswered++
      onEvent({ _tag: "Sent", message })
    })
    this.client.tagged = false
    this.server = Frame.makeParser(Backend.limits(), (bytes, start, end) => {
      const message = backendReader(bytes, start, end)
      this.phase = Frontend.phaseAfter(message) ?? this.phase
      onEvent({ _tag: "Received", message })
    })
  }

  onBytes(by: Side, bytes: Uint8Array): void {
    if (this.undecodable.has(by)) return
    try {
      if (by === "client") this.client.push(bytes)
      else this.server.push(this.unanswered > 0 ? this.takeAnswer(bytes) : bytes)
    } catch {
      this.undecodable.add(by)
      this.onEvent({ _tag: "Unreadable", by })
    }
  }

  /** Takes the byte that answers an encryption request. An `E` is not an answer but the start of an error. */
  private takeAnswer(bytes: Uint8Array): Uint8Array {
    this.unanswered--
    if (bytes[0] === 0x45) return bytes
    this.onEvent({ _tag: "Answered", answer: String.fromCharCode(bytes[0]!) })
    return bytes.subarray(1)
  }
}

const closedEvent = ({ reason }: TransportError.TransportError): Event | undefined =>
  reason._tag === "Closed"
    ? reason.by === "local" ? undefined : { _tag: "Closed", by: "server" }
    : { _tag: "Closed", by: "server", code: "code" in reason && reason.code !== undefined ? reason.code : reason._tag }

/**
 * Observes a client's connection until the scope closes. Use the returned connection in place of the original.
 *
 * **Gotchas**
 *
 * The function is called during reading and writing: it must be fast. An exception that it throws is treated like
 * undecodable data.
 *
 * @see `ProtocolTrace` for a textual trace
 *
 * @category combinators
 * @since 0.1.0
 */
export const sniff = (
  connection: Connection,
  onEvent: (event: Event) => void
): Effect.Effect<Connection, never, Scope.Scope> =>
  Effect.gen(function*() {
    const sniffer = new Sniffer(onEvent)
    let isClosed = false
    const close = (event: Event | undefined): void => {
      if (isClosed || event === undefined) return
      isClosed = true
      onEvent(event)
    }
    yield* Effect.addFinalizer(() => Effect.sync(() => close({ _tag: "Closed", by: "client" })))
    return {
      ...connection,
      // Chunks are decoded synchronously as they are passed on, so that no interruption can come between.
      pull: connection.pull.pipe(
        Effect.map((chunks) => {
          for (const chunk of chunks) sniffer.onBytes("server", chunk)
          return chunks
        }),
        Effect.tapError((error) => Effect.sync(() => close(closedEvent(error))))
      ),
      write: (bytes) =>
        Effect.suspend(() => {
          sniffer.onBytes("client", bytes)
          return connection.write(bytes)
        }),
      startTls: (options) =>
        Effect.tap(
          connection.startTls(options),
          ({ cipher, protocol }) => Effect.sync(() => onEvent({ _tag: "Secured", protocol, cipher }))
        )
    }
  })
