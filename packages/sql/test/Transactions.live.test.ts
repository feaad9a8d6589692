/** `withTransaction` on a pool of PostgreSQL. */
import { assert, layer } from "@effect/vitest"
import * as HyperSql from "@hyperfect/sql/HyperSql"
import { Deferred, Effect, Exit, Fiber, Stream } from "effect"
import * as Reactivity from "effect/reactivity/Reactivity"
import * as SqlClient from "effect/sql/SqlClient"
import { layerHyperSql, layerServer } from "./servers.ts"

const undone = Effect.fail("undone" as const)

layer(layerServer, { excludeTestServices: true, timeout: "60 seconds" })("HyperSql > withTransaction", (it) => {
  /** Runs an effect with a client and an empty table of numbers. */
  const withNumbers = <A, E, R>(
    table: string,
    effect: (numbers: {
      readonly sql: HyperSql.HyperSql
      readonly insert: (n: number) => Effect.Effect<unknown, unknown>
      readonly all: Effect.Effect<ReadonlyArray<number>, unknown>
    }) => Effect.Effect<A, E, R>
  ) =>
    Effect.provide(
      Effect.gen(function*() {
        const sql = yield* HyperSql.HyperSql
        yield* sql`create table ${sql(table)} (n int unique deferrable initially deferred)`
        return yield* effect({
          sql,
          insert: (n) => sql`insert into ${sql(table)} values (${n})`,
          all: Effect.map(
            sql<{ n: number }>`select n from ${sql(table)} order by n`,
            (rows) => rows.map(({ n }) => n)
          )
        })
      }),
      layerHyperSql({ max: 3 })
    )

  it.effect("commits what succeeds, and rolls back what fails, dies or is interrupted", () =>
    withNumbers("ended", ({ all, insert, sql }) =>
      Effect.gen(function*() {
        assert.strictEqual(yield* sql.withTransaction(Effect.as(insert(1), "done")), "done")
        assert.strictEqual(yield* Effect.flip(sql.withTransaction(Effect.andThen(insert(2), undone))), "undone")
        assert.isTrue(
          Exit.isFailure(yield* Effect.exit(sql.withTransaction(Effect.andThen(insert(3), Effect.die("defect")))))
        )
        const inserted = yield* Deferred.make<void>()
        const waiting = Effect.andThen(Deferred.succeed(inserted, undefined), Effect.never)
        const fiber = yield* Effect.forkChild(sql.withTransaction(Effect.andThen(insert(4), waiting)))
        yield* Deferred.await(inserted)
        yield* Fiber.interrupt(fiber)
        assert.deepStrictEqual(yield* all, [1])
      })))

  it.effect("rolls a nested transaction back alone", () =>
    withNumbers("nested", ({ all, insert, sql }) =>
      Effect.gen(function*() {
        yield* sql.withTransaction(Effect.gen(function*() {
          yield* insert(1)
          yield* Effect.ignore(sql.withTransaction(Effect.andThen(insert(2), undone)))
          yield* Effect.ignore(sql.withTransaction(sql`select 1 / 0`))
          yield* sql.withTransaction(Effect.andThen(insert(3), sql.withTransaction(insert(4))))
        }))
        assert.deepStrictEqual(yield* all, [1, 3, 4])
      })))

  it.effect("fails if a statement in it has failed, although the failure was caught", () =>
    withNumbers("aborted", ({ all, insert, sql }) =>
      Effect.gen(function*() {
        const error = yield* Effect.flip(
          sql.withTransaction(Effect.andThen(insert(1), Effect.ignore(sql`select 1 / 0`)))
        )
        assert.strictEqual((error as { readonly _tag: string })._tag, "SqlError")
        assert.deepStrictEqual(yield* all, [])
      })))

  it.effect("fails with what COMMIT reports", () =>
    withNumbers("deferred", ({ all, insert, sql }) =>
      Effect.gen(function*() {
        const error = yield* Effect.flip(sql.withTransaction(Effect.andThen(insert(1), insert(1))))
        assert.strictEqual(
          (error as { readonly reason: { readonly _tag: string } }).reason._tag,
          "UniqueViolation"
        )
        assert.deepStrictEqual(yield* all, [])
      })))

  it.effect("passes the errors of its effect on unchanged, also those of the client", () =>
    withNumbers("errors", ({ sql }) =>
      Effect.gen(function*() {
        const error = yield* Effect.flip(sql.withTransaction(sql.client.query("select 1 / 0")))
        assert.strictEqual(error._tag, "ServerError")
      })))

  it.effect("runs the callbacks of afterCommit after COMMIT, and not after a rollback", () =>
    withNumbers("callbacks", ({ all, insert, sql }) =>
      Effect.gen(function*() {
        const seen: Array<unknown> = []
        const note = Effect.ignore(Effect.map(all, (numbers) => seen.push(numbers)))
        yield* sql.withTransaction(Effect.gen(function*() {
          yield* insert(1)
          yield* sql.afterCommit(note)
          yield* Effect.ignore(sql.withTransaction(Effect.andThen(sql.afterCommit(note), undone)))
          yield* sql.withTransaction(Effect.andThen(insert(2), sql.afterCommit(note)))
          assert.deepStrictEqual(seen, [])
        }))
        yield* Effect.ignore(sql.withTransaction(Effect.andThen(sql.afterCommit(note), undone)))
        assert.deepStrictEqual(seen, [[1, 2], [1, 2]])
      })))

  it.effect("begins with the options of the statement that is provided", () =>
    withNumbers("options", ({ sql }) =>
      Effect.gen(function*() {
        const modes = Effect.map(
          sql`select current_setting('transaction_isolation'), current_setting('transaction_read_only')`.values,
          ([row]) => row
        )
        const begun = (statement: string) =>
          Effect.provideService(sql.withTransaction(modes), SqlClient.BeginTransaction, statement)
        assert.deepStrictEqual(yield* begun("BEGIN"), ["read committed", "off"])
        assert.deepStrictEqual(
          yield* begun("begin transaction isolation level serializable, read only, deferrable;"),
          ["serializable", "on"]
        )
        assert.deepStrictEqual(yield* begun("START TRANSACTION READ WRITE, ISOLATION LEVEL REPEATABLE READ"), [
          "repeatable read",
          "off"
        ])
        const error = yield* Effect.flip(begun("begin; drop table options"))
        assert.include(error.message, "BeginTransaction")
      })))

  it.effect("invalidates reactive queries once it has committed", () =>
    withNumbers("reactive", ({ all, insert, sql }) =>
      Effect.gen(function*() {
        const results = sql.reactive(["numbers"], all)
        const first = yield* Deferred.make<void>()
        const both = results.pipe(Stream.tap(() => Deferred.succeed(first, undefined)), Stream.take(2))
        const fiber = yield* Effect.forkChild(Stream.runCollect(both))
        yield* Deferred.await(first)
        yield* sql.withTransaction(Reactivity.mutation(insert(1), ["numbers"]))
        assert.deepStrictEqual(yield* Fiber.join(fiber), [[], [1]])
      })).pipe(Effect.provide(Reactivity.layer)))
})
