/**
 * Effect's `SqlClient` on a pool, or on any client, of this library.
 *
 * Programs written for `effect/sql` run unchanged: statements of the template `sql`, transactions, models, resolvers,
 * migrations, and all modules of Effect that store data through a `SqlClient`. In a transaction of either kind,
 * `sql.withTransaction` or `client.transaction`, the statements of both kinds take part, so that `Copy`, `Query` and
 * `columns` work beside them.
 *
 * @since 0.1.0
 */
import type * as Authenticate from "@hyperfect/auth/Authenticate"
import * as Client from "@hyperfect/client/Client"
import * as ConnectionConfig from "@hyperfect/client/ConnectionConfig"
import * as Notifications from "@hyperfect/client/Notifications"
import * as Pool from "@hyperfect/client/Pool"
import * as Telemetry from "@hyperfect/client/Telemetry"
import type { Transport } from "@hyperfect/transport/Transport"
import type * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Reactivity from "effect/reactivity/Reactivity"
import type * as Scope from "effect/Scope"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import * as Statement from "effect/sql/Statement"
import * as Compiler from "./internal/compiler.ts"
import { ClientConnection } from "./internal/connection.ts"
import { mapToSqlError } from "./internal/sqlError.ts"
import { withDirectStatements } from "./internal/statement.ts"
import { makeTransactionService, makeWithTransaction } from "./internal/transaction.ts"

/**
 * A `SqlClient` with the client that runs its statements.
 *
 * @category models
 * @since 0.1.0
 */
export interface HyperSql extends SqlClient.SqlClient {
  /** The client that runs the statements, for everything that `effect/sql` does not offer. */
  readonly client: Client.Client["Service"]
  /**
   * Acquires a session of the pool until the scope closes, outside of any transaction. On a client of a single session,
   * it returns that session.
   */
  readonly session: Effect.Effect<Client.Client["Service"], SqlError, Scope.Scope>
  /**
   * Makes the fragment of a `jsonb` parameter.
   *
   * Documents from outside must be passed this way: `effect/sql` takes a value of a statement, or of `insert` and
   * `update`, for SQL text if it is an object with the keys of a segment or a fragment, which JSON can have.
   */
  readonly json: (value: unknown) => Statement.Fragment
}

/**
 * The service of a {@link HyperSql}.
 *
 * @category services
 * @since 0.1.0
 */
export const HyperSql: Context.Service<HyperSql, HyperSql> = Context.Service<HyperSql>("@hyperfect/sql/HyperSql")

/**
 * Acquires a session of the {@link HyperSql} in the context until the scope closes: for settings, temporary tables and
 * locks of a session.
 *
 * **Gotchas**
 *
 * Statements of `sql` run on other sessions. `fromClient` makes a `SqlClient` whose statements run on this one.
 *
 * @category accessors
 * @since 0.1.0
 */
export const session: Effect.Effect<Client.Client["Service"], SqlError, HyperSql | Scope.Scope> = Effect.flatMap(
  HyperSql,
  (sql) => sql.session
)

/**
 * Options of a {@link HyperSql}, with the names that Effect's own drivers use.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** Transforms the names of columns in rows, for example from snake_case to camelCase. */
  readonly transformResultNames?: ((name: string) => string) | undefined
  /** Transforms the names of tables and columns in statements. */
  readonly transformQueryNames?: ((name: string) => string) | undefined
  /** True if the keys of JSON documents are transformed too; true when absent. */
  readonly transformJson?: boolean | undefined
  /** Further attributes of all spans. */
  readonly spanAttributes?: Readonly<Record<string, unknown>> | undefined
  /**
   * The name of the driver, by which Effect distinguishes databases of one dialect: `"pglite"` if there is only one
   * session. When absent, `"hyperfect"` on PostgreSQL and `"hyper"` on Hyper.
   */
  readonly driver?: string | undefined
}

type Services = Transport | Authenticate.Services

/** A client whose sessions can be acquired. */
type Leasing = Partial<Pick<Pool.Pool, "session">>

const drivers = { hyper: "hyper", postgres: "hyperfect" } as const

/**
 * Makes a `SqlClient` that runs on a client, and shares its pool or session.
 *
 * **Details**
 *
 * Rows are read by `Preset.effectSql`, whatever the preset of the client. If the client observes its queries, each
 * statement has two spans: that of `effect/sql`, and inside it that of the client (see `Telemetry`). Without a tracer it
 * has none.
 *
 * **Gotchas**
 *
 * `reserve` acquires a session of a pool. On a client of a single session, it returns that session: the statements of
 * other fibers then run between those of the reserved connection.
 *
 * In `client.transaction`, a `withTransaction` is a savepoint: the callbacks of its `afterCommit` run when the savepoint has
 * ended, although the transaction may still be rolled back. Begin with `withTransaction` where there are any.
 *
 * @category constructors
 * @since 0.1.0
 */
