/** B7: the cost of opening and closing connections. */
import type { Workload } from "../../Workload.ts"
import type { Contender } from "./Driver.ts"

const count = 200

export const connects = (contenders: ReadonlyArray<Contender>): Workload => ({
  id: "B7",
  title: "200 x connect, SCRAM-SHA-256, `select 1`, close (the socket is let in without SCRAM)",
  rounds: 7,
  entries: contenders.map(({ skipsCheck, kind, name, open }) => ({
    name,
    kind,
    setup: async () => {
      const run = async (): Promise<number> => {
        let sum = 0
        for (let i = 0; i < count; i++) {
          const driver = await open({ connections: 1 })
          sum += await driver.sequential(1)
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
