/** B1, B2a, B2b: trivial queries, which measure the overhead per query. */
import type { Entry, Workload } from "../../Workload.ts"
import { idOf, type Which } from "../codec/samples.ts"
import { type Contender, type Driver, queries } from "./Driver.ts"
import { entries } from "./entries.ts"

const what: Readonly<Record<Which, string>> = {
  0: "`select 1`",
  1: "queries with two parameters and five rows"
}

const sums = (
  contenders: ReadonlyArray<Contender>,
  connections: number,
  sum: (driver: Driver) => Promise<number>
): ReadonlyArray<Entry> =>
  entries(contenders, { connections }, async (driver) => ({
    run: () => sum(driver),
    check: async () => `${await sum(driver)}`
  }))

export const sequential = (contenders: ReadonlyArray<Contender>, set: Which): Workload => ({
  id: idOf("B1", set),
  title: `8k prepared ${what[set]}, one after the other, one connection`,
  entries: sums(contenders, 1, (driver) => driver.sequential(queries[set], 8000))
})

export const inFlight = (contenders: ReadonlyArray<Contender>, set: Which): Workload => ({
  id: idOf("B2a", set),
  title: `16k prepared ${what[set]}, 64 in flight, one connection`,
  entries: sums(contenders, 1, (driver) => driver.inFlight(queries[set], 16_000, 64))
})

export const pooled = (contenders: ReadonlyArray<Contender>, set: Which): Workload => ({
  id: idOf("B2b", set),
  title: `16k prepared ${what[set]}, 64 in flight, pool of 10`,
  entries: sums(contenders, 10, (driver) => driver.inFlight(queries[set], 16_000, 64))
})
