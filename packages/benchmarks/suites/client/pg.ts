import Pg from "pg"
import { getAddress } from "./address.ts"
import type { Driver } from "./drivers.ts"
import { loops } from "./promises.ts"
import { one } from "./queries.ts"

export const open = async (connections: number): Promise<Driver> => {
  const pool = new Pg.Pool({ ...getAddress(), min: connections, max: connections, idleTimeoutMillis: 0 })
  // One connection is a client of its own, which takes any number of queries into its queue.
  const client = connections === 1 ? await pool.connect() : undefined
  const queries = client ?? pool
  return {
    ...loops(async () => {
      const { rows } = await queries.query<{ n: number }>({ name: "one", text: one })
      return rows[0]!.n
    }),
    collect: async (text) => (await queries.query(text)).rows,
    toLine: (row) => {
      const { at, id, is_even, name, ratio, twice } = row as Record<string, never>
      return [id!, twice!, name!, ratio!, (at as unknown as Date).getTime(), is_even!]
    },
    close: async () => {
      client?.release()
      await pool.end()
    }
  }
}
