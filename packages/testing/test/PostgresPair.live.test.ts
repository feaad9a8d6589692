import { assert, describe, it } from "@effect/vitest"
import type { ConnectionConfig } from "@hyperfect/client/ConnectionConfig"
import * as Session from "@hyperfect/client/Session"
import * as NodePlatform from "@hyperfect/node/NodePlatform"
import * as PostgresServer from "@hyperfect/testing/PostgresServer"
import { Effect, Redacted } from "effect"

/** Runs an effect on a session of its own. */
const withSession = <A, E, R>(
  server: ConnectionConfig,
  use: (session: Session.Session) => Effect.Effect<A, E, R>
) => Effect.scoped(Effect.flatMap(Session.make(server), use))

describe("PostgresServer.makePair", () => {
  it.live("has what the primary has answered on the standby, which is promoted when that is gone", () =>
    Effect.gen(function*() {
      const { primary, standby } = yield* PostgresServer.makePair({
        password: Redacted.make("it's \\ quoted"),
        databases: ["app"],
        setup: ["create table t (n int)"],
        settings: { synchronous_commit: "remote_apply" }
      })
      yield* withSession(primary, (writer) => writer.execute("insert into t values (1)"))
      const reader = yield* Session.make(standby)
      assert.deepStrictEqual((yield* reader.values("select n from t")).rows, [[1]])
      const refused = yield* Effect.flip(reader.execute("insert into t values (2)"))
      assert.deepInclude(refused, { _tag: "ServerError" })
      process.kill(primary.pid, "SIGKILL")
      assert.deepStrictEqual((yield* reader.values("select pg_promote()")).rows, [[true]])
      yield* reader.execute("insert into t values (3)")
      assert.deepStrictEqual((yield* reader.values("select n from t order by n")).rows, [[1], [3]])
    }).pipe(Effect.provide(NodePlatform.layer)))

  it.live("starts the primary again with what was committed, followed by the standby, or read-only", () =>
    Effect.gen(function*() {
      const { primary, restartPrimary, standby } = yield* PostgresServer.makePair({
        setup: ["create table t (n int)"],
        settings: { synchronous_commit: "remote_apply", wal_retrieve_retry_interval: "100ms" }
      })
      yield* withSession(primary, (writer) => writer.execute("insert into t values (1)"))
      process.kill(primary.pid, "SIGKILL")
      const again = yield* restartPrimary()
      assert.deepStrictEqual(again.endpoint, primary.endpoint)
      assert.notStrictEqual(again.pid, primary.pid)
      yield* withSession(again, (writer) => writer.execute("insert into t values (2)"))
      assert.deepStrictEqual(
        (yield* withSession(standby, (reader) => reader.values("select n from t order by n"))).rows,
        [[1], [2]]
      )
      process.kill(again.pid, "SIGINT")
      const { reason } = yield* Effect.flip(restartPrimary({ "no name": true }))
      assert.deepInclude(reason, { _tag: "OptionInvalid", option: "settings.no name" })
      const readOnly = yield* restartPrimary({ default_transaction_read_only: true })
      const refused = yield* withSession(readOnly, (writer) => Effect.flip(writer.execute("insert into t values (3)")))
      assert.strictEqual(refused._tag === "ServerError" ? refused.reason._tag : "", "ReadOnlySqlTransaction")
    }).pipe(Effect.provide(NodePlatform.layer)))
})
