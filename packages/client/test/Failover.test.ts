/** Servers that become unavailable, or change their roles. */
import { assert, describe, it } from "@effect/vitest"
import * as ConnectionConfig from "@hyperfect/client/ConnectionConfig"
import * as Pool from "@hyperfect/client/Pool"
import type * as PoolError from "@hyperfect/client/PoolError"
import type * as QueryError from "@hyperfect/client/QueryError"
import * as Session from "@hyperfect/client/Session"
import { Effect, Fiber, Latch, Option, Schedule, Stream } from "effect"
import { TestClock } from "effect/testing"
import { EventLog, type FakeServer, fakeServers } from "./fakeServers.ts"
import { forkImmediately } from "./fibers.ts"
import { waitUntil } from "./pools.ts"

const standby = { in_hot_standby: "on", default_transaction_read_only: "off" }
const primary = { in_hot_standby: "off", default_transaction_read_only: "off" }

const makeServer = (name: string, parameters: Readonly<Record<string, string>>): FakeServer => ({
  parameters,
  answers: { "who is it": name, "insert": name }
})

/** The session that a pool keeps for `targetSessionAttrs`, and one of the other server once that no longer fits. */
const expectSwitch = (pool: Pool.Pool) =>
  Effect.gen(function*() {
    assert.strictEqual(yield* queryServerName(pool), "b")
    assert.deepInclude(pool.stats(), { size: 1, opened: 2 })
  })

type Servers = Record<"a" | "b", FakeServer>

const makePool = (text: string, options: Pool.Options = { max: 1 }) =>
  Effect.flatMap(
    ConnectionConfig.fromString(`host=a,b user=app sslmode=disable ${text}`),
    (config) => Pool.make(config, options)
  )

/** Waits until a server has noted an event. */
const waitForEvent = (event: string) => Effect.flatMap(EventLog, ({ all }) => waitUntil(() => all.includes(event)))

const queryServerName = (pool: Pool.Pool) =>
  Effect.map(pool.simple("who is it"), ([result]) => Object.values(result!.rows[0]!)[0])

describe("pool > several servers", () => {
  it.effect("connects to another server if the first is down, and returns to it when it is up again", () => {
    const parts: Servers = { a: makeServer("a", primary), b: makeServer("b", primary) }
    return Effect.gen(function*() {
      const both = yield* makePool("")
      assert.strictEqual(yield* queryServerName(both), "a")
      parts.a = { ...parts.a, unreachable: "down" }
      yield* Effect.flip(both.simple("hang up"))
      assert.strictEqual(yield* queryServerName(both), "b")
      parts.a = { ...parts.a, unreachable: undefined }
      parts.b = { ...parts.b, unreachable: "down" }
      yield* Effect.flip(both.simple("hang up"))
      assert.strictEqual(yield* queryServerName(both), "a")
    }).pipe(Effect.provide(fakeServers(parts)))
  })

  it.effect("follows the primary when the servers switch roles", () => {
    const parts: Servers = { a: makeServer("a", primary), b: makeServer("b", standby) }
    return Effect.gen(function*() {
      const both = yield* makePool("target_session_attrs=primary")
      assert.strictEqual(yield* queryServerName(both), "a")
      parts.a = makeServer("a", standby)
      parts.b = makeServer("b", primary)
      yield* Effect.flip(both.simple("hang up"))
      assert.strictEqual(yield* queryServerName(both), "b")
      assert.include((yield* EventLog).all, "a: bye")
    }).pipe(Effect.provide(fakeServers(parts)))
  })
})

/** Runs an effect while the clock advances, and returns its result. */
const whileTimePasses = <A, E, R>(effect: Effect.Effect<A, E, R>, time: string) =>
  Effect.gen(function*() {
    const fiber = yield* Effect.forkChild(effect, { startImmediately: true })
    yield* TestClock.adjust(time as "1 second")
    return yield* Fiber.join(fiber)
  })

