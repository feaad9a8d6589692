/** H2, H3, H4: a million rows, as objects, in columns and as a table of Arrow. */
import type { Client } from "@hyperfect/client/Client"
import type { Session } from "@hyperfect/client/Session"
import { fromTextUnsafe } from "@hyperfect/client/Statement"
import * as HyperArrow from "@hyperfect/hyper/HyperArrow"
import * as Columns from "@hyperfect/values/Columns"
import { tableFromIPC } from "apache-arrow"
import { Effect } from "effect"
import type { Workload } from "../../Workload.ts"
import { makeDigest } from "../codec/chunks.ts"
import { extended, open as openDrain, simple } from "./drain.ts"
import { open } from "./session.ts"

const text = "select i, i * 2 as twice, 'text' || i as name from generate_series(0, 999999) as g(i)"

const rowCount = 1_000_000

/** Reads a result, of which `rowsOf` gives the rows, against a socket that sends messages for the same one. */
const reading = <A>(
  id: string,
  what: string,
  read: (session: Session) => Effect.Effect<A, unknown, Client>,
  rowsOf: (result: A) => Iterable<unknown>,
  messages: Buffer
): Workload => ({
  id,
  title: `1M rows of int, int and text, ${what}`,
  rounds: 9,
  entries: [
    {
      name: "hyperfect",
      kind: "ours",
      setup: async () => {
        const { close, run, session } = await open()
        return {
          run: () => run(read(session)),
          check: async () => {
            const digest = makeDigest()
            for (const row of rowsOf(await run(read(session)))) digest.add(JSON.stringify(row))
            return digest.end()
          },
          close
        }
      }
    },
    {
      name: "socket",
      kind: "limit",
      setup: async () => {
        const { close, drain } = await openDrain()
        return { run: () => drain(messages), check: () => drain(messages).then(() => undefined), close }
      }
    }
  ]
})

export const intoObjects = reading(
  "H2",
  "collected as objects",
  (session) => session.query(text),
  ({ rows }) => rows,
  extended(text)
)

export const intoColumns = reading(
  "H3",
  "collected in columns",
  (session) => session.columns(text),
  function*({ columns }) {
    for (let row = 0; row < columns[0]!.length; row++) yield columns.map((column) => Columns.get(column, row))
  },
  extended(text)
)

export const intoArrow = reading(
  "H4",
  "as a table of apache-arrow",
  () =>
    Effect.map(HyperArrow.collect(fromTextUnsafe(text)), (bytes) => {
      const table = tableFromIPC(bytes)
      if (table.numRows !== rowCount) throw new Error(`${table.numRows} rows`)
      return table
    }),
  (table) => table,
  simple(`copy (${text}) to stdout with (format arrowstream)`)
)
