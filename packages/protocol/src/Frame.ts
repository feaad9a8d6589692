/**
 * Cutting a stream of bytes into frames.
 *
 * A parser is pushed chunks as they come and calls back once for each whole frame, in order. A frame that lies inside a
 * chunk is read in place; only one that is split over chunks is copied, once, into a buffer of its own size. Lengths are
 * checked against the limit of their message before anything is allocated. The parser knows nothing of what is in a
 * frame; `Backend` and `Frontend` do.
 *
 * @since 0.1.0
 */
import { readInt32 } from "./internal/compile.ts"
import * as ProtocolError from "./ProtocolError.ts"

/**
 * Called with each frame: it is `bytes[start, end)`, its tag included.
 *
 * **Details**
 *
 * What it throws leaves `push`, after which the parser is of no further use.
 *
 * @category models
 * @since 0.1.0
 */
export type OnFrame = (bytes: Uint8Array, start: number, end: number) => void

/**
 * The limit of each tag: index is the byte, value the most that the length word may say, 0 for a tag that does not
 * exist. Index 0 is for packets without a tag.
 *
 * @category models
 * @since 0.1.0
 */
export type Limits = Int32Array

/**
 * A parser of one stream.
 *
 * @category models
 * @since 0.1.0
 */
export interface Parser {
  /** Takes the next chunk. Throws a `ProtocolError.Reason`. */
  readonly push: (chunk: Uint8Array) => void
  /** Whether frames begin with a tag. False only for a server, before the start-up is over. */
  tagged: boolean
  /** Bytes of an unfinished frame that are held. */
  readonly pending: () => number
  /** Gives up the bytes of an unfinished frame; the parser starts anew behind them. */
  readonly takePending: () => Uint8Array
}

const empty: Uint8Array = new Uint8Array(0)

/**
 * A parser that calls `onFrame` for each whole frame.
 *
 * **Example** (Two frames in three chunks)
 *
 * ```ts
 * import { Backend, Frame } from "@hyperfect/protocol"
 * import { strict as assert } from "node:assert"
 *
 * const tags: Array<string> = []
 * const parser = Frame.makeParser(Backend.limits(), (bytes, start) => tags.push(String.fromCharCode(bytes[start]!)))
 * parser.push(Uint8Array.of(0x31, 0, 0))
 * parser.push(Uint8Array.of(0, 4, 0x5a, 0, 0, 0, 5))
 * assert.deepEqual(tags, ["1"])
 * parser.push(Uint8Array.of(0x49))
 * assert.deepEqual(tags, ["1", "Z"])
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const makeParser = (limits: Limits, onFrame: OnFrame): Parser => {
  // An unfinished frame: `held` has room for all of it once its header is complete, and `filled` bytes are there.
  let held = empty
  let filled = 0
  // A zero byte is no tag: a packet that opens a connection, sent once more on a live one, must not be waited for.
  const untaggedLimit = limits[0]!
  const tagLimits = limits.slice()
  tagLimits[0] = 0

  /** The size of the frame at `at`, or 0 while its header is incomplete. */
  const frameSize = (bytes: Uint8Array, at: number, end: number): number => {
    const lengthAt = parser.tagged ? at + 1 : at
    if (end < lengthAt + 4) return 0
    const length = readInt32(bytes, lengthAt)
    const limit = parser.tagged ? tagLimits[bytes[at]!]! : untaggedLimit
    if (length < 4 || length > limit) throw invalidHeader(bytes[at]!, length, limit, parser.tagged)
    return lengthAt - at + length
  }

  const hold = (bytes: Uint8Array, at: number, end: number, size: number): void => {
    held = new Uint8Array(size === 0 ? 5 : size)
    held.set(bytes.subarray(at, end))
    filled = end - at
  }

  /** Completes the held frame from the chunk and returns how much of the chunk went into it. */
  const fill = (chunk: Uint8Array): number => {
    let used = 0
    const headerSize = parser.tagged ? 5 : 4
    while (filled < headerSize) {
      if (used === chunk.length) return used
      held[filled++] = chunk[used++]!
    }
    const size = frameSize(held, 0, filled)
    if (held.length !== size) {
      const grown = new Uint8Array(size)
      grown.set(held.subarray(0, headerSize))
      held = grown
    }
    const more = Math.min(size - filled, chunk.length - used)
    held.set(chunk.subarray(used, used + more), filled)
    filled += more
    if (filled === size) {
      const frame = held
      held = empty
      filled = 0
      onFrame(frame, 0, size)
    }
    return used + more
  }

  const push = (chunk: Uint8Array): void => {
    const end = chunk.length
    let at = filled > 0 ? fill(chunk) : 0
    // The straight road: whole frames with tags, by the million.
    while (parser.tagged && at + 5 <= end) {
      const length = (chunk[at + 1]! << 24) | (chunk[at + 2]! << 16) | (chunk[at + 3]! << 8) | chunk[at + 4]!
      const next = at + 1 + length
      if (length < 4 || length > tagLimits[chunk[at]!]! || next > end) break
      onFrame(chunk, at, next)
      at = next
    }
    while (at < end) {
      const size = frameSize(chunk, at, end)
      if (size === 0 || size > end - at) return hold(chunk, at, end, size)
      onFrame(chunk, at, at + size)
      at += size
    }
  }

  const parser: Parser = {
    push,
    tagged: true,
    pending: () => filled,
    takePending: () => {
      const bytes = held.subarray(0, filled)
      held = empty
      filled = 0
      return bytes
    }
  }
  return parser
}

const invalidHeader = (first: number, length: number, limit: number, tagged: boolean): ProtocolError.Reason => {
  const tag = JSON.stringify(String.fromCharCode(first))
  if (tagged && limit === 0) return ProtocolError.reason("TagUnknown", "Frame", "tag", 0, "the tag of a message", tag)
  const name = tagged ? `message ${tag}` : "a packet without tag"
  return length < 4
    ? ProtocolError.reason("LengthInvalid", "Frame", "length", tagged ? 1 : 0, "at least 4", `${length} in ${name}`)
    : ProtocolError.reason(
      "LengthExceeded",
      "Frame",
      "length",
      tagged ? 1 : 0,
      `at most ${limit}`,
      `${length} in ${name}`
    )
}
