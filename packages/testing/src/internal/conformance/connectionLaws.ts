/**
 * The laws of one connection: order, backpressure, interruption, closing.
 *
 * @since 0.1.0
 */
import type * as Connection from "@hyperfect/transport/Connection"
import type * as TransportError from "@hyperfect/transport/TransportError"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import {
  type EndpointOptions,
  expect,
  expectClosed,
  isPattern,
  type LawEffect,
  makeChecker,
  overPair,
  patternBytes,
  reasonOf,
  receive,
  startSuspended,
  transfer
} from "./harness.ts"

/** @internal */
export interface ConnectionLawOptions extends EndpointOptions {
  readonly maxWriteSize: number
}

/**
 * The size of one write of a flood, and of a whole flood: more than a connection may buffer for a peer that does not
 * read.
 */
const floodWriteSize = 1024 * 1024
const floodSize = 128 * floodWriteSize

const writeSizes = (connection: Connection.Connection, sizes: ReadonlyArray<number>) => {
  let position = 0
  return Effect.forEach(sizes, (size) => {
    const bytes = patternBytes(position, size)
    position += size
    return connection.write(bytes)
  }, { discard: true })
}

const sum = (sizes: ReadonlyArray<number>): number => sizes.reduce((total, size) => total + size, 0)

/** Sizes on both sides of typical boundaries of sockets and buffers. */
const mixedSizes = Array.from({ length: 400 }, (_, i) => [1, 5, 17, 255, 4096, 65_535, 65_537][i % 7]! + i)

/** Keeps the result of a pull, even if the fiber is interrupted. */
const collectPull = (connection: Connection.Connection, kept: { readonly chunks: Array<Uint8Array>; size: number }) =>
  Effect.uninterruptibleMask((restore) =>
    Effect.map(restore(connection.pull), (chunks) => {
      kept.chunks.push(...chunks)
      for (const chunk of chunks) kept.size += chunk.length
    })
  )

/** Writes continuously until a write fails or suspends; counts the bytes of the writes that have begun. */
const flood = (connection: Connection.Connection, begun: { size: number }) => {
  // Every write sends the same array: it is never modified, and the flood is large enough to fill any buffer.
  const bytes = patternBytes(0, floodWriteSize)
  return Effect.suspend(() => {
    begun.size += bytes.length
    return connection.write(bytes)
  }).pipe(Effect.repeat({ while: () => begun.size < floodSize }))
}

