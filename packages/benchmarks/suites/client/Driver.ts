/** The operations that a client must support to take part in this suite. */
import type { Kind } from "../../Workload.ts"
import { random, seeded, sentence } from "../codec/documents.ts"
import type { Which } from "../codec/samples.ts"

/** The parameters of one statement. */
export type Parameters = ReadonlyArray<unknown>

/** A row as an object keyed by column name. */
export type Row = Readonly<Record<string, unknown>>

/** A small statement that is run many times. */
export interface Query {
  readonly text: string
  /** The parameters of the runs, in turn. */
  readonly parameters: readonly [Parameters, ...ReadonlyArray<Parameters>]
  /** Reads a number from the rows. */
  readonly numberOf: (rows: ReadonlyArray<Row>) => number
}

/** Returns the parameters of a run. */
export const parametersOf = ({ parameters }: Query, run: number): Parameters => parameters[run % parameters.length]!

/** The statements of B1, B2 and B7. */
export const queries: Readonly<Record<Which, Query>> = {
  0: {
    text: "select 1::int4 as n",
    parameters: [[]],
    numberOf: (rows) => rows[0]!["n"] as number
  },
  // Two parameters, and five rows with texts that are not ASCII and NULL.
  1: {
    text: `select g as id, $2::text || g as name, case when g % 3 = 0 then null else g / 8.0::float8 end as ratio
      from generate_series($1::int4, $1::int4 + 4) as g`,
    parameters: [
      [random(0) % 1000, "größe"],
      ...Array.from({ length: 63 }, (_, i): Parameters => {
        const next = seeded(i)
        return [next(1000), sentence(next, 1 + next(8))]
      })
    ],
    numberOf: (rows) =>
      rows.reduce((sum, { id, name, ratio }) => sum + (id as number) + (name as string).length + Number(ratio), 0)
  }
}

/** One or more connections to the server. Unsupported operations are absent. */
export interface Driver {
  /** Runs a query `count` times, one after the other; returns the sum of its numbers. */
  readonly sequential: (query: Query, count: number) => Promise<number>
  /** Does the same with `width` queries in flight. */
  readonly inFlight: (query: Query, count: number, width: number) => Promise<number>
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
  /** Converts this driver's value of a timestamptz to milliseconds since 1970. */
  readonly toMillis: (instant: unknown) => number
  readonly close: () => Promise<void>
}

/** Options for opening a driver. */
export interface OpenOptions {
  readonly connections: number
  readonly tls?: boolean
  /** The user who logs in; the first one when absent. */
  readonly login?: Which
}

export interface Contender {
  readonly name: string
  readonly kind: Kind
  readonly open: (options: OpenOptions) => Promise<Driver>
  /** True for a contender without values. */
  readonly skipsCheck: boolean
}
