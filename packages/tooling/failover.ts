// Writes to a pair of servers while one of them fails and the other one is promoted, and checks every server's rows:
// npm run failover -- --rounds 100 [--seed N] [--faults dead,split]
import * as NodePlatform from "@hyperfect/node/NodePlatform"
import { Effect } from "effect"
import { parseArgs } from "node:util"
import { type Fault, faults } from "./failoverFaults.ts"
import { findViolations, format } from "./failoverRunner.ts"

const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "100" },
    seed: { type: "string" },
    faults: { type: "string", default: faults.join() }
  }
})
const rounds = Number(values.rounds)
const seed = values.seed === undefined ? Date.now() % 2 ** 24 : Number(values.seed)
const chosen = values.faults.split(",")
const isFault = (name: string): name is Fault => (faults as ReadonlyArray<string>).includes(name)
if (!(Number.isInteger(rounds) && rounds > 0 && Number.isInteger(seed) && chosen.every(isFault))) {
  throw new Error(`--rounds N [--seed N] [--faults ${faults.join()}]`)
}
const report = await Effect.runPromise(
  findViolations({ rounds, seed, faults: chosen }).pipe(Effect.provide(NodePlatform.layer))
)
console.log(format(report))
if (report.violations.length > 0) process.exitCode = 1
