import { assert } from "@effect/vitest"
import * as Telemetry from "@hyperfect/client/Telemetry"
import type * as Backend from "@hyperfect/protocol/Backend"
import * as ErrorField from "@hyperfect/protocol/ErrorField"
import { Effect, Exit, Fiber, Layer, Logger, Scheduler, Scope, Stream } from "effect"
import { forkImmediately } from "./fibers.ts"
import { describeServers, openSession } from "./liveServers.ts"
import { openPool, waitUntil } from "./pools.ts"

/** Makes a fiber yield once, at the given operation, as the scheduler would after many thousands. */
const yieldingAt = (operation: number): Scheduler.Scheduler => {
  let operations = 0
  return Object.assign(Object.create(new Scheduler.MixedScheduler()) as Scheduler.Scheduler, {
    shouldYield: () => ++operations === operation
  })
}

describeServers({
  both(it) {
    it.effect("reaches the first subscribers, even if one interrupts the other or the session ends", () =>
      Effect.gen(function*() {
        for (let operation = 1; operation <= 30; operation++) {
          const scope = yield* Scope.make()
          const session = yield* Scope.provide(openSession(), scope)
          const listen = Stream.runCollect(session.notices)
          const first = yield* forkImmediately(
            Effect.provideService(listen, Scheduler.Scheduler, yieldingAt(operation))
          )
          const second = yield* forkImmediately(listen)
          yield* session.simple("begin")
          yield* session.simple("begin")
          const third = yield* forkImmediately(
            Effect.provideService(listen, Scheduler.Scheduler, yieldingAt(operation))
          )
          yield* Scope.close(scope, Exit.void)
          const heard = yield* Effect.all([first, second, third].map((fiber) => Fiber.join(fiber)))
          assert.deepStrictEqual(heard.map(({ length }) => length), [1, 1, 0], `${operation}`)
        }
      }))

    it.effect("delivers the warnings of a command to every subscriber", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        const listening = yield* Effect.forEach([1, 2], () =>
          forkImmediately(Stream.runCollect(Stream.take(session.notices, 1))))
        yield* session.simple("begin")
        yield* session.simple("begin")
        yield* session.simple("rollback")
        for (const fiber of listening) {
          const [notice] = yield* Fiber.join(fiber)
          assert.strictEqual(ErrorField.get(notice!.fields, "sqlState"), "25001")
          assert.strictEqual(
            ErrorField.get(notice!.fields, "severity") ?? ErrorField.get(notice!.fields, "severityLocalized"),
            "WARNING"
          )
        }
      }))
  },

  postgres(it) {
    it.effect("are delivered from the login on, by a session and a pool, and logged if logNotices is set", () =>
      Effect.gen(function*() {
        const admin = yield* openSession()
        yield* admin.simple(`create function warn() returns event_trigger language plpgsql as $$ begin
            raise warning 'expires %', E'\\x1b[31msoon'; end $$;
          create event trigger warns on login execute function warn(); alter event trigger warns enable always`)
        const logged: Array<unknown> = []
        const logger = Logger.make(({ message }) => void logged.push(message))
        yield* Effect.gen(function*() {
          const messageOf = (notice: Backend.NoticeResponse) => ErrorField.get(notice.fields, "message")
          const session = yield* openSession()
          for (const _ of [1, 2]) {
            const heard = yield* Stream.runCollect(Stream.take(session.notices, 1))
            assert.deepStrictEqual(heard.map(messageOf), ["expires \x1b[31msoon"])
          }
          const { pool } = yield* openPool({ max: 2 })
          const listening = yield* forkImmediately(Stream.runCollect(Stream.take(pool.notices, 2)))
          yield* Effect.scoped(Effect.all([pool.session, pool.session]))
          yield* pool.simple("do $$ begin raise notice 'hello'; end $$")
          const heard = yield* Fiber.join(listening)
          assert.deepStrictEqual(heard.map(({ notice }) => messageOf(notice)), ["expires \x1b[31msoon", "hello"])
          for (const { processId } of heard) assert.isAbove(processId ?? 0, 0)
          yield* waitUntil(() => logged.length >= 4)
          assert.deepStrictEqual(logged.map(String), [
            "01000: expires \\u001b[31msoon",
            "01000: expires \\u001b[31msoon",
            "01000: expires \\u001b[31msoon",
            "00000: hello"
          ])
        }).pipe(
          Effect.provide(Layer.merge(Telemetry.layer({ logNotices: true }), Logger.layer([logger]))),
          Effect.ensuring(Effect.orDie(admin.simple("drop event trigger warns")))
        )
      }))

    it.effect("delivers notices raised in the middle of a result, and keeps the rows", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        yield* session.simple(`
          create function pg_temp.shout(n int) returns int language plpgsql as
            $$ begin raise notice 'row %', n; return n; end $$`)
        const listening = yield* forkImmediately(Stream.runCollect(Stream.take(session.notices, 3)))
        const { rows } = yield* session.values("select pg_temp.shout(n) from generate_series(1, 3) as g(n)")
        assert.deepStrictEqual(rows, [[1], [2], [3]])
        const notices = yield* Fiber.join(listening)
        assert.deepStrictEqual(
          notices.map(({ fields }) => ErrorField.get(fields, "message")),
          ["row 1", "row 2", "row 3"]
        )
      }))

    it.effect("drops the oldest for a slow subscriber, and never waits for it", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        const slow = yield* forkImmediately(
          session.notices.pipe(
            Stream.rechunk(1),
            Stream.tap(() => Effect.sleep("300 millis")),
            Stream.take(2),
            Stream.runCollect
          )
        )
        yield* session.simple("do $$ begin for i in 1..2000 loop raise notice '%', i; end loop; end $$")
        const [first, second] = (yield* Fiber.join(slow)).map(({ fields }) => Number(ErrorField.get(fields, "message")))
        assert.isAbove(second!, first!)
        assert.deepStrictEqual((yield* session.values("select 1")).rows, [[1]])
      }))

    it.effect("delivers notifications, even to an idle session", () =>
      Effect.gen(function*() {
        const listener = yield* openSession()
        const sender = yield* openSession()
        yield* listener.query("listen news")
        const listening = yield* forkImmediately(Stream.runCollect(Stream.take(listener.notifications, 3)))
        yield* sender.query("notify news, 'one'")
        yield* sender.query("select pg_notify('news', 'ä€😀')")
        yield* sender.transaction(sender.query("notify news"))
        const heard = yield* Fiber.join(listening)
        assert.deepStrictEqual(
          heard.map(({ channel, payload, processId }) => [channel, payload, processId]),
          ["one", "ä€😀", ""].map((payload) => ["news", payload, sender.processId])
        )
      }))

    it.effect("delivers changes of settings that the server reports", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        const listening = yield* forkImmediately(Stream.runCollect(Stream.take(session.parameterChanges, 2)))
        yield* session.query("set timezone = 'Asia/Tokyo'")
        yield* session.query("set application_name = 'renamed'")
        const changes = yield* Fiber.join(listening)
        assert.deepStrictEqual(
          changes.map(({ name, value }) => [name, value]),
          [["TimeZone", "Asia/Tokyo"], ["application_name", "renamed"]]
        )
      }))

    it.effect("keeps the parameters that the server reports up to date", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        yield* session.query("set application_name = 'renamed'")
        assert.strictEqual(session.parameters().get("application_name"), "renamed")
        yield* session.query("set timezone = 'Asia/Tokyo'")
        assert.strictEqual(session.parameters().get("TimeZone"), "Asia/Tokyo")
      }))
  }
})
