import type { ConnectionConfig } from "@hyperfect/client/ConnectionConfig"
import * as Pool from "@hyperfect/client/Pool"
import type { PoolError } from "@hyperfect/client/PoolError"
import type { Queries } from "@hyperfect/client/Queries"
import * as Session from "@hyperfect/client/Session"
import * as Statement from "@hyperfect/client/Statement"
import * as NodePlatform from "@hyperfect/node/NodePlatform"
import * as Endpoint from "@hyperfect/transport/Endpoint"
import * as TimestampTz from "@hyperfect/values/TimestampTz"
import { Effect, Layer, Option, Redacted, type Scope, Stream } from "effect"
import { getAddress } from "./address.ts"
import { type Driver, one, type OpenOptions } from "./Driver.ts"
import { acquire, loops } from "./effects.ts"

/** How many statements with many parameters are under way at once: the server works while the next are written. */
const overlap = 4

/** Made once, at the edge of a program. */
const platform = acquire(Layer.build(NodePlatform.layer)).then(([context]) => context)

/** What suits queries that the server makes little of, as `multiplex` does at the peer that has it. */
const packed: Pool.Options = { sharing: "packed", depth: 64 }

/** As a program has it: once, so that the keys of its password are derived once. */
const configs = new Map<boolean, ConnectionConfig>()

const configOf = (tls: boolean): ConnectionConfig => {
  const { database, host, password, port, root, user } = getAddress(tls)
  return {
    endpoint: Endpoint.tcp(host, port),
    user,
    password: Redacted.make(password),
    database,
    ...(tls ? { sslMode: "verify-full", rootCertificates: root } : { sslMode: "disable" })
  }
}

/** As a program has it that makes a configuration, and a password, for each session. */
export const openAnew = (options: OpenOptions): Promise<Driver> =>
  openWith(configOf(options.tls === true), options, packed)

export const open = (options: OpenOptions, sharing: Pool.Options = packed): Promise<Driver> => {
  const tls = options.tls === true
  const config = configs.get(tls) ?? configOf(tls)
  configs.set(tls, config)
  return openWith(config, options, sharing)
}

const openWith = async (
  config: ConnectionConfig,
  { connections }: OpenOptions,
  sharing: Pool.Options
): Promise<Driver> => {
  const client: Effect.Effect<Queries<PoolError>, unknown, Scope.Scope | NodePlatform.NodePlatform> = connections === 1
    ? Session.make(config)
    : Pool.make(config, { min: connections, max: connections, ...sharing })
  const [queries, close] = await acquire(Effect.provide(client, await platform))
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
    insert: (text, batches) => () =>
      Effect.runPromise(
        Effect.forEach(batches, (parameters) => queries.query(Statement.fromTextUnsafe(text, parameters)), {
          concurrency: overlap,
          discard: true
        })
      ),
    copyIn: (text, chunks) => () =>
      Effect.runPromise(queries.copyIn(text, Stream.fromIterable(chunks, { chunkSize: 1 }))),
    copyOut: (text, onChunk) => {
      let size = 0
      const each = Stream.runForEachArray(queries.copyOut(text), (chunks) =>
        Effect.sync(() => {
          for (const chunk of chunks) {
            size += chunk.length
            onChunk?.(chunk)
          }
        }))
      return Effect.runPromise(Effect.map(each, () => size))
    },
    toLine: (row) => {
      const { at, id, is_even, name, ratio, twice } = row as Record<string, never>
      return [id!, twice!, name!, ratio!, Option.getOrThrow(TimestampTz.toDateTime(at!)).epochMilliseconds, is_even!]
    },
    close
  }
}
