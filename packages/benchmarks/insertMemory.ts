// Inserts fifty million rows of a generator into Hyper and prints the memory used: `npm run bench:memory:hyper`,
// optionally followed by another number of rows. Fails if the process takes more than 300 MiB at any time.
import { Client, Session } from "@hyperfect/client"
import { HyperTable } from "@hyperfect/hyper"
import { NodePlatform } from "@hyperfect/node"
import { HyperdServer } from "@hyperfect/testing"
import { Console, Effect, Schema } from "effect"

const count = Number(process.argv[2] ?? 50_000_000)
const mebibyte = 1024 * 1024
const limit = 300

const lines = HyperTable.make("lines", { id: Schema.Int, ratio: Schema.Number, name: Schema.String }, {
  temporary: true
})

const rows = function*() {
  for (let id = 0; id < count; id++) yield { id, ratio: id / 1024, name: `name ${id}` }
}

const program = Effect.gen(function*() {
  const { endpoint, user } = yield* HyperdServer.make({ authentication: "trust" })
  const session = yield* Session.make({ endpoint, user })
  const insert = Effect.gen(function*() {
    yield* lines.create
    yield* lines.insert(rows())
    return yield* session.values("select count(*)::text, sum(id)::text from lines")
  })
  const start = performance.now()
  const result = yield* Effect.provideService(insert, Client.Client, session)
  const seconds = (performance.now() - start) / 1000
  const peak = (process.resourceUsage().maxRSS * 1024) / mebibyte
  yield* Console.log(`${count} rows in ${seconds.toFixed(1)} s; ${peak.toFixed(0)} MiB at most`)
  if (result.rows[0]!.join() !== `${count},${BigInt(count) * BigInt(count - 1) / BigInt(2)}`) {
    return yield* Effect.die(new Error(`the table has ${result.rows[0]!.join()}`))
  }
  if (peak > limit) return yield* Effect.die(new Error(`more than ${limit} MiB`))
})

await program.pipe(Effect.scoped, Effect.provide(NodePlatform.layer), Effect.runPromise)
