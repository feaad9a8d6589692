/** Both real servers, started once for a test file, and sessions on them. */
import { layer, type Vitest } from "@effect/vitest"
import type * as ConnectionConfig from "@hyperfect/client/ConnectionConfig"
import * as Session from "@hyperfect/client/Session"
import * as Statement from "@hyperfect/client/Statement"
import * as Hyperd from "@hyperfect/hyper/Hyperd"
import * as NodePlatform from "@hyperfect/node/NodePlatform"
import * as HyperdServer from "@hyperfect/testing/HyperdServer"
import * as PostgresServer from "@hyperfect/testing/PostgresServer"
import { Context, Effect, Layer } from "effect"

type Config = ConnectionConfig.ConnectionConfig

/** The server that a test runs against, whichever it is. */
export class Target extends Context.Service<Target, {
  readonly kind: "hyper" | "postgres"
  readonly config: Config
}>()("test/Target") {}

export type Services = Target | NodePlatform.NodePlatform

/** A database of PostgreSQL 18. */
export const postgres = Layer.effect(
  Target,
  Effect.map(PostgresServer.PostgresServer, ({ database, endpoint, password, user }) => ({
    kind: "postgres" as const,
    config: { endpoint, user, password, database }
  }))
).pipe(
  Layer.provideMerge(PostgresServer.layer({ databases: ["app"], settings: { max_connections: 60 } })),
  Layer.provideMerge(NodePlatform.layer)
)

/** A database of Hyper. */
export const hyper = Layer.effect(
  Target,
  Effect.gen(function*() {
    const { endpoint, password, user } = yield* Hyperd.Hyperd
    const config: Config = { endpoint, user, password, saslPrep: "mapping" }
    yield* Effect.scoped(Effect.flatMap(Session.make(config), (session) => session.query("create database app")))
    return { kind: "hyper" as const, config: { ...config, database: "app" } }
  })
).pipe(
  Layer.provideMerge(HyperdServer.layer()),
  Layer.provideMerge(NodePlatform.layer)
)

const options = { excludeTestServices: true, timeout: "60 seconds" } as const

type Laws = (it: Vitest.MethodsNonLive<Services>) => void

/** Laws of both servers, and those that only one of them knows. Each server is started once. */
export const servers = (laws: {
  readonly both?: Laws
  readonly postgres?: Laws
  readonly hyper?: Laws
}): void => {
  const of = (own: Laws | undefined): Laws => (it) => {
    laws.both?.(it)
    own?.(it)
  }
  if (laws.both ?? laws.postgres) layer<Services, unknown>(postgres, options)("PostgreSQL", of(laws.postgres))
  if (laws.both ?? laws.hyper) layer<Services, unknown>(hyper, options)("Hyper", of(laws.hyper))
}

/** Opens a session on the server of the file. It ends with the test. */
export const open = (changes: Partial<Config> = {}) =>
  Effect.flatMap(Target, ({ config }) => Session.make({ ...config, ...changes }))

/** A statement that runs for a long time before it returns anything. */
export const longStatement = Effect.map(
  Target,
  ({ kind }) =>
    kind === "postgres"
      ? "select count(pg_sleep(60))"
      : "select count(*) from generate_series(1, 100000000000) as g(n) where n % 7 = 3"
)

/** A statement with more rows `n` than anybody can wait for. PostgreSQL would first make all that stand behind FROM. */
export const endlessRows = Effect.map(
  Target,
  ({ kind }) =>
    kind === "postgres"
      ? "select generate_series(1, 2147483647) as n"
      : "select n::int as n from generate_series(1, 2147483647) as g(n)"
)

/** The sockets that this process has open. */
export const sockets = Effect.sync(() =>
  process.getActiveResourcesInfo().filter((name) => /^(TCPSocketWrap|PipeWrap|TLSWrap)$/.test(name)).length
)

let names = 0

/** A name that no other test of the file uses. */
export const fresh = (prefix: string): string => `${prefix}_${++names}`

/** A table of one column, and what is in it. */
export const makeTable = Effect.fnUntraced(function*(session: Session.Session) {
  const table = Statement.identifier(fresh("numbers"))
  yield* session.query(Statement.sql`create table ${table} (a int)`)
  return {
    insert: (a: number) => session.query(Statement.sql`insert into ${table} values (${a})`),
    rows: Effect.map(
      session.values(Statement.sql`select a from ${table} order by a`),
      ({ rows }) => rows.map(([a]) => a)
    ),
    stream: session.streamValues(Statement.sql`select a from ${table} order by a`)
  }
})
