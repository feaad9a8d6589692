import { Connection, type ConnectionConfiguration, Pool, type PreparedStatement } from "postgrejs"
import { getAddress } from "./address.ts"
import { type Driver, type OpenOptions, selectOne } from "./Driver.ts"
import { loops } from "./promiseLoops.ts"

/** A fetch size large enough to fetch all rows at once. */
const all = 10_000_000

/** The fetch size of a cursor at which it is fastest. */
const portion = 2000

export const open = async ({ connections, tls }: OpenOptions): Promise<Driver> => {
  const { database, host, password, port, root, user } = getAddress(tls)
  const config: ConnectionConfiguration = {
    host,
    port,
    database,
    user,
    password,
    ...(tls === true ? { ssl: { ca: root } } : {})
  }
  if (connections > 1) {
    const pool = new Pool({ ...config, min: connections, max: connections })
    return {
      ...loops(async () => (await pool.query(selectOne, { objectRows: true })).rows![0].n),
      collect: async (text) => (await pool.query(text, { objectRows: true, fetchCount: all })).rows!,
      toRowValues: () => {
        throw new Error("a pool is asked for one row")
      },
      close: () => pool.close(0)
    }
  }
  const connection = new Connection(config)
  await connection.connect()
  const prepared = new Map<string, Promise<PreparedStatement>>()
  const prepare = (text: string): Promise<PreparedStatement> => {
    let statement = prepared.get(text)
    if (statement === undefined) prepared.set(text, statement = connection.prepare(text))
    return statement
  }
  const collect = async (text: string) =>
    (await (await prepare(text)).execute({ objectRows: true, fetchCount: all })).rows ?? []
  return {
    ...loops(async () => (await collect(selectOne))[0].n),
    collect,
    stream: async (text, onRow) => {
      const { cursor } = await connection.query(text, { cursor: true, objectRows: true, fetchCount: portion })
      let count = 0
      while (true) {
        const rows = await cursor!.fetch(portion)
        if (rows.length === 0) break
        count += rows.length
        if (onRow !== undefined) { for (const row of rows) onRow(row) }
      }
      await cursor!.close()
      return count
    },
    toRowValues: (row) => {
      const { at, id, is_even, name, ratio, twice } = row as Record<string, never>
      return [id!, twice!, name!, ratio!, (at as unknown as Date).getTime(), is_even!]
    },
    close: () => connection.close(0)
  }
}