/** Runs an effect and returns the servers that were connected to meanwhile. */
const connectsOf = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function*() {
    const { all } = yield* EventLog
    const before = all.length
    yield* effect
    return all.slice(before).filter((event) => event.endsWith(": connect")).map((event) => event[0])
  })

describe("pool > a server that is down", () => {
  const silentFirst = (): Servers => ({
    a: { ...makeServer("a", primary), unreachable: "silent" },
    b: makeServer("b", primary)
  })

  it.effect("delays the first session only, and further ones try it last", () => {
    const parts = silentFirst()
    return Effect.gen(function*() {
      const pool = yield* whileTimePasses(
        makePool("", { max: 3, hostRecheck: Schedule.spaced("1 hour") }),
        "15 seconds"
      )
      const sessions = Effect.scoped(Effect.all([pool.session, pool.session, pool.session]))
      assert.deepStrictEqual(yield* connectsOf(sessions), ["b", "b"])
      parts.b = { ...parts.b, unreachable: "down" }
      parts.a = makeServer("a", primary)
      assert.deepStrictEqual(yield* connectsOf(Effect.ignore(pool.simple("hang up"))), [])
      yield* Effect.ignore(pool.simple("hang up"))
      yield* Effect.ignore(pool.simple("hang up"))
      assert.deepStrictEqual(yield* connectsOf(queryServerName(pool)), ["b", "a"])
    }).pipe(Effect.provide(fakeServers(parts)))
  })

  it.effect("is looked at again by the schedule, and is the first again once it answers", () => {
    const parts = silentFirst()
    return Effect.gen(function*() {
      const options = { max: 1, hostRecheck: Schedule.spaced("20 seconds"), idleTimeout: "1 day", checkAfter: "1 day" }
      const pool = yield* whileTimePasses(makePool("", options as Pool.Options), "15 seconds")
      assert.deepStrictEqual(yield* connectsOf(TestClock.adjust("19 seconds")), [])
      assert.deepStrictEqual(yield* connectsOf(TestClock.adjust("1 second")), ["a"])
      assert.deepStrictEqual(yield* connectsOf(TestClock.adjust("34 seconds")), [])
      parts.a = { ...parts.a, unreachable: "down" }
      assert.deepStrictEqual(yield* connectsOf(TestClock.adjust("1 second")), ["a"])
      parts.a = { ...makeServer("a", primary), rejectWith: () => "28P01" }
      assert.deepStrictEqual(yield* connectsOf(TestClock.adjust("20 seconds")), ["a"])
      yield* waitForEvent("a: authfail")
      assert.deepStrictEqual(yield* connectsOf(TestClock.adjust("1 hour")), [])
      parts.a = makeServer("a", primary)
      yield* Effect.ignore(pool.simple("hang up"))
      assert.strictEqual(yield* queryServerName(pool), "a")
    }).pipe(Effect.provide(fakeServers(parts)))
  })

  it.effect("is one that hangs up during the login, until it answers one", () => {
    const parts: Servers = {
      a: { ...makeServer("a", primary), disconnectOnStartup: true },
      b: makeServer("b", primary)
    }
    return Effect.gen(function*() {
      const options = { max: 1, hostRecheck: Schedule.spaced("20 seconds"), idleTimeout: "1 day", checkAfter: "1 day" }
      const pool = yield* makePool("", options as Pool.Options)
      assert.deepStrictEqual((yield* EventLog).all, ["a: connect", "b: connect", "b: authok"])
      const renewed = Effect.andThen(Effect.ignore(pool.simple("hang up")), queryServerName(pool))
      assert.deepStrictEqual(yield* connectsOf(renewed), ["b"])
      assert.deepStrictEqual(yield* connectsOf(TestClock.adjust("40 seconds")), ["a", "a"])
      parts.a = makeServer("a", primary)
      yield* TestClock.adjust("20 seconds")
      yield* waitForEvent("a: authok")
      assert.deepStrictEqual(yield* connectsOf(renewed), ["a"])
    }).pipe(Effect.provide(fakeServers(parts)))
  })

  it.effect("does not delay the choice of a primary where a standby is preferred", () => {
    const parts = silentFirst()
    return Effect.gen(function*() {
      const pool = yield* whileTimePasses(makePool("target_session_attrs=prefer-standby"), "30 seconds")
      yield* Effect.ignore(pool.simple("hang up"))
      assert.deepStrictEqual(yield* connectsOf(queryServerName(pool)), ["b", "b"])
    }).pipe(Effect.provide(fakeServers(parts)))
  })

  it.effect("is one address of a name", () => {
    const parts = { first: silentFirst().a, second: makeServer("b", primary) }
    return Effect.gen(function*() {
      const config = yield* ConnectionConfig.fromString(
        "host=cluster user=app sslmode=disable target_session_attrs=primary"
      )
      const pool = yield* whileTimePasses(Pool.make(config, { max: 1 }), "15 seconds")
      yield* Effect.ignore(pool.simple("hang up"))
      assert.deepStrictEqual(yield* connectsOf(queryServerName(pool)), ["s"])
      assert.deepStrictEqual((yield* EventLog).all.at(-2), "second: authok")
    }).pipe(Effect.provide(fakeServers(parts, { cluster: ["first", "second"] })))
  })

  it.effect("is not looked at in the background if it is the only one", () => {
    const parts: Servers = { a: makeServer("a", primary), b: makeServer("b", primary) }
    return Effect.gen(function*() {
      const config = yield* ConnectionConfig.fromString("host=a user=app sslmode=disable")
      const pool = yield* Pool.make(config, { max: 1 })
      parts.a = { ...parts.a, unreachable: "down" }
      yield* Effect.ignore(pool.simple("hang up"))
      const failed = yield* whileTimePasses(Effect.flip(pool.simple("who is it")), "30 seconds")
      assert.strictEqual(failed._tag, "PoolError")
      assert.deepStrictEqual(yield* connectsOf(TestClock.adjust("1 hour")), [])
    }).pipe(Effect.provide(fakeServers(parts)))
  })
})

