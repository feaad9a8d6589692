/** The minimum work: bytes that were encoded before, and responses that are counted but not decoded. */
import { connect, type Socket } from "node:net"
import { executeAll, message, numbers, onReady, startup, sync, value } from "../messages.ts"
import { getAddress } from "./address.ts"
import type { Driver, OpenOptions, Parameters } from "./Driver.ts"
import { selectOne } from "./Driver.ts"

/** Runs a prepared statement, all columns in binary. */
const run = (name: string): Buffer => Buffer.concat([message("B", "", name, numbers(0, 0, 1, 1)), executeAll, sync])
const prepare = (name: string, text: string): Buffer => Buffer.concat([message("P", name, text, numbers(0)), sync])

interface RawConnection {
  readonly socket: Socket
  /** Called for each ReadyForQuery. */
  ready: () => void
}

const openConnection = async (): Promise<RawConnection> => {
  const address = getAddress()
  const socket = connect({ ...address, noDelay: true })
  const line: RawConnection = { socket, ready: () => {} }
  onReady(socket, () => line.ready())
  await request(line, startup("user", address.trusted, "database", address.database))
  await request(line, prepare("one", selectOne))
  return line
}

const request = (line: RawConnection, bytes: Buffer): Promise<void> =>
  new Promise((resolve, reject) => {
    line.socket.once("error", reject)
    line.ready = resolve
    line.socket.write(bytes)
  })

/** Sends the next query whenever a response is complete. */
const loop = (line: RawConnection, count: number, width: number): Promise<void> =>
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

/** Formats a parameter as text. */
const toText = (value: unknown): string =>
  Array.isArray(value) ? `{${value.map((item) => JSON.stringify(item)).join(",")}}` : String(value)

const runWith = (name: string, parameters: Parameters): Buffer => {
  const values = parameters.map((parameter) => value(Buffer.from(toText(parameter))))
  const bind = message("B", "", name, numbers(0, parameters.length), ...values, numbers(0))
  return Buffer.concat([bind, executeAll, sync])
}

export const open = async ({ connections, tls }: OpenOptions): Promise<Driver> => {
  if (tls === true) throw new Error("a socket has no TLS")
  const lines = await Promise.all(Array.from({ length: connections }, openConnection))
  const line = lines[0]!
  const names = new Map<string, string>()
  const prepared = async (text: string): Promise<string> => {
    const name = names.get(text) ?? `s${names.size}`
    if (!names.has(text)) await request(line, prepare(name, text))
    names.set(text, name)
    return name
  }
  const drain = async (text: string): Promise<number> => {
    await request(line, run(await prepared(text)))
    return 0
  }
  /** Writes all frames with backpressure. */
  const writeAll = async (frames: ReadonlyArray<Buffer>): Promise<void> => {
    for (const frame of frames) {
      if (!line.socket.write(frame)) await new Promise((resolve) => line.socket.once("drain", resolve))
    }
  }
  return {
    sequential: async (count) => {
      await loop(line, count, 1)
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
    insert: (text, batches) => {
      const frames = batches.map((parameters) => runWith("insert", parameters))
      let isPrepared = false
      return async () => {
        if (!isPrepared) await request(line, prepare("insert", text))
        isPrepared = true
        let left = frames.length
        const done = new Promise<void>((resolve) => {
          line.ready = () => {
            if (--left === 0) resolve()
          }
        })
        await writeAll(frames)
        await done
      }
    },
    copyIn: (text, chunks) => {
      // The server reads the data after it has read the COPY: there is no need to wait for CopyInResponse.
      const frames = [message("Q", text), ...chunks.map((chunk) => message("d", Buffer.from(chunk))), message("c")]
      return async () => {
        const done = new Promise<void>((resolve) => {
          line.ready = resolve
        })
        await writeAll(frames)
        await done
      }
    },
    copyOut: async (text) => {
      await request(line, message("Q", text))
      return 0
    },
    toRowValues: () => {
      throw new Error("a socket has no rows")
    },
    close: async () => {
      for (const { socket } of lines) socket.end(message("X"))
    }
  }
}
