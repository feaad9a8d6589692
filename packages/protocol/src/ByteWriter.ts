/**
 * A growing buffer to which messages and values are appended.
 *
 * {@link ByteWriter.take} returns the bytes written so far as a view. The writer continues after them and never
 * modifies them again, so a transport may keep the view indefinitely. A saved `position` stays valid until the next
 * `take`, even if the buffer grows in between. Integers are big-endian unless the method's name ends in `LE`. Methods
 * do not check ranges: the caller must validate external values first.
 *
 * @since 0.1.0
 */
import * as ProtocolError from "./ProtocolError.ts"
import * as Utf8 from "./Utf8.ts"

const slabSize = 16 * 1024

/** The maximum size of a slab allocated for expected batches. */
const maxSlabSize = 128 * 1024

/** If less room than this is left after a batch, the next batch gets a new slab. */
const minFreeSize = 1024

/** The size of a memory page, to which slab sizes are rounded up. */
const pageSize = 4096

/**
 * The slab size for batches of about `size` bytes, kept as small as possible: the rest of a slab after a batch is
 * wasted, and excess allocation makes garbage collection run earlier (M-13).
 */
const slabSizeFor = (size: number): number => {
  const roomy = size + (size >> 3)
  return Math.max(slabSize, Math.min(maxSlabSize, roomy + pageSize - roomy % pageSize))
}

/** Up to this length a loop is cheaper than calling `set` (M-02). */
const loopCopyLimit = 8

const emptyBytes: Uint8Array = new Uint8Array(0)
const emptyView = new DataView(emptyBytes.buffer)

/** The longest frame that the length word can express. */
const maxSize = 0x7fffffff

/**
 * The writer class; use {@link make} to create one.
 *
 * @category models
 * @since 0.1.0
 */
export class ByteWriter {
  /**
   * A permanent instance. Writers often live for one message only; if none existed during a garbage collection, V8
   * would discard their hidden class, and with it the optimised code of every function that writes (M-03).
   */
  protected static readonly lasting: ByteWriter = new ByteWriter(0)

  /** The buffer being filled. Replaced when it grows: read the property again after any write. */
  bytes: Uint8Array
  /** A view over the whole of `bytes`. Replaced together with it. */
  view: DataView
  /** The offset of the next byte. */
  position: number
  /** The offset of the first byte written since the last `take`. */
  private start: number
  /** The size of the next slab, adapted to previous batches within bounds. */
  private slab: number

  constructor(size: number = slabSize) {
    this.bytes = new Uint8Array(size)
    this.view = new DataView(this.bytes.buffer)
    this.position = 0
    this.start = 0
    this.slab = slabSize
  }

  /** The number of bytes written since the last `take`. */
  get size(): number {
    return this.position - this.start
  }

  /** Makes room for `count` more bytes. */
  ensure(count: number): void {
    if (this.position + count > this.bytes.length) this.grow(count)
  }

  private grow(count: number): void {
    const wanted = this.position + count
    if (wanted - this.start > maxSize) {
      throw ProtocolError.reason("LengthExceeded", "Frame", "", this.size, `at most ${maxSize} bytes`, `${wanted}`)
    }
    let capacity = Math.max(this.slab, this.bytes.length * 2)
    while (capacity < wanted) capacity *= 2
    const bytes = new Uint8Array(capacity)
    // Data keeps its offset, so a saved position stays valid.
    bytes.set(this.bytes.subarray(this.start, this.position), this.start)
    this.bytes = bytes
    this.view = new DataView(bytes.buffer)
  }

  /**
   * Returns the bytes written since the last call and continues after them.
   *
   * The caller owns the view. It keeps its slab alive: 16 to 128 KiB depending on previous batches, or up to twice the
   * size of a larger batch.
   */
  take(): Uint8Array {
    const taken = this.bytes.subarray(this.start, this.position)
    // The next batch is likely to be as large: a new slab now avoids growing and copying in the middle of it.
    const room = this.bytes.length - this.position
    if (this.bytes.length > maxSlabSize || room < minFreeSize || room < taken.length) {
      this.slab = slabSizeFor(taken.length)
      // Allocated on the first write: a writer is often made for one message only.
      this.bytes = emptyBytes
      this.view = emptyView
      this.position = 0
    }
    this.start = this.position
    return taken
  }

