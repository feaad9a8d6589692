/** Clients against a real server: the end-to-end cost of a query, a result, a stream and a connection. */
import type { Workload } from "../Workload.ts"
import { connects } from "./client/connects.ts"
import { copiedIn, copiedOut } from "./client/copies.ts"
import { drivers, evenPool, withoutKeyCache } from "./client/drivers.ts"
import { byArrays, byValues } from "./client/inserts.ts"
import { inFlight, pooled, sequential } from "./client/queries.ts"
import { collected, encrypted, streamed } from "./client/results.ts"
import { rowsCopiedIn, rowsCopiedOut } from "./client/rowCopies.ts"

export const workloads: ReadonlyArray<Workload> = [
  sequential(drivers),
  inFlight(drivers),
  pooled([...drivers, evenPool]),
  collected(drivers),
  streamed(drivers),
  byValues(drivers),
  byArrays(drivers),
  copiedIn(drivers),
  copiedOut(drivers),
  rowsCopiedIn,
  rowsCopiedOut,
  connects([...drivers, withoutKeyCache]),
  encrypted(drivers)
]

/** Starts one PostgreSQL server for all entries. */
export const start = async (): Promise<() => Promise<void>> => {
  // Loaded here, because the processes of the entries do not need it.
  const { startServer } = await import("./client/server.ts")
  return startServer()
}
