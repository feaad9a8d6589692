/**
 * Runs a runner of the cluster of `cluster/accounts.ts`, or sends deposits to it.
 *
 * Run: DATABASE_URL=postgresql://user:password@host:port/database
 *   node --conditions=@hyperfect/source packages/examples/cluster.ts runner 34431
 *   node --conditions=@hyperfect/source packages/examples/cluster.ts deposit ada 10
 */
import { NodeRuntime } from "@effect/platform-node"
import { Console, Effect, Layer } from "effect"
import { accounts, cluster, createTables, database, deposit } from "./cluster/accounts.ts"

const [role, first = "", second = ""] = process.argv.slice(2)

const runner = Effect.andThen(
  createTables,
  Layer.launch(Layer.provide(accounts(first), cluster(Number(first))))
).pipe(Effect.provide(database))

const sendDeposit = Effect.gen(function*() {
  const { balance, runner } = yield* deposit(first, { id: crypto.randomUUID(), amount: Number(second) })
  yield* Console.log(`${first} has ${balance}, by runner ${runner}`)
}).pipe(Effect.provide(Layer.provideMerge(cluster(), database)))

if (role === "runner") NodeRuntime.runMain(runner)
else if (role === "deposit") NodeRuntime.runMain(sendDeposit)
else console.error("usage: cluster.ts runner PORT | deposit ACCOUNT AMOUNT")