  /** Discards the bytes written since the last `take`, or since a previously saved `position`. */
  rewind(position: number = this.start): void {
    this.position = position
  }

  uint8(value: number): void {
    this.ensure(1)
    this.bytes[this.position++] = value
  }

  int16(value: number): void {
    this.ensure(2)
    this.bytes[this.position] = value >> 8
    this.bytes[this.position + 1] = value
    this.position += 2
  }

  int32(value: number): void {
    this.ensure(4)
    this.setInt32(this.position, value)
    this.position += 4
  }

  int64(value: bigint): void {
    this.ensure(8)
    this.view.setBigInt64(this.position, value)
    this.position += 8
  }

  float32(value: number): void {
    this.ensure(4)
    this.view.setFloat32(this.position, value)
    this.position += 4
  }

  float64(value: number): void {
    this.ensure(8)
    this.view.setFloat64(this.position, value)
    this.position += 8
  }

  int16LE(value: number): void {
    this.ensure(2)
    this.bytes[this.position] = value
    this.bytes[this.position + 1] = value >> 8
    this.position += 2
  }

  int32LE(value: number): void {
    this.ensure(4)
    this.setInt32LE(this.position, value)
    this.position += 4
  }

  int64LE(value: bigint): void {
    this.ensure(8)
    this.view.setBigInt64(this.position, value, true)
    this.position += 8
  }

  float32LE(value: number): void {
    this.ensure(4)
    this.view.setFloat32(this.position, value, true)
    this.position += 4
  }

  float64LE(value: number): void {
    this.ensure(8)
    this.view.setFloat64(this.position, value, true)
    this.position += 8
  }

  /** Overwrites four bytes that were written or reserved earlier, such as a length that has only now become known. */
  setInt32(position: number, value: number): void {
    const bytes = this.bytes
    bytes[position] = value >> 24
    bytes[position + 1] = value >> 16
    bytes[position + 2] = value >> 8
    bytes[position + 3] = value
  }

  setInt32LE(position: number, value: number): void {
    const bytes = this.bytes
    bytes[position] = value
    bytes[position + 1] = value >> 8
    bytes[position + 2] = value >> 16
    bytes[position + 3] = value >> 24
  }

  copy(source: Uint8Array): void {
    const length = source.length
    this.ensure(length)
    if (length <= loopCopyLimit) {
      const { bytes, position } = this
      for (let i = 0; i < length; i++) bytes[position + i] = source[i]!
    } else {
      this.bytes.set(source, this.position)
    }
    this.position += length
  }

  /**
   * Writes the text in UTF-8 and returns true. If the text contains an unpaired surrogate, writes nothing and returns
   * false.
   */
  tryUtf8(text: string): boolean {
    this.ensure(text.length * 3)
    const written = Utf8.write(text, this.bytes, this.position)
    if (written > 0) this.position += written
    return written >= 0
  }

  /** Like `tryUtf8`, but also returns false if the text contains U+0000. */
  tryUtf8NoNul(text: string): boolean {
    this.ensure(text.length * 3)
    const written = Utf8.writeNoNul(text, this.bytes, this.position)
    if (written > 0) this.position += written
    return written >= 0
  }

  /** Writes the text in UTF-8, without length or terminator. The caller must have checked `text.isWellFormed()`. */
  utf8(text: string): void {
    this.ensure(text.length * 3)
    this.position += Utf8.writeUnsafe(text, this.bytes, this.position)
  }
}

/**
 * Creates an empty writer.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (size?: number): ByteWriter => new ByteWriter(size)

let scratch = make()

/**
 * Returns the bytes that a function writes, as a separate array of exactly their size.
 *
 * @category encoding
 * @since 0.1.0
 */
export const bytesOf = <A>(write: (out: ByteWriter, value: A) => void, value: A): Uint8Array => {
  // All calls share one writer: creating one per call would cost more than the writing. Calls may be nested.
  const out = scratch
  const start = out.position
  try {
    write(out, value)
    return out.bytes.slice(start, out.position)
  } finally {
    out.rewind(start)
    if (out.bytes.length > maxSlabSize) scratch = make()
  }
}
