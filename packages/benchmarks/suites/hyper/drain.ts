/** The least that reading a result takes: a socket that counts bytes up to the ReadyForQuery. */
import { connect, type Socket } from "node:net"
import { getAddress } from "./address.ts"

const int32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4)
  bytes.writeInt32BE(value)
  return bytes
}

const message = (tag: string, body: Buffer): Buffer => Buffer.concat([Buffer.from(tag), int32(body.length + 4), body])

/** Parse, Bind with results in format 2, Execute and Sync. */
const ask = (text: string): Buffer =>
  Buffer.concat([
    message("P", Buffer.concat([Buffer.from(`\0${text}\0`), Buffer.alloc(2)])),
    message("B", Buffer.from([0, 0, 0, 0, 0, 0, 0, 1, 0, 2])),
    message("E", Buffer.concat([Buffer.from("\0"), int32(0)])),
    message("S", Buffer.alloc(0))
  ])

/** Idle, behind the last message of an answer. */
const ready = Buffer.from([0x5a, 0, 0, 0, 5, 0x49])

const untilReady = (socket: Socket): Promise<void> =>
  new Promise((resolve) => {
    const onData = (chunk: Buffer): void => {
      if (!chunk.subarray(-ready.length).equals(ready)) return
      socket.off("data", onData)
      resolve()
    }
    socket.on("data", onData)
  })

export const open = async () => {
  const { host, port, user } = getAddress()
  const socket = connect({ host, port, noDelay: true })
  const body = Buffer.from(`\0\x03\0\0user\0${user}\0\0`, "latin1")
  socket.write(Buffer.concat([int32(body.length + 4), body]))
  await untilReady(socket)
  return {
    drain: (text: string): Promise<void> => {
      socket.write(ask(text))
      return untilReady(socket)
    },
    close: async () => {
      socket.destroy()
    }
  }
}
