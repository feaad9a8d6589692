/** Both real servers, PostgreSQL started once per worker and Hyper once per test file, and sessions on an empty database. */
import { layer, type Vitest } from "@effect/vitest"
import type * as ConnectionConfig from "@hyperfect/client/ConnectionConfig"
import * as Session from "@hyperfect/client/Session"
import * as Statement from "@hyperfect/client/Statement"
import * as Hyperd from "@hyperfect/hyper/Hyperd"
import * as NodePlatform from "@hyperfect/node/NodePlatform"
import * as HyperdServer from "@hyperfect/testing/HyperdServer"
import * as PostgresServer from "@hyperfect/testing/PostgresServer"
import { Context, Effect, Exit, Layer, Schedule, Scope } from "effect"

type Config = ConnectionConfig.ConnectionConfig

/** The server that a test runs against. */
export class TestServer extends Context.Service<TestServer, {
  readonly kind: "hyper" | "postgres"
  readonly config: Config
}>()("test/Target") {}

export type Services = TestServer | NodePlatform.NodePlatform

/** The servers that this worker keeps until Vitest ends it. */
const kept = Scope.makeUnsafe()
process.once("SIGTERM", () => void Effect.runPromise(Scope.close(kept, Exit.void)).finally(() => process.exit()))

/** Keeps the servers of a layer for the worker's next test files: starting one takes longer than most files. */
const keep = <A, E>(servers: Layer.Layer<A, E>): Layer.Layer<A, E> => {
  const memoMap = Layer.makeMemoMapUnsafe()
  return Layer.effectContext(Layer.buildWithMemoMap(servers, memoMap, kept))
}

const execute = (server: Config, ...statements: ReadonlyArray<string>) =>
  Effect.scoped(
    Effect.flatMap(Session.make(server), (session) =>
      Effect.forEach(statements, (statement) => session.query(statement), { discard: true }))
  )

const postgresDatabase = Layer.effect(
  TestServer,
  Effect.gen(function*() {
    const { endpoint, password, user } = yield* PostgresServer.PostgresServer
    const config: Config = { endpoint, user, password, database: "postgres" }
    yield* execute(config, "drop database if exists app with (force)", "create database app")
    return { kind: "postgres" as const, config: { ...config, database: "app" } }
  })
)

const hyperDatabase = Layer.effect(
  TestServer,
  Effect.gen(function*() {
    const { endpoint, password, user } = yield* Hyperd.Hyperd
    const config: Config = { endpoint, user, password, saslPrep: "mapping" }
    yield* execute(config, "create database app")
    return { kind: "hyper" as const, config: { ...config, database: "app" } }
  })
)

const postgresServer = PostgresServer.layer({ settings: { max_connections: 60 } }).pipe(
  Layer.provideMerge(NodePlatform.layer)
)

const hyperServer = HyperdServer.layer().pipe(Layer.provideMerge(NodePlatform.layer))

/** A database of PostgreSQL 18. */
export const layerPostgres = Layer.provideMerge(postgresDatabase, keep(postgresServer))

/** A database of a Hyper that ends with the scope: a session that a test left behind would keep others from dropping it. */
export const layerHyper = Layer.fresh(Layer.provideMerge(hyperDatabase, hyperServer))

/** A database of a PostgreSQL 18 that ends with the scope. */
export const layerOwnPostgres = Layer.fresh(Layer.provideMerge(postgresDatabase, postgresServer))

const options = { excludeTestServices: true, timeout: "60 seconds" } as const

type Tests = (it: Vitest.MethodsNonLive<Services>) => void

/** Tests that run on both servers, and those that run on only one of them. Each server is started once. */
export const describeServers = (tests: {
  readonly both?: Tests
  readonly postgres?: Tests
  readonly hyper?: Tests
}): void => {
  const of = (own: Tests | undefined): Tests => (it) => {
    tests.both?.(it)
    own?.(it)
  }
  if (tests.both ?? tests.postgres) layer<Services, unknown>(layerPostgres, options)("PostgreSQL", of(tests.postgres))
  if (tests.both ?? tests.hyper) layer<Services, unknown>(layerHyper, options)("Hyper", of(tests.hyper))
}

/** Opens a session on the server of the file. It closes with the test. */
export const openSession = (changes: Partial<Config> = {}) =>
  Effect.flatMap(TestServer, ({ config }) => Session.make({ ...config, ...changes }))

/** A statement that runs for a long time before it returns a row. */
export const longRunningStatement = Effect.map(
  TestServer,
  ({ kind }) =>
    kind === "postgres"
      ? "select count(pg_sleep(60))"
      : "select count(*) from generate_series(1, 100000000000) as g(n) where n % 7 = 3"
)

/** A statement with more rows `n` than a test can wait for. PostgreSQL would first materialize a function in FROM. */
export const endlessRows = Effect.map(
  TestServer,
  ({ kind }) =>
    kind === "postgres"
      ? "select generate_series(1, 2147483647) as n"
      : "select n::int as n from generate_series(1, 2147483647) as g(n)"
)

/** The number of sockets that this process has open. */
export const openSocketCount = Effect.sync(() =>
  process.getActiveResourcesInfo().filter((name) => /^(TCPSocketWrap|PipeWrap|TLSWrap)$/.test(name)).length
)

/** Waits until this process has at most so many sockets open. The test's time limit ends it otherwise. */
export const openSocketsAtMost = (count: number) =>
  Effect.repeat(openSocketCount, { until: (open) => open <= count, schedule: Schedule.spaced("5 millis") })

let nameCount = 0

/** Returns a name that no other test of the file uses. */
export const uniqueName = (prefix: string): string => `${prefix}_${++nameCount}`

/** Creates a table of one column, with effects that insert and read its rows. */
export const makeTable = Effect.fnUntraced(function*(session: Session.Session) {
  const table = Statement.identifier(uniqueName("numbers"))
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
