/** B3, B4: large results. */
import type { Entry, Workload } from "../../Workload.ts"
import { makeDigest } from "../codec/chunks.ts"
import type { Contender, Driver } from "./drivers.ts"

const text = (rows: number): string =>
  `select i as id, i * 2 as twice, case when i % 16 = 7 then null else 'name ' || i end as name, i / 1024.0::float8 as ratio,
    timestamptz '2024-01-01 00:00:00Z' + i * interval '1 second' as at, i % 2 = 0 as is_even
  from generate_series(1, ${rows}) as g(i)`

const entries = (
  contenders: ReadonlyArray<Contender>,
  run: (driver: Driver) => Promise<unknown>,
  show: (driver: Driver, onRow: (row: unknown) => void) => Promise<unknown>
): ReadonlyArray<Entry> =>
  contenders.map(({ isBlind, kind, name, open }) => ({
    name,
    kind,
    setup: async () => {
      const driver = await open(1)
      return {
        run: () => run(driver),
        check: async () => {
          const digest = makeDigest()
          await show(driver, (row) => digest.add(JSON.stringify(driver.toLine(row))))
          return isBlind === true ? undefined : digest.end()
        },
        close: driver.close
      }
    }
  }))

export const collected = (contenders: ReadonlyArray<Contender>): Workload => ({
  id: "B3",
  title: "200k rows of 6 columns, collected as objects",
  rounds: 9,
  entries: entries(
    contenders,
    (driver) => driver.collect(text(200_000)),
    async (driver, onRow) => {
      for (const row of await driver.collect(text(200_000))) onRow(row)
    }
  )
})

/** Not all at once, which would be another piece of work: who cannot stream by itself is left out. */
export const streamed = (contenders: ReadonlyArray<Contender>): Workload => ({
  id: "B4",
  title: "2M rows of 6 columns, streamed",
  rounds: 5,
  entries: entries(
    contenders.filter(({ name }) => name !== "pg"),
    (driver) => driver.stream!(text(2_000_000)),
    (driver, onRow) => driver.stream!(text(50_000), onRow)
  )
})
