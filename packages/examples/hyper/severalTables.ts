/** Several tables in one transaction: all rows of all tables, or none, with the progress as a stream. */
import { HyperLoad, HyperTable } from "@hyperfect/hyper"
import { Effect, Stream } from "effect"
import { Order } from "./orders.ts"

export const Region = HyperTable.make("regions", { name: HyperTable.Text, manager: HyperTable.Text })

export const createTables = Effect.andThen(Region.create, Order.create)

/** Returns the number of rows of each table. */
export const loadTables = (
  regions: Iterable<typeof Region.Row.Type>,
  orders: Iterable<typeof Order.Row.Type>,
  onProgress: (table: string, rows: number) => Effect.Effect<void>
) =>
  HyperLoad.stream([HyperLoad.insert(Region, regions), HyperLoad.insert(Order, orders)]).pipe(
    Stream.tap((event) =>
      event._tag === "Progress" ? onProgress(event.load === 0 ? "regions" : "orders", event.rows) : Effect.void
    ),
    Stream.runFold(
      (): ReadonlyArray<number> => [],
      (counts, event) => event._tag === "Loaded" ? event.results.map(({ inserted }) => inserted) : counts
    )
  )
