// The checks of `npm run reach`, with nothing of one runtime: reachNode.ts, reachPage.ts and reachWorker.ts run them.
import { Client, ConnectionConfig, Copy, Notifications, Pool, Query, Session, Statement } from "@hyperfect/client"
import { HyperTable } from "@hyperfect/hyper"
import { Endpoint } from "@hyperfect/transport"
import { Cause, Effect, Equal, Formatter, type Layer, Redacted, Schema, Stream } from "effect"
import type { Servers } from "./reach.ts"

const { sql } = Statement

/** A check that cannot pass on a platform. */
export interface Impossible {
  readonly because: string
  /** The tag of the error, or of its reason, with which it must fail. Without one there is nothing to try. */
  readonly error?: string
}

/** The platform of a runtime. */
export interface Platform {
  readonly servers: Servers
  /** The services that connections need. */
  readonly layer: Layer.Layer<any>
  /** The same without trust in the server's root, where the platform has the roots instead of the configuration. */
  readonly distrusting?: Layer.Layer<any>
  readonly impossible?: Readonly<Record<string, Impossible>>
  /** More checks. */
  readonly more?: Readonly<Record<string, Check>>
  readonly report: (line: string) => unknown
}

/** The outcome of a check: it passed if there is neither a problem nor a reason for which it is impossible. */
export interface Outcome {
  readonly name: string
  readonly problem?: string | undefined
  readonly impossible?: string | undefined
}

type Check = Effect.Effect<unknown, unknown, any>

/** Throws if the values differ. */
export const same = (actual: unknown, expected: unknown): void => {
  if (!Equal.equals(actual, expected)) {
    throw new Error(`${Formatter.format(actual)} instead of ${Formatter.format(expected)}`)
  }
}

/** Copies rows into a temporary table, and reads them back. */
export const copy = (count: number): Effect.Effect<void, unknown, Client.Client> =>
  Effect.gen(function*() {
    const client = yield* Client.Client
    yield* client.query("create temporary table copied (n int, t text)")
    const rows = Array.from({ length: count }, (_, n) => ({ n, t: `row ${n}` }))
    yield* Copy.into(rows, "copied")
    const read = yield* Stream.runCollect(Copy.from("copied"))
    same(read.length, rows.length)
    same({ ...read.at(-1) }, rows.at(-1))
  })

const one = (config: ConnectionConfig.ConnectionConfig) =>
  Effect.scoped(Effect.gen(function*() {
    const session = yield* Session.make(config)
    const { rows } = yield* session.values(sql`select ${41}::int + 1, current_setting('server_version') <> ''`)
    same(rows, [[42, true]])
    const ssl = yield* session.values("select ssl from pg_stat_ssl where pid = pg_backend_pid()")
    return ssl.rows[0]?.[0]
  }))

const encrypted = (config: ConnectionConfig.ConnectionConfig) => Effect.map(one(config), (ssl) => same(ssl, true))

const makeChecks = ({ distrusting, servers }: Platform): Readonly<Record<string, Check>> => {
  const { database, host, otherRoot, password, port, root, socket, user } = servers.postgres
  const tcp: ConnectionConfig.ConnectionConfig = {
    endpoint: Endpoint.tcp(host, port),
    user,
    password: Redacted.make(password),
    database,
    connectTimeout: "10 seconds"
  }
  const tls = distrusting === undefined ? { ...tcp, rootCertificates: root } : tcp
  const distrusted = distrusting === undefined
    ? one({ ...tcp, rootCertificates: otherRoot, sslMode: "verify-full" })
    : Effect.provide(one({ ...tcp, sslMode: "verify-full" }), distrusting)

  const withClient = <A, E>(effect: Effect.Effect<A, E, Client.Client>) =>
    Effect.scoped(Effect.flatMap(Session.make(tcp), (session) => Effect.provideService(effect, Client.Client, session)))

  return {
    TCP: Effect.map(one({ ...tcp, sslMode: "disable" }), (ssl) => same(ssl, false)),
    TLS: Effect.gen(function*() {
      yield* one({ ...tls, sslMode: "allow" })
      for (const sslMode of ["require", "prefer", "verify-full"] as const) yield* encrypted({ ...tls, sslMode })
      same((yield* Effect.flip(distrusted))._tag, "TransportError")
    }),
    "verify-ca": encrypted({ ...tcp, rootCertificates: root, sslMode: "verify-ca" }),
    "channel binding": encrypted({ ...tls, sslMode: "require", policy: { channelBinding: "require" } }),
    "direct TLS": encrypted({ ...tls, sslMode: "verify-full", sslNegotiation: "direct" }),
    "Unix socket": one({ ...tcp, endpoint: Endpoint.unix(socket) }),
    COPY: withClient(copy(50_000)),
    pool: Effect.scoped(Effect.gen(function*() {
      const pool = yield* Pool.make(tcp, { max: 4 })
      const found = yield* Effect.forEach(
        Array.from({ length: 200 }, (_, n) => n),
        (n) => Effect.map(pool.values(sql`select ${n}::int`), ({ rows }) => rows[0]?.[0]),
        { concurrency: "unbounded" }
      )
      same(found, Array.from({ length: 200 }, (_, n) => n))
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
      same((yield* client.values("select n from kept")).rows, [[1]])
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
      same(late._tag, "None")
      same((yield* client.values("select 7")).rows, [[7]])
    })),
    timeouts: Effect.scoped(Effect.gen(function*() {
      const session = yield* Session.make(tcp)
      const error = yield* Effect.flip(Query.timeout(session.query("select pg_sleep(30)"), "200 millis"))
      same(error._tag, "QueryTimeout")
    })),
    "PG* variables": Effect.flatMap(ConnectionConfig.config, one),
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
          same(rows, [[BigInt(20_000), "row 9999"]])
        }).pipe(Effect.provideService(Client.Client, client))
      }))
    })
  }
}

/** True if the effect has failed with an error, or a reason of one, that has the tag. */
const isRefusal = (cause: Cause.Cause<unknown>, tag: string): boolean =>
  cause.reasons.some((failure) => {
    if (!Cause.isFailReason(failure)) return false
    const { _tag, reason } = failure.error as { readonly _tag?: string; readonly reason?: { readonly _tag?: string } }
    return (reason?._tag ?? _tag) === tag
  })

const run = Effect.fnUntraced(function*(name: string, check: Check, { impossible = {}, layer }: Platform) {
  const reason = impossible[name]
  const outcome: Outcome = { name, impossible: reason?.because }
  if (reason !== undefined && reason.error === undefined) return outcome
  const exit = yield* Effect.exit(Effect.provide(Effect.timeout(check, "30 seconds"), layer))
  if (reason?.error !== undefined) {
    if (exit._tag === "Success") return { name, problem: "passed, although it was called impossible" }
    if (isRefusal(exit.cause, reason.error)) return outcome
  }
  return exit._tag === "Success" ? outcome : { name, problem: String(exit.cause).slice(0, 500) }
})

/** Runs the checks one after the other, and reports each as a line of JSON. */
export const runChecks = async (platform: Platform): Promise<void> => {
  for (const [name, check] of Object.entries({ ...makeChecks(platform), ...platform.more })) {
    const outcome = await Effect.runPromise(run(name, check, platform) as Effect.Effect<Outcome>)
    await platform.report(JSON.stringify(outcome))
  }
}
