// Runs every operation of the client on faulty connections to both servers, with any number of seeds:
// npm exec -- node packages/tooling/fault-trials.ts [seeds, 100 when absent] [first seed, 0 when absent]
import { runTestFile } from "./runTestFile.ts"

const [seeds = "100", first = "0"] = process.argv.slice(2)
if (![seeds, first].every((word) => /^\d+$/.test(word))) {
  console.error("usage: fault-trials.ts [number of seeds] [first seed]")
  process.exit(2)
}
runTestFile("testing", "ClientFaults.live.test.ts", { HYPERFECT_FAULT_SEEDS: seeds, HYPERFECT_FAULT_FIRST: first })
