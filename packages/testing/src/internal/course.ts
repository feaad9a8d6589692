/**
 * The course of one direction of a faulty line: where its bytes are cut, held up and changed.
 *
 * Everything is a function of the seed and of the position in the stream, not of the chunks that happen to come: the same
 * seed cuts the same stream at the same places, however the network brings it.
 */
import type { Direction } from "./faults.ts"

/** A number from 0 (included) to 1 (excluded) that hangs on the words and on nothing else. */
export const draw = (...words: ReadonlyArray<number>): number => {
  let hash = 0x9e3779b9
  for (const word of words) {
    // The finalizer of MurmurHash3, once a word: neighbouring positions give numbers that have nothing in common.
    hash ^= word
    hash ^= hash >>> 16
    hash = Math.imul(hash, 0x85ebca6b)
    hash ^= hash >>> 13
    hash = Math.imul(hash, 0xc2b2ae35)
    hash ^= hash >>> 16
  }
  return (hash >>> 0) / 0x1_0000_0000
}

/** A whole number from 1 to `greatest`, small ones as likely as big ones on a logarithmic scale. */
export const drawSize = (greatest: number, drawn: number): number =>
  Math.min(greatest, Math.floor((greatest + 1) ** drawn))

const purposes = { split: 1, delay: 2, corrupt: 3 }

/** @internal */
export interface Course {
  /** How many of `size` bytes from `position` on may pass in one piece; 0 when the course ends there. */
  readonly room: (position: number, size: number) => number
  /** The milliseconds that the piece at `position` waits. */
  readonly delay: (position: number) => number
  /** The piece as it comes out: a copy where bytes are changed. */
  readonly alter: (piece: Uint8Array, position: number) => Uint8Array
}

/** @internal */
export const make = (
  { corrupt, corruptAt, cutAfter, delay = 0, split, stallAfter }: Direction,
  milliseconds: (delay: NonNullable<Direction["delay"]>) => number,
  ...seed: ReadonlyArray<number>
): Course => {
  const end = Math.min(cutAfter ?? Infinity, stallAfter ?? Infinity)
  const longest = milliseconds(delay)
  // The end of the piece that the last position lay in. Positions only grow.
  let boundary = split === undefined ? Infinity : 0
  return {
    room: (position, size) => {
      while (boundary <= position) boundary += drawSize(split!, draw(...seed, purposes.split, boundary))
      return Math.max(0, Math.min(size, boundary - position, end - position))
    },
    delay: (position) => longest * draw(...seed, purposes.delay, position),
    alter: (piece, position) => {
      if (corrupt === undefined && corruptAt === undefined) return piece
      const altered = piece.slice()
      for (let i = 0; i < piece.length; i++) {
        const at = position + i
        const hit = corruptAt?.includes(at) === true || draw(...seed, purposes.corrupt, at) < (corrupt ?? 0)
        // Any other byte, never the same one.
        if (hit) altered[i] = piece[i]! ^ (1 + Math.floor(255 * draw(...seed, purposes.corrupt, at, 1)))
      }
      return altered
    }
  }
}
