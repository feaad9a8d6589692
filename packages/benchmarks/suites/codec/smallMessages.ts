/** A4: the small messages in the response to a prepared statement. */
import * as PgProtocol from "@effect/sql-pg/PgProtocol"
import * as Backend from "@hyperfect/protocol/Backend"
import * as Frame from "@hyperfect/protocol/Frame"
import type * as Wire from "@hyperfect/protocol/Wire"
import type { BackendMessage } from "pg-protocol/dist/messages.js"
import { Parser } from "pg-protocol/dist/parser.js"
import type { Entry, Prepared, Workload } from "../../Workload.ts"
import { eachFrame, frame, headerWalk, makeDigest, memcpy, toChunks } from "./frames.ts"

const answerCount = 250_000
const messageCount = 4 * answerCount
const tags = ["SELECT 1", "INSERT 0 1", "UPDATE 12", "DELETE 3", "BEGIN"]
const statuses = ["I", "T", "E"]

const makeChunks = (): ReadonlyArray<Buffer> => {
  const parseComplete = frame("1")
  const bindComplete = frame("2")
  const commandComplete = tags.map((tag) => frame("C", Buffer.from(`${tag}\0`)))
  const readyForQuery = statuses.map((status) => frame("Z", Buffer.from(status)))
  return toChunks(
    Array.from({ length: answerCount }, (_, index) => [
      parseComplete,
      bindComplete,
      commandComplete[index % tags.length]!,
      readyForQuery[index % statuses.length]!
    ]).flat()
  )
}

/** Makes an entry from a decoder: a round counts the messages, a check reads all of their fields. */
const decoder = <M>(
  chunks: ReadonlyArray<Buffer>,
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

const ours = (name: string, codegen: Wire.Codegen): Entry => ({
  name,
  kind: "ours",
  setup: async () =>
    decoder<Backend.Message>(
      makeChunks(),
      (onMessage) => {
        const read = Backend.readerUnsafe({ codegen: codegen })
        return Frame.makeParser(Backend.limits(), (bytes, start, end) => onMessage(read(bytes, start, end))).push
      },
      (message) =>
        message._tag === "CommandComplete"
          ? `${message._tag} ${message.commandTag}`
          : message._tag === "ReadyForQuery"
          ? `${message._tag} ${message.status}`
          : message._tag
    )
})

const effectSqlPg: Entry = {
  name: "@effect/sql-pg",
  kind: "peer",
  setup: async () =>
    decoder<PgProtocol.BackendMessage>(
      makeChunks(),
      (onMessage) => {
        const parser = PgProtocol.makeParser()
        return (chunk) => parser.pushEach(chunk, onMessage)
      },
      (message) =>
        message._tag === "CommandComplete"
          ? `${message._tag} ${message.commandTag}`
          : message._tag === "ReadyForQuery"
          ? `${message._tag} ${message.status}`
          : message._tag
    )
}

const pgProtocol: Entry = {
  name: "pg-protocol",
  kind: "peer",
  setup: async () =>
    decoder<BackendMessage & { readonly text?: string; readonly status?: string }>(
      makeChunks(),
      (onMessage) => {
        const parser = new Parser()
        return (chunk) => parser.parse(chunk, onMessage)
      },
      ({ name, status, text }) =>
        [name[0]!.toUpperCase() + name.slice(1), text ?? status].filter((part) => part !== undefined).join(" ")
    )
}

/** Uses a switch over the tag and plain objects, without any checks. */
const naive: Entry = {
  name: "naive",
  kind: "limit",
  setup: async () => {
    const chunks = makeChunks()
    const decode = (bytes: Uint8Array, start: number, end: number): ReadonlyArray<string> => {
      switch (bytes[start]) {
        case 0x31:
          return ["ParseComplete"]
        case 0x32:
          return ["BindComplete"]
        case 0x43: {
          let text = ""
          for (let at = start + 5; at < end - 1; at++) text += String.fromCharCode(bytes[at]!)
          return ["CommandComplete", text]
        }
        default:
          return ["ReadyForQuery", String.fromCharCode(bytes[start + 5]!)]
      }
    }
    return {
      run: () => {
        let last: ReadonlyArray<string> = []
        eachFrame(chunks, (bytes, _view, start, end) => {
          last = decode(bytes, start, end)
        })
        return last
      },
      check: () => {
        const digest = makeDigest()
        eachFrame(chunks, (bytes, _view, start, end) => digest.add(decode(bytes, start, end).join(" ")))
        return Promise.resolve(digest.end())
      }
    }
  }
}

export const smallMessages: Workload = {
  id: "A4",
  title: `${messageCount} ParseComplete, BindComplete, CommandComplete, ReadyForQuery in 64 KiB chunks`,
  floor: "header walk",
  entries: [
    ours("hyperfect", "generated"),
    ours("hyperfect, interpreted", "interpreted"),
    effectSqlPg,
    pgProtocol,
    naive,
    { name: "header walk", kind: "limit", setup: async () => headerWalk(makeChunks(), messageCount) },
    { name: "memcpy", kind: "limit", setup: async () => memcpy(makeChunks()) }
  ]
}
