import { Readable } from "node:stream"
import { pipeline } from "node:stream/promises"
import Postgres from "postgres"
import { getAddress } from "./address.ts"
import { type Driver, type OpenOptions, selectOne } from "./Driver.ts"
import { loops } from "./promiseLoops.ts"

/** The fetch size at which it is fastest. */
const portion = 2000

/** int4, float8, bool or text. */
const elementOid = (element: unknown): number =>
  typeof element === "number" ? (Number.isInteger(element) ? 23 : 701) : typeof element === "boolean" ? 16 : 25

export const open = async ({ connections, tls }: OpenOptions): Promise<Driver> => {
  const { database, host, password, port, root, user } = getAddress(tls)
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
    ...loops(async () => {
      const [row] = await sql.unsafe<Array<{ n: number }>>(selectOne, [], { prepare: true })
      return row!.n
    }),
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
      const toParameter = (value: unknown) => (Array.isArray(value) ? sql.array(value, elementOid(value[0])) : value)
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
    toRowValues: (row) => {
      const { at, id, is_even, name, ratio, twice } = row as Record<string, never>
      return [id!, twice!, name!, ratio!, (at as unknown as Date).getTime(), is_even!]
    },
    close: () => sql.end()
  }
}
