/** A table of PostgreSQL to an extract: the bytes of one COPY are those of the other, and none are held in between. */
import { Client } from "@hyperfect/client"
import { Hyper } from "@hyperfect/hyper"
import { Effect, Stream } from "effect"
import { resolve } from "node:path"
import { Order } from "./orders.ts"

const query = "copy (select id, region, total, placed from orders order by id) to stdout (format csv)"

/** Returns the number of rows. Backpressure reaches from Hyper to PostgreSQL. */
export const postgresToHyper = Effect.fnUntraced(function*(
  postgres: Client.Client["Service"],
  extract: string,
  onProgress: (bytes: number) => Effect.Effect<void>
) {
  let bytes = 0
  const csv = postgres.copyOut(query).pipe(Stream.tap((chunk) => onProgress(bytes += chunk.length)))
  const copy = Effect.gen(function*() {
    const hyper = yield* Client.Client
    yield* Order.create
    return (yield* hyper.copyIn(`copy "orders" from stdin with (format csv)`, csv)).rowCount
  })
  return yield* Hyper.withDatabase(copy, { database: resolve(extract), create: "atomic" })
})
