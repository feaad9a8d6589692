import { assert, describe, it } from "@effect/vitest"
import * as NodePlatform from "@hyperfect/node/NodePlatform"
import { Effect } from "effect"
import { findViolations, format } from "../killsRunner.ts"

/** In the first round of this seed, the server is killed after a transaction and a save. */
const options = { seed: 1073, canMount: false }

describe("loads into Hyper files while the server is killed", () => {
  it.live(
    "leave in each file what was reported saved, and nothing that was reported failed",
    () =>
      Effect.gen(function*() {
        const report = yield* findViolations({ ...options, rounds: 2 })
        assert.deepStrictEqual(report.violations, [], format(report))
        assert.isAtLeast(report.outcomes["save done"] ?? 0, 1)
      }).pipe(Effect.provide(NodePlatform.layer)),
    120_000
  )

  it.live("are found out if a save is reported that did not happen", () =>
    Effect.gen(function*() {
      const report = yield* findViolations({ ...options, rounds: 1, save: () => Effect.void })
      assert.lengthOf(report.violations, 1, format(report))
      assert.include(report.violations[0], "save: done")
    }).pipe(Effect.provide(NodePlatform.layer)), 120_000)
})
