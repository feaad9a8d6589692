// Holds the working tree against the rules in structure.ts: `npm run structure`.
import { globSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { longModule, longModules, violations } from "./structure.ts"

const root = join(import.meta.dirname, "../..")
const patterns = [
  "{package,tsconfig}.json",
  "packages/**/*.ts",
  "packages/*/package.json",
  "packages/{*/,}tsconfig*.json"
]
const exclude = ["**/node_modules/**", "**/dist/**", "**/.snippets/**", "**/.tsbuild/**"]
const paths = globSync(patterns, { cwd: root, exclude })
const tree = new Map(paths.map((path) => [path, readFileSync(join(root, path), "utf8")]))

for (const { lines, path } of longModules(tree)) {
  console.log(`${path}: ${lines} lines, over ${longModule}: is it one concept?`)
}
const found = violations(tree)
for (const line of found) console.error(line)
console.log(`structure: ${paths.length} files, ${found.length} violations`)
if (found.length > 0) process.exitCode = 1
