/** H5: many small statements that are independent of each other. */
import * as BuiltIn from "@hyperfect/values/BuiltIn"
import type * as Type from "@hyperfect/values/Type"
import { Effect } from "effect"
import type { Workload } from "../../Workload.ts"
import { seeded, sentence } from "../codec/documents.ts"
import { idOf, sets, type Which } from "../codec/samples.ts"
import * as RawSocket from "./rawSocket.ts"
import { open } from "./session.ts"

const count = 1000

interface Fixture {
  readonly what: string
  readonly create: string
  readonly insert: string
  readonly types: ReadonlyArray<Type.Any>
  readonly parameters: (index: number) => ReadonlyArray<string | number | null>
  /** A query of one row that depends on all columns, and its values after the first round. */
  readonly summary: string
  readonly expected: (all: ReadonlyArray<ReadonlyArray<unknown>>) => string
}

const sum = (values: ReadonlyArray<unknown>): number => (values as ReadonlyArray<number>).reduce((a, b) => a + b, 0)

const fixtures: Readonly<Record<Which, Fixture>> = {
  0: {
    what: "INSERTs",
    create: "create temporary table numbers (n integer)",
    insert: "insert into numbers values ($1)",
    types: [BuiltIn.int4],
    parameters: (index) => [index],
    summary: "select count(*), sum(n) from numbers",
    expected: (all) => `${all.length} ${sum(all.map(([n]) => n))}`
  },
  1: {
    what: "INSERTs of texts that are not ASCII, doubles and NULL",
    create: "create temporary table readings (name text, ratio double precision, day integer)",
    insert: "insert into readings values ($1, $2, $3)",
    types: [BuiltIn.text, BuiltIn.float8, BuiltIn.int4],
    parameters: (index) => {
      const next = seeded(index)
      return [sentence(next, next(20)), (next(1000) - 200) / 8, next(900) < 300 ? null : next(366)]
    },
    summary: "select count(day), sum(day), sum(ratio), sum(length(name)) from readings",
    expected: (all) => {
      const days = all.map(([, , day]) => day).filter((day) => day !== null)
      const characters = all.map(([name]) => Array.from(name as string).length)
      return `${days.length} ${sum(days)} ${sum(all.map(([, ratio]) => ratio))} ${sum(characters)}`
    }
  }
}

const workload = (set: Which): Workload => {
  const { create, expected, insert, parameters, summary, types, what } = fixtures[set]
  const all = () => Array.from({ length: count }, (_, index) => parameters(index))
  return {
    id: idOf("H5", set),
    title: `${count} prepared ${what}, all under way at once`,
    rounds: 9,
    entries: [
      {
        name: "hyperfect",
        kind: "ours",
        setup: async () => {
          const { close, run, session } = await open()
          await run(session.simple(create))
          const rows = all()
          const insertAll = () =>
            run(
              Effect.scoped(
                Effect.flatMap(session.prepare(insert, types), (prepared) =>
                  Effect.forEach(rows, (row) =>
                    prepared.execute(...row), { concurrency: "unbounded", discard: true }))
              )
            )
          return {
            run: insertAll,
            check: async () => {
              await insertAll()
              const { rows: [found] } = await run(session.values(summary))
              const [line, wanted] = [found!.map(String).join(" "), expected(rows)]
              if (line !== wanted) throw new Error(`${line} instead of ${wanted}`)
              return line
            },
            close
          }
        }
      },
      {
        name: "socket",
        kind: "limit",
        setup: async () => {
          const { close, drain } = await RawSocket.open()
          await drain(RawSocket.simple(create))
          await drain(RawSocket.prepare("i", insert, types.map(({ oid }) => oid)))
          const messages = Buffer.concat(all().map((row) => RawSocket.run("i", row)))
          const insertAll = () => drain(messages, count)
          return { run: insertAll, check: () => insertAll().then(() => undefined), close }
        }
      }
    ]
  }
}

export const statements: ReadonlyArray<Workload> = sets.map(workload)
