/**
 * A `Connection` over a Node socket.
 *
 * The socket flows only while a pull is pending: a chunk that arrives without one is buffered and the socket is paused,
 * so read-ahead is limited to that chunk and Node's own read buffer (64 KiB), after which the kernel applies
 * backpressure to the sender. Neither direction copies or batches: a chunk is the result of one read (up to 64 KiB),
 * and a write is one write. Small chunks of a connection opened by this module share one buffer of 64 KiB, which lives
 * as long as any of them is referenced.
 *
 * The connection handles all events of the socket from the moment it is made, so a socket failure is always a typed
 * error of an operation and never an unhandled event. It does not open sockets; `NodeTransport` does.
 *
 * @since 0.1.0
 */
import type * as AcceptQueue from "@hyperfect/transport/AcceptQueue"
import type * as Connection from "@hyperfect/transport/Connection"
import * as FastPath from "@hyperfect/transport/FastPath"
import * as TransportError from "@hyperfect/transport/TransportError"
import type { NonEmptyReadonlyArray } from "effect/Array"
import * as Effect from "effect/Effect"
import type * as Net from "node:net"
import * as NodeTls from "./internal/nodeTls.ts"
import * as ReadBuffer from "./internal/readBuffer.ts"

/**
 * Options for closing a connection.
 *
 * @category models
 * @since 0.1.0
 */
export interface CloseOptions {
  /**
   * The time in milliseconds that closing waits for the peer to receive pending writes before the connection is cut;
   * 1000 when absent.
   */
  readonly closeTimeout?: number | undefined
}

/**
 * A connection whose lifetime is managed by the caller.
 *
 * @category models
 * @since 0.1.0
 */
export interface NodeConnection extends AcceptQueue.Closeable {
  /**
   * Closes the connection: suspended pulls and writes fail with `Closed`, pending writes are flushed, then the stream
   * ends. Completes when that has been sent, after `closeTimeout` at the latest; the socket is destroyed when the peer
   * has ended its side too, or after the same time.
   */
  readonly close: Effect.Effect<void>
}

type Chunks = NonEmptyReadonlyArray<Uint8Array>
type Failure = Effect.Effect<never, TransportError.TransportError>
type Resume<A> = (effect: Effect.Effect<A, TransportError.TransportError>) => void

/** A pull that waits for chunks. */
interface PendingPull {
  /** Takes chunks. It clears `reader` before it resumes a consumer that needs no more. */
  readonly take: (chunks: Chunks) => void
  readonly fail: (failure: Failure) => void
}

/**
 * The longest time in milliseconds that a timer of Node waits; a longer one is taken for a millisecond.
 *
 * @internal
 */
export const maxTimeout = 0x7fffffff

/** The number of bytes that are still read, and discarded, on a connection that this end has closed. */
const lingerSize = 256 * 1024

const closedLocally = Effect.failSync(() => TransportError.closed("local"))
const closedByPeer = Effect.failSync(() => TransportError.closed("peer"))

/**
 * Makes a connection from an open socket that has no other reader or listener.
 *
 * **When to use**
 *
 * Use for sockets that other code has opened, such as a tunnel; `NodeTransport.layer` opens its own.
 *
 * **Gotchas**
 *
 * The socket must have been created with `allowHalfOpen: true`; otherwise Node ends it as soon as the peer does.
 *
 * @internal
 */
