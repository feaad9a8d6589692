/**
 * The schedule of one direction of a faulty connection: where its bytes are split, delayed and corrupted.
 *
 * Everything is a function of the seed and the position in the stream, not of the chunks received: the same seed splits
 * the same stream at the same positions, however the network delivers it.
 */
import * as Duration from "effect/Duration"
import type { StreamFaults } from "./options.ts"

/** Returns a number from 0 (inclusive) to 1 (exclusive) that depends only on the given words. */
export const seededRandom = (...words: ReadonlyArray<number>): number => {
  let hash = 0x9e3779b9
  for (const word of words) {
    // The finalizer of MurmurHash3, once per word: adjacent positions give unrelated numbers.
    hash ^= word
    hash ^= hash >>> 16
    hash = Math.imul(hash, 0x85ebca6b)
    hash ^= hash >>> 13
    hash = Math.imul(hash, 0xc2b2ae35)
    hash ^= hash >>> 16
  }
  return (hash >>> 0) / 0x1_0000_0000
}

/** Returns an integer from 1 to `greatest`, uniformly distributed on a logarithmic scale. */
export const randomSize = (greatest: number, drawn: number): number =>
  Math.min(greatest, Math.floor((greatest + 1) ** drawn))

const salts = { split: 1, delay: 2, corrupt: 3 }

/** @internal */
export const make = (
  { corrupt, corruptAt, disconnectAfter, delay = 0, split, stallAfter }: StreamFaults,
  ...seed: ReadonlyArray<number>
) => {
  const end = Math.min(disconnectAfter ?? Infinity, stallAfter ?? Infinity)
  const longest = Duration.toMillis(Duration.fromInputUnsafe(delay))
  // The end of the piece that contains the last position. Positions only grow.
  let boundary = split === undefined ? Infinity : 0
  return {
    /** The number of bytes out of `size`, starting at `position`, that may pass in one piece; 0 where the stream ends. */
    pieceSize: (position: number, size: number): number => {
      while (boundary <= position) boundary += randomSize(split!, seededRandom(...seed, salts.split, boundary))
      return Math.max(0, Math.min(size, boundary - position, end - position))
    },
    /** The delay of the piece at `position`, in milliseconds. */
    delay: (position: number): number => longest * seededRandom(...seed, salts.delay, position),
    /** The piece after corruption: a copy if bytes are changed. */
    corrupt: (piece: Uint8Array, position: number): Uint8Array => {
      if (corrupt === undefined && corruptAt === undefined) return piece
      const altered = piece.slice()
      for (let i = 0; i < piece.length; i++) {
        const at = position + i
        const hit = corruptAt?.includes(at) === true || seededRandom(...seed, salts.corrupt, at) < (corrupt ?? 0)
        // Any other byte, never the same one.
        if (hit) altered[i] = piece[i]! ^ (1 + Math.floor(255 * seededRandom(...seed, salts.corrupt, at, 1)))
      }
      return altered
    }
  }
}
