/** The least that can be done: bytes that were made before, answers that are counted and not read. */
import { connect, type Socket } from "node:net"
import { type Address, getAddress } from "./address.ts"
import type { Driver } from "./drivers.ts"
import { one } from "./queries.ts"

const message = (tag: string, ...parts: ReadonlyArray<string | Buffer>): Buffer => {
  const body = Buffer.concat(parts.map((part) => typeof part === "string" ? Buffer.from(`${part}\0`) : part))
  const length = Buffer.alloc(4)
  length.writeInt32BE(body.length + 4)
  return Buffer.concat([Buffer.from(tag), length, body])
}

const numbers = (...values: ReadonlyArray<number>): Buffer => {
  const buffer = Buffer.alloc(2 * values.length)
  values.forEach((value, i) => buffer.writeInt16BE(value, 2 * i))
  return buffer
}

const sync = message("S")
const executeAll = message("E", "", Buffer.alloc(4))
/** Runs a prepared statement, all columns in binary. */
const run = (name: string): Buffer => Buffer.concat([message("B", "", name, numbers(0, 0, 1, 1)), executeAll, sync])
const prepare = (name: string, text: string): Buffer => Buffer.concat([message("P", name, text, numbers(0)), sync])

/** Calls back for every ReadyForQuery, by walking over the headers of what comes. */
const onReady = (socket: Socket, ready: () => void): void => {
  let left = 0
  let rest: Buffer = Buffer.alloc(0)
  socket.on("data", (chunk: Buffer) => {
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
  })
}

const startup = ({ database, user }: Address): Buffer => {
  const body = Buffer.from(`\0\x03\0\0user\0${user}\0database\0${database}\0\0`, "latin1")
  const length = Buffer.alloc(4)
  length.writeInt32BE(body.length + 4)
  return Buffer.concat([length, body])
}

interface Line {
  readonly socket: Socket
  /** Called for each answer. */
  ready: () => void
}

const openLine = async (): Promise<Line> => {
  const address = getAddress()
  const socket = connect({ ...address, noDelay: true })
  const line: Line = { socket, ready: () => {} }
  onReady(socket, () => line.ready())
  await ask(line, startup(address))
  await ask(line, prepare("one", one))
  return line
}

const ask = (line: Line, bytes: Buffer): Promise<void> =>
  new Promise((resolve, reject) => {
    line.socket.once("error", reject)
    line.ready = resolve
    line.socket.write(bytes)
  })

/** Sends the next query whenever an answer has come. */
const loop = (line: Line, count: number, width: number): Promise<void> =>
  new Promise((resolve) => {
    let [sent, answered] = [0, 0]
    const send = (): void => {
      sent++
      line.socket.write(runOne)
    }
    line.ready = () => {
      if (++answered === count) resolve()
      else if (sent < count) send()
    }
    for (let i = 0; i < Math.min(count, width); i++) send()
  })

const runOne = run("one")

export const open = async (connections: number): Promise<Driver> => {
  const lines = await Promise.all(Array.from({ length: connections }, openLine))
  const prepared = new Set<string>()
  const drain = async (text: string): Promise<number> => {
    if (!prepared.has(text)) await ask(lines[0]!, prepare(text.slice(-40), text))
    prepared.add(text)
    await ask(lines[0]!, run(text.slice(-40)))
    return 0
  }
  return {
    sequential: async (count) => {
      await loop(lines[0]!, count, 1)
      return count
    },
    inFlight: async (count, width) => {
      await Promise.all(lines.map((line) => loop(line, count / connections, Math.ceil(width / connections))))
      return count
    },
    collect: async (text) => {
      await drain(text)
      return []
    },
    stream: drain,
    toLine: () => {
      throw new Error("a socket has no rows")
    },
    close: async () => {
      for (const { socket } of lines) socket.destroy()
    }
  }
}
