/** The client behind Pgpool-II, which keeps a server connection for each client connection. */
import { assert, describe, it as plain } from "@effect/vitest"
import * as Pool from "@hyperfect/client/Pool"
import { identifier, sql } from "@hyperfect/client/Statement"
import { Effect, Fiber, Stream } from "effect"
import { describeServers, uniqueName } from "./liveServers.ts"
import { pgpoolVersion, startPgpool } from "./pgpool.ts"

if (pgpoolVersion === undefined) {
  describe("Pgpool-II", () => {
    plain.skip("is not installed on this machine: the client is not tested behind it", () => {})
  })
} else {
  describe(pgpoolVersion, () => {
    describeServers({
      postgres(it) {
        it.effect("queries, transactions, streams, COPY and interruption work without settings", () =>
          Effect.gen(function*() {
            const pool = yield* Pool.make(yield* startPgpool, { max: 4 })
            const table = identifier(uniqueName("pooled"))
            const numbers = Array.from({ length: 100 }, (_, i) => i)
            yield* Effect.forEach(numbers, (i) =>
              Effect.gen(function*() {
                const { rows } = yield* pool.values(sql`select ${i}::int, ${`text ${i % 7}`}::text`)
                assert.deepStrictEqual(rows, [[i, `text ${i % 7}`]])
              }), { concurrency: 12, discard: true })
            yield* pool.query(sql`create table ${table} (a int)`)
            const insert = (i: number) => pool.query(sql`insert into ${table} values (${i})`)
            yield* pool.transaction(insert(1))
            yield* Effect.flip(pool.transaction(Effect.andThen(insert(2), Effect.fail("no"))))
            yield* pool.copyIn(sql`copy ${table} from stdin`, Stream.make(new TextEncoder().encode("3\n4\n")))
            const read = pool.values(sql`select a from ${table} order by a`)
            assert.deepStrictEqual((yield* read).rows, [[1], [3], [4]])
            assert.strictEqual(yield* Stream.runCount(pool.stream("select generate_series(1, 3000) as n")), 3000)
            const sleeping = yield* Effect.forkChild(pool.query("select pg_sleep(600)"), { startImmediately: true })
            yield* Effect.sleep("50 millis")
            yield* Fiber.interrupt(sleeping)
            assert.deepStrictEqual((yield* pool.values("select 1")).rows, [[1]])
          }))
      }
    })
  })
}
