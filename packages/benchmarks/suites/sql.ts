/** Effect's `SqlClient` on this library's pool, on Effect's own driver, and the pool without it. */
import type { Workload } from "../Workload.ts"
import { start } from "./client.ts"
import { sqlClients } from "./client/drivers.ts"
import { inFlight, pooled, sequential } from "./client/queries.ts"
import { collected } from "./client/results.ts"
import { sets } from "./codec/samples.ts"

export { start }

export const workloads: ReadonlyArray<Workload> = sets.flatMap((set) => [
  sequential(sqlClients, set),
  inFlight(sqlClients, set),
  pooled(sqlClients, set),
  collected(sqlClients, set)
])
