import { assert, describe, it } from "@effect/vitest"
import type { Client } from "@hyperfect/client/Client"
import * as Query from "@hyperfect/client/Query"
import * as Statement from "@hyperfect/client/Statement"
import { Deferred, Effect, Exit, Fiber, Result, Stream } from "effect"
import { forkImmediately } from "./fibers.ts"
import { describeServers, makeTable, openSession, uniqueName } from "./liveServers.ts"
import { complete, connect, manualServer, ready } from "./manualServer.ts"
import { openPool } from "./pools.ts"

const { identifier, sql } = Statement

const makeNumbers = Effect.fnUntraced(function*(client: Client["Service"]) {
  const table = identifier(uniqueName("numbers"))
  yield* client.query(sql`create table ${table} (a int)`)
  const insert = (a: number) => client.query(sql`insert into ${table} values (${a})`)
  const rows = Effect.map(
    client.values(sql`select a from ${table} order by a`),
    ({ rows }) => rows.map(([a]) => a as number)
  )
  return { table, insert, rows }
})

const clients = {
  session: openSession(),
  pool: Effect.map(openPool({ max: 3 }), ({ pool }) => pool)
}

/** Returns how a statement was refused. */
const outcomeOf = (error: { readonly _tag: string }) =>
  error._tag === "TransactionEnded" ? (error as { readonly outcome?: string }).outcome : error._tag

