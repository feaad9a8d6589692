// The process of one entry: `worker.ts SUITE WORKLOAD ENTRY`. It makes itself ready, answers every `round` with a
// sample, and `finish` with the peak of its memory. What goes wrong on the way is said too. See protocol.ts.
import { readFileSync, writeFileSync } from "node:fs"
import type { Reply, Request } from "./protocol.ts"
import { load } from "./Workload.ts"

const reply = (message: Reply): void => {
  process.send!(message)
}

/** Tells the parent, which shows it under the name of the entry; there is nothing more to do here. */
process.on("uncaughtException", (error) => {
  process.exitCode = 1
  process.send!({ _tag: "Failed", message: error.stack ?? error.message } satisfies Reply, () => process.exit())
})
// Without a parent there is nobody to work for.
process.on("disconnect", () => process.exit())

const [path, id, name] = process.argv.slice(2)
const { workloads } = await load(path!)
const entry = workloads.find((workload) => workload.id === id)?.entries.find((entry) => entry.name === name)
if (entry === undefined) throw new Error(`${path} has no entry ${name} in ${id}`)

const collectGarbage = globalThis.gc
if (collectGarbage === undefined) throw new Error("start the worker with --expose-gc")

/** Makes the kernel forget the peak so far, which includes that of `check`. */
const resetPeak = (): void => {
  try {
    writeFileSync("/proc/self/clear_refs", "5")
  } catch {
    // Not on Linux, or not allowed: the peak then includes what came before the rounds, in every entry alike.
  }
}

const peakMb = (): number => {
  try {
    const match = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync("/proc/self/status", "utf8"))
    if (match !== null) return Number(match[1]) / 1024
  } catch {
    // Not on Linux: the answer below is good enough there.
  }
  return process.resourceUsage().maxRSS / 1024
}

const prepared = await entry.setup()

const round = async (): Promise<void> => {
  collectGarbage()
  const cpu = process.cpuUsage()
  const started = performance.now()
  const result = prepared.run()
  if (result instanceof Promise) await result
  const ms = performance.now() - started
  const { system, user } = process.cpuUsage(cpu)
  reply({ _tag: "Round", ms, cpuMs: (user + system) / 1000 })
}

const finish = async (): Promise<void> => {
  const rssMb = peakMb()
  await prepared.close?.()
  reply({ _tag: "Finished", rssMb })
  process.disconnect()
}

const handle = (request: Request): Promise<void> => {
  if (request === "reset") {
    collectGarbage()
    resetPeak()
    reply({ _tag: "Reset" })
    return Promise.resolve()
  }
  return request === "round" ? round() : finish()
}

process.on("message", (request: Request) => void handle(request))
reply({ _tag: "Ready", digest: await prepared.check() })