/** Waits until a number has stopped growing. */
const untilStable = (current: () => number) => {
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

/** Floods a connection until it takes no more. */
const startFlood = Effect.fnUntraced(function*(connection: Connection.Connection) {
  const begun = { size: 0 }
  const flooding = yield* Effect.forkChild(flood(connection, begun))
  yield* untilStable(() => begun.size)
  return { begun, flooding }
})

/** @internal */
export const connectionLaws = (options: ConnectionLawOptions): Record<string, LawEffect> => {
  const law = overPair(options)
  return {
    "bytes arrive whole and in order, in both directions at once": law(function*({ client, server }) {
      const size = sum(mixedSizes)
      yield* Effect.all([
        writeSizes(client.connection, mixedSizes),
        receive(server.connection, size),
        writeSizes(server.connection, mixedSizes),
        receive(client.connection, size)
      ], { concurrency: "unbounded", discard: true })
    }),

    "single-byte writes arrive in order": law(function*({ client, server }) {
      const sizes = Array.from({ length: 2000 }, () => 1)
      const writing = writeSizes(client.connection, sizes)
      yield* Effect.zip(writing, receive(server.connection, sizes.length), { concurrent: true })
    }),

    "many small requests each get their response": law(function*({ client, server }) {
      const echo = Effect.flatMap(server.connection.pull, (chunks) => Effect.forEach(chunks, server.connection.write))
      yield* Effect.forkChild(Effect.forever(echo))
      const checker = makeChecker()
      for (let i = 0; i < 500; i++) yield* transfer(client, client, 3, checker)
    }),

    "a large write arrives complete": law(function*({ client, server }) {
      yield* transfer(client, server, options.maxWriteSize)
    }),

    "an empty write succeeds and sends nothing": law(function*({ client, server }) {
      yield* client.connection.write(new Uint8Array(0))
      yield* transfer(client, server, 10)
      yield* client.connection.write(new Uint8Array(0))
      yield* startSuspended(server.connection.pull, "a pull of nothing")
    }),

    "writes of several fibers are not interleaved": law(function*({ client, server }) {
      const writers = 8
      const size = 300_000
      const writing = Effect.forEach(
        Array.from({ length: writers }, (_, i) => new Uint8Array(size).fill(i + 1)),
        client.connection.write,
        { concurrency: "unbounded", discard: true }
      )
      yield* Effect.forkChild(writing, { startImmediately: true })
      let runs = 0
      let last: number | undefined
      let received = 0
      while (received < writers * size) {
        for (const chunk of yield* server.connection.pull) {
          received += chunk.length
          for (let i = 0; i < chunk.length; i++) {
            if (chunk[i] !== last) runs++
            last = chunk[i]
          }
        }
      }
      yield* expect(runs === writers, `${writers} writes came in ${runs} pieces`)
    }),

    "a pulled chunk is not overwritten": law(function*({ client, server }) {
      const bytes = patternBytes(0, 1000)
      yield* Effect.forkChild(client.connection.write(bytes))
      const chunks = yield* server.connection.pull
      const checker = makeChecker()
      yield* checker.check(chunks)
      yield* receive(server.connection, 1000, checker)
      yield* transfer(client, server, 300_000, checker)
      yield* makeChecker().check(chunks)
      for (const chunk of chunks) chunk.fill(0xee)
      yield* makeChecker().check([bytes])
    }),

    "an interrupted pull loses no bytes": law(function*({ client, server }) {
      const size = 2000 * 64
      const sending = Effect.gen(function*() {
        for (let position = 0; position < size; position += 64) {
          yield* client.connection.write(patternBytes(position, 64))
          if (position % 1024 === 0) yield* Effect.sleep(0)
        }
      })
      const sender = yield* Effect.forkChild(sending)
      const kept = { chunks: [], size: 0 }
      const collect = collectPull(server.connection, kept)
      let interruptions = 0
      while (kept.size < size) {
        const puller = yield* Effect.forkChild(collect, { startImmediately: true })
        if (interruptions++ % 3 === 0) yield* Effect.sleep(0)
        yield* Fiber.interrupt(puller)
        if (interruptions % 50 === 0) yield* collect
      }
      yield* makeChecker().check(kept.chunks)
      yield* Fiber.join(sender)
    }),

    "an interrupted write is still sent completely, and before later ones": law(function*({ client, server }) {
      const { begun, flooding } = yield* startFlood(client.connection)
      yield* expect(begun.size < floodSize, `a connection held ${begun.size} bytes for a reader who does not read`)
      yield* Fiber.interrupt(flooding)
      // The beginning of another write follows the interrupted one.
      const total = begun.size
      yield* Effect.forkChild(client.connection.write(patternBytes(0, 5)))
      let received = 0
      while (received < total + 5) {
        for (const chunk of yield* server.connection.pull) {
          const at = received % floodWriteSize
          yield* expect(
            isPattern(chunk, at, Math.min(chunk.length, floodWriteSize - at)),
            `after ${received} of ${total} bytes the stream is out of step`
          )
          received += chunk.length
        }
      }
      yield* expect(received === total + 5, `${received} bytes came where ${total + 5} were sent`)
    }),

    "unread data is held back, with or without an earlier pull": law(function*({ client, server }) {
      const begun = { size: 0 }
      yield* Effect.forkChild(flood(server.connection, begun))
      let received = sum((yield* client.connection.pull).map((chunk) => chunk.length))
      yield* untilStable(() => begun.size)
      yield* expect(begun.size < floodSize, `a connection held ${begun.size} bytes for a reader who does not read`)
      while (received < floodSize) received += sum((yield* client.connection.pull).map((chunk) => chunk.length))
      yield* expect(received === floodSize, `${received} bytes came where ${floodSize} were sent`)
    }),

    "a suspended pull does not block writes": law(function*({ client, server }) {
      yield* startSuspended(client.connection.pull, "a pull of nothing")
      yield* transfer(client, server, 1_000_000)
    }),

    "data written before a close arrives, then the permanent end of the stream": law(function*({ client, server }) {
      const writing = Effect.andThen(client.connection.write(patternBytes(0, 1_000_000)), client.close)
      yield* Effect.all([writing, receive(server.connection, 1_000_000)], { concurrency: 2, discard: true })
      yield* expectClosed(server.connection.pull, "peer", "a pull at the end")
      yield* expectClosed(server.connection.pull, "peer", "another pull at the end")
    }),

    "closing fails a suspended pull, and every later one, with Closed": law(function*({ client }) {
      const pulling = yield* startSuspended(client.connection.pull, "a pull of nothing")
      yield* client.close
      yield* expectClosed(Fiber.join(pulling), "local", "the suspended pull")
      yield* expectClosed(client.connection.pull, "local", "a pull after the close")
      yield* expectClosed(client.connection.write(patternBytes(0, 1)), "local", "a write after the close")
    }),

    "closing fails a suspended write with Closed, even if the peer does not read": law(function*({ client }) {
      const { flooding } = yield* startFlood(client.connection)
      yield* client.close
      yield* expectClosed(Fiber.join(flooding), "local", "the suspended write")
    }),

    "bytes received before a local close are discarded by it": law(function*({ client, server }) {
      yield* transfer(server, client, 100)
      yield* Effect.forkChild(server.connection.write(patternBytes(0, 100)))
      yield* Effect.sleep("20 millis")
      yield* client.close
      yield* expectClosed(client.connection.pull, "local", "a pull after the close")
    }),

    "the peer's close fails a suspended pull with Closed": law(function*({ client, server }) {
      const pulling = yield* startSuspended(client.connection.pull, "a pull of nothing")
      yield* server.close
      yield* expectClosed(Fiber.join(pulling), "peer", "the suspended pull")
    }),

    "the peer's close eventually fails writes, including suspended ones": law(function*({ client, server }) {
      const failsToWrite = (reason: TransportError.Reason) =>
        expect(reason._tag === "WriteFailed", `writing to a closed connection failed with ${reason._tag}`)
      const { flooding } = yield* startFlood(client.connection)
      yield* server.close
      yield* Effect.flatMap(reasonOf(Fiber.join(flooding), "writing to a closed connection succeeded"), failsToWrite)
      yield* Effect.flatMap(
        reasonOf(
          Effect.forever(client.connection.write(patternBytes(0, 1))),
          "writing to a closed connection succeeded"
        ),
        failsToWrite
      )
    })
  }
}
