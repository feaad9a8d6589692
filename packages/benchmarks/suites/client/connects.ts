/** B7: the cost of opening and closing connections. */
import type { Workload } from "../../Workload.ts"
import { idOf, type Which } from "../codec/samples.ts"
import { type Contender, queries } from "./Driver.ts"

const count = 200

const what: Readonly<Record<Which, string>> = {
  0: "connect, SCRAM-SHA-256, `select 1`, close",
  1: "connect, SCRAM-SHA-256 of a long password that is not ASCII, five rows, close"
}

export const connects = (contenders: ReadonlyArray<Contender>, set: Which): Workload => ({
  id: idOf("B7", set),
  title: `200 x ${what[set]} (the socket is let in without SCRAM)`,
  rounds: 7,
  entries: contenders.map(({ skipsCheck, kind, name, open }) => ({
    name,
    kind,
    setup: async () => {
      const run = async (): Promise<number> => {
        let sum = 0
        for (let i = 0; i < count; i++) {
          const driver = await open({ connections: 1, login: set })
          sum += await driver.sequential(queries[set], 1)
          await driver.close()
        }
        return sum
      }
      return {
        run,
        check: async () => {
          const sum = await run()
          return skipsCheck ? undefined : `${sum}`
        }
      }
    }
  }))
})