describe("pool > a promotion", () => {
  /** A pool that has lost its primary `a`, while `b` is still a standby, and a caller that waits for a session. */
  const makeWaiting = (parts: Servers, options: Pool.Options) =>
    Effect.gen(function*() {
      const pool = yield* makePool("target_session_attrs=primary", { max: 1, acquireTimeout: "1 hour", ...options })
      parts.a = { ...parts.a, unreachable: "silent" }
      yield* Effect.ignore(pool.simple("hang up"))
      const asked = yield* Effect.forkChild(queryServerName(pool), { startImmediately: true })
      // The first attempt alone waits for the dead server.
      yield* TestClock.adjust("15 seconds")
      return { pool, asked }
    })

  const makeParts = (): Servers => ({ a: makeServer("a", primary), b: makeServer("b", standby) })

  it.effect("is noticed after at most one delay of the schedule", () => {
    const parts = makeParts()
    return Effect.gen(function*() {
      const { asked } = yield* makeWaiting(parts, { hostRecheck: Schedule.spaced("2 seconds") })
      const { all } = yield* EventLog
      for (let i = 0; i < 50; i++) yield* TestClock.adjust("2 seconds")
      assert.isAtLeast(all.filter((event) => event === "b: authok").length, 49)
      parts.b = makeServer("b", primary)
      assert.isUndefined(asked.pollUnsafe())
      yield* TestClock.adjust("2 seconds")
      assert.strictEqual(yield* Fiber.join(asked), "b")
    }).pipe(Effect.provide(fakeServers(parts)))
  })

  it.effect("of the server that was down is noticed by the look that finds it", () => {
    const parts = makeParts()
    return Effect.gen(function*() {
      const { asked } = yield* makeWaiting(parts, { hostRecheck: Schedule.spaced("20 seconds") })
      yield* TestClock.adjust("10 minutes")
      parts.a = makeServer("a", primary)
      // A look in flight ends after its connect timeout of 15 seconds.
      yield* TestClock.adjust("35 seconds")
      assert.strictEqual(yield* Fiber.join(asked), "a")
    }).pipe(Effect.provide(fakeServers(parts)))
  })

  it.effect("is noticed after the default delays if the schedule has ended", () => {
    const parts = makeParts()
    return Effect.gen(function*() {
      const { asked } = yield* makeWaiting(parts, {
        hostRecheck: Schedule.upTo(Schedule.spaced("1 second"), { times: 2 })
      })
      yield* TestClock.adjust("10 minutes")
      parts.b = makeServer("b", primary)
      yield* TestClock.adjust("25 seconds")
      assert.strictEqual(yield* Fiber.join(asked), "b")
    }).pipe(Effect.provide(fakeServers(parts)))
  })

  it.effect("is noticed at once after a refresh, and a dead server is tried after growing delays by default", () => {
    const parts = makeParts()
    return Effect.gen(function*() {
      const { asked, pool } = yield* makeWaiting(parts, {})
      parts.a = { ...parts.a, unreachable: "down" }
      yield* TestClock.adjust("10 minutes")
      const attempts = yield* connectsOf(TestClock.adjust("60 seconds"))
      assert.isAtMost(attempts.filter((name) => name === "b").length, 13)
      parts.b = makeServer("b", primary)
      yield* pool.refresh
      assert.strictEqual(yield* Fiber.join(asked), "b")
    }).pipe(Effect.provide(fakeServers(parts)))
  })
})

