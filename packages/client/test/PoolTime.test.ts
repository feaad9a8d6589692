/** What a pool does as time goes by, on a clock that the tests move and a server in memory. */
import { assert, describe, it } from "@effect/vitest"
import * as Authenticate from "@hyperfect/auth/Authenticate"
import * as Pool from "@hyperfect/client/Pool"
import * as ScriptedServer from "@hyperfect/testing/ScriptedServer"
import * as Endpoint from "@hyperfect/transport/Endpoint"
import { Transport } from "@hyperfect/transport/Transport"
import * as BuiltIn from "@hyperfect/values/BuiltIn"
import { Effect, Exit, Fiber, Layer, Scope, Tracer } from "effect"
import { TestClock } from "effect/testing"
import { until, watch } from "./pools.ts"

const { accept, complete, disconnect, layer, layerEach, on, repeat, rows, stall } = ScriptedServer

const config = { endpoint: Endpoint.tcp("db", 5432), user: "app" }

const one = on("select 1", rows({ n: BuiltIn.int4 }, [{ n: 1 }]))
const any = repeat(one, on("", complete("")))

const onServer = (server: Layer.Layer<Transport | ScriptedServer.ScriptedServer>) =>
  Effect.provide(Layer.merge(server, Authenticate.layerCrypto))

/** A pool on the server in memory. It ends before the server does. */
const open = (options: Pool.Options) =>
  Effect.gen(function*() {
    const { lines, transport } = watch(yield* Transport)
    const pool = yield* Effect.provideService(Pool.make(config, options), Transport, transport)
    return { pool, lines }
  })

