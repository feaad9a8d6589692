import { assert, describe, it } from "@effect/vitest"
import { sql } from "@hyperfect/client/Statement"
import * as HyperLoad from "@hyperfect/hyper/HyperLoad"
import * as NodePlatform from "@hyperfect/node/NodePlatform"
import { Effect } from "effect"
import { findViolations, format, type Options, type Plan } from "../killsRunner.ts"

/** Plans of which the server is killed after the last step. */
const planOf = (...steps: Plan["steps"]): Pick<Options, "seed" | "canMount" | "plan"> => ({
  seed: 1073,
  canMount: false,
  plan: { fault: "kill", way: "session", steps, at: steps.length }
})

describe("loads into Hyper files while the server is killed", () => {
  it.live(
    "leave in each file what was reported saved, and nothing that was reported failed",
    () =>
      Effect.gen(function*() {
        const plan = planOf("transaction", "columns", "mapped", "upsert", "save")
        const report = yield* findViolations({ ...plan, rounds: 2 })
        assert.deepStrictEqual(report.violations, [], format(report))
        for (const step of ["transaction", "columns", "mapped", "upsert", "save"]) {
          assert.strictEqual(report.outcomes[`${step} done`], 2, format(report))
        }
      }).pipe(Effect.provide(NodePlatform.layer)),
    120_000
  )

  const lies: Readonly<Record<string, readonly [found: string, Omit<Options, "rounds">]>> = {
    "a save is reported that did not happen": [
      "save: done",
      {
        seed: 1073,
        canMount: false,
        plan: { fault: "kill", way: "session", steps: ["transaction", "save", "transaction"], at: 2, delay: 0 },
        save: () => Effect.void
      }
    ],
    "a load of columns is reported that did not happen": ["the file has nothing\n    it may have 1", {
      ...planOf("columns", "save"),
      loads: { insertColumns: (table) => HyperLoad.insert(table, []) }
    }],
    "a mapped load writes other values": ["the file has 1 (1 has", {
      ...planOf("mapped", "save"),
      loads: {
        insertMapped: (table, fields, rows, columns) =>
          HyperLoad.insertMapped(table, fields, rows, { ...columns, n: sql`next` } as typeof columns)
      }
    }],
    "an upsert does not update": ["the file has 1, 2\n    it may have 2", {
      ...planOf("insert", "upsert", "save"),
      loads: { upsert: (table, rows) => HyperLoad.insert(table, rows) }
    }],
    "an upsert is reported that did not happen": ["the file has 1\n    it may have 2", {
      ...planOf("insert", "upsert", "save"),
      loads: { upsert: (table) => HyperLoad.insert(table, []) }
    }]
  }

  for (const [lie, [found, options]] of Object.entries(lies)) {
    it.live(`are found out if ${lie}`, () =>
      Effect.gen(function*() {
        const report = yield* findViolations({ ...options, rounds: 1 })
        assert.lengthOf(report.violations, 1, format(report))
        assert.include(report.violations[0], found)
      }).pipe(Effect.provide(NodePlatform.layer)), 120_000)
  }
})
