/** A4: the small messages in the response to a prepared statement. */
import * as PgProtocol from "@effect/sql-pg/PgProtocol"
import * as Backend from "@hyperfect/protocol/Backend"
import * as Frame from "@hyperfect/protocol/Frame"
import type * as Wire from "@hyperfect/protocol/Wire"
import type { BackendMessage } from "pg-protocol/dist/messages.js"
import { Parser } from "pg-protocol/dist/parser.js"
import type { Entry, Prepared, Workload } from "../../Workload.ts"
import { seeded, sentence } from "./documents.ts"
import { eachFrame, frame, headerWalk, makeDigest, memcpy, toChunks } from "./frames.ts"
import { idOf, sets, type Which } from "./samples.ts"

interface Fixture {
  readonly what: string
  readonly responseCount: number
  /** Returns the messages of a response. */
  readonly response: (index: number) => ReadonlyArray<Buffer>
}

const parseComplete = frame("1")
const bindComplete = frame("2")
const closeComplete = frame("3")
const noData = frame("n")
const portalSuspended = frame("s")
const emptyQuery = frame("I")
const strings = (...texts: ReadonlyArray<string>): Buffer => Buffer.from(texts.map((text) => `${text}\0`).join(""))
const commandComplete = (tag: string): Buffer => frame("C", strings(tag))
const readyForQuery = ["I", "T", "E"].map((status) => frame("Z", Buffer.from(status)))
const completed = ["SELECT 1", "INSERT 0 1", "UPDATE 12", "DELETE 3", "BEGIN"].map(commandComplete)

/** Every kind of small message, with tags, channels and texts of different lengths. */
const various = (index: number): ReadonlyArray<Buffer> => {
  const next = seeded(index)
  const bodies = [
    () => [parseComplete, noData, bindComplete, commandComplete(`CREATE MATERIALIZED VIEW ${next(1e6)}`)],
    () => [bindComplete, commandComplete(`MERGE ${next(1e9)}`), closeComplete],
    () => [bindComplete, portalSuspended],
    () => [emptyQuery],
    () => {
      const processId = Buffer.alloc(4)
      processId.writeInt32BE(next(1e6))
      return [closeComplete, frame("A", processId, strings(`channel_${next(9)}`, sentence(next, next(20))))]
    },
    () => [frame("S", strings("search_path", `"größe_${next(500)}", public`)), commandComplete("SET")]
  ]
  return [...bodies[next(1000) % bodies.length]!(), readyForQuery[next(1000) % 3]!]
}

const fixtures: Readonly<Record<Which, Fixture>> = {
  0: {
    what: "ParseComplete, BindComplete, CommandComplete, ReadyForQuery",
    responseCount: 250_000,
    response: (index) => [
      parseComplete,
      bindComplete,
      completed[index % completed.length]!,
      readyForQuery[index % readyForQuery.length]!
    ]
  },
  1: { what: "small messages of several kinds", responseCount: 150_000, response: various }
}

interface Input {
  readonly chunks: ReadonlyArray<Buffer>
  readonly messageCount: number
}

const makeInput = ({ response, responseCount }: Fixture): Input => {
  const frames = Array.from({ length: responseCount }, (_, index) => response(index)).flat()
  return { chunks: toChunks(frames), messageCount: frames.length }
}

/** The fields of a message that the libraries call the same. */
interface Fields {
  readonly commandTag?: string
  readonly status?: string
  readonly name?: string
  readonly value?: string
  readonly channel?: string
  readonly payload?: string
}

/** Formats a message as a line for a digest. */
const lineOf = (tag: string, message: object, processId?: number): string => {
  const { channel, commandTag, name, payload, status, value }: Fields = message
  return [tag, commandTag, status, name, value, processId, channel, payload].filter((part) => part !== undefined).join(
    " "
  )
}

/** Makes an entry from a decoder: a round counts the messages, a check reads all of their fields. */
const decoder = <M>(
  { chunks, messageCount }: Input,
  start: (onMessage: (message: M) => void) => (chunk: Buffer) => void,
  toLine: (message: M) => string
): Prepared => ({
  run: () => {
    let count = 0
    let last: M | undefined
    const push = start((message) => {
      last = message
      count++
    })
    for (const chunk of chunks) push(chunk)
    if (count !== messageCount || last === undefined) throw new Error(`${count} messages`)
    return last
  },
  check: () => {
    const digest = makeDigest()
    const push = start((message) => digest.add(toLine(message)))
    for (const chunk of chunks) push(chunk)
    return Promise.resolve(digest.end())
  }
})

