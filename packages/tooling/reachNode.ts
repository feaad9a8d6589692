// Runs the checks of `npm run reach` in Node.js, Bun and Deno, as a program of its own.
import { PGlite } from "@electric-sql/pglite"
import { NodePlatform } from "@hyperfect/node"
import { runChecks } from "./reachChecks.ts"
import { pgliteCheck } from "./reachPglite.ts"

const { bun, deno, node } = process.versions
console.log(JSON.stringify({ version: bun ?? deno ?? node }))
await runChecks({
  servers: JSON.parse(process.env["REACH"]!),
  layer: NodePlatform.layer,
  more: { PGlite: pgliteCheck(() => PGlite.create()) },
  report: console.log
})
process.exit(0)
