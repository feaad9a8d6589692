/**
 * Plays the server's side of a recording.
 *
 * The order of the recording is kept over all connections: what the server had sent is sent once the client has sent
 * everything that it had sent before. A client that does the same again is never kept waiting by that, for nothing that it
 * had sent by then can have been an answer to what was still to come.
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
import { ScriptError } from "../ScriptError.ts"
import type { Recorded } from "./readRecording.ts"
import type { MessagePattern } from "./script.ts"
import { compare, line as lineOf, matches } from "./scriptReport.ts"

type Chunks = NonEmptyReadonlyArray<Uint8Array>
type Taken = Effect.Effect<Chunks, TransportError.TransportError>
type Sent = Extract<Recorded, { readonly _tag: "Sent" }>

const fail = (reason: TransportError.Reason) => Effect.fail(TransportError.fromReason(reason))
const closedHere = Effect.fail(TransportError.closed("local"))

/** What the client's errors say when it did not do as recorded; their cause is the report. */
const notAsRecorded = "NOT_AS_RECORDED"

const isCopy = ({ _tag }: Frontend.Message): boolean =>
  _tag === "CopyData" || _tag === "CopyDone" || _tag === "CopyFail"

/** What a message has to be like. Keys are not in recordings. */
const patternOf = (message: Frontend.Message): MessagePattern =>
  message._tag === "CancelRequest" ? { _tag: "CancelRequest", processId: message.processId } : message

const readStartup = Frontend.readerUnsafe("startup")
const read = Frontend.readerUnsafe("password")
const historyLength = 5

export class Player {
  /** Everything, in the order of the recording. */
  private readonly all: ReadonlyArray<Recorded>
  private readonly done = new Set<Recorded>()
  /** How much of it lies behind the first message that the client has still to send. */
  private passed = 0
  private readonly numbers: ReadonlyArray<number>
  private readonly open = new Set<Playing>()
  private opened = 0
  error: ScriptError | undefined

  constructor(all: ReadonlyArray<Recorded>) {
    this.all = all
    this.numbers = [...new Set(all.map(({ connection }) => connection))].sort((a, b) => a - b)
    this.pass()
  }

  readonly connect = (
    endpoint: Endpoint.Endpoint
  ): Effect.Effect<Connection, TransportError.TransportError, Scope.Scope> =>
    Effect.suspend(() => {
      const number = this.numbers[this.opened]
      const name = Endpoint.format(endpoint)
      if (number === undefined) {
        const error = this.unexpected(this.opened + 1, undefined, ["- no more connections", `+ one to ${name}`])
        return fail(new TransportError.OpenFailed({ endpoint: name, code: notAsRecorded, cause: error }))
      }
      this.opened++
      const own = this.all.filter(({ connection }) => connection === number)
      const first = own[0]!
      if (first._tag === "Refused") {
        this.finish(first)
        return fail(new TransportError.OpenFailed({ endpoint: name, code: first.code }))
      }
      const playing = new Playing(this, number, own, name)
      return Effect.acquireRelease(
        Effect.sync(() => {
          this.open.add(playing)
          return playing.connection
        }),
        () =>
          Effect.sync(() => {
            this.open.delete(playing)
            playing.close()
          })
      )
    })

