/** H5: many small statements that are independent of each other. */
import * as BuiltIn from "@hyperfect/values/BuiltIn"
import { Effect } from "effect"
import type { Workload } from "../../Workload.ts"
import * as RawSocket from "./rawSocket.ts"
import { open } from "./session.ts"

const count = 1000
const numbers = Array.from({ length: count }, (_, n) => n)
const create = "create temporary table numbers (n integer)"

export const statements: Workload = {
  id: "H5",
  title: `${count} prepared INSERTs, all under way at once`,
  rounds: 9,
  entries: [
    {
      name: "hyperfect",
      kind: "ours",
      setup: async () => {
        const { close, run, session } = await open()
        await run(session.simple(create))
        const insert = () =>
          run(
            Effect.scoped(
              Effect.flatMap(session.prepare("insert into numbers values ($1)", [BuiltIn.int4]), (prepared) =>
                Effect.forEach(numbers, (n) =>
                  prepared.execute(n), { concurrency: "unbounded", discard: true }))
            )
          )
        const sum = async () => {
          const { rows } = await run(session.values("select count(*), sum(n) from numbers"))
          return rows[0]!.map(String).join(" ")
        }
        return {
          run: insert,
          check: async () => {
            await insert()
            const found = await sum()
            const wanted = `${count} ${numbers.reduce((a, b) => a + b)}`
            if (found !== wanted) throw new Error(`${found} instead of ${wanted}`)
            return found
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
        await drain(RawSocket.prepare("i", "insert into numbers values ($1)"))
        const messages = Buffer.concat(numbers.map((n) => RawSocket.run("i", n)))
        const insert = () => drain(messages, count)
        return { run: insert, check: () => insert().then(() => undefined), close }
      }
    }
  ]
}
