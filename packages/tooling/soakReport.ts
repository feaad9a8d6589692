/** The findings of a soak, as data and as text. */
import type { Stats } from "@hyperfect/client/PoolStats"
import type { ListenerStats } from "./soakWorkload.ts"

export interface Report {
  readonly seed: number
  seconds: number
  /** The number of answered, failed and interrupted runs of each work item. */
  readonly work: Record<string, { answered: number; failed: number; interrupted: number }>
  /** The number of occurrences of each error. */
  readonly errors: Record<string, number>
  readonly faults: { ended: number; cancelled: number; crashed: number; restarted: number; compared: number }
  readonly listeners: ReadonlyArray<ListenerStats>
  /** The heap in megabytes after a collection, over time. */
  readonly heap: Array<number>
  /** The statistics of the pool after all work has ended. */
  stats: Stats | undefined
  /** Violated invariants. */
  readonly violations: Array<string>
}

export const makeReport = (seed: number): Report => ({
  seed,
  seconds: 0,
  work: {},
  errors: {},
  faults: { ended: 0, cancelled: 0, crashed: 0, restarted: 0, compared: 0 },
  listeners: [{ count: 0, gaps: 0 }, { count: 0, gaps: 0 }, { count: 0, gaps: 0 }],
  heap: [],
  stats: undefined,
  violations: []
})

const columns = (rows: ReadonlyArray<readonly [string, ...ReadonlyArray<number>]>): ReadonlyArray<string> =>
  rows.map(([name, ...counts]) => `  ${name.padEnd(40)}${counts.map((count) => String(count).padStart(10)).join("")}`)

/** Formats the report as text. */
export const format = (report: Report): string => {
  const { errors, heap, listeners, seconds, seed, stats, faults, violations, work } = report
  const kinds = Object.entries(work).toSorted(([a], [b]) => a < b ? -1 : 1)
  const sum = (of: "answered" | "failed" | "interrupted") => kinds.reduce((total, [, counts]) => total + counts[of], 0)
  return [
    `soak of ${Math.round(seconds)} s, seed ${seed}`,
    "",
    `  ${"work".padEnd(40)}${["answered", "failed", "interrupted"].map((word) => word.padStart(12)).join("").slice(2)}`,
    ...columns(kinds.map(([name, { answered, failed, interrupted }]) => [name, answered, failed, interrupted])),
    ...columns([["in all", sum("answered"), sum("failed"), sum("interrupted")]]),
    "",
    "  errors",
    ...columns(Object.entries(errors).toSorted(([, a], [, b]) => b - a)),
    "",
    "  trouble",
    ...columns(Object.entries(faults)),
    ...listeners.map(({ count, gaps }, i) => `  listener ${i + 1}: ${count} notifications, ${gaps} gaps`),
    "",
    `  heap after collection, MB: ${heap.join(" ")}`,
    `  pool: ${JSON.stringify(stats)}`,
    "",
    violations.length === 0 ? "no violations" : `${violations.length} VIOLATIONS`,
    ...violations.slice(0, 50).map((violation) => `  ${violation}`)
  ].join("\n")
}
