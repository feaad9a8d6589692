/** Turns contenders into the entries of a workload. */
import type { Entry } from "../../Workload.ts"
import type { Contender, Driver, OpenOptions } from "./Driver.ts"

/** The work of one entry with an open driver. */
export interface Work {
  readonly run: () => Promise<unknown>
  /** Returns a digest of the values; not called for contenders without values. */
  readonly check: () => Promise<string>
}

/** Returns an entry for each contender that can do the work. */
export const entries = (
  contenders: ReadonlyArray<Contender>,
  options: OpenOptions,
  work: (driver: Driver) => Promise<Work>
): ReadonlyArray<Entry> =>
  contenders.map(({ skipsCheck, kind, name, open }) => ({
    name,
    kind,
    setup: async () => {
      const driver = await open(options)
      const { check, run } = await work(driver)
      return {
        run,
        check: async () => {
          if (!skipsCheck) return check()
          await run()
          return undefined
        },
        close: driver.close
      }
    }
  }))

/** Selects contenders by name. */
export const only = (contenders: ReadonlyArray<Contender>, names: ReadonlyArray<string>): ReadonlyArray<Contender> =>
  contenders.filter(({ name }) => names.includes(name))