export const fromSocketUnsafe = (socket: Net.Socket, remote: string, options?: CloseOptions): NodeConnection => {
  // The socket that carries the bytes: replaced by a TLS socket around it after a handshake.
  let stream = socket
  let info: Connection.TlsInfo | undefined
  let securing = false
  let closing = false
  const unread: Array<Uint8Array> = []
  let paused = true
  let reader: PendingPull | undefined
  const writers = new Set<Resume<void>>()
  // The reason why reading or writing has ended. The two directions end independently.
  let readEnd: Failure | undefined
  let writeEnd: Failure | undefined

  // Both directions are marked before any waiter is resumed: a resumed fiber runs at once, and may use the other
  // direction.
  const end = (reading: Failure | undefined, writing: Failure | undefined): void => {
    readEnd ??= reading
    writeEnd ??= writing
    if (readEnd !== undefined && reader !== undefined) {
      const { fail } = reader
      reader = undefined
      fail(readEnd)
    }
    if (writeEnd !== undefined) wakeWriters(writeEnd)
  }

  const wakeWriters = (result: Effect.Effect<void, TransportError.TransportError>): void => {
    if (writers.size === 0) return
    const woken = Array.from(writers)
    writers.clear()
    for (const resume of woken) resume(result)
  }

  let receive = (chunk: Uint8Array): void => {
    if (reader === undefined) {
      unread.push(chunk)
    } else {
      // Runs the puller's fiber up to its next suspension, which is the next pull if it keeps up.
      try {
        reader.take([chunk])
      } catch (cause) {
        // Rethrown, it would escape the socket's callback and end the process.
        end(TransportError.fail(new TransportError.ReadFailed({ cause })), undefined)
      }
      if (reader !== undefined || securing || closing) return
    }
    paused = true
    stream.pause()
  }
  const onData = (chunk: Uint8Array): void => receive(chunk)
  const onEnd = (): void => end(closedByPeer, undefined)
  const onDrain = (): void => wakeWriters(Effect.void)
  const onError = (cause: NodeJS.ErrnoException): void => {
    // Data that Node read before the failure, such as the reason that a server sends before it disconnects.
    const rest = stream.read() as Uint8Array | null
    if (rest !== null) unread.push(rest)
    const details = cause.code === undefined ? { cause } : { cause, code: cause.code }
    end(
      TransportError.fail(new TransportError.ReadFailed(details)),
      TransportError.fail(new TransportError.WriteFailed(details))
    )
  }
  const onClose = (): void => end(closedLocally, closedLocally)

  const attach = (to: Net.Socket): void => {
    const inlet = ReadBuffer.of(to)
    if (inlet === undefined) to.on("data", onData)
    else inlet.onChunk = onData
    to.on("end", onEnd)
    to.on("drain", onDrain)
    to.on("error", onError)
    to.on("close", onClose)
    // Adding a data listener has set the stream flowing.
    to.pause()
  }
  attach(socket)

  // The chunks are taken in the same step that passes them to the puller's continuation: after an interruption they are
  // either still buffered or already delivered.
  const takeUnread = (): Chunks => unread.splice(0) as [Uint8Array, ...Array<Uint8Array>]
  const take = Effect.sync(takeUnread)
  const stopReader = Effect.sync(() => reader = undefined)
  const secondPull = Effect.die(new Error("a connection allows one pull at a time"))
  const read = (next: PendingPull): Effect.Effect<void> => {
    reader = next
    if (paused && !securing) {
      paused = false
      stream.resume()
    }
    return stopReader
  }
  const pull = Effect.callback<Chunks, TransportError.TransportError>((resume) => {
    if (unread.length > 0) return resume(take)
    if (readEnd !== undefined) return resume(readEnd)
    if (reader !== undefined) return resume(secondPull)
    return read({
      take: (chunks) => {
        reader = undefined
        resume(Effect.succeed(chunks))
      },
      fail: resume
    })
  })
  const pullWhile: FastPath.PullWhile = (wantsMore) =>
    Effect.callback<void, TransportError.TransportError>((resume) => {
      if (reader !== undefined) return resume(secondPull)
      if (unread.length > 0 && !wantsMore(takeUnread())) return resume(Effect.void)
      if (readEnd !== undefined) return resume(readEnd)
      const own: PendingPull = {
        take: (chunks) => {
          // The consumer of the chunks may have interrupted this very pull.
          if (wantsMore(chunks) || reader !== own) return
          reader = undefined
          resume(Effect.void)
        },
        fail: resume
      }
      return read(own)
    })

  const drained = Effect.callback<void, TransportError.TransportError>((resume) => {
    if (writeEnd !== undefined) return resume(writeEnd)
    if (!stream.writableNeedDrain) return resume(Effect.void)
    writers.add(resume)
    return Effect.sync(() => {
      writers.delete(resume)
    })
  })

  const secure = (
    handshake: (stream: Net.Socket) => Effect.Effect<NodeTls.SecuredSocket, TransportError.TransportError>
  ): Effect.Effect<Connection.TlsInfo, TransportError.TransportError> =>
    Effect.suspend(() => {
      if (writeEnd !== undefined) return writeEnd
      if (readEnd !== undefined) return readEnd
      if (securing || info !== undefined) return TransportError.fail(NodeTls.alreadySecured())
      securing = true
      paused = true
      socket.off("data", onData)
      socket.off("end", onEnd)
      socket.pause()
      // Data that has already arrived belongs to the handshake; TLS decides whether it is valid.
      if (unread.length > 0) socket.unshift(Buffer.concat(unread.splice(0)))
      return handshake(socket).pipe(
        Effect.onExit((exit) =>
          Effect.sync(() => {
            securing = false
            if (exit._tag === "Failure") {
              onClose()
              socket.destroy()
              return
            }
            stream = exit.value.socket
            info = exit.value.info
            attach(stream)
            if (reader !== undefined) {
              paused = false
              stream.resume()
            }
          })
        ),
        Effect.map((secured) => secured.info)
      )
    })

  const send: FastPath.Send = (bytes) => {
    if (writeEnd !== undefined || securing || stream.writableNeedDrain) return false
    if (bytes.length > 0) stream.write(bytes)
    return true
  }

  const connection: NodeConnection = {
    remote,
    address: socket.remoteAddress,
    tls: () => info,
    pull,
    write: (bytes) =>
      Effect.suspend(() => {
        if (writeEnd !== undefined) return writeEnd
        if (securing) return Effect.die(new Error("nothing can be written while a connection is being secured"))
        if (bytes.length === 0 || stream.write(bytes)) return Effect.void
        return drained
      }),
    startTls: (tlsOptions) => secure((stream) => NodeTls.connect(stream, tlsOptions)),
    acceptTls: (tlsOptions) => secure((stream) => NodeTls.accept(stream, tlsOptions)),
    close: Effect.callback<void>((resume) => {
      closing = true
      unread.length = 0
      readEnd = undefined
      writeEnd = undefined
      onClose()
      if (stream.closed) return resume(Effect.void)
      const timer = setTimeout(() => stream.destroy(), Math.min(options?.closeTimeout ?? 1000, maxTimeout))
      stream.once("close", () => {
        clearTimeout(timer)
        resume(Effect.void)
      })
      if (securing) {
        stream.destroy()
        return
      }
      // Data that the peer still has in flight is read until it ends its side too: closing a socket with unread bytes
      // resets the connection, and the peer may then lose the last data written here. With more than `lingerSize`
      // bytes, the peer is in the middle of a transfer, and a reset tells it to stop.
      let room = lingerSize
      receive = (chunk) => {
        room -= chunk.length
        if (room > 0) return
        stream.pause()
        if (stream.writableFinished) stream.destroy()
      }
      stream.resume()
      stream.end(() => {
        if (room <= 0) stream.destroy()
        timer.unref()
        stream.unref()
        resume(Effect.void)
      })
    })
  }
  FastPath.attach(connection, send, pullWhile)
  return connection
}
