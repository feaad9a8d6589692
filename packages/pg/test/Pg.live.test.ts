/** Options, failures and the differences from `pg`. */
import { assert, layer } from "@effect/vitest"
import * as Pool from "@hyperfect/client/Pool"
import * as Pg from "@hyperfect/pg/Pg"
import * as PostgresServer from "@hyperfect/testing/PostgresServer"
import { Effect, Fiber } from "effect"
import { inspect } from "node:util"
import { layerServer, optionsOf } from "./servers.ts"

const options = Effect.map(PostgresServer.PostgresServer, optionsOf)

const makeClient = Effect.fnUntraced(function*(config: Pg.ClientConfig = {}) {
  const client = new Pg.Client({ ...yield* options, ...config })
  yield* Effect.addFinalizer(() => Effect.promise(() => client.end()))
  yield* Effect.promise(() => client.connect())
  return client
})

const makePool = (config: Pg.PoolConfig = {}) =>
  Effect.acquireRelease(
    Effect.map(options, (options) => new Pg.Pool({ ...options, ...config })),
    (pool) => pool.ending ? Effect.void : Effect.promise(() => pool.end())
  )

/** The error of a promise that has to be rejected. */
const errorOf = (run: () => Promise<unknown>) =>
  Effect.flip(Effect.tryPromise({ try: run, catch: (error) => error as Error & Record<string, unknown> }))

const eventOf = <A = unknown>(emitter: Pg.Client | Pg.PoolClient | Pg.Query, event: string) =>
  new Promise<A>((resolve) => emitter.once(event, resolve))

