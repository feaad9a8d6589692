import type { ConnectionConfig } from "@hyperfect/client/ConnectionConfig"
import * as Pool from "@hyperfect/client/Pool"
import type { PoolError } from "@hyperfect/client/PoolError"
import type { Queries } from "@hyperfect/client/Queries"
import * as Session from "@hyperfect/client/Session"
import * as NodePlatform from "@hyperfect/node/NodePlatform"
import * as Endpoint from "@hyperfect/transport/Endpoint"
import * as TimestampTz from "@hyperfect/values/TimestampTz"
import { Effect, Option, type Scope, Stream } from "effect"
import { getAddress } from "./address.ts"
import type { Driver } from "./drivers.ts"
import { acquire, loops } from "./effects.ts"
import { one } from "./queries.ts"

export const open = async (connections: number): Promise<Driver> => {
  const { database, host, port, user } = getAddress()
  const config: ConnectionConfig = { endpoint: Endpoint.tcp(host, port), user, database }
  const client: Effect.Effect<Queries<PoolError>, unknown, Scope.Scope | NodePlatform.NodePlatform> = connections === 1
    ? Session.make(config)
    : Pool.make(config, { min: connections, max: connections })
  const [queries, close] = await acquire(Effect.provide(client, NodePlatform.layer))
  return {
    ...loops(Effect.map(queries.query(one), ({ rows }) => rows[0]!["n"] as number)),
    collect: (text) => Effect.runPromise(Effect.map(queries.query(text), ({ rows }) => rows)),
    stream: (text, onRow) => {
      let count = 0
      const each = Stream.runForEachArray(queries.stream(text), (rows) =>
        Effect.sync(() => {
          count += rows.length
          if (onRow !== undefined) { for (const row of rows) onRow(row) }
        }))
      return Effect.runPromise(Effect.map(each, () => count))
    },
    toLine: (row) => {
      const { at, id, is_even, name, ratio, twice } = row as Record<string, never>
      return [id!, twice!, name!, ratio!, Option.getOrThrow(TimestampTz.toDateTime(at!)).epochMilliseconds, is_even!]
    },
    close
  }
}
