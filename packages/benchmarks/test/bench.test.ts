import { assert, describe, it } from "@effect/vitest"
import { lineOf, parse } from "../History.ts"
import { measurements, median, table } from "../report.ts"
import { run } from "../run.ts"
import { type Entry, type Kind, load } from "../Workload.ts"
import { workloads } from "./sampleSuite.ts"

const entry = (name: string, kind: Kind): Entry => ({ name, kind, setup: () => Promise.reject(new Error("not run")) })

const samples = (name: string, kind: Kind, times: ReadonlyArray<number>) => ({
  entry: entry(name, kind),
  rssMb: 100,
  samples: times.map((ms) => ({ ms, cpuMs: ms / 2 }))
})

const runTiny = (id: string) =>
  run(`${import.meta.dirname}/sampleSuite.ts`, workloads.find((workload) => workload.id === id)!, { rounds: 3 })

const rejection = (promise: Promise<unknown>): Promise<string> =>
  promise.then(() => "resolved", (error: unknown) => error instanceof Error ? error.message : String(error))

describe("benchmark report", () => {
  it("takes the middle of an odd count and the mean of the middle two of an even one", () => {
    assert.strictEqual(median([9, 1, 5]), 5)
    assert.strictEqual(median([9, 1, 5, 7]), 6)
    assert.strictEqual(median([3]), 3)
  })

  it("divides medians by those of the fastest peer and the fastest limit", () => {
    const all = [
      samples("us", "ours", [10, 30, 20]),
      samples("slow peer", "peer", [80, 80, 80]),
      samples("fast peer", "peer", [40, 40, 400]),
      samples("copy", "limit", [5, 5, 5]),
      samples("naive", "limit", [16, 16, 16])
    ]
    const [us, slow, fast] = measurements({ id: "A1" }, all)
    assert.deepStrictEqual(us, {
      id: "A1",
      entry: "us",
      kind: "ours",
      medianMs: 20,
      minMs: 10,
      maxMs: 30,
      cpuMs: 10,
      rssMb: 100,
      ratioToBestPeer: 0.5,
      cpuToBestPeer: 0.5,
      ratioToFloor: 4,
      rounds: 3
    })
    assert.deepStrictEqual([slow!.ratioToBestPeer, fast!.ratioToBestPeer], [2, 1])
    assert.strictEqual(measurements({ id: "A1", floor: "naive" }, all)[0]!.ratioToFloor, 1.25)
  })

  it("has no ratio without a peer or limit, and rejects an unknown floor", () => {
    const all = [samples("us", "ours", [10])]
    const [us] = measurements({ id: "A1" }, all)
    assert.deepStrictEqual([us!.ratioToBestPeer, us!.cpuToBestPeer, us!.ratioToFloor], [null, null, null])
    assert.throws(() => measurements({ id: "A1", floor: "socket" }, all), /A1 has no limit called socket/)
  })

  it("prints the fastest first, in aligned columns", () => {
    const measured = measurements({ id: "A1" }, [samples("us", "ours", [20]), samples("them", "peer", [10])])
    assert.strictEqual(
      table({ id: "A1", title: "work" }, measured),
      [
        "A1  work",
        "  entry  kind  median ms   min   max  cpu ms  rss MiB  x best peer  x floor",
        "  them   peer       10.0  10.0  10.0     5.0      100         1.00        -",
        "  us     ours       20.0  20.0  20.0    10.0      100         2.00        -",
        ""
      ].join("\n")
    )
  })
})

describe("benchmark history", () => {
  it("records the ratios of our entries, one line a run", () => {
    const measured = measurements({ id: "A1" }, [samples("us", "ours", [20]), samples("them", "peer", [10])])
    const [first, second] = ["abc", "def-dirty"].map((commit) => ({
      date: "2026-01-02T03:04:05.000Z",
      commit,
      machine: "a machine",
      suite: "codec"
    }))
    const ratios = [
      { id: "A1", entry: "us", rounds: 1, ratioToBestPeer: 2, cpuToBestPeer: 2, ratioToFloor: null }
    ]
    assert.deepStrictEqual(parse(lineOf(first!, measured) + lineOf(second!, measured)), [
      { ...first!, ratios },
      { ...second!, ratios }
    ])
  })
})

describe("benchmark suites", () => {
  it.each(["codec", "values", "client", "hyper", "sql"])("have a second fixture for all work of %s", async (suite) => {
    const { workloads } = await load(`${import.meta.dirname}/../suites/${suite}.ts`)
    const ids = new Set(workloads.map(({ id }) => id))
    assert.strictEqual(ids.size, workloads.length)
    const first = [...ids].filter((id) => !id.endsWith("-2"))
    assert.deepStrictEqual(first.filter((id) => !ids.has(`${id.replace(/-1$/, "")}-2`)), [])
  })
})

describe("benchmark run", () => {
  it("times every entry in its own process, for the given number of rounds", async () => {
    const measured = await runTiny("sound")
    assert.deepStrictEqual(measured.map(({ entry, kind, rounds }) => [entry, kind, rounds]), [
      ["us", "ours", 3],
      ["them", "peer", 3],
      ["copy", "limit", 3]
    ])
    for (const { maxMs, medianMs, minMs, rssMb } of measured) {
      assert.isTrue(minMs <= medianMs && medianMs <= maxMs)
      assert.isAbove(rssMb, 1)
    }
  })

  it("times nothing if two entries return different values", async () => {
    assert.strictEqual(
      await rejection(runTiny("unequal")),
      "unequal: the values are not the same\n  us: a\n  them: b"
    )
  })

  it("times nothing if an entry other than a limit returns no values", async () => {
    assert.strictEqual(await rejection(runTiny("silent")), "silent: them shows no values")
  })

  it("fails if an entry cannot be set up, if a round fails, and if a process exits", async () => {
    assert.match(await rejection(runTiny("unready")), /^unready them: Error: no server\n/)
    assert.match(await rejection(runTiny("throwing")), /^throwing them: Error: on purpose\n/)
    assert.strictEqual(await rejection(runTiny("leaving")), "leaving them ended by itself (exit code 7)")
  })
})
