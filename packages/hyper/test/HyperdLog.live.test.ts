import { assert, describe, it, layer } from "@effect/vitest"
import * as Client from "@hyperfect/client/Client"
import { sql } from "@hyperfect/client/Statement"
import * as Telemetry from "@hyperfect/client/Telemetry"
import { Hyper, Hyperd, HyperdLog, HyperStats } from "@hyperfect/hyper"
import * as NodePlatform from "@hyperfect/node/NodePlatform"
import * as HyperdServer from "@hyperfect/testing/HyperdServer"
import { DateTime, Deferred, Duration, Effect, Exit, Fiber, FileSystem, Layer, Path, Scope, Stream } from "effect"
import { TestClock } from "effect/testing"

const serverOf = (options: Hyperd.Options) =>
  Hyper.layer().pipe(
    Layer.provideMerge(HyperdServer.layer(options)),
    Layer.provideMerge(NodePlatform.layer)
  )

/** Entries of statements that have the text. */
const withText = (text: string) => (entry: HyperdLog.Entry) => JSON.stringify(entry.value).includes(text)

describe("HyperdLog", () => {
  layer(serverOf({}), { excludeTestServices: true })("one file", (it) => {
    it.effect("streams the entries from the start of the server on, and those to come", () =>
      Effect.gen(function*() {
        const first = yield* HyperdLog.stream({ from: "start" }).pipe(Stream.take(20), Stream.runCollect)
        assert.include(first.map(({ event }) => event), "startup-info")
        const now = yield* DateTime.now
        for (const { at } of first) assert.isBelow(Math.abs(now.epochMilliseconds - at.epochMilliseconds), 600_000)
        const listening = yield* Deferred.make<void>()
        const entries = yield* HyperdLog.stream().pipe(
          Stream.tap(() => Deferred.succeed(listening, undefined)),
          Stream.filter(withText("'a marked statement'")),
          Stream.take(2),
          Stream.runCollect,
          Effect.forkChild
        )
        const client = yield* Client.Client
        while (!(yield* Deferred.isDone(listening))) yield* client.simple("select 1")
        yield* client.simple("select 'a marked statement'")
        const [begin, end] = yield* Fiber.join(entries)
        assert.deepStrictEqual([begin?.event, end?.event, end?.severity], ["query-begin", "query-end", "info"])
        assert.strictEqual(begin?.session, end?.session)
        assert.strictEqual(begin?.request, end?.request)
        assert.isDefined(begin?.session)
      }))

    it.effect("skips lines that are no entries, or of another server", () =>
      Effect.gen(function*() {
        const fs = yield* FileSystem.FileSystem
        const path = yield* Path.Path
        const { logDirectory, pid } = yield* Hyperd.Hyperd
        const lines = [
          "not JSON",
          "",
          "{}",
          `{"ts":"never","pid":${pid},"sev":"info","k":"wrong","v":{}}`,
          `{"ts":"2026-03-01T00:00:00","pid":${pid + 1},"sev":"info","k":"foreign","v":{}}`,
          `{"ts":"2026-03-01T00:00:00","pid":${pid},"sev":"info","k":"own","v":"${"x".repeat(1024 * 1024)}"}`,
          `{"ts":"2026-03-01T00:00:00","pid":${pid},"sev":"info","k":"own","v":1}`,
          `{"ts":"2026-03-01T00:00:00","pid":${pid},"sev":"info","k":"not UTF-8`
        ]
        const file = path.join(logDirectory, "hyperd_7.log")
        yield* fs.writeFileString(file, lines.join("\n"))
        yield* fs.writeFile(file, Uint8Array.of(0xff), { flag: "a" })
        yield* fs.writeFileString(path.join(logDirectory, "other.log"), lines.join("\n"))
        const own = yield* HyperdLog.stream({ from: "start", pollInterval: "5 millis" }).pipe(
          Stream.filter(({ event }) => !event.includes("-")),
          // The rest of the line, and what comes after it.
          Stream.tap(({ value }) =>
            value === 1
              ? fs.writeFileString(file, `","v":2}\n${lines[6]!.replace("1}", "3}")}\n`, { flag: "a" })
              : Effect.void
          ),
          Stream.take(2),
          Stream.runCollect
        )
        assert.deepStrictEqual(own.map(({ event, session, value }) => [event, session, value]), [
          ["own", undefined, 1],
          ["own", undefined, 3]
        ])
      }))
  })

  layer(serverOf({ settings: { log_file_size_limit: "100k", log_file_max_count: 3 } }), { excludeTestServices: true })(
    "files of limited size",
    (it) => {
      it.effect("H-63: follows the server from file to file", () =>
        Effect.gen(function*() {
          const client = yield* Client.Client
          const fs = yield* FileSystem.FileSystem
          const { logDirectory } = yield* Hyperd.Hyperd
          const before = yield* fs.readDirectory(logDirectory)
          const log = yield* HyperdLog.open({ pollInterval: "1 millis" })
          const seen = yield* log.pipe(
            Stream.filter((entry) => entry.event === "query-end" && withText("'rotated ")(entry)),
            Stream.take(300),
            Stream.runCollect,
            Effect.forkChild
          )
          yield* Effect.forEach(
            Array.from({ length: 300 }, (_, i) => `select 'rotated ${i}'`),
            (text) => Effect.andThen(client.simple(text), Effect.sleep("1 millis")),
            { discard: true }
          )
          const texts = (yield* Fiber.join(seen)).map(({ value }) => /'rotated (\d+)'/.exec(JSON.stringify(value))?.[1])
          assert.sameMembers(texts, Array.from({ length: 300 }, (_, i) => String(i)))
          const after = yield* fs.readDirectory(logDirectory)
          assert.isAbove(after.filter((name) => !before.includes(name)).length, 0)
        }))
    }
  )

  it.live("fails with the reason after the last entry if the server exits unexpectedly", () =>
    Effect.gen(function*() {
      const scope = yield* Scope.make()
      const hyperd = yield* Hyperd.make().pipe(Scope.provide(scope))
      const count = Effect.fnUntraced(function*(events: { size: number }) {
        const error = yield* HyperdLog.stream({ from: "start" }).pipe(
          Stream.runForEach(() => Effect.sync(() => events.size++)),
          Effect.provideService(Hyperd.Hyperd, hyperd),
          Effect.flip
        )
        assert(error._tag === "HyperdError")
        assert.strictEqual(error.reason._tag, "Exited")
      })
      const events = { size: 0 }
      const counting = yield* Effect.forkChild(count(events))
      // The server buffers entries, and those in the buffer end with it.
      while (events.size < 10) yield* Effect.sleep("10 millis")
      process.kill(hyperd.pid, "SIGKILL")
      yield* Fiber.join(counting)
      const again = { size: 0 }
      yield* count(again)
      assert.strictEqual(events.size, again.size)
      yield* Effect.exit(Scope.close(scope, Exit.void))
      const gone = yield* HyperdLog.stream().pipe(
        Stream.runDrain,
        Effect.provideService(Hyperd.Hyperd, hyperd),
        Effect.flip
      )
      assert.strictEqual(gone._tag, "PlatformError")
    }).pipe(Effect.provide(NodePlatform.layer)))
})

