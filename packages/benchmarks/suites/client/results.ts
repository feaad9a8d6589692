/** B3, B4, B8: large results. */
import type { Entry, Workload } from "../../Workload.ts"
import { makeDigest } from "../codec/frames.ts"
import { idOf, type Which } from "../codec/samples.ts"
import type { Contender, Driver, Row } from "./Driver.ts"
import { entries, only } from "./entries.ts"

interface Fixture {
  readonly columns: number
  readonly collected: number
  readonly streamed: number
  readonly text: (rows: number) => string
  /** Formats a row as a line for a digest. */
  readonly lineOf: (row: Row, toMillis: Driver["toMillis"]) => string
}

const fixtures: Readonly<Record<Which, Fixture>> = {
  0: {
    columns: 6,
    collected: 200_000,
    streamed: 2_000_000,
    text: (rows) =>
      `select i as id, i * 2 as twice, case when i % 16 = 7 then null else 'name ' || i end as name, i / 1024.0::float8 as ratio,
        timestamptz '2024-01-01 00:00:00Z' + i * interval '1 second' as at, i % 2 = 0 as is_even
      from generate_series(1, ${rows}) as g(i)`,
    lineOf: ({ at, id, is_even, name, ratio, twice }, toMillis) =>
      JSON.stringify([id, twice, name, ratio, toMillis(at), is_even])
  },
  // Other types, texts that are long and not ASCII, and many NULL.
  1: {
    columns: 10,
    collected: 60_000,
    streamed: 400_000,
    text: (rows) =>
      `select (r % 5000 - 1000)::int2 as rank, r * 1000003 as total,
        case when r % 5 = 0 then null else repeat('grüne Wörter, 東京 ', (r % 12)::int4) end as note,
        decode(md5(i::text), 'hex') as hash, md5(i::text)::uuid as key, array[i % 7, null, i] as parts,
        case when r % 3 = 0 then null else (r % 1000) / 8.0::float8 end as score,
        ('{"id": ' || i || ', "tags": ["ü", null]}')::jsonb as document,
        case when r % 4 = 0 then null else timestamptz '1999-01-01 00:00:00Z' + r * interval '1 millisecond' end as at,
        r % 64 <> 0 as is_kept
      from generate_series(1, ${rows}) as g(i), lateral (select (i * 1664525::int8 + 1013904223) % 4294967296) as s(r)`,
    lineOf: ({ at, document, hash, is_kept, key, note, parts, rank, score, total }, toMillis) =>
      JSON.stringify([
        rank,
        String(total),
        note,
        Buffer.from(hash as Uint8Array).toString("hex"),
        key,
        parts,
        score,
        document,
        at === null ? null : toMillis(at),
        is_kept
      ])
  }
}

/** Also runs a statement whose text is new in every round, as it is for one that runs once. */
const collecting = (contenders: ReadonlyArray<Contender>, tls: boolean, set: Which): ReadonlyArray<Entry> => {
  const { collected, lineOf, text } = fixtures[set]
  const statement = text(collected)
  const making = (contenders: ReadonlyArray<Contender>, next: () => string) =>
    entries(contenders, { connections: 1, tls }, async (driver) => ({
      run: () => driver.collect(next()),
      check: async () => {
        const digest = makeDigest()
        for (const row of await driver.collect(next())) digest.add(lineOf(row as Row, driver.toMillis))
        return digest.end()
      }
    }))
  let runs = 0
  const anew = only(contenders, ["hyperfect"]).map((contender) => ({ ...contender, name: `${contender.name}, anew` }))
  return [
    ...making(contenders, () => statement),
    ...making(anew, () => `${statement} -- run ${runs++}`)
  ]
}

export const collected = (contenders: ReadonlyArray<Contender>, set: Which): Workload => ({
  id: idOf("B3", set),
  title: `${fixtures[set].collected} rows of ${fixtures[set].columns} columns, collected as objects`,
  rounds: 9,
  entries: collecting(contenders, false, set)
})

/** Fetching all rows at once would be a different workload, so clients that cannot stream are left out. */
export const streamed = (contenders: ReadonlyArray<Contender>, set: Which): Workload => {
  const { columns, lineOf, streamed, text } = fixtures[set]
  return {
    id: idOf("B4", set),
    title: `${streamed} rows of ${columns} columns, streamed`,
    rounds: 5,
    entries: entries(
      only(contenders, ["hyperfect", "@effect/sql-pg", "postgres", "postgrejs", "socket"]),
      { connections: 1 },
      async (driver) => ({
        run: () => driver.stream!(text(streamed)),
        check: async () => {
          const digest = makeDigest()
          await driver.stream!(text(50_000), (row) => digest.add(lineOf(row as Row, driver.toMillis)))
          return digest.end()
        }
      })
    )
  }
}

export const encrypted = (contenders: ReadonlyArray<Contender>, set: Which): Workload => ({
  id: idOf("B8", set),
  title: `${fixtures[set].collected} rows of ${fixtures[set].columns} columns over TLS 1.3, collected as objects`,
  rounds: 9,
  entries: collecting(only(contenders, ["hyperfect", "@effect/sql-pg", "postgres", "pg", "postgrejs"]), true, set)
})
