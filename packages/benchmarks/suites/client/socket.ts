/** The minimum work: bytes that were encoded before, and responses that are counted but not decoded. */
import { connect, type Socket } from "node:net"
import { executeAll, message, nullValue, numbers, onReady, startup, sync, value } from "../messages.ts"
import { getAddress } from "./address.ts"
import type { Driver, OpenOptions, Parameters, Query } from "./Driver.ts"

const prepare = (name: string, text: string): Buffer => Buffer.concat([message("P", name, text, numbers(0)), sync])

interface RawConnection {
  readonly socket: Socket
  /** The names of the prepared statements, by text. */
  readonly names: Map<string, string>
  /** Called for each ReadyForQuery. */
  ready: () => void
}

const openConnection = async (): Promise<RawConnection> => {
  const address = getAddress()
  const socket = connect({ ...address, noDelay: true })
  const line: RawConnection = { socket, names: new Map(), ready: () => {} }
  onReady(socket, () => line.ready())
  await request(line, startup("user", address.trusted, "database", address.database))
  return line
}

const request = (line: RawConnection, bytes: Buffer): Promise<void> =>
  new Promise((resolve, reject) => {
    line.socket.once("error", reject)
    line.ready = resolve
    line.socket.write(bytes)
  })

/** Returns the name of a statement, which is prepared the first time. */
const prepared = async (line: RawConnection, text: string): Promise<string> => {
  const name = line.names.get(text) ?? `s${line.names.size}`
  if (!line.names.has(text)) await request(line, prepare(name, text))
  line.names.set(text, name)
  return name
}

/** Sends the next of the frames, in turn, whenever a response is complete. */
const loop = (line: RawConnection, frames: ReadonlyArray<Buffer>, count: number, width: number): Promise<void> =>
  new Promise((resolve) => {
    let [sent, answered] = [0, 0]
    const send = (): void => {
      line.socket.write(frames[sent % frames.length]!)
      sent++
    }
    line.ready = () => {
      if (++answered === count) resolve()
      else if (sent < count) send()
    }
    for (let i = 0; i < Math.min(count, width); i++) send()
  })

/** Formats a parameter as text. */
const toText = (value: unknown): string =>
  Array.isArray(value) ? `{${value.map((item) => JSON.stringify(item)).join(",")}}` : String(value)

/** Runs a prepared statement with parameters, which returns nothing or all columns in binary. */
const runWith = (name: string, parameters: Parameters): Buffer => {
  const values = parameters.map((parameter) => parameter === null ? nullValue : value(Buffer.from(toText(parameter))))
  const bind = message("B", "", name, numbers(0, parameters.length), ...values, numbers(1, 1))
  return Buffer.concat([bind, executeAll, sync])
}

export const open = async ({ connections, tls }: OpenOptions): Promise<Driver> => {
  if (tls === true) throw new Error("a socket has no TLS")
  const lines = await Promise.all(Array.from({ length: connections }, openConnection))
  const line = lines[0]!
  const drain = async (text: string): Promise<number> => {
    await request(line, runWith(await prepared(line, text), []))
    return 0
  }
  const loopOn = async (line: RawConnection, query: Query, count: number, width: number): Promise<void> => {
    const name = await prepared(line, query.text)
    await loop(line, query.parameters.map((parameters) => runWith(name, parameters)), count, width)
  }
  /** Writes all frames with backpressure. */
  const writeAll = async (frames: ReadonlyArray<Buffer>): Promise<void> => {
    for (const frame of frames) {
      if (!line.socket.write(frame)) await new Promise((resolve) => line.socket.once("drain", resolve))
    }
  }
  return {
    sequential: async (query, count) => {
      await loopOn(line, query, count, 1)
      return count
    },
    inFlight: async (query, count, width) => {
      await Promise.all(
        lines.map((line) => loopOn(line, query, count / connections, Math.ceil(width / connections)))
      )
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
    toMillis: () => {
      throw new Error("a socket has no rows")
    },
    close: async () => {
      for (const { socket } of lines) socket.end(message("X"))
    }
  }
}
