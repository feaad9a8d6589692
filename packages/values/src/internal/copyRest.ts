/**
 * What is left of the pieces of COPY data until the next one comes, in a buffer that grows.
 *
 * @internal
 */
export class Rest {
  bytes = new Uint8Array(0)
  size = 0

  /** Appends `bytes[start, end)`. */
  keep(bytes: Uint8Array, start: number, end: number): void {
    const { size } = this
    const length = end - start
    if (size + length > this.bytes.length) {
      // Not more than has come: what a length says is not believed.
      const larger = new Uint8Array(Math.max(256, (size + length) * 2))
      larger.set(this.bytes.subarray(0, size))
      this.bytes = larger
    }
    this.bytes.set(bytes.subarray(start, end), size)
    this.size += length
  }

  /** Drops what comes before `at`. */
  drop(at: number): void {
    this.bytes.copyWithin(0, at, this.size)
    this.size -= at
  }
}