/** A pool whose only session is lost and whose server is gone. */
const makeLostPool = (parts: Servers, lost: Partial<FakeServer>, options: Pool.Options) =>
  Effect.gen(function*() {
    const config = yield* ConnectionConfig.fromString("host=a user=app sslmode=disable")
    const pool = yield* Pool.make(config, { max: 2, ...options })
    parts.a = { ...parts.a, ...lost }
    yield* Effect.ignore(pool.simple("hang up"))
    return pool
  })

describe("pool > a server that fails while it secures a connection", () => {
  it.effect.each(["error", "hang-up"] as const)("is tried again: %s", (tls) => {
    const parts: Servers = { a: { ...makeServer("a", primary), tls: "yes" }, b: makeServer("b", primary) }
    return Effect.gen(function*() {
      const config = yield* ConnectionConfig.fromString("host=a user=app sslmode=require")
      const pool = yield* Pool.make(config, { max: 1 })
      parts.a = { ...parts.a, tls }
      yield* Effect.ignore(pool.simple("hang up"))
      const waiting = yield* forkImmediately(queryServerName(pool))
      yield* TestClock.adjust("10 seconds")
      assert.isAtLeast(pool.stats().connectFailures, 3)
      parts.a = { ...parts.a, tls: "yes" }
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual(yield* Fiber.join(waiting), "a")
    }).pipe(Effect.provide(fakeServers(parts)))
  })
})

const reasonOf = (error: PoolError.PoolError | QueryError.QueryError | QueryError.TransactionRolledBack) =>
  error._tag === "PoolError" ? error.reason._tag : error._tag

