/** From contenders to the entries of a workload. */
import type { Entry } from "../../Workload.ts"
import type { Contender, Driver, OpenOptions } from "./Driver.ts"

/** What one entry does with its driver, once it is open. */
export interface Work {
  readonly run: () => Promise<unknown>
  /** A digest of the values; not asked of contenders that have none. */
  readonly check: () => Promise<string>
}

/** An entry for each contender that can do the work. */
export const entries = (
  contenders: ReadonlyArray<Contender>,
  options: OpenOptions,
  work: (driver: Driver) => Promise<Work>
): ReadonlyArray<Entry> =>
  contenders.map(({ isBlind, kind, name, open }) => ({
    name,
    kind,
    setup: async () => {
      const driver = await open(options)
      const { check, run } = await work(driver)
      return {
        run,
        check: async () => {
          if (!isBlind) return check()
          await run()
          return undefined
        },
        close: driver.close
      }
    }
  }))

/** Those of these names. */
export const only = (contenders: ReadonlyArray<Contender>, names: ReadonlyArray<string>): ReadonlyArray<Contender> =>
  contenders.filter(({ name }) => names.includes(name))
