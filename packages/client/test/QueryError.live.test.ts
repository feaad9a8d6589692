/** The context of query errors. */
import { assert, describe, it } from "@effect/vitest"
import { ServerError } from "@hyperfect/client"
import type { QueryError } from "@hyperfect/client/QueryError"
import * as Statement from "@hyperfect/client/Statement"
import { Cause, Effect, Fiber, Redacted, Stream } from "effect"
import { inspect } from "node:util"
import { forkImmediately } from "./fibers.ts"
import { describeServers, openSession } from "./liveServers.ts"
import { complete, connect, error, manualServer, ready } from "./manualServer.ts"

const { sql } = Statement

describeServers({
  both(it) {
    it.effect("has the text of its statement, redacted when printed", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        const statement = sql`select no_such_column, ${"s3cret"}::text, 'hidden'`
        const failing = [
          session.query(statement),
          session.values(statement),
          session.execute(statement),
          Stream.runDrain(session.stream(statement))
        ]
        for (const effect of failing) {
          const failure = yield* Effect.flip(Effect.asVoid(effect))
          assert.isTrue(failure._tag === "ServerError" && failure.reason._tag === "UndefinedColumn")
          assert.strictEqual(Redacted.value(failure.statement), statement.text)
          assert.strictEqual(failure.sent, "all")
          const printed = [inspect(failure), String(failure), failure.stack, Cause.pretty(Cause.fail(failure))].join()
          for (const secret of ["s3cret", "hidden"]) assert.notInclude(printed, secret)
        }
      }))

    it.effect("has a stack with the place where the statement was written, and its callers", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        const find = Effect.fn("Users.find")(function*() {
          return yield* session.query(sql`select no_such_column, ${1}`)
        })
        const failure = yield* Effect.flip(Effect.withSpan(find(), "GET /users"))
        const lines = failure.stack!.split("\n").filter((line) => line.startsWith("    at "))
        assert.match(lines[0]!, /QueryError\.live\.test\.ts:\d+/)
        assert.include(failure.stack, "at Users.find")
        assert.include(failure.stack, "at GET /users")
        assert.notInclude(failure.stack, "engine.ts")
      }))

    it.effect("has a stack with the place that first ran its text, whatever runs it", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        const failing = [
          session.query("select no_such_column_1"),
          session.one("select no_such_column_2"),
          session.simple("select no_such_column_3"),
          Stream.runDrain(session.stream("select no_such_column_4")),
          session.query(Statement.fromTextUnsafe("select no_such_column_5"))
        ]
        for (const effect of failing) {
          const failure = yield* Effect.flip(Effect.asVoid(effect))
          const lines = failure.stack!.split("\n").filter((line) => line.startsWith("    at "))
          assert.match(lines[0]!, /QueryError\.live\.test\.ts:\d+/)
        }
      }))

    it.effect("does not keep the text of a literal or a name, which may be a secret", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        const makePieces = () => [Statement.literal("s3cret"), Statement.identifier("s3cret")]
        for (const { text } of makePieces()) {
          const failure = yield* Effect.flip(session.query(text))
          const lines = failure.stack!.split("\n").filter((line) => line.startsWith("    at "))
          assert.match(lines[0]!, /QueryError\.live\.test\.ts:\d+/)
          assert.notInclude(lines[0], "makePieces")
        }
      }))

    it.effect("is printed with its reason, message, place and the part that was sent", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        const failure = yield* Effect.flip(session.query(sql`select no_such_column`))
        const [first, second, third] = inspect({ failure }).split("\n").slice(1)
        assert.strictEqual(first, `  failure: ServerError (UndefinedColumn): ${failure.message}`)
        assert.strictEqual(second?.trim(), "sent: all")
        assert.match(third!, /QueryError\.live\.test\.ts:\d+/)
      }))

    it.effect("is printed with the line of the statement and a caret, for a string too, without its literals", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        const text =
          "select 'hid\\den',\n  \u{1f600}_1, 'hid\nden' as \"a\", no_such + 12 from (select 1 as \u{1f600}_1) t"
        for (const statement of [text, Statement.fromTextUnsafe(text)]) {
          const failure = yield* Effect.flip(session.query(statement))
          const lines = ["    3 |   \u{1f600}_1, ? as \"a\", no_such + ? from (select ? as \u{1f600}_1) t", "      |"]
          for (const printed of [inspect(failure), Cause.pretty(Cause.fail(failure))]) {
            const shown = printed.split("\n").filter((line) => line.includes(" | "))
            assert.strictEqual(shown[0], lines[0]!.replace("|   ", "| "))
            assert.strictEqual(shown[1]!.indexOf("^"), shown[0]!.indexOf("no_such"))
            assert.notInclude(printed, "den")
          }
        }
      }))

    it.effect("is printed with a part of a long line, whose control characters are escaped", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        const failure = yield* Effect.flip(
          session.query(`select ${"1, ".repeat(100)}\t"\u001b[31m" ${", 1".repeat(100)}`)
        )
        const shown = inspect(failure).split("\n").filter((line) => line.includes(" | "))
        assert.include(shown[0], "\\u001b[31m")
        assert.isBelow(shown[0]!.length, 140)
        assert.strictEqual(shown[1]!.indexOf("^"), shown[0]!.indexOf("\"\\u001b"))
      }))

    it.effect("is returned for invalid input before anything is sent", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        for (const effect of [session.query(sql`select ${() => 1}`), session.query("select '\0'")]) {
          const failure = yield* Effect.flip(effect)
          assert.strictEqual(failure.sent, "nothing")
          assert.isFalse(failure.isRetryable)
        }
      }))

    it.effect("is returned for every use of a closed session, with nothing sent", () =>
      Effect.gen(function*() {
        const session = yield* Effect.scoped(openSession())
        const failures = yield* Effect.forEach(
          [session.query("select 1"), session.simple("select 2"), session.describe("select 3")],
          (effect) => Effect.flip<unknown, QueryError, never>(effect)
        )
        for (const { _tag, sent } of failures) assert.deepStrictEqual([_tag, sent], ["TransportError", "nothing"])
        assert.strictEqual(new Set(failures).size, 3)
      }))
  }
})

