// Runs trials of the cluster, each with the next fault: npm run cluster [-- --rounds N]
import { NodePlatform } from "@hyperfect/node"
import { Console, Effect } from "effect"
import { strict as assert } from "node:assert"
import { parseArgs } from "node:util"
import { pgBouncerVersion } from "../../client/test/pgbouncer.ts"
import { expected, type Fault, run } from "./clusterTrial.ts"

const faults: ReadonlyArray<Fault> = [
  "a promoted standby",
  "a frozen runner",
  "a restarted database",
  "lost connections",
  // PgBouncer has to be installed.
  ...pgBouncerVersion === undefined ? [] : ["lost connections through PgBouncer"] as const,
  "a killed runner",
  "none"
]
const { values } = parseArgs({ options: { rounds: { type: "string" } } })
const rounds = Number(values.rounds ?? faults.length)
assert.ok(Number.isInteger(rounds) && rounds > 0, "--rounds must be a number of rounds")
const count = 30

const trial = (fault: Fault) =>
  Effect.gen(function*() {
    const started = performance.now()
    const { runners, ...held } = yield* run(fault, count)
    assert.deepEqual(held, expected(count))
    // The accounts of a runner that was killed or frozen have moved.
    if (fault.endsWith("runner")) assert.equal(runners, 2)
    const seconds = ((performance.now() - started) / 1000).toFixed(1)
    yield* Console.log(`${fault}: ${count} deposits on each of 4 accounts, by ${runners} runners, in ${seconds} s`)
  })

await Effect.runPromise(
  Effect.forEach(Array.from({ length: rounds }, (_, n) => faults[n % faults.length]!), trial, { discard: true }).pipe(
    Effect.provide(NodePlatform.layer)
  )
)
console.log("each deposit was answered and had its effect once, in order")
process.exit(0)
