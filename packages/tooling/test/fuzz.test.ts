import { assert, describe, it } from "@effect/vitest"
import * as Corpus from "../fuzzCorpus.ts"
import { check, fuzz, LawBroken, makeRandom, seeds } from "../fuzzing.ts"

const corpus = Corpus.load()

describe("the decoders", () => {
  it("treat every input that was kept as they did when it was kept", () => {
    assert.isAbove(corpus.length, 200)
    for (const { input, outcome } of corpus) assert.strictEqual(check(input, makeRandom(1)), outcome)
  })

  it("hold their laws for thousands of inputs that nobody has seen", async () => {
    const seed = 20_261_123
    const start = [...corpus.map(({ input }) => input), ...await seeds(seed)]
    const known = new Set(corpus.map(({ outcome }) => outcome))
    for (const _ of fuzz(start, known, makeRandom(seed), (runs) => runs < 15_000));
  }, 60_000)

  it("are found out when they break one", () => {
    // Bytes are an input only as long as nobody changes them: the law of chunks is broken by those that do.
    let calls = 0
    const bytes = new Proxy(Uint8Array.of(0x5a, 0, 0, 0, 5, 0x49), {
      get: (target, key) => {
        const value: unknown = Reflect.get(target, key)
        if (key === "slice") return () => ++calls === 2 ? Uint8Array.of(0x31, 0, 0, 0, 4) : target.slice()
        return value
      }
    })
    assert.throws(() => check({ target: "backend", bytes }, makeRandom(1)), LawBroken)
  })
})
