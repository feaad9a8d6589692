import { Readable } from "node:stream"
import { pipeline } from "node:stream/promises"
import Pg from "pg"
import { from, to } from "pg-copy-streams"
import { getAddress } from "./address.ts"
import type { Driver, OpenOptions, Row } from "./Driver.ts"
import { loops } from "./promiseLoops.ts"

/** Opens `library`, which is `pg` or its variant over libpq. */
export const openWith = async (
  library: Pick<typeof Pg, "Client" | "Pool">,
  options: OpenOptions
): Promise<Driver> => {
  const { connections, tls } = options
  const { database, host, password, port, root, user } = getAddress(options)
  const config = { host, port, database, user, password, ...(tls === true ? { ssl: { ca: root } } : {}) }
  const pool = connections === 1
    ? undefined
    : new library.Pool({ ...config, min: connections, max: connections, idleTimeoutMillis: 0 })
  // A single connection is a client, which queues any number of queries.
  const client = new library.Client(config)
  if (pool === undefined) await client.connect()
  const queries = pool ?? client
  return {
    ...loops(async (text, parameters) =>
      (await queries.query<Row>({ name: text.slice(0, 40), text, values: [...parameters] })).rows
    ),
    collect: async (text) => (await queries.query(text)).rows,
    insert: (text, batches) => () =>
      Promise.all(batches.map((values) => queries.query({ name: text.slice(0, 40), text, values: [...values] }))),
    copyIn: (text, chunks) => () => pipeline(Readable.from(chunks), client.query(from(text))),
    copyOut: async (text, onChunk) => {
      let size = 0
      for await (const chunk of client.query(to(text))) {
        size += (chunk as Uint8Array).length
        onChunk?.(chunk as Uint8Array)
      }
      return size
    },
    toMillis: (instant) => (instant as Date).getTime(),
    close: () => (pool ?? client).end()
  }
}

export const open = (options: OpenOptions): Promise<Driver> => openWith(Pg, options)