describeServers({
  both(it) {
    for (const [name, open] of Object.entries(clients)) {
      it.effect(`refuses leftover statements of a failed transaction of a ${name}`, () =>
        Effect.gen(function*() {
          const client = yield* open
          const { insert, rows } = yield* makeNumbers(client)
          const over = yield* Deferred.make<void>()
          const late = yield* Deferred.make<Exit.Exit<unknown, { readonly _tag: string }>>()
          const exit = yield* Effect.exit(client.transaction(Effect.gen(function*() {
            const context = yield* Effect.context<never>()
            yield* insert(1)
            // A callback that continues after its caller has gone.
            void Effect.runPromiseWith(context)(
              Effect.andThen(Deferred.await(over), Deferred.complete(late, Effect.exit(insert(2))))
            )
            return yield* Effect.fail("no")
          })))
          assert.isTrue(Exit.isFailure(exit))
          yield* Deferred.succeed(over, undefined)
          const refused = yield* Effect.flip(yield* Deferred.await(late))
          assert.strictEqual(outcomeOf(refused), "rolled back")
          assert.deepInclude(refused as object, { sent: "nothing", isRetryable: false })
          assert.deepStrictEqual(yield* rows, [])
        }))

      it.effect(`refuses leftover statements of an interrupted transaction of a ${name}`, () =>
        Effect.gen(function*() {
          const client = yield* open
          const { insert, rows, table } = yield* makeNumbers(client)
          const over = yield* Deferred.make<void>()
          const forked = yield* Deferred.make<Fiber.Fiber<ReadonlyArray<string | undefined>, unknown>>()
          const prepared = client.transaction(Effect.gen(function*() {
            yield* insert(1)
            const text = sql`insert into ${table} values (2)`
            const refusal = <A, E extends { readonly _tag: string }, R>(effect: Effect.Effect<A, E, R>) =>
              Effect.map(Effect.flip(effect), outcomeOf)
            const ways = Effect.all([
              refusal(client.execute(text)),
              refusal(client.columns(text)),
              refusal(client.simple(text.text)),
              refusal(client.batch([text, text])),
              refusal(Effect.flatMap(client.pipeline([text]), ([outcome]) => Effect.fromResult(outcome!))),
              refusal(Effect.scoped(Effect.flatMap(client.prepare(text.text), (statement) => statement.query()))),
              refusal(Stream.runDrain(client.stream(text))),
              refusal(client.copyIn(sql`copy ${table} from stdin with (format csv)`, Stream.empty)),
              refusal(Stream.runDrain(client.copyOut(sql`copy ${table} to stdout with (format csv)`))),
              refusal(client.transaction(Effect.die("ran"))),
              refusal(client.retryTransaction(Effect.die("ran")))
            ])
            yield* Deferred.succeed(forked, yield* Effect.forkDetach(Effect.andThen(Deferred.await(over), ways)))
            return yield* Effect.never
          }))
          const fiber = yield* forkImmediately(prepared)
          const late = yield* Deferred.await(forked)
          yield* Fiber.interrupt(fiber)
          yield* Deferred.succeed(over, undefined)
          assert.deepStrictEqual([...new Set(yield* Fiber.join(late))], ["rolled back"])
          assert.deepStrictEqual(yield* rows, [])
        }))
    }

    it.effect("refuses statements that wait at the gate of a transaction that fails", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        const { insert, rows } = yield* makeNumbers(session)
        const [streaming, end] = [yield* Deferred.make<void>(), yield* Deferred.make<void>()]
        const waiting: Array<Fiber.Fiber<unknown, { readonly _tag: string }>> = []
        yield* Effect.exit(session.transaction(Effect.gen(function*() {
          const consumer = Stream.runForEach(
            session.stream("select 1 as a"),
            () => Effect.andThen(Deferred.succeed(streaming, undefined), Deferred.await(end))
          )
          const held = yield* Effect.forkDetach(consumer)
          yield* Deferred.await(streaming)
          for (let i = 0; i < 3; i++) {
            waiting.push(yield* Effect.forkDetach(insert(i), { startImmediately: true }))
            waiting.push(yield* Effect.forkDetach(session.transaction(insert(i)), { startImmediately: true }))
          }
          yield* Effect.forkDetach(Effect.andThen(Effect.sleep("20 millis"), Deferred.succeed(end, undefined)))
          yield* Effect.forkDetach(Fiber.await(held))
          return yield* Effect.fail("no")
        })))
        for (const fiber of waiting) {
          assert.strictEqual(outcomeOf(yield* Effect.flip(Fiber.join(fiber))), "rolled back")
        }
        assert.deepStrictEqual(yield* rows, [])
      }))

    it.effect("runs leftover statements of a committed transaction outside of it", () =>
      Effect.gen(function*() {
        for (const open of Object.values(clients)) {
          const client = yield* open
          const { insert, rows } = yield* makeNumbers(client)
          const over = yield* Deferred.make<void>()
          const late = yield* client.transaction(Effect.andThen(
            insert(1),
            Effect.forkDetach(
              Effect.andThen(Deferred.await(over), Effect.andThen(insert(2), client.transaction(insert(3))))
            )
          ))
          yield* Deferred.succeed(over, undefined)
          yield* Fiber.join(late)
          assert.deepStrictEqual(yield* rows, [1, 2, 3])
        }
      }))

    it.effect("does not extend to work started with outsideTransaction", () =>
      Effect.gen(function*() {
        const pool = yield* clients.pool
        const { insert, rows } = yield* makeNumbers(pool)
        const over = yield* Deferred.make<void>()
        let worker: Fiber.Fiber<unknown, unknown> | undefined
        yield* Effect.exit(pool.transaction(Effect.gen(function*() {
          const work = Effect.andThen(insert(1), Effect.andThen(Deferred.await(over), insert(2)))
          worker = yield* Effect.forkDetach(Query.outsideTransaction(work), { startImmediately: true })
          yield* insert(3)
          return yield* Effect.fail("no")
        })))
        yield* Deferred.succeed(over, undefined)
        yield* Fiber.join(worker!)
        assert.deepStrictEqual(yield* rows, [1, 2])
      }))

    it.effect("refuses transaction commands inside a transaction before they are sent", () =>
      Effect.gen(function*() {
        for (const open of Object.values(clients)) {
          const client = yield* open
          const { insert, rows } = yield* makeNumbers(client)
          yield* client.transaction(Effect.gen(function*() {
            yield* insert(1)
            const commands = [
              ["begin", "BEGIN"],
              ["-- why\n START TRANSACTION", "START TRANSACTION"],
              ["/* a */ commit work", "COMMIT"],
              [";end", "END"],
              ["Abort", "ABORT"],
              ["rollback", "ROLLBACK"],
              ["rollback and chain", "ROLLBACK"],
              ["prepare transaction 'x'", "PREPARE TRANSACTION"]
            ] as const
            for (const [text, command] of commands) {
              const ways = [client.query(text), client.simple(text), client.batch([text]), client.execute(text)]
              for (const way of ways) {
                const error = yield* Effect.flip(way as Effect.Effect<unknown, object>)
                assert.deepInclude(error, { _tag: "TransactionCommandRefused", command, sent: "nothing" })
              }
            }
            const error: object = yield* Effect.flip(client.simple("select ';' as \"a;commit\"; commit"))
            assert.deepInclude(error, { _tag: "TransactionCommandRefused", command: "COMMIT" })
            yield* insert(2)
          }))
          assert.deepStrictEqual(yield* rows, [1, 2])
        }
      }))

    it.effect("allows manual transaction commands while another fiber has a transaction", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        const inside = yield* Deferred.make<void>()
        const fiber = yield* forkImmediately(
          session.transaction(Effect.andThen(Deferred.succeed(inside, undefined), Effect.sleep("30 millis")))
        )
        yield* Deferred.await(inside)
        yield* session.simple("begin")
        assert.strictEqual(session.transactionStatus(), "T")
        yield* session.query("rollback")
        yield* Fiber.join(fiber)
      }))

    it.effect("fails at once if a manually begun transaction has failed", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        yield* session.query("begin")
        yield* Effect.flip(session.query("select 1 / 0"))
        const error = yield* Effect.flip(session.transaction(Effect.die("ran")))
        assert.isTrue(error._tag === "ServerError" && error.reason._tag === "InFailedSqlTransaction")
        yield* session.query("rollback")
        assert.strictEqual(yield* session.transaction(Effect.succeed(1)), 1)
      }))

    it.effect("gives the session to a thousand waiting transactions, one after the other", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        const order: Array<number> = []
        yield* Effect.forEach(
          Array.from({ length: 1000 }, (_, i) => i),
          (i) => session.transaction(Effect.sync(() => order.push(i))),
          { concurrency: "unbounded", discard: true }
        )
        assert.deepStrictEqual(order, order.toSorted((a, b) => a - b))
      }))
  },

  postgres(it) {
    it.effect("refuses leftover statements of a failed savepoint, and continues in the transaction", () =>
      Effect.gen(function*() {
        for (const open of Object.values(clients)) {
          const client = yield* open
          const { insert, rows } = yield* makeNumbers(client)
          const [over, committed] = [yield* Deferred.make<void>(), yield* Deferred.make<void>()]
          const late = yield* client.transaction(Effect.gen(function*() {
            yield* insert(1)
            let late: Fiber.Fiber<ReadonlyArray<string | undefined>, unknown> | undefined
            yield* Effect.exit(client.transaction(Effect.gen(function*() {
              const refusal = Effect.map(Effect.flip(insert(3)), outcomeOf)
              late = yield* Effect.forkDetach(Effect.all([
                Effect.andThen(Deferred.await(over), refusal),
                Effect.andThen(Deferred.await(committed), refusal)
              ]))
              yield* insert(2)
              return yield* Effect.fail("no")
            })))
            yield* Deferred.succeed(over, undefined)
            yield* Effect.sleep("5 millis")
            yield* insert(4)
            return late!
          }))
          yield* Deferred.succeed(committed, undefined)
          assert.deepStrictEqual(yield* Fiber.join(late), ["rolled back", "rolled back"])
          assert.deepStrictEqual(yield* rows, [1, 4])
        }
      }))

    it.effect("does not commit a part of a savepoint that outlives its transaction", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        const { insert, rows } = yield* makeNumbers(session)
        const [half, over] = [yield* Deferred.make<void>(), yield* Deferred.make<void>()]
        const late = yield* session.transaction(Effect.gen(function*() {
          yield* insert(1)
          const savepoint = session.transaction(Effect.gen(function*() {
            yield* insert(2)
            yield* Deferred.succeed(half, undefined)
            yield* Deferred.await(over)
            yield* insert(3)
          }))
          const late = yield* Effect.forkDetach(savepoint)
          yield* Deferred.await(half)
          return late
        }))
        yield* Deferred.succeed(over, undefined)
        assert.strictEqual(outcomeOf(yield* Effect.flip(Fiber.join(late))), "rolled back")
        assert.deepStrictEqual(yield* rows, [1])
        yield* session.transaction(insert(4))
        assert.deepStrictEqual(yield* rows, [1, 4])
      }))

    it.effect("refuses leftover statements of a transaction with an unknown outcome", () =>
      Effect.gen(function*() {
        const pool = yield* clients.pool
        const { insert, rows, table } = yield* makeNumbers(pool)
        const name = uniqueName("dies")
        yield* pool.simple(`create function ${name}() returns trigger language plpgsql as $$ begin
          perform pg_terminate_backend(pg_backend_pid()); return new; end $$`)
        yield* pool.query(sql`create constraint trigger dies after insert on ${table} deferrable initially deferred
          for each row when (new.a = 1) execute function ${identifier(name)}()`)
        const over = yield* Deferred.make<void>()
        let late: Fiber.Fiber<unknown, { readonly _tag: string }> | undefined
        yield* Effect.flip(pool.transaction(Effect.gen(function*() {
          yield* insert(1)
          late = yield* Effect.forkDetach(Effect.andThen(Deferred.await(over), insert(2)))
        })))
        yield* Deferred.succeed(over, undefined)
        assert.strictEqual(outcomeOf(yield* Effect.flip(Fiber.join(late!))), "unknown")
        assert.deepStrictEqual(yield* rows, [])
      }))

    it.effect("is a savepoint inside a manually begun transaction", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        const { insert, rows } = yield* makeTable(session)
        // Without waiting: BEGIN may be in flight.
        const begun = yield* forkImmediately(session.simple("begin"))
        yield* session.transaction(insert(1))
        yield* Fiber.join(begun)
        assert.strictEqual(session.transactionStatus(), "T")
        yield* Effect.flip(session.transaction(Effect.andThen(insert(2), Effect.fail("no"))))
        assert.deepStrictEqual(yield* rows, [1])
        yield* session.query("rollback")
        assert.deepStrictEqual(yield* rows, [])
      }))

    it.effect("refuses options that a savepoint cannot have", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        yield* session.transaction(Effect.gen(function*() {
          for (
            const options of [{ isolation: "serializable" }, { access: "read only" }, { deferrable: true }] as const
          ) {
            for (const nested of [session.transaction, session.retryTransaction]) {
              const error = yield* Effect.flip(nested(Effect.die("ran"), options))
              assert.strictEqual(error._tag, "UnsupportedError")
            }
          }
        }))
      }))

    it.effect("allows manual savepoints, and the body of an SQL function", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        const { insert, rows } = yield* makeTable(session)
        const name = uniqueName("atomic")
        yield* session.transaction(Effect.gen(function*() {
          yield* insert(1)
          yield* session.query("savepoint mine")
          yield* insert(2)
          yield* session.query("rollback to savepoint mine")
          yield* session.simple("rollback work to mine; rollback transaction to savepoint mine")
          yield* session.simple(
            `create function ${name}() returns int begin atomic select case when true then 1 end; select 2; end; select 1`
          )
        }))
        assert.deepStrictEqual(yield* rows, [1])
      }))

    it.effect("refuses a command that was prepared before the transaction", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        const { insert, rows } = yield* makeTable(session)
        const commit = yield* session.prepare("commit")
        const result = yield* Effect.result(session.transaction(Effect.gen(function*() {
          yield* insert(1)
          yield* commit.execute()
        })))
        assert.strictEqual(Result.isFailure(result) && result.failure._tag, "TransactionCommandRefused")
        assert.deepStrictEqual(yield* rows, [])
      }))
  },

  hyper(it) {
    it.effect("is refused in a manually begun transaction", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        const { insert, rows } = yield* makeTable(session)
        yield* session.query("begin")
        yield* insert(1)
        const error = yield* Effect.flip(session.transaction(insert(2)))
        assert.strictEqual(error._tag, "UnsupportedError")
        yield* session.query("rollback")
        assert.deepStrictEqual(yield* rows, [])
      }))
  }
})

