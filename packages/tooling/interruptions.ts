// Interrupts every operation of the client at every step of the scheduler, or at every n-th one, on both servers:
// npm run interruptions [-- stride, 1 when absent]
import { runTestFile } from "./runTestFile.ts"

const [stride = "1"] = process.argv.slice(2)
if (!/^[1-9]\d*$/.test(stride)) {
  console.error("usage: interruptions.ts [every so many steps]")
  process.exit(2)
}
runTestFile("client", "InterruptionTrials.live.test.ts", { HYPERFECT_INTERRUPTION_STRIDE: stride })