describe("pool > failFastAfter", () => {
  it.effect("fails waiting and new callers once the server is known to be gone, until a probe succeeds", () => {
    const parts: Servers = { a: makeServer("a", primary), b: makeServer("b", primary) }
    return Effect.gen(function*() {
      const pool = yield* makeLostPool(parts, { unreachable: "down" }, { failFastAfter: "2 seconds" })
      const waiting = yield* Effect.forkChild(Effect.flip(queryServerName(pool)), { startImmediately: true })
      yield* TestClock.adjust("1999 millis")
      assert.isUndefined(waiting.pollUnsafe())
      yield* TestClock.adjust("1 millis")
      const error = yield* Fiber.join(waiting)
      assert.strictEqual(reasonOf(error), "Unavailable")
      assert.deepInclude(error, {
        isRetryable: true,
        message: "the server has been unavailable for 2000 ms: cannot connect to a:5432 (ECONNREFUSED)"
      })
      for (const ask of [queryServerName(pool), Effect.scoped(pool.session), pool.transaction(Effect.void)]) {
        assert.strictEqual(reasonOf(yield* Effect.flip(ask)), "Unavailable")
      }
      assert.strictEqual(pool.stats().waiting, 0)
      parts.a = makeServer("a", primary)
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual(yield* queryServerName(pool), "a")
      assert.deepInclude(pool.stats(), { size: 1, opened: 2, isOpening: false })
    }).pipe(Effect.provide(fakeServers(parts)))
  })

  it.effect("is outlasted by retryTransaction with a long schedule, and ends with the last error otherwise", () => {
    const parts: Servers = { a: makeServer("a", primary), b: makeServer("b", primary) }
    return Effect.gen(function*() {
      const pool = yield* makeLostPool(parts, { unreachable: "down" }, { failFastAfter: "2 seconds" })
      let runs = 0
      const effect = Effect.andThen(Effect.sync(() => ++runs), pool.simple("insert"))
      const short = Effect.flip(pool.retryTransaction(effect, { schedule: Schedule.recurs(2) }))
      assert.strictEqual(reasonOf(yield* whileTimePasses(short, "2 seconds")), "Unavailable")
      const schedule = Schedule.spaced("5 seconds")
      const asked = yield* Effect.forkChild(pool.retryTransaction(effect, { schedule }), { startImmediately: true })
      yield* TestClock.adjust("1 minute")
      parts.a = makeServer("a", primary)
      yield* TestClock.adjust("20 seconds")
      yield* Fiber.join(asked)
      assert.strictEqual(runs, 1)
    }).pipe(Effect.provide(fakeServers(parts)))
  })

  it.effect("probes a silent server one attempt at a time", () => {
    const parts: Servers = { a: makeServer("a", primary), b: makeServer("b", primary) }
    return Effect.gen(function*() {
      const pool = yield* makeLostPool(parts, { unreachable: "silent" }, { failFastAfter: "5 seconds" })
      const first = yield* Effect.forkChild(Effect.flip(queryServerName(pool)), { startImmediately: true })
      yield* TestClock.adjust("14 seconds")
      // It is not known before the attempt has failed.
      assert.isUndefined(first.pollUnsafe())
      yield* TestClock.adjust("1 second")
      assert.strictEqual(reasonOf(yield* Fiber.join(first)), "Unavailable")
      const attempts = yield* connectsOf(Effect.andThen(
        Effect.forEach(Array.from({ length: 50 }), () => Effect.ignore(queryServerName(pool)), {
          concurrency: "unbounded"
        }),
        TestClock.adjust("15 seconds")
      ))
      assert.isAtMost(attempts.length, 2)
      assert.strictEqual(reasonOf(yield* Effect.flip(queryServerName(pool))), "Unavailable")
    }).pipe(Effect.provide(fakeServers(parts)))
  })

  it.effect("does not probe where a retry cannot help, and does not apply when absent", () => {
    const parts: Servers = { a: makeServer("a", primary), b: makeServer("b", primary) }
    return Effect.gen(function*() {
      const refused = yield* makeLostPool(parts, { rejectWith: () => "28P01" }, { failFastAfter: "1 second" })
      assert.strictEqual(reasonOf(yield* Effect.flip(queryServerName(refused))), "ConnectFailed")
      assert.deepStrictEqual(yield* connectsOf(TestClock.adjust("1 hour")), [])
      parts.a = makeServer("a", primary)
      assert.strictEqual(yield* queryServerName(refused), "a")
      const patient = yield* makeLostPool(parts, { unreachable: "down" }, {})
      const error = yield* whileTimePasses(Effect.flip(queryServerName(patient)), "30 seconds")
      assert.strictEqual(reasonOf(error), "AcquireTimeout")
    }).pipe(Effect.provide(fakeServers(parts)))
  })
})