describe("Transaction ended by a statement", () => {
  it.effect("fails, and refuses later statements", () =>
    Effect.gen(function*() {
      const { server, session } = yield* connect
      const fiber = yield* forkImmediately(Effect.flip(session.transaction(Effect.gen(function*() {
        yield* session.simple("call that_commits()")
        yield* session.simple("insert into t values (1)")
      }))))
      yield* server.expect("Query")
      yield* server.send(complete("BEGIN"), ready("T"))
      yield* server.expect("Query")
      yield* server.send(complete("CALL"), ready("I"))
      assert.strictEqual(outcomeOf(yield* Fiber.join(fiber)), "ended by a statement")
      const again = yield* forkImmediately(session.simple("select 1"))
      assert.deepInclude(yield* server.expect("Query"), { query: "select 1" })
      yield* server.send(complete("SELECT 0"), ready("I"))
      yield* Fiber.join(again)
    }).pipe(Effect.provide(manualServer())))

  it.effect("fails even if the statement is answered after COMMIT was sent", () =>
    Effect.gen(function*() {
      const { server, session } = yield* connect
      const fiber = yield* forkImmediately(Effect.flip(session.transaction(
        Effect.asVoid(Effect.forkDetach(session.simple("call that_commits()"), { startImmediately: true }))
      )))
      yield* server.expect("Query")
      yield* server.send(complete("BEGIN"), ready("T"))
      yield* server.expect("Query", "Query")
      yield* server.send(complete("CALL"), ready("I"), complete("COMMIT"), ready("I"))
      assert.strictEqual(outcomeOf(yield* Fiber.join(fiber)), "ended by a statement")
    }).pipe(Effect.provide(manualServer())))
})
