/** Hyper: many rows in, and many rows out. */
import type { Workload } from "../Workload.ts"
import { inserted } from "./hyper/inserts.ts"
import { intoColumns, intoObjects } from "./hyper/results.ts"

export const workloads: ReadonlyArray<Workload> = [inserted, intoObjects, intoColumns]

/** One hyperd for all. */
export const start = async (): Promise<() => Promise<void>> => {
  // The processes of the entries do not need what it takes.
  const { startServer } = await import("./hyper/server.ts")
  return startServer()
}
