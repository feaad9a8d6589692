/**
 * What a suite consists of: pieces of work, each done by several entries.
 *
 * A suite is a module in `suites/` that exports `workloads`. It is loaded anew in the process of every entry, so that
 * whatever a module computes while it is loaded costs every entry the same.
 */

/**
 * Who does the work.
 *
 * - `ours`: Hyperfect.
 * - `peer`: another library; the fastest one sets the goal.
 * - `limit`: code that does less than the work, to show what no decoder can beat: a copy, a walk over headers, a bare
 *   socket that drains what it gets.
 */
export type Kind = "ours" | "peer" | "limit"

/** An entry that is ready to run. */
export interface Prepared {
  /** Does all of the work once. This alone is timed. */
  readonly run: () => unknown
  /**
   * Does the work once more and returns a digest of every value that came out of it. All digests of a workload have to
   * be the same before anything is timed. A limit that has no values returns `undefined`.
   */
  readonly check: () => Promise<string | undefined>
  readonly close?: () => Promise<void>
}

export interface Entry {
  readonly name: string
  readonly kind: Kind
  /** Makes the input, connects, and so on, in a process that is this entry's own. */
  readonly setup: () => Promise<Prepared>
}

export interface Workload {
  readonly id: string
  readonly title: string
  /** Timed rounds of each entry; 15 unless told. */
  readonly rounds?: number
  /** Name of the limit that `ratioToFloor` refers to; the fastest one unless told. */
  readonly floor?: string
  readonly entries: ReadonlyArray<Entry>
}

export interface Suite {
  readonly workloads: ReadonlyArray<Workload>
  /**
   * Starts what all entries share, such as a server, once for a run, and returns what ends it. How it is found is told by
   * environment variables, which the processes of the entries inherit.
   */
  readonly start?: (() => Promise<() => Promise<void>>) | undefined
}

/** Loads a suite from the path of its module. */
export const load = async (path: string): Promise<Suite> => {
  const suite: Partial<Suite> = await import(path)
  if (suite.workloads === undefined) throw new Error(`${path} does not export workloads`)
  return { workloads: suite.workloads, start: suite.start }
}
