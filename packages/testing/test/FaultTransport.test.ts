import { assert, describe, it } from "@effect/vitest"
import { FaultTransport, TransportConformance } from "@hyperfect/testing"
import { type Connection, Endpoint, InMemory, Listener, Transport } from "@hyperfect/transport"
import { Effect, Exit, Fiber, Result, Scope } from "effect"
import { TestClock } from "effect/testing"
import { harmless, listenOptions, over } from "./harmlessFaults.ts"

const inMemory = InMemory.layerNetwork()

// Concurrent, because most of them wait most of the time.
describe.concurrent("Transport laws over FaultTransport", () => {
  for (const [name, options] of Object.entries(harmless)) {
    for (const law of TransportConformance.laws(listenOptions)) {
      it.live(`${name} in memory: ${law.name}`, () => Effect.provide(law.check, over(inMemory, options)))
    }
  }
})

const server = Endpoint.tcp("server", 1)

/** A connection to a server on an in-memory network, with faults on the client's end. */
const openPair = Effect.gen(function*() {
  const listening = yield* Effect.flatMap(Listener.Listener, (listener) => listener.listen(server))
  const client = yield* Effect.flatMap(Transport.Transport, (transport) => transport.connect(server))
  return { client, server: yield* listening.accept }
})

const faulty = (options: FaultTransport.Options) => Effect.provide(over(InMemory.layerNetwork(), options))

const bytes = (size: number): Uint8Array => Uint8Array.from({ length: size }, (_, i) => i)

/** Collects everything until the connection ends, chunk by chunk, and the reason for the end. */
const drain = Effect.fnUntraced(function*(line: Connection.Connection) {
  const chunks: Array<Uint8Array> = []
  while (true) {
    const pulled = yield* Effect.result(line.pull)
    if (Result.isFailure(pulled)) return { chunks, all: concat(chunks), reason: pulled.failure.reason }
    chunks.push(...pulled.success)
  }
})

const concat = (chunks: ReadonlyArray<Uint8Array>): Uint8Array => Uint8Array.from(chunks.flatMap((c) => [...c]))

const sizes = (chunks: ReadonlyArray<Uint8Array>): ReadonlyArray<number> => chunks.map(({ length }) => length)

describe("FaultTransport > split", () => {
  it.effect("delivers each byte alone", () =>
    Effect.gen(function*() {
      const { client, server } = yield* openPair
      yield* server.write(bytes(5))
      for (let i = 0; i < 5; i++) assert.deepStrictEqual(yield* client.pull, [Uint8Array.of(i)])
    }).pipe(faulty({ reading: { split: 1 } })))

  const cutPlaces = (seed: number, written: ReadonlyArray<number>) =>
    Effect.gen(function*() {
      const { client, server } = yield* openPair
      yield* Effect.forEach(written, (size) => server.write(bytes(size)))
      const { chunks } = yield* drain(client)
      return { sizes: sizes(chunks), all: concat(chunks) }
    }).pipe(Effect.scoped, faulty({ seed, reading: { split: 64, disconnectAfter: 1000 } }))

  it.effect("splits at the same positions for the same seed, and at others for another seed", () =>
    Effect.gen(function*() {
      const one = yield* cutPlaces(1, [1000])
      assert.deepStrictEqual(yield* cutPlaces(1, [1000]), one)
      assert.notDeepEqual((yield* cutPlaces(2, [1000])).sizes, one.sizes)
      assert.deepStrictEqual(one.all, bytes(1000))
      assert.isTrue(one.sizes.every((size) => size <= 64) && new Set(one.sizes).size > 5)
      // Chunks of the network add boundaries, but move none.
      const ends = (list: ReadonlyArray<number>) => list.map((_, i) => list.slice(0, i + 1).reduce((a, b) => a + b))
      const other = ends((yield* cutPlaces(1, [333, 667])).sizes)
      assert.deepStrictEqual(other.filter((end) => end !== 333), ends(one.sizes).filter((end) => end !== 333))
    }))

  it.effect("keeps the pieces of a write together", () =>
    Effect.gen(function*() {
      const { client, server } = yield* openPair
      yield* Effect.forkChild(Effect.forEach([1, 2, 3], (n) => client.write(new Uint8Array(100).fill(n)), {
        concurrency: "unbounded"
      }))
      let came: ReadonlyArray<number> = []
      while (came.length < 300) came = [...came, ...concat(yield* server.pull)]
      assert.deepStrictEqual(came, [1, 2, 3].flatMap((n) => Array.from({ length: 100 }, () => n)))
    }).pipe(faulty({ writing: { split: 7 } })))
})

