import { assert } from "@effect/vitest"
import { Effect } from "effect"
import { runAll } from "./interruptionTrials.ts"
import { describeServers } from "./liveServers.ts"

// packages/tooling/interruptions.ts sets it, to try every step, which takes too long for a test run.
const isLong = process.env["HYPERFECT_INTERRUPTION_STRIDE"] !== undefined
const stride = Number(process.env["HYPERFECT_INTERRUPTION_STRIDE"] ?? 60)
const ticks = 240

describeServers({
  both(it) {
    it.effect(
      "every operation, interrupted at any step, loses no slot, writes nothing twice, and disturbs no other operation",
      () =>
        Effect.gen(function*() {
          const { problems, table } = yield* runAll({ ticks, stride })
          if (isLong) console.table(table)
          assert.strictEqual(problems.join("\n"), "")
          // The trials are worthless unless some operations were interrupted and some were not.
          for (const [what, { done, trials }] of Object.entries(table)) {
            assert.isAtLeast(done, 4, what)
            if (isLong) assert.isBelow(done, trials, what)
          }
          assert.isTrue(Object.values(table).some(({ done, trials }) => done < trials))
        }),
      isLong ? 7_200_000 : 120_000
    )
  }
})
