// Runs the client's tests on the older versions of PostgreSQL, and lists what is different there in packages/docs/servers.md:
// npm run reach -- --servers [--only 14]
import { spawnSync } from "node:child_process"
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { basename, join } from "node:path"
import { parseArgs } from "node:util"
import { differences } from "./reachDifferences.ts"

interface Report {
  readonly testResults: ReadonlyArray<{
    readonly name: string
    readonly status: string
    readonly assertionResults: ReadonlyArray<{ readonly status: string; readonly fullName: string }>
  }>
}

const root = join(import.meta.dirname, "../..")
const folder = join(root, "reach/servers")
const page = join(root, "packages/docs/servers.md")
const marks = ["<!-- made by npm run reach -- --servers -->\n", "\n<!-- end -->"] as const
const { values } = parseArgs({ options: { servers: { type: "boolean" }, only: { type: "string" } } })
const all = [14, 15, 16, 17, 18]
const versions = values.only === undefined ? all : [Number(values.only)]

if (!existsSync(join(folder, "node_modules"))) {
  spawnSync("npm", ["ci", "--ignore-scripts"], { cwd: folder, stdio: "inherit" })
}

/** Runs the tests that do not need Hyper, and returns how many passed and which ones failed. */
const run = (version: number) => {
  const directory = mkdtempSync(join(tmpdir(), "hyperfect-reach-"))
  const output = join(directory, "report.json")
  const pattern = ["live", "-t", "^(?!.*\\bHyper\\b)"]
  const reporter = ["--reporter=json", `--outputFile=${output}`]
  spawnSync("vitest", ["run", "--config", "vitest.workspace.ts", "--project", "client", ...pattern, ...reporter], {
    cwd: root,
    stdio: "ignore",
    env: {
      ...process.env,
      ...version === 18 ? {} : { HYPERFECT_POSTGRES: join(folder, "node_modules", `postgres-${version}`) }
    }
  })
  const { testResults } = JSON.parse(readFileSync(output, "utf8")) as Report
  rmSync(directory, { recursive: true })
  const failed = testResults.flatMap(({ assertionResults, name, status }) => {
    const file = basename(name, ".live.test.ts")
    const tests = assertionResults.filter((test) => test.status === "failed").map(({ fullName }) =>
      `${file}: ${fullName}`
    )
    // A file whose server does not start has no failed test.
    return tests.length === 0 && status === "failed" ? [`${file}: all of it`] : tests
  })
  const passed = testResults.flatMap((file) => file.assertionResults).filter((test) => test.status === "passed").length
  return { passed, failed }
}

const problems: Array<string> = []
const rows = new Map(versions.map((version) => {
  const { failed, passed } = run(version)
  const expected = differences.filter(({ since }) => version < since)
  const matches = ({ tests }: (typeof differences)[number], name: string) => tests.test(name)
  for (const name of failed) {
    if (!expected.some((known) => matches(known, name))) problems.push(`PostgreSQL ${version}: ${name} failed`)
  }
  for (const known of expected) {
    if (!failed.some((name) => matches(known, name))) problems.push(`PostgreSQL ${version}: no ${known.tests} failed`)
  }
  console.log(`PostgreSQL ${version}: ${passed} passed, ${failed.length} failed, ${expected.length} differences known`)
  const what = expected.map(({ what }) => what).join("<br>") || "none"
  return [version, `| ${version} | ${passed} | ${failed.length} | ${what} |`] as const
}))

for (const problem of problems) console.log(problem)
if (problems.length > 0) process.exitCode = 1
else {
  const text = readFileSync(page, "utf8")
  const [start, end] = [text.indexOf(marks[0]) + marks[0].length, text.indexOf(marks[1])]
  // Versions that did not run keep their row.
  const before = text.slice(start, end).split("\n")
  const lines = all.flatMap((version) => rows.get(version) ?? before.filter((line) => line.startsWith(`| ${version} `)))
  const head = ["| PostgreSQL | tests passed | not as on 18 | because |", "| --- | --- | --- | --- |"]
  writeFileSync(page, `${text.slice(0, start)}\n${[...head, ...lines].join("\n")}\n${text.slice(end)}`)
  spawnSync("npm", ["run", "format", "--", page], { cwd: root, stdio: "inherit" })
}
