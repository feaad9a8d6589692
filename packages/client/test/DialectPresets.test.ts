/** The dialects of other servers: an application sends nothing that they do not support, as the page servers.md lists it. */
import { assert, describe, it } from "@effect/vitest"
import * as Dialect from "@hyperfect/client/Dialect"
import * as Pool from "@hyperfect/client/Pool"
import * as Session from "@hyperfect/client/Session"
import { sql } from "@hyperfect/client/Statement"
import type * as Frontend from "@hyperfect/protocol/Frontend"
import * as Endpoint from "@hyperfect/transport/Endpoint"
import { Effect, Stream } from "effect"
import { makeServer, type Options } from "./dialectServer.ts"

type Attempt = (session: Session.Session) => Effect.Effect<unknown, unknown>

const select: Attempt = (session) => session.values(sql`select ${7}::int`)

/** Uses that depend on the dialect. */
const attempts: ReadonlyArray<Attempt> = [
  (session) => Effect.andThen(select(session), select(session)),
  (session) => session.values("select custom"),
  (session) => session.transaction(session.transaction(select(session))),
  (session) => session.transaction(session.values("select custom in a transaction")),
  (session) => session.transaction(select(session), { isolation: "repeatable read" }),
  (session) => session.transaction(select(session), { settings: { work_mem: "1MB" } }),
  (session) => Stream.runDrain(session.streamValues("select n", { fetchSize: 1 }))
]

/** Makes each attempt in a session of its own, also where it is refused, and returns what the server received. */
const exercise = (dialect: Dialect.Overrides, options: Options) =>
  Effect.gen(function*() {
    const { layer, received } = makeServer(options)
    const config = { endpoint: Endpoint.tcp("db", 5432), user: "app", sslMode: "disable", dialect } as const
    const changed = Effect.flatMap(Pool.make(config, { max: 1 }), (pool) =>
      Effect.andThen(pool.query("set"), pool.values("select n")))
    for (const attempt of attempts) {
      yield* Effect.exit(Effect.scoped(Effect.flatMap(Session.make(config), attempt))).pipe(Effect.provide(layer))
    }
    yield* Effect.exit(Effect.scoped(changed)).pipe(Effect.provide(layer))
    return received
  })

const text = (pattern: RegExp) => (message: Frontend.Message): boolean =>
  (message._tag === "Query" || message._tag === "Parse") && pattern.test(message.query)

/** Messages that not every server supports. */
const unsupported = {
  savepoints: text(/savepoint/i),
  catalogue: text(/pg_type|pg_catalog/i),
  unlisten: text(/unlisten/i),
  discard: text(/discard/i),
  namedStatements: (message: Frontend.Message) => message._tag === "Parse" && message.name !== "",
  digits: text(/extra_float_digits/i),
  repeatableRead: text(/repeatable read/i),
  setConfig: text(/set_config|set local/i)
}

type Kind = keyof typeof unsupported

const cases: Readonly<
  Record<string, {
    readonly dialect: Dialect.Overrides
    readonly version: string
    readonly without: ReadonlyArray<Kind>
  }>
> = {
  CockroachDB: { dialect: Dialect.cockroachdb, version: "18.0", without: ["unlisten"] },
  Redshift: {
    dialect: Dialect.redshift,
    version: "8.0.2",
    without: ["savepoints", "catalogue", "unlisten", "discard", "repeatableRead", "setConfig"]
  },
  Materialize: {
    dialect: Dialect.materialize,
    version: "9.5.0",
    without: ["savepoints", "catalogue", "unlisten", "repeatableRead", "setConfig"]
  },
  QuestDB: {
    dialect: Dialect.questdb,
    version: "11.3",
    without: ["savepoints", "catalogue", "unlisten", "discard", "digits", "repeatableRead", "setConfig"]
  },
  "Neon's pooler": { dialect: Dialect.neonPooler, version: "18.0", without: ["unlisten", "discard"] },
  "Supavisor in transaction mode": {
    dialect: Dialect.transactionPooler,
    version: "18.0",
    without: ["unlisten", "discard", "namedStatements"]
  },
  "RDS Proxy": { dialect: Dialect.rdsProxy, version: "18.0", without: ["unlisten", "discard", "namedStatements"] }
}

const kindsIn = (received: ReadonlyArray<Frontend.Message>): ReadonlyArray<string> =>
  Object.entries(unsupported).filter(([, matches]) => received.some(matches)).map(([kind]) => kind)

describe("Dialects of other servers", () => {
  it.effect("sends a PostgreSQL what other servers do not support", () =>
    Effect.gen(function*() {
      const received = yield* exercise({ guards: true }, { version: "11.0" })
      assert.sameMembers([...kindsIn(received)], Object.keys(unsupported))
    }))

  for (const [name, { dialect, version, without }] of Object.entries(cases)) {
    it.effect(`${name}: sends nothing that it does not support`, () =>
      Effect.gen(function*() {
        const received = yield* exercise(dialect, { version })
        assert.isAbove(received.length, 10)
        assert.deepStrictEqual(kindsIn(received).filter((kind) => without.includes(kind as Kind)), [])
      }))
  }
})
