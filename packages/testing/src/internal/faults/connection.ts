/** One connection with faults, which are applied to its bytes in transit. */
import type { Connection } from "@hyperfect/transport/Connection"
import * as TransportError from "@hyperfect/transport/TransportError"
import type { NonEmptyReadonlyArray } from "effect/Array"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import type * as Scope from "effect/Scope"
import type { Faults } from "./options.ts"
import * as Schedule from "./schedule.ts"

type Chunks = NonEmptyReadonlyArray<Uint8Array>
type Failure = Effect.Effect<never, TransportError.TransportError>
type Resume<A> = (effect: Effect.Effect<A, TransportError.TransportError>) => void

/**
 * A write that is not completely sent yet. If the writer is interrupted, no fiber waits for it any more, but it is
 * still sent.
 */
interface PendingWrite {
  readonly bytes: Uint8Array
  sent: number
  resume: Resume<void> | undefined
}

const closedLocally = Effect.fail(TransportError.closed("local"))

const wrongVersion = TransportError.fail(new TransportError.TlsFailed({ code: "ERR_SSL_WRONG_VERSION_NUMBER" }))

const disconnectErrors = {
  close: {
    read: Effect.fail(TransportError.closed("peer")),
    write: TransportError.fail(new TransportError.WriteFailed({ code: "EPIPE" }))
  },
  reset: {
    read: TransportError.fail(new TransportError.ReadFailed({ code: "ECONNRESET" })),
    write: TransportError.fail(new TransportError.WriteFailed({ code: "ECONNRESET" }))
  }
}

/**
 * Wraps a connection for the scope. `hangUp` closes the underlying one; it runs when the connection is cut.
 *
 * @internal
 */
