/**
 * The laws of one line: order, backpressure, interruption, closing.
 *
 * @since 0.1.0
 */
import type * as Connection from "@hyperfect/transport/Connection"
import type * as TransportError from "@hyperfect/transport/TransportError"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import {
  expect,
  expectClosed,
  type LawEffect,
  makeChecker,
  openLine,
  pass,
  pattern,
  type Place,
  reasonOf,
  receive,
  startSuspended
} from "./law.ts"

/** @internal */
export interface LineOptions extends Place {
  readonly bigWrite: number
}

/** The size of one write of a flood, and of a whole flood: more than a line may hold for a reader who does not read. */
const floodWrite = 1024 * 1024
const floodSize = 128 * floodWrite

const sendSizes = (connection: Connection.Connection, sizes: ReadonlyArray<number>) => {
  let position = 0
  return Effect.forEach(sizes, (size) => {
    const bytes = pattern(position, size)
    position += size
    return connection.write(bytes)
  }, { discard: true })
}

const sum = (sizes: ReadonlyArray<number>): number => sizes.reduce((total, size) => total + size, 0)

/** Sizes on both sides of what sockets and buffers like to cut at. */
const mixedSizes = Array.from({ length: 400 }, (_, i) => [1, 5, 17, 255, 4096, 65_535, 65_537][i % 7]! + i)

/** Keeps what a pull returns, whatever interrupts the fiber. */
const keepPulled = (connection: Connection.Connection, kept: Array<Uint8Array>) =>
  Effect.uninterruptibleMask((restore) =>
    Effect.map(restore(connection.pull), (chunks) => {
      kept.push(...chunks)
    })
  )

/** Writes without end until writing fails or has to wait; counts what was accepted. */
const flood = (connection: Connection.Connection, accepted: { size: number }) => {
  // The same bytes every time: they are never changed, and there are enough of them to fill any buffer.
  const bytes = pattern(0, floodWrite)
  return connection.write(bytes).pipe(
    Effect.andThen(Effect.sync(() => {
      accepted.size += bytes.length
    })),
    Effect.repeat({ while: () => accepted.size < floodSize })
  )
}

/** Waits until a number has stopped growing. */
const settled = (current: () => number) => {
  let last = -1
  return Effect.sleep("100 millis").pipe(
    Effect.andThen(Effect.sync(() => {
      const grows = current() !== last
      last = current()
      return grows
    })),
    Effect.repeat({ while: (grows) => grows })
  )
}