describe("FaultTransport > delay", () => {
  it.effect("delays reads and writes by the clock", () =>
    Effect.gen(function*() {
      const { client, server } = yield* openPair
      yield* server.write(bytes(3))
      const pulling = yield* Effect.forkChild(client.pull, { startImmediately: true })
      const writing = yield* Effect.forkChild(client.write(bytes(3)), { startImmediately: true })
      yield* TestClock.adjust("1 millis")
      assert.isUndefined(pulling.pollUnsafe())
      assert.isUndefined(writing.pollUnsafe())
      yield* TestClock.adjust("10 seconds")
      assert.deepStrictEqual(yield* Fiber.join(pulling), [bytes(3)])
      yield* Fiber.join(writing)
      assert.deepStrictEqual(yield* server.pull, [bytes(3)])
    }).pipe(faulty({ seed: 3, reading: { delay: "10 seconds" }, writing: { delay: "10 seconds" } })))
})

describe("FaultTransport > stallAfter", () => {
  it.effect("delivers earlier data, and then nothing until the connection is closed", () =>
    Effect.gen(function*() {
      const scope = yield* Scope.make()
      const { client, server } = yield* Scope.provide(openPair, scope)
      yield* server.write(bytes(5))
      assert.deepStrictEqual(yield* client.pull, [bytes(3)])
      const pulling = yield* Effect.forkChild(client.pull, { startImmediately: true })
      yield* Fiber.interrupt(yield* Effect.forkChild(client.write(bytes(1))))
      yield* TestClock.adjust("1 hour")
      assert.isUndefined(pulling.pollUnsafe())
      yield* Scope.close(scope, Exit.void)
      assert.strictEqual((yield* Effect.flip(Fiber.join(pulling))).message, "the connection was closed on this end")
    }).pipe(faulty({ reading: { stallAfter: 3 } })))

  it.effect("sends earlier writes, and then nothing", () =>
    Effect.gen(function*() {
      const { client, server } = yield* openPair
      const writing = yield* Effect.forkChild(client.write(bytes(5)), { startImmediately: true })
      assert.deepStrictEqual(yield* server.pull, [bytes(3)])
      yield* server.write(bytes(1))
      assert.deepStrictEqual(yield* client.pull, [bytes(1)])
      yield* TestClock.adjust("1 hour")
      assert.isUndefined(writing.pollUnsafe())
    }).pipe(faulty({ writing: { stallAfter: 3 } })))
})

describe("FaultTransport > disconnectAfter", () => {
  for (
    const [disconnect, read, write] of [["close", "Closed", "EPIPE"], ["reset", "ReadFailed", "ECONNRESET"]] as const
  ) {
    it.effect(`ends the connection after the received bytes (${disconnect})`, () =>
      Effect.gen(function*() {
        const { client, server } = yield* openPair
        yield* server.write(bytes(5))
        const { all, reason } = yield* drain(client)
        assert.deepStrictEqual(all, bytes(3))
        assert.strictEqual(reason._tag, read)
        const refused = (yield* Effect.flip(client.write(bytes(1)))).reason
        assert.deepStrictEqual(refused._tag === "WriteFailed" ? refused.code : refused._tag, write)
        assert.strictEqual((yield* drain(server)).reason._tag, "Closed")
      }).pipe(faulty({ reading: { disconnectAfter: 3 }, disconnect })))

    it.effect(`ends the connection after the sent bytes, and resumes suspended fibers (${disconnect})`, () =>
      Effect.gen(function*() {
        const { client, server } = yield* openPair
        const pulling = yield* Effect.forkChild(client.pull, { startImmediately: true })
        yield* client.write(bytes(2))
        const refused = (yield* Effect.flip(client.write(bytes(2)))).reason
        assert.deepStrictEqual(refused._tag === "WriteFailed" ? refused.code : refused._tag, write)
        assert.strictEqual((yield* Effect.flip(Fiber.join(pulling))).reason._tag, read)
        assert.deepStrictEqual((yield* drain(server)).all, Uint8Array.of(0, 1, 0))
      }).pipe(faulty({ writing: { disconnectAfter: 3 }, disconnect })))
  }

  it.effect("can end a connection as soon as it is open", () =>
    Effect.gen(function*() {
      const { client, server } = yield* openPair
      assert.strictEqual((yield* Effect.flip(client.pull)).reason._tag, "Closed")
      assert.strictEqual((yield* Effect.flip(client.write(bytes(1)))).reason._tag, "WriteFailed")
      assert.strictEqual((yield* drain(server)).all.length, 0)
    }).pipe(faulty({ reading: { disconnectAfter: 0 } })))
})