describe("pool > refresh", () => {
  it.effect("replaces idle sessions at once, and those in use at their end", () =>
    Effect.gen(function*() {
      const pool = yield* makePool("", { max: 3, min: 1 })
      yield* Effect.scoped(Effect.gen(function*() {
        const session = yield* pool.session
        yield* Effect.scoped(pool.session)
        yield* pool.refresh
        assert.deepInclude(pool.stats(), { size: 1, taken: 1 })
        yield* waitUntil(() => pool.stats().closed === 1)
        yield* session.simple("who is it")
      }))
      yield* waitUntil(() => pool.stats().closed === 2 && pool.stats().size === 1)
      assert.strictEqual(yield* queryServerName(pool), "a")
      assert.strictEqual(pool.stats().opened, 3)
    }).pipe(Effect.provide(fakeServers({ a: makeServer("a", primary) }))))

  it.effect("does not keep a session that was being opened", () =>
    Effect.gen(function*() {
      const gate = yield* Latch.make(true)
      const pool = yield* makePool("", { max: 1, onConnect: () => gate.await })
      yield* pool.refresh
      yield* gate.close
      const asked = yield* Effect.forkChild(queryServerName(pool), { startImmediately: true })
      yield* waitUntil(() => pool.stats().isOpening)
      yield* pool.refresh
      yield* gate.open
      assert.strictEqual(yield* Fiber.join(asked), "a")
      assert.deepInclude(pool.stats(), { opened: 3, closed: 2, size: 1 })
    }).pipe(Effect.provide(fakeServers({ a: makeServer("a", primary) }))))

  it.effect("replaces the session that listens, and its subscribers go on with a gap", () => {
    const answers = { "LISTEN \"news\"": "", "who is it": "a" }
    const parts: Servers = { a: { answers }, b: { answers } }
    return Effect.gen(function*() {
      const pool = yield* makePool("")
      const { all } = yield* EventLog
      const count = (event: string) => all.filter((other) => other === event).length
      const events = yield* pool.subscribe("news")
      for (const times of [2, 3]) {
        const next = yield* Effect.forkChild(Stream.runHead(events), { startImmediately: true })
        yield* pool.refresh
        yield* waitUntil(() => count("a: LISTEN \"news\"") === times)
        assert.deepInclude(Option.getOrThrow(yield* Fiber.join(next)), { _tag: "Gap", reason: "Reconnected" })
      }
      // Also while it waits to reconnect: the delay does not pass here.
      parts.a = { answers, unreachable: "down" }
      parts.b = { answers, unreachable: "down" }
      const next = yield* Effect.forkChild(Stream.runHead(events), { startImmediately: true })
      yield* pool.refresh
      yield* waitUntil(() => count("b: connect") > 0)
      parts.a = { answers }
      yield* waitUntil(() => all.at(-1) === "b: connect")
      yield* pool.refresh
      assert.isTrue(Option.isSome(yield* Fiber.join(next)))
    }).pipe(Effect.provide(fakeServers(parts)))
  })

  it.effect("tries the hosts that were down in their order again", () => {
    const parts: Servers = { a: { ...makeServer("a", primary), unreachable: "down" }, b: makeServer("b", primary) }
    return Effect.gen(function*() {
      const pool = yield* makePool("")
      parts.a = makeServer("a", primary)
      assert.strictEqual(yield* queryServerName(pool), "b")
      yield* pool.refresh
      assert.strictEqual(yield* queryServerName(pool), "a")
    }).pipe(Effect.provide(fakeServers(parts)))
  })
})

