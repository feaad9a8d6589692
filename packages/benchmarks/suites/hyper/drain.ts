/** The least that work takes: a socket that sends messages, and looks at the answer for nothing but its end. */
import { connect, type Socket } from "node:net"
import { getAddress } from "./address.ts"

const int32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4)
  bytes.writeInt32BE(value)
  return bytes
}

const message = (tag: string, body: Buffer): Buffer => Buffer.concat([Buffer.from(tag), int32(body.length + 4), body])

const sync = message("S", Buffer.alloc(0))
const execute = message("E", Buffer.concat([Buffer.from("\0"), int32(0)]))

/** Query. */
export const simple = (text: string): Buffer => message("Q", Buffer.from(`${text}\0`))

/** Parse, Bind with results in format 2, Execute and Sync. */
export const extended = (text: string): Buffer =>
  Buffer.concat([
    message("P", Buffer.concat([Buffer.from(`\0${text}\0`), Buffer.alloc(2)])),
    message("B", Buffer.from([0, 0, 0, 0, 0, 0, 0, 1, 0, 2])),
    execute,
    sync
  ])

/** Parse of a statement with a name and one parameter, and Sync. */
export const prepare = (name: string, text: string, parameterType: number): Buffer => {
  const count = Buffer.from([0, 1])
  return Buffer.concat([
    message("P", Buffer.concat([Buffer.from(`${name}\0${text}\0`), count, int32(parameterType)])),
    sync
  ])
}

/** Bind with one parameter, an integer in text, Execute and Sync. */
export const run = (name: string, parameter: number): Buffer => {
  const value = Buffer.from(`${parameter}`)
  const counts = Buffer.from([0, 0, 0, 1])
  const bind = [Buffer.from(`\0${name}\0`), counts, int32(value.length), value, Buffer.alloc(2)]
  return Buffer.concat([message("B", Buffer.concat(bind)), execute, sync])
}

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

/** Until so many answers have come, in which nothing else looks like the end of one. */
const untilAllReady = (socket: Socket, answers: number): Promise<void> =>
  new Promise((resolve) => {
    let left = answers
    let rest = Buffer.alloc(0)
    const onData = (chunk: Buffer): void => {
      if (chunk[0] === 0x45) throw new Error(chunk.toString("latin1"))
      const bytes = Buffer.concat([rest, chunk])
      let seen = 0
      for (let at = bytes.indexOf(ready); at >= 0; at = bytes.indexOf(ready, seen)) {
        seen = at + ready.length
        left--
      }
      rest = bytes.subarray(Math.max(seen, bytes.length - ready.length + 1))
      if (left > 0) return
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
    drain: (messages: Buffer, answers = 1): Promise<void> => {
      socket.write(messages)
      return answers === 1 ? untilReady(socket) : untilAllReady(socket, answers)
    },
    close: async () => {
      socket.destroy()
    }
  }
}
