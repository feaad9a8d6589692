// npm run bench -- SUITE [--only ID,ID] [--rounds N] [--json FILE]
import { existsSync, readdirSync, writeFileSync } from "node:fs"
import { availableParallelism, cpus } from "node:os"
import { join } from "node:path"
import { parseArgs } from "node:util"
import { type Measurement, table } from "./report.ts"
import { run } from "./run.ts"
import { load } from "./Workload.ts"

const suites = join(import.meta.dirname, "suites")
const names = readdirSync(suites).filter((file) => file.endsWith(".ts")).map((file) => file.slice(0, -3))
const usage = `npm run bench -- SUITE [--only ID,ID] [--rounds N] [--json FILE]\nsuites: ${names.join(", ")}`

const fail = (why: string): never => {
  console.error(why)
  process.exit(2)
}

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: { only: { type: "string" }, rounds: { type: "string" }, json: { type: "string" } }
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

console.log(`Node ${process.version}, ${availableParallelism()} x ${cpus()[0]?.model ?? "unknown"}\n`)
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
