import Pg from "pg"
import type { Driver, OpenOptions } from "./Driver.ts"
import { openWith } from "./pg.ts"

export const open = async (options: OpenOptions): Promise<Driver> => {
  if (Pg.native === null) throw new Error("pg-native cannot be loaded")
  const { collect, inFlight, insert, sequential, toMillis, close } = await openWith(Pg.native, options)
  return { collect, inFlight, insert, sequential, toMillis, close }
}
