/** Time-dependent behaviour of a pool, with a test clock and an in-memory server. */
import { assert, describe, it } from "@effect/vitest"
import * as Authenticate from "@hyperfect/auth/Authenticate"
import * as Pool from "@hyperfect/client/Pool"
import * as ScriptedServer from "@hyperfect/testing/ScriptedServer"
import * as Endpoint from "@hyperfect/transport/Endpoint"
import { Transport } from "@hyperfect/transport/Transport"
import * as BuiltIn from "@hyperfect/values/BuiltIn"
import { Effect, Exit, Fiber, Layer, Scope, Tracer } from "effect"
import { TestClock } from "effect/testing"
import { trackConnections, waitUntil } from "./pools.ts"

const { accept, complete, disconnect, layer, layerEach, on, repeat, rows, stall } = ScriptedServer

const config = { endpoint: Endpoint.tcp("db", 5432), user: "app" }

const selectOne = on("select 1", rows({ n: BuiltIn.int4 }, [{ n: 1 }]))
const anyQuery = repeat(selectOne, on("", complete("")))

const provideServer = (server: Layer.Layer<Transport | ScriptedServer.ScriptedServer>) =>
  Effect.provide(Layer.merge(server, Authenticate.layerCrypto))

/** Opens a pool on the in-memory server. It ends before the server does. */
const openPool = (options: Pool.Options) =>
  Effect.gen(function*() {
    const { connections, transport } = trackConnections(yield* Transport)
    const pool = yield* Effect.provideService(Pool.make(config, options), Transport, transport)
    return { pool, connections }
  })

