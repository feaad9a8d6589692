/** H2, H3: a million rows, as objects and in columns. */
import * as Columns from "@hyperfect/values/Columns"
import { Effect } from "effect"
import type { Entry, Prepared, Workload } from "../../Workload.ts"
import { makeDigest } from "../codec/chunks.ts"
import { open as openDrain } from "./drain.ts"
import { open, type Opened } from "./session.ts"

const text = "select i, i * 2 as twice, 'text' || i as name from generate_series(0, 999999) as g(i)"

const ours = (work: (opened: Opened) => Omit<Prepared, "close">): Entry => ({
  name: "hyperfect",
  kind: "ours",
  setup: async () => {
    const opened = await open()
    return { ...work(opened), close: opened.close }
  }
})

const drained: Entry = {
  name: "socket",
  kind: "limit",
  setup: async () => {
    const { close, drain } = await openDrain()
    return { run: () => drain(text), check: () => drain(text).then(() => undefined), close }
  }
}

export const intoObjects: Workload = {
  id: "H2",
  title: "1M rows of int, int and text, collected as objects",
  rounds: 9,
  entries: [
    ours(({ run, session }) => ({
      run: () => run(session.query(text)),
      check: async () => {
        const digest = makeDigest()
        for (const row of (await run(session.query(text))).rows) digest.add(JSON.stringify(row))
        return digest.end()
      }
    })),
    drained
  ]
}

export const intoColumns: Workload = {
  id: "H3",
  title: "1M rows of int, int and text, collected in columns",
  rounds: 9,
  entries: [
    ours(({ run, session }) => ({
      run: () => run(session.columns(text)),
      check: () =>
        run(Effect.map(session.columns(text), ({ columns }) => {
          const digest = makeDigest()
          for (let row = 0; row < columns[0]!.length; row++) {
            digest.add(JSON.stringify(columns.map((column) => Columns.get(column, row))))
          }
          return digest.end()
        }))
    })),
    drained
  ]
}
