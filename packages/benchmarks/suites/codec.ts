/** Bytes to messages and back, without a server: what a decoder costs by itself. */
import type { Workload } from "../Workload.ts"
import { dataRows } from "./codec/dataRows.ts"
import { smallMessages } from "./codec/smallMessages.ts"

export const workloads: ReadonlyArray<Workload> = [dataRows, smallMessages]
