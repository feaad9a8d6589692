import { assert, describe, it } from "@effect/vitest"
import * as Client from "@hyperfect/client/Client"
import type { Event } from "@hyperfect/client/Notification"
import * as Notifications from "@hyperfect/client/Notifications"
import * as Pool from "@hyperfect/client/Pool"
import { sql } from "@hyperfect/client/Statement"
import * as Endpoint from "@hyperfect/transport/Endpoint"
import { Transport } from "@hyperfect/transport/Transport"
import { ConfigProvider, Effect, Exit, Fiber, Latch, Layer, Option, Redacted, Schema, Scope, Stream } from "effect"
import { TestClock } from "effect/testing"
import { describeServers, openSession, TestServer, uniqueName } from "./liveServers.ts"
import { acceptSession, complete, error, manualServer, ready } from "./manualServer.ts"
import { openPool, trackConnections, waitUntil } from "./pools.ts"

/** Notifications of the file's server, with their connections counted. */
const makeNotifications = (options?: Notifications.Options) =>
  Effect.gen(function*() {
    const { config } = yield* TestServer
    const { connections, transport } = trackConnections(yield* Transport)
    const notifications = yield* Effect.provideService(Notifications.make(config, options), Transport, transport)
    return { notifications, connections }
  })

const notify = (channel: string, payload?: string) =>
  Effect.scoped(
    Effect.flatMap(openSession(), (session) =>
      Effect.provideService(Notifications.notify(channel, payload), Client.Client, session))
  )

/** Terminates the session that listens to the channel. */
const killListener = (channel: string) =>
  Effect.scoped(
    Effect.flatMap(openSession(), (session) =>
      session.query(sql`select pg_terminate_backend(pid, 5000) from pg_stat_activity
      where query = ${`LISTEN "${channel}"`} and pid <> pg_backend_pid()`))
  )

const payloads = (events: ReadonlyArray<Event>) =>
  events.map((event) => event._tag === "Gap" ? event.reason : event.payload)

/** Takes a number of events, in the background. */
const forkTake = (events: Stream.Stream<Event, unknown>, count: number) =>
  Effect.forkChild(Stream.runCollect(Stream.take(events, count)), { startImmediately: true })

