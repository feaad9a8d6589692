/** PostgreSQL 18, with a `SqlClient` of this library and one of Effect's own driver. */
import * as PgClient from "@effect/sql-pg/PgClient"
import type { ConnectionConfig } from "@hyperfect/client/ConnectionConfig"
import * as NodePlatform from "@hyperfect/node/NodePlatform"
import * as HyperSql from "@hyperfect/sql/HyperSql"
import * as PostgresServer from "@hyperfect/testing/PostgresServer"
import { Effect, Layer } from "effect"

/** The server, started once for each test file. */
export const layerServer = Layer.provideMerge(
  PostgresServer.layer({ settings: { max_connections: 60 } }),
  NodePlatform.layer
)

/** The configuration of a client of the server. */
export const config = Effect.map(
  PostgresServer.PostgresServer,
  ({ database, endpoint, password, user }): ConnectionConfig => ({ endpoint, user, password, database })
)

/** A `SqlClient` of this library. */
export const layerHyperSql = (options?: Parameters<typeof HyperSql.layer>[1]) =>
  Layer.unwrap(Effect.map(config, (config) => HyperSql.layer(config, options)))

/** A `SqlClient` of Effect's own driver. */
export const layerPgClient = (options?: Partial<PgClient.PgPoolConfig>) =>
  Layer.unwrap(
    Effect.map(PostgresServer.PostgresServer, ({ database, endpoint, password, user }) =>
      PgClient.layer({ host: endpoint.host, port: endpoint.port, username: user, password, database, ...options }))
  )
