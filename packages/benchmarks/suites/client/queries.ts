/** B1, B2a, B2b: trivial queries, which measure the overhead per query. */
import type { Entry, Workload } from "../../Workload.ts"
import type { Contender, Driver } from "./Driver.ts"
import { entries } from "./entries.ts"

const sums = (
  contenders: ReadonlyArray<Contender>,
  connections: number,
  sum: (driver: Driver) => Promise<number>
): ReadonlyArray<Entry> =>
  entries(contenders, { connections }, async (driver) => ({
    run: () => sum(driver),
    check: async () => `${await sum(driver)}`
  }))

export const sequential = (contenders: ReadonlyArray<Contender>): Workload => ({
  id: "B1",
  title: "8k prepared `select 1`, one after the other, one connection",
  entries: sums(contenders, 1, (driver) => driver.sequential(8000))
})

export const inFlight = (contenders: ReadonlyArray<Contender>): Workload => ({
  id: "B2a",
  title: "16k prepared `select 1`, 64 in flight, one connection",
  entries: sums(contenders, 1, (driver) => driver.inFlight(16_000, 64))
})

export const pooled = (contenders: ReadonlyArray<Contender>): Workload => ({
  id: "B2b",
  title: "16k prepared `select 1`, 64 in flight, pool of 10",
  entries: sums(contenders, 10, (driver) => driver.inFlight(16_000, 64))
})
