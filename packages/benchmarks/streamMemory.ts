// Streams ten million rows from PostgreSQL and prints the memory used: `npm run bench:memory`, optionally followed by
// another number of rows. Fails if the memory grows with the number of rows.
import { Session } from "@hyperfect/client"
import { NodePlatform } from "@hyperfect/node"
import { PostgresServer } from "@hyperfect/testing"
import { Console, Effect, Layer, Stream } from "effect"

const rows = Number(process.argv[2] ?? 10_000_000)
const mebibyte = 1024 * 1024

/** More than uncollected garbage takes, and far less than the rows would. */
const limit = 200 * mebibyte

const statement = `select n, 'row ' || n as s, n * 0.5::float8 as f from generate_series(1, ${rows}) as g(n)`

const program = Effect.gen(function*() {
  const { database, endpoint, password, user } = yield* PostgresServer.PostgresServer
  const session = yield* Session.make({ endpoint, user, password, database })
  for (const way of ["all at once", "10,000 at a time"] as const) {
    let [count, last, base, peak] = [0, 0, 0, 0]
    const stream = session.streamValues(statement, way === "all at once" ? {} : { fetchSize: 10_000 })
    const start = performance.now()
    yield* Stream.runForEachArray(stream, (batch) =>
      Effect.sync(() => {
        count += batch.length
        last = batch.at(-1)![0] as number
        const { rss } = process.memoryUsage()
        // The memory used by the first tenth is the baseline: code, buffers, a young heap of full size.
        if (count < rows / 10) base = Math.max(base, rss)
        peak = Math.max(peak, rss)
      }))
    const seconds = (performance.now() - start) / 1000
    const growth = (peak - base) / mebibyte
    yield* Console.log(
      `${way}: ${count} rows in ${seconds.toFixed(1)} s; ${(base / mebibyte).toFixed(0)} MiB after the first tenth, ` +
        `${growth.toFixed(0)} MiB more at most`
    )
    if (count !== rows || last !== rows) return yield* Effect.die(new Error(`${rows} rows were asked for`))
    if (growth * mebibyte > limit) return yield* Effect.die(new Error("the memory grows with the rows"))
  }
})

await program.pipe(
  Effect.scoped,
  Effect.provide(PostgresServer.layer({ databases: ["app"] }).pipe(Layer.provideMerge(NodePlatform.layer))),
  Effect.runPromise
)