  /** What is wrong, as it stands. */
  problem(): ScriptError | undefined {
    if (this.error !== undefined) return this.error
    const missing = this.all.filter((entry): entry is Sent =>
      entry._tag === "Sent" && entry.message._tag !== "Terminate" && !this.done.has(entry)
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

  /** Whether the server's next word may be said. */
  isDue({ line }: Recorded): boolean {
    const first = this.all[this.passed]
    return first === undefined || line < first.line
  }

  /** An entry has happened again. */
  finish(entry: Recorded): void {
    this.done.add(entry)
    this.pass()
    // Not from inside the write: whoever waits would run in the middle of it.
    void Promise.resolve().then(() => {
      for (const playing of this.open) playing.wake()
    })
  }

  unexpected(connection: number, due: Recorded | undefined, lines: ReadonlyArray<string>): ScriptError {
    const where = due === undefined ? "behind the end of the recording" : `line ${due.line} of the recording`
    const report = [`connection ${connection}, ${where}: something else came`, ...lines].join("\n")
    const step = due?.line ?? (this.all.at(-1)?.line ?? 1) + 1
    const error = this.error ??= new ScriptError({ problem: "unexpected", connection, step, report })
    for (const playing of this.open) playing.wake()
    return error
  }

  private pass(): void {
    while (this.passed < this.all.length) {
      const entry = this.all[this.passed]!
      if (entry._tag === "Sent" && entry.message._tag !== "Terminate" && !this.done.has(entry)) return
      this.passed++
    }
  }
}

/** One connection. */
class Playing {
  private readonly player: Player
  private readonly number: number
  private readonly toSend: Array<Sent>
  private readonly toGive: Array<Exclude<Recorded, Sent>>
  private readonly parser: Frame.Parser
  private readonly before: Array<string> = []
  private hasFailed = false
  private tls: TlsInfo | undefined
  private readEnd: Effect.Effect<never, TransportError.TransportError> | undefined
  private writeEnd: Effect.Effect<never, TransportError.TransportError> | undefined
  private reader: ((taken: Taken) => void) | undefined
  readonly connection: Connection

  constructor(player: Player, number: number, own: ReadonlyArray<Recorded>, remote: string) {
    this.player = player
    this.number = number
    this.toSend = own.filter((entry) => entry._tag === "Sent")
    this.toGive = own.filter((entry) => entry._tag !== "Sent")
    this.parser = Frame.makeParser(Frontend.limits(), (bytes, start, end) => {
      if (!this.parser.tagged && Frontend.isStartupMessage(bytes, start)) this.parser.tagged = true
      this.onMessage(bytes[start] === 0 ? readStartup(bytes, start, end) : read(bytes, start, end))
    })
    this.parser.tagged = false
    this.connection = {
      remote,
      tls: () => this.tls,
      pull: Effect.callback((resume) => {
        const taken = this.take()
        if (taken !== undefined) return resume(taken)
        if (this.reader !== undefined) return resume(Effect.die(new Error("a connection allows one pull at a time")))
        this.reader = resume
        return Effect.sync(() => {
          this.reader = undefined
        })
      }),
      write: (bytes) =>
        Effect.suspend(() => {
          if (this.writeEnd !== undefined) return this.writeEnd
          this.hear(bytes)
          const cause = this.player.error
          return cause === undefined
            ? Effect.void
            : fail(new TransportError.WriteFailed({ code: notAsRecorded, cause }))
        }),
      startTls: () =>
        Effect.suspend(() => {
          const next = this.toGive[0]
          if (next?._tag !== "Secured") return fail(new TransportError.TlsFailed({ code: notAsRecorded }))
          this.toGive.shift()
          this.tls = { protocol: next.protocol, cipher: next.cipher, peerCertificate: undefined }
          return Effect.succeed(this.tls)
        })
    }
  }

  close(): void {
    this.readEnd = closedHere
    this.writeEnd = closedHere
    this.wake()
  }

  wake(): void {
    const { reader } = this
    if (reader === undefined || this.take(true) === undefined) return
    this.reader = undefined
    // Taken by whoever waits, so that nothing is lost when it is interrupted before that.
    reader(Effect.suspend(() => this.take() ?? this.connection.pull))
  }

  /** What the server says next, all of it that is due; `undefined` while the client has to speak first. */
  private take(onlyLook = false): Taken | undefined {
    if (this.readEnd !== undefined) return this.readEnd
    const cause = this.player.error
    if (cause !== undefined) return fail(new TransportError.ReadFailed({ code: notAsRecorded, cause }))
    const next = this.toGive[0]
    if (next === undefined || next._tag === "Secured" || !this.player.isDue(next)) return undefined
    if (onlyLook) return Effect.never
    if (next._tag === "Closed") {
      const { code } = next
      this.writeEnd = fail(new TransportError.WriteFailed({ code: code ?? "EPIPE" }))
      return this.readEnd = fail(
        code === undefined ? new TransportError.Closed({ by: "peer" }) : new TransportError.ReadFailed({ code })
      )
    }
    const chunks: Array<Uint8Array> = []
    while (this.toGive.length > 0 && this.player.isDue(this.toGive[0]!)) {
      const entry = this.toGive[0]!
      if (entry._tag === "Received") {
        this.hasFailed ||= entry.message._tag === "ErrorResponse"
        chunks.push(Backend.encodeUnsafe(entry.message))
      } else if (entry._tag === "Answered") {
        chunks.push(Uint8Array.of(entry.answer.charCodeAt(0)))
      } else {
        break
      }
      this.toGive.shift()
    }
    return Effect.succeed(chunks as [Uint8Array, ...Array<Uint8Array>])
  }

  private hear(bytes: Uint8Array): void {
    if (this.player.error !== undefined) return
    try {
      this.parser.push(bytes)
    } catch (thrown) {
      const { message } = ProtocolError.fromThrown(thrown)
      this.player.unexpected(this.number, this.toSend[0], [`+ bytes that are not the protocol: ${message}`])
    }
  }

  private onMessage(message: Frontend.Message): void {
    if (this.player.error !== undefined) return
    const due = this.toSend[0]
    if (due !== undefined && matches(patternOf(due.message), message)) {
      this.toSend.shift()
      this.hasFailed = false
      this.before.push(lineOf(message))
      if (this.before.length > historyLength) this.before.shift()
      return this.player.finish(due)
    }
    // What was on its way when the server gave a COPY up. How much that is, is chance.
    if (this.hasFailed && isCopy(message)) return
    if (message._tag === "Terminate" && due === undefined) return
    const expected = due === undefined
      ? ["- nothing more", ...compare({ _tag: "" }, message).slice(1)]
      : compare(patternOf(due.message), message)
    this.player.unexpected(this.number, due, [
      ...expected,
      ...this.before.length === 0 ? [] : ["received before:", ...this.before.map((line) => `  ${line}`)]
    ])
  }
}
