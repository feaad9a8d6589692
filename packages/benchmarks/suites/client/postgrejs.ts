import { Connection, type ConnectionConfiguration, Pool, type PreparedStatement } from "postgrejs"
import { getAddress } from "./address.ts"
import type { Driver, OpenOptions, Parameters } from "./Driver.ts"
import { loops } from "./promiseLoops.ts"

/** A fetch size large enough to fetch all rows at once. */
const all = 10_000_000

/** The fetch size of a cursor at which it is fastest. */
const portion = 2000

const toMillis = (instant: unknown): number => (instant as Date).getTime()

export const open = async (options: OpenOptions): Promise<Driver> => {
  const { connections, tls } = options
  const { database, host, password, port, root, user } = getAddress(options)
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
      ...loops(async (text, params) => (await pool.query(text, { objectRows: true, params: [...params] })).rows!),
      collect: async (text) => (await pool.query(text, { objectRows: true, fetchCount: all })).rows!,
      toMillis,
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
  const collect = async (text: string, params: Parameters = []) =>
    (await (await prepare(text)).execute({ objectRows: true, fetchCount: all, params: [...params] })).rows ?? []
  return {
    ...loops(collect),
    collect: (text) => collect(text),
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
    toMillis,
    close: () => connection.close(0)
  }
}
