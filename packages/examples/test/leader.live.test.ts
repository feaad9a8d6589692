import { assert, layer } from "@effect/vitest"
import { Pool, Statement } from "@hyperfect/client"
import { NodePlatform } from "@hyperfect/node"
import { PostgresServer } from "@hyperfect/testing"
import { Deferred, Effect, Fiber, Layer, Redacted, Schedule } from "effect"
import { spawn } from "node:child_process"
import { fileURLToPath } from "node:url"
import { beginTerm, createTable, stand, type Term } from "../leader/election.ts"

const { sql } = Statement

const server = PostgresServer.layer({ databases: ["app"] }).pipe(Layer.provideMerge(NodePlatform.layer))

const openPool = Effect.flatMap(PostgresServer.PostgresServer, (config) => Pool.make(config, { max: 4 }))

/** Waits until a query returns one row with this value. */
const waitFor = (pool: Pool.Pool, query: Statement.Statement, value: unknown) =>
  Effect.flatMap(
    pool.values(query),
    ({ rows }) => rows.length === 1 && rows[0]![0] === value ? Effect.void : Effect.fail("not yet" as const)
  ).pipe(Effect.retry({ while: (error) => error === "not yet", schedule: Schedule.spaced("10 millis") }))

/** A work whose table has a row for each of its transactions, with the moments of its begin and end, by a sequence. */
const makeWork = Effect.fnUntraced(function*(pool: Pool.Pool, name: string) {
  yield* Effect.provideService(createTable, Pool.Pool, pool)
  yield* pool.simple(`create sequence ${name}_moments; create table ${name} (
    term int, begun int default nextval('${name}_moments'), ended int)`)
  const table = Statement.identifier(name)
  return (term: Term, own: Pool.Pool) =>
    term.transaction(Effect.andThen(
      own.values(sql`insert into ${table} (term) values (${term.number}) returning begun`),
      ({ rows: [row] }) =>
        Effect.andThen(
          Effect.sleep("5 millis"),
          own.execute(sql`update ${table} set ended = nextval(${`${name}_moments`}) where begun = ${Number(row![0])}`)
        )
    ))
})

/** The number of pairs of transactions of two terms that overlapped, or were in another order than their terms. */
const disorder = (name: string) =>
  sql`select count(*)::int from ${Statement.identifier(name)} a join ${Statement.identifier(name)} b
    on a.term < b.term and a.ended > b.begun`

