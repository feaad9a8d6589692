/**
 * Reads from sockets that this package opened directly into shared buffers, bypassing Node's streams.
 *
 * Node allocates a buffer of 64 KiB for every read and trims it to the bytes received. Here consecutive reads fill one
 * buffer, and each passes on the part that it filled. Together with bypassing the stream, this saves some percent of
 * the cost of a small response on a bare socket (M-01).
 *
 * @internal
 */
import * as Net from "node:net"

/** The size of one of Node's own reads. */
const bufferSize = 64 * 1024

/** The free space below which a new buffer is started, as a read is never larger than the free space. */
const minReadSize = 16 * 1024

/**
 * The size of the first buffer, which a login and a few small responses fit in: short-lived connections then allocate
 * an eighth, and collections, which external memory brings forward, are rarer.
 */
const firstBufferSize = 8 * 1024

type OnChunk = (chunk: Uint8Array) => void

/** @internal */
export class ReadBuffer {
  /** Receives each chunk, and owns it. */
  onChunk: OnChunk = () => {}
  private bytes = Buffer.allocUnsafeSlow(firstBufferSize).buffer
  private filled = 0

  /** Returns the space for the next read. */
  readonly buffer = (): Uint8Array => {
    if (this.filled > this.bytes.byteLength - Math.min(minReadSize, this.bytes.byteLength >> 2)) {
      this.bytes = Buffer.allocUnsafeSlow(bufferSize).buffer
      this.filled = 0
    }
    return new Uint8Array(this.bytes, this.filled)
  }

  readonly callback = (size: number): boolean => {
    const chunk = new Uint8Array(this.bytes, this.filled, size)
    this.filled += size
    this.onChunk(chunk)
    return true
  }
}

const readBuffers = new WeakMap<Net.Socket, ReadBuffer>()

/** True on Deno, where a socket with `onread` never completes the handshake of a TLS socket that is made of it. */
const isDeno = "Deno" in globalThis

/** Opens a socket that reads into a `ReadBuffer`, where the runtime supports it. */
export const connect = (options: Net.NetConnectOpts): Net.Socket => {
  if (isDeno) return Net.connect(options)
  const inlet = new ReadBuffer()
  const socket = Net.connect({ ...options, onread: inlet })
  readBuffers.set(socket, inlet)
  return socket
}

/** Returns the socket's `ReadBuffer`, if it has one. Its chunks are then not emitted as events. */
export const of = (socket: Net.Socket): ReadBuffer | undefined => readBuffers.get(socket)
