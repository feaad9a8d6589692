/**
 * One direction of an in-memory connection: a bounded queue of bytes between one writer and one reader.
 *
 * @since 0.1.0
 */
import type { NonEmptyReadonlyArray } from "effect/Array"
import * as Effect from "effect/Effect"
import * as TransportError from "../TransportError.ts"

type Chunks = NonEmptyReadonlyArray<Uint8Array>
type Failure = Effect.Effect<never, TransportError.TransportError>
type Resume<A> = (effect: Effect.Effect<A, TransportError.TransportError>) => void

interface Writer {
  readonly resume: Resume<void>
  /** The position after this writer's bytes, counted from the first byte of the pipe. */
  readonly end: number
}

/** @internal */
export interface Pipe {
  readonly pull: Effect.Effect<Chunks, TransportError.TransportError>
  readonly write: (bytes: Uint8Array) => Effect.Effect<void, TransportError.TransportError>
  /** Puts pulled bytes back. */
  readonly unshift: (bytes: Uint8Array) => void
  /** Closes the writing end: buffered bytes can still be read, then the stream ends. */
  readonly closeWriting: () => void
  /** Closes the reading end and discards unread bytes. */
  readonly closeReading: () => void
  /** Fails the pull and the writes that are suspended at a closed end. */
  readonly wake: () => void
}

/** @internal */
export const make = (capacity: number): Pipe => {
  const chunks: Array<Uint8Array> = []
  // The number of bytes read from the first chunk.
  let offset = 0
  let written = 0
  let read = 0
  let reader: Resume<Chunks> | undefined
  let writers: Array<Writer> = []
  // Takes effect only once all bytes were read.
  let readEnd: Failure | undefined
  let writeEnd: Failure | undefined

  const takeUnsafe = (): Chunks => {
    const taken: Array<Uint8Array> = []
    let room = capacity
    while (room > 0 && chunks.length > 0) {
      const head = chunks[0]!
      const size = Math.min(room, head.length - offset)
      const chunk = new Uint8Array(size)
      chunk.set(head.subarray(offset, offset + size))
      taken.push(chunk)
      room -= size
      read += size
      offset += size
      if (offset === head.length) {
        chunks.shift()
        offset = 0
      }
    }
    if (writers.length > 0) void Promise.resolve().then(wakeWriters)
    return taken as [Uint8Array, ...Array<Uint8Array>]
  }

  // Not inside the reader's own step: a writer that runs there could interrupt the reader before it has the bytes.
  const wakeWriters = (): void => {
    const waiting = writers
    writers = []
    for (const writer of waiting) {
      if (writeEnd !== undefined) writer.resume(writeEnd)
      else if (writer.end - read <= capacity) writer.resume(Effect.void)
      else writers.push(writer)
    }
  }

  const wakeReader = (effect: Effect.Effect<Chunks, TransportError.TransportError>): void => {
    if (reader === undefined) return
    const resume = reader
    reader = undefined
    resume(effect)
  }

  const take = Effect.sync(takeUnsafe)
  const stopReader = Effect.sync(() => reader = undefined)
  const pull = Effect.callback<Chunks, TransportError.TransportError>((resume) => {
    if (chunks.length > 0) return resume(take)
    if (readEnd !== undefined) return resume(readEnd)
    if (reader !== undefined) return resume(Effect.die(new Error("a connection allows one pull at a time")))
    reader = resume
    return stopReader
  })

  const untilTaken = (end: number) =>
    Effect.callback<void, TransportError.TransportError>((resume) => {
      if (writeEnd !== undefined) return resume(writeEnd)
      if (end - read <= capacity) return resume(Effect.void)
      const writer = { resume, end }
      writers.push(writer)
      return Effect.sync(() => {
        writers = writers.filter((other) => other !== writer)
      })
    })

  return {
    pull,
    write: (bytes) =>
      Effect.suspend(() => {
        if (writeEnd !== undefined) return writeEnd
        if (bytes.length === 0) return Effect.void
        chunks.push(bytes)
        written += bytes.length
        const end = written
        if (reader !== undefined) wakeReader(Effect.succeed(takeUnsafe()))
        return end - read <= capacity ? Effect.void : untilTaken(end)
      }),
    unshift: (bytes) => {
      if (bytes.length === 0) return
      if (offset > 0) chunks[0] = chunks[0]!.subarray(offset)
      offset = 0
      chunks.unshift(bytes)
      read -= bytes.length
    },
    closeWriting: () => {
      readEnd ??= Effect.fail(TransportError.closed("peer"))
      writeEnd = Effect.fail(TransportError.closed("local"))
    },
    closeReading: () => {
      chunks.length = 0
      offset = 0
      readEnd = Effect.fail(TransportError.closed("local"))
      writeEnd ??= TransportError.fail(new TransportError.WriteFailed({ code: "EPIPE" }))
    },
    wake: () => {
      if (readEnd !== undefined) wakeReader(readEnd)
      wakeWriters()
    }
  }
}
