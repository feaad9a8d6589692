/**
 * The typed message pipe over a connection.
 *
 * It receives one message at a time and sends any number. It is meant for the parts of a session that are a dialogue:
 * the log-in on both sides, and servers in tests and proxies. A session that is logged in reads its connection with a
 * parser of its own; {@link MessageChannel.release} hands over what was read ahead.
 *
 * One receive at a time, one send at a time. The channel owns neither the connection nor a scope.
 *
 * @since 0.1.0
 */
import * as Backend from "@hyperfect/protocol/Backend"
import * as ByteWriter from "@hyperfect/protocol/ByteWriter"
import * as Frame from "@hyperfect/protocol/Frame"
import * as Frontend from "@hyperfect/protocol/Frontend"
import * as ProtocolError from "@hyperfect/protocol/ProtocolError"
import * as Effect from "effect/Effect"
import type { Connection } from "./Connection.ts"
import type { TransportError } from "./TransportError.ts"

/**
 * One end of a dialogue in messages.
 *
 * @category models
 * @since 0.1.0
 */
export interface MessageChannel<In, Out> {
  readonly connection: Connection
  /**
   * The next message; suspends until it is there.
   *
   * Bytes in it are views of the chunk that it came in. Interrupting a receive loses nothing. The end of the stream
   * between two messages is the connection's `Closed`, inside one a `ProtocolError` of reason `StreamEnded`.
   */
  readonly receive: Effect.Effect<In, ProtocolError.ProtocolError | TransportError>
  /** Sends the messages in one write. */
  readonly send: (...messages: ReadonlyArray<Out>) => Effect.Effect<void, ProtocolError.ProtocolError | TransportError>
  /** Gives up the bytes that were read from the connection but not received as messages. */
  readonly release: () => ReadonlyArray<Uint8Array>
}

/**
 * The client's end: receives what servers send.
 *
 * @category models
 * @since 0.1.0
 */
export interface Client extends MessageChannel<Backend.Message, Frontend.Message> {}

/**
 * The server's end: receives what clients send.
 *
 * @category models
 * @since 0.1.0
 */
export interface Server extends MessageChannel<Frontend.Message, Backend.Message> {
  /**
   * What the next message with the tag `p` is taken for.
   *
   * The channel begins in the phase `"startup"` and leaves it by itself behind a StartupMessage, for `"password"`.
   */
  phase: Frontend.Phase
}

interface Unread {
  readonly bytes: Uint8Array
  readonly start: number
  readonly end: number
}

/** Who logs in writes little. */
const firstSlab = 1024

const make = <In, Out>(
  connection: Connection,
  limits: Frame.Limits,
  read: (bytes: Uint8Array, start: number, end: number) => In,
  write: (out: ByteWriter.ByteWriter, message: Out) => void,
  onFrame: (bytes: Uint8Array, start: number, parser: Frame.Parser) => void
): MessageChannel<In, Out> & { readonly parser: Frame.Parser } => {
  // Frames wait undecoded: what a frame means can hang on what is done about the one before it.
  const unread: Array<Unread> = []
  let failed: ProtocolError.ProtocolError | undefined
  const parser: Frame.Parser = Frame.makeParser(limits, (bytes, start, end) => {
    unread.push({ bytes, start, end })
    onFrame(bytes, start, parser)
  })
  const out = ByteWriter.make(firstSlab)

  const next = Effect.suspend((): Effect.Effect<In, ProtocolError.ProtocolError | TransportError> => {
    const frame = unread.shift()
    if (frame !== undefined) {
      try {
        return Effect.succeed(read(frame.bytes, frame.start, frame.end))
      } catch (thrown) {
        failed = ProtocolError.fromThrown(thrown)
      }
    }
    return failed !== undefined ? Effect.fail(failed) : Effect.flatMap(pull, (chunks) => {
      try {
        for (const chunk of chunks) parser.push(chunk)
      } catch (thrown) {
        failed = ProtocolError.fromThrown(thrown)
      }
      return next
    })
  })

  const pull = Effect.catchIf(
    connection.pull,
    (error) => error.reason._tag === "Closed" && parser.pending() > 0,
    () => Effect.fail(ProtocolError.streamEnded(parser.pending()))
  )

  return {
    connection,
    parser,
    receive: next,
    send: (...messages) =>
      Effect.suspend((): Effect.Effect<void, ProtocolError.ProtocolError | TransportError> => {
        const start = out.position
        try {
          for (const message of messages) write(out, message)
        } catch (thrown) {
          out.rewind(start)
          return Effect.fail(ProtocolError.fromThrown(thrown))
        }
        return connection.write(out.take())
      }),
    release: () => {
      const frames = unread.splice(0).map(({ bytes, end, start }) => bytes.subarray(start, end))
      return parser.pending() > 0 ? [...frames, parser.takePending()] : frames
    }
  }
}

const nothing = () => {}

/**
 * A client's channel over a connection.
 *
 * @category constructors
 * @since 0.1.0
 */
export const client = (connection: Connection, options?: Backend.Options): Client =>
  make(connection, Backend.limits(options), Backend.readerUnsafe(options), Frontend.writerUnsafe(options), nothing)

/**
 * A server's channel over a connection.
 *
 * @category constructors
 * @since 0.1.0
 */
export const server = (connection: Connection, options?: Frontend.Options): Server => {
  const readers = new Map<Frontend.Phase, (bytes: Uint8Array, start: number, end: number) => Frontend.Message>()
  const read = (bytes: Uint8Array, start: number, end: number): Frontend.Message => {
    const phase = bytes[start] === 0 ? "startup" : channel.phase
    let reader = readers.get(phase)
    if (reader === undefined) {
      reader = Frontend.readerUnsafe(phase, options)
      readers.set(phase, reader)
    }
    const message = reader(bytes, start, end)
    if (message._tag === "StartupMessage") channel.phase = "password"
    return message
  }
  const { parser, ...base } = make<Frontend.Message, Backend.Message>(
    connection,
    Frontend.limits(options),
    read,
    Backend.writerUnsafe(options),
    (bytes, start, parser) => {
      // Of the packets without a tag only the StartupMessage is followed by messages that have one.
      if (!parser.tagged && Frontend.isStartupMessage(bytes, start)) parser.tagged = true
    }
  )
  parser.tagged = false
  const channel: Server = { ...base, phase: "startup" }
  return channel
}
