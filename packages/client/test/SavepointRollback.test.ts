/** A cancel request that was meant for an earlier statement, and stops the rollback of a savepoint. */
import { assert, describe, it } from "@effect/vitest"
import type * as Backend from "@hyperfect/protocol/Backend"
import { Effect, Fiber } from "effect"
import { forkImmediately } from "./fibers.ts"
import { complete, connect, error, manualServer, ready, type Server } from "./manualServer.ts"

const undone = Effect.fail("undone" as const)

/** Answers the simple query that is expected next. */
const answer = (server: Server, text: string, ...messages: ReadonlyArray<Backend.Message>) =>
  Effect.gen(function*() {
    assert.deepStrictEqual(yield* server.expect("Query"), { _tag: "Query", query: text })
    yield* server.send(...messages)
  })

const rollback = "ROLLBACK TO SAVEPOINT hyperfect_1; RELEASE SAVEPOINT hyperfect_1"
const cancelled = [error("57014"), ready("E")] as const
const rolledBack = [complete("ROLLBACK"), complete("RELEASE"), ready("T")] as const

describe("Session > transaction", () => {
  it.effect("rolls a savepoint back again if a late cancel request has stopped the rollback", () =>
    Effect.gen(function*() {
      const { server, session } = yield* connect
      const running = yield* forkImmediately(
        session.transaction(Effect.andThen(Effect.flip(session.transaction(undone)), session.simple("select 1")))
      )
      yield* answer(server, "BEGIN", complete("BEGIN"), ready("T"))
      yield* answer(server, "SAVEPOINT hyperfect_1", complete("SAVEPOINT"), ready("T"))
      yield* answer(server, rollback, ...cancelled)
      yield* answer(server, rollback, ...rolledBack)
      yield* answer(server, "select 1", complete("SELECT 0"), ready("T"))
      yield* answer(server, "COMMIT", complete("COMMIT"), ready())
      yield* Fiber.join(running)
    }).pipe(Effect.provide(manualServer())))

  it.effect("gives up a savepoint that cannot be rolled back, and fails the enclosing transaction", () =>
    Effect.gen(function*() {
      const { server, session } = yield* connect
      const running = yield* forkImmediately(session.transaction(Effect.ignore(session.transaction(undone))))
      yield* answer(server, "BEGIN", complete("BEGIN"), ready("T"))
      yield* answer(server, "SAVEPOINT hyperfect_1", complete("SAVEPOINT"), ready("T"))
      yield* answer(server, rollback, ...cancelled)
      yield* answer(server, rollback, ...cancelled)
      yield* answer(server, "ROLLBACK", complete("ROLLBACK"), ready())
      assert.strictEqual((yield* Effect.flip(Fiber.join(running)))._tag, "TransactionRolledBack")
    }).pipe(Effect.provide(manualServer())))
})
