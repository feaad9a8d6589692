/** B3, B4, B8: large results. */
import type { Entry, Workload } from "../../Workload.ts"
import { makeDigest } from "../codec/frames.ts"
import type { Contender } from "./Driver.ts"
import { entries, only } from "./entries.ts"

const text = (rows: number): string =>
  `select i as id, i * 2 as twice, case when i % 16 = 7 then null else 'name ' || i end as name, i / 1024.0::float8 as ratio,
    timestamptz '2024-01-01 00:00:00Z' + i * interval '1 second' as at, i % 2 = 0 as is_even
  from generate_series(1, ${rows}) as g(i)`

const collecting = (contenders: ReadonlyArray<Contender>, tls: boolean): ReadonlyArray<Entry> =>
  entries(contenders, { connections: 1, tls }, async (driver) => ({
    run: () => driver.collect(text(200_000)),
    check: async () => {
      const digest = makeDigest()
      for (const row of await driver.collect(text(200_000))) digest.add(JSON.stringify(driver.toRowValues(row)))
      return digest.end()
    }
  }))

export const collected = (contenders: ReadonlyArray<Contender>): Workload => ({
  id: "B3",
  title: "200k rows of 6 columns, collected as objects",
  rounds: 9,
  entries: collecting(contenders, false)
})

/** Fetching all rows at once would be a different workload, so clients that cannot stream are left out. */
export const streamed = (contenders: ReadonlyArray<Contender>): Workload => ({
  id: "B4",
  title: "2M rows of 6 columns, streamed",
  rounds: 5,
  entries: entries(
    only(contenders, ["hyperfect", "@effect/sql-pg", "postgres", "postgrejs", "socket"]),
    { connections: 1 },
    async (driver) => ({
      run: () => driver.stream!(text(2_000_000)),
      check: async () => {
        const digest = makeDigest()
        await driver.stream!(text(50_000), (row) => digest.add(JSON.stringify(driver.toRowValues(row))))
        return digest.end()
      }
    })
  )
})

export const encrypted = (contenders: ReadonlyArray<Contender>): Workload => ({
  id: "B8",
  title: "200k rows of 6 columns over TLS 1.3, collected as objects",
  rounds: 9,
  entries: collecting(only(contenders, ["hyperfect", "@effect/sql-pg", "postgres", "pg", "postgrejs"]), true)
})