describe("QueryError > server errors", () => {
  it.effect("are retryable if the server rolled back the statement for a transient reason", () =>
    Effect.gen(function*() {
      const { server, session } = yield* connect
      for (
        const [code, isRetryable] of [["40001", true], ["40P01", true], ["55P03", true], ["23505", false]] as const
      ) {
        const query = yield* forkImmediately(Effect.flip(session.simple("update t set a = 1")))
        yield* server.expect("Query")
        yield* server.send(error(code), ready())
        const failure = yield* Fiber.join(query)
        assert.deepStrictEqual([failure.sent, failure.isRetryable], ["all", isRetryable])
        assert.instanceOf(failure, ServerError.ServerError)
      }
    }).pipe(Effect.scoped, Effect.provide(manualServer())))

  it.effect("that end an idle session prove that statements in flight were not read", () =>
    Effect.gen(function*() {
      for (const code of ["57P05", "25P03"]) {
        const { server, session } = yield* connect
        const fibers = yield* Effect.forEach(["a", "b"], (text) => forkImmediately(session.simple(text)))
        yield* server.expect("Query", "Query")
        yield* server.send(error(code, "FATAL"))
        yield* server.disconnect
        for (const fiber of fibers) {
          const failure = yield* Effect.flip(Fiber.join(fiber))
          assert.isTrue(failure._tag === "ServerError" && failure.reason.sqlState === code)
          assert.deepStrictEqual([failure.sent, failure.isRetryable], ["nothing", false])
        }
      }
    }).pipe(Effect.scoped, Effect.provide(manualServer())))

  it.effect("that end the session are not retryable if the statement may have run", () =>
    Effect.gen(function*() {
      const { server, session } = yield* connect
      const [done, open, behind] = yield* Effect.forEach(
        ["a", "b", "c"],
        (text) => forkImmediately(session.simple(text))
      )
      yield* server.expect("Query", "Query", "Query")
      yield* server.send(complete("DONE"), ready(), complete("DONE"), error("57P01", "FATAL"))
      yield* server.disconnect
      yield* Fiber.join(done!)
      const failures = yield* Effect.forEach([open!, behind!], (fiber) => Effect.flip(Fiber.join(fiber)))
      const later = yield* Effect.flip(session.simple("d"))
      assert.deepStrictEqual(
        [...failures, later].map((failure) => [failure._tag, failure.sent, failure.isRetryable]),
        [["ServerError", "unknown", false], ["ServerError", "unknown", false], ["ServerError", "nothing", false]]
      )
    }).pipe(Effect.scoped, Effect.provide(manualServer())))
})
