import { assert, describe, it } from "@effect/vitest"
import * as Client from "@hyperfect/client/Client"
import type { Event } from "@hyperfect/client/Notification"
import * as Notifications from "@hyperfect/client/Notifications"
import * as Pool from "@hyperfect/client/Pool"
import { sql } from "@hyperfect/client/Statement"
import * as Endpoint from "@hyperfect/transport/Endpoint"
import { Transport } from "@hyperfect/transport/Transport"
import { Effect, Exit, Fiber, Latch, Redacted, Schema, Scope, Stream } from "effect"
import { TestClock } from "effect/testing"
import { openPool, until, watch } from "./pools.ts"
import { complete, error, greet, puppet, ready } from "./puppet.ts"
import { fresh, open, servers, Target } from "./servers.ts"

/** A listener on the server of the file, its own lines watched. */
const listening = (options?: Notifications.Options) =>
  Effect.gen(function*() {
    const { config } = yield* Target
    const { lines, transport } = watch(yield* Transport)
    const notifications = yield* Effect.provideService(Notifications.make(config, options), Transport, transport)
    return { notifications, lines }
  })

const notify = (channel: string, payload?: string) =>
  Effect.scoped(
    Effect.flatMap(open(), (session) =>
      Effect.provideService(Notifications.notify(channel, payload), Client.Client, session))
  )

/** Ends the session that listens to the channel. */
const killListener = (channel: string) =>
  Effect.scoped(
    Effect.flatMap(open(), (session) =>
      session.query(sql`select pg_terminate_backend(pid, 5000) from pg_stat_activity
      where query = ${`LISTEN "${channel}"`} and pid <> pg_backend_pid()`))
  )

const payloads = (events: ReadonlyArray<Event>) =>
  events.map((event) => event._tag === "Gap" ? event.reason : event.payload)

/** Takes so many events, in the background. */
const take = (events: Stream.Stream<Event, unknown>, count: number) =>
  Effect.forkChild(Stream.runCollect(Stream.take(events, count)), { startImmediately: true })

