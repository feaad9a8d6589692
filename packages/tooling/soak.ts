// Runs a workload on a pool for a long time under injected faults, and prints a report:
// npm run soak -- --minutes 60 [--seed N] [--workers 24] [--era 60]
import * as NodePlatform from "@hyperfect/node/NodePlatform"
import { Effect } from "effect"
import { parseArgs } from "node:util"
import { format } from "./soakReport.ts"
import { soak } from "./soakRunner.ts"

const { values } = parseArgs({
  options: {
    minutes: { type: "string", default: "60" },
    seed: { type: "string" },
    workers: { type: "string", default: "24" },
    era: { type: "string", default: "60" }
  }
})
const [minutes, workers, serverLifetime] = [Number(values.minutes), Number(values.workers), Number(values.era)]
const seed = values.seed === undefined ? Date.now() % 2 ** 31 : Number(values.seed)
if (!(minutes > 0 && workers > 0 && serverLifetime > 0) || !Number.isInteger(seed)) {
  throw new Error("--minutes N [--seed N] [--workers N] [--era seconds]")
}

let shown = 0

const report = await Effect.runPromise(
  soak({
    seconds: minutes * 60,
    seed,
    workers,
    serverLifetime,
    onProgress: ({ errors, heap, seconds, faults, violations, work }) => {
      const answered = Object.values(work).reduce((sum, counts) => sum + counts.answered, 0)
      const failed = Object.values(errors).reduce((sum, count) => sum + count, 0)
      console.log(
        `${String(Math.round(seconds)).padStart(5)} s  ${answered} answers  ${failed} errors  ` +
          `${faults.restarted} servers more  ${heap.at(-1)} MB  ${violations.length} violations`
      )
      for (const violation of violations.slice(shown)) console.log(`  ${violation}`)
      shown = violations.length
    }
  }).pipe(Effect.provide(NodePlatform.layer))
)
console.log(`\n${format(report)}`)
if (report.violations.length > 0) process.exitCode = 1