describe("a pool", () => {
  it.effect("closes sessions that were idle for long, down to those that it always keeps", () =>
    Effect.gen(function*() {
      const { lines, pool } = yield* open({ min: 1, max: 4, idleTimeout: "1 minute", lifetime: "1 day" })
      yield* Effect.scoped(Effect.all([pool.session, pool.session, pool.session]))
      assert.strictEqual(pool.stats().size, 3)
      yield* TestClock.adjust("58 seconds")
      assert.strictEqual(pool.stats().size, 3)
      yield* TestClock.adjust("3 seconds")
      yield* until(() => lines.open === 1)
      assert.deepInclude(pool.stats(), { size: 1, opened: 3, closed: 2 })
      yield* TestClock.adjust("10 minutes")
      assert.strictEqual(pool.stats().opened, 3)
    }).pipe(Effect.scoped, onServer(layer(accept(), any))))

  it.effect("closes sessions that were idle for long although others are used now and then", () =>
    Effect.gen(function*() {
      const { pool } = yield* open({ max: 4, checkAfter: "30 seconds", idleTimeout: "2 minutes", lifetime: "1 day" })
      yield* Effect.scoped(Effect.all([pool.session, pool.session, pool.session]))
      for (let i = 0; i < 5; i++) {
        yield* TestClock.adjust("40 seconds")
        yield* pool.query("select 1")
      }
      assert.deepInclude(pool.stats(), { size: 1, opened: 3 })
    }).pipe(Effect.scoped, onServer(layer(accept(), any))))

  it.effect("checks several sessions at once when several are wanted", () =>
    Effect.gen(function*() {
      const { pool } = yield* open({ max: 4, checkAfter: "30 seconds", idleTimeout: "1 day", lifetime: "1 day" })
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
      onServer(layer(
        accept(),
        repeat(
          one,
          on("", complete("")),
          on("BEGIN", complete("BEGIN")),
          on("COMMIT", complete("COMMIT"))
        )
      ))
    ))

  it.effect("closes sessions that are old, not all at once, and not while they are used", () =>
    Effect.gen(function*() {
      const { lines, pool } = yield* open({
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
      yield* until(() => pool.stats().closing === 0)
      assert.isAbove(pool.stats().closed, 0)
      assert.isBelow(pool.stats().closed, 19)
      yield* TestClock.adjust("11 minutes")
      yield* until(() => lines.open === 1)
      assert.deepInclude(pool.stats(), { closed: 19, taken: 1 })
      yield* Scope.close(borrower, Exit.void)
      yield* until(() => lines.open === 0)
    }).pipe(Effect.scoped, onServer(layer(accept(), any))))

  it.effect("asks a session that was idle for long whether it still answers", () =>
    Effect.gen(function*() {
      const { pool } = yield* open({ max: 1, checkAfter: "30 seconds", idleTimeout: "1 day", lifetime: "1 day" })
      const asked = Effect.map((yield* ScriptedServer.ScriptedServer).played, ([first]) =>
        first!.received.filter(({ _tag }) => _tag === "Query").length)
      yield* TestClock.adjust("29 seconds")
      yield* pool.query("select 1")
      assert.strictEqual(yield* asked, 0)
      yield* TestClock.adjust("31 seconds")
      yield* pool.query("select 1")
      yield* pool.query("select 1")
      assert.strictEqual(yield* asked, 1)
    }).pipe(Effect.scoped, onServer(layer(accept(), any))))

  it.effect("replaces a session that does not answer any more, though its line is open", () =>
    Effect.gen(function*() {
      const { lines, pool } = yield* open({ max: 1, checkAfter: "30 seconds", idleTimeout: "1 day", lifetime: "1 day" })
      yield* TestClock.adjust("1 minute")
      const answer = yield* Effect.forkChild(pool.values("select 1"), { startImmediately: true })
      yield* until(() => pool.stats().taken === 1)
      yield* TestClock.adjust("5 seconds")
      assert.deepStrictEqual((yield* Fiber.join(answer)).rows, [[1]])
      assert.deepInclude(pool.stats(), { opened: 2, size: 1 })
      assert.strictEqual(lines.mostOpen, 1)
    }).pipe(Effect.scoped, onServer(layerEach([[accept(), stall], [accept(), any]]))))

  it.effect("replaces a session that was cut off while nobody used it", () =>
    Effect.gen(function*() {
      const { pool } = yield* open({ max: 1 })
      yield* until(() => pool.stats().closed === 1)
      assert.deepStrictEqual((yield* pool.values("select 1")).rows, [[1]])
    }).pipe(Effect.scoped, onServer(layerEach([[accept(), disconnect], [accept(), any]]))))

  it.effect("gives up waiting exactly in time, and says why nothing came", () =>
    Effect.gen(function*() {
      const { lines, pool } = yield* open({ max: 2, acquireTimeout: "10 seconds" })
      yield* pool.session
      lines.isDown = true
      const fiber = yield* Effect.forkChild(Effect.flip(pool.query("select 1")), { startImmediately: true })
      yield* TestClock.adjust("9999 millis")
      assert.strictEqual(fiber.pollUnsafe(), undefined)
      yield* TestClock.adjust("1 millis")
      const error = yield* Fiber.join(fiber)
      assert(error._tag === "PoolError" && error.reason._tag === "AcquireTimeout")
      assert.strictEqual(error.reason.cause?._tag, "TransportError")
      assert.include(error.message, "ECONNREFUSED")
    }).pipe(Effect.scoped, onServer(layer(accept(), any))))

  it.effect("shows the time that somebody waited for a session as a span, and no span when nobody waited", () =>
    Effect.gen(function*() {
      const names: Array<string> = []
      const tracer = Tracer.make({
        span: (options) => {
          names.push(options.name)
          return new Tracer.NativeSpan(options)
        }
      })
      const { pool } = yield* open({ max: 1 })
      const query = Effect.withTracer(pool.query("select 1"), tracer)
      yield* query
      assert.notInclude(names, "hyperfect.acquire")
      const borrower = yield* Scope.make()
      yield* Scope.provide(pool.session, borrower)
      const waiting = yield* Effect.forkChild(query, { startImmediately: true })
      yield* Scope.close(borrower, Exit.void)
      yield* Fiber.join(waiting)
      assert.strictEqual(names.filter((name) => name === "hyperfect.acquire").length, 1)
    }).pipe(Effect.scoped, onServer(layer(accept(), any))))

  it.effect("tries ever less often to reach a server that is down, however many wait", () =>
    Effect.gen(function*() {
      const { lines, pool } = yield* open({ max: 10, acquireTimeout: "10 minutes", idleTimeout: "1 second" })
      const before = lines.attempts
      yield* TestClock.adjust("3 seconds")
      yield* until(() => lines.open === 0)
      lines.isDown = true
      const fibers = yield* Effect.forEach(
        Array.from({ length: 1000 }),
        () => Effect.forkChild(pool.values("select 1"), { startImmediately: true })
      )
      // Pauses of 0.1 s, 0.2 s, 0.4 s ... up to 10 s, each up to a half shorter.
      for (let i = 0; i < 600; i++) yield* TestClock.adjust("100 millis")
      const attempts = lines.attempts - before
      assert.isAtLeast(attempts, 10)
      assert.isAtMost(attempts, 22)
      lines.isDown = false
      for (let i = 0; i < 100; i++) yield* TestClock.adjust("100 millis")
      for (const fiber of fibers) {
        const exit = yield* Fiber.await(fiber)
        assert(exit._tag === "Success")
        assert.deepStrictEqual(exit.value.rows, [[1]])
      }
      assert.strictEqual(lines.mostOpening, 1)
      assert.isAtMost(lines.mostOpen, 10)
    }).pipe(
      Effect.scoped,
      onServer(layer(accept(), any))
    ))

  it.effect("closes a session whose borrower left a statement behind that does not end", () =>
    Effect.gen(function*() {
      const { pool } = yield* open({ max: 1 })
      const fiber = yield* Effect.forkChild(pool.query("select 1"), { startImmediately: true })
      yield* until(() => pool.stats().queries === 1)
      const interrupting = yield* Effect.forkChild(Fiber.interrupt(fiber), { startImmediately: true })
      for (let i = 0; i < 100; i++) yield* TestClock.adjust("100 millis")
      yield* Fiber.join(interrupting)
      assert.deepStrictEqual((yield* pool.values("select 1")).rows, [[1]])
      assert.strictEqual(pool.stats().opened, 2)
    }).pipe(Effect.scoped, onServer(layerEach([[accept(), stall], [accept(), any]]))))
})
