/** The documentation page that charts the recorded runs of the benchmarks. */
import { readdirSync, readFileSync } from "node:fs"
import { parse, type Ratios, type RecordedRun } from "../benchmarks/History.ts"
import { tableOf } from "./messagesPage.ts"

const folder = new URL("../benchmarks/history/", import.meta.url)

/** Reads all recorded runs, by suite, oldest first. */
export const history = (): ReadonlyArray<RecordedRun> =>
  readdirSync(folder).sort().flatMap((file) => parse(readFileSync(new URL(file, folder), "utf8")))

const bars = "▁▂▃▄▅▆▇█"

/** Returns the bar of a ratio: three bars to each factor of two, with 1 at the bottom of the fifth. */
export const barOf = (ratio: number | null): string =>
  ratio === null ? "" : bars[Math.min(Math.max(Math.floor(3 * Math.log2(ratio)) + 4, 0), 7)]!

const columns = ["ratioToBestPeer", "cpuToBestPeer", "ratioToFloor"] as const

/** Charts one ratio of one entry over its runs, followed by the last figure. */
const chartOf = (runs: ReadonlyArray<Ratios>, column: typeof columns[number]): string => {
  const last = runs.at(-1)![column]
  return last === null ? "" : `\`${runs.map((run) => barOf(run[column])).join("")}\` ${last.toFixed(2)}`
}

/** The number of runs in a chart. */
const shown = 40

const tableOfSuite = (suite: string, runs: ReadonlyArray<RecordedRun>): ReadonlyArray<string> => {
  const entries = Map.groupBy(runs.flatMap(({ ratios }) => ratios), ({ entry, id }) => `${id}|${entry}`)
  const last = runs.at(-1)!
  return [
    `## ${suite}`,
    "",
    `Last run: commit ${last.commit}, ${last.date.slice(0, 10)}, ${last.machine}.`,
    "",
    tableOf([
      ["workload", "entry", "time / best peer", "CPU / best peer", "time / floor", "runs"],
      ...[...entries.values()].map((all) => [
        all[0]!.id,
        all[0]!.entry,
        ...columns.map((column) => chartOf(all.slice(-shown), column)),
        `${all.length}`
      ])
    ]),
    ""
  ]
}

export const render = (runs: ReadonlyArray<RecordedRun>): string =>
  [
    "# History of the benchmarks",
    "",
    "Generated from `packages/benchmarks/history/`, to which `npm run bench -- SUITE --record` appends. A _peer_ is another",
    "driver or codec, and the _floor_ is the least code that does the same work, such as a bare socket. A chart has one bar for",
    "each run, oldest first, followed by the last ratio. `▁▂▃▄` are below 1, which is better than the best peer, and `▅▆▇█`",
    "are 1 and above; three steps are a factor of two. Within a run, all entries take turns, so that a busy machine slows all",
    "of them. The peer with the least CPU time need not be the fastest one.",
    "",
    ...[...Map.groupBy(runs, ({ suite }) => suite)].flatMap(([suite, all]) => tableOfSuite(suite, all))
  ].join("\n")
