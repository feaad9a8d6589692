/** H1: many rows by COPY in HyperBinary. */
import type { Client } from "@hyperfect/client/Client"
import * as HyperTable from "@hyperfect/hyper/HyperTable"
import * as ByteWriter from "@hyperfect/protocol/ByteWriter"
import * as BuiltIn from "@hyperfect/values/BuiltIn"
import * as HyperBinaryCopy from "@hyperfect/values/HyperBinaryCopy"
import type * as RowWriter from "@hyperfect/values/RowWriter"
import { type Effect, Schema, Stream } from "effect"
import type { Entry, Workload } from "../../Workload.ts"
import { seeded, sentence } from "../codec/documents.ts"
import { idOf, sets, type Which } from "../codec/samples.ts"
import { open, type OpenSession } from "./session.ts"

const chunkSize = 64 * 1024

interface Fixture {
  readonly rowCount: number
  /** Creates the table. */
  readonly create: HyperTable.HyperTable<HyperTable.Fields>["create"]
  /** Makes the rows, and returns their insertion. */
  readonly insertion: () => Effect.Effect<unknown, unknown, Client>
  /** Returns the data as on the wire. */
  readonly encode: () => ReadonlyArray<Uint8Array>
  /** A query of one row of texts that depends on all columns. */
  readonly summary: string
}

const fixture = <const F extends HyperTable.Fields>(
  rowCount: number,
  fields: F,
  columns: RowWriter.Options["columns"],
  row: (id: number) => HyperTable.RowInput<F> & Readonly<Record<string, unknown>>,
  summary: string
): Fixture => {
  const table = HyperTable.make("lines", fields, { temporary: true })
  return {
    rowCount,
    create: table.create,
    insertion: () => table.insert(Array.from({ length: rowCount }, (_, id) => row(id))),
    encode: () => {
      const write = HyperBinaryCopy.objectsUnsafe({ columns })
      const out = ByteWriter.make(2 * chunkSize)
      const chunks: Array<Uint8Array> = []
      HyperBinaryCopy.writeHeader(out)
      for (let id = 0; id < rowCount; id++) {
        write(out, row(id), id)
        if (out.size >= chunkSize) chunks.push(out.take())
      }
      chunks.push(out.take())
      return chunks
    },
    summary
  }
}

const { bool, float8, int4, text } = BuiltIn

const fixtures: Readonly<Record<Which, Fixture>> = {
  0: fixture(
    1_000_000,
    { id: Schema.Int, ratio: Schema.Number, name: Schema.String },
    [
      { name: "id", type: int4, nullable: false },
      { name: "ratio", type: float8, nullable: false },
      { name: "name", type: text, nullable: false }
    ],
    (id) => ({ id, ratio: id / 1024, name: `name ${id}` }),
    "select cast(count(*) as text), cast(sum(id) as text), cast(sum(ratio) as text), max(name) from lines"
  ),
  // Texts that are long and not ASCII, small numbers, and many NULL.
  1: fixture(
    150_000,
    {
      body: Schema.String,
      low: Schema.NullOr(Schema.Number),
      high: Schema.NullOr(Schema.Number),
      isFinal: Schema.NullOr(Schema.Boolean),
      day: Schema.Int,
      note: Schema.NullOr(Schema.String)
    },
    [
      { name: "body", type: text, nullable: false },
      { name: "low", type: float8 },
      { name: "high", type: float8 },
      { name: "isFinal", type: bool },
      { name: "day", type: int4, nullable: false },
      { name: "note", type: text }
    ],
    (id) => {
      const next = seeded(id)
      const float = () => next(900) < 300 ? null : (next(1000) - 200) / 8
      return {
        body: sentence(next, next(40)),
        low: float(),
        high: float(),
        isFinal: next(900) < 100 ? null : next(100) < 97,
        day: next(366),
        note: next(900) < 700 ? null : ""
      }
    },
    `select cast(count(*) as text), cast(sum(length(body)) as text), max(body), cast(sum(low) as text),
      cast(sum(high) as text), cast(sum(case when "isFinal" then 1 else 0 end) as text),
      cast(count("isFinal") as text), cast(sum(day) as text), cast(count(note) as text) from lines`
  )
}

const inserting = (
  name: string,
  kind: "ours" | "limit",
  { create, summary }: Fixture,
  insert: (opened: OpenSession) => () => Promise<unknown>
): Entry => ({
  name,
  kind,
  setup: async () => {
    const opened = await open()
    await opened.run(create)
    const run = insert(opened)
    return {
      run: async () => {
        await opened.run(opened.session.query("truncate table lines"))
        await run()
      },
      check: async () => {
        await opened.run(opened.session.query("truncate table lines"))
        await run()
        const { rows } = await opened.run(opened.session.values(summary))
        return JSON.stringify(rows)
      },
      close: opened.close
    }
  }
})

const workload = (set: Which): Workload => {
  const fixture = fixtures[set]
  const { encode, insertion, rowCount } = fixture
  return {
    id: idOf("H1", set),
    title: `${rowCount} rows by COPY, from objects`,
    rounds: 9,
    entries: [
      inserting("hyperfect", "ours", fixture, ({ run }) => {
        const insert = insertion()
        return () => run(insert)
      }),
      inserting("ready bytes", "limit", fixture, ({ run, session }) => {
        const chunks = encode()
        return () =>
          run(session.copyIn(
            "copy lines from stdin with (format hyperbinary)",
            Stream.fromIterable(chunks, { chunkSize: 1 })
          ))
      })
    ]
  }
}

export const inserted: ReadonlyArray<Workload> = sets.map(workload)
