/**
 * Buffers the incomplete end of a chunk of COPY data until the next chunk.
 *
 * @internal
 */
export class PendingBytes {
  bytes = new Uint8Array(0)
  size = 0

  /** Appends `bytes[start, end)`. */
  append(bytes: Uint8Array, start: number, end: number): void {
    const { size } = this
    const length = end - start
    if (size + length > this.bytes.length) {
      // The buffer grows with the received bytes only, never by a length that the data claims.
      const larger = new Uint8Array(Math.max(256, (size + length) * 2))
      larger.set(this.bytes.subarray(0, size))
      this.bytes = larger
    }
    this.bytes.set(bytes.subarray(start, end), size)
    this.size += length
  }

  /** Removes the bytes before `at`. */
  discard(at: number): void {
    this.bytes.copyWithin(0, at, this.size)
    this.size -= at
  }
}
