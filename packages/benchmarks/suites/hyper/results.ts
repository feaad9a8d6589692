/** H2, H3, H4: a million rows, as objects, in columns and as a table of Arrow. */
import { fromTextUnsafe } from "@hyperfect/client/Statement"
import * as HyperArrow from "@hyperfect/hyper/HyperArrow"
import * as Columns from "@hyperfect/values/Columns"
import { tableFromIPC } from "apache-arrow"
import { Effect } from "effect"
import type { Entry, Prepared, Workload } from "../../Workload.ts"
import { makeDigest } from "../codec/chunks.ts"
import { extended, open as openDrain, simple } from "./drain.ts"
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

const drained = (messages: Buffer): Entry => ({
  name: "socket",
  kind: "limit",
  setup: async () => {
    const { close, drain } = await openDrain()
    return { run: () => drain(messages), check: () => drain(messages).then(() => undefined), close }
  }
})

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
    drained(extended(text))
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
    drained(extended(text))
  ]
}

export const intoArrow: Workload = {
  id: "H4",
  title: "1M rows of int, int and text, as a table of apache-arrow",
  rounds: 9,
  entries: [
    ours(({ run }) => {
      const table = Effect.map(HyperArrow.collect(fromTextUnsafe(text)), (bytes) => tableFromIPC(bytes))
      return {
        run: async () => {
          const { numRows } = await run(table)
          if (numRows !== 1_000_000) throw new Error(`${numRows} rows`)
        },
        check: async () => {
          const digest = makeDigest()
          for (const row of await run(table)) digest.add(JSON.stringify(row))
          return digest.end()
        }
      }
    }),
    drained(simple(`copy (${text}) to stdout with (format arrowstream)`))
  ]
}
