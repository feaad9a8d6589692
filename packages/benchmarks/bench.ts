// npm run bench -- SUITE [--only ID,ID] [--rounds N] [--json FILE] [--record]
import { execFileSync } from "node:child_process"
import { appendFileSync, existsSync, readdirSync, writeFileSync } from "node:fs"
import { availableParallelism, cpus } from "node:os"
import { join } from "node:path"
import { parseArgs } from "node:util"
import { lineOf } from "./History.ts"
import { type Measurement, table } from "./report.ts"
import { run } from "./run.ts"
import { load } from "./Workload.ts"

const suites = join(import.meta.dirname, "suites")
const names = readdirSync(suites).filter((file) => file.endsWith(".ts")).map((file) => file.slice(0, -3))
const usage = `npm run bench -- SUITE [--only ID,ID] [--rounds N] [--json FILE] [--record]\nsuites: ${names.join(", ")}`

const fail = (why: string): never => {
  console.error(why)
  process.exit(2)
}

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: {
    only: { type: "string" },
    rounds: { type: "string" },
    json: { type: "string" },
    record: { type: "boolean" }
  }
})
const path = join(suites, `${positionals[0]}.ts`)
if (positionals.length !== 1 || !existsSync(path)) fail(usage)
const rounds = values.rounds === undefined ? undefined : Number(values.rounds)
if (rounds !== undefined && !(Number.isInteger(rounds) && rounds > 0)) fail(`--rounds ${values.rounds} is not a count`)

const { start, workloads } = await load(path)
const wanted = values.only?.split(",") ?? workloads.map(({ id }) => id)
const unknown = wanted.filter((id) => !workloads.some((workload) => workload.id === id))
if (unknown.length > 0) {
  fail(`no ${unknown.join(", ")} in ${positionals[0]}, which has ${workloads.map(({ id }) => id).join(", ")}`)
}

const machine = `Node ${process.version}, ${availableParallelism()} x ${cpus()[0]?.model ?? "unknown"}`
console.log(`${machine}\n`)
const all: Array<Measurement> = []
const end = await start?.()
try {
  for (const workload of workloads.filter(({ id }) => wanted.includes(id))) {
    const measured = await run(path, workload, { rounds })
    console.log(table(workload, measured))
    all.push(...measured)
  }
} finally {
  await end?.()
}
if (values.json !== undefined) writeFileSync(values.json, JSON.stringify(all, null, 2) + "\n")
if (values.record === true) {
  const commit = execFileSync("git", ["describe", "--always", "--dirty"], { encoding: "utf8" }).trim()
  const run = { date: new Date().toISOString(), commit, machine, suite: positionals[0]! }
  appendFileSync(join(import.meta.dirname, "history", `${run.suite}.jsonl`), lineOf(run, all))
  console.log("recorded: update the chart by `npm run generate`")
}