const ours = (fixture: Fixture, name: string, codegen: Wire.Codegen): Entry => ({
  name,
  kind: "ours",
  setup: async () =>
    decoder<Backend.Message>(
      makeInput(fixture),
      (onMessage) => {
        const read = Backend.readerUnsafe({ codegen: codegen })
        return Frame.makeParser(Backend.limits(), (bytes, start, end) => onMessage(read(bytes, start, end))).push
      },
      (message) => lineOf(message._tag, message, "processId" in message ? message.processId : undefined)
    )
})

const effectSqlPg = (fixture: Fixture): Entry => ({
  name: "@effect/sql-pg",
  kind: "peer",
  setup: async () =>
    decoder<PgProtocol.BackendMessage>(
      makeInput(fixture),
      (onMessage) => {
        const parser = PgProtocol.makeParser()
        return (chunk) => parser.pushEach(chunk, onMessage)
      },
      (message) => lineOf(message._tag, message, "pid" in message ? message.pid : undefined)
    )
})

interface PgMessage extends BackendMessage {
  readonly text?: string
  readonly status?: string
  readonly parameterName?: string
  readonly parameterValue?: string
  readonly processId?: number
  readonly channel?: string
  readonly payload?: string
}

/** The names that are not the protocol's. */
const pgNames: Readonly<Record<string, string>> = {
  emptyQuery: "EmptyQueryResponse",
  notification: "NotificationResponse"
}

const pgProtocol = (fixture: Fixture): Entry => ({
  name: "pg-protocol",
  kind: "peer",
  setup: async () =>
    decoder<PgMessage>(
      makeInput(fixture),
      (onMessage) => {
        const parser = new Parser()
        return (chunk) => parser.parse(chunk, onMessage)
      },
      ({ name, parameterName, parameterValue, processId, text, ...fields }) =>
        lineOf(
          pgNames[name] ?? name[0]!.toUpperCase() + name.slice(1),
          { ...fields, commandTag: text, name: parameterName, value: parameterValue },
          processId
        )
    )
})

/** Uses a switch over the tag and plain objects, without any checks. */
const naive = (fixture: Fixture): Entry => ({
  name: "naive",
  kind: "limit",
  setup: async () => {
    const { chunks } = makeInput(fixture)
    let at = 0
    const ascii = (bytes: Uint8Array): string => {
      let text = ""
      while (bytes[at] !== 0) text += String.fromCharCode(bytes[at++]!)
      at++
      return text
    }
    const utf8 = (bytes: Uint8Array): string => {
      const end = bytes.indexOf(0, at)
      const text = Buffer.from(bytes.buffer, bytes.byteOffset + at, end - at).toString()
      at = end + 1
      return text
    }
    const decode = (bytes: Uint8Array, view: DataView, start: number): ReadonlyArray<string | number> => {
      at = start + 5
      switch (bytes[start]) {
        case 0x31:
          return ["ParseComplete"]
        case 0x32:
          return ["BindComplete"]
        case 0x33:
          return ["CloseComplete"]
        case 0x41:
          at += 4
          return ["NotificationResponse", view.getInt32(at - 4), ascii(bytes), utf8(bytes)]
        case 0x43:
          return ["CommandComplete", ascii(bytes)]
        case 0x49:
          return ["EmptyQueryResponse"]
        case 0x53:
          return ["ParameterStatus", ascii(bytes), utf8(bytes)]
        case 0x6e:
          return ["NoData"]
        case 0x73:
          return ["PortalSuspended"]
        default:
          return ["ReadyForQuery", String.fromCharCode(bytes[at]!)]
      }
    }
    return {
      run: () => {
        let last: ReadonlyArray<string | number> = []
        eachFrame(chunks, (bytes, view, start) => {
          last = decode(bytes, view, start)
        })
        return last
      },
      check: () => {
        const digest = makeDigest()
        eachFrame(chunks, (bytes, view, start) => digest.add(decode(bytes, view, start).join(" ")))
        return Promise.resolve(digest.end())
      }
    }
  }
})

const workload = (set: Which): Workload => {
  const fixture = fixtures[set]
  return {
    id: idOf("A4", set),
    title: `${fixture.responseCount} responses of ${fixture.what} in 64 KiB chunks`,
    floor: "header walk",
    entries: [
      ours(fixture, "hyperfect", "generated"),
      ours(fixture, "hyperfect, interpreted", "interpreted"),
      effectSqlPg(fixture),
      pgProtocol(fixture),
      naive(fixture),
      {
        name: "header walk",
        kind: "limit",
        setup: async () => {
          const { chunks, messageCount } = makeInput(fixture)
          return headerWalk(chunks, messageCount)
        }
      },
      { name: "memcpy", kind: "limit", setup: async () => memcpy(makeInput(fixture).chunks) }
    ]
  }
}

export const smallMessages: ReadonlyArray<Workload> = sets.map(workload)
