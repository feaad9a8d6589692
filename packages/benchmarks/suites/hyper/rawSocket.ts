/** The minimum work: a socket that sends messages, and only detects the end of the response. */
import { connect, type Socket } from "node:net"
import { executeAll, message, nullValue, numbers, onReady, startup, sync, value } from "../messages.ts"
import { getAddress } from "./address.ts"

/** The message Query. */
export const simple = (text: string): Buffer => message("Q", text)

/** The messages Parse, Bind with results in format 2, Execute and Sync. */
export const extended = (text: string): Buffer =>
  Buffer.concat([message("P", "", text, numbers(0)), message("B", "", "", numbers(0, 0, 1, 2)), executeAll, sync])

/** The messages Parse, of a named statement with parameters of these types, and Sync. */
export const prepare = (name: string, text: string, types: ReadonlyArray<number>): Buffer =>
  Buffer.concat([message("P", name, text, numbers(types.length, ...types.flatMap((oid) => [0, oid]))), sync])

/** The messages Bind with parameters in text, Execute and Sync. */
export const run = (name: string, parameters: ReadonlyArray<string | number | null>): Buffer => {
  const values = parameters.map((parameter) => parameter === null ? nullValue : value(Buffer.from(`${parameter}`)))
  return Buffer.concat([message("B", "", name, numbers(0, values.length), ...values, numbers(0)), executeAll, sync])
}

/** ReadyForQuery in the state idle, after the last message of a response. */
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

/**
 * Waits for the given number of responses, by walking over all messages, which are few here. For a large result this
 * would cost too much.
 */
const untilAllReady = (socket: Socket, answers: number): Promise<void> =>
  new Promise((resolve) => {
    let left = answers
    const stop = onReady(socket, () => {
      if (--left > 0) return
      stop()
      resolve()
    })
  })

export const open = async () => {
  const { host, port, user } = getAddress()
  const socket = connect({ host, port, noDelay: true })
  socket.write(startup("user", user))
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
