/** A CSV file to an extract: the server reads the file itself, and the old extract stays if anything fails. */
import { Hyper, HyperExternal } from "@hyperfect/hyper"
import { Effect } from "effect"
import { resolve } from "node:path"
import { Order } from "./orders.ts"

/** Returns the number of rows. A value that does not fit is a `ServerError`, whose `detail` names line and column. */
export const csvToExtract = (csv: string, extract: string) =>
  Effect.andThen(Order.create, HyperExternal.importInto(Order, resolve(csv), { format: "csv", header: true })).pipe(
    Hyper.withDatabase({ database: resolve(extract), create: "atomic" })
  )