/** @internal */
export const lineLaws = (options: LineOptions): Record<string, LawEffect> => ({
  "bytes arrive whole and in order, in both directions at once": Effect.gen(function*() {
    const { client, server } = yield* openLine(options)
    const size = sum(mixedSizes)
    yield* Effect.all([
      sendSizes(client.connection, mixedSizes),
      receive(server.connection, size),
      sendSizes(server.connection, mixedSizes),
      receive(client.connection, size)
    ], { concurrency: "unbounded", discard: true })
  }),

  "bytes that are written one by one arrive one after the other": Effect.gen(function*() {
    const { client, server } = yield* openLine(options)
    const sizes = Array.from({ length: 2000 }, () => 1)
    yield* Effect.all([sendSizes(client.connection, sizes), receive(server.connection, sizes.length)], {
      concurrency: 2,
      discard: true
    })
  }),

  "a question is answered, many times over": Effect.gen(function*() {
    const { client, server } = yield* openLine(options)
    const echo = Effect.flatMap(server.connection.pull, (chunks) => Effect.forEach(chunks, server.connection.write))
    yield* Effect.forkChild(Effect.forever(echo))
    const checker = makeChecker()
    for (let i = 0; i < 500; i++) yield* pass(client, client, 3, checker)
  }),

  "a big write arrives whole": Effect.gen(function*() {
    const { client, server } = yield* openLine(options)
    yield* pass(client, server, options.bigWrite)
  }),

  "an empty write succeeds and sends nothing": Effect.gen(function*() {
    const { client, server } = yield* openLine(options)
    yield* client.connection.write(new Uint8Array(0))
    yield* pass(client, server, 10)
    yield* client.connection.write(new Uint8Array(0))
    yield* startSuspended(server.connection.pull, "a pull of nothing")
  }),

  "writes of several fibers are not mixed with each other": Effect.gen(function*() {
    const { client, server } = yield* openLine(options)
    const writers = 8
    const size = 300_000
    const writing = Effect.forEach(
      Array.from({ length: writers }, (_, i) => new Uint8Array(size).fill(i + 1)),
      client.connection.write,
      { concurrency: "unbounded", discard: true }
    )
    yield* Effect.forkChild(writing, { startImmediately: true })
    const runs: Array<number> = []
    let received = 0
    while (received < writers * size) {
      for (const chunk of yield* server.connection.pull) {
        received += chunk.length
        for (const byte of chunk) if (runs.at(-1) !== byte) runs.push(byte)
      }
    }
    yield* expect(runs.length === writers, `${writers} writes came in ${runs.length} pieces`)
  }),

  "a chunk belongs to who pulled it": Effect.gen(function*() {
    const { client, server } = yield* openLine(options)
    const bytes = pattern(0, 1000)
    yield* Effect.forkChild(client.connection.write(bytes))
    const chunks = yield* server.connection.pull
    const checker = makeChecker()
    yield* checker.check(chunks)
    yield* receive(server.connection, 1000, checker)
    yield* pass(client, server, 300_000, checker)
    yield* makeChecker().check(chunks)
    for (const chunk of chunks) chunk.fill(0xee)
    yield* makeChecker().check([bytes])
  }),

  "an interrupted pull loses no bytes": Effect.gen(function*() {
    const { client, server } = yield* openLine(options)
    const size = 2000 * 64
    const sending = Effect.gen(function*() {
      for (let position = 0; position < size; position += 64) {
        yield* client.connection.write(pattern(position, 64))
        if (position % 1024 === 0) yield* Effect.sleep(0)
      }
    })
    const sender = yield* Effect.forkChild(sending)
    const kept: Array<Uint8Array> = []
    let interruptions = 0
    while (sum(kept.map((chunk) => chunk.length)) < size) {
      const puller = yield* Effect.forkChild(keepPulled(server.connection, kept), { startImmediately: true })
      if (interruptions++ % 3 === 0) yield* Effect.sleep(0)
      yield* Fiber.interrupt(puller)
      if (interruptions % 50 === 0) yield* keepPulled(server.connection, kept)
    }
    yield* makeChecker().check(kept)
    yield* Fiber.join(sender)
  }),

  "an interrupted write is still sent whole, and before what follows": Effect.gen(function*() {
    const { client, server } = yield* openLine(options)
    const accepted = { size: 0 }
    const flooding = yield* Effect.forkChild(flood(client.connection, accepted))
    yield* settled(() => accepted.size)
    yield* expect(accepted.size < floodSize, `a line held ${accepted.size} bytes for a reader who does not read`)
    yield* Fiber.interrupt(flooding)
    // The interrupted write was one more; behind it comes the beginning of another one.
    const total = accepted.size + floodWrite
    yield* Effect.forkChild(client.connection.write(pattern(0, 5)))
    let received = 0
    while (received < total + 5) {
      for (const chunk of yield* server.connection.pull) {
        const at = received % floodWrite
        const wanted = pattern(at, Math.min(chunk.length, floodWrite - at))
        yield* expect(
          wanted.every((byte, i) => byte === chunk[i]),
          `after ${received} of ${total} bytes the stream is out of step`
        )
        received += chunk.length
      }
    }
    yield* expect(received === total + 5, `${received} bytes came where ${total + 5} were sent`)
  }),

  "what is not read is held back, whether or not somebody has pulled before": Effect.gen(function*() {
    const { client, server } = yield* openLine(options)
    const accepted = { size: 0 }
    yield* Effect.forkChild(flood(server.connection, accepted))
    let received = sum((yield* client.connection.pull).map((chunk) => chunk.length))
    yield* settled(() => accepted.size)
    yield* expect(accepted.size < floodSize, `a line held ${accepted.size} bytes for a reader who does not read`)
    while (received < floodSize) received += sum((yield* client.connection.pull).map((chunk) => chunk.length))
    yield* expect(received === floodSize, `${received} bytes came where ${floodSize} were sent`)
  }),

  "a reader who waits does not hold up a writer": Effect.gen(function*() {
    const { client, server } = yield* openLine(options)
    yield* startSuspended(client.connection.pull, "a pull of nothing")
    yield* pass(client, server, 1_000_000)
  }),

  "what was written before a close arrives, then the end of the stream, for good": Effect.gen(function*() {
    const { client, server } = yield* openLine(options)
    const writing = Effect.andThen(client.connection.write(pattern(0, 1_000_000)), client.close)
    yield* Effect.all([writing, receive(server.connection, 1_000_000)], { concurrency: 2, discard: true })
    yield* expectClosed(server.connection.pull, "peer", "a pull at the end")
    yield* expectClosed(server.connection.pull, "peer", "another pull at the end")
  }),

  "closing fails a suspended pull, and every later one, with Closed": Effect.gen(function*() {
    const { client } = yield* openLine(options)
    const pulling = yield* startSuspended(client.connection.pull, "a pull of nothing")
    yield* client.close
    yield* expectClosed(Fiber.join(pulling), "local", "the suspended pull")
    yield* expectClosed(client.connection.pull, "local", "a pull after the close")
    yield* expectClosed(client.connection.write(pattern(0, 1)), "local", "a write after the close")
  }),

  "closing fails a suspended write with Closed, although nobody reads": Effect.gen(function*() {
    const { client } = yield* openLine(options)
    const accepted = { size: 0 }
    const flooding = yield* Effect.forkChild(flood(client.connection, accepted))
    yield* settled(() => accepted.size)
    yield* client.close
    yield* expectClosed(Fiber.join(flooding), "local", "the suspended write")
  }),

  "bytes that came before our own close are gone with it": Effect.gen(function*() {
    const { client, server } = yield* openLine(options)
    yield* pass(server, client, 100)
    yield* Effect.forkChild(server.connection.write(pattern(0, 100)))
    yield* Effect.sleep("20 millis")
    yield* client.close
    yield* expectClosed(client.connection.pull, "local", "a pull after the close")
  }),

  "the other end's close fails a suspended pull with Closed": Effect.gen(function*() {
    const { client, server } = yield* openLine(options)
    const pulling = yield* startSuspended(client.connection.pull, "a pull of nothing")
    yield* server.close
    yield* expectClosed(Fiber.join(pulling), "peer", "the suspended pull")
  }),

  "the other end's close fails writes sooner or later, the suspended ones too": Effect.gen(function*() {
    const { client, server } = yield* openLine(options)
    const failsToWrite = (reason: TransportError.Reason) =>
      expect(reason._tag === "WriteFailed", `writing to a closed line failed with ${reason._tag}`)
    const accepted = { size: 0 }
    const flooding = yield* Effect.forkChild(flood(client.connection, accepted))
    yield* settled(() => accepted.size)
    yield* server.close
    yield* Effect.flatMap(reasonOf(Fiber.join(flooding), "writing to a closed line succeeded"), failsToWrite)
    yield* Effect.flatMap(
      reasonOf(Effect.forever(client.connection.write(pattern(0, 1))), "writing to a closed line succeeded"),
      failsToWrite
    )
  })
})
