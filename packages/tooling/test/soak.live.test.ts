import { assert, describe, it } from "@effect/vitest"
import * as NodePlatform from "@hyperfect/node/NodePlatform"
import { Effect } from "effect"
import { format } from "../soakReport.ts"
import { soak } from "../soakRunner.ts"

describe("soak", () => {
  it.live("finds no violation and no leak", () =>
    Effect.gen(function*() {
      const report = yield* soak({ seconds: 5, seed: 7, workers: 8, serverLifetime: 3, restarts: 1 })
      assert.deepStrictEqual(report.violations, [], format(report))
      // Without any completed work the soak would prove nothing.
      assert.isTrue(Object.values(report.work).some((counts) => counts.answered > 0))
      assert.isAtLeast(report.faults.restarted, 1)
      assert.isAtLeast(report.faults.compared, 2)
    }).pipe(Effect.provide(NodePlatform.layer)), 240_000)
})
