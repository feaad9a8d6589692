/** B1, B2a, B2b: very small queries. What is measured is everything around them. */
import type { Entry, Workload } from "../../Workload.ts"
import type { Contender, Driver } from "./drivers.ts"

export const one = "select 1::int4 as n"

const entries = (
  contenders: ReadonlyArray<Contender>,
  connections: number,
  run: (driver: Driver) => Promise<number>
): ReadonlyArray<Entry> =>
  contenders.map(({ isBlind, kind, name, open }) => ({
    name,
    kind,
    setup: async () => {
      const driver = await open(connections)
      return {
        run: () => run(driver),
        check: async () => {
          const sum = await run(driver)
          return isBlind === true ? undefined : `${sum}`
        },
        close: driver.close
      }
    }
  }))

export const sequential = (contenders: ReadonlyArray<Contender>): Workload => ({
  id: "B1",
  title: "8k prepared `select 1`, one after the other, one connection",
  entries: entries(contenders, 1, (driver) => driver.sequential(8000))
})

export const inFlight = (contenders: ReadonlyArray<Contender>): Workload => ({
  id: "B2a",
  title: "16k prepared `select 1`, 64 in flight, one connection",
  entries: entries(contenders, 1, (driver) => driver.inFlight(16_000, 64))
})

export const pooled = (contenders: ReadonlyArray<Contender>): Workload => ({
  id: "B2b",
  title: "16k prepared `select 1`, 64 in flight, pool of 10",
  entries: entries(contenders, 10, (driver) => driver.inFlight(16_000, 64))
})
