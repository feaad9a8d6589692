// Fuzzes the decoders, and adds inputs with new outcomes to the corpus.
// Run: npm run fuzz -- --seconds 600 --jobs 2 [--seed N]
// Each job is a process with its own seed: N, N + 1 ... A failure names the seed and the input.
import { fork } from "node:child_process"
import { parseArgs } from "node:util"
import * as Corpus from "./fuzzCorpus.ts"
import { type CorpusEntry, fuzz, InvariantViolated, makeRandom, seeds } from "./fuzzer.ts"

/** The result of a job. */
interface JobResult {
  readonly total: number
  readonly failure: string | undefined
  /** New inputs, as lines of the corpus. */
  readonly found: ReadonlyArray<string>
}

const { values } = parseArgs({
  options: {
    seconds: { type: "string", default: "60" },
    jobs: { type: "string", default: "1" },
    seed: { type: "string" },
    "keep-corpus": { type: "boolean", default: false }
  }
})
const seconds = Number(values.seconds)
const jobs = Number(values.jobs)
const seed = values.seed === undefined ? Date.now() % 2 ** 31 : Number(values.seed)
if (!(seconds > 0) || !Number.isInteger(jobs) || jobs < 1 || !Number.isInteger(seed)) {
  throw new Error("--seconds N --jobs N [--seed N] [--keep-corpus]")
}

const runJob = async (): Promise<JobResult> => {
  const end = performance.now() + seconds * 1000
  const corpus = Corpus.load()
  const start = [...corpus.map(({ input }) => input), ...await seeds(seed)]
  const known = new Set(corpus.map(({ outcome }) => outcome))
  const found: Array<CorpusEntry> = []
  let total = 0
  let failure: string | undefined
  const more = (runs: number) => {
    total = runs
    return runs % 100 !== 0 || performance.now() < end
  }
  try {
    for (const one of fuzz(start, known, makeRandom(seed), more)) found.push(one)
  } catch (thrown) {
    if (!(thrown instanceof InvariantViolated)) throw thrown
    failure = `seed ${seed}: ${thrown.message}`
  }
  return { total, failure, found: found.map(Corpus.toLine) }
}

/** Runs one job in a separate process. */
const forkJob = (index: number): Promise<JobResult> =>
  new Promise((resolve, reject) => {
    const args = ["--seconds", `${seconds}`, "--seed", `${seed + index}`]
    const child = fork(import.meta.filename, args, { execArgv: process.execArgv })
    let done: JobResult | undefined
    child.on("message", (message) => done = message as JobResult)
    child.on("exit", (code) => done === undefined ? reject(new Error(`a job ended with ${code}`)) : resolve(done))
  })

if (process.send !== undefined) {
  process.send(await runJob())
} else {
  const corpus = Corpus.load()
  console.log(`${jobs} jobs from seed ${seed}, ${corpus.length} outcomes known`)
  const all = await Promise.all(Array.from({ length: jobs }, (_, index) => forkJob(index)))
  for (const { failure } of all) {
    if (failure === undefined) continue
    console.error(failure)
    process.exitCode = 1
  }
  const total = all.reduce((sum, done) => sum + done.total, 0)
  const found = all.flatMap((done) => done.found.map(Corpus.fromLine))
  console.log(`${total} inputs, ${found.length} with an outcome that is new`)
  if (!values["keep-corpus"]) console.log(`${Corpus.save([...corpus, ...found])} outcomes`)
}
