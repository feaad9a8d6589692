/** The faults of a connection, as data. */
import type * as Duration from "effect/Duration"

/**
 * Faults of one direction of a connection. Positions are counted in bytes from the start of the connection.
 *
 * @category models
 * @since 0.1.0
 */
export interface StreamFaults {
  /**
   * Splits the bytes into pieces of 1 to this many bytes, small ones as often as large ones; with 1, each byte arrives
   * alone.
   */
  readonly split?: number | undefined
  /** The longest delay of each piece. */
  readonly delay?: Duration.Input | undefined
  /** The position after which no bytes pass; the connection stays open. */
  readonly stallAfter?: number | undefined
  /** The position after which the connection is cut. */
  readonly disconnectAfter?: number | undefined
  /** The positions of corrupted bytes. */
  readonly corruptAt?: ReadonlyArray<number> | undefined
  /** The probability that a byte is corrupted, from 0 to 1. */
  readonly corrupt?: number | undefined
}

/**
 * Faults of writing.
 *
 * @category models
 * @since 0.1.0
 */
export interface WriteFaults extends StreamFaults {
  /** The position after which written bytes are accepted and discarded. */
  readonly dropAfter?: number | undefined
}

/**
 * Faults of one connection.
 *
 * @category models
 * @since 0.1.0
 */
export interface Faults {
  /** `"refuse"` fails connecting with `OpenFailed`; `"stall"` never completes it. */
  readonly connect?: "refuse" | "stall" | undefined
  /** The faults of received bytes. */
  readonly reading?: StreamFaults | undefined
  /** The faults of sent bytes. */
  readonly writing?: WriteFaults | undefined
  /** The form that a cut takes on this end: an orderly end of the stream, the default, or a reset. */
  readonly disconnect?: "close" | "reset" | undefined
}