layer(server, { excludeTestServices: true, timeout: "60 seconds" })("an elected leader", (it) => {
  it.effect("is stopped when its session ends, and one copy leads the next term, never two at once", () =>
    Effect.gen(function*() {
      const pool = yield* openPool
      const tick = yield* makeWork(pool, "taken_over")
      let ended = 0
      const standing = yield* Effect.forEach(
        Array.from({ length: 3 }),
        () =>
          Effect.flatMap(
            openPool,
            (own) =>
              stand("taken_over", (term) =>
                Effect.onExit(Effect.forever(tick(term, own)), () => Effect.sync(() => void ended++))).pipe(
                  Effect.provideService(Pool.Pool, own),
                  Effect.forkChild
                )
          )
      )
      const term = Effect.map(
        pool.values("select term from terms where work = 'taken_over'"),
        ({ rows }) => Number(rows[0]![0])
      )
      const worked = (since: number) =>
        waitFor(pool, sql`select count(*) > 2 from taken_over where term > ${since}`, true)
      const strikes = 6
      let struck = 0
      for (let strike = 0; strike < strikes; strike++) {
        yield* worked(struck)
        struck = yield* term
        yield* pool.execute("select pg_terminate_backend(pid) from pg_locks where locktype = 'advisory' and granted")
      }
      yield* worked(struck)
      assert.isAbove(yield* term, strikes)
      yield* Effect.forEach(standing, Fiber.interrupt)
      assert.isAbove(ended, strikes)
      assert.deepStrictEqual((yield* pool.values(disorder("taken_over"))).rows, [[0]])
    }))

  it.effect("that does not know of its loss yet is waited for, and can begin no other transaction", () =>
    Effect.gen(function*() {
      const pool = yield* openPool
      // No query of its own can be behind the statement that waits for the first term.
      const watching = yield* openPool
      const begin = Effect.provideService(beginTerm("not told", "1h"), Pool.Pool, pool)
      yield* Effect.provideService(createTable, Pool.Pool, pool)
      yield* pool.execute("create table written (term int)")
      const write = (term: Term) => pool.execute(sql`insert into written values (${term.number})`)
      const first = yield* begin
      const hasWritten = yield* Deferred.make<void>()
      const mayCommit = yield* Deferred.make<void>()
      const working = yield* write(first).pipe(
        Effect.andThen(Deferred.succeed(hasWritten, undefined)),
        Effect.andThen(Deferred.await(mayCommit)),
        first.transaction,
        Effect.forkChild
      )
      yield* Effect.raceFirst(Deferred.await(hasWritten), Fiber.join(working))
      const beginning = yield* Effect.forkChild(Effect.andThen(begin, (second) => Effect.as(write(second), second)))
      yield* waitFor(watching, sql`select count(*)::int from pg_stat_activity where wait_event_type = 'Lock'`, 1)
      yield* Deferred.succeed(mayCommit, undefined)
      yield* Fiber.join(working)
      const second = yield* Fiber.join(beginning)
      const refused = yield* Effect.flip(first.transaction(write(first)))
      assert.strictEqual(refused._tag, "Deposed")
      yield* second.transaction(write(second))
      const { rows } = yield* pool.values("select term from written")
      assert.deepStrictEqual(rows, [[first.number], [second.number], [second.number]])
    }))

  it.effect("that is frozen in a transaction loses it, so that the next term can begin", () =>
    Effect.gen(function*() {
      const pool = yield* openPool
      const begin = Effect.provideService(beginTerm("frozen", "1s"), Pool.Pool, pool)
      yield* Effect.provideService(createTable, Pool.Pool, pool)
      yield* pool.execute("create table begun (term int)")
      const first = yield* begin
      const frozen = yield* Deferred.make<void>()
      const working = yield* pool.execute("insert into begun values (1)").pipe(
        Effect.andThen(Deferred.succeed(frozen, undefined)),
        Effect.andThen(Effect.never),
        first.transaction,
        Effect.forkChild
      )
      yield* Effect.raceFirst(Deferred.await(frozen), Fiber.await(working))
      const second = yield* begin
      assert.strictEqual(second.number, first.number + 1)
      assert.deepStrictEqual((yield* pool.values("select term from begun")).rows, [])
      yield* Fiber.interrupt(working)
    }))

  it.effect("is followed by another process when its own is frozen or killed", () =>
    Effect.gen(function*() {
      const { database, endpoint, password, user } = yield* PostgresServer.PostgresServer
      const pool = yield* openPool
      const start = (name: string) =>
        Effect.acquireRelease(
          Effect.sync(() =>
            spawn(
              process.execPath,
              ["--conditions=@hyperfect/source", fileURLToPath(new URL("../leader.ts", import.meta.url)), name],
              {
                env: {
                  ...process.env,
                  DATABASE_URL: `postgresql://${user}:${
                    Redacted.value(password)
                  }@${endpoint.host}:${endpoint.port}/${database}`
                },
                stdio: "ignore"
              }
            )
          ),
          (child) => Effect.sync(() => child.kill("SIGKILL"))
        )
      const names = ["ada", "bob"]
      const processes = yield* Effect.forEach(names, start)
      const lastLeader = sql`select leader from ticks order by term desc limit 1`
      const leads = (isOther: boolean, name: string) =>
        waitFor(pool, sql`select (select leader from ticks order by term desc limit 1) <> ${name}`, isOther)
      yield* waitFor(pool, sql`select count(*)::int from pg_tables where tablename = 'ticks'`, 1)
      yield* waitFor(pool, sql`select count(*) > 0 from ticks`, true)
      yield* waitFor(pool, sql`select count(*)::int from pg_locks where locktype = 'advisory' and not granted`, 1)
      const leader = String((yield* pool.values(lastLeader)).rows[0]![0])
      const [frozen, other] = leader === names[0] ? processes : processes.toReversed()
      frozen!.kill("SIGSTOP")
      yield* leads(true, leader)
      frozen!.kill("SIGCONT")
      other!.kill("SIGKILL")
      yield* leads(false, leader)
    }), 120_000)
})
