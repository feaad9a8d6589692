/** B5a, B5b: inserts of many rows by statements with many parameters. */
import type { Entry, Workload } from "../../Workload.ts"
import { seeded, sentence } from "../codec/documents.ts"
import { idOf, type Which } from "../codec/samples.ts"
import type { Contender, Parameters } from "./Driver.ts"
import { entries, only } from "./entries.ts"

type Row = ReadonlyArray<unknown>

interface Fixture {
  readonly rowCount: number
  readonly columns: ReadonlyArray<readonly [name: string, type: string]>
  // Drivers that infer the type of an array from its first element need a non-integer number in a column of float8.
  readonly row: (id: number) => Row
  /** The rows of a statement with VALUES. */
  readonly rowsOfValues: number
  /** The rows of a statement with arrays. */
  readonly rowsOfArrays: number
}

const fixtures: Readonly<Record<Which, Fixture>> = {
  0: {
    rowCount: 100_000,
    columns: [["id", "int4"], ["name", "text"], ["ratio", "float8"], ["is_even", "bool"]],
    row: (id) => [id, `name ${id}`, (id + 0.5) / 1024, id % 2 === 0],
    rowsOfValues: 1000,
    rowsOfArrays: 10_000
  },
  // Texts that are long and not ASCII, small numbers, and many NULL.
  1: {
    rowCount: 24_000,
    columns: [
      ["body", "text"],
      ["low", "float8"],
      ["high", "float8"],
      ["rank", "int2"],
      ["day", "int4"],
      ["is_final", "bool"],
      ["note", "text"],
      ["id", "int4"]
    ],
    row: (id) => {
      const next = seeded(id)
      const float = () => next(900) < 300 ? null : next(1000) + 0.5
      return [
        sentence(next, next(40)),
        float(),
        float(),
        next(200) - 50,
        next(900) < 100 ? null : next(366),
        next(900) < 100 ? null : next(100) < 97,
        next(900) < 700 ? null : "ü",
        id
      ]
    },
    rowsOfValues: 500,
    rowsOfArrays: 4000
  }
}

/** Splits the rows into batches. */
const batchesOf = ({ row, rowCount }: Fixture, size: number): ReadonlyArray<ReadonlyArray<Row>> =>
  Array.from({ length: rowCount / size }, (_, part) => Array.from({ length: size }, (_, i) => row(part * size + i)))

/** `($1, $2, $3, $4), ($5, ...` */
const placeholders = (rows: number, columns: number): string =>
  Array.from(
    { length: rows },
    (_, row) => `(${Array.from({ length: columns }, (_, i) => `$${columns * row + i + 1}`).join(", ")})`
  ).join(", ")

const truncate = "truncate lines"
const summary = "select count(*)::int4 as n, md5(string_agg(l::text, ',' order by id)) as digest from lines as l"

const inserting = (
  contenders: ReadonlyArray<Contender>,
  { columns }: Fixture,
  text: string,
  batches: () => ReadonlyArray<Parameters>
): ReadonlyArray<Entry> =>
  entries(contenders, { connections: 1 }, async (driver) => {
    await driver.collect(`create temporary table lines (${columns.map((column) => column.join(" ")).join(", ")})`)
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

const inserters = ["hyperfect", "@effect/sql-pg", "postgres", "pg", "pg-native", "socket"]

export const byValues = (contenders: ReadonlyArray<Contender>, set: Which): Workload => {
  const fixture = fixtures[set]
  const { columns, rowCount, rowsOfValues } = fixture
  return {
    id: idOf("B5a", set),
    title: `${rowCount} rows of ${columns.length} columns by VALUES, ${rowsOfValues} rows a statement`,
    rounds: 9,
    entries: inserting(
      only(contenders, inserters),
      fixture,
      `insert into lines values ${placeholders(rowsOfValues, columns.length)}`,
      () => batchesOf(fixture, rowsOfValues).map((rows) => rows.flat())
    )
  }
}

export const byArrays = (contenders: ReadonlyArray<Contender>, set: Which): Workload => {
  const fixture = fixtures[set]
  const { columns, rowCount, rowsOfArrays } = fixture
  const arrays = columns.map(([, type], i) => `$${i + 1}::${type}[]`).join(", ")
  return {
    id: idOf("B5b", set),
    title: `${rowCount} rows of ${columns.length} columns by unnest of arrays, ${rowsOfArrays} rows a statement`,
    rounds: 9,
    entries: inserting(
      only(contenders, inserters),
      fixture,
      `insert into lines select * from unnest(${arrays})`,
      () => batchesOf(fixture, rowsOfArrays).map((rows) => columns.map((_, column) => rows.map((row) => row[column])))
    )
  }
}
