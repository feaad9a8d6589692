// Runs every operation of the client on bad lines to both servers, with as many seeds as one likes:
//   npm exec -- node packages/tooling/faults.ts [seeds, 100 when absent] [first seed, 0 when absent]
import { spawnSync } from "node:child_process"
import { join } from "node:path"

const [seeds = "100", first = "0"] = process.argv.slice(2)
if (![seeds, first].every((word) => /^\d+$/.test(word))) {
  console.error("usage: faults.ts [number of seeds] [first seed]")
  process.exit(2)
}
const root = join(import.meta.dirname, "../..")
const vitest = join(root, "node_modules/vitest/vitest.mjs")
const test = join(root, "packages/testing/test/Faults.test.ts")
const { status } = spawnSync(
  process.execPath,
  [vitest, "run", "--config", "vitest.workspace.ts", "--project", "testing", test],
  {
    cwd: root,
    stdio: "inherit",
    env: { ...process.env, HYPERFECT_FAULT_SEEDS: seeds, HYPERFECT_FAULT_FIRST: first }
  }
)
process.exitCode = status ?? 1
