/** B5a, B5b: inserts of many rows by statements with many parameters. */
import type { Entry, Workload } from "../../Workload.ts"
import type { Contender, Parameters } from "./Driver.ts"
import { entries, only } from "./entries.ts"

const rowCount = 100_000
/** 4,000 parameters per statement. */
const rowsOfValues = 1000
const rowsOfArrays = 10_000

type Row = readonly [id: number, name: string, ratio: number, isEven: boolean]

// Drivers that infer the type of an array from its first element need a non-integer number there.
const row = (id: number): Row => [id, `name ${id}`, (id + 0.5) / 1024, id % 2 === 0]

/** Splits the rows into batches. */
const batchesOf = (size: number): ReadonlyArray<ReadonlyArray<Row>> =>
  Array.from({ length: rowCount / size }, (_, part) => Array.from({ length: size }, (_, i) => row(part * size + i)))

/** `($1, $2, $3, $4), ($5, ...` */
const placeholders = (rows: number): string =>
  Array.from({ length: rows }, (_, i) => `($${4 * i + 1}, $${4 * i + 2}, $${4 * i + 3}, $${4 * i + 4})`).join(", ")

const create = "create temporary table lines (id int4, name text, ratio float8, is_even bool)"
const truncate = "truncate lines"
const summary = "select count(*)::int4 as n, md5(string_agg(l::text, ',' order by id)) as digest from lines as l"

const inserting = (
  contenders: ReadonlyArray<Contender>,
  text: string,
  batches: () => ReadonlyArray<Parameters>
): ReadonlyArray<Entry> =>
  entries(contenders, { connections: 1 }, async (driver) => {
    await driver.collect(create)
    const insert = driver.insert!(text, batches())
    const run = async () => {
      await driver.collect(truncate)
      await insert()
    }
    return {
      run,
      check: async () => {
        await run()
        const [line] = await driver.collect(summary) as ReadonlyArray<{ readonly n: number; readonly digest: string }>
        return `${line!.n} ${line!.digest}`
      }
    }
  })

export const byValues = (contenders: ReadonlyArray<Contender>): Workload => ({
  id: "B5a",
  title: "100k rows by VALUES, 1,000 rows a statement",
  rounds: 9,
  entries: inserting(
    only(contenders, ["hyperfect", "@effect/sql-pg", "postgres", "pg", "pg-native", "socket"]),
    `insert into lines values ${placeholders(rowsOfValues)}`,
    () => batchesOf(rowsOfValues).map((rows) => rows.flat())
  )
})

export const byArrays = (contenders: ReadonlyArray<Contender>): Workload => ({
  id: "B5b",
  title: "100k rows by unnest of arrays, 10,000 rows a statement",
  rounds: 9,
  entries: inserting(
    only(contenders, ["hyperfect", "@effect/sql-pg", "postgres", "pg", "pg-native", "socket"]),
    "insert into lines select * from unnest($1::int4[], $2::text[], $3::float8[], $4::bool[])",
    () => batchesOf(rowsOfArrays).map((rows) => [0, 1, 2, 3].map((column) => rows.map((row) => row[column])))
  )
})
