import { Readable } from "node:stream"
import { pipeline } from "node:stream/promises"
import Postgres from "postgres"
import { getAddress } from "./address.ts"
import type { Driver, OpenOptions, Row } from "./Driver.ts"
import { loops } from "./promiseLoops.ts"

/** The fetch size at which it is fastest. */
const portion = 2000

/** int4, float8, bool or text. */
const elementOid = (element: unknown): number =>
  typeof element === "number" ? (Number.isInteger(element) ? 23 : 701) : typeof element === "boolean" ? 16 : 25

export const open = async (options: OpenOptions): Promise<Driver> => {
  const { connections, tls } = options
  const { database, host, password, port, root, user } = getAddress(options)
  const sql = Postgres({
    host,
    port,
    database,
    username: user,
    password,
    max: connections,
    ...(tls === true ? { ssl: { ca: root } } : {})
  })
  return {
    ...loops((text, parameters) => sql.unsafe<Array<Row>>(text, parameters as Array<never>, { prepare: true })),
    collect: (text) => sql.unsafe(text, [], { prepare: true }),
    stream: async (text, onRow) => {
      let count = 0
      await sql.unsafe(text).cursor(portion, (rows) => {
        count += rows.length
        if (onRow !== undefined) { for (const row of rows) onRow(row) }
      })
      return count
    },
    insert: (text, batches) => {
      // The driver does not infer array types itself.
      const toParameter = (
        value: unknown
      ) => (Array.isArray(value) ? sql.array(value, elementOid(value.find((item) => item !== null))) : value)
      return () =>
        Promise.all(
          batches.map((values) => sql.unsafe(text, values.map(toParameter) as Array<never>, { prepare: true }))
        )
    },
    copyIn: (text, chunks) => async () => pipeline(Readable.from(chunks), await sql.unsafe(text).writable()),
    copyOut: async (text, onChunk) => {
      let size = 0
      for await (const chunk of await sql.unsafe(text).readable()) {
        size += (chunk as Uint8Array).length
        onChunk?.(chunk as Uint8Array)
      }
      return size
    },
    toMillis: (instant) => (instant as Date).getTime(),
    close: () => sql.end()
  }
}