layer(layerServer)("Pg", (it) => {
  it.effect("connects by a connection string, whose settings are preferred to options", () =>
    Effect.gen(function*() {
      const { database, host, port, user } = yield* options
      const connectionString = `postgresql://${user}@${host}:${port}/${database}?application_name=it's%20me`
      const client = yield* makeClient({ host: "nowhere.invalid", connectionString, application_name: "other" })
      const { rows } = yield* Effect.promise(() => client.query("show application_name"))
      assert.deepEqual(rows, [{ application_name: "it's me" }])
      assert.isAbove(client.processID, 0)
    }))

  it.effect("sets limits of the server and of the client", () =>
    Effect.gen(function*() {
      const client = yield* makeClient({ statement_timeout: 500, lock_timeout: 7_000 })
      const { rows } = yield* Effect.promise(() => client.query("show lock_timeout"))
      assert.deepEqual(rows, [{ lock_timeout: "7s" }])
      const error = yield* errorOf(() => client.query("select pg_sleep(30)"))
      assert.instanceOf(error, Pg.DatabaseError)
      assert.equal(error.code, "57014")
      const impatient = yield* makeClient({ query_timeout: 1000 })
      assert.equal((yield* errorOf(() => impatient.query("select pg_sleep(30)"))).message, "Query read timeout")
      assert.deepEqual((yield* Effect.promise(() => impatient.query("select 1 as a"))).rows, [{ a: 1 }])
      const patient = yield* makeClient()
      const once = yield* errorOf(() => patient.query({ text: "select pg_sleep(30)", query_timeout: 30 }))
      assert.equal(once.message, "Query read timeout")
    }))

  it.effect("has no limit where a limit is 0, and looks up sslmode where ssl is null", () =>
    Effect.gen(function*() {
      const client = yield* makeClient({ query_timeout: 0, connectionTimeoutMillis: 0, ssl: null })
      const query = { text: "select 1 as a", query_timeout: 0 }
      assert.deepEqual((yield* Effect.promise(() => client.query(query))).rows, [{ a: 1 }])
    }))

  it.effect("refuses options of TLS that it cannot carry out", () =>
    Effect.gen(function*() {
      const given = yield* options
      const connect = (ssl: unknown) => errorOf(() => new Pg.Client({ ...given, ssl: ssl as Pg.TlsConfig }).connect())
      assert.match(
        (yield* connect({ ca: "", checkServerIdentity: () => undefined })).message,
        /ssl.checkServerIdentity/
      )
      assert.match((yield* connect("require")).message, /ssl: is a boolean/)
    }))

  it.effect("listens to the input of the process once, and leaves nothing of connections that cannot be made", () =>
    Effect.gen(function*() {
      const given = yield* options
      const listeners = () => process.stdin.listenerCount("end")
      const before = listeners()
      const open = yield* Effect.all(Array.from({ length: 3 }, () => makeClient()))
      assert.isAtMost(listeners(), before + 1)
      yield* Effect.promise(() => Promise.all(open.map((client) => client.end())))
      for (let i = 0; i < 3; i++) yield* errorOf(() => new Pg.Client({ ...given, port: 1 }).connect())
      assert.equal(listeners(), before)
    }))

  it.effect("reports why it cannot connect", () =>
    Effect.gen(function*() {
      const given = yield* options
      const connect = (config: Pg.ClientConfig) => errorOf(() => new Pg.Client({ ...given, ...config }).connect())
      assert.equal((yield* connect({ port: 1 }))["code"], "ECONNREFUSED")
      const missing = yield* connect({ database: "missing" })
      assert.instanceOf(missing, Pg.DatabaseError)
      assert.equal(missing.code, "3D000")
      assert.match((yield* connect({ ssl: true })).message, /TLS/)
      assert.match((yield* connect({ connectionString: "postgresql://h/d?colour=red" })).message, /colour/)
    }))

  it.effect("fails queries before a connection that cannot be made, and after the end", () =>
    Effect.gen(function*() {
      const client = new Pg.Client({ ...yield* options, port: 1 })
      const early = client.query("select 1").catch((error: unknown) => error)
      yield* errorOf(() => client.connect())
      assert.equal((yield* Effect.promise(() => early) as Effect.Effect<{ code: string }>).code, "ECONNREFUSED")
      const unused = new Pg.Client(yield* options)
      const waiting = unused.query("select 1").then(() => "", (error: Error) => error.message)
      yield* Effect.promise(() => unused.end())
      assert.match(yield* Effect.promise(() => waiting), /terminated/)
      assert.match((yield* errorOf(() => unused.query("select 1"))).message, /closed/)
    }))

  it.effect("fails the query that runs when it ends, and those behind it", () =>
    Effect.gen(function*() {
      const client = yield* makeClient()
      const all = Promise.all(
        ["select pg_sleep(30)", "select 1"].map((text) => client.query(text).catch((error: Error) => error.message))
      )
      const order: Array<string> = []
      void all.then(() => order.push("queries"))
      const ended = eventOf(client, "end").then(() => order.push("end"))
      yield* Effect.promise(() => client.end())
      assert.deepEqual(yield* Effect.promise(() => all), [
        "Connection terminated",
        "Connection terminated"
      ])
      yield* Effect.promise(() => ended)
      assert.deepEqual(order, ["queries", "end"])
    }))

  it.effect("emits the loss of the connection, and fails queries", () =>
    Effect.gen(function*() {
      const client = yield* makeClient()
      const events = Promise.all([eventOf<Error>(client, "error"), eventOf(client, "end")])
      const error = yield* errorOf(() => client.query("select pg_terminate_backend(pg_backend_pid())"))
      assert.equal(error["code"], "57P01")
      assert.match((yield* Effect.promise(() => events))[0].message, /terminated unexpectedly/)
      assert.equal((yield* errorOf(() => client.query("select 1")))["code"], "57P01")
    }))

  it.effect("survives the loss of a connection that has no listener for errors", () =>
    Effect.gen(function*() {
      const pool = yield* makePool({ max: 1 })
      const client = yield* Effect.promise(() => pool.connect())
      yield* errorOf(() => client.query("select pg_terminate_backend(pg_backend_pid())"))
      client.release()
      assert.deepEqual((yield* Effect.promise(() => pool.query("select 1 as a"))).rows, [{ a: 1 }])
    }))

  it.effect("emits the rows of a Query", () =>
    Effect.gen(function*() {
      const client = yield* makeClient()
      const query = client.query(new Pg.Query("select g from generate_series(1, $1::int4) g", [3]))
      const rows: Array<unknown> = []
      query.on("row", (row: unknown) => rows.push(row))
      const { rowCount } = yield* Effect.promise(() => eventOf<Pg.QueryResult>(query, "end"))
      assert.deepEqual([rowCount, rows], [3, [{ g: 1 }, { g: 2 }, { g: 3 }]])
      const counted = yield* Effect.promise(() =>
        new Promise<unknown>((resolve) => {
          const query = client.query as (
            query: Pg.Query,
            callback: (error: unknown, result: Pg.QueryResult) => void
          ) => void
          query(new Pg.Query("select 1 as a"), (_, { rowCount }) => resolve(rowCount))
        })
      )
      assert.equal(counted, 1)
      const failing = client.query(new Pg.Query("selec"))
      assert.equal((yield* Effect.promise(() => eventOf<Pg.DatabaseError>(failing, "error"))).code, "42601")
      assert.throws(() => query.submit())
    }))

  it.effect("refuses what needs the connection of pg", () =>
    Effect.gen(function*() {
      const client = yield* makeClient()
      assert.throws(() => client.query({ submit: () => {} }), /no Submittable but Query/)
      assert.throws(() => client.connection, /not supported/)
      assert.throws(() => client.copyFrom("copy a from stdin"), /not supported/)
      assert.throws(() => client.query(null as unknown as string), TypeError)
      const circular = { toPostgres: (): unknown => circular }
      assert.match((yield* errorOf(() => client.query("select $1", [circular]))).message, /circular/)
      assert.deepEqual((yield* Effect.promise(() => client.query("select 1 as a"))).rows, [{ a: 1 }])
    }))

  it.effect("shows no password and no values of rows", () =>
    Effect.gen(function*() {
      const given = { ...yield* options, password: "s3cret-word" }
      const client = new Pg.Client(given)
      const pool = new Pg.Pool(given)
      assert.notInclude(
        inspect([client, pool], { depth: 9, showHidden: true }) + JSON.stringify(pool.options),
        "s3cret"
      )
      const connected = yield* makeClient()
      const error = yield* errorOf(() =>
        connected.query("create temporary table a (b int primary key); insert into a values (4711), (4711)")
      )
      assert.match(String(error["detail"]), /4711/)
      assert.notInclude(JSON.stringify(error), "4711")
    }))

  it.effect("has the stack of the caller in errors", () =>
    Effect.gen(function*() {
      const client = yield* makeClient()
      const callerOfQuery = async () => {
        await client.query("selec")
      }
      assert.include((yield* errorOf(callerOfQuery)).stack, "callerOfQuery")
    }))

  it.effect("cancels the query of a client that is released with an error", () =>
    Effect.gen(function*() {
      const pool = yield* makePool({ max: 1 })
      const client = yield* Effect.promise(() => pool.connect())
      const sleeping = errorOf(() => client.query("select pg_sleep(30)"))
      const fiber = yield* Effect.forkChild(sleeping, { startImmediately: true })
      yield* Effect.promise(() => new Promise((resolve) => setTimeout(resolve, 20)))
      client.release(true)
      assert.match((yield* Fiber.join(fiber)).message, /cancelled/)
      assert.match((yield* errorOf(() => client.query("select 1"))).message, /released/)
      assert.deepEqual((yield* Effect.promise(() => pool.query("select 1 as a"))).rows, [{ a: 1 }])
    }))

  it.effect("rolls back and resets a connection that is released", () =>
    Effect.gen(function*() {
      const pool = yield* makePool({ max: 1 })
      const client = yield* Effect.promise(() => pool.connect())
      yield* Effect.promise(() => client.query("set application_name to 'mine'"))
      yield* Effect.promise(() => client.query("begin"))
      client.release()
      const { rows } = yield* Effect.promise(() => pool.query("show application_name"))
      assert.deepEqual(rows, [{ application_name: "hyperfect" }])
      assert.match((yield* errorOf(() => pool.query("begin"))).message, /left a transaction open/)
    }))

  it.effect("opens a pool again that could not be opened", () =>
    Effect.gen(function*() {
      let isReady = false
      const pool = yield* makePool({
        onConnect: async (client) => {
          if (!isReady) await client.query("selec")
        }
      })
      assert.match((yield* errorOf(() => pool.query("select 1"))).message, /selec/)
      isReady = true
      assert.deepEqual((yield* Effect.promise(() => pool.query("select 1 as a"))).rows, [{ a: 1 }])
      assert.equal(pool.totalCount, 1)
    }))

  it.effect("limits the wait for a client", () =>
    Effect.gen(function*() {
      const pool = yield* makePool({ max: 1, connectionTimeoutMillis: 1000 })
      const client = yield* Effect.promise(() => pool.connect())
      assert.match((yield* errorOf(() => pool.connect())).message, /timeout exceeded/)
      client.release()
    }))

  it.effect("works on a pool of a program of Effect, which stays open", () =>
    Effect.gen(function*() {
      const { endpoint, user } = yield* PostgresServer.PostgresServer
      const pool = yield* Pool.make({ endpoint, user })
      const own = Pg.fromPool(pool)
      const { rows } = yield* Effect.promise(() => own.query("select $1::int8 as a", ["5"]))
      const client = yield* Effect.promise(() => own.connect())
      assert.deepEqual(rows, (yield* Effect.promise(() => client.query("select 5::int8 as a"))).rows)
      client.release()
      yield* Effect.promise(() => own.end())
      assert.deepEqual((yield* pool.query("select 1 as a")).rows, [{ a: 1 }])
    }))

  it("quotes names and literals", () => {
    assert.equal(Pg.escapeIdentifier("a\"b"), "\"a\"\"b\"")
    assert.deepEqual([Pg.escapeLiteral("a'b"), Pg.escapeLiteral("a\\b")], ["'a''b'", " E'a\\\\b'"])
  })
})
