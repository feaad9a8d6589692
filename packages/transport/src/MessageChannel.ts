/**
 * A typed message channel over a connection.
 *
 * It is meant for login on both sides, and for servers in tests and proxies. `receive` and `send` suit requests and
 * their responses; `receiveAll` and `sendAll` move messages in batches, as fast as the connection does. A logged-in
 * session reads its connection with its own parser; {@link MessageChannel.release} returns the bytes that were read
 * ahead.
 *
 * Only one receive and one send may run at a time. The channel owns neither the connection nor a scope.
 *
 * A message that cannot be decoded fails only one receive: the next receive continues after it, however the bytes were
 * split. If framing is lost (`ProtocolError.isFramingLost`), every further receive fails.
 *
 * @since 0.1.0
 */
import * as Backend from "@hyperfect/protocol/Backend"
import * as ByteWriter from "@hyperfect/protocol/ByteWriter"
import * as Frame from "@hyperfect/protocol/Frame"
import * as Frontend from "@hyperfect/protocol/Frontend"
import * as ProtocolError from "@hyperfect/protocol/ProtocolError"
import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import type { Connection } from "./Connection.ts"
import type { TransportError } from "./TransportError.ts"

/**
 * One end of a message exchange.
 *
 * @category models
 * @since 0.1.0
 */
export interface MessageChannel<In, Out> {
  readonly connection: Connection
  /**
   * Returns the next message; suspends until it arrives.
   *
   * Byte fields are views of the chunk in which the message arrived. Interrupting a receive loses nothing. If the
   * stream ends between two messages, the failure is the connection's `Closed`; inside a message it is a
   * `ProtocolError` with reason `StreamEnded`.
   */
  readonly receive: Effect.Effect<In, ProtocolError.ProtocolError | TransportError>
  /**
   * Returns all messages that have arrived; suspends until there is one.
   *
   * During a login it returns one message, as the next one depends on the response. Messages before one that cannot be
   * decoded are returned; the receive after them fails. Otherwise it is as `receive`.
   */
  readonly receiveAll: Effect.Effect<Arr.NonEmptyReadonlyArray<In>, ProtocolError.ProtocolError | TransportError>
  /** Sends the messages in one write. */
  readonly send: (...messages: ReadonlyArray<Out>) => Effect.Effect<void, ProtocolError.ProtocolError | TransportError>
  /** Sends a batch of any size in one write. */
  readonly sendAll: (messages: ReadonlyArray<Out>) => Effect.Effect<void, ProtocolError.ProtocolError | TransportError>
  /** Removes and returns the bytes that were read from the connection but not received as messages. */
  readonly release: () => ReadonlyArray<Uint8Array>
}

/**
 * The client's end: receives backend messages.
 *
 * @category models
 * @since 0.1.0
 */
export interface Client extends MessageChannel<Backend.Message, Frontend.Message> {}

/**
 * The server's end: receives frontend messages.
 *
 * @category models
 * @since 0.1.0
 */
export interface Server extends MessageChannel<Frontend.Message, Backend.Message> {
  /**
   * The current phase, which determines the allowed messages, their maximum length, and the meaning of the tag `p`.
   *
   * The channel starts in the phase `"startup"` and follows the login automatically: a StartupMessage leads to
   * `"password"`, a sent message to the phase of `Frontend.phaseAfter`. Set it only if the server's side of the login
   * is written to the connection without this channel.
   */
  phase: Frontend.Phase
}

interface UnreadFrame {
  readonly bytes: Uint8Array
  readonly start: number
  readonly end: number
}

/** Login messages are small. */
const initialBufferSize = 1024

interface Reading<In> {
  readonly parser: Frame.Parser
  readonly unread: Array<UnreadFrame>
  readonly read: (bytes: Uint8Array, start: number, end: number) => In
  /** True if the meaning or validity of a frame depends on how the previous one was handled. */
  readonly isStepwise: () => boolean
}

