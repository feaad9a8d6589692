/**
 * Runs one workload: every entry in its own process, checked first, then timed in turns.
 *
 * In turns means that each entry does one round before any does its next, starting with another entry every time, so
 * that a disturbance of the machine affects all of them. Waiting entries use no processor time.
 */
import { type ChildProcess, fork } from "node:child_process"
import type { Reply, Request, Sample } from "./protocol.ts"
import { type Measurement, measurements, type Samples } from "./report.ts"
import type { Entry, Workload } from "./Workload.ts"

const defaultRounds = 15
const warmUpRounds = 2

/** The process of one entry. */
interface EntryProcess {
  readonly entry: Entry
  readonly digest: string | undefined
  readonly request: <Tag extends Reply["_tag"]>(request: Request, tag: Tag) => Promise<Extract<Reply, { _tag: Tag }>>
  readonly kill: () => void
}

/** Returns the next message of a process; fails if that reports a failure, or if the process exits without one. */
const nextReply = (child: ChildProcess, who: string): Promise<Exclude<Reply, { _tag: "Failed" }>> =>
  new Promise((resolve, reject) => {
    const onExit = (code: number | null, signal: string | null): void => {
      child.off("message", onMessage)
      reject(new Error(`${who} ended by itself (${signal ?? `exit code ${code}`})`))
    }
    const onMessage = (message: unknown): void => {
      child.off("exit", onExit)
      const reply = message as Reply
      if (reply._tag === "Failed") reject(new Error(`${who}: ${reply.message}`))
      else resolve(reply)
    }
    child.once("exit", onExit)
    child.once("message", onMessage)
  })

const start = async (suite: string, workload: Workload, entry: Entry): Promise<EntryProcess> => {
  const who = `${workload.id} ${entry.name}`
  const execArgv = ["--expose-gc", "--conditions=@hyperfect/source"]
  const child = fork(`${import.meta.dirname}/worker.ts`, [suite, workload.id, entry.name], { execArgv })
  const ready = await nextReply(child, who)
  if (ready._tag !== "Ready") throw new Error(`${who} began with ${ready._tag}`)
  return {
    entry,
    digest: ready.digest,
    request: async (request, tag) => {
      const reply = nextReply(child, who)
      child.send(request)
      const { _tag, ...rest } = await reply
      if (_tag !== tag) throw new Error(`${who} answered ${request} with ${_tag}`)
      return { _tag, ...rest } as Extract<Reply, { _tag: typeof tag }>
    },
    kill: () => child.kill("SIGKILL")
  }
}

/** Fails unless all entries returned the same values, before anything is timed. */
const assertSame = (workload: Workload, runners: ReadonlyArray<EntryProcess>): void => {
  const without = runners.find(({ digest, entry }) => digest === undefined && entry.kind !== "limit")
  if (without !== undefined) throw new Error(`${workload.id}: ${without.entry.name} shows no values`)
  const digests = new Map<string, Array<string>>()
  for (const { digest, entry } of runners) {
    if (digest === undefined) continue
    const names = digests.get(digest) ?? []
    digests.set(digest, names)
    names.push(entry.name)
  }
  if (digests.size <= 1) return
  const groups = Array.from(digests, ([digest, names]) => `${names.join(", ")}: ${digest}`)
  throw new Error(`${workload.id}: the values are not the same\n  ${groups.join("\n  ")}`)
}

/**
 * Checks and times a workload of the suite at the path `suite`. Fails if an entry fails, or if two entries with values
 * return different ones.
 */
export const run = async (
  suite: string,
  workload: Workload,
  options?: { readonly rounds?: number | undefined }
): Promise<ReadonlyArray<Measurement>> => {
  const runners: Array<EntryProcess> = []
  try {
    for (const entry of workload.entries) runners.push(await start(suite, workload, entry))
    assertSame(workload, runners)
    const inTurn = async (round: number, each: (runner: EntryProcess) => Promise<unknown>): Promise<void> => {
      for (let i = 0; i < runners.length; i++) await each(runners[(i + round) % runners.length]!)
    }
    for (let round = 0; round < warmUpRounds; round++) await inTurn(round, (runner) => runner.request("round", "Round"))
    await inTurn(0, (runner) => runner.request("reset", "Reset"))
    const samples = new Map<EntryProcess, Array<Sample>>(runners.map((runner) => [runner, []]))
    const rounds = options?.rounds ?? workload.rounds ?? defaultRounds
    for (let round = 0; round < rounds; round++) {
      await inTurn(round, async (runner) => samples.get(runner)!.push(await runner.request("round", "Round")))
    }
    const all: Array<Samples> = []
    for (const runner of runners) {
      const { rssMb } = await runner.request("finish", "Finished")
      all.push({ entry: runner.entry, rssMb, samples: samples.get(runner)! })
    }
    return measurements(workload, all)
  } finally {
    for (const { kill } of runners) kill()
  }
}