servers({
  postgres(it) {
    it.effect("hands out what a channel is notified of, whatever its name", () =>
      Effect.gen(function*() {
        const { notifications } = yield* listening()
        for (const channel of ["news", "Mixed Case", "quoted \" twice", "ä€😀", "select", "n".repeat(63)]) {
          const events = yield* notifications.subscribe(channel)
          yield* notify(channel, "ä€😀")
          yield* notify(channel)
          const heard = yield* Stream.runCollect(Stream.take(events, 2))
          assert.deepStrictEqual(payloads(heard), ["ä€😀", ""])
          assert.strictEqual(heard[0]!.channel, channel)
        }
      }))

    it.effect("refuses names that the server would not take as they are", () =>
      Effect.gen(function*() {
        const { lines, notifications } = yield* listening()
        for (const channel of ["", "a\0b", "n".repeat(64), "ä".repeat(32)]) {
          const error = yield* Effect.flip(Effect.scoped(notifications.subscribe(channel)))
          assert.strictEqual(error._tag, "ChannelInvalid")
          assert.strictEqual((yield* Effect.flip(notify(channel)))._tag, "ChannelInvalid")
        }
        assert.strictEqual(lines.attempts, 0)
      }))

    it.effect("listens for everybody on one session, which is none of the pool's", () =>
      Effect.gen(function*() {
        const { lines, pool } = yield* openPool({ max: 1 })
        yield* pool.session
        const [a, b, c] = yield* Effect.all([pool.subscribe("one"), pool.subscribe("one"), pool.subscribe("two")])
        yield* notify("one", "1")
        yield* notify("two", "2")
        for (const [events, payload] of [[a, "1"], [b, "1"], [c, "2"]] as const) {
          assert.deepStrictEqual(payloads(yield* Stream.runCollect(Stream.take(events, 1))), [payload])
        }
        assert.strictEqual(lines.open, 2)
        assert.deepInclude(pool.stats(), { size: 1, taken: 1 })
      }))

    it.effect("hears of a transaction's notifications when it is committed, and only then", () =>
      Effect.gen(function*() {
        const { pool } = yield* openPool()
        const events = yield* pool.subscribe("deeds")
        const inTransaction = (payload: string, end: Effect.Effect<void, string>) =>
          Effect.exit(pool.transaction(
            Effect.andThen(Effect.provideService(Notifications.notify("deeds", payload), Client.Client, pool), end)
          ))
        yield* inTransaction("undone", Effect.fail("no"))
        yield* inTransaction("done", Effect.void)
        assert.deepStrictEqual(payloads(yield* Stream.runCollect(Stream.take(events, 1))), ["done"])
      }))

    it.effect("listens again when its session was lost, and tells every subscriber that something may be missing", () =>
      Effect.gen(function*() {
        const { lines, notifications } = yield* listening()
        const [a, b, other] = yield* Effect.all([
          notifications.subscribe("again"),
          notifications.subscribe("again"),
          notifications.subscribe("also")
        ])
        yield* notify("again", "before")
        const fibers = yield* Effect.forEach([a, b], (events) => take(events, 3))
        yield* killListener("also")
        const gap = yield* Stream.runCollect(Stream.take(other, 1))
        assert.deepStrictEqual(gap, [{ _tag: "Gap", channel: "also", reason: "Reconnected", missed: undefined }])
        yield* notify("again", "behind")
        for (const fiber of fibers) {
          assert.deepStrictEqual(payloads(yield* Fiber.join(fiber)), ["before", "Reconnected", "behind"])
        }
        yield* until(() => lines.open === 1)
      }))

    it.effect("tells a subscriber who is slow how much it has missed, and lets nobody else wait for him", () =>
      Effect.gen(function*() {
        const { notifications } = yield* listening({ capacity: 4 })
        const slow = yield* notifications.subscribe("crowd")
        const quick = yield* notifications.subscribe("crowd")
        const heard = yield* Effect.forkChild(
          quick.pipe(
            Stream.map((event) => event._tag === "Gap" ? event.missed! : 1),
            Stream.scan(() => 0, (sum, count) => sum + count),
            Stream.takeUntil((sum) => sum === 100),
            Stream.runDrain
          ),
          { startImmediately: true }
        )
        yield* Effect.scoped(
          Effect.flatMap(
            open(),
            (session) => session.query("select pg_notify('crowd', n::text) from generate_series(1, 100) as g(n)")
          )
        )
        yield* Fiber.join(heard)
        const first = yield* Stream.runCollect(Stream.take(slow, 5))
        assert.deepStrictEqual(payloads(first), ["1", "2", "3", "4", "Overflow"])
        assert.deepInclude(first[4], { missed: 96 })
        yield* notify("crowd", "later")
        assert.deepStrictEqual(payloads(yield* Stream.runCollect(Stream.take(slow, 1))), ["later"])
      }))

    it.effect("tells one who comes while the server is away at once, and lets those who are there wait for it", () =>
      Effect.gen(function*() {
        const { lines, notifications } = yield* listening()
        const events = yield* notifications.subscribe("patience")
        lines.isDown = true
        yield* killListener("patience")
        yield* until(() => lines.attempts > 1)
        const error = yield* Effect.flip(Stream.runDrain(notifications.listen("too late")))
        assert(error._tag === "TransportError")
        assert.isTrue(error.isRetryable)
        lines.isDown = false
        assert.deepStrictEqual(payloads(yield* Stream.runCollect(Stream.take(events, 1))), ["Reconnected"])
      }))

    it.effect("ends with an error what will never be heard again", () =>
      Effect.gen(function*() {
        const { config } = yield* Target
        let { password } = config
        const notifications = yield* Notifications.make({
          ...config,
          password: Effect.sync(() => password as Redacted.Redacted)
        })
        const events = yield* notifications.subscribe("rotated")
        password = Redacted.make("no longer")
        yield* killListener("rotated")
        const error = yield* Effect.flip(Stream.runDrain(events))
        assert.strictEqual(error._tag, "AuthError")
        ;({ password } = config)
        yield* notifications.subscribe("rotated")
      }))

    it.effect("hands out payloads by their schema, and those that are not by it as what they are", () =>
      Effect.gen(function*() {
        const Orders = Notifications.channel(
          fresh("orders"),
          Schema.Struct({ id: Schema.Int, at: Schema.DateFromString })
        )
        const order = { id: 1, at: new Date(0) }
        const { pool } = yield* openPool()
        yield* Effect.gen(function*() {
          const began = yield* Latch.make()
          const heard = yield* Effect.forkChild(
            Stream.runCollect(Stream.take(Stream.onStart(Orders.listen, began.open), 3))
          )
          // The stream does not tell when the server listens.
          yield* pool.subscribe(Orders.name)
          yield* began.await
          yield* Orders.notify(order)
          yield* Notifications.notify(Orders.name, "{\"id\":1.5}")
          yield* Notifications.notify(Orders.name, "no json")
          const [good, ...bad] = yield* Fiber.join(heard)
          assert.deepInclude(good, { _tag: "Notification", payload: order })
          assert.deepStrictEqual(bad.map(({ _tag }) => _tag), ["Malformed", "Malformed"])
          assert.deepInclude(bad[1], { payload: "no json" })
        }).pipe(
          Effect.provideService(Client.Client, pool),
          Effect.provideService(Notifications.Notifications, pool)
        )
      }))

    it.effect("comes with the layer of a pool", () =>
      Effect.gen(function*() {
        const { config } = yield* Target
        yield* Effect.gen(function*() {
          const events = yield* (yield* Notifications.Notifications).subscribe("layered")
          yield* Notifications.notify("layered", "hello")
          assert.deepStrictEqual(payloads(yield* Stream.runCollect(Stream.take(events, 1))), ["hello"])
        }).pipe(Effect.scoped, Effect.provide(Pool.layer(config)))
      }))

    it.effect("ends all subscriptions with its scope, and closes its session", () =>
      Effect.gen(function*() {
        const scope = yield* Scope.make()
        const { lines, notifications } = yield* Scope.provide(listening(), scope)
        const events = yield* notifications.subscribe("the end")
        const drained = yield* Effect.forkChild(Stream.runCollect(events), { startImmediately: true })
        yield* Scope.close(scope, Exit.void)
        assert.deepStrictEqual(yield* Fiber.join(drained), [])
        assert.strictEqual(lines.open, 0)
        assert.deepStrictEqual(yield* Stream.runCollect(notifications.listen("too late")), [])
      }))
  },

  hyper(it) {
    it.effect("says that there is no LISTEN, and no NOTIFY", () =>
      Effect.gen(function*() {
        const { pool } = yield* openPool()
        const errors = [
          yield* Effect.flip(Stream.runDrain(pool.listen("news"))),
          yield* Effect.flip(Effect.provideService(Notifications.notify("news"), Client.Client, pool))
        ]
        for (const [i, error] of errors.entries()) {
          assert.strictEqual(error._tag, "UnsupportedError")
          assert.include(error.message, i === 0 ? "LISTEN" : "NOTIFY")
        }
      }))
  }
})

