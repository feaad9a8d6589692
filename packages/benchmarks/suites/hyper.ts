/** Hyper: many rows in, many rows out, and many statements. */
import type { Workload } from "../Workload.ts"
import { inserted } from "./hyper/inserts.ts"
import { intoArrow, intoColumns, intoObjects } from "./hyper/results.ts"
import { statements } from "./hyper/statements.ts"

export const workloads: ReadonlyArray<Workload> = [inserted, intoObjects, intoColumns, intoArrow, statements]

/** One hyperd for all. */
export const start = async (): Promise<() => Promise<void>> => {
  // The processes of the entries do not need what it takes.
  const { startServer } = await import("./hyper/server.ts")
  return startServer()
}
