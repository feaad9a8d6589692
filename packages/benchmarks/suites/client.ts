/** Clients against a real server: the end-to-end cost of a query, a result, a stream and a connection. */
import type { Workload } from "../Workload.ts"
import { connects } from "./client/connects.ts"
import { copiedIn, copiedOut } from "./client/copies.ts"
import { drivers, evenPool, withoutKeyCache } from "./client/drivers.ts"
import { byArrays, byValues } from "./client/inserts.ts"
import { inFlight, pooled, sequential } from "./client/queries.ts"
import { collected, encrypted, streamed } from "./client/results.ts"
import { rowsCopiedIn, rowsCopiedOut } from "./client/rowCopies.ts"
import { sets } from "./codec/samples.ts"

export const workloads: ReadonlyArray<Workload> = sets.flatMap((set) => [
  sequential(drivers, set),
  inFlight(drivers, set),
  pooled([...drivers, evenPool], set),
  collected(drivers, set),
  streamed(drivers, set),
  byValues(drivers, set),
  byArrays(drivers, set),
  copiedIn(drivers, set),
  copiedOut(drivers, set),
  rowsCopiedIn(set),
  rowsCopiedOut(set),
  connects([...drivers, withoutKeyCache], set),
  encrypted(drivers, set)
])

/** Starts one PostgreSQL server for all entries. */
export const start = async (): Promise<() => Promise<void>> => {
  // Loaded here, because the processes of the entries do not need it.
  const { startServer } = await import("./client/server.ts")
  return startServer()
}
