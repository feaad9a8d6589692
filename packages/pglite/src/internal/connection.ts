/**
 * One connection to PGlite: hands whole messages over, and keeps COPY data until it is complete.
 *
 * PGlite reads what follows a COPY from the client at once, and ends if that is not its data. The response to COPY is
 * therefore made up here, and the statement, its data and its end are handed over as one.
 *
 * @internal
 */
import * as Backend from "@hyperfect/protocol/Backend"
import * as Frame from "@hyperfect/protocol/Frame"
import * as Frontend from "@hyperfect/protocol/Frontend"
import * as ProtocolError from "@hyperfect/protocol/ProtocolError"
import * as Utf8 from "@hyperfect/protocol/Utf8"
import type { Connection } from "@hyperfect/transport/Connection"
import * as MessageChannel from "@hyperfect/transport/MessageChannel"
import * as TransportError from "@hyperfect/transport/TransportError"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { classify, type CopyIn, copyInResponse } from "./copyStatement.ts"
import type { Database } from "./database.ts"
import { concat, fatal, logIn } from "./login.ts"

export interface Options {
  readonly maxCopyBytes: number
  readonly acquireTimeout: Duration.Duration
  /** Called when the client has the session. */
  readonly onAdmitted: () => void
}

const frontend = {
  bind: 0x42,
  close: 0x43,
  copyData: 0x64,
  copyDone: 0x63,
  copyFail: 0x66,
  execute: 0x45,
  flush: 0x48,
  functionCall: 0x46,
  parse: 0x50,
  query: 0x51,
  sync: 0x53,
  terminate: 0x58
} as const

const backend = { copyInResponse: 0x47, errorResponse: 0x45, readyForQuery: 0x5a } as const

/** The status of a session outside of a transaction. */
const idle = 0x49

/** Returns the text that begins at `start`, with the position behind its zero byte. */
const readText = (bytes: Uint8Array, start: number): readonly [text: string, end: number] => {
  const end = bytes.indexOf(0, start)
  return [Utf8.decode(bytes, start, end) ?? "", end + 1]
}

const copyFail = (message: string): Uint8Array => Frontend.encodeUnsafe({ _tag: "CopyFail", message })

/** A text that may read COPY data. */
interface CopyText {
  readonly text: string
  readonly kind: CopyIn
}

/** The message that begins a COPY from the client, and its data. */
interface Copy {
  readonly messages: Array<Uint8Array>
  size: number
}

/** Follows a statement that may begin a COPY for which there is no data. PGlite ignores it otherwise. */
const noData = copyFail("PGlite takes COPY FROM STDIN only as a statement by itself")

const tooLong = ({ maxCopyBytes }: Options): Uint8Array =>
  copyFail(`the COPY data is longer than ${maxCopyBytes} bytes; raise maxCopyBytes, or copy less at a time`)

const keep = (map: Map<string, CopyText>, name: string, value: CopyText | undefined): void => {
  if (value === undefined || value.kind === "none") map.delete(name)
  else map.set(name, value)
}

