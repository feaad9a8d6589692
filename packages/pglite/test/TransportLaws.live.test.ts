/**
 * The laws of transports on PGlite.
 *
 * The laws of `TransportConformance` have a server that sends any bytes. Here the server is PGlite, so each law is
 * stated with queries and their answers, or listed with the reason for which there is nothing to hold.
 */
import { assert, it } from "@effect/vitest"
import { PGlite } from "@electric-sql/pglite"
import * as Authenticate from "@hyperfect/auth/Authenticate"
import * as Pglite from "@hyperfect/pglite/Pglite"
import * as TransportConformance from "@hyperfect/testing/TransportConformance"
import type { Connection } from "@hyperfect/transport/Connection"
import * as Endpoint from "@hyperfect/transport/Endpoint"
import { Transport } from "@hyperfect/transport/Transport"
import type { TransportError } from "@hyperfect/transport/TransportError"
import { Effect, Exit, Fiber, Layer, Scope } from "effect"
import { afterAll, beforeAll, describe } from "vitest"
import { encode, firstColumn, logIn, query, terminate } from "./wire.ts"

let db: PGlite
beforeAll(async () => {
  db = await PGlite.create()
}, 60_000)
afterAll(() => db.close())

/** A connection that is logged in, with the effect that closes it. */
const open = Effect.gen(function*() {
  const { connect } = yield* Transport
  const scope = yield* Scope.fork(yield* Effect.scope)
  const session = yield* Effect.flatMap(Scope.provide(connect(Endpoint.tcp("pglite", 5432)), scope), logIn)
  return { ...session, close: Scope.close(scope, Exit.void) }
})

const reasonOf = <A>(effect: Effect.Effect<A, TransportError>) =>
  Effect.match(effect, {
    onSuccess: () => "none",
    onFailure: ({ reason }) => reason._tag === "Closed" ? `Closed by ${reason.by}` : reason._tag
  })

/** Queries whose answers are numbered. */
const numbered = (count: number, size = 0) =>
  Array.from({ length: count }, (_, i) => query(`select ${i} /* ${"-".repeat(size)} */`))

const numbers = (count: number) => Array.from({ length: count }, (_, i) => String(i))

/** Reads as many answers, and returns the first column of all. */
const answers = ({ until }: Effect.Success<typeof open>, count: number) =>
  Effect.map(
    Effect.forEach(Array.from({ length: count }), () => until("ReadyForQuery")),
    (messages) => firstColumn(messages.flat())
  )

/** Writes the bytes in pieces of the sizes, again and again. */
const writeInPieces = (connection: Connection, bytes: Uint8Array, sizes: ReadonlyArray<number>) => {
  const pieces: Array<Uint8Array> = []
  for (let at = 0; at < bytes.length; at += pieces.at(-1)!.length) {
    pieces.push(bytes.subarray(at, at + sizes[pieces.length % sizes.length]!))
  }
  return Effect.forEach(pieces, connection.write, { discard: true })
}

const suspended = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.tap(
    Effect.forkChild(effect, { startImmediately: true }),
    (fiber) => Effect.andThen(Effect.sleep("20 millis"), Effect.sync(() => assert.isUndefined(fiber.pollUnsafe())))
  )

/** The answer of 4 MB, more than a connection holds for a client that does not read. */
const large = query("select repeat('x', 1000000) from generate_series(1, 4)")

/** Asks for an answer that is not read, and writes until a write suspends; counts the writes that have begun. */
const flood = Effect.fnUntraced(function*({ connection, send }: Effect.Success<typeof open>) {
  yield* send(large)
  const begun = { count: 0 }
  const bytes = encode(query(`select 1 /* ${"-".repeat(10_000)} */`))
  const fiber = yield* Effect.forkChild(
    Effect.repeat(
      Effect.suspend(() => {
        begun.count++
        return connection.write(bytes)
      }),
      { times: 1000 }
    )
  )
  let last = -1
  while (last !== begun.count) {
    last = begun.count
    yield* Effect.sleep("50 millis")
  }
  assert.isBelow(begun.count, 1000)
  return { fiber, begun }
})

type Law = Effect.Effect<void, TransportError, Transport | Scope.Scope> | string

const noListener = "the layer has no listener: every endpoint is the PGlite"

