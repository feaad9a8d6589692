/** PostgreSQL 18, with `pg` and the package with its interface. */
import * as NodePlatform from "@hyperfect/node/NodePlatform"
import * as Pg from "@hyperfect/pg/Pg"
import * as PostgresServer from "@hyperfect/testing/PostgresServer"
import { Effect, Layer, Redacted } from "effect"
import pg from "pg"

/** The server, started once for each test file. */
export const layerServer = Layer.provideMerge(PostgresServer.layer({ authentication: "trust" }), NodePlatform.layer)

/** The options of clients of the server. */
export const optionsOf = ({ database, endpoint, password, user }: PostgresServer.PostgresServer["Service"]) => ({
  host: endpoint.host,
  port: endpoint.port,
  user,
  password: Redacted.value(password),
  database
})

/** The drivers by name. */
export const drivers: Readonly<Record<"hyperfect" | "pg", Pick<typeof pg, "Client" | "Pool">>> = {
  hyperfect: Pg as unknown as Pick<typeof pg, "Client" | "Pool">,
  pg
}

/** A pool, closed with the scope. */
export const makePool = (driver: keyof typeof drivers, options?: pg.PoolConfig) =>
  Effect.acquireRelease(
    Effect.map(PostgresServer.PostgresServer, (server) =>
      new drivers[driver].Pool({ ...optionsOf(server), ...options }).on("error", () => {
        // The server stops before the sessions of the last program have ended.
      })),
    (pool) =>
      pool.ending ? Effect.void : Effect.promise(() =>
        pool.end()
      )
  )

/** A connected client, closed with the scope. */
export const makeClient = (driver: keyof typeof drivers, options?: pg.ClientConfig) =>
  Effect.acquireRelease(
    Effect.flatMap(PostgresServer.PostgresServer, (server) =>
      Effect.promise(async () => {
        const client = new drivers[driver].Client({ ...optionsOf(server), ...options })
        client.on("error", () => {
          // Programs that end their own session.
        })
        await client.connect()
        return client
      })),
    (client) => Effect.promise(() => client.end().catch(() => {}))
  )
