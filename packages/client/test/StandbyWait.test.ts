/** Statements that wait for a synchronous standby, after their commit. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import { forkImmediately } from "./fibers.ts"
import { complete, connect, manualServer, ready } from "./manualServer.ts"

const notice = (message: string, routine = "exec_stmt_raise") =>
  ({
    _tag: "NoticeResponse",
    fields: [["S", "WARNING"], ["V", "WARNING"], ["C", "01000"], ["M", message], ["R", routine]].map(
      ([code, value]) => ({ code: code!, value: value! })
    )
  }) as const

const standbyWarning = notice(
  "canceling wait for synchronous replication due to user request",
  "SyncRepWaitForLSN"
)

describe("a statement's wait for a synchronous standby", () => {
  it.effect("fails as unknown, and is not run again, if it was ended by the cancel request for a statement before it", () =>
    Effect.gen(function*() {
      const { server, session } = yield* connect
      const running = yield* forkImmediately(session.simple("insert into t values (1)"))
      const behind = yield* forkImmediately(Effect.flip(session.simple("insert into t values (2)")))
      const last = yield* forkImmediately(session.simple("insert into t values (3)"))
      yield* server.expect("Query", "Query", "Query")
      const interrupting = yield* forkImmediately(Fiber.interrupt(running))
      yield* TestClock.adjust("50 millis")
      yield* server.send(complete("INSERT 0 1"), ready())
      yield* server.send(notice("some other warning"), standbyWarning, complete("INSERT 0 1"), ready())
      yield* server.send(notice("some other warning"), complete("INSERT 0 1"), ready())
      yield* Fiber.join(interrupting)
      const failure = yield* Fiber.join(behind)
      assert.deepInclude(failure, { _tag: "ServerError", sent: "unknown", isRetryable: false })
      assert.include(failure.message, "canceling wait for synchronous replication")
      assert.strictEqual((yield* Fiber.join(last))[0]?.commandTag, "INSERT 0 1")
    }).pipe(Effect.scoped, Effect.provide(manualServer())))

  it.effect("is the server's matter if it was ended by another client", () =>
    Effect.gen(function*() {
      const { server, session } = yield* connect
      const alone = yield* forkImmediately(session.simple("insert into t values (1)"))
      yield* server.expect("Query")
      yield* server.send(standbyWarning, complete("INSERT 0 1"), ready())
      assert.strictEqual((yield* Fiber.join(alone))[0]?.commandTag, "INSERT 0 1")
    }).pipe(Effect.scoped, Effect.provide(manualServer())))
})
