import { assert, describe, it } from "@effect/vitest"
import * as NodePlatform from "@hyperfect/node/NodePlatform"
import { Effect } from "effect"
import { kinds } from "../stalenessOperations.ts"
import { findStaleness, format, type Options } from "../stalenessRunner.ts"

const expectNone = (options: Omit<Options, "seconds" | "seed">) =>
  Effect.gen(function*() {
    const report = yield* findStaleness({ seconds: 1, atLeast: 3, seed: 1, ...options })
    assert.isUndefined(report.violation, format(report))
    assert.isAtLeast(report.sequences, 3)
  }).pipe(Effect.provide(NodePlatform.layer))

describe("Session > cached statements and types match a client without caches", () => {
  it.live(
    "if other sessions make changes, with a type check before every run",
    () => expectNone({ config: { typeCheckInterval: 0 } }),
    120_000
  )

  it.live("if the session itself makes the changes, without type checks", () =>
    expectNone({
      config: { typeCheckInterval: 3_600_000 },
      kinds: kinds.filter((kind) => kind !== "others")
    }), 120_000)
})