const laws: Readonly<Record<string, Law>> = {
  "bytes arrive whole and in order, in both directions at once": Effect.gen(function*() {
    const session = yield* open
    const sizes = [1, 5, 17, 255, 4096, 65_535, 65_537]
    const [, found] = yield* Effect.all([
      writeInPieces(session.connection, encode(...numbered(200, 1_000)), sizes),
      answers(session, 200)
    ], { concurrency: 2 })
    assert.deepStrictEqual(found, numbers(200))
  }),

  "single-byte writes arrive in order": Effect.gen(function*() {
    const session = yield* open
    yield* writeInPieces(session.connection, encode(...numbered(20)), [1])
    assert.deepStrictEqual(yield* answers(session, 20), numbers(20))
  }),

  "many small requests each get their response": Effect.gen(function*() {
    const session = yield* open
    for (const message of numbered(200)) {
      yield* session.send(message)
      assert.strictEqual((yield* answers(session, 1)).length, 1)
    }
  }),

  "a large write arrives complete": Effect.gen(function*() {
    const session = yield* open
    yield* session.send(query(`select length('${"x".repeat(4 * 1024 * 1024)}')`))
    assert.deepStrictEqual(yield* answers(session, 1), [String(4 * 1024 * 1024)])
  }),

  "an empty write succeeds and sends nothing": Effect.gen(function*() {
    const session = yield* open
    yield* session.connection.write(new Uint8Array(0))
    yield* suspended(session.connection.pull)
  }),

  "writes of several fibers are not interleaved": Effect.gen(function*() {
    const session = yield* open
    const [found] = yield* Effect.all([
      answers(session, 8),
      Effect.forEach(numbered(8, 300_000), (message) => session.send(message), { concurrency: "unbounded" })
    ], { concurrency: 2 })
    assert.deepStrictEqual(found.toSorted(), numbers(8))
  }),

  "a pulled chunk is not overwritten": Effect.gen(function*() {
    const session = yield* open
    yield* session.send(query("select 'first'"))
    const chunks = yield* session.connection.pull
    const copy = chunks.map((chunk) => chunk.slice())
    yield* session.send(query("select 'other'"))
    yield* session.until("ReadyForQuery")
    assert.deepStrictEqual<ReadonlyArray<Uint8Array>>(chunks, copy)
  }),

  "an interrupted pull loses no bytes": Effect.gen(function*() {
    const session = yield* open
    const writing = yield* Effect.forkChild(
      Effect.forEach(numbered(50), (message) => Effect.andThen(session.send(message), Effect.sleep(0)))
    )
    const kept: Array<Uint8Array> = []
    const keep = Effect.uninterruptibleMask((restore) =>
      Effect.map(restore(session.connection.pull), (chunks) => {
        kept.push(...chunks)
      })
    )
    // The answer to each query ends with ReadyForQuery of 6 bytes, in the state "idle".
    const complete = () => Buffer.concat(kept).toString("latin1").split("Z\0\0\0\x05I").length > 50
    for (let i = 0; !complete(); i++) {
      const pulling = yield* Effect.forkChild(keep, { startImmediately: true })
      if (i % 3 === 0) yield* Effect.sleep(0)
      yield* Fiber.interrupt(pulling)
    }
    yield* Fiber.join(writing)
  }),

  "an interrupted write is still sent completely, and before later ones": Effect.gen(function*() {
    const session = yield* open
    const { begun, fiber } = yield* flood(session)
    yield* Fiber.interrupt(fiber)
    const later = yield* Effect.forkChild(session.send(query("select 'later'")))
    // The answer that was not read, those of the writes with the interrupted one, and the last.
    const found = yield* answers(session, 1 + begun.count + 1)
    yield* Fiber.join(later)
    assert.strictEqual(found.length, 4 + begun.count + 1)
    assert.strictEqual(found.at(-1), "later")
  }),

  "unread data is held back, with or without an earlier pull": Effect.gen(function*() {
    const session = yield* open
    const { fiber } = yield* flood(session)
    // PGlite reads no further queries until the answer is read.
    const found = yield* answers(session, 1)
    assert.deepStrictEqual(found.map(({ length }) => length), Array.from({ length: 4 }, () => 1_000_000))
    yield* Fiber.interrupt(fiber)
  }),

  "a suspended pull does not block writes": Effect.gen(function*() {
    const session = yield* open
    const pulling = yield* suspended(session.connection.pull)
    yield* session.send(query("select 1"))
    assert.isNotEmpty(yield* Fiber.join(pulling))
  }),

  "data written before a close arrives, then the permanent end of the stream": Effect.gen(function*() {
    const session = yield* open
    yield* session.send(query("create table if not exists written (n int)"))
    yield* session.until("ReadyForQuery")
    yield* session.send(query("insert into written values (1)"))
    yield* session.close
    assert.deepStrictEqual((yield* Effect.promise(() => db.query("select n from written"))).rows, [{ n: 1 }])
  }),

  "closing fails a suspended pull, and every later one, with Closed": Effect.gen(function*() {
    const session = yield* open
    const pulling = yield* suspended(session.connection.pull)
    yield* session.close
    assert.strictEqual(yield* reasonOf(Fiber.join(pulling)), "Closed by local")
    assert.strictEqual(yield* reasonOf(session.connection.pull), "Closed by local")
    assert.strictEqual(yield* reasonOf(session.send(query("select 1"))), "Closed by local")
  }),

  "closing fails a suspended write with Closed, even if the peer does not read": Effect.gen(function*() {
    const session = yield* open
    const { fiber } = yield* flood(session)
    yield* session.close
    assert.strictEqual(yield* reasonOf(Fiber.join(fiber)), "Closed by local")
  }),

  "bytes received before a local close are discarded by it": Effect.gen(function*() {
    const session = yield* open
    yield* session.send(query("select 1"))
    yield* Effect.sleep("20 millis")
    yield* session.close
    assert.strictEqual(yield* reasonOf(session.connection.pull), "Closed by local")
  }),

  "the peer's close fails a suspended pull with Closed": Effect.gen(function*() {
    const session = yield* open
    const pulling = yield* suspended(session.connection.pull)
    yield* session.send(terminate)
    assert.strictEqual(yield* reasonOf(Fiber.join(pulling)), "Closed by peer")
  }),

  "the peer's close eventually fails writes, including suspended ones": Effect.gen(function*() {
    const session = yield* open
    yield* session.send(terminate)
    assert.strictEqual(yield* reasonOf(session.connection.pull), "Closed by peer")
    assert.strictEqual(yield* reasonOf(Effect.forever(session.send(query("select 1")))), "WriteFailed")
  }),

  "connecting to an endpoint without a listener fails with OpenFailed": noListener,
  "listening on a taken endpoint fails with OpenFailed": noListener,
  "an endpoint is free again after its listener has closed": noListener,
  "connections outlive the listener that accepted them": noListener,
  "closing a listener fails a suspended accept, and every later one, with Closed": noListener,
  "closing a listener closes the connections that were not accepted": noListener,
  "an interrupted accept loses no connection": noListener,

  // One has the session, and the others wait for it.
  "concurrent connections do not interfere with each other": Effect.gen(function*() {
    const one = (i: number) =>
      Effect.scoped(Effect.gen(function*() {
        const session = yield* open
        yield* session.send(query(`create temporary table own as select ${i} as n`), query("select n from own"))
        assert.deepStrictEqual(yield* answers(session, 2), [String(i)])
      }))
    yield* Effect.forEach(Array.from({ length: 10 }, (_, i) => i), one, { concurrency: "unbounded" })
  }),

  "connections can be opened and closed a hundred times": Effect.gen(function*() {
    for (let i = 0; i < 50; i++) {
      const session = yield* open
      if (i % 2 === 0) yield* session.send(terminate)
      yield* session.close
    }
  }),

  "both ends can name the peer": Effect.gen(function*() {
    const { connection } = yield* open
    assert.notStrictEqual(connection.remote, "")
  })
}

describe("Pglite > laws of transports", () => {
  const names = TransportConformance.laws({ endpoint: Effect.succeed(Endpoint.tcp("pglite", 5432)) }).map(({ name }) =>
    name
  )

  it("every law is stated", () => assert.deepStrictEqual(Object.keys(laws).toSorted(), names.toSorted()))

  for (const [name, law] of Object.entries(laws)) {
    if (typeof law === "string") continue
    it.live(name, () =>
      Effect.gen(function*() {
        yield* law.pipe(
          Effect.scoped,
          Effect.timeout("60 seconds"),
          Effect.provide(Layer.provide(Pglite.layer(db), Authenticate.layerCrypto))
        )
      }))
  }
})
