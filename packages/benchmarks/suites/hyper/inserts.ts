/** H1: a million rows by COPY in HyperBinary. */
import * as HyperTable from "@hyperfect/hyper/HyperTable"
import * as ByteWriter from "@hyperfect/protocol/ByteWriter"
import * as BuiltIn from "@hyperfect/values/BuiltIn"
import * as HyperBinaryCopy from "@hyperfect/values/HyperBinaryCopy"
import { Schema, Stream } from "effect"
import type { Entry, Workload } from "../../Workload.ts"
import { open, type OpenSession } from "./session.ts"

const rowCount = 1_000_000
const chunkSize = 64 * 1024

interface Row {
  readonly [name: string]: unknown
  readonly id: number
  readonly ratio: number
  readonly name: string
}

const row = (id: number): Row => ({ id, ratio: id / 1024, name: `name ${id}` })

const lines = HyperTable.make("lines", { id: Schema.Int, ratio: Schema.Number, name: Schema.String }, {
  temporary: true
})

/** The data as on the wire. */
const encode = (): ReadonlyArray<Uint8Array> => {
  const write = HyperBinaryCopy.objectsUnsafe({
    columns: [
      { name: "id", type: BuiltIn.int4, nullable: false },
      { name: "ratio", type: BuiltIn.float8, nullable: false },
      { name: "name", type: BuiltIn.text, nullable: false }
    ]
  })
  const out = ByteWriter.make(2 * chunkSize)
  const chunks: Array<Uint8Array> = []
  HyperBinaryCopy.writeHeader(out)
  for (let id = 0; id < rowCount; id++) {
    write(out, row(id), id)
    if (out.size >= chunkSize) chunks.push(out.take())
  }
  chunks.push(out.take())
  return chunks
}

const inserting = (
  name: string,
  kind: "ours" | "limit",
  insert: (opened: OpenSession) => () => Promise<unknown>
): Entry => ({
  name,
  kind,
  setup: async () => {
    const opened = await open()
    await opened.run(lines.create)
    const run = insert(opened)
    return {
      run: async () => {
        await opened.run(opened.session.query("truncate table lines"))
        await run()
      },
      check: async () => {
        await opened.run(opened.session.query("truncate table lines"))
        await run()
        const { rows } = await opened.run(opened.session.values(
          "select cast(count(*) as text), cast(sum(id) as text), cast(sum(ratio) as text), max(name) from lines"
        ))
        return JSON.stringify(rows)
      },
      close: opened.close
    }
  }
})

export const inserted: Workload = {
  id: "H1",
  title: "1M rows of int, double and text by COPY, from objects",
  rounds: 9,
  entries: [
    inserting("hyperfect", "ours", ({ run }) => {
      const rows = Array.from({ length: rowCount }, (_, id) => row(id))
      return () => run(lines.insert(rows))
    }),
    inserting("ready bytes", "limit", ({ run, session }) => {
      const chunks = encode()
      return () =>
        run(session.copyIn(
          "copy lines from stdin with (format hyperbinary)",
          Stream.fromIterable(chunks, { chunkSize: 1 })
        ))
    })
  ]
}
