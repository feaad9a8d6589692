import { assert } from "@effect/vitest"
import * as Client from "@hyperfect/client/Client"
import * as Pool from "@hyperfect/client/Pool"
import * as Statement from "@hyperfect/client/Statement"
import { ConfigProvider, Context, Deferred, Effect, Exit, Fiber, Layer, Redacted, Scope, Stream } from "effect"
import { heapUsed } from "./heap.ts"
import { describeServers, openSession, TestServer, uniqueName } from "./liveServers.ts"
import { openPool, waitUntil } from "./pools.ts"

const { identifier, sql } = Statement

const text = new TextEncoder()

const pidQuery = "select pg_backend_pid() as pid"

describeServers({
  both(it) {
    it.effect(
      "runs 10,000 concurrent queries on 10 sessions in little memory",
      () =>
        Effect.gen(function*() {
          const { connections, pool } = yield* openPool({ min: 10, max: 10, warmUp: true, depth: 16 })
          let most = 0
          const heap = heapUsed()
          let heapMost = 0
          const answers = yield* Effect.forEach(
            Array.from({ length: 10_000 }, (_, i) => i),
            (i) =>
              Effect.map(pool.values(sql`select ${i}::int`), ({ rows }) => {
                most = Math.max(most, pool.stats().queries)
                if (i % 2500 === 0) heapMost = Math.max(heapMost, heapUsed() - heap)
                return rows[0]![0]
              }),
            { concurrency: "unbounded" }
          )
          assert.deepStrictEqual(answers, Array.from({ length: 10_000 }, (_, i) => i))
          const { idle, queries, size, timeouts, waiting } = pool.stats()
          assert.deepStrictEqual({ idle, queries, size, timeouts, waiting }, {
            idle: 10,
            queries: 0,
            size: 10,
            timeouts: 0,
            waiting: 0
          })
          assert.isAtMost(most, 160)
          // Measured: 31 MB, the size of 10,000 fibers.
          assert.isBelow(heapMost, 100e6)
          assert.strictEqual(connections.open, 10)
          assert.strictEqual(connections.mostOpening, 1)
        }),
      60_000
    )

    it.effect("uses one session for consecutive queries", () =>
      Effect.gen(function*() {
        const { pool } = yield* openPool()
        for (let i = 0; i < 50; i++) yield* pool.query("select 1")
        assert.strictEqual(pool.stats().opened, 1)
      }))

    it.effect("fills a session before using another if sharing is packed", () =>
      Effect.gen(function*() {
        const many = (pool: Pool.Pool, count: number) =>
          Effect.all(Array.from({ length: count }, (_, i) => pool.values(sql`select ${i}::int`)), {
            concurrency: "unbounded"
          })
        const { pool } = yield* openPool({ min: 4, max: 4, warmUp: true, depth: 8, sharing: "packed" })
        const busy = () => pool.stats().size - pool.stats().idle
        const most = (count: number) =>
          Effect.gen(function*() {
            yield* waitUntil(() => busy() === 0)
            const running = yield* Effect.forkChild(many(pool, count), { startImmediately: true })
            const sessions = busy()
            const answers = yield* Fiber.join(running)
            assert.deepStrictEqual(answers.map(({ rows }) => rows[0]![0]), Array.from({ length: count }, (_, i) => i))
            return sessions
          })
        for (const [count, sessions] of [[1, 1], [8, 1], [9, 2], [24, 3], [32, 4], [200, 4]] as const) {
          assert.strictEqual(yield* most(count), sessions)
        }
        // It opens no more sessions than it fills.
        const { pool: growing } = yield* openPool({ max: 4, depth: 8, sharing: "packed" })
        yield* many(growing, 1)
        yield* many(growing, 8)
        assert.strictEqual(growing.stats().opened, 1)
      }))

    it.effect("runs a transaction on a session of its own, which queries inside it use", () =>
      Effect.gen(function*() {
        const { pool } = yield* openPool()
        const table = identifier(uniqueName("inside"))
        yield* pool.query(sql`create table ${table} (a int)`)
        const failed = yield* Effect.exit(pool.transaction(Effect.gen(function*() {
          yield* pool.query(sql`insert into ${table} values (1)`)
          assert.strictEqual((yield* pool.query(sql`select * from ${table}`)).rowCount, 1)
          assert.strictEqual(yield* Stream.runCount(pool.stream(sql`select * from ${table}`)), 1)
          // Another fiber is not in the transaction, unless it is a child.
          const others = yield* Effect.forkChild(pool.query(sql`select * from ${table}`))
          assert.strictEqual((yield* Fiber.join(others)).rowCount, 1)
          return yield* Effect.fail("no")
        })))
        assert.strictEqual(failed._tag, "Failure")
        assert.strictEqual((yield* pool.query(sql`select * from ${table}`)).rowCount, 0)
        yield* pool.transaction(pool.query(sql`insert into ${table} values (2)`))
        assert.strictEqual((yield* pool.query(sql`select * from ${table}`)).rowCount, 1)
        // A session being reset counts as taken.
        yield* waitUntil(() => pool.stats().taken === 0)
      }))

    it.effect("keeps a fiber that outlives its transaction off the session of the next one", () =>
      Effect.gen(function*() {
        const { pool } = yield* openPool({ max: 1 })
        const table = identifier(uniqueName("outlived"))
        yield* pool.query(sql`create table ${table} (a int)`)
        const over = yield* Deferred.make<void>()
        const late = yield* pool.transaction(Effect.forkDetach(
          Effect.andThen(Deferred.await(over), pool.query(sql`insert into ${table} values (1)`))
        ))
        const next = Effect.gen(function*() {
          yield* Deferred.succeed(over, undefined)
          yield* waitUntil(() => pool.stats().waiting === 1)
          yield* pool.query("select 1")
          return yield* Effect.fail("no")
        })
        assert.strictEqual(yield* Effect.flip(pool.transaction(next)), "no")
        yield* Fiber.join(late)
        assert.strictEqual((yield* pool.query(sql`select * from ${table}`)).rowCount, 1)
      }))

    it.effect("runs streams, COPY and transactions concurrently", () =>
      Effect.gen(function*() {
        const { pool } = yield* openPool({ max: 4 })
        const table = uniqueName("beside")
        yield* pool.query(`create table ${table} (a int)`)
        const [streamed, copied, out, , one] = yield* Effect.all([
          Stream.runCount(pool.stream("select n from generate_series(1, 10000) as g(n)")),
          pool.copyIn(
            `copy ${table} from stdin with (format csv)`,
            Stream.make(text.encode("1\n"), text.encode("2\n"))
          ),
          Stream.runCount(pool.copyOut("copy (select 3) to stdout with (format csv)")),
          pool.transaction(pool.query("select 1")),
          pool.values("select 1")
        ], { concurrency: "unbounded" })
        assert.deepStrictEqual([streamed, copied.rowCount, out, one.rows], [10_000, 2, 1, [[1]]])
        // A session being reset counts as taken.
        yield* waitUntil(() => pool.stats().taken === 0)
      }))

    it.effect("serves waiting callers in order, whatever they request", () =>
      Effect.gen(function*() {
        const { pool } = yield* openPool({ max: 1 })
        const [began, end] = [yield* Deferred.make<void>(), yield* Deferred.make<void>()]
        const holder = yield* Effect.forkChild(
          pool.transaction(Effect.andThen(Deferred.succeed(began, undefined), Deferred.await(end)))
        )
        yield* Deferred.await(began)
        const log: Array<number> = []
        const note = (i: number) => Effect.sync(() => void log.push(i))
        const fibers = yield* Effect.forEach(Array.from({ length: 9 }, (_, i) => i), (i) =>
          Effect.forkChild(
            i % 3 === 1
              ? pool.transaction(Effect.andThen(pool.query("select 1"), note(i)))
              : Effect.andThen(pool.query("select 1"), note(i)),
            { startImmediately: true }
          ))
        assert.strictEqual(pool.stats().waiting, 9)
        yield* Deferred.succeed(end, undefined)
        yield* Effect.forEach([holder, ...fibers], (fiber) => Fiber.join(fiber))
        assert.deepStrictEqual(log, [0, 1, 2, 3, 4, 5, 6, 7, 8])
      }))

    it.effect("rolls back a transaction that a query left open, and fails the query", () =>
      Effect.gen(function*() {
        const { pool } = yield* openPool({ max: 1 })
        const table = identifier(uniqueName("open"))
        yield* pool.query(sql`create table ${table} (a int)`)
        for (const begin of ["begin", "/* hm */ -- !\n START TRANSACTION", "; begin", "-- !\rbegin"]) {
          const error = yield* Effect.flip(pool.query(begin))
          assert(error._tag === "PoolError")
          assert.strictEqual(error.reason._tag, "TransactionLeftOpen")
        }
        const [left] = yield* Effect.all([
          Effect.flip(pool.simple("begin")),
          pool.query(sql`insert into ${table} values (1)`)
        ], { concurrency: "unbounded" })
        assert.strictEqual(left._tag, "PoolError")
        // In the open transaction, the row would have been rolled back.
        assert.strictEqual((yield* pool.query(sql`select * from ${table}`)).rowCount, 1)
      }))

    it.effect("rolls back a transaction that a borrower left open", () =>
      Effect.gen(function*() {
        const { pool } = yield* openPool({ max: 1 })
        const table = identifier(uniqueName("borrowed"))
        yield* pool.query(sql`create table ${table} (a int)`)
        yield* Effect.scoped(Effect.gen(function*() {
          const session = yield* pool.session
          yield* session.query("begin")
          yield* session.query(sql`insert into ${table} values (1)`)
        }))
        assert.strictEqual((yield* pool.query(sql`select * from ${table}`)).rowCount, 0)
        yield* Effect.scoped(Effect.gen(function*() {
          const session = yield* pool.session
          assert.strictEqual(session.transactionStatus(), "I")
        }))
      }))

    it.effect("runs onConnect on each new session, and onAcquire on each acquired one", () =>
      Effect.gen(function*() {
        const Tenant = Context.Reference<string>("test/Tenant", { defaultValue: () => "nobody" })
        const connected: Array<number> = []
        const tenants: Array<string> = []
        const { pool } = yield* openPool({
          max: 2,
          onConnect: (session) => Effect.map(session.query("select 1"), () => connected.push(1)),
          onAcquire: (session) =>
            Effect.gen(function*() {
              yield* session.query("select 1")
              tenants.push(yield* Tenant)
            })
        })
        yield* Effect.provideService(pool.query("select 1"), Tenant, "a")
        yield* Effect.provideService(pool.transaction(Effect.void), Tenant, "b")
        yield* Stream.runDrain(pool.stream("select 1"))
        assert.deepStrictEqual(tenants, ["a", "b", "nobody"])
        assert.strictEqual(connected.length, 1)
        // No two queries share a session then.
        yield* Effect.all(Array.from({ length: 20 }, () => pool.query("select 1")), { concurrency: "unbounded" })
        assert.strictEqual(tenants.length, 23)
        yield* waitUntil(() => !pool.stats().isOpening)
        assert.strictEqual(connected.length, pool.stats().opened)
      }))

    it.effect("runs the finalizers of onConnect before the session ends", () =>
      Effect.gen(function*() {
        const ended: Array<string> = []
        yield* Effect.scoped(Effect.gen(function*() {
          const { pool } = yield* openPool({
            min: 2,
            max: 2,
            warmUp: true,
            onConnect: (session) =>
              Effect.addFinalizer(() =>
                Effect.map(Effect.exit(session.query("select 1")), ({ _tag }) => void ended.push(_tag))
              )
          })
          yield* pool.query("select 1")
          assert.deepStrictEqual(ended, [])
        }))
        assert.deepStrictEqual(ended, ["Success", "Success"])
      }))

    it.effect("closes a session on which onAcquire failed", () =>
      Effect.gen(function*() {
        let isBad = true
        const { connections, pool } = yield* openPool({
          max: 1,
          onAcquire: (session) => session.query(isBad ? "select nonsense" : "select 1")
        })
        const error = yield* Effect.flip(pool.query("select 1"))
        assert.strictEqual(error._tag, "ServerError")
        isBad = false
        yield* pool.query("select 1")
        const { closed, opened } = pool.stats()
        assert.deepStrictEqual([opened, closed], [2, 1])
        assert.strictEqual(connections.mostOpen, 1)
      }))

    it.effect("refuses callers when the wait queue is full", () =>
      Effect.gen(function*() {
        const { pool } = yield* openPool({ max: 1, maxWaiting: 2 })
        yield* Effect.scoped(Effect.gen(function*() {
          yield* pool.session
          const fibers = yield* Effect.forEach([1, 2], () =>
            Effect.forkChild(pool.query("select 1"), { startImmediately: true }))
          const error = yield* Effect.flip(pool.query("select 1"))
          assert(error._tag === "PoolError")
          assert.deepInclude(error.reason, { _tag: "QueueFull", limit: 2 })
          assert.isTrue(error.isRetryable)
          yield* Effect.forEach(fibers, Fiber.interrupt)
        }))
        assert.strictEqual((yield* pool.query("select 1")).rowCount, 1)
        assert.strictEqual(pool.stats().refused, 1)
      }))

    it.effect("times out after acquireTimeout", () =>
      Effect.gen(function*() {
        const { pool } = yield* openPool({ max: 1, acquireTimeout: "50 millis" })
        yield* Effect.scoped(Effect.gen(function*() {
          yield* pool.session
          const errors = yield* Effect.all([
            Effect.flip(pool.query("select 1")),
            Effect.flip(pool.transaction(Effect.void)),
            Effect.flip(Stream.runDrain(pool.stream("select 1")))
          ], { concurrency: "unbounded" })
          for (const error of errors) {
            assert(error._tag === "PoolError")
            assert.deepInclude(error.reason, { _tag: "AcquireTimeout", milliseconds: 50 })
          }
        }))
        assert.strictEqual((yield* pool.query("select 1")).rowCount, 1)
        const { timeouts, waiting } = pool.stats()
        assert.deepStrictEqual([timeouts, waiting], [3, 0])
      }))

    it.effect("leaks no slot when waiters or queries are interrupted at any step", () =>
      Effect.gen(function*() {
        const { pool } = yield* openPool({ max: 2, depth: 2 })
        const work = [
          pool.query("select 1"),
          pool.transaction(pool.query("select 1")),
          Stream.runDrain(pool.stream("select 1")),
          Effect.scoped(pool.session),
          pool.query("select 1")
        ]
        for (let steps = 0; steps < 60; steps++) {
          const fibers = yield* Effect.forEach(work, (effect) =>
            Effect.forkChild(effect as Effect.Effect<unknown, unknown>, { startImmediately: true }))
          for (let i = 0; i < steps; i++) {
            yield* Effect.yieldNow
          }
          yield* Effect.forEach(fibers, Fiber.interrupt, { concurrency: "unbounded" })
        }
        yield* waitUntil(() => {
          const { queries, taken, waiting } = pool.stats()
          return queries + taken + waiting === 0
        })
        const both = yield* Effect.scoped(Effect.all([pool.session, pool.session]))
        assert.notStrictEqual(both[0], both[1])
      }))

    it.effect("closes everything with its scope, and refuses later callers", () =>
      Effect.gen(function*() {
        const scope = yield* Scope.make()
        const { connections, pool } = yield* Scope.provide(openPool({ max: 3, drainTimeout: "50 seconds" }), scope)
        yield* Effect.all(Array.from({ length: 20 }, () => pool.query("select 1")), { concurrency: "unbounded" })
        const running = yield* Effect.forkChild(
          Stream.runCount(pool.stream("select n from generate_series(1, 300000) as g(n)")),
          { startImmediately: true }
        )
        yield* waitUntil(() => pool.stats().taken > 0)
        yield* Scope.close(scope, Exit.void)
        assert.strictEqual(yield* Fiber.join(running), 300_000)
        assert.strictEqual(connections.open, 0)
        const error = yield* Effect.flip(pool.query("select 1"))
        assert(error._tag === "PoolError")
        assert.strictEqual(error.reason._tag, "Closed")
      }))

    it.effect("fails waiting callers when it is closed", () =>
      Effect.gen(function*() {
        const scope = yield* Scope.make()
        const { connections, pool } = yield* Scope.provide(openPool({ max: 1, drainTimeout: "20 millis" }), scope)
        const borrower = yield* Scope.make()
        yield* Scope.provide(pool.session, borrower)
        const waiting = yield* Effect.forkChild(Effect.flip(pool.query("select 1")), { startImmediately: true })
        yield* Scope.close(scope, Exit.void)
        const error = yield* Fiber.join(waiting)
        assert(error._tag === "PoolError")
        assert.strictEqual(error.reason._tag, "Closed")
        assert.strictEqual(connections.open, 0)
        yield* Scope.close(borrower, Exit.void)
        assert.strictEqual(pool.stats().size, 0)
      }))

    it.effect("fails to start if it cannot log in to a server", () =>
      Effect.gen(function*() {
        const { config } = yield* TestServer
        const error = yield* Effect.flip(Pool.make({ ...config, user: "nobody_at_all" }))
        assert.strictEqual(error._tag, "AuthError")
      }))

    it.effect("refuses invalid sizes", () =>
      Effect.gen(function*() {
        const { config } = yield* TestServer
        for (
          const options of [{ max: 0 }, { min: 3, max: 2 }, { min: -1 }, { depth: 0.5 }, { maxWaiting: Number.NaN }]
        ) {
          assert.strictEqual((yield* Effect.flip(Pool.make(config, options)))._tag, "ConnectionConfigError")
        }
      }))

    it.effect("opens its min sessions one after the other", () =>
      Effect.gen(function*() {
        const { connections, pool } = yield* openPool({ min: 5, max: 5 })
        yield* waitUntil(() => pool.stats().size === 5)
        assert.deepStrictEqual([connections.attempts, connections.mostOpening], [5, 1])
      }))
  },

  postgres(it) {
    it.effect("waits for its min sessions with warmUp", () =>
      Effect.gen(function*() {
        const { pool } = yield* openPool({ min: 3, max: 5, warmUp: true })
        assert.deepInclude(pool.stats(), { size: 3, idle: 3 })
      }))

    it.effect("is made from a URI, and from the environment", () =>
      Effect.gen(function*() {
        const { config: { database, endpoint, password, user } } = yield* TestServer
        assert(endpoint._tag === "Tcp" && Redacted.isRedacted(password))
        const secret = encodeURIComponent(Redacted.value(password) as string)
        const authority = `${user}:${secret}@${endpoint.host}:${endpoint.port}`
        const ask = Effect.map(
          Effect.flatMap(Client.Client, (client) => client.values("select current_database()")),
          ({ rows }) => rows[0]![0]
        )
        const byUri = Pool.layerUri(`postgresql://${authority}/${database}`, { max: 2 })
        assert.strictEqual(yield* Effect.provide(ask, byUri), database)
        const held = Effect.gen(function*() {
          const pool = yield* Pool.Pool
          yield* pool.session
          return pool.stats()
        })
        assert.deepInclude(yield* Effect.provide(Effect.scoped(held), byUri), { size: 1, idle: 0 })
        const variables = {
          PGHOST: endpoint.host,
          PGPORT: String(endpoint.port),
          PGUSER: user,
          PGPASSWORD: Redacted.value(password),
          PGDATABASE: database
        }
        const environment = ConfigProvider.layer(ConfigProvider.fromUnknown(variables))
        for (const layer of [Pool.layerConninfo(undefined, { max: 2 }), Pool.layerConfig(undefined, { max: 2 })]) {
          assert.strictEqual(yield* Effect.provide(ask, Layer.provide(layer, environment)), database)
        }
        const refused = Effect.provide(
          ask,
          Layer.provide(Pool.layerConfig(), ConfigProvider.layer(ConfigProvider.fromUnknown({})))
        )
        assert.strictEqual((yield* Effect.flip(refused))._tag, "ConfigError")
        const error = yield* Effect.flip(Effect.provide(ask, Pool.layerUri("postgresql://u@h/d?pool=1")))
        assert.strictEqual(error._tag, "ConnectionConfigError")
      }))

    it.effect("spreads queries over all sessions", () =>
      Effect.gen(function*() {
        const { pool } = yield* openPool({ min: 5, max: 5 })
        yield* waitUntil(() => pool.stats().size === 5)
        const pids = yield* Effect.all(
          Array.from({ length: 25 }, () => pool.values("select pg_backend_pid(), pg_sleep(0.005)")),
          { concurrency: "unbounded" }
        )
        const counts = new Map<unknown, number>()
        for (const { rows: [row] } of pids) counts.set(row![0], (counts.get(row![0]) ?? 0) + 1)
        assert.deepStrictEqual([...counts.values()], [5, 5, 5, 5, 5])
      }))

    it.effect("makes no query wait behind a slow one while another session responds", () =>
      Effect.gen(function*() {
        for (const sharing of ["even", "packed"] as const) {
          const { pool } = yield* openPool({ max: 2, sharing })
          const slow = yield* Effect.forkChild(pool.query("select pg_sleep(30)"), { startImmediately: true })
          yield* Effect.sleep("100 millis")
          for (let i = 0; i < 5; i++) {
            yield* Effect.all(Array.from({ length: 20 }, () => pool.query("select 1")), { concurrency: "unbounded" })
          }
          assert.strictEqual(slow.pollUnsafe(), undefined)
          yield* Fiber.interrupt(slow)
        }
      }))

    it.effect("resets settings, temporary tables, listeners and locks of a borrower", () =>
      Effect.gen(function*() {
        const { pool } = yield* openPool({
          max: 1,
          onConnect: (session) => session.query("set search_path = pg_catalog, public")
        })
        const before = (yield* pool.values(pidQuery)).rows[0]![0]
        yield* Effect.scoped(Effect.gen(function*() {
          const session = yield* pool.session
          yield* session.query("set statement_timeout = '1234ms'")
          yield* session.query("set search_path = nowhere")
          yield* session.query("create temp table leftover (a int)")
          yield* session.query("listen somebody")
          yield* session.query("select pg_advisory_lock(42)")
          yield* session.query("declare c cursor with hold for select 1")
        }))
        const setting = (name: string) => Effect.map(pool.values(`show ${name}`), ({ rows }) => rows[0]![0])
        assert.strictEqual(yield* setting("statement_timeout"), "0")
        assert.strictEqual(yield* setting("search_path"), "pg_catalog, public")
        const left = yield* pool.values(
          "select (select count(*) from pg_cursors where name = 'c'), (select count(*) from pg_listening_channels()), " +
            "(select count(*) from pg_locks where locktype = 'advisory'), to_regclass('leftover')::text"
        )
        assert.deepStrictEqual(left.rows[0], [0n, 0n, 0n, null])
        assert.strictEqual((yield* pool.values(pidQuery)).rows[0]![0], before)
      }))

    it.effect("resets a setting that a query made on a shared session", () =>
      Effect.gen(function*() {
        const { pool } = yield* openPool({ max: 1 })
        yield* pool.query("set statement_timeout = '1234ms'")
        yield* pool.query("select set_config('search_path', 'nowhere', false)")
        const { rows } = yield* pool.values(
          "select current_setting('statement_timeout'), current_setting('search_path')"
        )
        assert.deepStrictEqual(rows[0], ["0", "\"$user\", public"])
      }))

    it.effect("resets a session for reported settings only if they outlast a transaction", () =>
      Effect.gen(function*() {
        let connected = 0
        const { pool } = yield* openPool({
          max: 1,
          onConnect: (session) =>
            Effect.andThen(session.query("set time zone 'Asia/Tokyo'"), Effect.sync(() => ++connected))
        })
        const settings = { TimeZone: "Europe/Zurich", search_path: "pg_catalog" }
        const show = "select current_setting('TimeZone'), current_setting('search_path')"
        for (const end of [Effect.void, Effect.fail("failed"), Effect.interrupt]) {
          const inside: Array<unknown> = []
          yield* Effect.exit(pool.transaction(
            Effect.andThen(
              pool.values(show),
              ({ rows }) => Effect.andThen(Effect.sync(() => inside.push(rows[0])), end)
            ),
            { settings }
          ))
          assert.deepStrictEqual(inside, [["Europe/Zurich", "pg_catalog"]])
          assert.deepStrictEqual((yield* pool.values(show)).rows, [["Asia/Tokyo", "\"$user\", public"]])
        }
        assert.strictEqual(connected, 1)

        yield* pool.transaction(pool.query("select set_config('TimeZone', 'Europe/Zurich', false)"))
        assert.deepStrictEqual((yield* pool.values(show)).rows, [["Asia/Tokyo", "\"$user\", public"]])
        assert.strictEqual(connected, 2)
      }))

    it.effect("keeps its prepared statements after a reset", () =>
      Effect.gen(function*() {
        const { pool } = yield* openPool({ max: 1 })
        const statement = sql`select ${1}::int as n`
        yield* pool.query(statement)
        yield* pool.query("set statement_timeout = '1234ms'")
        yield* pool.transaction(pool.query(statement))
        const { rows } = yield* pool.values("select count(*) from pg_prepared_statements where statement like '%as n'")
        assert.deepStrictEqual(rows[0], [1n])
      }))

    it.effect("closes a session on which a borrower prepared a named statement", () =>
      Effect.gen(function*() {
        const { pool } = yield* openPool({ max: 1 })
        yield* pool.query("prepare mine as select 1")
        yield* pool.query("prepare mine as select 1")
        assert.isAtLeast(pool.stats().opened, 2)
      }))

    it.effect("resets after every exclusive use if reset is always", () =>
      Effect.gen(function*() {
        const { pool } = yield* openPool({ max: 1, reset: "always" })
        const hidden = "select set_config('app.tenant', 'a', false)"
        yield* pool.transaction(pool.query(hidden))
        const { rows } = yield* pool.values("select coalesce(current_setting('app.tenant', true), '')")
        assert.deepStrictEqual(rows[0], [""])
      }))

    it.effect("cancels running work on the server when it is closed", () =>
      Effect.gen(function*() {
        const scope = yield* Scope.make()
        const { pool } = yield* Scope.provide(openPool({ max: 2, drainTimeout: "20 millis" }), scope)
        const mark = uniqueName("cancelled")
        const running = yield* Effect.forkChild(Effect.exit(pool.query(`select pg_sleep(600) as ${mark}`)), {
          startImmediately: true
        })
        const session = yield* openSession()
        const active = Effect.map(
          session.values(sql`select count(*)::int from pg_stat_activity where query like ${`%as ${mark}%`}
            and state = 'active' and pid <> pg_backend_pid()`),
          ({ rows }) => rows[0]![0] as number
        )
        while ((yield* active) === 0) yield* Effect.sleep("5 millis")
        yield* Scope.close(scope, Exit.void)
        assert.strictEqual((yield* Fiber.join(running))._tag, "Failure")
        while ((yield* active) > 0) yield* Effect.sleep("5 millis")
      }))
  },

  hyper(it) {
    it.effect("closes a session with settings or temporary tables", () =>
      Effect.gen(function*() {
        const { pool } = yield* openPool({ max: 1 })
        yield* Effect.scoped(Effect.gen(function*() {
          const session = yield* pool.session
          yield* session.query("create temporary table leftover (a int)")
        }))
        assert.strictEqual((yield* Effect.flip(pool.query("select * from leftover")))._tag, "ServerError")
        assert.deepInclude(pool.stats(), { opened: 2, closed: 1 })
      }))
  }
})