export const fromClient = Effect.fnUntraced(function*(
  client: Client.Client["Service"] & Leasing,
  options: Options = {}
): Effect.fn.Return<HyperSql, never, Reactivity.Reactivity> {
  const { driver, spanAttributes, transformJson = true, transformQueryNames, transformResultNames } = options
  const connection = new ClientConnection(client)
  const session: HyperSql["session"] = client.session === undefined
    ? Effect.succeed(client)
    : mapToSqlError("reserve")(client.session)
  const transactionService = makeTransactionService()
  const attributes = [
    ...Object.entries(spanAttributes ?? {}),
    ["db.system.name", client.server.dialect.systemName]
  ] as ReadonlyArray<readonly [string, unknown]>
  const transformRows = transformResultNames === undefined
    ? undefined
    : Statement.defaultTransforms(transformResultNames, transformJson).array
  const sql = yield* SqlClient.make({
    acquirer: Effect.succeed(connection),
    borrower: (use) => use(connection),
    transactionAcquirer: Effect.map(session, (session) => new ClientConnection(session)),
    transactionService,
    driver: driver ?? drivers[client.server.kind],
    compiler: Compiler.make(transformQueryNames, transformJson),
    spanAttributes: attributes,
    transformRows
  })
  return Object.assign(withDirectStatements({ sql, connection, transformRows }), {
    client,
    session,
    json: Compiler.json,
    withTransaction: makeWithTransaction(client, connection, transactionService, attributes)
  })
})

/**
 * Makes a `SqlClient` that runs on a pool of its own, which is closed with the scope.
 *
 * **Details**
 *
 * The pool makes no spans of its own: each statement has that of `effect/sql`. Its metrics are recorded where
 * `Telemetry.layer` is provided.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function*(
  config: ConnectionConfig.ConnectionConfig,
  options: Options & Pool.Options = {}
): Effect.fn.Return<
  HyperSql & { readonly client: Pool.Pool },
  SqlError,
  Scope.Scope | Reactivity.Reactivity | Services
> {
  const telemetry = yield* Telemetry.Telemetry
  const pool = yield* Pool.make(config, options).pipe(
    Effect.provideService(Telemetry.Telemetry, { ...telemetry, spans: false }),
    mapToSqlError("connect")
  )
  const { endpoint } = config
  const spanAttributes = {
    "db.namespace": config.database ?? config.user,
    "server.address": endpoint._tag === "Tcp" ? endpoint.host : endpoint.path,
    ...endpoint._tag === "Tcp" ? { "server.port": endpoint.port } : {},
    ...options.spanAttributes
  }
  return (yield* fromClient(pool, { ...options, spanAttributes })) as HyperSql & { readonly client: Pool.Pool }
})

const contextOf = (sql: HyperSql) => Context.make(HyperSql, sql).pipe(Context.add(SqlClient.SqlClient, sql))

/** The services that a layer with a pool provides. */
type Provided = HyperSql | SqlClient.SqlClient | Client.Client | Notifications.Notifications

const layerOf = <E>(
  config: Effect.Effect<ConnectionConfig.ConnectionConfig, E>,
  options: (Options & Pool.Options) | undefined
): Layer.Layer<Provided, SqlError | E, Services> =>
  Layer.effectContext(
    Effect.map(
      Effect.flatMap(config, (config) => make(config, options)),
      (sql) =>
        contextOf(sql).pipe(
          Context.add(Client.Client, sql.client),
          Context.add(Notifications.Notifications, sql.client)
        )
    )
  ).pipe(Layer.provide(Reactivity.layer))

/**
 * Provides `SqlClient`, and the client that it runs on, over a pool.
 *
 * **Example** (A program for effect/sql)
 *
 * ```ts
 * import { ConnectionConfig } from "@hyperfect/client"
 * import { NodePlatform } from "@hyperfect/node"
 * import { HyperSql } from "@hyperfect/sql"
 * import { Config, Effect, Layer } from "effect"
 * import { SqlClient } from "effect/sql"
 *
 * const program = Effect.gen(function*() {
 *   const sql = yield* SqlClient.SqlClient
 *   yield* sql`insert into users ${sql.insert({ email: "ada@example.com" })}`
 *   return yield* sql`select id, email from users`
 * })
 *
 * const Database = ConnectionConfig.fromConfig(Config.Redacted("DATABASE_URL"))
 *
 * export const main = Effect.provide(
 *   program,
 *   HyperSql.layerConfig(Database, { max: 20 }).pipe(Layer.provide(NodePlatform.layer))
 * )
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (
  config: ConnectionConfig.ConnectionConfig,
  options?: Options & Pool.Options
): Layer.Layer<Provided, SqlError, Services> => layerOf(Effect.succeed(config), options)

/**
 * Provides the same as {@link layer}, with a configuration from Effect's `Config`: the `PG*` variables when absent.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerConfig = (
  config: ConnectionConfig.Source = ConnectionConfig.config,
  options?: Options & Pool.Options
): Layer.Layer<Provided, SqlError | Config.ConfigError, Services> =>
  layerOf(ConnectionConfig.fromConfig(config), options)

/**
 * Provides `SqlClient` over the client of the context, such as that of a Hyper server.
 *
 * @see {@link fromClient}
 *
 * @category layers
 * @since 0.1.0
 */
export const layerFromClient = (
  options?: Options
): Layer.Layer<HyperSql | SqlClient.SqlClient, never, Client.Client> =>
  Layer.effectContext(
    Effect.map(Effect.flatMap(Client.Client, (client) => fromClient(client, options)), contextOf)
  ).pipe(Layer.provide(Reactivity.layer))
