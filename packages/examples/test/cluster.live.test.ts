import { assert, describe, it } from "@effect/vitest"
import { NodePlatform } from "@hyperfect/node"
import { Effect } from "effect"
import { expected, run } from "./clusterTrial.ts"

describe("the cluster of accounts", () => {
  it.live(
    "answers each deposit, which has its effect once and in order, when a runner is killed",
    () =>
      Effect.gen(function*() {
        const { runners, ...held } = yield* run("a killed runner", 12)
        assert.deepStrictEqual(held, expected(12))
        assert.strictEqual(runners, 2)
      }).pipe(Effect.provide(NodePlatform.layer)),
    90_000
  )
})
