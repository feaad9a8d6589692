/**
 * A growing buffer that messages and values are written into, one behind the other.
 *
 * The bytes written so far are handed out by {@link ByteWriter.take} as a view; the writer then goes on behind them and
 * never touches them again, so that a transport may keep the view for as long as it likes. A `position` that was noted
 * stays good until the next `take`, also when the buffer grows in between. Integers are big-endian
 * unless the method's name ends in `LE`. Methods do not check ranges: whoever writes a value from outside checks it
 * first.
 *
 * @since 0.1.0
 */
import * as ProtocolError from "./ProtocolError.ts"
import * as Utf8 from "./Utf8.ts"

const slabSize = 16 * 1024

/** The largest slab for writers whose batches are larger. */
const maxSlabSize = 128 * 1024

/** With less room than this behind a batch the next one gets another slab. */
const minRoom = 1024

/** What a system hands out memory by. */
const pageSize = 4096

/**
 * The slab for batches about as large as one of `size` bytes: no larger than it takes, as what is left of a slab behind a
 * batch is lost, and what is allocated besides makes the garbage collector come earlier (measured).
 */
const slabFor = (size: number): number => {
  const roomy = size + (size >> 3)
  return Math.max(slabSize, Math.min(maxSlabSize, roomy + pageSize - roomy % pageSize))
}

/** Up to this length a loop is cheaper than a call of `set` (measured on Node 24). */
const loopLimit = 8

const noBytes: Uint8Array = new Uint8Array(0)
const noView = new DataView(noBytes.buffer)

/** The longest frame that the length word can express. */
const maxSize = 0x7fffffff

/**
 * The writer itself; {@link make} makes one.
 *
 * @category models
 * @since 0.1.0
 */
export class ByteWriter {
  /**
   * One that stays. Writers are often made for one message only; were there none at all when garbage is collected, V8
   * would forget what they look like, and with it the optimised code of whatever writes (measured).
   */
  protected static readonly lasting: ByteWriter = new ByteWriter(0)

  /** The buffer being filled. Replaced when it grows: read it anew after any write. */
  bytes: Uint8Array
  /** A view over the whole of `bytes`. Replaced together with it. */
  view: DataView
  /** Where the next byte goes. */
  position: number
  /** Where what was written since the last `take` begins. */
  private start: number
  /** The size of the next slab: what batches have needed, within bounds. */
  private slab: number

  constructor(size: number = slabSize) {
    this.bytes = new Uint8Array(size)
    this.view = new DataView(this.bytes.buffer)
    this.position = 0
    this.start = 0
    this.slab = slabSize
  }

  /** How many bytes were written since the last `take`. */
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
    // At the same offset, so that a position noted before still holds.
    bytes.set(this.bytes.subarray(this.start, this.position), this.start)
    this.bytes = bytes
    this.view = new DataView(bytes.buffer)
  }

  /**
   * Hands out what was written since the last call and goes on behind it.
   *
   * The view belongs to the caller; it pins the slab that it lies in: 16 to 128 KiB by what batches need, or up to twice
   * the size of a batch that is larger.
   */
  take(): Uint8Array {
    const taken = this.bytes.subarray(this.start, this.position)
    // The next batch is likely as large as this one: better a new slab now than to grow, and copy, in the midst of it.
    const room = this.bytes.length - this.position
    if (this.bytes.length > maxSlabSize || room < minRoom || room < taken.length) {
      this.slab = slabFor(taken.length)
      // Made when something is written: a writer is often made for one message only.
      this.bytes = noBytes
      this.view = noView
      this.position = 0
    }
    this.start = this.position
    return taken
  }

  /** Forgets what was written since the last `take`, or since `position`, which a caller noted before. */
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

  /** Writes over four bytes that were written or reserved before, such as a length that is known only now. */
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
    if (length <= loopLimit) {
      const { bytes, position } = this
      for (let i = 0; i < length; i++) bytes[position + i] = source[i]!
    } else {
      this.bytes.set(source, this.position)
    }
    this.position += length
  }

  /** Writes the text in UTF-8, and returns true; or nothing, and false, when an unpaired surrogate is in it. */
  tryUtf8(text: string): boolean {
    this.ensure(text.length * 3)
    const written = Utf8.write(text, this.bytes, this.position)
    if (written > 0) this.position += written
    return written >= 0
  }

  /** As `tryUtf8`, and false also when U+0000 is in it. */
  tryUtf8NoNul(text: string): boolean {
    this.ensure(text.length * 3)
    const written = Utf8.writeNoNul(text, this.bytes, this.position)
    if (written > 0) this.position += written
    return written >= 0
  }

  /** Writes the text in UTF-8, without length or terminator. The caller has checked `text.isWellFormed()`. */
  utf8(text: string): void {
    this.ensure(text.length * 3)
    this.position += Utf8.writeUnsafe(text, this.bytes, this.position)
  }
}

/**
 * A new, empty writer.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (size?: number): ByteWriter => new ByteWriter(size)

let scratch = make()

/**
 * The bytes that a function writes, in memory of their own and exactly as large.
 *
 * @category encoding
 * @since 0.1.0
 */
export const bytesOf = <A>(write: (out: ByteWriter, value: A) => void, value: A): Uint8Array => {
  // The same writer for all: one for each would cost more than the writing. A value may have another written meanwhile.
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
