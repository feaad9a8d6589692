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
import type { Driver, OpenOptions } from "./Driver.ts"
import { acquire, loops } from "./effectLoops.ts"

/** The number of statements with many parameters in flight: the server works while the next ones are encoded. */
const insertConcurrency = 4

/** Built once, as in a program. */
export const platform = acquire(Layer.build(NodePlatform.layer)).then(([context]) => context)

/** Suitable for queries that are cheap for the server, like `multiplex` in the peer that has it. */
export const packed: Pool.Options = { sharing: "packed", depth: 64 }

/** Created once, as in a program, so that the keys of the password are derived once. */
const configs = new Map<string, ConnectionConfig>()

export const configOf = (options: OpenOptions): ConnectionConfig => {
  const { database, host, password, port, root, user } = getAddress(options)
  return {
    endpoint: Endpoint.tcp(host, port),
    user,
    password: Redacted.make(password),
    database,
    ...(options.tls === true ? { sslMode: "verify-full", rootCertificates: root } : { sslMode: "disable" })
  }
}

/** Opens sessions that each have a new configuration and password. */
export const openWithoutKeyCache = (options: OpenOptions): Promise<Driver> =>
  openWith(configOf(options), options, packed)

export const open = (options: OpenOptions, sharing: Pool.Options = packed): Promise<Driver> => {
  const key = JSON.stringify([options.tls, options.login])
  const config = configs.get(key) ?? configOf(options)
  configs.set(key, config)
  return openWith(config, options, sharing)
}

/** Opens a pool, of one session too. */
export const openPool = (options: OpenOptions): Promise<Driver> => openWith(configOf(options), options, packed, true)

const openWith = async (
  config: ConnectionConfig,
  { connections }: OpenOptions,
  sharing: Pool.Options,
  isPool = connections > 1
): Promise<Driver> => {
  const client: Effect.Effect<Queries<PoolError>, unknown, Scope.Scope | NodePlatform.NodePlatform> = isPool
    ? Pool.make(config, { min: connections, max: connections, ...sharing })
    : Session.make(config)
  const [queries, close] = await acquire(Effect.provide(client, await platform))
  return {
    ...loops((text, parameters) =>
      Effect.map(
        queries.query(parameters.length === 0 ? text : Statement.fromTextUnsafe(text, parameters)),
        ({ rows }) => rows
      )
    ),
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
          concurrency: insertConcurrency,
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
    toMillis: (instant) => Option.getOrThrow(TimestampTz.toDateTime(instant as never)).epochMilliseconds,
    close
  }
}
