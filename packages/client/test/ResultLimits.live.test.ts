/** Messages of the server that exceed the limits of a session. */
import { assert } from "@effect/vitest"
import { sql } from "@hyperfect/client/Statement"
import { Effect } from "effect"
import { describeServers, openSession } from "./liveServers.ts"
import { openPool } from "./pools.ts"

const raise = (level: "exception" | "notice") => `do $$ begin raise ${level} '%', repeat('x', 70000000); end $$`

describeServers({
  postgres(it) {
    it.effect("an error that quotes a parameter of many megabytes fails its own query only", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        const [error, neighbour] = yield* Effect.all([
          Effect.flip(session.values(sql`select ${"x".repeat(20_000_000)}::int`)),
          session.values("select 1 from pg_sleep(0.1)")
        ], { concurrency: 2 })
        assert(error._tag === "ServerError")
        assert.strictEqual(error.reason._tag, "InvalidTextRepresentation")
        assert.deepStrictEqual(neighbour.rows, [[1]])
      }))

    it.effect.each(["exception", "notice"] as const)(
      "an %s of more than 64 MiB fails its own session only",
      (level) =>
        Effect.gen(function*() {
          const neighbour = yield* openSession()
          const session = yield* openSession()
          const error = yield* Effect.flip(session.simple(raise(level)))
          assert(error._tag === "ProtocolError")
          assert.deepInclude(error.reason, { _tag: "LengthExceeded", wanted: "at most 67108864" })
          assert.deepStrictEqual((yield* neighbour.values("select 1")).rows, [[1]])
          const { pool } = yield* openPool({ max: 1 })
          yield* Effect.flip(pool.simple(raise(level)))
          assert.deepStrictEqual((yield* pool.values("select 1")).rows, [[1]])
        }),
      60_000
    )
  }
})
