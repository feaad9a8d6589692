/**
 * The first five bytes of a frame.
 *
 * Every message except the packets that open a connection begins with a one-byte tag and a length, which counts itself
 * and the body but not the tag.
 *
 * @since 0.1.0
 */
import { readInt32 } from "./internal/bigEndian.ts"

/**
 * The decoded first five bytes of a frame.
 *
 * @category models
 * @since 0.1.0
 */
export interface Header {
  /** The first byte as a character. */
  readonly tag: string
  /** The length of the message without its tag: four bytes for the length word, plus the body. */
  readonly length: number
}

/** The number of bytes of a header. */
const size = 5

/**
 * Reads the header of a frame at `offset`, or returns `undefined` if fewer than five bytes are available.
 *
 * **Gotchas**
 *
 * The length is not validated; it can be negative or huge. `Frame` checks it.
 *
 * **Example** (ReadyForQuery)
 *
 * ```ts
 * import { Header } from "@hyperfect/protocol"
 * import { strict as assert } from "node:assert"
 *
 * assert.deepEqual(Header.parse(Uint8Array.of(0x5a, 0, 0, 0, 5, 0x49)), { tag: "Z", length: 5 })
 * assert.equal(Header.parse(Uint8Array.of(0x5a, 0, 0)), undefined)
 * ```
 *
 * @category decoding
 * @since 0.1.0
 */
export const parse = (bytes: Uint8Array, offset: number = 0): Header | undefined =>
  bytes.length - offset < size
    ? undefined
    : { tag: String.fromCharCode(bytes[offset]!), length: readInt32(bytes, offset + 1) }
