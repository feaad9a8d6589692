/** Decoding bytes to messages and encoding them, without a server: the cost of the codecs alone. */
import type { Workload } from "../Workload.ts"
import { binds } from "./codec/binds.ts"
import { dataRows } from "./codec/dataRows.ts"
import { rowObjects } from "./codec/rowObjects.ts"
import { schemaDecoding, schemaEncoding } from "./codec/schemaCodecs.ts"
import { smallMessages } from "./codec/smallMessages.ts"

export const workloads: ReadonlyArray<Workload> = [
  ...rowObjects,
  ...dataRows,
  ...binds,
  ...smallMessages,
  ...schemaDecoding,
  ...schemaEncoding
]
