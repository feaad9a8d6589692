/** Hyper: inserting and reading many rows, and many statements. */
import type { Workload } from "../Workload.ts"
import { inserted } from "./hyper/inserts.ts"
import { results } from "./hyper/results.ts"
import { statements } from "./hyper/statements.ts"

export const workloads: ReadonlyArray<Workload> = [...inserted, ...results, ...statements]

/** Starts one hyperd for all entries. */
export const start = async (): Promise<() => Promise<void>> => {
  // Loaded here, because the processes of the entries do not need it.
  const { startServer } = await import("./hyper/server.ts")
  return startServer()
}
