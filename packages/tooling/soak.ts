// Works on a pool for a long time while everything that can go wrong does, and says what it has seen:
//   npm run soak -- --minutes 60 [--seed N] [--workers 24] [--era 60]
import * as NodePlatform from "@hyperfect/node/NodePlatform"
import { Effect } from "effect"
import { parseArgs } from "node:util"
import { soak } from "./soaking.ts"
import { format } from "./soakReport.ts"

const { values } = parseArgs({
  options: {
    minutes: { type: "string", default: "60" },
    seed: { type: "string" },
    workers: { type: "string", default: "24" },
    era: { type: "string", default: "60" }
  }
})
const [minutes, workers, era] = [Number(values.minutes), Number(values.workers), Number(values.era)]
const seed = values.seed === undefined ? Date.now() % 2 ** 31 : Number(values.seed)
if (!(minutes > 0 && workers > 0 && era > 0) || !Number.isInteger(seed)) {
  throw new Error("--minutes N [--seed N] [--workers N] [--era seconds]")
}

const report = await Effect.runPromise(
  soak({
    seconds: minutes * 60,
    seed,
    workers,
    era,
    onProgress: ({ errors, heap, seconds, trouble, violations, work }) => {
      const answered = Object.values(work).reduce((sum, counts) => sum + counts.answered, 0)
      const failed = Object.values(errors).reduce((sum, count) => sum + count, 0)
      console.log(
        `${String(Math.round(seconds)).padStart(5)} s  ${answered} answers  ${failed} errors  ` +
          `${trouble.restarted} servers more  ${heap.at(-1)} MB  ${violations.length} violations`
      )
    }
  }).pipe(Effect.provide(NodePlatform.layer))
)
console.log(`\n${format(report)}`)
if (report.violations.length > 0) process.exitCode = 1
