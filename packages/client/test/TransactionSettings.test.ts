/** Settings and the role of a transaction, message by message. */
import { assert, describe, it } from "@effect/vitest"
import type { TransactionOptions } from "@hyperfect/client/Queries"
import { Deferred, Effect, Fiber } from "effect"
import { forkImmediately } from "./fibers.ts"
import { complete, connect, error, manualServer, ready } from "./manualServer.ts"

const tenant: TransactionOptions = { settings: { "app.tenant": "7'; drop table t" }, role: "reader" }

const applied = [
  { _tag: "ParseComplete" },
  { _tag: "BindComplete" },
  { _tag: "NoData" },
  complete("SELECT 1")
] as const

describe("Session > transaction > settings", () => {
  it.effect("are parameters, and are sent with BEGIN", () =>
    Effect.gen(function*() {
      const { server, session } = yield* connect
      const running = yield* forkImmediately(session.transaction(session.simple("select 1"), tenant))
      assert.deepStrictEqual(yield* server.expect("Query"), { _tag: "Query", query: "BEGIN" })
      // Nothing has been answered yet.
      const parse = yield* server.expect("Parse")
      assert.deepInclude(parse, {
        name: "",
        query: "SELECT pg_catalog.set_config($1, $2, true), pg_catalog.set_config($3, $4, true)"
      })
      const bind = yield* server.expect("Bind")
      assert.deepStrictEqual(
        bind._tag === "Bind" ? bind.parameters.map((value) => new TextDecoder().decode(value!)) : [],
        ["app.tenant", "7'; drop table t", "role", "reader"]
      )
      yield* server.expect("Describe", "Execute", "Sync")
      yield* server.send(complete("BEGIN"), ready("T"), ...applied, ready("T"))
      yield* server.expect("Query")
      yield* server.send(complete("SELECT 1"), ready("T"))
      assert.deepStrictEqual(yield* server.expect("Query"), { _tag: "Query", query: "COMMIT" })
      yield* server.send(complete("COMMIT"), ready())
      yield* Fiber.join(running)
    }).pipe(Effect.provide(manualServer())))

  it.effect("that are refused end the transaction before its effect has begun", () =>
    Effect.gen(function*() {
      const { server, session } = yield* connect
      const running = yield* forkImmediately(session.transaction(Effect.die("begun"), tenant))
      yield* server.expect("Query", "Parse", "Bind", "Describe", "Execute", "Sync")
      yield* server.send(complete("BEGIN"), ready("T"), error("42501"), ready("E"))
      assert.deepStrictEqual(yield* server.expect("Query"), { _tag: "Query", query: "ROLLBACK" })
      yield* server.send(complete("ROLLBACK"), ready())
      assert.strictEqual((yield* Effect.flip(Fiber.join(running)))._tag, "ServerError")
    }).pipe(Effect.provide(manualServer())))

  it.effect("are not made if BEGIN fails or is interrupted, and leave nothing behind", () =>
    Effect.gen(function*() {
      const { server, session } = yield* connect
      const failing = yield* forkImmediately(session.transaction(Effect.die("begun"), tenant))
      yield* server.expect("Query", "Parse", "Bind", "Describe", "Execute", "Sync")
      yield* server.send(error("53200"), ready(), ...applied, ready())
      assert.strictEqual((yield* Effect.flip(Fiber.join(failing)))._tag, "ServerError")
      const running = yield* forkImmediately(session.transaction(Effect.die("begun"), tenant))
      yield* server.expect("Query", "Parse", "Bind", "Describe", "Execute", "Sync")
      const ended = yield* Deferred.make<void>()
      yield* forkImmediately(Effect.andThen(Fiber.interrupt(running), Deferred.succeed(ended, undefined)))
      yield* server.send(complete("BEGIN"), ready("T"), ...applied, ready("T"))
      assert.deepStrictEqual(yield* server.expect("Query"), { _tag: "Query", query: "ROLLBACK" })
      yield* server.send(complete("ROLLBACK"), ready())
      yield* Deferred.await(ended)
      const next = yield* forkImmediately(session.simple("select 2"))
      yield* server.expect("Query")
      yield* server.send(complete("SELECT 1"), ready())
      yield* Fiber.join(next)
    }).pipe(Effect.provide(manualServer())))

  it.effect.each<TransactionOptions>([
    { role: "none" },
    { role: "" },
    { settings: { Role: "none" } },
    { settings: { CLIENT_ENCODING: "LATIN1" } }
  ])("are refused before anything is sent: %j", (options) =>
    Effect.gen(function*() {
      const { server, session } = yield* connect
      const refused = yield* Effect.flip(session.transaction(Effect.die("begun"), options))
      assert.deepInclude(refused, { _tag: "UnsupportedError", sent: "nothing" })
      const next = yield* forkImmediately(session.simple("select 2"))
      assert.deepStrictEqual(yield* server.expect("Query"), { _tag: "Query", query: "select 2" })
      yield* server.send(complete("SELECT 1"), ready())
      yield* Fiber.join(next)
    }).pipe(Effect.provide(manualServer())))

  it.effect("are refused on Hyper", () =>
    Effect.gen(function*() {
      const { session } = yield* connect
      for (const options of [{ settings: { a: "b" } }, { role: "reader" }]) {
        const refused = yield* Effect.flip(session.transaction(Effect.die("begun"), options))
        assert.deepInclude(refused, {
          _tag: "UnsupportedError",
          message: "settings or a role of a transaction: not supported by Hyper"
        })
      }
    }).pipe(Effect.provide(manualServer({ dialect: "hyper" }))))
})
