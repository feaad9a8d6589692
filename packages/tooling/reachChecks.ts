// The checks that each runtime runs, as a program of its own: `npm run reach` starts the servers, and passes their addresses
// in REACH. Prints a line of JSON for each check.
import { Client, ConnectionConfig, Copy, Notifications, Pool, Query, Session, Statement } from "@hyperfect/client"
import { HyperTable } from "@hyperfect/hyper"
import { NodePlatform } from "@hyperfect/node"
import { Endpoint } from "@hyperfect/transport"
import { Effect, type Layer, Redacted, Schema, Stream } from "effect"
import { strict as assert } from "node:assert"
import type { Servers } from "./reach.ts"

const { sql } = Statement

const servers: Servers = JSON.parse(process.env["REACH"]!)
const { database, host, otherRoot, password, port, root, user } = servers.postgres

const tcp: ConnectionConfig.ConnectionConfig = {
  endpoint: Endpoint.tcp(host, port),
  user,
  password: Redacted.make(password),
  database,
  connectTimeout: "10 seconds"
}
const tls = { ...tcp, rootCertificates: root }

const one = (config: ConnectionConfig.ConnectionConfig) =>
  Effect.scoped(Effect.gen(function*() {
    const session = yield* Session.make(config)
    const { rows } = yield* session.values(sql`select ${41}::int + 1, current_setting('server_version') <> ''`)
    assert.deepEqual(rows, [[42, true]])
    const ssl = yield* session.values("select ssl from pg_stat_ssl where pid = pg_backend_pid()")
    return ssl.rows[0]?.[0]
  }))

const encrypted = (config: ConnectionConfig.ConnectionConfig) =>
  Effect.map(one(config), (ssl) => assert.equal(ssl, true))

const withClient = <A, E>(effect: Effect.Effect<A, E, Client.Client>) =>
  Effect.scoped(Effect.flatMap(Session.make(tcp), (session) => Effect.provideService(effect, Client.Client, session)))

const checks = {
  TCP: Effect.map(one({ ...tcp, sslMode: "disable" }), (ssl) => assert.equal(ssl, false)),
  "TLS in each mode": Effect.gen(function*() {
    for (const sslMode of ["allow", "prefer", "require", "verify-ca", "verify-full"] as const) {
      if (sslMode === "allow") yield* one({ ...tls, sslMode })
      else yield* encrypted({ ...tls, sslMode })
    }
    const wrong = yield* Effect.flip(one({ ...tls, rootCertificates: otherRoot, sslMode: "verify-full" }))
    assert.equal(wrong._tag, "TransportError")
  }),
  "channel binding": encrypted({ ...tls, sslMode: "require", policy: { channelBinding: "require" } }),
  "direct TLS": encrypted({ ...tls, sslMode: "verify-full", sslNegotiation: "direct" }),
  "Unix socket": one({ ...tcp, endpoint: Endpoint.unix(servers.postgres.socket) }),
  COPY: withClient(Effect.gen(function*() {
    const client = yield* Client.Client
    yield* client.query("create temporary table copied (n int, t text)")
    const rows = Array.from({ length: 50_000 }, (_, n) => ({ n, t: `row ${n}` }))
    yield* Copy.into(rows, "copied")
    const read = yield* Stream.runCollect(Copy.from("copied"))
    assert.equal(read.length, rows.length)
    assert.deepEqual({ ...read.at(-1) }, rows.at(-1))
  })),
  pool: Effect.scoped(Effect.gen(function*() {
    const pool = yield* Pool.make(tcp, { max: 4 })
    const found = yield* Effect.forEach(
      Array.from({ length: 200 }, (_, n) => n),
      (n) => Effect.map(pool.values(sql`select ${n}::int`), ({ rows }) => rows[0]?.[0]),
      { concurrency: "unbounded" }
    )
    assert.deepEqual(found, Array.from({ length: 200 }, (_, n) => n))
  })),
  transaction: withClient(Effect.gen(function*() {
    const client = yield* Client.Client
    yield* client.query("create temporary table kept (n int)")
    const insert = (n: number) => client.execute(sql`insert into kept values (${n})`)
    yield* client.transaction(
      Effect.andThen(
        insert(1),
        Effect.ignore(client.transaction(Effect.andThen(insert(2), Effect.fail("undone" as const))))
      )
    )
    yield* Effect.ignore(client.transaction(Effect.andThen(insert(3), Effect.fail("undone" as const))))
    assert.deepEqual((yield* client.values("select n from kept")).rows, [[1]])
  })),
  notifications: Effect.scoped(Effect.gen(function*() {
    const pool = yield* Pool.make(tcp, { max: 2 })
    const heard = yield* Effect.forkScoped(
      pool.listen("reach").pipe(Stream.filter((event) => event._tag === "Notification"), Stream.runHead)
    )
    while (heard.pollUnsafe() === undefined) {
      yield* Effect.provideService(Notifications.notify("reach", "hello"), Client.Client, pool)
      yield* Effect.sleep("20 millis")
    }
  })),
  cancel: withClient(Effect.gen(function*() {
    const client = yield* Client.Client
    const late = yield* Effect.timeoutOption(client.query("select pg_sleep(30)"), "200 millis")
    assert.equal(late._tag, "None")
    assert.deepEqual((yield* client.values("select 7")).rows, [[7]])
  })),
  timeouts: Effect.scoped(Effect.gen(function*() {
    const session = yield* Session.make(tcp)
    const error = yield* Effect.flip(Query.timeout(session.query("select pg_sleep(30)"), "200 millis"))
    assert.equal(error._tag, "QueryTimeout")
  })),
  "PG* variables": Effect.gen(function*() {
    const variables = { PGHOST: host, PGPORT: String(port), PGUSER: user, PGPASSWORD: password, PGDATABASE: database }
    Object.assign(process.env, variables)
    yield* one(yield* ConnectionConfig.config)
  }),
  Hyper: Effect.gen(function*() {
    const { hyper } = servers
    const Row = HyperTable.make("reached", { n: Schema.Int, t: HyperTable.Text }, { temporary: true })
    const config: ConnectionConfig.ConnectionConfig = {
      endpoint: Endpoint.tcp(hyper.host, hyper.port),
      user: hyper.user,
      connectTimeout: "10 seconds",
      ...hyper.password === undefined ? {} : { password: Redacted.make(hyper.password), saslPrep: "mapping" }
    }
    yield* Effect.scoped(Effect.gen(function*() {
      const client = yield* Session.make(config)
      yield* Effect.gen(function*() {
        yield* Row.create
        yield* Row.insert(Array.from({ length: 20_000 }, (_, n) => ({ n, t: `row ${n}` })))
        const { rows } = yield* client.values(sql`select count(*), max(t) from ${Row}`)
        assert.deepEqual(rows, [[20_000n, "row 9999"]])
      }).pipe(Effect.provideService(Client.Client, client))
    }))
  })
}

for (const [name, check] of Object.entries(checks)) {
  const exit = await Effect.runPromiseExit(
    Effect.provide(Effect.timeout(check, "30 seconds"), NodePlatform.layer as Layer.Layer<any>) as Effect.Effect<
      unknown
    >
  )
  const problem = exit._tag === "Success" ? undefined : String(exit.cause).slice(0, 500)
  console.log(JSON.stringify({ name, problem }))
}
process.exit(0)
