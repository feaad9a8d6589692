import { assert } from "@effect/vitest"
import * as ErrorField from "@hyperfect/protocol/ErrorField"
import { Effect, Exit, Fiber, Scheduler, Scope, Stream } from "effect"
import { start } from "./fibers.ts"
import { open, servers } from "./servers.ts"

/** Lets a fiber yield once, at its operation of this number, as it would where so many thousands have come before. */
const yieldingAt = (operation: number): Scheduler.Scheduler => {
  let operations = 0
  return Object.assign(Object.create(new Scheduler.MixedScheduler()) as Scheduler.Scheduler, {
    shouldYield: () => ++operations === operation
  })
}

servers({
  both(it) {
    it.effect("reaches the first listeners, wherever the one is interrupted by the other or by the end", () =>
      Effect.gen(function*() {
        for (let operation = 1; operation <= 30; operation++) {
          const scope = yield* Scope.make()
          const session = yield* Scope.provide(open(), scope)
          const listen = Stream.runCollect(session.notices)
          const first = yield* start(Effect.provideService(listen, Scheduler.Scheduler, yieldingAt(operation)))
          const second = yield* start(listen)
          yield* session.simple("begin")
          yield* session.simple("begin")
          const third = yield* start(Effect.provideService(listen, Scheduler.Scheduler, yieldingAt(operation)))
          yield* Scope.close(scope, Exit.void)
          const heard = yield* Effect.all([first, second, third].map((fiber) => Fiber.join(fiber)))
          assert.deepStrictEqual(heard.map(({ length }) => length), [1, 1, 0], `${operation}`)
        }
      }))

    it.effect("hands out warnings that come with a command, to everybody who listens", () =>
      Effect.gen(function*() {
        const session = yield* open()
        const listening = yield* Effect.forEach([1, 2], () => start(Stream.runCollect(Stream.take(session.notices, 1))))
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
    it.effect("hands out what is raised in the middle of a result, and keeps the rows", () =>
      Effect.gen(function*() {
        const session = yield* open()
        yield* session.simple(`
          create function pg_temp.shout(n int) returns int language plpgsql as
            $$ begin raise notice 'row %', n; return n; end $$`)
        const listening = yield* start(Stream.runCollect(Stream.take(session.notices, 3)))
        const { rows } = yield* session.values("select pg_temp.shout(n) from generate_series(1, 3) as g(n)")
        assert.deepStrictEqual(rows, [[1], [2], [3]])
        const notices = yield* Fiber.join(listening)
        assert.deepStrictEqual(
          notices.map(({ fields }) => ErrorField.get(fields, "message")),
          ["row 1", "row 2", "row 3"]
        )
      }))

    it.effect("forgets the oldest for a listener that is slow, and never waits for him", () =>
      Effect.gen(function*() {
        const session = yield* open()
        const slow = yield* start(
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

    it.effect("hands out notifications, also to a session that does nothing else", () =>
      Effect.gen(function*() {
        const listener = yield* open()
        const sender = yield* open()
        yield* listener.query("listen news")
        const listening = yield* start(Stream.runCollect(Stream.take(listener.notifications, 3)))
        yield* sender.query("notify news, 'one'")
        yield* sender.query("select pg_notify('news', 'ä€😀')")
        yield* sender.transaction(sender.query("notify news"))
        const heard = yield* Fiber.join(listening)
        assert.deepStrictEqual(
          heard.map(({ channel, payload, processId }) => [channel, payload, processId]),
          ["one", "ä€😀", ""].map((payload) => ["news", payload, sender.processId])
        )
      }))

    it.effect("hands out changes of settings that the server reports", () =>
      Effect.gen(function*() {
        const session = yield* open()
        const listening = yield* start(Stream.runCollect(Stream.take(session.parameterChanges, 2)))
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
        const session = yield* open()
        yield* session.query("set application_name = 'renamed'")
        assert.strictEqual(session.parameters().get("application_name"), "renamed")
        yield* session.query("set timezone = 'Asia/Tokyo'")
        assert.strictEqual(session.parameters().get("TimeZone"), "Asia/Tokyo")
      }))
  }
})
