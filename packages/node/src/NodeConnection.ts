/**
 * A `Connection` over a Node socket.
 *
 * The socket flows only while somebody pulls: a chunk that nobody waits for is kept and the socket is paused, so that
 * what is read ahead is that chunk and Node's own read buffer (64 KiB), and then the kernel holds the sender back.
 * Neither direction copies or gathers: a chunk is what one read returned (up to 64 KiB), a write is one write. Small chunks
 * of a connection that was opened here lie in one buffer of 64 KiB, which lives as long as any of them is held.
 *
 * The connection owns the socket's events from the moment it is made, so a failure of the socket is always somebody's
 * typed error and never an unhandled event. It does not open sockets; `NodeTransport` does.
 *
 * @since 0.1.0
 */
import type * as Backlog from "@hyperfect/transport/Backlog"
import type * as Connection from "@hyperfect/transport/Connection"
import * as Direct from "@hyperfect/transport/Direct"
import * as TransportError from "@hyperfect/transport/TransportError"
import type { NonEmptyReadonlyArray } from "effect/Array"
import * as Effect from "effect/Effect"
import type * as Net from "node:net"
import * as Inlet from "./internal/inlet.ts"
import * as NodeTls from "./internal/nodeTls.ts"

/**
 * How a connection is closed.
 *
 * @category models
 * @since 0.1.0
 */
export interface CloseOptions {
  /**
   * Milliseconds that closing waits for the other end to take what was written before the line is cut; 1000 when
   * absent.
   */
  readonly closeTimeout?: number | undefined
}

/**
 * A connection whose life is in its owner's hands.
 *
 * @category models
 * @since 0.1.0
 */
export interface NodeConnection extends Backlog.Closeable {
  /**
   * Closes the line: suspended pulls and writes fail with `Closed`, what was written is flushed, then the line ends.
   * Done when that has been sent, after `closeTimeout` at the latest; the socket goes when the other end has ended its
   * side too, or after the same time.
   */
  readonly close: Effect.Effect<void>
}

type Chunks = NonEmptyReadonlyArray<Uint8Array>
type Failure = Effect.Effect<never, TransportError.TransportError>
type Resume<A> = (effect: Effect.Effect<A, TransportError.TransportError>) => void

/** Who waits for what comes. */
interface Reader {
  /** Takes chunks. It clears `reader` before it wakes whoever has enough with them. */
  readonly take: (chunks: Chunks) => void
  readonly fail: (failure: Failure) => void
}

/** Bytes that are still read, to be dropped, on a line that this end has closed. */
const lingerSize = 256 * 1024

const failure = (reason: TransportError.Reason): Failure => Effect.fail(TransportError.fromReason(reason))

const closedHere = Effect.fail(TransportError.closed("local"))
const closedThere = Effect.fail(TransportError.closed("peer"))

/**
 * Makes a connection of an open socket that nobody reads from or listens to.
 *
 * **When to use**
 *
 * Use for sockets that something else has opened, such as a tunnel; `NodeTransport.layer` opens its own.
 *
 * **Gotchas**
 *
 * The socket must have been made with `allowHalfOpen: true`; otherwise Node ends it as soon as the other end does.
 *
 * @category constructors
 * @since 0.1.0
 */
