/** Values and rows, without a server: the cost of codecs and readers, by type and by the shape of a result. */
import type { Workload } from "../Workload.ts"
import { decode, encode } from "./values/codecs.ts"
import { rows } from "./values/rows.ts"
import { schemas } from "./values/schemas.ts"

export const workloads: ReadonlyArray<Workload> = [...rows, ...schemas, ...decode, ...encode]
