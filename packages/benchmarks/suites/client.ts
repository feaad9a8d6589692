/** Clients and a real server: what a query, a result, a stream and a connection cost from end to end. */
import type { Workload } from "../Workload.ts"
import { connects } from "./client/connects.ts"
import { copiedIn, copiedOut } from "./client/copies.ts"
import { anew, drivers, spread } from "./client/drivers.ts"
import { byArrays, byValues } from "./client/inserts.ts"
import { inFlight, pooled, sequential } from "./client/queries.ts"
import { collected, encrypted, streamed } from "./client/results.ts"
import { rowsCopiedIn, rowsCopiedOut } from "./client/rowCopies.ts"

export const workloads: ReadonlyArray<Workload> = [
  sequential(drivers),
  inFlight(drivers),
  pooled([...drivers, spread]),
  collected(drivers),
  streamed(drivers),
  byValues(drivers),
  byArrays(drivers),
  copiedIn(drivers),
  copiedOut(drivers),
  rowsCopiedIn,
  rowsCopiedOut,
  connects([...drivers, anew]),
  encrypted(drivers)
]

/** One PostgreSQL for all. */
export const start = async (): Promise<() => Promise<void>> => {
  // The processes of the entries do not need what it takes.
  const { startServer } = await import("./client/server.ts")
  return startServer()
}
