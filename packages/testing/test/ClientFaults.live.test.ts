import { assert, layer } from "@effect/vitest"
import type { NodePlatform } from "@hyperfect/node"
import { Effect, type Layer } from "effect"
import { type Mode, modes, operations, plan, runTrial } from "./faultTrials.ts"
import { hyper, postgres, Target } from "./targetServers.ts"

// packages/tooling/fault-trials.ts sets these to run more seeds than a test run has time for.
const isLong = process.env["HYPERFECT_FAULT_SEEDS"] !== undefined
const first = Number(process.env["HYPERFECT_FAULT_FIRST"] ?? 0)
const seeds = Number(process.env["HYPERFECT_FAULT_SEEDS"] ?? 5)

/** High enough to overlap the trials that only wait, and no more than the servers can handle. */
const concurrency = { postgres: 40, hyper: 24 }

const trialsOf = (kind: Target["Service"]["kind"]) =>
  Array.from({ length: seeds }, (_, i) => first + i).flatMap((seed) =>
    Object.keys(operations[kind]).flatMap((operation) =>
      (Object.keys(modes) as ReadonlyArray<Mode>).map((mode) => ({ seed, operation, mode }))
    )
  )

const resources = () => process.getActiveResourcesInfo().filter((name) => /TCP|TLS|Pipe|Connect|AddrInfo/.test(name))

/** Runs every operation in every mode with every seed, and collects the violations. */
const runAll = Effect.gen(function*() {
  const target = yield* Target
  const trials = trialsOf(target.kind)
  const tables = new Map<Mode, Record<string, Record<string, number>>>()
  const problems: Array<string> = []
  let slowest = { milliseconds: 0, what: "" }
  yield* Effect.forEach(
    trials,
    ({ mode, operation, seed }) =>
      Effect.map(runTrial(target, mode, operation, seed), ({ milliseconds, problem, result }) => {
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
  // The trials must produce every kind of outcome to be meaningful.
  const results = new Set(Array.from(tables.values()).flatMap((table) => Object.values(table).flatMap(Object.keys)))
  assert.includeMembers([...results], ["value", "given up", "TransportError", "AuthError", "ProtocolError"])
})

const servers: Readonly<Record<string, Layer.Layer<Target | NodePlatform.NodePlatform, unknown>>> = {
  PostgreSQL: postgres,
  Hyper: hyper
}

for (const [name, server] of Object.entries(servers)) {
  layer(server, { excludeTestServices: true, timeout: "60 seconds" })(
    `FaultTransport > every client operation on ${name}`,
    (it) => {
      it.effect(
        "succeeds with the right value or fails with a typed error in time, and leaves no fiber or socket behind",
        () =>
          Effect.gen(function*() {
            const before = resources()
            yield* runAll
            const left = Effect.sync(() => resources().length - before.length)
            assert.isAtMost(
              yield* Effect.repeat(Effect.delay(left, "10 millis"), { times: 3000, until: (n) => n <= 0 }),
              0
            )
          }),
        isLong ? 3_600_000 : 120_000
      )
    }
  )
}
