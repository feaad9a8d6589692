import { assert, describe, it } from "@effect/vitest"
import * as NodePlatform from "@hyperfect/node/NodePlatform"
import { Effect } from "effect"
import { soak } from "../soaking.ts"
import { format } from "../soakReport.ts"

describe("a soak", () => {
  it.live("finds nothing that must never be, and nothing left behind", () =>
    Effect.gen(function*() {
      const report = yield* soak({ seconds: 8, seed: 7, workers: 16, era: 5 })
      assert.deepStrictEqual(report.violations, [], format(report))
      // It would be no soak if nothing had happened.
      const answered = Object.values(report.work).map((counts) => counts.answered)
      assert.isAbove(answered.reduce((sum, count) => sum + count, 0), 100)
      assert.strictEqual(report.trouble.restarted, 1)
      assert.isAbove(report.trouble.ended + report.trouble.cancelled, 0)
    }).pipe(Effect.provide(NodePlatform.layer)), 240_000)
})
