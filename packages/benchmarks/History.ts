/** The ratios of recorded runs, one line of JSON each in `history/SUITE.jsonl`: `npm run bench -- SUITE --record`. */

/** The ratios of one of our entries; `null` without a peer or limit. */
export interface Ratios {
  readonly id: string
  readonly entry: string
  readonly rounds: number
  readonly ratioToBestPeer: number | null
  readonly cpuToBestPeer: number | null
  readonly ratioToFloor: number | null
}

export interface Run {
  readonly date: string
  /** Ends in `-dirty` if the work tree had changes. */
  readonly commit: string
  readonly machine: string
  readonly suite: string
}

export interface RecordedRun extends Run {
  readonly ratios: ReadonlyArray<Ratios>
}

/** Returns the line of a run. Times stay out of it, since they cannot be compared between machines. */
export const lineOf = (run: Run, all: ReadonlyArray<Ratios & { readonly kind: string }>): string => {
  const ratios = all.filter(({ kind }) => kind === "ours")
    .map(({ cpuToBestPeer, entry, id, ratioToBestPeer, ratioToFloor, rounds }): Ratios => ({
      id,
      entry,
      rounds,
      ratioToBestPeer,
      cpuToBestPeer,
      ratioToFloor
    }))
  return JSON.stringify({ ...run, ratios } satisfies RecordedRun) + "\n"
}

/** Reads the lines of a file, oldest run first. */
export const parse = (text: string): ReadonlyArray<RecordedRun> =>
  text.split("\n").filter((line) => line !== "").map((line) => JSON.parse(line) as RecordedRun)
