/**
 * Splits a stream of bytes into frames.
 *
 * A parser accepts chunks as they arrive and calls back once per whole frame, in order. A frame inside one chunk is
 * read in place; only a frame split over several chunks is copied. Lengths are checked against the limit of their
 * message before anything is allocated, and the buffer of an incomplete frame grows with the bytes received, never with
 * the claimed length. The parser does not interpret the contents of a frame; `Backend` and `Frontend` do.
 *
 * @since 0.1.0
 */
import type { NonEmptyReadonlyArray } from "effect/Array"
import type { Channel } from "effect/Channel"
import { readInt32 } from "./internal/bigEndian.ts"
import * as ProtocolError from "./ProtocolError.ts"

/**
 * A channel from chunks of bytes to arrays of messages.
 *
 * @category models
 * @since 0.1.0
 */
export type DecodeChannel<A, IE, Done> = Transform<A, Uint8Array, IE, Done>

/**
 * A channel from arrays of messages to chunks of bytes.
 *
 * @category models
 * @since 0.1.0
 */
export type EncodeChannel<A, IE, Done> = Transform<Uint8Array, A, IE, Done>

type Chunk<A> = NonEmptyReadonlyArray<A>
type Transform<Out, In, IE, Done> = Channel<Chunk<Out>, ProtocolError.ProtocolError | IE, Done, Chunk<In>, IE, Done>

/**
 * Receives each frame as `bytes[start, end)`, including its tag.
 *
 * **Details**
 *
 * If it throws, `push` rethrows and the parser can no longer be used.
 *
 * @category models
 * @since 0.1.0
 */
export type OnFrame = (bytes: Uint8Array, start: number, end: number) => void

/**
 * The limit of each tag: the index is the tag byte, the value is the maximum of the length word, 0 for a tag that does
 * not exist. Index 0 is for packets without a tag.
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
  /** Accepts the next chunk. Throws a `ProtocolError.Reason`. */
  readonly push: (chunk: Uint8Array) => void
  /** True if frames begin with a tag. False only on a server until start-up is complete. */
  tagged: boolean
  /** Replaces the limits, for frames whose headers have not been read yet. */
  readonly setLimits: (limits: Limits) => void
  /** The number of buffered bytes of an incomplete frame. */
  readonly pending: () => number
  /**
   * The number of bytes missing from the incomplete frame, or from its header while that is incomplete. A caller that
   * never pushes more than this receives one frame at a time.
   */
  readonly missing: () => number
  /** Removes and returns the bytes of an incomplete frame; the parser restarts after them. */
  readonly takePending: () => Uint8Array
}

const empty: Uint8Array = new Uint8Array(0)

/** The maximum allocated for an incomplete frame based on its header alone. */
const initialCapacity = 16 * 1024

/**
 * Creates a parser that calls `onFrame` for each whole frame.
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
  // The incomplete frame: `held` contains `filled` bytes of it, and `size` is its length once its header is complete.
  let held = empty
  let filled = 0
  let size = 0
  let untaggedLimit = 0
  let tagLimits: Limits
  const setLimits = (limits: Limits): void => {
    untaggedLimit = limits[0]!
    // A zero byte is not a tag: without this check a start-up packet repeated on an established connection would be
    // waited for.
    tagLimits = limits.slice()
    tagLimits[0] = 0
  }
  setLimits(limits)

  const headerSize = (): number => parser.tagged ? 5 : 4

  /** Returns the size of the frame at `at`, or 0 while its header is incomplete. */
  const frameSize = (bytes: Uint8Array, at: number, end: number): number => {
    const lengthAt = parser.tagged ? at + 1 : at
    if (end < lengthAt + 4) return 0
    const length = readInt32(bytes, lengthAt)
    const limit = parser.tagged ? tagLimits[bytes[at]!]! : untaggedLimit
    if (length < 4 || length > limit) throw invalidHeader(bytes[at]!, length, limit, parser.tagged)
    return lengthAt - at + length
  }

  /**
   * Makes room for `wanted` bytes, at most twice the bytes received, so that the length claimed by a header does not
   * cause allocation.
   */
  const reserve = (wanted: number): void => {
    if (wanted <= held.length) return
    const grown = new Uint8Array(Math.min(size, Math.max(initialCapacity, 2 * wanted)))
    grown.set(held.subarray(0, filled))
    held = grown
  }

  const hold = (bytes: Uint8Array, at: number, end: number, frameSize: number): void => {
    size = frameSize
    if (size === 0) held = new Uint8Array(5)
    else reserve(end - at)
    held.set(bytes.subarray(at, end))
    filled = end - at
  }

  const take = (): Uint8Array => {
    const bytes = held.subarray(0, filled)
    held = empty
    filled = 0
    size = 0
    return bytes
  }

  /** Completes the held frame from the chunk and returns the number of bytes consumed. */
  const fill = (chunk: Uint8Array): number => {
    let used = 0
    if (size === 0) {
      while (filled < headerSize()) {
        if (used === chunk.length) return used
        held[filled++] = chunk[used++]!
      }
      size = frameSize(held, 0, filled)
    }
    const more = Math.min(size - filled, chunk.length - used)
    reserve(filled + more)
    held.set(chunk.subarray(used, used + more), filled)
    filled += more
    if (filled === size) {
      const frame = take()
      onFrame(frame, 0, frame.length)
    }
    return used + more
  }

  const push = (chunk: Uint8Array): void => {
    const end = chunk.length
    let at = filled > 0 ? fill(chunk) : 0
    // Fast path: whole frames with tags.
    while (parser.tagged && at + 5 <= end) {
      const length = readInt32(chunk, at + 1)
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
    setLimits,
    pending: () => filled,
    missing: () => (size === 0 ? headerSize() : size) - filled,
    takePending: take
  }
  return parser
}

const invalidHeader = (first: number, length: number, limit: number, tagged: boolean): ProtocolError.Reason => {
  const tag = JSON.stringify(String.fromCharCode(first))
  if (tagged && limit === 0) return ProtocolError.reason("TagUnknown", "Frame", "tag", 0, "the tag of a message", tag)
  const name = tagged ? `message ${tag}` : "a packet without tag"
  const [rule, wanted] = length < 4
    ? ["LengthInvalid", "at least 4"] as const
    : ["LengthExceeded", `at most ${limit}`] as const
  return ProtocolError.reason(rule, "Frame", "length", tagged ? 1 : 0, wanted, `${length} in ${name}`)
}