describe("pool > a server that changes its role", () => {
  it.effect.each(["read-write", "primary"])("is left after a refused write, which is retryable: %s", (wanted) => {
    const parts: Servers = { a: makeServer("a", primary), b: makeServer("b", primary) }
    return Effect.gen(function*() {
      const pool = yield* makePool(`target_session_attrs=${wanted}`)
      parts.a.failWith = { insert: "25006" }
      parts.a = { ...parts.a, parameters: standby }
      const error = yield* Effect.flip(pool.simple("insert"))
      assert.deepInclude(error, { _tag: "ServerError", isRetryable: true })
      yield* expectSwitch(pool)
      yield* waitForEvent("a: bye")
    }).pipe(Effect.provide(fakeServers(parts)))
  })

  it.effect("is left after a transaction in which a write was refused, and a retry is answered by the other", () => {
    const parts: Servers = { a: makeServer("a", primary), b: makeServer("b", primary) }
    return Effect.gen(function*() {
      const pool = yield* makePool("target_session_attrs=read-write")
      parts.a.failWith = { insert: "25006" }
      parts.a = { ...parts.a, unreachable: "down" }
      yield* pool.transaction(pool.simple("insert")).pipe(
        Effect.retry({ times: 1, while: (error) => error.isRetryable })
      )
      yield* expectSwitch(pool)
    }).pipe(Effect.provide(fakeServers(parts)))
  })

  it.effect("is left by retryTransaction, which repeats the transaction on the other", () => {
    const parts: Servers = { a: makeServer("a", primary), b: makeServer("b", primary) }
    return Effect.gen(function*() {
      const pool = yield* makePool("target_session_attrs=read-write")
      parts.a.failWith = { insert: "25006" }
      parts.a = { ...parts.a, unreachable: "down" }
      yield* pool.retryTransaction(pool.simple("insert"), { schedule: Schedule.recurs(1) })
      yield* expectSwitch(pool)
      const { all } = yield* EventLog
      assert.deepStrictEqual(all.filter((event) => /insert|COMMIT/.test(event)), [
        "a: insert",
        "b: insert",
        "b: COMMIT"
      ])
      // A pool that accepts any server stays there, and does not repeat.
      parts.b.failWith = { insert: "25006" }
      const any = yield* makePool("")
      let runs = 0
      const failed = any.retryTransaction(Effect.andThen(Effect.sync(() => ++runs), any.simple("insert")))
      assert.isFalse((yield* Effect.flip(failed)).isRetryable)
      assert.strictEqual(runs, 1)
    }).pipe(Effect.provide(fakeServers(parts)))
  })

  it.effect.each([
    "call refresh()",
    "insert; commit; insert",
    "create index concurrently i on t (a)"
  ])("is left, but what may have committed a part is not retryable: %s", (text) => {
    const parts: Servers = { a: makeServer("a", primary), b: makeServer("b", primary) }
    return Effect.gen(function*() {
      const pool = yield* makePool("target_session_attrs=read-write")
      parts.a.failWith = { [text]: "25006" }
      parts.a = { ...parts.a, unreachable: "down" }
      assert.isFalse((yield* Effect.flip(pool.simple(text))).isRetryable)
      yield* expectSwitch(pool)
    }).pipe(Effect.provide(fakeServers(parts)))
  })

  it.effect.each<readonly [wanted: string, before: object, after: object]>([
    ["read-write", primary, { default_transaction_read_only: "on" }],
    ["read-write", primary, { in_hot_standby: "on" }],
    ["primary", primary, { in_hot_standby: "on" }],
    ["standby", standby, { in_hot_standby: "off" }],
    ["read-only", standby, { in_hot_standby: "off" }],
    ["prefer-standby", standby, { in_hot_standby: "off" }]
  ])("is left once it reports that it is no longer %s", ([wanted, before, after]) => {
    const parameters = before as Record<string, string>
    const parts: Servers = { a: makeServer("a", parameters), b: makeServer("b", parameters) }
    return Effect.gen(function*() {
      const pool = yield* makePool(`target_session_attrs=${wanted}`)
      parts.a.reports = after as Record<string, string>
      parts.a = { ...parts.a, unreachable: "down" }
      assert.strictEqual(yield* queryServerName(pool), "a")
      yield* expectSwitch(pool)
    }).pipe(Effect.provide(fakeServers(parts)))
  })

  it.effect("is kept if it still fits, and by pools that accept any server", () => {
    const parts: Servers = { a: makeServer("a", primary), b: makeServer("b", primary) }
    return Effect.gen(function*() {
      const any = yield* makePool("")
      const writer = yield* makePool("target_session_attrs=primary")
      parts.a.failWith = { insert: "25006" }
      parts.a.reports = { default_transaction_read_only: "on" }
      assert.isFalse((yield* Effect.flip(any.simple("insert"))).isRetryable)
      for (const pool of [any, writer]) {
        assert.strictEqual(yield* queryServerName(pool), "a")
        assert.strictEqual(yield* queryServerName(pool), "a")
        assert.deepInclude(pool.stats(), { size: 1, opened: 1 })
      }
    }).pipe(Effect.provide(fakeServers(parts)))
  })

  it.effect("is kept if the user has made the transaction or the session read-only", () => {
    const parts: Servers = { a: makeServer("a", primary), b: makeServer("b", primary) }
    return Effect.gen(function*() {
      const pool = yield* makePool("target_session_attrs=read-write")
      parts.a.failWith = { insert: "25006" }
      const inTransaction = yield* Effect.flip(pool.transaction(pool.simple("insert"), { access: "read only" }))
      assert.isFalse(inTransaction.isRetryable)
      const inSession = yield* Effect.scoped(Effect.gen(function*() {
        const session = yield* pool.session
        yield* session.simple("SET default_transaction_read_only = on")
        return yield* Effect.flip(session.simple("insert"))
      }))
      assert.isFalse(inSession.isRetryable)
      assert.strictEqual(yield* queryServerName(pool), "a")
      assert.deepInclude(pool.stats(), { size: 1, opened: 1 })
      // The reset has undone the SET.
      assert.isTrue((yield* Effect.flip(pool.simple("insert"))).isRetryable)
    }).pipe(Effect.provide(fakeServers(parts)))
  })
})

