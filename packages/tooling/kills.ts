// Kills a Hyper server, or fills its disk, at random points of loads and saves, and checks the files:
// npm run kills -- --rounds 100 [--seed N]
import * as NodePlatform from "@hyperfect/node/NodePlatform"
import { Effect } from "effect"
import { spawnSync } from "node:child_process"
import { parseArgs } from "node:util"
import { findViolations, format } from "./killsRunner.ts"

const { values } = parseArgs({
  options: { rounds: { type: "string", default: "100" }, seed: { type: "string" } }
})
const rounds = Number(values.rounds)
const seed = values.seed === undefined ? Date.now() % 2 ** 31 : Number(values.seed)
if (!(Number.isInteger(rounds) && rounds > 0 && Number.isInteger(seed))) throw new Error("--rounds N [--seed N]")

// A namespace of its own can mount a small file system without being root.
const namespace = ["--user", "--map-root-user", "--mount"]
const isInside = process.env["HYPERFECT_KILLS_INSIDE"] !== undefined
const probe = ["sh", "-c", "mount -t tmpfs tmpfs /mnt"]
if (!isInside && spawnSync("unshare", [...namespace, ...probe]).status === 0) {
  const { status } = spawnSync("unshare", [
    ...namespace,
    process.execPath,
    ...process.execArgv,
    ...process.argv.slice(1)
  ], {
    stdio: "inherit",
    env: { ...process.env, HYPERFECT_KILLS_INSIDE: "1" }
  })
  process.exitCode = status ?? 1
} else {
  if (!isInside) console.log("unshare is refused here: rounds with a full disk are not possible")
  const report = await Effect.runPromise(
    findViolations({ rounds, seed, canMount: isInside }).pipe(Effect.provide(NodePlatform.layer))
  )
  console.log(format(report))
  if (report.violations.length > 0) process.exitCode = 1
}