describeServers({
  postgres(it) {
    it.effect("delivers notifications of a channel with any name", () =>
      Effect.gen(function*() {
        const { notifications } = yield* makeNotifications()
        for (const channel of ["news", "Mixed Case", "quoted \" twice", "ä€😀", "select", "n".repeat(63)]) {
          const events = yield* notifications.subscribe(channel)
          yield* notify(channel, "ä€😀")
          yield* notify(channel)
          const heard = yield* Stream.runCollect(Stream.take(events, 2))
          assert.deepStrictEqual(payloads(heard), ["ä€😀", ""])
          assert.strictEqual(heard[0]!.channel, channel)
        }
      }))

    it.effect("is provided by layers", () =>
      Effect.gen(function*() {
        const { config: { database, endpoint, password, user }, config } = yield* TestServer
        assert(endpoint._tag === "Tcp" && Redacted.isRedacted(password))
        const secret = String(Redacted.value(password))
        const uri = `postgresql://${user}:${encodeURIComponent(secret)}@${endpoint.host}:${endpoint.port}/${database}`
        const variables = {
          PGHOST: endpoint.host,
          PGPORT: String(endpoint.port),
          PGUSER: user,
          PGPASSWORD: secret,
          PGDATABASE: database
        }
        const environment = ConfigProvider.layer(ConfigProvider.fromUnknown(variables))
        const hear = (channel: string) =>
          Effect.gen(function*() {
            const heard = yield* Effect.forkChild(Stream.runHead(Notifications.listen(channel)))
            yield* notify(channel, "x").pipe(
              Effect.andThen(Effect.sleep("20 millis")),
              Effect.forever,
              Effect.raceFirst(Fiber.await(heard))
            )
            return payloads(Option.toArray(yield* Fiber.join(heard)))
          })
        const name = uniqueName("layer")
        const heard = yield* Effect.all([
          Effect.provide(hear(name), Notifications.layer(config)),
          Effect.provide(hear(name), Notifications.layerUri(uri)),
          Effect.provide(hear(name), Layer.provide(Notifications.layerConfig(), environment)),
          Effect.provide(hear(name), Notifications.layerConninfo(uri))
        ])
        assert.deepStrictEqual(heard, [["x"], ["x"], ["x"], ["x"]])
        const queried = Effect.flatMap(Client.Client, (client) => client.values("select current_database()"))
        const { rows } = yield* Effect.provide(queried, Layer.provide(Client.layerConfig(), environment))
        assert.deepStrictEqual(rows, [[database]])
      }))

    it.effect("refuses channel names that the server would change or reject", () =>
      Effect.gen(function*() {
        const { connections, notifications } = yield* makeNotifications()
        for (const channel of ["", "a\0b", "n".repeat(64), "ä".repeat(32)]) {
          const error = yield* Effect.flip(Effect.scoped(notifications.subscribe(channel)))
          assert.strictEqual(error._tag, "ChannelInvalid")
          assert.strictEqual((yield* Effect.flip(notify(channel)))._tag, "ChannelInvalid")
        }
        assert.strictEqual(connections.attempts, 0)
      }))

    it.effect("listens for all subscribers on one session, which does not count towards the pool", () =>
      Effect.gen(function*() {
        const { connections, pool } = yield* openPool({ max: 1 })
        yield* pool.session
        const [a, b, c] = yield* Effect.all([pool.subscribe("one"), pool.subscribe("one"), pool.subscribe("two")])
        yield* notify("one", "1")
        yield* notify("two", "2")
        for (const [events, payload] of [[a, "1"], [b, "1"], [c, "2"]] as const) {
          assert.deepStrictEqual(payloads(yield* Stream.runCollect(Stream.take(events, 1))), [payload])
        }
        assert.strictEqual(connections.open, 2)
        assert.deepInclude(pool.stats(), { size: 1, taken: 1 })
      }))

    it.effect("gives each consumer of a stream its own subscription, which survives the end of another", () =>
      Effect.gen(function*() {
        const { notifications } = yield* makeNotifications()
        const scope = yield* Scope.make()
        const events = yield* Scope.provide(notifications.subscribe("shared"), scope)
        const first = yield* forkTake(events, 2)
        const second = yield* forkTake(events, 3)
        const third = yield* forkTake(events, 2)
        yield* Effect.sleep("50 millis")
        yield* notify("shared", "1")
        yield* Effect.sleep("50 millis")
        yield* Fiber.interrupt(second)
        yield* notify("shared", "2")
        for (const fiber of [first, third]) {
          assert.deepStrictEqual(payloads(yield* Fiber.join(fiber).pipe(Effect.timeout("20 seconds"))), ["1", "2"])
        }
        const last = yield* forkTake(events, 1)
        yield* Effect.sleep("20 millis")
        yield* Scope.close(scope, Exit.void)
        assert.deepStrictEqual(payloads(yield* Fiber.join(last).pipe(Effect.timeout("20 seconds"))), [])
      }))

    it.effect("delivers a transaction's notifications after its commit only", () =>
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

    it.effect("reconnects when its session is lost, and sends a gap to every subscriber", () =>
      Effect.gen(function*() {
        const { connections, notifications } = yield* makeNotifications()
        const [a, b, other] = yield* Effect.all([
          notifications.subscribe("again"),
          notifications.subscribe("again"),
          notifications.subscribe("also")
        ])
        yield* notify("again", "before")
        const fibers = yield* Effect.forEach([a, b], (events) => forkTake(events, 3))
        yield* killListener("also")
        const gap = yield* Stream.runCollect(Stream.take(other, 1))
        assert.deepStrictEqual(gap, [{ _tag: "Gap", channel: "also", reason: "Reconnected", missed: undefined }])
        yield* notify("again", "behind")
        for (const fiber of fibers) {
          assert.deepStrictEqual(payloads(yield* Fiber.join(fiber)), ["before", "Reconnected", "behind"])
        }
        yield* waitUntil(() => connections.open === 1)
      }))

    it.effect("sends a slow subscriber a gap with the number of missed notifications", () =>
      Effect.gen(function*() {
        const { notifications } = yield* makeNotifications({ capacity: 4 })
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
            openSession(),
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

    it.effect("fails new subscribers at once while the server is down, and keeps existing ones waiting", () =>
      Effect.gen(function*() {
        const { connections, notifications } = yield* makeNotifications()
        const events = yield* notifications.subscribe("patience")
        connections.isDown = true
        yield* killListener("patience")
        yield* waitUntil(() => connections.attempts > 1)
        const error = yield* Effect.flip(Stream.runDrain(notifications.listen("too late")))
        assert(error._tag === "TransportError")
        assert.isTrue(error.isRetryable)
        connections.isDown = false
        assert.deepStrictEqual(payloads(yield* Stream.runCollect(Stream.take(events, 1))), ["Reconnected"])
      }))

    it.effect("ends subscriptions with an error after a permanent failure", () =>
      Effect.gen(function*() {
        const { config } = yield* TestServer
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

    it.effect("delivers payloads decoded by their schema, and others as malformed", () =>
      Effect.gen(function*() {
        const Orders = Notifications.channel(
          uniqueName("orders"),
          Schema.Struct({ id: Schema.Int, at: Schema.DateFromString })
        )
        const order = { id: 1, at: new Date(0) }
        const { pool } = yield* openPool()
        yield* Effect.gen(function*() {
          const began = yield* Latch.make()
          const heard = yield* Effect.forkChild(
            Stream.runCollect(Stream.take(Stream.onStart(Orders.listen, began.open), 3))
          )
          // The stream does not signal when the server listens.
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

    it.effect("is provided by the layer of a pool", () =>
      Effect.gen(function*() {
        const { config } = yield* TestServer
        yield* Effect.gen(function*() {
          const events = yield* (yield* Notifications.Notifications).subscribe("layered")
          yield* Notifications.notify("layered", "hello")
          assert.deepStrictEqual(payloads(yield* Stream.runCollect(Stream.take(events, 1))), ["hello"])
        }).pipe(Effect.scoped, Effect.provide(Pool.layer(config)))
      }))

    it.effect("ends all subscriptions with its scope, and closes its session", () =>
      Effect.gen(function*() {
        const scope = yield* Scope.make()
        const { connections, notifications } = yield* Scope.provide(makeNotifications(), scope)
        const events = yield* notifications.subscribe("the end")
        const drained = yield* Effect.forkChild(Stream.runCollect(events), { startImmediately: true })
        yield* Scope.close(scope, Exit.void)
        assert.deepStrictEqual(yield* Fiber.join(drained), [])
        assert.strictEqual(connections.open, 0)
        assert.deepStrictEqual(yield* Stream.runCollect(notifications.listen("too late")), [])
      }))
  },

  hyper(it) {
    it.effect("fails LISTEN and NOTIFY as unsupported", () =>
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

describe("Notifications > session", () => {
  const make = Notifications.make({ endpoint: Endpoint.tcp("db", 5432), user: "app", sslMode: "disable" })

  it.effect("sends LISTEN for the first subscriber and UNLISTEN after the last", () =>
    Effect.gen(function*() {
      const notifications = yield* make
      const [first, last] = [yield* Scope.make(), yield* Scope.make()]
      const coming = yield* Effect.forkChild(Scope.provide(notifications.subscribe("a b"), first))
      const server = yield* acceptSession
      assert.deepInclude(yield* server.expect("Query"), { query: "LISTEN \"a b\"" })
      yield* server.send(complete("LISTEN"), ready())
      yield* Fiber.join(coming)
      yield* Scope.provide(notifications.subscribe("a b"), last)
      yield* Scope.close(first, Exit.void)
      const other = yield* Effect.forkChild(Effect.scoped(notifications.subscribe("c")))
      assert.deepInclude(yield* server.expect("Query"), { query: "LISTEN \"c\"" })
      yield* server.send(complete("LISTEN"), ready())
      yield* Fiber.join(other)
      assert.deepInclude(yield* server.expect("Query"), { query: "UNLISTEN \"c\"" })
      yield* server.send(complete("UNLISTEN"), ready())
      yield* Scope.close(last, Exit.void)
      assert.deepInclude(yield* server.expect("Query"), { query: "UNLISTEN \"a b\"" })
      yield* server.send(complete("UNLISTEN"), ready())
      yield* TestClock.adjust("30 seconds")
      yield* server.expect("Terminate")
    }).pipe(Effect.scoped, Effect.provide(manualServer())))

  it.effect("is replaced when it is silent and no longer answers", () =>
    Effect.gen(function*() {
      const notifications = yield* make
      const coming = yield* Effect.forkChild(notifications.subscribe("a"))
      const first = yield* acceptSession
      yield* first.expect("Query")
      yield* first.send(complete("LISTEN"), ready())
      const events = yield* forkTake(yield* Fiber.join(coming), 2)
      yield* TestClock.adjust("30 seconds")
      assert.deepInclude(yield* first.expect("Query"), { query: "" })
      yield* first.send({ _tag: "EmptyQueryResponse" }, ready())
      yield* TestClock.adjust("30 seconds")
      yield* first.expect("Query")
      yield* TestClock.adjust("10 seconds")
      const second = yield* acceptSession
      yield* second.expect("Query")
      yield* second.send(
        complete("LISTEN"),
        ready(),
        { _tag: "NotificationResponse", processId: 7, channel: "a", payload: "x" }
      )
      assert.deepStrictEqual(payloads(yield* Fiber.join(events)), ["Reconnected", "x"])
    }).pipe(Effect.scoped, Effect.provide(manualServer())))

  it.effect("loses no notification that arrives in the same step as the response to LISTEN", () =>
    Effect.gen(function*() {
      const notifications = yield* make
      const coming = yield* Effect.forkChild(notifications.subscribe("a"))
      const server = yield* acceptSession
      yield* server.expect("Query")
      yield* server.send(
        complete("LISTEN"),
        ready(),
        ...["1", "2", "3"].map((payload) =>
          ({ _tag: "NotificationResponse", processId: 7, channel: "a", payload }) as const
        )
      )
      const events = yield* Fiber.join(coming)
      assert.deepStrictEqual(payloads(yield* Stream.runCollect(Stream.take(events, 3))), ["1", "2", "3"])
    }).pipe(Effect.scoped, Effect.provide(manualServer())))

  it.effect("fails only the subscription that the server refuses", () =>
    Effect.gen(function*() {
      const notifications = yield* make
      const both = yield* Effect.forkChild(
        Effect.all([Effect.exit(notifications.subscribe("a")), Effect.exit(notifications.subscribe("b"))], {
          concurrency: "unbounded"
        }),
        { startImmediately: true }
      )
      const server = yield* acceptSession
      yield* server.expect("Query")
      yield* server.send(error("25006"), ready())
      yield* server.expect("Query")
      yield* server.send(complete("LISTEN"), ready())
      const [a, b] = yield* Fiber.join(both)
      assert.deepStrictEqual([a._tag, b._tag], ["Failure", "Success"])
    }).pipe(Effect.scoped, Effect.provide(manualServer())))

  it.effect("sends only Terminate to a server that is Hyper", () =>
    Effect.gen(function*() {
      const notifications = yield* make
      const refused = yield* Effect.forkChild(Effect.flip(notifications.subscribe("a")))
      const server = yield* acceptSession
      yield* server.expect("Terminate")
      assert.strictEqual((yield* Fiber.join(refused))._tag, "UnsupportedError")
    }).pipe(Effect.scoped, Effect.provide(manualServer({ dialect: "hyper" }))))
})
