/** Hyper: inserting and reading many rows, and many statements. */
import type { Workload } from "../Workload.ts"
import { inserted } from "./hyper/inserts.ts"
import { bySchema, intoArrow, intoColumns, intoObjects } from "./hyper/results.ts"
import { statements } from "./hyper/statements.ts"

export const workloads: ReadonlyArray<Workload> = [inserted, intoObjects, intoColumns, intoArrow, statements, bySchema]

/** Starts one hyperd for all entries. */
export const start = async (): Promise<() => Promise<void>> => {
  // Loaded here, because the processes of the entries do not need it.
  const { startServer } = await import("./hyper/server.ts")
  return startServer()
}
