import * as PgClient from "@effect/sql-pg/PgClient"
import { Effect, Redacted, type Scope, Stream } from "effect"
import { Reactivity } from "effect/reactivity"
import type { SqlClient } from "effect/sql"
import { getAddress } from "./address.ts"
import type { Driver, OpenOptions, Row } from "./Driver.ts"
import { acquire, loops } from "./effectLoops.ts"

export const open = async (options: OpenOptions): Promise<Driver> => {
  const { connections, tls } = options
  const { database, host, password, port, root, user } = getAddress(options)
  const client = PgClient.make({
    host,
    port,
    database,
    username: user,
    password: Redacted.make(password),
    ...(tls === true ? { ssl: { ca: root } } : {}),
    minConnections: connections,
    maxConnections: connections,
    multiplex: true,
    // The concurrency of the work, so that one connection can take all of it.
    multiplexConcurrency: 64
  })
  return driverOf(client)
}

/** Returns the driver of a `SqlClient`. */
export const driverOf = async (
  client: Effect.Effect<SqlClient.SqlClient, unknown, Scope.Scope | Reactivity.Reactivity>
): Promise<Driver> => {
  const [sql, close] = await acquire(Effect.provide(client, Reactivity.layer))
  return {
    ...loops((text, parameters) => sql.unsafe<Row>(text, parameters)),
    collect: (text) => Effect.runPromise(sql.unsafe(text)),
    stream: (text, onRow) => {
      let count = 0
      const each = Stream.runForEachArray(sql.unsafe(text).stream, (rows) =>
        Effect.sync(() => {
          count += rows.length
          if (onRow !== undefined) { for (const row of rows) onRow(row) }
        }))
      return Effect.runPromise(Effect.map(each, () => count))
    },
    insert: (text, batches) => () =>
      Effect.runPromise(
        Effect.forEach(batches, (parameters) => sql.unsafe(text, parameters), { concurrency: 4, discard: true })
      ),
    toMillis: (instant) => new Date(instant as never).getTime(),
    close
  }
}
