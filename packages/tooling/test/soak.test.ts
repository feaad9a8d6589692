import { assert, describe, it } from "@effect/vitest"
import * as NodePlatform from "@hyperfect/node/NodePlatform"
import { Effect } from "effect"
import { soak } from "../soaking.ts"
import { format } from "../soakReport.ts"

describe("a soak", () => {
  it.live("finds nothing that must never be, and nothing left behind", () =>
    Effect.gen(function*() {
      const report = yield* soak({ seconds: 5, seed: 7, workers: 8, era: 3, restarts: 1 })
      assert.deepStrictEqual(report.violations, [], format(report))
      // It would be no soak if nothing had happened.
      assert.isTrue(Object.values(report.work).some((counts) => counts.answered > 0))
      assert.isAtLeast(report.trouble.restarted, 1)
      assert.isAtLeast(report.trouble.compared, 2)
    }).pipe(Effect.provide(NodePlatform.layer)), 240_000)
})
