/**
 * Kills a Hyper server, or fills its disk, at random points of loads and saves, and compares the file afterwards with
 * what the client has reported.
 */
import { Client } from "@hyperfect/client/Client"
import * as Hyper from "@hyperfect/hyper/Hyper"
import * as Hyperd from "@hyperfect/hyper/Hyperd"
import * as HyperLoad from "@hyperfect/hyper/HyperLoad"
import type { SaveError } from "@hyperfect/hyper/SaveError"
import { Cause, Deferred, Effect, Exit, Fiber, FileSystem } from "effect"
import { execFileSync } from "node:child_process"
import { rmSync, statfsSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { Attached, Batches, Load, type Loads, type LoadStep, loadSteps, rowsOf, write } from "./killsLoads.ts"
import { FileHistory, type Found, type Outcome } from "./killsOracle.ts"
import { makeRandom } from "./stalenessOperations.ts"

/** The faults: SIGKILL, SIGSTOP with SIGKILL after the client has given up, and a full disk. */
export const faults = ["kill", "stop", "disk"] as const
/** The ways to write a file: `Hyper.withDatabase` with a session, a pool or atomically, and `Hyper.unload`. */
export const ways = ["session", "pool", "atomic", "unload"] as const
const steps = [...loadSteps, "save"] as const

export type Fault = typeof faults[number]
type Way = typeof ways[number]
type Step = typeof steps[number]

export interface Options {
  readonly rounds: number
  readonly seed: number
  /** True if this process may mount a file system of its own, for the full disk. */
  readonly canMount: boolean
  /** `Hyper.save`, or a replacement that lies, to show that this is found. */
  readonly save?: typeof Hyper.save | undefined
  /** The constructors of `HyperLoad`, or replacements that lie. */
  readonly loads?: Partial<Loads> | undefined
  /** The parts of the plan of each round that are not random. */
  readonly plan?: Partial<Plan> | undefined
}

export interface Report {
  readonly seed: number
  /** The number of rounds by fault. */
  readonly rounds: Record<string, number>
  /** The number of loads, saves and ends by outcome. */
  readonly outcomes: Record<string, number>
  readonly violations: ReadonlyArray<string>
}

const name = "extract.hyper"
const filler = "filler"
/** The number of batches after which the file is begun anew. */
const maxBatches = 12

/** The plan of a round. */
export interface Plan {
  readonly fault: Fault
  readonly way: Way
  readonly steps: ReadonlyArray<Step>
  /** The step before which the fault is armed; after the last one, the end is hit. */
  readonly at: number
  readonly delay: number
  /** The free kilobytes that are left on a full disk. */
  readonly slack: number
}

const makePlan = (random: () => number): Plan => {
  const pick = <A>(from: ReadonlyArray<A>): A => from[Math.floor(random() * from.length)]!
  const count = 1 + Math.floor(random() * 4)
  return {
    fault: pick(faults),
    way: pick(ways),
    steps: Array.from({ length: count }, () => pick(steps)),
    at: Math.floor(random() * (count + 1)),
    delay: 80 * random() ** 2,
    slack: Math.floor(1500 * random() ** 2)
  }
}

/** Returns the outcome of a save from the error that it failed with, if that is about the data. */
const outcomeOf = (exit: Exit.Exit<unknown, unknown>): Outcome | undefined => {
  if (Exit.isSuccess(exit)) return "done"
  const error = exit.cause.reasons
    .map((reason) => Cause.isFailReason(reason) ? reason.error : undefined)
    .find((error): error is SaveError => (error as { readonly _tag?: unknown } | undefined)?._tag === "SaveError")
  return error && (error.outcome === "lost" ? "failed" : "unknown")
}

/** Returns the outcome of a load. The client says of an error whether the server can have received the statement. */
const loadOutcome = (exit: Exit.Exit<unknown, unknown>, isCommitted: boolean): Outcome => {
  if (Exit.isSuccess(exit)) return "done"
  if (!isCommitted) return "failed"
  const error = Cause.squash(exit.cause) as { readonly _tag?: unknown; readonly sent?: unknown; isFatal?: unknown }
  return error.sent === "nothing" || error._tag === "ServerError" && error.isFatal !== true ? "failed" : "unknown"
}

/** A stopped server never answers. */
const saveTimeoutOf = ({ fault }: Plan) => fault === "stop" ? "500 millis" : "1 minute"

/** The state that the rounds of a run share. */
interface World {
  readonly random: () => number
  readonly save: typeof Hyper.save
  readonly loads: Loads
  readonly outcomes: Record<string, number>
  readonly batches: Batches
}

const count = (counts: Record<string, number>, name: string): void => {
  counts[name] = (counts[name] ?? 0) + 1
}

/** Loads one batch, or two in a transaction. */
const load = (world: World, history: FileHistory, step: LoadStep, table: typeof Load) => {
  const sizes = new Map<number, number>()
  let updated: ReadonlyArray<number> = []
  // A statement of its own commits what it loads.
  let isCommitted = step === "insert" || step === "copy"
  const commit = Effect.sync(() => {
    isCommitted = true
  })
  const writeOne = Effect.suspend(() => {
    const [batch, instead] = step === "upsert" ? world.batches.update(history) : [world.batches.add(), []]
    updated = instead
    sizes.set(batch.number, batch.size)
    return write(world.loads, step, table, rowsOf(batch, world.random), commit)
  })
  const all = step === "transaction"
    ? Effect.flatMap(
      Client,
      (client) => client.transaction(writeOne.pipe(Effect.andThen(writeOne), Effect.andThen(commit)))
    )
    : writeOne
  return Effect.onExit(all, (exit) =>
    Effect.sync(() => {
      const outcome = loadOutcome(exit, isCommitted)
      history.load(sizes, outcome, updated)
      count(world.outcomes, `${step} ${outcome}`)
    }))
}

/** Notes the outcome of a save or an end, unless it was refused before anything happened. */
const noteSave =
  (world: World, name: string, note: (outcome: Outcome) => void) => (exit: Exit.Exit<unknown, unknown>) =>
    Effect.sync(() => {
      const outcome = outcomeOf(exit)
      if (outcome !== undefined) note(outcome)
      count(world.outcomes, `${name} ${outcome ?? "refused"}`)
    })

/** Runs the steps of a plan with the client, also after one that has failed. */
const runSteps = (
  world: World,
  plan: Plan,
  history: FileHistory,
  arm: (step: number) => Effect.Effect<void>
) =>
  Effect.gen(function*() {
    const table = plan.way === "unload" ? Attached : Load
    for (const [index, step] of plan.steps.entries()) {
      yield* arm(index)
      const run = step === "save"
        ? Effect.onExit(
          world.save({ saveTimeout: saveTimeoutOf(plan) }),
          noteSave(world, "save", (outcome) => history.save(outcome))
        )
        : load(world, history, step, table)
      yield* Effect.ignore(run)
    }
    yield* arm(plan.steps.length)
  })

/** Runs a plan to its end, in which the file is saved. */
const runPlan = (
  world: World,
  plan: Plan,
  database: string,
  history: FileHistory,
  arm: (step: number) => Effect.Effect<void>
): Effect.Effect<unknown, unknown, Hyper.Services> => {
  const saveTimeout = saveTimeoutOf(plan)
  const save = noteSave(world, `end of ${plan.way}`, (outcome) => history.save(outcome))
  switch (plan.way) {
    case "session":
    case "pool": {
      const pool = plan.way === "pool" ? { pool: { max: 2 } } : {}
      return Effect.onExit(
        Hyper.withDatabase(runSteps(world, plan, history, arm), { database, saveTimeout, ...pool }),
        save
      )
    }
    case "atomic": {
      const draft = new FileHistory()
      return Effect.onExit(
        Hyper.withDatabase(Effect.andThen(Load.create, runSteps(world, plan, draft, arm)), {
          database,
          saveTimeout,
          create: "atomic"
        }),
        // Without an error about the data, the file must be the old one.
        noteSave(world, "end of atomic", (outcome) => history.replace(draft, outcome))
      )
    }
    case "unload":
      return Effect.scoped(Effect.flatMap(Hyper.make(), (client) =>
        Effect.gen(function*() {
          yield* Hyper.attach(database, "attached")
          yield* runSteps(world, plan, history, arm)
          yield* Effect.onExit(Hyper.unload(database, { saveTimeout }), save)
        }).pipe(Effect.provideService(Client, client))))
  }
}

/** Takes all space but some kilobytes from the file system of a folder. */
const fillDisk = (folder: string, slack: number): void => {
  const { bavail, bsize } = statfsSync(folder)
  const size = Math.max(0, bavail * bsize - slack * 1024)
  writeFileSync(join(folder, filler), new Uint8Array(size))
}

/** Runs a plan on a server, which is killed by the fault, or else at the end. */
const runRound = (world: World, plan: Plan, folder: string, history: FileHistory) =>
  Effect.scoped(Effect.gen(function*() {
    const hyperd = yield* Hyperd.make({ workingDirectory: folder })
    const database = join(folder, name)
    const struck = yield* Deferred.make<void>()
    const scope = yield* Effect.scope
    const ended = yield* Effect.forkScoped(Effect.exit(hyperd.exited), { startImmediately: true })
    const send = (signal: NodeJS.Signals) =>
      Effect.sync(() => {
        if (ended.pollUnsafe() === undefined) process.kill(hyperd.pid, signal)
      })
    const strike = {
      kill: send("SIGKILL"),
      stop: send("SIGSTOP"),
      disk: Effect.sync(() => fillDisk(folder, plan.slack))
    }[plan.fault].pipe(Effect.delay(plan.delay), Effect.andThen(Deferred.succeed(struck, undefined)))
    const arm = (step: number) => step === plan.at ? Effect.asVoid(Effect.forkIn(strike, scope)) : Effect.void
    const giveUp = plan.fault === "stop"
      ? Effect.andThen(Deferred.await(struck), Effect.sleep(plan.delay * 8))
      : Effect.never
    const run = Effect.provideService(runPlan(world, plan, database, history, arm), Hyperd.Hyperd, hyperd)
    yield* Effect.exit(Effect.raceFirst(run, giveUp))
    yield* send("SIGKILL")
    yield* Fiber.join(ended)
    rmSync(join(folder, filler), { force: true })
  }))

/** Reads the file in a new server. */
const readBack = (folder: string) =>
  Effect.scoped(Effect.gen(function*() {
    const hyperd = yield* Hyperd.make({ workingDirectory: folder })
    const session = yield* Effect.provideService(Hyper.make({ database: join(folder, name) }), Hyperd.Hyperd, hyperd)
    const sql = "select batch, count(*), sum(n) from load group by batch order by batch"
    // A new file whose first save was reported lost has no table: it has no batches, and that may be right.
    const { rows } = yield* Effect.catchReason(
      session.values(sql),
      "ServerError",
      "UndefinedTable",
      () => Effect.succeed({ rows: [] })
    )
    return new Map(rows.map((row) => {
      const [batch, rows, sum] = row.map((value) => Number(String(value))) as [number, number, number]
      return [batch, { rows, sum }]
    })) satisfies Found
  }))

/** Makes a file with an empty table. */
const createFile = (folder: string) =>
  Effect.scoped(Effect.gen(function*() {
    const hyperd = yield* Hyperd.make({ workingDirectory: folder })
    yield* Hyper.withDatabase(Load.create, { database: join(folder, name), create: "replace" }).pipe(
      Effect.provideService(Hyperd.Hyperd, hyperd)
    )
  }))

/** Makes a folder for the file; with `isSmall`, one on a disk of its own. */
const makeFolder = (isSmall: boolean) =>
  Effect.gen(function*() {
    const fs = yield* FileSystem.FileSystem
    const folder = yield* fs.makeTempDirectoryScoped({ prefix: "hyperfect-kills-" })
    if (!isSmall) return folder
    return yield* Effect.acquireRelease(
      Effect.sync(() => {
        execFileSync("mount", ["-t", "tmpfs", "-o", "size=64m", "tmpfs", folder])
        return folder
      }),
      () => Effect.sync(() => execFileSync("umount", [folder]))
    )
  })

/** Runs the rounds, each with one fault, and collects the violations. */
export const findViolations = Effect.fnUntraced(function*(options: Options) {
  const { canMount, rounds, seed } = options
  const fs = yield* FileSystem.FileSystem
  const random = makeRandom(seed)
  const world: World = {
    random,
    save: options.save ?? Hyper.save,
    loads: { ...HyperLoad, ...options.loads },
    outcomes: {},
    batches: new Batches(random)
  }
  const violations: Array<string> = []
  const counts: Record<string, number> = {}
  const folders = { plain: yield* makeFolder(false), small: canMount ? yield* makeFolder(true) : undefined }
  const held = new Map<string, Found>()
  for (let round = 1; round <= rounds; round++) {
    const plan = { ...makePlan(random), ...options.plan }
    const folder = plan.fault === "disk" ? folders.small : folders.plain
    count(counts, folder === undefined ? `${plan.fault} (not possible)` : plan.fault)
    if (folder === undefined) continue
    const before = held.get(folder)
    if (before === undefined || before.size > maxBatches) yield* createFile(folder)
    const kept: Found = before === undefined || before.size > maxBatches ? new Map() : before
    const history = new FileHistory(new Map([...kept].map(([batch, { rows }]) => [batch, rows])))
    yield* runRound(world, plan, folder, history)
    const read = yield* Effect.exit(readBack(folder))
    const left = (yield* fs.readDirectory(folder)).filter((file) => file !== name)
    const problems = [
      Exit.isSuccess(read) ? history.check(read.value) : `the file cannot be read: ${Cause.pretty(read.cause)}`,
      left.length === 0 ? undefined : `files are left: ${left.join(", ")}`
    ].filter((problem) => problem !== undefined)
    for (const problem of problems) violations.push(`round ${round}, ${JSON.stringify(plan)}: ${problem}`)
    if (problems.length === 0 && Exit.isSuccess(read) && read.value.size > 0) held.set(folder, read.value)
    else held.delete(folder)
  }
  return { seed, rounds: counts, outcomes: world.outcomes, violations } satisfies Report as Report
}, Effect.scoped)

const lines = (counts: Readonly<Record<string, number>>): ReadonlyArray<string> =>
  Object.entries(counts).toSorted(([a], [b]) => a < b ? -1 : 1)
    .map(([name, count]) => `  ${name.padEnd(28)}${String(count).padStart(6)}`)

/** Formats the report as text. */
export const format = ({ outcomes, rounds, seed, violations }: Report): string =>
  [
    `kills of a Hyper server, seed ${seed}`,
    ...lines(rounds),
    "",
    ...lines(outcomes),
    "",
    violations.length === 0 ? "no violations" : `${violations.length} VIOLATIONS`,
    ...violations.map((violation) => `  ${violation}`)
  ].join("\n")
