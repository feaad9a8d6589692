/** Values and rows, without a server: what codecs and readers cost, type by type and in the shapes that a result can have. */
import type { Workload } from "../Workload.ts"
import { rows } from "./values/rows.ts"
import { schemas } from "./values/schemas.ts"
import { decode, encode } from "./values/single.ts"

export const workloads: ReadonlyArray<Workload> = [...rows, schemas, ...decode, ...encode]
