import { assert, layer } from "@effect/vitest"
import type { NodePlatform } from "@hyperfect/node"
import { Effect, type Layer } from "effect"
import { hyper, postgres, Target } from "./faultServers.ts"
import { type Mode, modes, operations, plan, trial } from "./faultTrials.ts"

// packages/tooling/faults.ts sets these, to try many more seeds than a test run has the time for.
const isLong = process.env["HYPERFECT_FAULT_SEEDS"] !== undefined
const first = Number(process.env["HYPERFECT_FAULT_FIRST"] ?? 0)
const seeds = Number(process.env["HYPERFECT_FAULT_SEEDS"] ?? 5)

/** Enough to fill the time of those that only wait, and no more than the servers can do at once. */
const concurrency = { postgres: 40, hyper: 24 }

const trialsOf = (kind: Target["Service"]["kind"]) =>
  Array.from({ length: seeds }, (_, i) => first + i).flatMap((seed) =>
    Object.keys(operations[kind]).flatMap((operation) =>
      (Object.keys(modes) as ReadonlyArray<Mode>).map((mode) => ({ seed, operation, mode }))
    )
  )

const resources = () => process.getActiveResourcesInfo().filter((name) => /TCP|TLS|Pipe|Connect|AddrInfo/.test(name))

/** Runs every operation in every mode with every seed, and gathers what must not be. */
const runAll = Effect.gen(function*() {
  const target = yield* Target
  const trials = trialsOf(target.kind)
  const tables = new Map<Mode, Record<string, Record<string, number>>>()
  const problems: Array<string> = []
  let slowest = { milliseconds: 0, what: "" }
  yield* Effect.forEach(
    trials,
    ({ mode, operation, seed }) =>
      Effect.map(trial(target, mode, operation, seed), ({ milliseconds, problem, result }) => {
        const what = `${operation}, ${mode}, seed ${seed}`
        if (milliseconds > slowest.milliseconds) slowest = { milliseconds, what }
        const table = tables.get(mode) ?? {}
        const counts = table[operation] ?? {}
        tables.set(mode, { ...table, [operation]: { ...counts, [result]: (counts[result] ?? 0) + 1 } })
        if (problem !== undefined) problems.push(`${what}: ${problem}\n${JSON.stringify(plan(mode, seed))}`)
      }),
    { concurrency: concurrency[target.kind], discard: true }
  )
  if (isLong) {
    console.log(`${target.kind}: ${trials.length} trials, the slowest:`, slowest)
    for (const [mode, table] of tables) {
      console.log(mode)
      console.table(table)
    }
  }
  assert.strictEqual(problems.join("\n\n"), "")
  // Every kind of outcome was among them, or the trials are not worth their time.
  const results = new Set(Array.from(tables.values()).flatMap((table) => Object.values(table).flatMap(Object.keys)))
  assert.includeMembers([...results], ["value", "given up", "TransportError", "AuthError", "ProtocolError"])
})

const servers: Readonly<Record<string, Layer.Layer<Target | NodePlatform.NodePlatform, unknown>>> = {
  PostgreSQL: postgres,
  Hyper: hyper
}

for (const [name, server] of Object.entries(servers)) {
  layer(server, { excludeTestServices: true, timeout: "60 seconds" })(
    `every operation on bad lines to ${name}`,
    (it) => {
      it.effect(
        "gives a right value or a typed error in time, and leaves no fiber and no socket behind",
        () =>
          Effect.gen(function*() {
            const before = resources()
            yield* runAll
            const left = Effect.sync(() => resources().length - before.length)
            assert.isAtMost(
              yield* Effect.repeat(Effect.delay(left, "10 millis"), { times: 300, until: (n) => n <= 0 }),
              0
            )
          }),
        isLong ? 3_600_000 : 120_000
      )
    }
  )
}