/** Serves one client until it ends the connection, fails it or PGlite ends. */
export const serve = Effect.fnUntraced(function*(database: Database, connection: Connection, options: Options) {
  const channel = MessageChannel.server(connection)
  if (!(yield* logIn(database, channel, options.acquireTimeout))) return
  options.onAdmitted()

  /** The prepared statements and portals that may read COPY data, by name. */
  const statements = new Map<string, CopyText>()
  const portals = new Map<string, CopyText>()
  /** The messages to hand over, and the last of them that asks for ReadyForQuery. */
  let pending: Array<Uint8Array> = []
  let demand: number | undefined
  let copy: Copy | undefined

  /** The last message of the answer, and its status; true if messages are skipped until the next Sync. */
  let lastTag = 0
  let status = 0
  let isSkipping = false
  /** The messages of the answer without CopyInResponse, if that was made up before. */
  let kept: Array<Uint8Array> | undefined
  const answers = Frame.makeParser(Backend.limits(), (bytes, start, end) => {
    lastTag = bytes[start]!
    if (lastTag === backend.errorResponse) isSkipping = true
    if (lastTag === backend.readyForQuery) {
      isSkipping = false
      status = bytes[start + 5]!
    }
    if (lastTag !== backend.copyInResponse) kept?.push(bytes.subarray(start, end))
  })

  /** Executes the pending messages and sends the answer. */
  const handOver = Effect.fnUntraced(function*() {
    if (pending.length === 0) return
    const messages = concat(pending)
    const demanded = demand
    pending = []
    demand = undefined
    if (database.unlock === undefined) yield* database.lock
    lastTag = 0
    const chunks = yield* database.execute(messages)
    for (const chunk of chunks) answers.push(chunk)
    const isReady = lastTag === backend.readyForQuery
    const isSkipped = isSkipping && demanded !== frontend.sync
    if (answers.pending() > 0 || (demanded !== undefined && !isReady && !isSkipped)) {
      return yield* Effect.fail(database.end(new Error("PGlite has ended: its answer is not complete")))
    }
    const answer = kept ?? chunks
    kept = undefined
    if (isReady && status === idle) database.unlock?.()
    for (const chunk of answer) yield* connection.write(chunk)
  })

  /** Hands over what comes before a COPY, and begins to keep its data unless the server skips it. */
  const beginCopy = Effect.fnUntraced(function*(message: Uint8Array, text: string) {
    yield* handOver()
    if (isSkipping) return void pending.push(message)
    copy = { messages: [message], size: 0 }
    yield* connection.write(copyInResponse(text))
  })

  const endCopy = (messages: ReadonlyArray<Uint8Array>) => {
    pending.push(...messages)
    if (messages[0]![0] === frontend.query) demand = frontend.query
    copy = undefined
    kept = []
    return handOver()
  }

  /** Takes a message during COPY. Flush and Sync are ignored (protocol, "COPY Operations"). */
  const onCopying = (copying: Copy, tag: number, message: Uint8Array) => {
    switch (tag) {
      case frontend.copyData: {
        copying.size += message.length - 5
        copying.messages.push(message)
        // What the client still sends of it is dropped.
        return copying.size > options.maxCopyBytes ? endCopy([copying.messages[0]!, tooLong(options)]) : Effect.void
      }
      case frontend.copyDone:
      case frontend.copyFail:
        return endCopy([...copying.messages, message])
      case frontend.flush:
      case frontend.sync:
        return Effect.void
      default: {
        const text = `unexpected message type 0x${tag.toString(16).padStart(2, "0")} during COPY from stdin`
        return Effect.andThen(channel.send(fatal("08P01", text)), Effect.fail(TransportError.closed("local")))
      }
    }
  }

  /** Runs a text that may read COPY data. */
  const run = (message: Uint8Array, { kind, text }: CopyText) => {
    if (kind === "alone") return beginCopy(message, text)
    pending.push(message)
    if (kind === "among") pending.push(noData)
    return undefined
  }

  /** Takes a message. Returns an effect if there is more to do than to hand it over with the others. */
  const onMessage = (message: Uint8Array) => {
    const tag = message[0]!
    if (copy !== undefined) return onCopying(copy, tag, message)
    switch (tag) {
      case frontend.query: {
        const [text] = readText(message, 5)
        const running = run(message, { text, kind: classify(text) })
        if (running === undefined) demand = tag
        return running
      }
      case frontend.parse: {
        const [name, end] = readText(message, 5)
        const [text] = readText(message, end)
        keep(statements, name, { text, kind: classify(text) })
        break
      }
      case frontend.bind: {
        const [portal, end] = readText(message, 5)
        keep(portals, portal, statements.get(readText(message, end)[0]))
        break
      }
      case frontend.execute: {
        const portal = portals.get(readText(message, 5)[0])
        if (portal !== undefined) return run(message, portal)
        break
      }
      case frontend.close:
        ;(message[5] === 0x53 ? statements : portals).delete(readText(message, 6)[0])
        break
      // Of a COPY that has failed (protocol, "COPY Operations").
      case frontend.copyData:
      case frontend.copyDone:
      case frontend.copyFail:
        return undefined
      case frontend.sync:
      case frontend.functionCall:
        demand = tag
        break
      default:
    }
    pending.push(message)
    return undefined
  }

  const received: Array<Uint8Array> = []
  const requests = Frame.makeParser(Frontend.limitsIn("session"), (bytes, start, end) => {
    received.push(bytes.subarray(start, end))
  })
  let chunks: ReadonlyArray<Uint8Array> = channel.release()
  while (true) {
    try {
      for (const chunk of chunks) requests.push(chunk)
    } catch (thrown) {
      const error = ProtocolError.fromThrown(thrown)
      const last = Backend.errorResponse(error)
      if (last !== undefined) yield* channel.send(last)
      return yield* Effect.fail(error)
    }
    for (const message of received.splice(0)) {
      if (message[0] === frontend.terminate) return yield* handOver()
      const more = onMessage(message)
      if (more !== undefined) yield* more
    }
    yield* handOver()
    chunks = yield* connection.pull
  }
})
