// Counts the source lines of the public packages without comments and blank lines: `node
// packages/tooling/count-lines.ts`.
import { globSync, readFileSync } from "node:fs"
import { join } from "node:path"

const root = join(import.meta.dirname, "../..")

/** Counts lines with code. A `//` in a string is not a comment, so only whole lines count as one. */
export const codeLines = (text: string): number =>
  text.replace(/\/\*[\s\S]*?\*\//g, (comment) => comment.replace(/[^\n]/g, "")).split("\n")
    .filter((line) => line.trim() !== "" && !line.trim().startsWith("//")).length

if (import.meta.main) {
  const counts = new Map<string, number>()
  for (const path of globSync("packages/*/src/**/*.ts", { cwd: root, exclude: ["**/node_modules/**"] })) {
    const name = path.split("/")[1]!
    counts.set(name, (counts.get(name) ?? 0) + codeLines(readFileSync(join(root, path), "utf8")))
  }
  for (const [name, count] of [...counts].sort(([a], [b]) => a < b ? -1 : 1)) {
    console.log(`${String(count).padStart(7)}  ${name}`)
  }
  console.log(`${String([...counts.values()].reduce((sum, count) => sum + count, 0)).padStart(7)}  in all`)
}
