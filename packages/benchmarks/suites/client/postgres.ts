import Postgres from "postgres"
import { getAddress } from "./address.ts"
import type { Driver } from "./drivers.ts"
import { loops } from "./promises.ts"
import { one } from "./queries.ts"

/** How many rows are asked for at a time: where it is fastest. */
const portion = 2000

export const open = async (connections: number): Promise<Driver> => {
  const { database, host, port, user } = getAddress()
  const sql = Postgres({ host, port, database, username: user, max: connections })
  return {
    ...loops(async () => {
      const [row] = await sql.unsafe<Array<{ n: number }>>(one, [], { prepare: true })
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
    toLine: (row) => {
      const { at, id, is_even, name, ratio, twice } = row as Record<string, never>
      return [id!, twice!, name!, ratio!, (at as unknown as Date).getTime(), is_even!]
    },
    close: () => sql.end()
  }
}
