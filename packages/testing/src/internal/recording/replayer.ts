/**
 * Plays the server's side of a recording.
 *
 * The order of the recording is kept over all connections: a message of the server is sent once the client has sent
 * everything that preceded it. This never blocks a client that repeats the recorded behavior, because nothing that it
 * had sent by then can have been a response to a later message.
 */
import * as Backend from "@hyperfect/protocol/Backend"
import * as Frame from "@hyperfect/protocol/Frame"
import * as Frontend from "@hyperfect/protocol/Frontend"
import * as ProtocolError from "@hyperfect/protocol/ProtocolError"
import type { Connection, TlsInfo } from "@hyperfect/transport/Connection"
import * as Endpoint from "@hyperfect/transport/Endpoint"
import * as TransportError from "@hyperfect/transport/TransportError"
import type { NonEmptyReadonlyArray } from "effect/Array"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { ScriptError } from "../../ScriptError.ts"
import { diff, formatMessage as lineOf, matches } from "../script/report.ts"
import type { MessagePattern } from "../script/steps.ts"
import { isCopy, type ReplayEvent } from "./reader.ts"

type Chunks = NonEmptyReadonlyArray<Uint8Array>
type PullResult = Effect.Effect<Chunks, TransportError.TransportError>
type SentEvent = Extract<ReplayEvent, { readonly _tag: "Sent" }>

const closedLocally = Effect.fail(TransportError.closed("local"))

/** The code of the client's errors if it deviated from the recording; their cause is the report. */
const notAsRecorded = "NOT_AS_RECORDED"

/** Returns the pattern that a message must match. Keys are not recorded. */
const patternOf = (message: Frontend.Message): MessagePattern =>
  message._tag === "CancelRequest" ? { _tag: "CancelRequest", processId: message.processId } : message

const readStartup = Frontend.readerUnsafe("startup")
const readMessage = Frontend.readerUnsafe("password")
const historyLength = 5

export class Replayer {
  /** All events, in the order of the recording. */
  private readonly events: ReadonlyArray<ReplayEvent>
  private readonly completed = new Set<ReplayEvent>()
  /** The index of the first message that the client has still to send. */
  private position = 0
  private readonly connectionNumbers: ReadonlyArray<number>
  private readonly connections = new Set<ReplayConnection>()
  private openedCount = 0
  error: ScriptError | undefined

  constructor(all: ReadonlyArray<ReplayEvent>) {
    this.events = all
    this.connectionNumbers = [...new Set(all.map(({ connection }) => connection))].sort((a, b) => a - b)
    this.advance()
  }

  readonly connect = (
    endpoint: Endpoint.Endpoint
  ): Effect.Effect<Connection, TransportError.TransportError, Scope.Scope> =>
    Effect.suspend(() => {
      const number = this.connectionNumbers[this.openedCount]
      const name = Endpoint.format(endpoint)
      if (number === undefined) {
        const error = this.unexpected(this.openedCount + 1, undefined, ["- no more connections", `+ one to ${name}`])
        return TransportError.fail(new TransportError.OpenFailed({ endpoint: name, code: notAsRecorded, cause: error }))
      }
      this.openedCount++
      const own = this.events.filter(({ connection }) => connection === number)
      const first = own[0]!
      if (first._tag === "Refused") {
        this.complete(first)
        return TransportError.fail(new TransportError.OpenFailed({ endpoint: name, code: first.code }))
      }
      const playing = new ReplayConnection(this, number, own, name)
      return Effect.acquireRelease(
        Effect.sync(() => {
          this.connections.add(playing)
          return playing.connection
        }),
        () =>
          Effect.sync(() => {
            this.connections.delete(playing)
            playing.close()
          })
      )
    })

  /** Returns the current problem, if any. */
  problem(): ScriptError | undefined {
    if (this.error !== undefined) return this.error
    const missing = this.events.filter((entry): entry is SentEvent =>
      entry._tag === "Sent" && entry.message._tag !== "Terminate" && !this.completed.has(entry)
    )
    const first = missing[0]
    if (first === undefined) return undefined
    const shown = missing.slice(0, historyLength).map(({ message }) => `- ${lineOf(message)}`)
    const report = [
      `connection ${first.connection}, line ${first.line} of the recording: it is not over`,
      ...shown,
      ...missing.length > shown.length ? [`- and ${missing.length - shown.length} more`] : []
    ].join("\n")
    return new ScriptError({ problem: "unfinished", connection: first.connection, step: first.line, report })
  }

  /** True if the server's next message may be sent. */
  isDue({ line }: ReplayEvent): boolean {
    const first = this.events[this.position]
    return first === undefined || line < first.line
  }

  /** Marks an entry as replayed. */
  complete(entry: ReplayEvent): void {
    this.completed.add(entry)
    this.advance()
    // Deferred, because a resumed fiber would otherwise run in the middle of the write.
    void Promise.resolve().then(() => {
      for (const playing of this.connections) playing.wake()
    })
  }

  unexpected(connection: number, due: ReplayEvent | undefined, lines: ReadonlyArray<string>): ScriptError {
    const where = due === undefined ? "behind the end of the recording" : `line ${due.line} of the recording`
    const report = [`connection ${connection}, ${where}: something else came`, ...lines].join("\n")
    const step = due?.line ?? (this.events.at(-1)?.line ?? 1) + 1
    const error = this.error ??= new ScriptError({ problem: "unexpected", connection, step, report })
    for (const playing of this.connections) playing.wake()
    return error
  }

  private advance(): void {
    while (this.position < this.events.length) {
      const entry = this.events[this.position]!
      if (entry._tag === "Sent" && entry.message._tag !== "Terminate" && !this.completed.has(entry)) return
      this.position++
    }
  }
}

