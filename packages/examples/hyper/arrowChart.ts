/** Analytics by Arrow: the result comes as columns, which `apache-arrow` reads in place, and is drawn in the terminal. */
import { Statement } from "@hyperfect/client"
import * as ArrowTable from "@hyperfect/hyper/apache/ArrowTable"
import { Effect } from "effect"
import { bars } from "../demo/output.ts"
import { Order } from "./orders.ts"

const { sql } = Statement

const byMonth = sql`
  select cast(extract(month from placed) as integer) as month, sum(total) as total
  from ${Order} group by 1 order by 1
`

/** Returns the months and their sums. */
export const monthlyTotals = Effect.map(ArrowTable.fromQuery(byMonth), (columns) => ({
  months: columns.getChild("month")!.toArray() as Int32Array,
  totals: columns.getChild("total")!.toArray() as Float64Array
}))

/** Prints a bar for each month. */
export const arrowChart = Effect.flatMap(
  monthlyTotals,
  ({ months, totals }) => bars(Array.from(months, (month, i) => [`month ${month}`, totals[i]!]))
)
