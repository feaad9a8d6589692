/** The table of the examples. */
import { HyperTable } from "@hyperfect/hyper"
import { Schema } from "effect"

export const fields = {
  id: HyperTable.Int, // integer NOT NULL
  region: Schema.NullOr(HyperTable.Text), // text
  total: HyperTable.Double,
  placed: HyperTable.Date
}

export const Order = HyperTable.make("orders", fields)
