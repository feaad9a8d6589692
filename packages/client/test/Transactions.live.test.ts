import { assert } from "@effect/vitest"
import { Cause, Deferred, Effect, Exit, Fiber, Stream } from "effect"
import { describeServers, longRunningStatement, makeTable, openSession } from "./liveServers.ts"
import { openPool } from "./pools.ts"

describeServers({
  both(it) {
    it.effect("commits when the effect succeeds, and returns its value", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        const other = yield* openSession()
        const { insert } = yield* makeTable(session)
        const value = yield* session.transaction(Effect.gen(function*() {
          yield* insert(1)
          assert.strictEqual(session.transactionStatus(), "T")
          return "value"
        }))
        assert.strictEqual(value, "value")
        assert.strictEqual(session.transactionStatus(), "I")
        assert.strictEqual(other.transactionStatus(), "I")
      }))

    it.effect("rolls back when the effect fails, dies or is interrupted", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        const { insert, rows } = yield* makeTable(session)
        const failed = yield* Effect.flip(session.transaction(Effect.andThen(insert(1), Effect.fail("no" as const))))
        assert.strictEqual(failed, "no")
        const died = yield* Effect.exit(session.transaction(Effect.andThen(insert(2), Effect.die("bug"))))
        assert.isTrue(Exit.isFailure(died) && Cause.hasDies(died.cause))
        const inside = yield* Deferred.make<void>()
        const fiber = yield* Effect.forkChild(session.transaction(
          insert(3).pipe(Effect.andThen(Deferred.succeed(inside, undefined)), Effect.andThen(Effect.never))
        ))
        yield* Deferred.await(inside)
        yield* Fiber.interrupt(fiber)
        assert.strictEqual(session.transactionStatus(), "I")
        assert.deepStrictEqual(yield* rows, [])
      }))

    it.effect("rolls back when a statement is interrupted while it runs", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        const { insert, rows } = yield* makeTable(session)
        const long = session.query(yield* longRunningStatement)
        const outcome = yield* session.transaction(Effect.andThen(insert(1), long)).pipe(
          Effect.timeoutOption("100 millis")
        )
        assert.strictEqual(outcome._tag, "None")
        assert.deepStrictEqual(yield* rows, [])
        // A server that is slow to cancel rolls back after the interruption has returned, and before the next query.
        assert.strictEqual(session.transactionStatus(), "I")
      }))

    it.effect("leaves no trace when interrupted at any step", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        const { insert, rows } = yield* makeTable(session)
        const committed = []
        for (let steps = 0; steps < 40; steps++) {
          const fiber = yield* Effect.forkChild(session.transaction(insert(steps)), { startImmediately: true })
          for (let i = 0; i < steps * 3; i++) yield* Effect.yieldNow
          yield* Fiber.interrupt(fiber)
          if (Exit.isSuccess(yield* Fiber.await(fiber))) committed.push(steps)
          // A ROLLBACK that no fiber waits for may still be in flight.
          yield* session.query("select 1")
          assert.strictEqual(session.transactionStatus(), "I")
        }
        // An interruption may come too late to stop a COMMIT.
        assert.includeMembers(yield* rows, committed)
        yield* session.transaction(insert(1000))
        assert.include(yield* rows, 1000)
      }))

    it.effect("includes streams, child fibers and simple queries", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        const { insert, rows, stream } = yield* makeTable(session)
        const seen = yield* session.transaction(Effect.gen(function*() {
          yield* Effect.all([insert(1), insert(2), insert(3)], { concurrency: "unbounded" })
          yield* session.simple("select 1")
          return yield* Stream.runCollect(stream)
        }))
        assert.deepStrictEqual(seen, [[1], [2], [3]])
        assert.deepStrictEqual(yield* rows, [1, 2, 3])
      }))

    it.effect("begins with the given options", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        const { insert, rows } = yield* makeTable(session)
        for (const isolation of ["read committed", "repeatable read"] as const) {
          yield* session.transaction(insert(1), { isolation, access: "read write" })
        }
        assert.deepStrictEqual(yield* rows, [1, 1])
      }))

    it.effect("runs transactions of concurrent fibers one after the other", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        const { insert, rows } = yield* makeTable(session)
        yield* Effect.forEach([1, 2, 3, 4], (a) =>
          Effect.ignore(session.transaction(Effect.gen(function*() {
            const before = (yield* rows).length
            yield* insert(a)
            yield* Effect.sleep("5 millis")
            assert.strictEqual((yield* rows).length, before + 1)
            if (a % 2 === 0) yield* Effect.fail("even")
          }))), { concurrency: "unbounded" })
        assert.deepStrictEqual(yield* rows, [1, 3])
      }))

    it.effect("does not release resources acquired in an outer scope", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        const log: Array<string> = []
        yield* Effect.scoped(Effect.gen(function*() {
          yield* session.transaction(
            Effect.acquireRelease(session.query("select 1"), () => Effect.sync(() => log.push("released")))
          )
          log.push("used")
        }))
        assert.deepStrictEqual(log, ["used", "released"])
      }))

    it.effect("is not joined by a fiber that has outlived its own transaction", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        const { insert, rows } = yield* makeTable(session)
        const go = yield* Deferred.make<void>()
        const survivor = yield* session.transaction(
          Effect.forkDetach(Effect.andThen(Deferred.await(go), insert(1)), { startImmediately: true })
        )
        yield* Effect.ignore(session.transaction(Effect.gen(function*() {
          yield* Deferred.succeed(go, undefined)
          yield* Effect.sleep("30 millis")
          return yield* Effect.fail("no")
        })))
        yield* Fiber.join(survivor)
        assert.deepStrictEqual(yield* rows, [1])
      }))

    it.effect("runs beside a transaction of another session", () =>
      Effect.gen(function*() {
        const [one, two] = [yield* openSession(), yield* openSession()]
        const [here, there] = [yield* makeTable(one), yield* makeTable(two)]
        yield* one.transaction(Effect.gen(function*() {
          yield* here.insert(1)
          yield* two.transaction(Effect.gen(function*() {
            yield* there.insert(2)
            // The session of the outer transaction is used from inside both.
            yield* here.insert(3)
          }))
          yield* here.insert(4)
        }))
        assert.deepStrictEqual([yield* here.rows, yield* there.rows], [[1, 3, 4], [2]])
      }))
  },

  postgres(it) {
    it.effect("nests by savepoints", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        const { insert, rows } = yield* makeTable(session)
        yield* session.transaction(Effect.gen(function*() {
          yield* insert(1)
          yield* session.transaction(insert(2))
          yield* Effect.flip(session.transaction(Effect.andThen(insert(3), session.query("select 1 / 0"))))
          yield* session.transaction(Effect.gen(function*() {
            yield* insert(4)
            yield* Effect.flip(session.transaction(Effect.andThen(insert(5), Effect.fail("no"))))
            yield* session.transaction(insert(6))
          }))
          yield* insert(7)
        }))
        assert.deepStrictEqual(yield* rows, [1, 2, 4, 6, 7])
        yield* Effect.flip(session.transaction(Effect.andThen(session.transaction(insert(8)), Effect.fail("no"))))
        assert.deepStrictEqual(yield* rows, [1, 2, 4, 6, 7])
      }))

    it.effect("survives the interruption of a savepoint at any step", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        const { insert, rows } = yield* makeTable(session)
        for (let steps = 0; steps < 30; steps++) {
          yield* session.transaction(Effect.gen(function*() {
            yield* insert(steps)
            const fiber = yield* Effect.forkChild(session.transaction(Effect.sleep("1 second")), {
              startImmediately: true
            })
            for (let i = 0; i < steps; i++) yield* Effect.yieldNow
            yield* Fiber.interrupt(fiber)
            yield* insert(steps)
          }))
        }
        assert.lengthOf(yield* rows, 60)
      }))

    it.effect("can be read-only or serializable", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        const { insert, rows } = yield* makeTable(session)
        const error = yield* Effect.flip(session.transaction(insert(1), { access: "read only" }))
        assert.isTrue(error._tag === "ServerError" && error.reason._tag === "ReadOnlySqlTransaction")
        const shown = yield* session.transaction(session.values("show transaction_isolation"), {
          isolation: "serializable",
          access: "read only",
          deferrable: true
        })
        assert.deepStrictEqual(shown.rows, [["serializable"]])
        assert.deepStrictEqual(yield* rows, [])
      }))

    it.effect("has settings and a role of its own, and leaves none to the session", () =>
      Effect.gen(function*() {
        const { pool } = yield* openPool({ max: 1 })
        const show = "select current_user, current_setting('app.tenant', true), current_setting('work_mem')"
        const current = Effect.map(pool.values(show), ({ rows }) => rows[0])
        const before = yield* current
        yield* pool.simple(
          "create role tenant_reader; create table owned (tenant text); insert into owned values ('a'), ('b')"
        )
        yield* pool.simple(
          "grant select on owned to tenant_reader; alter table owned enable row level security; " +
            "create policy own on owned using (tenant = current_setting('app.tenant'))"
        )
        const options = { settings: { "app.tenant": "a", work_mem: "1MB" }, role: "tenant_reader" }
        const [inside, rows] = yield* pool.transaction(
          Effect.all([current, pool.values("select tenant from owned")]),
          options
        )
        assert.deepStrictEqual(inside, ["tenant_reader", "a", "1MB"])
        assert.deepStrictEqual(rows.rows, [["a"]])
        const quoted = "x', true); drop table owned; --"
        const other = yield* pool.transaction(current, { settings: { "app.tenant": quoted } })
        assert.deepStrictEqual(other, ["postgres", quoted, before![2]])
        assert.deepStrictEqual(yield* current, ["postgres", "", before![2]])
        const failed = yield* Effect.flip(pool.transaction(Effect.die("begun"), { role: "no such role" }))
        assert.strictEqual(failed._tag, "ServerError")
        const nested = yield* Effect.flip(pool.transaction(pool.transaction(Effect.void, options)))
        assert.strictEqual(nested._tag, "UnsupportedError")
        assert.strictEqual((yield* current)![0], "postgres")
        yield* pool.simple("drop table owned; drop role tenant_reader")
      }))
  },

  hyper(it) {
    it.effect("fails as unsupported if read-only or serializable", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        for (const options of [{ access: "read only" }, { isolation: "serializable" }, { deferrable: true }] as const) {
          const error = yield* Effect.flip(session.transaction(Effect.die("ran"), options))
          assert.isTrue(error._tag === "UnsupportedError" && error.server === "hyper")
        }
      }))

    it.effect("fails nested transactions as unsupported, and survives", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        const { insert, rows } = yield* makeTable(session)
        yield* session.transaction(Effect.gen(function*() {
          yield* insert(1)
          const error = yield* Effect.flip(session.transaction(insert(2)))
          assert.isTrue(error._tag === "UnsupportedError" && error.server === "hyper")
          assert.isFalse(error._tag === "UnsupportedError" && error.isRetryable)
          yield* insert(3)
        }))
        assert.deepStrictEqual(yield* rows, [1, 3])
      }))
  }
})