describe("a server that sends no cancel key", () => {
  it.effect("is usable, and the end of an interrupted query is awaited for up to the silence timeout", () =>
    Effect.gen(function*() {
      const config = yield* ConnectionConfig.fromString("host=a user=app sslmode=disable")
      const session = yield* Session.make({ ...config, silenceTimeout: 300_000 })
      assert.isUndefined(session.processId)
      const first = yield* session.simple("who is it")
      assert.strictEqual(first.length, 1)
      const { all } = yield* EventLog
      const running = yield* Effect.forkChild(session.simple("wait"), { startImmediately: true })
      while (!all.includes("a: wait")) yield* Effect.yieldNow
      const ending = yield* Effect.forkChild(Fiber.interrupt(running), { startImmediately: true })
      yield* TestClock.adjust("1 minute")
      yield* Fiber.join(ending)
      const waiting = yield* Effect.forkChild(Effect.flip(session.simple("who is it")), { startImmediately: true })
      yield* TestClock.adjust("3 minutes")
      assert.isUndefined(waiting.pollUnsafe())
      yield* TestClock.adjust("5 minutes")
      assert.strictEqual((yield* Fiber.join(waiting))._tag, "TransportError")
      assert.isFalse(all.some((event) => event.includes("cancel")))
    }).pipe(Effect.provide(fakeServers({ a: { ...makeServer("a", primary), noCancelKey: true } }))))
})

describe("keepalive probes", () => {
  it.effect.each(["keepalives_interval=5", "keepalives_count=3"])(
    "are refused by a transport without them: %s",
    (text) =>
      Effect.gen(function*() {
        const config = yield* ConnectionConfig.fromString(`host=a user=app sslmode=disable ${text}`)
        const error = yield* Effect.flip(Session.make(config))
        assert.deepInclude(error, { _tag: "ConnectionConfigError", setting: text.slice(0, -2), kind: "unsupported" })
        yield* Session.make({ ...config, keepAlive: false })
      }).pipe(Effect.provide(fakeServers({ a: makeServer("a", primary) })))
  )
})
