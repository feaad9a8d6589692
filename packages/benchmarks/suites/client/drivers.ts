/** Everybody who can do the work of this suite. */
import type { Kind } from "../../Workload.ts"

/** A row of B3 and B4. The time is in milliseconds since 1970. */
export type Line = readonly [
  id: number,
  twice: number,
  name: string | null,
  ratio: number,
  at: number,
  isEven: boolean
]

/** A connection to the server, or several. */
export interface Driver {
  /** Runs `queries.one` so many times, one after the other; the sum of what came. */
  readonly sequential: (count: number) => Promise<number>
  /** The same with so many under way at once. */
  readonly inFlight: (count: number, width: number) => Promise<number>
  /** Collects a result; gives the rows as they are in this driver. */
  readonly collect: (text: string) => Promise<ReadonlyArray<unknown>>
  /** Reads a result as it comes; gives the number of its rows. Absent where the driver cannot do that by itself. */
  readonly stream?: ((text: string, onRow?: (row: unknown) => void) => Promise<number>) | undefined
  /** A row of this driver as a line. */
  readonly toLine: (row: unknown) => Line
  readonly close: () => Promise<void>
}

export interface Contender {
  readonly name: string
  readonly kind: Kind
  readonly open: (connections: number) => Promise<Driver>
  /** A contender that has no values shows none. */
  readonly isBlind?: boolean
}

/** Each process loads its own alone, so that its memory is its own too. */
const contender = (name: string, kind: Kind, load: () => Promise<{ readonly open: Contender["open"] }>): Contender => ({
  name,
  kind,
  open: async (connections) => (await load()).open(connections)
})

export const drivers: ReadonlyArray<Contender> = [
  contender("hyperfect", "ours", () => import("./hyperfect.ts")),
  contender("@effect/sql-pg", "peer", () => import("./effectSqlPg.ts")),
  contender("postgres", "peer", () => import("./postgres.ts")),
  contender("pg", "peer", () => import("./pg.ts")),
  { ...contender("socket", "limit", () => import("./socket.ts")), isBlind: true }
]
