/** H2, H3, H4, H6: reading a million rows as objects, as columns, as an Arrow table and by a Schema. */
import type { Client } from "@hyperfect/client/Client"
import * as Query from "@hyperfect/client/Query"
import type { Session } from "@hyperfect/client/Session"
import { fromTextUnsafe } from "@hyperfect/client/Statement"
import * as HyperArrow from "@hyperfect/hyper/HyperArrow"
import * as Columns from "@hyperfect/values/Columns"
import { tableFromIPC } from "apache-arrow"
import { Effect, Schema, Stream } from "effect"
import type { Entry, Kind, Workload } from "../../Workload.ts"
import { makeDigest } from "../codec/frames.ts"
import { extended, open as openDrain, simple } from "./rawSocket.ts"
import { open } from "./session.ts"

const text = "select i, i * 2 as twice, 'text' || i as name from generate_series(0, 999999) as g(i)"

const rowCount = 1_000_000

/** Makes an entry that reads a result, whose rows `rowsOf` returns. */
const reader = <A>(
  name: string,
  kind: Kind,
  read: (session: Session) => Effect.Effect<A, unknown, Client>,
  rowsOf: (session: Session) => Effect.Effect<Iterable<unknown>, unknown, Client>
): Entry => ({
  name,
  kind,
  setup: async () => {
    const { close, run, session } = await open()
    return {
      run: () => run(read(session)),
      check: async () => {
        const digest = makeDigest()
        for (const row of await run(rowsOf(session))) digest.add(JSON.stringify(row))
        return digest.end()
      },
      close
    }
  }
})

/**
 * Makes a workload that reads a result, whose rows `rowsOf` returns, with a socket that requests the same result as the
 * limit.
 */
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
    reader("hyperfect", "ours", read, (session) => Effect.map(read(session), rowsOf)),
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

const rowsOfColumns = function*(columns: ReadonlyArray<Columns.Column>): Iterable<unknown> {
  for (let row = 0; row < columns[0]!.length; row++) yield columns.map((column) => Columns.get(column, row))
}

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
  ({ columns }) => rowsOfColumns(columns),
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

/** In order, so that all entries return the same: Hyper keeps none by itself. */
const ordered = `${text} order by i`

const RowOfSchema = Schema.Struct({ i: Schema.Int, twice: Schema.Int, name: Schema.NullOr(Schema.String) })

const streaming = (
  name: string,
  kind: Kind,
  stream: (session: Session) => Stream.Stream<unknown, unknown, Client>
): Entry =>
  reader(name, kind, (session) => Stream.runDrain(stream(session)), (session) => Stream.runCollect(stream(session)))

/** The ratio to the streamed rows is the one of interest, in processor time: all entries wait for the same server. */
export const bySchema: Workload = {
  id: "H6",
  title: "1M rows of int, int and text, streamed by a Schema",
  rounds: 9,
  entries: [
    streaming("Query.stream", "ours", (session) => Query.stream(session.stream(ordered), RowOfSchema)),
    reader(
      "columns",
      "ours",
      (session) => session.columns(ordered),
      (session) =>
        Effect.map(
          session.columns(ordered),
          ({ columns: [i, twice, name] }) =>
            Array.from({ length: i!.length }, (_, row) => ({
              i: Columns.get(i!, row),
              twice: Columns.get(twice!, row),
              name: Columns.get(name!, row)
            }))
        )
    ),
    streaming("raw rows", "limit", (session) => session.stream(ordered))
  ]
}