/** One connection. */
class ReplayConnection {
  private readonly replayer: Replayer
  private readonly number: number
  private readonly expected: Array<SentEvent>
  private readonly outgoing: Array<Exclude<ReplayEvent, SentEvent>>
  private readonly parser: Frame.Parser
  private readonly history: Array<string> = []
  private hasFailed = false
  private tls: TlsInfo | undefined
  private readEnd: Effect.Effect<never, TransportError.TransportError> | undefined
  private writeEnd: Effect.Effect<never, TransportError.TransportError> | undefined
  private reader: ((taken: PullResult) => void) | undefined
  readonly connection: Connection

  constructor(player: Replayer, number: number, own: ReadonlyArray<ReplayEvent>, remote: string) {
    this.replayer = player
    this.number = number
    this.expected = own.filter((entry) => entry._tag === "Sent")
    this.outgoing = own.filter((entry) => entry._tag !== "Sent")
    this.parser = Frame.makeParser(Frontend.limits(), (bytes, start, end) => {
      if (!this.parser.tagged && Frontend.isStartupMessage(bytes, start)) this.parser.tagged = true
      this.onMessage(bytes[start] === 0 ? readStartup(bytes, start, end) : readMessage(bytes, start, end))
    })
    this.parser.tagged = false
    this.connection = {
      remote,
      tls: () => this.tls,
      pull: Effect.callback((resume) => {
        const taken = this.takeDue()
        if (taken !== undefined) return resume(taken)
        if (this.reader !== undefined) return resume(Effect.die(new Error("a connection allows one pull at a time")))
        this.reader = resume
        return Effect.sync(() => this.reader = undefined)
      }),
      write: (bytes) =>
        Effect.suspend(() => {
          if (this.writeEnd !== undefined) return this.writeEnd
          this.onBytes(bytes)
          const cause = this.replayer.error
          return cause === undefined
            ? Effect.void
            : TransportError.fail(new TransportError.WriteFailed({ code: notAsRecorded, cause }))
        }),
      startTls: () =>
        Effect.suspend(() => {
          const next = this.outgoing[0]
          if (next?._tag !== "Secured") {
            return TransportError.fail(new TransportError.TlsFailed({ code: notAsRecorded }))
          }
          this.outgoing.shift()
          this.tls = { protocol: next.protocol, cipher: next.cipher, peerCertificate: undefined }
          return Effect.succeed(this.tls)
        })
    }
  }

  close(): void {
    this.readEnd = closedLocally
    this.writeEnd = closedLocally
    this.wake()
  }

  wake(): void {
    const { reader } = this
    if (reader === undefined || this.takeDue(true) === undefined) return
    this.reader = undefined
    // Taken by the consumer, so that nothing is lost if it is interrupted before that.
    reader(Effect.suspend(() => this.takeDue() ?? this.connection.pull))
  }

  /** Returns all of the server's messages that are due; `undefined` while the client must send first. */
  private takeDue(onlyLook = false): PullResult | undefined {
    if (this.readEnd !== undefined) return this.readEnd
    const cause = this.replayer.error
    if (cause !== undefined) return TransportError.fail(new TransportError.ReadFailed({ code: notAsRecorded, cause }))
    const next = this.outgoing[0]
    if (next === undefined || next._tag === "Secured" || !this.replayer.isDue(next)) return undefined
    if (onlyLook) return Effect.never
    if (next._tag === "Closed") {
      const { code } = next
      this.writeEnd = TransportError.fail(new TransportError.WriteFailed({ code: code ?? "EPIPE" }))
      return this.readEnd = TransportError.fail(
        code === undefined ? new TransportError.Closed({ by: "peer" }) : new TransportError.ReadFailed({ code })
      )
    }
    const chunks: Array<Uint8Array> = []
    while (this.outgoing.length > 0 && this.replayer.isDue(this.outgoing[0]!)) {
      const entry = this.outgoing[0]!
      if (entry._tag === "Received") {
        this.hasFailed ||= entry.message._tag === "ErrorResponse"
        chunks.push(Backend.encodeUnsafe(entry.message))
      } else if (entry._tag === "Answered") {
        chunks.push(Uint8Array.of(entry.answer.charCodeAt(0)))
      } else {
        break
      }
      this.outgoing.shift()
    }
    return Effect.succeed(chunks as [Uint8Array, ...Array<Uint8Array>])
  }

  private onBytes(bytes: Uint8Array): void {
    if (this.replayer.error !== undefined) return
    try {
      this.parser.push(bytes)
    } catch (thrown) {
      const { message } = ProtocolError.fromThrown(thrown)
      this.replayer.unexpected(this.number, this.expected[0], [`+ bytes that are not the protocol: ${message}`])
    }
  }

  private onMessage(message: Frontend.Message): void {
    if (this.replayer.error !== undefined) return
    const due = this.expected[0]
    if (due !== undefined && matches(patternOf(due.message), message)) {
      this.expected.shift()
      this.hasFailed = false
      this.history.push(lineOf(message))
      if (this.history.length > historyLength) this.history.shift()
      return this.replayer.complete(due)
    }
    // Data that was in flight when the server aborted a COPY. The amount is random.
    if (this.hasFailed && isCopy(message._tag)) return
    if (message._tag === "Terminate" && due === undefined) return
    const expected = due === undefined
      ? ["- nothing more", ...diff({ _tag: "" }, message).slice(1)]
      : diff(patternOf(due.message), message)
    this.replayer.unexpected(this.number, due, [
      ...expected,
      ...this.history.length === 0 ? [] : ["received before:", ...this.history.map((line) => `  ${line}`)]
    ])
  }
}