describe("HyperStats", () => {
  layer(serverOf({}), { excludeTestServices: true })((it) => {
    it.effect("measures the statements of an effect", () =>
      Effect.gen(function*() {
        const client = yield* Client.Client
        yield* client.simple("create temp table measured as (select i from generate_series(1, 1000) as g(i))")
        const effect = Effect.andThen(
          client.values(sql`select count(*) from measured where i > ${10}`),
          Effect.exit(client.simple("select 1 / 0"))
        )
        const [exit, statistics] = yield* HyperStats.measure(effect)
        assert.isTrue(Exit.isFailure(exit))
        assert.deepStrictEqual(statistics.map(({ isPreparation, outcome }) => [isPreparation, outcome._tag]), [
          [true, "Succeeded"],
          [false, "Succeeded"],
          [false, "Failed"]
        ])
        const [, query, failed] = statistics
        assert.deepStrictEqual(query?.outcome, { _tag: "Succeeded", rows: 1 })
        assert.strictEqual(query?.processedRows, 1000)
        assert.include(query?.text, "measured")
        for (const time of [query?.elapsed, query?.execution, query?.compilation, query?.cpu]) {
          assert.isTrue(time !== undefined && Duration.isGreaterThan(time, Duration.zero))
        }
        assert.deepInclude(failed?.outcome, { _tag: "Failed", sqlState: "22012" })
        assert.strictEqual(new Set(statistics.map(({ session }) => session)).size, 1)
      }))

    it.effect("measures statements with comments, which the log shows", () =>
      Effect.gen(function*() {
        const client = yield* Effect.provideService(Hyper.make(), Telemetry.Telemetry, { comments: { app: "shop" } })
        const [, statistics] = yield* HyperStats.measure(client.simple("select 1")).pipe(
          Effect.provideService(Client.Client, client)
        )
        assert.deepStrictEqual(statistics.map(({ text }) => text), ["select 1\n/*app='shop'*/"])
      }))

    it.effect("fails as the effect does", () =>
      Effect.gen(function*() {
        const client = yield* Client.Client
        assert.strictEqual(yield* Effect.flip(HyperStats.measure(Effect.fail("no"))), "no")
        const error = yield* Effect.flip(HyperStats.measure(client.simple("select * from nowhere")))
        assert(typeof error !== "string" && error._tag === "ServerError")
        assert.strictEqual(error.reason.sqlState, "42P01")
      }))

    it.effect("reports a cancelled statement", () =>
      Effect.gen(function*() {
        const client = yield* Client.Client
        const long = client.simple("select count(*) from generate_series(1, 100000000000)")
        const [, statistics] = yield* HyperStats.measure(Effect.timeoutOption(long, "200 millis"))
        assert.deepStrictEqual(statistics.map(({ outcome }) => outcome), [{ _tag: "Cancelled", by: "user" }])
      }))

    it.effect("on a pool needs a transaction", () =>
      Effect.gen(function*() {
        const pool = yield* Hyper.makePool({ pool: { max: 2 } })
        const done = yield* Deferred.make<void>()
        // The session of the first statement is in use when the second one is sent.
        const held = Effect.andThen(
          Effect.forkChild(pool.transaction(Deferred.await(done)), { startImmediately: true }),
          Effect.sleep("50 millis")
        )
        const error = yield* HyperStats.measure(held).pipe(Effect.provideService(Client.Client, pool), Effect.flip)
        yield* Deferred.succeed(done, undefined)
        assert.deepInclude(error, { _tag: "StatsError", problem: "several-sessions", isRetryable: false })
        const [, statistics] = yield* pool.transaction(HyperStats.measure(pool.simple("select 1"))).pipe(
          Effect.provideService(Client.Client, pool)
        )
        assert.deepStrictEqual(statistics.map(({ text }) => text), ["select 1"])
      }))

    it.effect("streams the statistics of all sessions", () =>
      Effect.gen(function*() {
        const { session: first } = (yield* HyperStats.measure((yield* Client.Client).simple("select 'first'")))[1][0]!
        const other = yield* Hyper.make()
        yield* other.simple("select 'second'")
        const sessions = yield* HyperStats.stream({ from: "start" }).pipe(
          Stream.filter(({ text }) => text === "select 'first'" || text === "select 'second'"),
          Stream.map(({ session }) => session),
          Stream.take(2),
          Stream.runCollect
        )
        assert.strictEqual(sessions[0], first)
        assert.notStrictEqual(sessions[1], first)
      }))
  })

  layer(serverOf({ arguments: ["--log-config=file,json,none,hyperd,0"] }), { excludeTestServices: true })((it) => {
    it.effect("fails if the server does not log its statements", () =>
      Effect.gen(function*() {
        const client = yield* Client.Client
        const error = yield* Effect.gen(function*() {
          const measuring = yield* Effect.forkChild(Effect.flip(HyperStats.measure(client.simple("select 1"))))
          while (measuring.pollUnsafe() === undefined) {
            yield* TestClock.adjust("1 second")
            yield* TestClock.withLive(Effect.sleep("10 millis"))
          }
          return yield* Fiber.join(measuring)
        }).pipe(Effect.provide(TestClock.layer()))
        assert.deepInclude(error, { _tag: "StatsError", problem: "not-logged" })
      }))
  })
})
