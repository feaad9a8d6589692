import { assert, describe, it } from "@effect/vitest"
import { readFileSync } from "node:fs"
import type { RecordedRun } from "../../benchmarks/History.ts"
import { barOf, history, render } from "../historyPage.ts"

const run = (commit: string, ratioToBestPeer: number): RecordedRun => ({
  date: "2026-01-02T03:04:05.000Z",
  commit,
  machine: "a machine",
  suite: "client",
  ratios: [{ id: "B1", entry: "hyperfect", rounds: 3, ratioToBestPeer, cpuToBestPeer: null, ratioToFloor: 1.3 }]
})

describe("historyPage", () => {
  it("matches the recorded runs (to update it, run npm run generate)", () => {
    const page = readFileSync(new URL("../../docs/benchmark-history.md", import.meta.url), "utf8")
    assert.strictEqual(page, render(history()))
  })

  it("draws three bars to a factor of two, and stays in the chart", () => {
    assert.strictEqual([0.01, 0.5, 0.79, 0.8, 0.99, 1, 1.27, 2, 100].map(barOf).join(""), "▁▂▃▄▄▅▆██")
    assert.strictEqual(barOf(null), "")
  })

  it("charts the runs of an entry, oldest first, and leaves out what has no peer", () => {
    const page = render([run("abc", 0.5), run("def", 1.25)])
    assert.include(page, "Last run: commit def, 2026-01-02, a machine.")
    assert.match(page, /\| B1 +\| hyperfect \| `▂▅` 1.25 +\| +\| `▆▆` 1.30 +\| 2 +\|\n/)
  })
})