const make = <In, Out>(
  connection: Connection,
  { isStepwise, parser, read, unread }: Reading<In>,
  write: (out: ByteWriter.ByteWriter, message: Out) => void,
  onSent: (message: Out) => void
): MessageChannel<In, Out> => {
  /** Bytes received after a frame on which their interpretation depends. */
  let uncut: Array<Uint8Array> = []
  let failed: ProtocolError.ProtocolError | undefined
  const out = ByteWriter.make(initialBufferSize)

  /** Splits the received bytes into frames, or splits off only the next one. */
  const cut = (): void => {
    while (uncut.length > 0 && (unread.length === 0 || !isStepwise())) {
      const chunk = uncut.shift()!
      const size = isStepwise() ? parser.missing() : chunk.length
      if (size < chunk.length) uncut.unshift(chunk.subarray(size))
      parser.push(chunk.subarray(0, size))
    }
  }

  /** Returns at least one message and at most `limit` of those that have arrived. */
  const take = (limit: number) => {
    const taking: Effect.Effect<Arr.NonEmptyReadonlyArray<In>, ProtocolError.ProtocolError | TransportError> = Effect
      .suspend(() => {
        if (unread.length === 0 && failed === undefined) {
          try {
            cut()
          } catch (thrown) {
            failed = ProtocolError.fromThrown(thrown)
          }
        }
        const messages: Array<In> = []
        const count = Math.min(limit, unread.length)
        try {
          while (messages.length < count) {
            const { bytes, end, start } = unread[messages.length]!
            messages.push(read(bytes, start, end))
          }
        } catch (thrown) {
          // The messages before it come first. It is read again, and skipped, by the next receive.
          if (messages.length === 0) {
            unread.shift()
            return Effect.fail(ProtocolError.fromThrown(thrown))
          }
        }
        unread.splice(0, messages.length)
        if (Arr.isArrayNonEmpty(messages)) return Effect.succeed(messages)
        return failed !== undefined ? Effect.fail(failed) : Effect.flatMap(pull, (chunks) => {
          uncut = [...chunks]
          return taking
        })
      })
    return taking
  }

  const pull = Effect.catchIf(
    connection.pull,
    (error) => error.reason._tag === "Closed" && parser.pending() > 0,
    () => Effect.fail(ProtocolError.streamEnded(parser.pending()))
  )

  const sendAll = (messages: ReadonlyArray<Out>) =>
    Effect.suspend((): Effect.Effect<void, ProtocolError.ProtocolError | TransportError> => {
      const start = out.position
      try {
        for (const message of messages) write(out, message)
      } catch (thrown) {
        out.rewind(start)
        return Effect.fail(ProtocolError.fromThrown(thrown))
      }
      for (const message of messages) onSent(message)
      return connection.write(out.take())
    })

  return {
    connection,
    receive: Effect.map(take(1), ([message]) => message),
    receiveAll: take(Number.POSITIVE_INFINITY),
    send: (...messages) => sendAll(messages),
    sendAll,
    release: () => {
      const frames = unread.splice(0).map(({ bytes, end, start }) => bytes.subarray(start, end))
      const begun = parser.pending() > 0 ? [parser.takePending()] : []
      return [...frames, ...begun, ...uncut.splice(0)]
    }
  }
}

const parserInto = (unread: Array<UnreadFrame>, limits: Frame.Limits): Frame.Parser =>
  Frame.makeParser(limits, (bytes, start, end) => unread.push({ bytes, start, end }))

/**
 * Creates a client's channel over a connection.
 *
 * @category constructors
 * @since 0.1.0
 */
export const client = (connection: Connection, options?: Backend.Options): Client => {
  const unread: Array<UnreadFrame> = []
  return make(
    connection,
    {
      unread,
      parser: parserInto(unread, Backend.limits(options)),
      read: Backend.readerUnsafe(options),
      isStepwise: () => false
    },
    Frontend.writerUnsafe(options),
    () => {}
  )
}

/**
 * Creates a server's channel over a connection.
 *
 * **Details**
 *
 * Until login completes, only login messages are accepted, with PostgreSQL's limits: 10,000 bytes for the packets that
 * open a connection, 65,535 for responses to authentication requests. `longLimit` applies to the session afterwards.
 * Messages that a client has sent ahead are kept until they are received.
 *
 * **Gotchas**
 *
 * A session message that cannot be decoded must be answered by the server, as PostgreSQL does: with
 * `Backend.errorResponse`, followed by ReadyForQuery after a Query, otherwise with nothing more until the next Sync.
 *
 * @category constructors
 * @since 0.1.0
 */
export const server = (connection: Connection, options?: Frontend.Options): Server => {
  const unread: Array<UnreadFrame> = []
  let phase: Frontend.Phase = "startup"
  const parser = parserInto(unread, Frontend.limitsIn(phase, options))
  parser.tagged = false
  const setPhase = (next: Frontend.Phase): void => {
    if (next === phase) return
    phase = next
    parser.tagged = phase !== "startup"
    parser.setLimits(Frontend.limitsIn(phase, options))
  }
  const read = (bytes: Uint8Array, start: number, end: number): Frontend.Message => {
    const message = Frontend.readerUnsafe(phase, options)(bytes, start, end)
    if (message._tag === "StartupMessage") setPhase("password")
    return message
  }
  const channel = make<Frontend.Message, Backend.Message>(
    connection,
    { unread, parser, read, isStepwise: () => phase !== "session" },
    Backend.writerUnsafe(options),
    (message) => setPhase(Frontend.phaseAfter(message) ?? phase)
  )
  return Object.defineProperty(channel, "phase", { get: () => phase, set: setPhase, enumerable: true }) as Server
}
