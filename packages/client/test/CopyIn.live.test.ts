import { assert } from "@effect/vitest"
import type * as Session from "@hyperfect/client/Session"
import { Cause, Deferred, Effect, Exit, Fiber, References, Schedule, Scope, Stream } from "effect"
import { forkImmediately } from "./fibers.ts"
import { describeServers, openSession, uniqueName } from "./liveServers.ts"

const encoder = new TextEncoder()

/** A stream of chunks of text, as bytes. */
const bytes = (...chunks: ReadonlyArray<string>) => Stream.fromIterable(chunks.map((chunk) => encoder.encode(chunk)))

/** Creates a table of a number and a text, with its COPY statement and its row count. */
const makeTable = Effect.fnUntraced(function*(session: Session.Session) {
  const name = uniqueName("copied")
  yield* session.query(`create table ${name} (a int, b text)`)
  return {
    name,
    copy: `copy ${name} from stdin with (format csv)`,
    count: Effect.map(session.values(`select count(*)::int from ${name}`), ({ rows }) => rows[0]?.[0])
  }
})

const one = [{ a: 1 }]

/** An endless stream of CSV chunks. */
const endless = Stream.forever(Stream.make(encoder.encode("1,some text that is not short\n".repeat(2000))))

describeServers({
  both(it) {
    it.effect("copyIn fills a table, however the bytes are split", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        const { copy, name } = yield* makeTable(session)
        const copied = yield* session.copyIn(copy, bytes("1,o", "ne\n2", "", ",\"t\"\"wo\"\n3,dr\u00e4i\n", "4,\n"))
        assert.strictEqual(copied.commandTag, "COPY 4")
        assert.strictEqual(copied.rowCount, 4)
        const { rows } = yield* session.values(`select a, b from ${name} order by a`)
        assert.deepStrictEqual(rows.map(([a, b]) => [a, b ?? ""]), [[1, "one"], [2, "t\"wo"], [3, "dräi"], [4, ""]])
      }))

    it.effect("copyIn accepts no data at all, and data without a final newline", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        const { copy, count } = yield* makeTable(session)
        assert.deepStrictEqual(yield* session.copyIn(copy, Stream.empty), { commandTag: "COPY 0", rowCount: 0 })
        assert.deepStrictEqual(yield* session.copyIn(copy, bytes("1,x")), { commandTag: "COPY 1", rowCount: 1 })
        assert.strictEqual(yield* count, 1)
      }))

    it.effect("copyIn sends 40 MB in chunks of any size", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        const { copy, count } = yield* makeTable(session)
        const line = encoder.encode("12345678,a text that makes a line of some length\n")
        // Small chunks are combined and large ones split: one of 20 MiB is longer than the maximum message.
        const block = (lines: number) => {
          const block = new Uint8Array(line.length * lines)
          for (let i = 0; i < lines; i++) block.set(line, i * line.length)
          return block
        }
        const sizes = [1, 10, 100, 700, 5000, 20_000, 430_000]
        const blocks = sizes.map(block)
        const data = Stream.fromIterable([...blocks, ...blocks.slice(0, -1), ...blocks.slice(2)]).pipe(
          Stream.rechunk(3)
        )
        const wanted = [...sizes, ...sizes.slice(0, -1), ...sizes.slice(2)].reduce((sum, lines) => sum + lines, 0)
        assert.strictEqual((yield* session.copyIn(copy, data)).rowCount, wanted)
        assert.strictEqual(yield* count, wanted)
      }))

    it.effect("copyIn has no effect if the source fails, and reports why", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        const { copy, count } = yield* makeTable(session)
        const failing = Stream.concat(
          bytes("1,x\n", "2,y\n"),
          Stream.fail({ _tag: "Broken", secret: "s3cret" } as const)
        )
        const error = yield* Effect.flip(session.copyIn(copy, failing))
        assert.strictEqual(error._tag, "Broken")
        const died = yield* Effect.exit(session.copyIn(copy, Stream.concat(bytes("1,x\n"), Stream.die("bug"))))
        assert.isTrue(Exit.isFailure(died) && Cause.hasDies(died.cause))
        const nothing = yield* Effect.flip(session.copyIn(copy, Stream.fail("at once")))
        assert.strictEqual(nothing, "at once")
        assert.strictEqual(yield* count, 0)
      }))

    it.effect("copyIn has no effect if it is interrupted, at any step", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        const { copy, count } = yield* makeTable(session)
        for (const milliseconds of [0, 1, 2, 5, 10, 30]) {
          const outcome = yield* Effect.timeoutOption(session.copyIn(copy, endless), milliseconds)
          assert.strictEqual(outcome._tag, "None")
          assert.strictEqual(yield* count, 0)
        }
        const waiting = yield* Effect.forkChild(
          session.copyIn(copy, Stream.concat(bytes("1,x\n"), Stream.never)),
          { startImmediately: true }
        )
        yield* Effect.sleep("30 millis")
        yield* Fiber.interrupt(waiting)
        assert.strictEqual(yield* count, 0)
      }))

    it.effect("copyIn ends its data in one step, so that the session stays usable whenever it is suspended", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        const { copy } = yield* makeTable(session)
        const block = new Uint8Array(100_000).fill(0x20)
        block.set(encoder.encode("1,"))
        block[block.length - 1] = 0x0a
        const sources = [bytes("1,x\n"), Stream.make(block)]
        for (const budget of [3, 4, 5, 7]) {
          for (let ticks = 0; ticks < 60; ticks++) {
            const copying = yield* forkImmediately(
              Effect.provideService(session.copyIn(copy, sources[ticks % 2]!), References.MaxOpsBeforeYield, budget)
            )
            for (let i = 0; i < ticks; i++) yield* Effect.yieldNow
            yield* Fiber.interrupt(copying)
            const { rows } = yield* session.query("select 1 as a").pipe(Effect.timeout("20 seconds"))
            assert.deepStrictEqual(rows, one)
          }
        }
      }))

    it.effect("copyIn fails at once if the server refuses, although the source is endless", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        const { copy, count } = yield* makeTable(session)
        const missing = yield* Effect.flip(session.copyIn("copy no_such_table from stdin with (format csv)", endless))
        assert.isTrue(missing._tag === "ServerError" && missing.reason._tag === "UndefinedTable")
        const silent = yield* Effect.flip(session.copyIn("copy no_such_table from stdin (format csv)", Stream.never))
        assert.isTrue(silent._tag === "ServerError")
        const bad = Stream.concat(bytes("1,x\n", "not a number,y\n"), endless)
        const malformed = yield* Effect.flip(session.copyIn(copy, bad))
        assert.isTrue(malformed._tag === "ServerError")
        assert.strictEqual(yield* count, 0)
        assert.strictEqual((yield* session.copyIn(copy, bytes("1,x\n"))).rowCount, 1)
      }))

    it.effect("copyIn fails for a statement that is not a COPY FROM STDIN", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        const { name } = yield* makeTable(session)
        for (const statement of ["select 1", "", `copy ${name} to stdout with (format csv)`]) {
          const error = yield* Effect.flip(session.copyIn(statement, endless))
          assert.strictEqual(error._tag, "UnsupportedError", statement)
          assert.deepStrictEqual((yield* session.query("select 1 as a")).rows, one)
        }
      }))

    it.effect("no other method can copy into a table", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        const { copy, count } = yield* makeTable(session)
        const ways: ReadonlyArray<Effect.Effect<unknown, { readonly _tag: string }>> = [
          session.query(copy),
          session.values(copy),
          session.simple(copy),
          Stream.runDrain(session.stream(copy)),
          Stream.runDrain(session.copyOut(copy)),
          session.transaction(session.query(copy))
        ]
        for (const way of ways) {
          assert.strictEqual((yield* Effect.flip(way))._tag, "UnsupportedError")
          assert.deepStrictEqual((yield* session.query("select 1 as a")).rows, one)
        }
        assert.strictEqual(yield* count, 0)
      }))

    it.effect("copyIn takes part in a transaction", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        const { copy, count } = yield* makeTable(session)
        yield* Effect.flip(session.transaction(Effect.andThen(session.copyIn(copy, bytes("1,x\n")), Effect.fail("no"))))
        assert.strictEqual(yield* count, 0)
        yield* session.transaction(session.copyIn(copy, bytes("1,x\n2,y\n")))
        assert.strictEqual(yield* count, 2)
      }))

    it.effect("copyIn leaves no lock if its session is closed before or during the COPY", () =>
      Effect.gen(function*() {
        const other = yield* openSession()
        const busy = other.server.kind === "postgres"
          ? "select pg_sleep(0.2)"
          : "select count(*) from generate_series(1, 100000000) as g(n) where n % 7 = 3"
        for (const moment of ["behind a query", "at once", "soon", "late"] as const) {
          const { copy, name } = yield* makeTable(other)
          const scope = yield* Scope.make()
          const session = yield* Scope.provide(openSession(), scope)
          const began = yield* Deferred.make<void>()
          const before = yield* Effect.forkChild(
            moment === "behind a query" ? session.simple(busy) : Effect.void,
            { startImmediately: true }
          )
          const copying = yield* Effect.forkChild(
            session.copyIn(copy, Stream.tap(endless, () => Deferred.succeed(began, undefined))),
            { startImmediately: true }
          )
          if (moment === "late") yield* Deferred.await(began)
          if (moment !== "at once") yield* Effect.sleep("10 millis")
          yield* Scope.close(scope, Exit.void)
          const error = yield* Effect.flip(Fiber.join(copying))
          assert.isTrue(error._tag === "TransportError" && error.reason._tag === "Closed")
          yield* Fiber.await(before)
          // The server may take a moment to end the session; a leaked lock would never be released.
          yield* other.query(`drop table ${name}`).pipe(
            Effect.retry(Schedule.spaced("20 millis")),
            Effect.timeout("30 seconds")
          )
        }
      }))
  }
})
