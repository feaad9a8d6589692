/** Clients and a real server: what a query, a result and a stream cost from end to end. */
import type { Workload } from "../Workload.ts"
import { drivers } from "./client/drivers.ts"
import { inFlight, pooled, sequential } from "./client/queries.ts"
import { collected, streamed } from "./client/results.ts"
import { rowsCopiedIn, rowsCopiedOut } from "./client/rowCopies.ts"

export const workloads: ReadonlyArray<Workload> = [
  sequential(drivers),
  inFlight(drivers),
  pooled(drivers),
  collected(drivers),
  streamed(drivers),
  rowsCopiedIn,
  rowsCopiedOut
]

/** One PostgreSQL for all. */
export const start = async (): Promise<() => Promise<void>> => {
  // The processes of the entries do not need what it takes.
  const { startServer } = await import("./client/server.ts")
  return startServer()
}