describe("Pool > maintenance", () => {
  it.effect("closes idle sessions, except for min of them", () =>
    Effect.gen(function*() {
      const { connections, pool } = yield* openPool({ min: 1, max: 4, idleTimeout: "1 minute", lifetime: "1 day" })
      yield* Effect.scoped(Effect.all([pool.session, pool.session, pool.session]))
      assert.strictEqual(pool.stats().size, 3)
      yield* TestClock.adjust("58 seconds")
      assert.strictEqual(pool.stats().size, 3)
      yield* TestClock.adjust("3 seconds")
      yield* waitUntil(() => pool.stats().closed === 2)
      assert.deepInclude(pool.stats(), { size: 1, opened: 3 })
      assert.strictEqual(connections.open, 1)
      yield* TestClock.adjust("10 minutes")
      assert.strictEqual(pool.stats().opened, 3)
    }).pipe(Effect.scoped, provideServer(layer(accept(), anyQuery))))

  it.effect("closes idle sessions while others are in occasional use", () =>
    Effect.gen(function*() {
      const { pool } = yield* openPool({
        max: 4,
        checkAfter: "30 seconds",
        idleTimeout: "2 minutes",
        lifetime: "1 day"
      })
      yield* Effect.scoped(Effect.all([pool.session, pool.session, pool.session]))
      for (let i = 0; i < 5; i++) {
        yield* TestClock.adjust("40 seconds")
        yield* pool.query("select 1")
      }
      assert.deepInclude(pool.stats(), { size: 1, opened: 3 })
    }).pipe(Effect.scoped, provideServer(layer(accept(), anyQuery))))

  it.effect("checks several sessions at once if several are needed", () =>
    Effect.gen(function*() {
      const { pool } = yield* openPool({ max: 4, checkAfter: "30 seconds", idleTimeout: "1 day", lifetime: "1 day" })
      yield* Effect.scoped(Effect.all([pool.session, pool.session, pool.session]))
      yield* TestClock.adjust("40 seconds")
      const fibers = yield* Effect.forEach(
        [1, 2],
        () => Effect.forkChild(pool.transaction(Effect.void), { startImmediately: true })
      )
      assert.deepInclude(pool.stats(), { taken: 2, waiting: 2 })
      yield* Effect.forEach(fibers, (fiber) => Fiber.await(fiber))
      assert.strictEqual(pool.stats().opened, 3)
    }).pipe(
      Effect.scoped,
      provideServer(layer(
        accept(),
        repeat(
          selectOne,
          on("", complete("")),
          on("BEGIN", complete("BEGIN")),
          on("COMMIT", complete("COMMIT"))
        )
      ))
    ))

  it.effect("closes sessions at the end of their lifetime, not all at once, and not while they are in use", () =>
    Effect.gen(function*() {
      const { connections, pool } = yield* openPool({
        max: 20,
        lifetime: "100 minutes",
        idleTimeout: "1 day",
        checkAfter: "1 day"
      })
      const borrower = yield* Scope.make()
      yield* Scope.provide(pool.session, borrower)
      yield* Effect.scoped(Effect.all(Array.from({ length: 19 }, () => pool.session)))
      yield* TestClock.adjust("79 minutes")
      assert.strictEqual(pool.stats().closed, 0)
      yield* TestClock.adjust("11 minutes")
      yield* waitUntil(() => pool.stats().closing === 0)
      assert.isAbove(pool.stats().closed, 0)
      assert.isBelow(pool.stats().closed, 19)
      yield* TestClock.adjust("11 minutes")
      yield* waitUntil(() => pool.stats().closed === 19)
      assert.strictEqual(pool.stats().taken, 1)
      assert.strictEqual(connections.open, 1)
      yield* Scope.close(borrower, Exit.void)
      yield* waitUntil(() => connections.open === 0)
    }).pipe(Effect.scoped, provideServer(layer(accept(), anyQuery))))

  it.effect("checks a session that was idle for checkAfter", () =>
    Effect.gen(function*() {
      const { pool } = yield* openPool({ max: 1, checkAfter: "30 seconds", idleTimeout: "1 day", lifetime: "1 day" })
      const asked = Effect.map((yield* ScriptedServer.ScriptedServer).sessions, ([first]) =>
        first!.received.filter(({ _tag }) => _tag === "Query").length)
      yield* TestClock.adjust("29 seconds")
      yield* pool.query("select 1")
      assert.strictEqual(yield* asked, 0)
      yield* TestClock.adjust("31 seconds")
      yield* pool.query("select 1")
      yield* pool.query("select 1")
      assert.strictEqual(yield* asked, 1)
    }).pipe(Effect.scoped, provideServer(layer(accept(), anyQuery))))

  it.effect("checks a session before each reuse if checkAfter is 0", () =>
    Effect.gen(function*() {
      const { pool } = yield* openPool({ max: 1, checkAfter: 0, idleTimeout: "1 day", lifetime: "1 day" })
      const asked = Effect.map((yield* ScriptedServer.ScriptedServer).sessions, ([first]) =>
        first!.received.filter(({ _tag }) => _tag === "Query").length)
      for (const checks of [1, 2]) {
        yield* TestClock.adjust("1 second")
        yield* pool.query("select 1")
        assert.strictEqual(yield* asked, checks)
      }
    }).pipe(Effect.scoped, provideServer(layer(accept(), anyQuery))))

  it.effect("closes sessions after their first use if their lifetime is 0", () =>
    Effect.gen(function*() {
      const { connections, pool } = yield* openPool({ max: 1, lifetime: 0 })
      for (const opened of [1, 2, 3]) {
        assert.deepStrictEqual((yield* pool.values("select 1")).rows, [[1]])
        yield* waitUntil(() => connections.open === 0)
        assert.deepInclude(pool.stats(), { opened, closed: opened, size: 0 })
      }
    }).pipe(Effect.scoped, provideServer(layer(accept(), anyQuery))))

  it.effect("replaces a session that does not answer although its connection is open", () =>
    Effect.gen(function*() {
      const { connections, pool } = yield* openPool({
        max: 1,
        checkAfter: "30 seconds",
        idleTimeout: "1 day",
        lifetime: "1 day"
      })
      yield* TestClock.adjust("1 minute")
      const answer = yield* Effect.forkChild(pool.values("select 1"), { startImmediately: true })
      yield* waitUntil(() => pool.stats().taken === 1)
      yield* TestClock.adjust("5 seconds")
      assert.deepStrictEqual((yield* Fiber.join(answer)).rows, [[1]])
      assert.deepInclude(pool.stats(), { opened: 2, size: 1 })
      assert.strictEqual(connections.mostOpen, 1)
    }).pipe(Effect.scoped, provideServer(layerEach([[accept(), stall], [accept(), anyQuery]]))))

  it.effect("replaces an idle session that was disconnected", () =>
    Effect.gen(function*() {
      const { pool } = yield* openPool({ max: 1 })
      yield* waitUntil(() => pool.stats().closed === 1)
      assert.deepStrictEqual((yield* pool.values("select 1")).rows, [[1]])
    }).pipe(Effect.scoped, provideServer(layerEach([[accept(), disconnect], [accept(), anyQuery]]))))

  it.effect("times out exactly after acquireTimeout, with the failure to connect as cause", () =>
    Effect.gen(function*() {
      const { connections, pool } = yield* openPool({ max: 2, acquireTimeout: "10 seconds" })
      yield* pool.session
      connections.isDown = true
      const fiber = yield* Effect.forkChild(Effect.flip(pool.query("select 1")), { startImmediately: true })
      yield* TestClock.adjust("9999 millis")
      assert.strictEqual(fiber.pollUnsafe(), undefined)
      yield* TestClock.adjust("1 millis")
      const error = yield* Fiber.join(fiber)
      assert(error._tag === "PoolError" && error.reason._tag === "AcquireTimeout")
      assert.strictEqual(error.reason.cause?._tag, "TransportError")
      assert.include(error.message, "ECONNREFUSED")
    }).pipe(Effect.scoped, provideServer(layer(accept(), anyQuery))))

  it.effect("traces the wait for a session as a span, and no span without a wait", () =>
    Effect.gen(function*() {
      const names: Array<string> = []
      const tracer = Tracer.make({
        span: (options) => {
          names.push(options.name)
          return new Tracer.NativeSpan(options)
        }
      })
      const { pool } = yield* openPool({ max: 1 })
      const query = Effect.withTracer(pool.query("select 1"), tracer)
      yield* query
      assert.notInclude(names, "hyperfect.acquire")
      const borrower = yield* Scope.make()
      yield* Scope.provide(pool.session, borrower)
      const waiting = yield* Effect.forkChild(query, { startImmediately: true })
      yield* Scope.close(borrower, Exit.void)
      yield* Fiber.join(waiting)
      assert.strictEqual(names.filter((name) => name === "hyperfect.acquire").length, 1)
    }).pipe(Effect.scoped, provideServer(layer(accept(), anyQuery))))

  it.effect("backs off from a server that is down, however many callers wait", () =>
    Effect.gen(function*() {
      const { connections, pool } = yield* openPool({ max: 10, acquireTimeout: "10 minutes", idleTimeout: "1 second" })
      const before = connections.attempts
      yield* TestClock.adjust("3 seconds")
      yield* waitUntil(() => connections.open === 0)
      connections.isDown = true
      const fibers = yield* Effect.forEach(
        Array.from({ length: 1000 }),
        () => Effect.forkChild(pool.values("select 1"), { startImmediately: true })
      )
      // Delays of 0.1 s, 0.2 s, 0.4 s ... up to 10 s, each randomly reduced by up to a half.
      for (let i = 0; i < 600; i++) yield* TestClock.adjust("100 millis")
      const attempts = connections.attempts - before
      assert.isAtLeast(attempts, 10)
      assert.isAtMost(attempts, 22)
      connections.isDown = false
      for (let i = 0; i < 100; i++) yield* TestClock.adjust("100 millis")
      for (const fiber of fibers) {
        const exit = yield* Fiber.await(fiber)
        assert(exit._tag === "Success")
        assert.deepStrictEqual(exit.value.rows, [[1]])
      }
      assert.strictEqual(connections.mostOpening, 1)
      assert.isAtMost(connections.mostOpen, 10)
    }).pipe(
      Effect.scoped,
      provideServer(layer(accept(), anyQuery))
    ))

  it.effect("closes a session with an abandoned statement that does not end", () =>
    Effect.gen(function*() {
      const { pool } = yield* openPool({ max: 1 })
      const fiber = yield* Effect.forkChild(pool.query("select 1"), { startImmediately: true })
      yield* waitUntil(() => pool.stats().queries === 1)
      const interrupting = yield* Effect.forkChild(Fiber.interrupt(fiber), { startImmediately: true })
      for (let i = 0; i < 100; i++) yield* TestClock.adjust("100 millis")
      yield* Fiber.join(interrupting)
      assert.deepStrictEqual((yield* pool.values("select 1")).rows, [[1]])
      assert.strictEqual(pool.stats().opened, 2)
    }).pipe(Effect.scoped, provideServer(layerEach([[accept(), stall], [accept(), anyQuery]]))))

  it.effect("opens another session without delay while one is being checked", () =>
    Effect.gen(function*() {
      const { pool } = yield* openPool({ max: 4, checkAfter: "1 second", lifetime: "1 day" })
      yield* TestClock.adjust("2 seconds")
      // One waits for the session being checked, the others queue behind it. No time passes.
      const first = yield* Effect.forkChild(Effect.scoped(Effect.andThen(pool.session, Effect.never)), {
        startImmediately: true
      })
      yield* Effect.all([pool.session, pool.session], { concurrency: "unbounded" })
      yield* Fiber.interrupt(first)
    }).pipe(
      Effect.scoped,
      provideServer(layer(accept(), anyQuery))
    ))

  it.effect("backs off from a server that disconnects its sessions", () =>
    Effect.gen(function*() {
      const { connections, pool } = yield* openPool({ min: 5, max: 10, idleTimeout: "1 day", lifetime: "1 day" })
      for (let i = 0; i < 100; i++) {
        yield* TestClock.adjust("300 millis")
        yield* Effect.promise(() => new Promise((resolve) => setTimeout(resolve, 1)))
      }
      assert.isAtMost(connections.attempts, 20)
      assert.isAtLeast(connections.attempts, 6)
      yield* waitUntil(() => pool.stats().size === 0)
    }).pipe(Effect.scoped, provideServer(layer(accept(), disconnect))))

  it.effect("fails with the defects of both onConnect and its finalizer", () =>
    Effect.gen(function*() {
      const exit = yield* Effect.exit(openPool({
        onConnect: () => Effect.andThen(Effect.addFinalizer(() => Effect.die("finalizer")), Effect.die("hook"))
      }))
      assert(Exit.isFailure(exit))
      assert.deepStrictEqual(
        exit.cause.reasons.map((reason) => reason._tag === "Die" ? reason.defect : reason._tag),
        ["hook", "finalizer"]
      )
    }).pipe(Effect.scoped, provideServer(layer(accept(), anyQuery))))
})
