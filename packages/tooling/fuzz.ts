// Fuzzes the decoders, and adds inputs with outcomes that are new to the corpus.
// Run: npm run fuzz -- --seconds 600 --jobs 2 [--seed N]
// Each job is a process with a seed of its own: N, N + 1 ... A failure names the seed and the input.
import { fork } from "node:child_process"
import { parseArgs } from "node:util"
import * as Corpus from "./fuzzCorpus.ts"
import { type Found, fuzz, LawBroken, makeRandom, seeds } from "./fuzzing.ts"

/** What a job tells of its work. */
interface Done {
  readonly total: number
  readonly failure: string | undefined
  /** As lines of the corpus. */
  readonly found: ReadonlyArray<string>
}

const { values } = parseArgs({
  options: {
    seconds: { type: "string", default: "60" },
    jobs: { type: "string", default: "1" },
    seed: { type: "string" }
  }
})
const seconds = Number(values.seconds)
const jobs = Number(values.jobs)
const seed = values.seed === undefined ? Date.now() % 2 ** 31 : Number(values.seed)
if (!(seconds > 0) || !Number.isInteger(jobs) || jobs < 1 || !Number.isInteger(seed)) {
  throw new Error("--seconds N --jobs N [--seed N]")
}

const work = async (): Promise<Done> => {
  const end = performance.now() + seconds * 1000
  const corpus = Corpus.load()
  const start = [...corpus.map(({ input }) => input), ...await seeds(seed)]
  const known = new Set(corpus.map(({ outcome }) => outcome))
  const found: Array<Found> = []
  let total = 0
  let failure: string | undefined
  const more = (runs: number) => {
    total = runs
    return runs % 100 !== 0 || performance.now() < end
  }
  try {
    for (const one of fuzz(start, known, makeRandom(seed), more)) found.push(one)
  } catch (thrown) {
    if (!(thrown instanceof LawBroken)) throw thrown
    failure = `seed ${seed}: ${thrown.message}`
  }
  return { total, failure, found: found.map(Corpus.toLine) }
}

/** One job in a process of its own. */
const job = (index: number): Promise<Done> =>
  new Promise((resolve, reject) => {
    const args = ["--seconds", `${seconds}`, "--seed", `${seed + index}`]
    const child = fork(import.meta.filename, args, { execArgv: process.execArgv })
    let done: Done | undefined
    child.on("message", (message) => done = message as Done)
    child.on("exit", (code) => done === undefined ? reject(new Error(`a job ended with ${code}`)) : resolve(done))
  })

if (process.send !== undefined) {
  process.send(await work())
} else {
  const corpus = Corpus.load()
  console.log(`${jobs} jobs from seed ${seed}, ${corpus.length} outcomes known`)
  const all = await Promise.all(Array.from({ length: jobs }, (_, index) => job(index)))
  for (const { failure } of all) {
    if (failure === undefined) continue
    console.error(failure)
    process.exitCode = 1
  }
  const total = all.reduce((sum, done) => sum + done.total, 0)
  const found = all.flatMap((done) => done.found.map(Corpus.fromLine))
  console.log(`${total} inputs, ${Corpus.save([...corpus, ...found])} outcomes`)
}