describe("the session that listens", () => {
  const make = Notifications.make({ endpoint: Endpoint.tcp("db", 5432), user: "app", sslMode: "disable" })

  it.effect("is told LISTEN by the first who subscribes and UNLISTEN when the last has left", () =>
    Effect.gen(function*() {
      const notifications = yield* make
      const [first, last] = [yield* Scope.make(), yield* Scope.make()]
      const coming = yield* Effect.forkChild(Scope.provide(notifications.subscribe("a b"), first))
      const server = yield* greet
      assert.deepInclude(yield* server.hear("Query"), { query: "LISTEN \"a b\"" })
      yield* server.say(complete("LISTEN"), ready())
      yield* Fiber.join(coming)
      yield* Scope.provide(notifications.subscribe("a b"), last)
      yield* Scope.close(first, Exit.void)
      const other = yield* Effect.forkChild(Effect.scoped(notifications.subscribe("c")))
      assert.deepInclude(yield* server.hear("Query"), { query: "LISTEN \"c\"" })
      yield* server.say(complete("LISTEN"), ready())
      yield* Fiber.join(other)
      assert.deepInclude(yield* server.hear("Query"), { query: "UNLISTEN \"c\"" })
      yield* server.say(complete("UNLISTEN"), ready())
      yield* Scope.close(last, Exit.void)
      assert.deepInclude(yield* server.hear("Query"), { query: "UNLISTEN \"a b\"" })
      yield* server.say(complete("UNLISTEN"), ready())
      yield* TestClock.adjust("30 seconds")
      yield* server.hear("Terminate")
    }).pipe(Effect.scoped, Effect.provide(puppet())))

  it.effect("is replaced when it is silent and does not answer any more", () =>
    Effect.gen(function*() {
      const notifications = yield* make
      const coming = yield* Effect.forkChild(notifications.subscribe("a"))
      const first = yield* greet
      yield* first.hear("Query")
      yield* first.say(complete("LISTEN"), ready())
      const events = yield* take(yield* Fiber.join(coming), 2)
      yield* TestClock.adjust("30 seconds")
      assert.deepInclude(yield* first.hear("Query"), { query: "" })
      yield* first.say({ _tag: "EmptyQueryResponse" }, ready())
      yield* TestClock.adjust("30 seconds")
      yield* first.hear("Query")
      yield* TestClock.adjust("10 seconds")
      const second = yield* greet
      yield* second.hear("Query")
      yield* second.say(
        complete("LISTEN"),
        ready(),
        { _tag: "NotificationResponse", processId: 7, channel: "a", payload: "x" }
      )
      assert.deepStrictEqual(payloads(yield* Fiber.join(events)), ["Reconnected", "x"])
    }).pipe(Effect.scoped, Effect.provide(puppet())))

  it.effect("loses nothing that comes in the same step as the answer to LISTEN", () =>
    Effect.gen(function*() {
      const notifications = yield* make
      const coming = yield* Effect.forkChild(notifications.subscribe("a"))
      const server = yield* greet
      yield* server.hear("Query")
      yield* server.say(
        complete("LISTEN"),
        ready(),
        ...["1", "2", "3"].map((payload) =>
          ({ _tag: "NotificationResponse", processId: 7, channel: "a", payload }) as const
        )
      )
      const events = yield* Fiber.join(coming)
      assert.deepStrictEqual(payloads(yield* Stream.runCollect(Stream.take(events, 3))), ["1", "2", "3"])
    }).pipe(Effect.scoped, Effect.provide(puppet())))

  it.effect("ends the subscription that the server refuses, and no other", () =>
    Effect.gen(function*() {
      const notifications = yield* make
      const both = yield* Effect.forkChild(
        Effect.all([Effect.exit(notifications.subscribe("a")), Effect.exit(notifications.subscribe("b"))], {
          concurrency: "unbounded"
        }),
        { startImmediately: true }
      )
      const server = yield* greet
      yield* server.hear("Query")
      yield* server.say(error("25006"), ready())
      yield* server.hear("Query")
      yield* server.say(complete("LISTEN"), ready())
      const [a, b] = yield* Fiber.join(both)
      assert.deepStrictEqual([a._tag, b._tag], ["Failure", "Success"])
    }).pipe(Effect.scoped, Effect.provide(puppet())))

  it.effect("sends a server that is Hyper nothing but its good-bye", () =>
    Effect.gen(function*() {
      const notifications = yield* make
      const refused = yield* Effect.forkChild(Effect.flip(notifications.subscribe("a")))
      const server = yield* greet
      yield* server.hear("Terminate")
      assert.strictEqual((yield* Fiber.join(refused))._tag, "UnsupportedError")
    }).pipe(Effect.scoped, Effect.provide(puppet({ dialect: "hyper" }))))
})
