import { assert, describe, it } from "@effect/vitest"
import * as NodePlatform from "@hyperfect/node/NodePlatform"
import { Effect } from "effect"
import type { Row } from "../failoverOracle.ts"
import { findViolations, format } from "../failoverRunner.ts"

describe("writes while a server of a pair fails", () => {
  it.live(
    "are on every server that lives if they were answered, once and in order, and not if they failed",
    () =>
      Effect.gen(function*() {
        // The primary refuses connections for a while; then it is killed, the standby promoted, and it comes back read-only.
        const report = yield* findViolations({ rounds: 2, seed: 18 })
        assert.deepStrictEqual(report.violations, [], format(report))
        assert.deepStrictEqual(report.rounds, { refusing: 1, "dead, promoted, back": 1 })
        assert.deepStrictEqual(Object.keys(report.promotions), ["dead"])
      }).pipe(Effect.provide(NodePlatform.layer)),
    120_000
  )

  it.live("are found out if one that was answered is lost", () =>
    Effect.gen(function*() {
      const alter = (rows: ReadonlyArray<Row>) => rows.filter(({ key }) => key !== 0)
      const report = yield* findViolations({ rounds: 1, seed: 28, alter })
      assert.isAtLeast(report.violations.length, 2, format(report))
      for (const violation of report.violations) assert.match(violation, / of 0 \(answered.*\) is missing$/)
    }).pipe(Effect.provide(NodePlatform.layer)), 120_000)
})
