// Compares random sequences of statements, and of changes to their meaning, with a client without caches:
// npm run staleness -- --seconds 600 [--seed N] [--length 25] [--kinds read,write] [--without others] [--interval 0]
import * as NodePlatform from "@hyperfect/node/NodePlatform"
import { Effect } from "effect"
import { parseArgs } from "node:util"
import { type Kind, kinds } from "./stalenessOperations.ts"
import { findStaleness, format } from "./stalenessRunner.ts"

type Settings = [seconds: number, length: number, typeCheckInterval: number]

const { values } = parseArgs({
  options: {
    seconds: { type: "string", default: "60" },
    seed: { type: "string" },
    length: { type: "string", default: "25" },
    kinds: { type: "string", default: kinds.join() },
    without: { type: "string", default: "" },
    interval: { type: "string", default: "0" }
  }
})
const [seconds, length, typeCheckInterval] = [values.seconds, values.length, values.interval].map(Number) as Settings
const seed = values.seed === undefined ? Date.now() % 2 ** 31 : Number(values.seed)
const without = values.without.split(",")
const chosen = values.kinds.split(",").filter((kind) => !without.includes(kind))
const isKind = (kind: string): kind is Kind => (kinds as ReadonlyArray<string>).includes(kind)
if (!(seconds > 0 && length > 0 && typeCheckInterval >= 0) || !Number.isInteger(seed) || !chosen.every(isKind)) {
  throw new Error(`--seconds N [--seed N] [--length N] [--kinds ${kinds.join()}] [--without ...] [--interval N]`)
}

const report = await Effect.runPromise(
  findStaleness({ seconds, seed, length, kinds: chosen, config: { typeCheckInterval } }).pipe(
    Effect.provide(NodePlatform.layer)
  )
)
console.log(format(report))
if (report.violation !== undefined) process.exitCode = 1