export const fromSocketUnsafe = (
  socket: Net.Socket,
  remote: string,
  options?: CloseOptions
): NodeConnection => {
  // The socket that carries the bytes: replaced by a TLS socket around it when the line is secured.
  let line = socket
  let info: Connection.TlsInfo | undefined
  let securing = false
  let closing = false
  const unread: Array<Uint8Array> = []
  let paused = true
  let reader: Reader | undefined
  const writers = new Set<Resume<void>>()
  // Why nothing comes, and nothing goes, any more. The two directions end on their own.
  let readEnd: Failure | undefined
  let writeEnd: Failure | undefined

  // Both directions are marked before anybody is woken: who wakes runs at once, and may use the other one.
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
      reader.take([chunk])
      if (reader !== undefined || securing || closing) return
    }
    paused = true
    line.pause()
  }
  const onData = (chunk: Uint8Array): void => receive(chunk)
  const onEnd = (): void => end(closedThere, undefined)
  const onDrain = (): void => wakeWriters(Effect.void)
  const onError = (cause: NodeJS.ErrnoException): void => {
    // What Node had read before the failure, such as the reason that a server gives before it hangs up.
    const rest = line.read() as Uint8Array | null
    if (rest !== null) unread.push(rest)
    const details = cause.code === undefined ? { cause } : { cause, code: cause.code }
    end(failure(new TransportError.ReadFailed(details)), failure(new TransportError.WriteFailed(details)))
  }
  const onClose = (): void => end(closedHere, closedHere)

  const attach = (to: Net.Socket): void => {
    const inlet = Inlet.of(to)
    if (inlet === undefined) to.on("data", onData)
    else inlet.onChunk = onData
    to.on("end", onEnd)
    to.on("drain", onDrain)
    to.on("error", onError)
    to.on("close", onClose)
    // Listening for data has set the stream flowing.
    to.pause()
  }
  attach(socket)

  // The chunks are taken in the same step that hands them to the puller's continuation: an interruption finds them
  // either still here or already there.
  const takeUnread = (): Chunks => unread.splice(0) as [Uint8Array, ...Array<Uint8Array>]
  const take = Effect.sync(takeUnread)
  const stopReader = Effect.sync(() => {
    reader = undefined
  })
  const secondPull = Effect.die(new Error("a connection allows one pull at a time"))
  const read = (next: Reader): Effect.Effect<void> => {
    reader = next
    if (paused && !securing) {
      paused = false
      line.resume()
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
  const pullWhile: Direct.PullWhile = (wantsMore) =>
    Effect.callback<void, TransportError.TransportError>((resume) => {
      if (reader !== undefined) return resume(secondPull)
      if (unread.length > 0 && !wantsMore(takeUnread())) return resume(Effect.void)
      if (readEnd !== undefined) return resume(readEnd)
      const own: Reader = {
        take: (chunks) => {
          // What is done with the chunks may have interrupted this very pull.
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
    if (!line.writableNeedDrain) return resume(Effect.void)
    writers.add(resume)
    return Effect.sync(() => {
      writers.delete(resume)
    })
  })

  const secure = (
    handshake: (line: Net.Socket) => Effect.Effect<NodeTls.Secured, TransportError.TransportError>
  ): Effect.Effect<Connection.TlsInfo, TransportError.TransportError> =>
    Effect.suspend(() => {
      if (writeEnd !== undefined) return writeEnd
      if (readEnd !== undefined) return readEnd
      if (securing || info !== undefined) return failure(NodeTls.alreadySecured)
      securing = true
      paused = true
      socket.off("data", onData)
      socket.off("end", onEnd)
      socket.pause()
      // What came already belongs to the handshake; TLS is the judge of it.
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
            line = exit.value.socket
            info = exit.value.info
            attach(line)
            if (reader !== undefined) {
              paused = false
              line.resume()
            }
          })
        ),
        Effect.map((secured) => secured.info)
      )
    })

  const send: Direct.Send = (bytes) => {
    if (writeEnd !== undefined || securing || line.writableNeedDrain) return false
    if (bytes.length > 0) line.write(bytes)
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
        if (bytes.length === 0 || line.write(bytes)) return Effect.void
        return drained
      }),
    startTls: (tlsOptions) => secure((line) => NodeTls.connect(line, tlsOptions)),
    acceptTls: (tlsOptions) => secure((line) => NodeTls.accept(line, tlsOptions)),
    close: Effect.callback<void>((resume) => {
      closing = true
      unread.length = 0
      readEnd = undefined
      writeEnd = undefined
      onClose()
      if (line.closed) return resume(Effect.void)
      const timer = setTimeout(() => line.destroy(), options?.closeTimeout ?? 1000)
      line.once("close", () => {
        clearTimeout(timer)
        resume(Effect.void)
      })
      if (securing) {
        line.destroy()
        return
      }
      // What the other end still has under way is taken until it ends its side too: a socket that is closed over unread
      // bytes resets the line, and the other end may then lose the last that we wrote. If that is more than a little, the
      // other end is in the middle of something, and a reset is what tells it to stop.
      let room = lingerSize
      receive = (chunk) => {
        room -= chunk.length
        if (room > 0) return
        line.pause()
        if (line.writableFinished) line.destroy()
      }
      line.resume()
      line.end(() => {
        if (room <= 0) line.destroy()
        timer.unref()
        line.unref()
        resume(Effect.void)
      })
    })
  }
  Direct.attach(connection, send, pullWhile)
  return connection
}
