import { assert } from "@effect/vitest"
import type { QueryError } from "@hyperfect/client/QueryError"
import * as Statement from "@hyperfect/client/Statement"
import { Effect, Stream } from "effect"
import { describeServers, makeTable, openSession, uniqueName } from "./liveServers.ts"

const { identifier, sql } = Statement

describeServers({
  both(it) {
    it.effect("a transaction fails if a statement in it had failed, even if the error was ignored", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        const { insert, rows } = yield* makeTable(session)
        const error = yield* Effect.flip(session.transaction(
          Effect.andThen(insert(1), Effect.ignore(session.query("select 1 / 0")))
        ))
        assert.strictEqual(error._tag, "TransactionRolledBack")
        assert.strictEqual(session.transactionStatus(), "I")
        assert.deepStrictEqual(yield* rows, [])
      }))

    it.effect("a transaction survives a stream that is left early", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        const { insert, rows } = yield* makeTable(session)
        yield* session.transaction(Effect.gen(function*() {
          const many = "select n, 'some text to make it long' from generate_series(1, 300000) as g(n)"
          assert.lengthOf(yield* Stream.runCollect(Stream.take(session.stream(many), 3)), 3)
          yield* insert(1)
          yield* Stream.runHead(session.copyOut(`copy (${many}) to stdout with (format csv)`))
          yield* insert(2)
        }))
        assert.deepStrictEqual(yield* rows, [1, 2])
      }))

    it.effect("a transaction ignores further statements once a statement has failed in the middle of its work", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        const table = identifier(uniqueName("half"))
        yield* session.query(sql`create table ${table} (a int)`)
        const half = sql`insert into ${table} select 100 / (n - 300000) from generate_series(1, 400000) as g(n)`
        const count = sql`select count(*)::int from ${table}`
        const refusal = (effect: Effect.Effect<unknown, QueryError>) =>
          Effect.match(effect, {
            onFailure: (error) => (error._tag === "ServerError" ? error.reason._tag : error._tag),
            onSuccess: () => "nothing"
          })
        const ways: ReadonlyArray<Effect.Effect<unknown, QueryError>> = [
          session.query(count),
          session.simple(count.text),
          Stream.runDrain(session.stream(count)),
          session.copyIn(sql`copy ${table} from stdin with (format csv)`, Stream.empty),
          Stream.runDrain(session.copyOut(sql`copy ${table} to stdout with (format csv)`))
        ]
        const halfDone = Effect.gen(function*() {
          assert.strictEqual(yield* refusal(session.query(half)), "DivisionByZero")
          for (const way of ways) {
            assert.strictEqual(yield* refusal(way), "InFailedSqlTransaction")
            assert.strictEqual(session.transactionStatus(), "E")
          }
        })
        assert.strictEqual((yield* Effect.flip(session.transaction(halfDone)))._tag, "TransactionRolledBack")
        assert.deepStrictEqual((yield* session.values(count)).rows, [[0]])
        // The same in an explicit transaction.
        yield* session.query("begin")
        assert.strictEqual(yield* refusal(session.query(half)), "DivisionByZero")
        assert.strictEqual(yield* refusal(session.values(count)), "InFailedSqlTransaction")
        yield* session.query("rollback")
        assert.deepStrictEqual((yield* session.values(count)).rows, [[0]])
      }))
  },

  postgres(it) {
    it.effect("a transaction continues after a savepoint with a failed statement whose error was ignored", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        const { insert, rows } = yield* makeTable(session)
        yield* session.transaction(Effect.gen(function*() {
          yield* insert(1)
          const error = yield* Effect.flip(session.transaction(
            Effect.andThen(insert(2), Effect.ignore(session.query("select 1 / 0")))
          ))
          assert.strictEqual(error._tag, "TransactionRolledBack")
          yield* insert(3)
        }))
        assert.deepStrictEqual(yield* rows, [1, 3])
      }))

    it.effect("a transaction fails with the constraint that COMMIT has checked", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        const table = uniqueName("deferred")
        yield* session.query(`create table ${table} (a int unique deferrable initially deferred)`)
        const insert = session.query(`insert into ${table} values (1)`)
        const error = yield* Effect.flip(session.transaction(Effect.andThen(insert, insert)))
        assert.isTrue(error._tag === "ServerError" && error.reason._tag === "UniqueViolation")
        assert.strictEqual(session.transactionStatus(), "I")
        assert.deepStrictEqual((yield* session.query(`select * from ${table}`)).rows, [])
      }))
  }
})
