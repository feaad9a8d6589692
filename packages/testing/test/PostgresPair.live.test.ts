import { assert, it } from "@effect/vitest"
import * as Session from "@hyperfect/client/Session"
import * as NodePlatform from "@hyperfect/node/NodePlatform"
import * as PostgresServer from "@hyperfect/testing/PostgresServer"
import { Effect, Exit, Redacted, Scope } from "effect"

it.live(
  "a pair of servers: the standby has what the primary has answered, and is promoted when that is gone",
  () =>
    Effect.gen(function*() {
      const { primary, standby } = yield* PostgresServer.makePair({
        password: Redacted.make("it's \\ quoted"),
        databases: ["app"],
        setup: ["create table t (n int)"],
        settings: { synchronous_commit: "remote_apply" }
      })
      const scope = yield* Scope.make()
      const writer = yield* Scope.provide(Session.make(primary), scope)
      const reader = yield* Session.make(standby)
      yield* writer.execute("insert into t values (1)")
      assert.deepStrictEqual((yield* reader.values("select n from t")).rows, [[1]])
      const refused = yield* Effect.flip(reader.execute("insert into t values (2)"))
      assert.deepInclude(refused, { _tag: "ServerError" })
      yield* Scope.close(scope, Exit.void)
      process.kill(primary.pid, "SIGKILL")
      assert.deepStrictEqual((yield* reader.values("select pg_promote()")).rows, [[true]])
      yield* reader.execute("insert into t values (3)")
      assert.deepStrictEqual((yield* reader.values("select n from t order by n")).rows, [[1], [3]])
    }).pipe(Effect.provide(NodePlatform.layer), Effect.timeout("60 seconds")),
  60_000
)
