// The process of one entry: `worker.ts SUITE WORKLOAD ENTRY`. It sets up the entry, replies to every `round` with a
// sample, and to `finish` with its peak memory. Failures are also sent as replies. See protocol.ts.
import { readFileSync, writeFileSync } from "node:fs"
import type { Reply, Request } from "./protocol.ts"
import { type Child, load } from "./Workload.ts"

const reply = (message: Reply): void => {
  process.send!(message)
}

/** Reports the error to the parent, which shows it with the name of the entry. */
process.on("uncaughtException", (error) => {
  process.exitCode = 1
  process.send!({ _tag: "Failed", message: error.stack ?? error.message } satisfies Reply, () => process.exit())
})
// Without a parent there is no work to do.
process.on("disconnect", () => process.exit())

const [path, id, name] = process.argv.slice(2)
const { workloads } = await load(path!)
const entry = workloads.find((workload) => workload.id === id)?.entries.find((entry) => entry.name === name)
if (entry === undefined) throw new Error(`${path} has no entry ${name} in ${id}`)

const collectGarbage = globalThis.gc
if (collectGarbage === undefined) throw new Error("start the worker with --expose-gc")

/** Resets the kernel's peak memory counter, which includes that of `check`. */
const resetPeak = (): void => {
  try {
    writeFileSync("/proc/self/clear_refs", "5")
  } catch {
    // Not on Linux, or not permitted: the peak then includes the memory used before the rounds, in every entry alike.
  }
}

const peakMb = (): number => {
  try {
    const match = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync("/proc/self/status", "utf8"))
    if (match !== null) return Number(match[1]) / 1024
  } catch {
    // Not on Linux: the value below is good enough there.
  }
  return process.resourceUsage().maxRSS / 1024
}

const prepared = await entry.setup()

const round = async (): Promise<void> => {
  collectGarbage()
  const cpu = process.cpuUsage()
  const started = performance.now()
  const result = prepared.run()
  const ran = result instanceof Promise ? await result : result
  const ms = performance.now() - started
  const { system, user } = process.cpuUsage(cpu)
  reply({ _tag: "Round", ms, cpuMs: (ran as Child | undefined)?.childCpuMs ?? (user + system) / 1000 })
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