describe("FaultTransport > dropAfter and corrupt", () => {
  it.effect("discards writes after a position", () =>
    Effect.gen(function*() {
      const { client, server } = yield* openPair
      yield* client.write(bytes(2))
      yield* client.write(bytes(1000))
      yield* client.write(bytes(1000))
      assert.deepStrictEqual(yield* server.pull, [bytes(2), bytes(1)])
      yield* server.write(bytes(1))
      assert.deepStrictEqual(yield* client.pull, [bytes(1)])
    }).pipe(faulty({ writing: { dropAfter: 3 } })))

  const changed = (options: FaultTransport.Options) =>
    Effect.gen(function*() {
      const { client, server } = yield* openPair
      const sent = bytes(10_000)
      yield* server.write(sent)
      yield* client.write(sent)
      const came = (yield* drain(client)).all
      const went = concat(yield* server.pull)
      assert.deepStrictEqual(sent, bytes(10_000))
      const differ = (other: Uint8Array) => Array.from(sent.keys()).filter((i) => sent[i] !== other[i])
      return { reading: differ(came), writing: differ(went) }
    }).pipe(Effect.scoped, faulty(options))

  it.effect("changes the bytes at the given positions", () =>
    Effect.gen(function*() {
      const reading = { corruptAt: [0, 17, 9999], split: 100, disconnectAfter: 10_000 }
      const found = yield* changed({ reading, writing: { corruptAt: [5] } })
      assert.deepStrictEqual(found, { reading: [0, 17, 9999], writing: [5] })
    }))

  it.effect("changes random bytes, the same ones for the same seed", () =>
    Effect.gen(function*() {
      const run = (seed: number) => changed({ seed, reading: { corrupt: 0.01, disconnectAfter: 10_000 } })
      const one = yield* run(1)
      assert.isAbove(one.reading.length, 50)
      assert.isBelow(one.reading.length, 200)
      assert.deepStrictEqual(one.writing, [])
      assert.deepStrictEqual(yield* run(1), one)
      assert.notDeepEqual(yield* run(2), one)
    }))
})

describe("FaultTransport > connect", () => {
  const connect = (timeout?: number) =>
    Effect.flatMap(Transport.Transport, (transport) => Effect.scoped(transport.connect(server, { timeout })))

  it.effect("is refused for the given connections only", () =>
    Effect.gen(function*() {
      yield* Effect.flatMap(Listener.Listener, (listener) => listener.listen(server))
      yield* connect()
      const error = yield* Effect.flip(connect())
      assert.strictEqual(error.message, "cannot connect to server:1 (ECONNREFUSED)")
      yield* connect()
    }).pipe(faulty({ connections: [{}, { connect: "refuse" }] })))

  it.effect("can stall forever without a timeout", () =>
    Effect.gen(function*() {
      const forever = yield* Effect.forkChild(connect(), { startImmediately: true })
      const limited = yield* Effect.forkChild(connect(1000), { startImmediately: true })
      yield* TestClock.adjust("1 hour")
      assert.isUndefined(forever.pollUnsafe())
      assert.strictEqual((yield* Effect.flip(Fiber.join(limited))).reason._tag, "OpenTimeout")
    }).pipe(faulty({ connect: "stall" })))
})

describe("FaultTransport.plan", () => {
  const plans = Array.from({ length: 500 }, (_, seed) => FaultTransport.plan(seed, { corrupt: true }))
  const lines = plans.flatMap(({ connections = [] }) => connections)

  it("is plain data, and the same for the same seed", () => {
    for (const [seed, plan] of plans.entries()) {
      assert.deepStrictEqual(FaultTransport.plan(seed, { corrupt: true }), plan)
      assert.deepStrictEqual(JSON.parse(JSON.stringify(plan)), plan)
    }
    assert.isAbove(new Set(plans.map((plan) => JSON.stringify(plan.connections))).size, 490)
  })

  it("contains every fault, and connections without any", () => {
    const count = (is: (line: FaultTransport.Faults) => unknown) =>
      lines.filter((line) => is(line) !== undefined).length
    for (
      const seen of [
        count(({ connect }) => connect),
        count(({ disconnect }) => disconnect),
        count(({ writing }) => writing?.dropAfter),
        count(({ reading }) => reading?.split),
        count(({ reading }) => reading?.delay),
        count(({ reading }) => reading?.stallAfter),
        count(({ writing }) => writing?.stallAfter),
        count(({ reading }) => reading?.disconnectAfter),
        count(({ writing }) => writing?.disconnectAfter),
        count(({ reading }) => reading?.corruptAt),
        lines.filter(({ connect, reading, writing }) =>
          connect === undefined && [reading, writing].every((direction) => Object.keys(direction ?? {}).length === 0)
        ).length
      ]
    ) assert.isAbove(seen, 10)
  })

  it("leaves out disabled faults", () => {
    const tame = Array.from({ length: 300 }, (_, seed) => FaultTransport.plan(seed, { stall: false, connections: 2 }))
    assert.notMatch(JSON.stringify(tame), /stall|drop|corrupt/)
    assert.isTrue(tame.every(({ connections }) => connections?.length === 2))
  })
})
