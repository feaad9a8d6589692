/** Computes figures from samples, and formats them as a table. */
import type { Sample } from "./protocol.ts"
import type { Entry, Kind, Workload } from "./Workload.ts"

/** One row of the table and one element of the JSON file. Times are of one round, in milliseconds. */
export interface Measurement {
  readonly id: string
  readonly entry: string
  readonly kind: Kind
  readonly medianMs: number
  readonly minMs: number
  readonly maxMs: number
  /** The median processor time of a round. */
  readonly cpuMs: number
  /** The peak resident memory during the timed rounds, in MiB. */
  readonly rssMb: number
  /** The median divided by that of the fastest peer, in this run; `null` without a peer. */
  readonly ratioToBestPeer: number | null
  /** The processor time divided by that of the peer with the least, in this run; `null` without a peer. */
  readonly cpuToBestPeer: number | null
  /** The median divided by that of the workload's floor, in this run; `null` without a limit. */
  readonly ratioToFloor: number | null
  readonly rounds: number
}

/** All samples of one entry. */
export interface Samples {
  readonly entry: Entry
  readonly rssMb: number
  readonly samples: ReadonlyArray<Sample>
}

export const median = (values: ReadonlyArray<number>): number => {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}

const rounded = (value: number): number => Number(value.toPrecision(4))

/** Computes the figures of a workload. */
export const measurements = (
  workload: Pick<Workload, "id" | "floor">,
  all: ReadonlyArray<Samples>
): ReadonlyArray<Measurement> => {
  const mediansOf = (of: keyof Sample) =>
    new Map(all.map(({ entry, samples }) => [entry, median(samples.map((sample) => sample[of]))]))
  const [medians, cpuMedians] = [mediansOf("ms"), mediansOf("cpuMs")]
  const least = (of: ReadonlyMap<Entry, number>, accept: (entry: Entry) => boolean): number | undefined => {
    const accepted = [...of].filter(([entry]) => accept(entry)).map(([, ms]) => ms)
    return accepted.length === 0 ? undefined : Math.min(...accepted)
  }
  const isPeer = ({ kind }: Entry): boolean => kind === "peer"
  const peer = least(medians, isPeer)
  const peerCpu = least(cpuMedians, isPeer)
  const floor = least(medians, ({ kind, name }) => kind === "limit" && name === (workload.floor ?? name))
  if (workload.floor !== undefined && floor === undefined) {
    throw new Error(`${workload.id} has no limit called ${workload.floor}`)
  }
  return all.map(({ entry, rssMb, samples }) => {
    const times = samples.map(({ ms }) => ms)
    const [medianMs, cpuMs] = [medians.get(entry)!, cpuMedians.get(entry)!]
    return {
      id: workload.id,
      entry: entry.name,
      kind: entry.kind,
      medianMs: rounded(medianMs),
      minMs: rounded(Math.min(...times)),
      maxMs: rounded(Math.max(...times)),
      cpuMs: rounded(cpuMs),
      rssMb: rounded(rssMb),
      ratioToBestPeer: peer === undefined ? null : rounded(medianMs / peer),
      cpuToBestPeer: peerCpu === undefined ? null : rounded(cpuMs / peerCpu),
      ratioToFloor: floor === undefined ? null : rounded(medianMs / floor),
      rounds: samples.length
    }
  })
}

const columns: ReadonlyArray<readonly [title: string, cell: (measurement: Measurement) => string]> = [
  ["entry", ({ entry }) => entry],
  ["kind", ({ kind }) => kind],
  ["median ms", ({ medianMs }) => medianMs.toFixed(1)],
  ["min", ({ minMs }) => minMs.toFixed(1)],
  ["max", ({ maxMs }) => maxMs.toFixed(1)],
  ["cpu ms", ({ cpuMs }) => cpuMs.toFixed(1)],
  ["rss MiB", ({ rssMb }) => rssMb.toFixed(0)],
  ["x best peer", ({ ratioToBestPeer }) => ratioToBestPeer?.toFixed(2) ?? "-"],
  ["x floor", ({ ratioToFloor }) => ratioToFloor?.toFixed(2) ?? "-"]
]

/** Formats the figures of one workload as an aligned table, fastest first. */
export const table = (workload: Pick<Workload, "id" | "title">, all: ReadonlyArray<Measurement>): string => {
  const sorted = [...all].sort((a, b) => a.medianMs - b.medianMs)
  const rows = [columns.map(([title]) => title), ...sorted.map((row) => columns.map(([, cell]) => cell(row)))]
  const widths = columns.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)))
  const lines = rows.map((row) =>
    row.map((cell, column) => column < 2 ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!)).join("  ")
  )
  return [`${workload.id}  ${workload.title}`, ...lines.map((line) => `  ${line}`), ""].join("\n")
}
