// Checks the working tree against the rules in structure.ts: `npm run structure`.
import { execFileSync } from "node:child_process"
import { existsSync, globSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { checkedSince, evidenceViolations, proseViolations, subjectViolations } from "./prose.ts"
import { longModule, longModules, violations } from "./structure.ts"
import { surfaceViolations } from "./surface.ts"

const root = join(import.meta.dirname, "../..")
const patterns = [
  "{package,tsconfig}.json",
  "packages/**/*.ts",
  "{README.md,packages/**/*.md}",
  "packages/*/package.json",
  "packages/{*/,}tsconfig*.json"
]
const exclude = ["**/node_modules/**", "**/dist/**", "**/.snippets/**", "**/.tsbuild/**"]
const paths = globSync(patterns, { cwd: root, exclude })
const tree = new Map(paths.map((path) => [path, readFileSync(join(root, path), "utf8")]))

for (const { lines, path } of longModules(tree)) {
  console.log(`${path}: ${lines} lines, over ${longModule}: is it one concept?`)
}
/** The subjects of the commits that the rules hold for, or undefined without their history. */
const subjects = (): ReadonlyArray<string> | undefined => {
  try {
    const git = ["log", "--format=%s", `${checkedSince}..HEAD`]
    return execFileSync("git", git, { cwd: root, encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] })
      .split("\n").filter((subject) => subject !== "")
  } catch {
    return undefined
  }
}

const modules = [...tree].filter(([path]) => path.endsWith(".ts"))
const evidenced = [...tree].filter(([path]) => path.endsWith(".md") || /^packages\/\w+\/src\//.test(path))
const checked = subjects()
if (checked === undefined) {
  console.log("structure: did not look at the subjects of commits, there is no history of them")
}
const found = [
  ...violations(tree),
  ...surfaceViolations(tree),
  ...proseViolations(modules),
  ...evidenceViolations(evidenced, (path) => existsSync(join(root, path))),
  ...subjectViolations(checked ?? [])
]
for (const line of found) console.error(line)
console.log(`structure: ${paths.length} files, ${found.length} violations`)
if (found.length > 0) process.exitCode = 1