export const make = (
  connection: Connection,
  faults: Faults,
  closeUnderlying: Effect.Effect<void>,
  ...seed: ReadonlyArray<number>
): Effect.Effect<Connection, never, Scope.Scope> =>
  Effect.gen(function*() {
    const scope = yield* Effect.scope
    const { reading = {}, writing = {} } = faults
    const readCourse = Schedule.make(reading, ...seed, 1)
    const writeCourse = Schedule.make(writing, ...seed, 2)
    // The reason why reading or writing has ended.
    let readEnd: Failure | undefined
    let writeEnd: Failure | undefined
    const ended = Latch.makeUnsafe(false)
    const held: Array<Uint8Array> = []
    let received = 0
    const queue: Array<PendingWrite> = []
    let sent = 0
    const some = Latch.makeUnsafe(false)

    const end = (reading: Failure, writing: Failure): void => {
      readEnd = reading
      writeEnd = writing
      held.length = 0
      ended.openUnsafe()
      for (const { resume } of queue) resume?.(writing)
    }
    const cutWith = (read: Failure, write: Failure): Effect.Effect<unknown> =>
      Effect.suspend(() => {
        if (readEnd !== undefined) return Effect.void
        end(read, write)
        queue.length = 0
        return Effect.forkIn(Effect.uninterruptible(closeUnderlying), scope)
      })
    const { read: cutRead, write: cutWrite } = disconnectErrors[faults.disconnect ?? "close"]
    const cut = cutWith(cutRead, cutWrite)

    // Pulled chunks are stored before any interruption: an interrupted pull loses no bytes.
    const fill = Effect.uninterruptibleMask((restore) =>
      Effect.matchEffect(restore(connection.pull), {
        onSuccess: (chunks) =>
          Effect.sync(() => {
            if (readEnd === undefined) held.push(...chunks)
          }),
        onFailure: (error) => readEnd ?? Effect.fail(error)
      })
    )
    const take = (size: number): Chunks => {
      const head = held[0]!
      const piece = head.subarray(0, size)
      if (size === head.length) held.shift()
      else held[0] = head.subarray(size)
      const altered = readCourse.corrupt(piece, received)
      received += size
      return [altered]
    }
    const pull: Connection["pull"] = Effect.suspend(() => {
      if (readEnd !== undefined) return readEnd
      if (received === reading.stallAfter) return Effect.andThen(ended.await, pull)
      if (held.length === 0) return Effect.andThen(fill, pull)
      const size = readCourse.pieceSize(received, held[0]!.length)
      const delay = readCourse.delay(received)
      const taken = Effect.suspend((): Effect.Effect<Chunks, TransportError.TransportError> => {
        if (readEnd !== undefined) return readEnd
        const chunks = take(size)
        return received === reading.disconnectAfter ? Effect.as(cut, chunks) : Effect.succeed(chunks)
      })
      return delay === 0 ? taken : Effect.andThen(Effect.sleep(delay), taken)
    })

    const sendPiece = (write: PendingWrite, piece: Uint8Array): Effect.Effect<void, TransportError.TransportError> =>
      Effect.suspend(() => {
        const position = sent
        write.sent += piece.length
        sent += piece.length
        const isDropped = writing.dropAfter !== undefined && position >= writing.dropAfter
        return isDropped ? Effect.void : connection.write(writeCourse.corrupt(piece, position))
      })
    const step: Effect.Effect<void, TransportError.TransportError> = Effect.suspend(() => {
      const write = queue[0]
      if (write === undefined) {
        some.closeUnsafe()
        return some.await
      }
      if (sent === writing.stallAfter) return Effect.never
      const room = writeCourse.pieceSize(sent, write.bytes.length - write.sent)
      const untilDrop = writing.dropAfter === undefined || sent >= writing.dropAfter ? room : writing.dropAfter - sent
      const piece = write.bytes.subarray(write.sent, write.sent + Math.min(room, untilDrop))
      const delay = writeCourse.delay(sent)
      return (delay === 0 ? Effect.void : Effect.sleep(delay)).pipe(
        Effect.andThen(sendPiece(write, piece)),
        Effect.andThen(Effect.suspend(() => {
          if (write.sent === write.bytes.length && queue[0] === write) {
            queue.shift()
            write.resume?.(Effect.void)
          }
          return sent === writing.disconnectAfter ? cut : Effect.void
        }))
      )
    })
    const sender = Effect.forever(step).pipe(
      Effect.catch((error) =>
        Effect.sync(() => {
          writeEnd ??= Effect.fail(error)
          for (const { resume } of queue.splice(0)) resume?.(writeEnd)
        })
      )
    )

    const write: Connection["write"] = (bytes) =>
      Effect.callback((resume) => {
        if (writeEnd !== undefined) return resume(writeEnd)
        if (bytes.length === 0) return resume(Effect.void)
        const write: PendingWrite = { bytes, sent: 0, resume }
        queue.push(write)
        some.openUnsafe()
        return Effect.sync(() => write.resume = undefined)
      })

    const startTls: Connection["startTls"] = (options) =>
      Effect.suspend(() => {
        if (readEnd !== undefined) return readEnd
        if (received === reading.stallAfter || sent === writing.stallAfter) {
          return Effect.andThen(ended.await, startTls(options))
        }
        // Bytes held back from before the handshake would be mistaken for a part of the secured stream.
        return held.length === 0
          ? connection.startTls(options)
          : Effect.andThen(cutWith(closedLocally, closedLocally), wrongVersion)
      })

    yield* Effect.forkScoped(sender, { startImmediately: true })
    yield* Effect.addFinalizer(() =>
      Effect.suspend(() => {
        const rest = queue.filter(({ resume }) => resume === undefined)
        const isOpen = writeEnd === undefined
        end(closedLocally, closedLocally)
        // Writes left by interrupted fibers are sent as well, as far as the faults let bytes through.
        const passes = isOpen && sent !== writing.stallAfter && writing.dropAfter === undefined
        return passes
          ? Effect.forEach(
            rest,
            ({ bytes, sent }) =>
              Effect.forkDetach(Effect.ignore(connection.write(bytes.subarray(sent))), { startImmediately: true }),
            {
              discard: true
            }
          )
          : Effect.void
      })
    )
    if (reading.disconnectAfter === 0 || writing.disconnectAfter === 0) yield* cut
    return { ...connection, pull, write, startTls }
  })
