/** What an error says of its statement. */
import { assert, describe, it } from "@effect/vitest"
import { ServerError } from "@hyperfect/client"
import type { QueryError } from "@hyperfect/client/QueryError"
import * as Statement from "@hyperfect/client/Statement"
import { Cause, Effect, Fiber, Redacted, Stream } from "effect"
import { inspect } from "node:util"
import { start } from "./fibers.ts"
import { complete, error, meet, puppet, ready } from "./puppet.ts"
import { open, servers } from "./servers.ts"

const { sql } = Statement

servers({
  both(it) {
    it.effect("an error has the text of its statement, which is not printed", () =>
      Effect.gen(function*() {
        const session = yield* open()
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

    it.effect("the stack leads to where the statement was written, and to who called", () =>
      Effect.gen(function*() {
        const session = yield* open()
        const find = Effect.fn("Users.find")(function*() {
          return yield* session.query(sql`select no_such_column, ${1}`)
        })
        const failure = yield* Effect.flip(Effect.withSpan(find(), "GET /users"))
        const lines = failure.stack!.split("\n").filter((line) => line.startsWith("    at "))
        assert.match(lines[0]!, /QueryError\.test\.ts:\d+/)
        assert.include(failure.stack, "at Users.find")
        assert.include(failure.stack, "at GET /users")
        assert.notInclude(failure.stack, "engine.ts")
      }))

    it.effect("nothing is sent of what is refused before", () =>
      Effect.gen(function*() {
        const session = yield* open()
        for (const effect of [session.query(sql`select ${() => 1}`), session.query("select '\0'")]) {
          const failure = yield* Effect.flip(effect)
          assert.strictEqual(failure.sent, "nothing")
          assert.isFalse(failure.isRetryable)
        }
      }))

    it.effect("a closed session says so each time, and that nothing was sent", () =>
      Effect.gen(function*() {
        const session = yield* Effect.scoped(open())
        const failures = yield* Effect.forEach(
          [session.query("select 1"), session.simple("select 2"), session.describe("select 3")],
          (effect) => Effect.flip<unknown, QueryError, never>(effect)
        )
        for (const { _tag, sent } of failures) assert.deepStrictEqual([_tag, sent], ["TransportError", "nothing"])
        assert.strictEqual(new Set(failures).size, 3)
      }))
  }
})

describe("an error of a server", () => {
  it.effect("is retryable when the server has undone the statement for a reason that passes", () =>
    Effect.gen(function*() {
      const { server, session } = yield* meet
      for (
        const [code, isRetryable] of [["40001", true], ["40P01", true], ["55P03", true], ["23505", false]] as const
      ) {
        const query = yield* start(Effect.flip(session.simple("update t set a = 1")))
        yield* server.hear("Query")
        yield* server.say(error(code), ready())
        const failure = yield* Fiber.join(query)
        assert.deepStrictEqual([failure.sent, failure.isRetryable], ["all", isRetryable])
        assert.instanceOf(failure, ServerError.ServerError)
      }
    }).pipe(Effect.scoped, Effect.provide(puppet())))

  it.effect("that goes away is not a reason to repeat what it may have run", () =>
    Effect.gen(function*() {
      const { server, session } = yield* meet
      const [done, open, behind] = yield* Effect.forEach(["a", "b", "c"], (text) => start(session.simple(text)))
      yield* server.hear("Query", "Query", "Query")
      yield* server.say(complete("DONE"), ready(), complete("DONE"), error("57P01", "FATAL"))
      yield* server.hangUp
      yield* Fiber.join(done!)
      const failures = yield* Effect.forEach([open!, behind!], (fiber) => Effect.flip(Fiber.join(fiber)))
      const later = yield* Effect.flip(session.simple("d"))
      assert.deepStrictEqual(
        [...failures, later].map((failure) => [failure._tag, failure.sent, failure.isRetryable]),
        [["ServerError", "all", false], ["ServerError", "unknown", false], ["ServerError", "nothing", true]]
      )
    }).pipe(Effect.scoped, Effect.provide(puppet())))
})
