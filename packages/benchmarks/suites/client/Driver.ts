/** What a client has to be able to do to take part in this suite. */
import type { Kind } from "../../Workload.ts"

/** A row of B3, B4 and B8. The time is in milliseconds since 1970. */
export type Line = readonly [
  id: number,
  twice: number,
  name: string | null,
  ratio: number,
  at: number,
  isEven: boolean
]

/** The parameters of one statement. */
export type Parameters = ReadonlyArray<unknown>

/** A connection to the server, or several. What a driver cannot do by itself is absent. */
export interface Driver {
  /** Runs `one` so many times, one after the other; the sum of what came. */
  readonly sequential: (count: number) => Promise<number>
  /** The same with so many under way at once. */
  readonly inFlight: (count: number, width: number) => Promise<number>
  /** Collects a result; gives the rows as they are in this driver. */
  readonly collect: (text: string) => Promise<ReadonlyArray<unknown>>
  /** Reads a result as it comes; gives the number of its rows. */
  readonly stream?: ((text: string, onRow?: (row: unknown) => void) => Promise<number>) | undefined
  /**
   * Makes ready to run a statement once for each of the parameters, as many of them at once as is fastest. What is given is
   * timed: it is all that is done with the parameters, unless the driver is a limit.
   */
  readonly insert?: ((text: string, batches: ReadonlyArray<Parameters>) => () => Promise<unknown>) | undefined
  /** Sends data to a `COPY ... FROM STDIN`. */
  readonly copyIn?: ((text: string, chunks: ReadonlyArray<Uint8Array>) => () => Promise<unknown>) | undefined
  /** Reads the data of a `COPY ... TO STDOUT`; gives the number of bytes. */
  readonly copyOut?: ((text: string, onChunk?: (chunk: Uint8Array) => void) => Promise<number>) | undefined
  /** A row of this driver as a line. */
  readonly toLine: (row: unknown) => Line
  readonly close: () => Promise<void>
}

/** How a driver is to connect. */
export interface OpenOptions {
  readonly connections: number
  readonly tls?: boolean
}

export interface Contender {
  readonly name: string
  readonly kind: Kind
  readonly open: (options: OpenOptions) => Promise<Driver>
  /** A contender that has no values shows none. */
  readonly isBlind: boolean
}

/** The statement of B1, B2 and B7. */
export const one = "select 1::int4 as n"
