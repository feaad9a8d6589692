/** What can happen to a line, as data. */
import type * as Duration from "effect/Duration"

/**
 * Faults of one direction of a line. Positions are counted in bytes from the beginning of the line.
 *
 * @category models
 * @since 0.1.0
 */
export interface Direction {
  /** Cuts what passes into pieces of 1 to so many bytes, small ones as often as big ones; with 1 each byte comes alone. */
  readonly split?: number | undefined
  /** Each piece waits up to that long. */
  readonly delay?: Duration.Input | undefined
  /** Nothing passes any more behind so many bytes; the line stays open. */
  readonly stallAfter?: number | undefined
  /** The line is cut behind so many bytes. */
  readonly cutAfter?: number | undefined
  /** Bytes at these positions come out changed. */
  readonly corruptAt?: ReadonlyArray<number> | undefined
  /** How likely any byte comes out changed, from 0 to 1. */
  readonly corrupt?: number | undefined
}

/**
 * Faults of what is sent.
 *
 * @category models
 * @since 0.1.0
 */
export interface WriteDirection extends Direction {
  /** What is written behind so many bytes is accepted and thrown away. */
  readonly dropAfter?: number | undefined
}

/**
 * Faults of one line.
 *
 * @category models
 * @since 0.1.0
 */
export interface Faults {
  /** Whether connecting fails with `OpenFailed`, or never comes to an end. */
  readonly connect?: "refuse" | "stall" | undefined
  /** What happens to the bytes that are received. */
  readonly reading?: Direction | undefined
  /** What happens to the bytes that are sent. */
  readonly writing?: WriteDirection | undefined
  /** What a cut looks like from this end: an orderly end of the stream, the default, or a reset. */
  readonly cut?: "close" | "reset" | undefined
}
