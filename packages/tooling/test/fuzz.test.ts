import { assert, describe, it } from "@effect/vitest"
import * as Corpus from "../fuzzCorpus.ts"
import { check, fuzz, InvariantViolated, makeRandom, seeds } from "../fuzzer.ts"

const corpus = Corpus.load()

describe("fuzzer", () => {
  it("finds the recorded outcome for every input of the corpus", () => {
    assert.isAbove(corpus.length, 200)
    for (const { input, outcome } of corpus) assert.strictEqual(check(input, makeRandom(1)), outcome)
  })

  it("finds no violation in thousands of new inputs", async () => {
    const seed = 20_261_123
    const start = [...corpus.map(({ input }) => input), ...await seeds(seed)]
    const known = new Set(corpus.map(({ outcome }) => outcome))
    for (const _ of fuzz(start, known, makeRandom(seed), (runs) => runs < 15_000));
  }, 60_000)

  it("detects a broken invariant", () => {
    // An input must not be modified: a decoder that modifies its bytes breaks the invariant about chunks.
    let calls = 0
    const bytes = new Proxy(Uint8Array.of(0x5a, 0, 0, 0, 5, 0x49), {
      get: (target, key) => {
        const value: unknown = Reflect.get(target, key)
        if (key === "slice") return () => ++calls === 2 ? Uint8Array.of(0x31, 0, 0, 0, 4) : target.slice()
        return value
      }
    })
    assert.throws(() => check({ target: "backend", bytes }, makeRandom(1)), InvariantViolated)
  })
})
