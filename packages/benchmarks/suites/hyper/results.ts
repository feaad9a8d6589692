/** H2, H3, H4, H6: reading many rows as objects, as columns, as an Arrow table and by a Schema. */
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
import { idOf, sets, type Which } from "../codec/samples.ts"
import { extended, open as openDrain, simple } from "./rawSocket.ts"
import { open } from "./session.ts"

interface Fixture {
  readonly rowCount: number
  readonly what: string
  readonly text: string
  readonly row: Schema.Codec<unknown, unknown>
}

const fixtures: Readonly<Record<Which, Fixture>> = {
  0: {
    rowCount: 1_000_000,
    what: "int, int and text",
    text: "select i, i * 2 as twice, 'text' || i as name from generate_series(0, 999999) as g(i)",
    row: Schema.Struct({ i: Schema.Int, twice: Schema.Int, name: Schema.NullOr(Schema.String) })
  },
  // Fractions, texts that are long and not ASCII, and many NULL.
  1: {
    rowCount: 200_000,
    what: "int, doubles, bool and texts",
    text: `select i, cast(i % 1000 - 200 as double precision) / 8 as ratio, i % 64 <> 0 as is_kept,
        case when i % 3 = 0 then null else cast(i % 77 as double precision) end as score,
        case when i % 5 = 0 then null else 'grüne Wörter, 東京 ' || substring('über lange Zeilen hinweg, und weiter', 1, i % 37) end as body,
        case when i % 4 = 0 then '' else null end as note
      from generate_series(0, 199999) as g(i)`,
    row: Schema.Struct({
      i: Schema.Int,
      ratio: Schema.NullOr(Schema.Number),
      is_kept: Schema.NullOr(Schema.Boolean),
      score: Schema.NullOr(Schema.Number),
      body: Schema.NullOr(Schema.String),
      note: Schema.NullOr(Schema.String)
    })
  }
}

const titled = ({ rowCount, what }: Fixture, how: string): string => `${rowCount} rows of ${what}, ${how}`

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
  title: string,
  read: (session: Session) => Effect.Effect<A, unknown, Client>,
  rowsOf: (result: A) => Iterable<unknown>,
  messages: Buffer
): Workload => ({
  id,
  title,
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

const rowsOfColumns = function*(columns: ReadonlyArray<Columns.Column>): Iterable<ReadonlyArray<unknown>> {
  for (let row = 0; row < columns[0]!.length; row++) yield columns.map((column) => Columns.get(column, row))
}

const streaming = (
  name: string,
  kind: Kind,
  stream: (session: Session) => Stream.Stream<unknown, unknown, Client>
): Entry =>
  reader(name, kind, (session) => Stream.runDrain(stream(session)), (session) => Stream.runCollect(stream(session)))

const workloads = (set: Which): ReadonlyArray<Workload> => {
  const fixture = fixtures[set]
  const { row, rowCount, text } = fixture
  // In order, so that all entries return the same: Hyper keeps none by itself.
  const ordered = `${text} order by i`
  return [
    reading(
      idOf("H2", set),
      titled(fixture, "collected as objects"),
      (session) => session.query(text),
      ({ rows }) => rows,
      extended(text)
    ),
    reading(
      idOf("H3", set),
      titled(fixture, "collected in columns"),
      (session) => session.columns(text),
      ({ columns }) => rowsOfColumns(columns),
      extended(text)
    ),
    reading(
      idOf("H4", set),
      titled(fixture, "as a table of apache-arrow"),
      () =>
        Effect.map(HyperArrow.collect(fromTextUnsafe(text)), (bytes) => {
          const table = tableFromIPC(bytes)
          if (table.numRows !== rowCount) throw new Error(`${table.numRows} rows`)
          return table
        }),
      (table) => table,
      simple(`copy (${text}) to stdout with (format arrowstream)`)
    ),
    // The ratio to the streamed rows is the one of interest, in processor time: all entries wait for the same server.
    {
      id: idOf("H6", set),
      title: titled(fixture, "streamed by a Schema"),
      rounds: 9,
      entries: [
        streaming("Query.stream", "ours", (session) => Query.stream(session.stream(ordered), row)),
        reader(
          "columns",
          "ours",
          (session) => session.columns(ordered),
          (session) =>
            Effect.map(session.columns(ordered), ({ columns, fields }) =>
              Array.from(
                rowsOfColumns(columns),
                (values) => Object.fromEntries(values.map((value, i) => [fields[i]!.name, value]))
              ))
        ),
        streaming("raw rows", "limit", (session) => session.stream(ordered))
      ]
    }
  ]
}

export const results: ReadonlyArray<Workload> = sets.flatMap(workloads)
