/** A query of an extract to a Parquet file, which the server writes. */
import { Statement } from "@hyperfect/client"
import { Hyper, HyperExternal } from "@hyperfect/hyper"
import { resolve } from "node:path"
import { Order } from "./orders.ts"

const { sql } = Statement

/** Returns the number of rows. */
export const hyperToParquet = (extract: string, parquet: string) =>
  HyperExternal.exportTo(
    sql`select region, sum(total) as total, count(*) as orders from ${Order} group by region order by region`,
    resolve(parquet),
    { format: "parquet", codec: "zstd" }
  ).pipe(Hyper.withDatabase({ database: resolve(extract) }))
