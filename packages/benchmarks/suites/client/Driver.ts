/** The operations that a client must support to take part in this suite. */
import type { Kind } from "../../Workload.ts"

/** A row of B3, B4 and B8. The time is in milliseconds since 1970. */
export type RowValues = readonly [
  id: number,
  twice: number,
  name: string | null,
  ratio: number,
  at: number,
  isEven: boolean
]

/** The parameters of one statement. */
export type Parameters = ReadonlyArray<unknown>

/** One or more connections to the server. Unsupported operations are absent. */
export interface Driver {
  /** Runs `one` `count` times, one after the other; returns the sum of the results. */
  readonly sequential: (count: number) => Promise<number>
  /** Does the same with `width` queries in flight. */
  readonly inFlight: (count: number, width: number) => Promise<number>
  /** Collects a result; returns the rows as this driver represents them. */
  readonly collect: (text: string) => Promise<ReadonlyArray<unknown>>
  /** Streams a result; returns the number of rows. */
  readonly stream?: ((text: string, onRow?: (row: unknown) => void) => Promise<number>) | undefined
  /**
   * Prepares to run a statement once for each of the parameters, with the concurrency at which the driver is fastest.
   * The returned function is timed: it includes all processing of the parameters, unless the driver is a limit.
   */
  readonly insert?: ((text: string, batches: ReadonlyArray<Parameters>) => () => Promise<unknown>) | undefined
  /** Sends data to a `COPY ... FROM STDIN`. */
  readonly copyIn?: ((text: string, chunks: ReadonlyArray<Uint8Array>) => () => Promise<unknown>) | undefined
  /** Reads the data of a `COPY ... TO STDOUT`; returns the number of bytes. */
  readonly copyOut?: ((text: string, onChunk?: (chunk: Uint8Array) => void) => Promise<number>) | undefined
  /** Converts a row of this driver. */
  readonly toRowValues: (row: unknown) => RowValues
  readonly close: () => Promise<void>
}

/** Options for opening a driver. */
export interface OpenOptions {
  readonly connections: number
  readonly tls?: boolean
}

export interface Contender {
  readonly name: string
  readonly kind: Kind
  readonly open: (options: OpenOptions) => Promise<Driver>
  /** True for a contender without values. */
  readonly skipsCheck: boolean
}

/** The statement of B1, B2 and B7. */
export const selectOne = "select 1::int4 as n"
