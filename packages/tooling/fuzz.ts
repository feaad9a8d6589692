// Fuzzes the decoders, and adds inputs with outcomes that are new to the corpus.
// Run: npm exec -- node --conditions=@hyperfect/source packages/tooling/fuzz.ts --seconds 600 [--seed N]
import { parseArgs } from "node:util"
import * as Corpus from "./fuzzCorpus.ts"
import { type Found, fuzz, LawBroken, makeRandom, seeds } from "./fuzzing.ts"

const { values } = parseArgs({ options: { seconds: { type: "string", default: "60" }, seed: { type: "string" } } })
const seconds = Number(values.seconds)
const seed = values.seed === undefined ? Date.now() % 2 ** 31 : Number(values.seed)
if (!(seconds > 0) || !Number.isInteger(seed)) throw new Error("--seconds N [--seed N]")

const end = performance.now() + seconds * 1000
const corpus = Corpus.load()
const found: Array<Found> = [...corpus]
let total = 0
const start = [...corpus.map(({ input }) => input), ...await seeds(seed)]
const known = new Set(corpus.map(({ outcome }) => outcome))
console.log(`seed ${seed}, ${corpus.length} outcomes known`)
try {
  const more = (runs: number) => {
    total = runs
    return runs % 100 !== 0 || performance.now() < end
  }
  for (const one of fuzz(start, known, makeRandom(seed), more)) found.push(one)
} catch (thrown) {
  if (!(thrown instanceof LawBroken)) throw thrown
  console.error(thrown.message)
  process.exitCode = 1
}
console.log(`${total} inputs, ${Corpus.save(found)} outcomes`)
