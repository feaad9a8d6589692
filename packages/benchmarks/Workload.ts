/**
 * The parts of a suite: workloads, each performed by several entries.
 *
 * A suite is a module in `suites/` that exports `workloads`. It is loaded again in the process of every entry, so that
 * computations at load time cost every entry the same.
 *
 * Most work is measured with two fixtures of different shape and content, both computed by a seed, so that nothing is
 * tuned to one: each is a workload of its own, and the id of the second one ends in `-2`. An entry that is "anew" makes
 * its readers or writers in each round, as for a statement that runs once; the others keep them. Garbage is collected
 * before each round.
 */

/**
 * The kind of an entry.
 *
 * - `ours`: Hyperfect.
 * - `peer`: another library; the fastest one sets the goal.
 * - `limit`: code that does less than the work, as a lower bound for any decoder: a copy, a walk over headers, a bare
 *   socket that discards what it receives.
 */
export type Kind = "ours" | "peer" | "limit"

/** The result of a run in a process of its own. */
export interface Child {
  /** The processor time of that process. */
  readonly childCpuMs?: number
}

/** An entry that is ready to run. */
export interface Prepared {
  /** Does all of the work once. Only this is timed. A result that is a {@link Child} has its own processor time. */
  readonly run: () => unknown
  /**
   * Does the work once more and returns a digest of every resulting value. All digests of a workload must be equal
   * before anything is timed. A limit without values returns `undefined`.
   */
  readonly check: () => Promise<string | undefined>
  readonly close?: () => Promise<void>
}

export interface Entry {
  readonly name: string
  readonly kind: Kind
  /** Makes the input, connects, and so on, in the entry's own process. */
  readonly setup: () => Promise<Prepared>
}

export interface Workload {
  readonly id: string
  readonly title: string
  /** The number of timed rounds per entry; 15 when absent. */
  readonly rounds?: number
  /** The name of the limit that `ratioToFloor` refers to; the fastest one when absent. */
  readonly floor?: string
  readonly entries: ReadonlyArray<Entry>
}

export interface Suite {
  readonly workloads: ReadonlyArray<Workload>
  /**
   * Starts what all entries share, such as a server, once for a run, and returns a function that stops it. Its address
   * is passed in environment variables, which the processes of the entries inherit.
   */
  readonly start?: (() => Promise<() => Promise<void>>) | undefined
}

/** Loads a suite from the path of its module. */
export const load = async (path: string): Promise<Suite> => {
  const suite: Partial<Suite> = await import(path)
  if (suite.workloads === undefined) throw new Error(`${path} does not export workloads`)
  return { workloads: suite.workloads, start: suite.start }
}
