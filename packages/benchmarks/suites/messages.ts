/** The messages that the limits send, and the parts of the responses that they decode. */
import type { Socket } from "node:net"

const int32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4)
  bytes.writeInt32BE(value)
  return bytes
}

/** Encodes 16-bit integers. */
export const numbers = (...values: ReadonlyArray<number>): Buffer => {
  const buffer = Buffer.alloc(2 * values.length)
  values.forEach((value, i) => buffer.writeInt16BE(value, 2 * i))
  return buffer
}

/** Encodes bytes with their length prefix. */
export const value = (bytes: Buffer): Buffer => Buffer.concat([int32(bytes.length), bytes])

/** NULL as a value. */
export const nullValue = int32(-1)

/** Encodes a message of strings, each zero-terminated, and bytes. */
export const message = (tag: string, ...parts: ReadonlyArray<string | Buffer>): Buffer => {
  const body = Buffer.concat(parts.map((part) => typeof part === "string" ? Buffer.from(`${part}\0`) : part))
  return Buffer.concat([Buffer.from(tag), int32(body.length + 4), body])
}

/** Encodes the startup message with these parameters. */
export const startup = (...parameters: ReadonlyArray<string>): Buffer => message("", int32(0x30000), ...parameters, "")

export const sync = message("S")

/** Execute of the unnamed portal, without a row limit. */
export const executeAll = message("E", "", Buffer.alloc(4))

/** Calls back for every ReadyForQuery, by walking over the message headers, until the returned function is called. */
export const onReady = (socket: Socket, ready: () => void): () => void => {
  let left = 0
  let rest: Buffer = Buffer.alloc(0)
  const onData = (chunk: Buffer): void => {
    let at = left
    let bytes = chunk
    if (rest.length > 0) {
      bytes = Buffer.concat([rest, chunk])
      rest = Buffer.alloc(0)
    }
    while (at + 5 <= bytes.length) {
      if (bytes[at] === 0x45) throw new Error(bytes.toString("latin1", at))
      if (bytes[at] === 0x5a) ready()
      at += 1 + bytes.readInt32BE(at + 1)
    }
    if (at < bytes.length) {
      rest = bytes.subarray(at)
      left = 0
    } else {
      left = at - bytes.length
    }
  }
  socket.on("data", onData)
  return () => void socket.off("data", onData)
}
