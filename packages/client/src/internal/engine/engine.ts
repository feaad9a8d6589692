/**
 * The engine of a session: one queue of exchanges, one reader, one write at a time.
 *
 * Exchanges are sent in the order they are submitted, and the responses arrive in the same order. One fiber pulls
 * chunks and passes messages to the head of the queue by plain function calls. The first error of the connection or the
 * protocol closes the engine: every pending exchange, and every later one, fails with it.
 *
 * @internal
 */
import * as Backend from "@hyperfect/protocol/Backend"
import * as Frame from "@hyperfect/protocol/Frame"
import * as Frontend from "@hyperfect/protocol/Frontend"
import * as ProtocolError from "@hyperfect/protocol/ProtocolError"
import * as FastPath from "@hyperfect/transport/FastPath"
import * as Effect from "effect/Effect"
import type { Dialect } from "../../Dialect.ts"
import type { Failure } from "../../QueryError.ts"
import * as ServerError from "../../ServerError.ts"
import type { Role } from "../model/role.ts"
import { copyInQuery } from "../session/queryError.ts"
import { SessionChanges, sessionState, stateAfter } from "../session/state.ts"
import { changesUntold, isUndoneWhole, mayCreateTable, type StatementKind } from "../session/statementKind.ts"
import { Cancellation, type CancellationOptions } from "./cancellation.ts"
import {
  activityOf,
  type CopyDirection,
  type Exchange,
  exposures,
  fromThrown,
  makeTransitionTable,
  states,
  unexpected,
  type WriteFrames
} from "./exchange.ts"
import { makeReader, tagOf } from "./messageReader.ts"
import { ExchangeQueue, type QueueOptions, readFailure, unresponsive } from "./queue.ts"
import { toFailure, Writer, type WriterOptions } from "./writer.ts"

/** A message that may arrive at any time (protocol, section "Asynchronous Operations"). */
export type AsynchronousMessage = Backend.NoticeResponse | Backend.ParameterStatus | Backend.NotificationResponse

/** The number of exchanges up to which their texts are inspected. */
const maxInspected = 256

/** The number of checks for a silent server within the silence timeout. */
const silenceChecks = 4

const limits = Backend.limits()
const transitionTable = makeTransitionTable(tagOf)
const dataRow = tagOf("DataRow")
const copyData = tagOf("CopyData")
const copyInResponse = tagOf("CopyInResponse")
const copyOutResponse = tagOf("CopyOutResponse")
const copyBothResponse = tagOf("CopyBothResponse")
const readyForQuery = tagOf("ReadyForQuery")
const errorResponse = tagOf("ErrorResponse")
const asynchronous = new Set((["NoticeResponse", "ParameterStatus", "NotificationResponse"] as const).map(tagOf))

export type { WriteFrames } from "./exchange.ts"

export const writeFrontend = Frontend.writerUnsafe()

/** Writes a query of the simple protocol. */
export const writeQuery = (query: string): WriteFrames => (out) => writeFrontend(out, { _tag: "Query", query })

const copyFail = Frontend.encodeUnsafe({ _tag: "CopyFail", message: "the client has no data for it" })
const copyFailSync = Uint8Array.of(...copyFail, ...Frontend.encodeUnsafe({ _tag: "Sync" }))

/** Ends the data of a COPY. */
export const copyDone = Frontend.encodeUnsafe({ _tag: "CopyDone" })

/** @internal */
export interface Options extends QueueOptions, WriterOptions, CancellationOptions {
  readonly dialect: Dialect
  /** Chunks that were read past the end of the startup. */
  readonly unread: ReadonlyArray<Uint8Array>
  readonly onAsynchronous: (message: AsynchronousMessage, size: number) => void
  /** Milliseconds that the server may be silent while a response is pending. */
  readonly silenceTimeout: number | undefined
  /** The role that the session was chosen for, if it can be replaced when the server changes its role. */
  readonly role: Role | undefined
}

/** @internal */
export class Engine {
  readonly queue: ExchangeQueue
  readonly writer: Writer
  readonly cancellation: Cancellation
  /** Called when the session has been closed. */
  onClose: (() => void) | undefined
  /** Called with the exchange after which no transaction is open. */
  onIdle: ((exchange: Exchange) => void) | undefined
  /** Called with the tag and the text of each command that may change the meaning of other statements. */
  onCommand: ((commandTag: string, text: string) => void) | undefined
  /** Called when the server is ready, until removed. */
  onReady: (() => void) | undefined
  /** Called with each setting that the server reports. */
  onParameterStatus: ((name: string, value: string) => void) | undefined
  /** Called with each notification, in the step in which it arrives. */
  onNotification: ((notification: Backend.NotificationResponse) => void) | undefined
  /** The changes that statements have left in the session. */
  readonly changes: SessionChanges = new SessionChanges()
  /** SQL that restores a setting of the session that RESET ALL undoes. */
  afterReset: string | undefined
  readonly dialect: Dialect
  readonly role: Role | undefined
  private readonly options: Options
  private readonly parser: Frame.Parser
  private readonly readMessage: (bytes: Uint8Array, start: number, end: number) => Backend.Message
  /** True if data has arrived since the last check of the watchdog. */
  private hasReceived = false
  /** True while nothing is read, because a consumer has no room. */
  private isPaused = false
  /** The text whose SELECT has completed last, and whether it may have a CREATE TABLE AS. */
  private inspectedText = ""
  private inspectedMayCreate = false
  constructor(options: Options) {
    this.options = options
    this.dialect = options.dialect
    this.role = options.role
    this.queue = new ExchangeQueue({
      ...options,
      onClose: () => {
        options.onClose()
        this.onClose?.()
      }
    })
    this.writer = new Writer(this.queue, options)
    this.cancellation = new Cancellation(this.queue, this.writer, options)
    this.readMessage = makeReader()
    this.parser = Frame.makeParser(limits, (bytes, start, end) => this.onFrame(bytes, start, end))
  }

  /** The transaction status after the last response. */
  get status(): Backend.ReadyForQuery["status"] {
    return this.queue.status
  }

  /** The reason why nothing more can be sent. */
  get closeReason(): Failure | undefined {
    return this.queue.closeReason
  }

  /** Closes the session if no data arrives while a response is pending. */
  readonly watchdog: Effect.Effect<void> = Effect.gen({ self: this }, function*() {
    const { silenceTimeout: milliseconds } = this.options
    if (milliseconds === undefined || milliseconds === Infinity) return
    for (let quiet = 0; quiet <= silenceChecks;) {
      yield* Effect.sleep(milliseconds / silenceChecks)
      quiet = this.isResponseDue() && !this.hasReceived ? quiet + 1 : 0
      this.hasReceived = false
      if (this.closeReason !== undefined) return
    }
    this.close(unresponsive("sign of life", milliseconds))
  })

  /** True if a response is pending. */
  private isResponseDue(): boolean {
    const exchange = this.queue.current()
    return exchange !== undefined && !this.isPaused && exchange.state !== states.Suspended &&
      !(exchange.state === states.CopyingIn && this.writer.isWriting(exchange))
  }

  /** Reads until the connection ends. Never succeeds; when it ends, it has closed the engine with the failure. */
  readonly readLoop: Effect.Effect<void> = Effect.suspend(() => {
    this.receive(this.options.unread)
    let wait: Effect.Effect<void> | undefined
    const pull = FastPath.pullWhile(this.options.connection, (chunks) => {
      this.receive(chunks)
      wait = this.queue.current()?.backpressure()
      return wait === undefined && this.closeReason === undefined
    })
    const loop: Effect.Effect<never, Failure> = Effect.flatMap(pull, () => {
      if (this.closeReason !== undefined) return Effect.fail(this.closeReason)
      if (wait === undefined) return loop
      this.isPaused = true
      return Effect.flatMap(wait, () => {
        this.isPaused = false
        return loop
      })
    })
    return Effect.catchCause(loop, (cause) => Effect.sync(() => this.close(toFailure(cause))))
  })

  private receive(chunks: ReadonlyArray<Uint8Array>): void {
    this.hasReceived = true
    this.cancellation.isLate = false
    try {
      for (const chunk of chunks) this.parser.push(chunk)
    } catch (thrown) {
      this.close(readFailure(fromThrown(thrown)))
    }
  }

  private onFrame(bytes: Uint8Array, start: number, end: number): void {
    const tag = bytes[start]!
    const exchange = this.queue.current()
    if (exchange !== undefined) {
      const next = nextState(exchange, tag)
      if (next !== unexpected) {
        if (tag === dataRow) return exchange.onDataRow(bytes, start, end)
        if (tag === copyData) return exchange.onCopyData(bytes, start, end)
        const message = this.readAnswer(exchange, bytes, start, end)
        if (message === undefined) {
          exchange.state = next
          return
        }
        if (message._tag === "ErrorResponse") this.failExchange(exchange, ServerError.fromFields(message.fields))
        else exchange.sent = "all"
        if (tag === copyInResponse) this.endUnexpectedCopy(exchange, "in")
        else if (tag === copyOutResponse) this.endUnexpectedCopy(exchange, "out")
        else if (tag === copyBothResponse) this.endUnexpectedCopy(exchange, "both")
        const state = exchange.state
        exchange.state = next
        if (message._tag === "ReadyForQuery") {
          if (this.status !== "E" || message.status !== "T" || this.dialect.failedTransactions) {
            this.queue.status = message.status
          }
          if (message.status === "I") this.onIdle?.(exchange)
          this.onReady?.()
          this.writer.unblock(exchange)
          this.queue.shift()
          this.cancellation.end(exchange, state)
        } else if (tag !== errorResponse) {
          if (message._tag === "CommandComplete") this.noteCommand(message.commandTag, exchange.text)
          exchange.onMessage(message)
        }
        return
      }
    }
    if (asynchronous.has(tag)) {
      const message = this.readMessage(bytes, start, end) as AsynchronousMessage
      if (message._tag === "NoticeResponse" && exchange !== undefined) this.cancellation.onNotice(exchange, message)
      return this.options.onAsynchronous(message, end - start)
    }
    const message = this.readMessage(bytes, start, end)
    // An unsolicited error is the server's last message, such as that it is shutting down.
    if (message._tag === "ErrorResponse") return this.close(ServerError.fromFields(message.fields))
    const where = exchange === undefined ? "between queries" : `while ${activityOf(exchange.state)}`
    throw ProtocolError.reason(
      "MessageUnexpected",
      message._tag,
      "",
      0,
      `a message that may come ${where}; the session was closed`,
      message._tag
    )
  }

  /**
   * Reads a response to an exchange. As in libpq, a message that cannot be read fails only its exchange, if its tag
   * alone determines its place in the message flow and nothing but the exchange depends on its content.
   */
  private readAnswer(exchange: Exchange, bytes: Uint8Array, start: number, end: number): Backend.Message | undefined {
    try {
      return this.readMessage(bytes, start, end)
    } catch (thrown) {
      if (!ProtocolError.isReason(thrown) || !dispensable.has(bytes[start]!)) throw thrown
      exchange.sent = "all"
      exchange.onError(ProtocolError.fromThrown(thrown))
      return undefined
    }
  }

  private failExchange(exchange: Exchange, error: ServerError.ServerError): void {
    // A server that shuts down may have sent the error before it read any of the exchange.
    if (!error.isFatal) exchange.sent = "all"
    if (this.role?.isRefusal(error, this.status) === true) {
      // Not lent again; what was rolled back as a whole can be repeated on another session.
      this.changes.mark(sessionState.unresettable)
      const isUndone = this.status !== "I" || isUndoneWhole(exchange.text)
      if (isUndone) Object.defineProperty(error, "isRetryable", { value: true })
    }
    exchange.onError(error)
  }

  /** Ends a COPY that its exchange does not handle. */
  private endUnexpectedCopy(exchange: Exchange, kind: CopyDirection): void {
    if (exchange.copyDirection === kind && exchange.error() === undefined) {
      // There is data for one COPY only.
      if (kind === "in") exchange.copyDirection = undefined
      return
    }
    exchange.onError(copyInQuery(this.dialect))
    if (kind === "out") return
    // A server that replicates ends the session on CopyFail.
    if (kind === "both") return this.writer.writeLast(exchange, copyDone)
    // The server dropped the Sync after the Execute, since Sync is ignored between COPY data.
    const isSimple = exchange.state === states.Querying || exchange.state === states.Queried
    this.writer.writeLast(exchange, isSimple ? copyFail : copyFailSync)
  }

  /** Queues an exchange. It is sent at the end of this tick, together with the others submitted until then. */
  submit(exchange: Exchange, write: WriteFrames, onDone?: () => void): void {
    exchange.onDone = onDone
    exchange.writeFrames = write
    this.queue.add(exchange)
    this.writer.schedule()
  }

  /** Runs an exchange and returns its outcome. Interruption abandons it. */
  run<A, E>(exchange: Exchange, write: WriteFrames, outcome: () => Effect.Effect<A, E>): Effect.Effect<A, E> {
    return Effect.callback((resume) => {
      this.submit(exchange, write, () => resume(outcome()))
      return this.cancellation.abandon(exchange)
    })
  }

  /** Ends a COPY for which there is no more data, so that nothing sent after it is mistaken for data. */
  readonly failCopy = (exchange: Exchange, message: string): Effect.Effect<void> =>
    Effect.suspend(() => {
      if (this.queue.withdraw(exchange) || exchange.state === states.Ended) return Effect.void
      this.writer.writeLast(exchange, Frontend.encodeUnsafe({ _tag: "CopyFail", message }))
      // Before the COPY has begun, CopyFail waits in the connection, and the server drops it if it refuses the COPY.
      return exchange.state === states.CopyingIn
        ? this.cancellation.awaitEnd(exchange, "end of a failed COPY")
        : this.cancellation.abandonSent(exchange)
    })

  /**
   * Waits until nothing is in flight that may begin or end a transaction. Does not wait if nothing can have begun one.
   */
  readonly awaitStatus: Effect.Effect<void> = Effect.suspend(() => {
    const all = this.queue.all()
    const isKnown = this.status === "I"
      ? all.every((exchange) => !mayBegin.has(exchange.statementKind()))
      : all.length === 0
    return isKnown ? Effect.void : Effect.forEach(all, (exchange) => this.queue.whenEnded(exchange), { discard: true })
  })

  /** Notes the session state that a command may have changed. */
  private noteCommand(commandTag: string, text: string): void {
    const last = commandTag.charCodeAt(commandTag.length - 1)
    const isCounted = last >= 0x30 && last <= 0x39
    if (isCounted && !(commandTag.charCodeAt(0) === 0x53 && this.mayCreateTable(text))) return
    const tag = isCounted ? "CREATE TABLE AS" : commandTag
    const isTemporary = tag === "CREATE TABLE AS" && changesUntold(text)
    this.changes.mark(isTemporary ? sessionState.dirty : stateAfter(tag))
    this.role?.noteCommand(tag, text)
    this.onCommand?.(tag, text)
  }

  /** Looks at a text once: a script of n statements would be searched n times. */
  private mayCreateTable(text: string): boolean {
    if (text !== this.inspectedText) {
      this.inspectedText = text
      this.inspectedMayCreate = mayCreateTable(text)
    }
    return this.inspectedMayCreate
  }

  /** True if a statement submitted now would run outside of any transaction, as far as the texts tell. */
  get isOutsideTransaction(): boolean {
    return this.status === "I" && this.queue.load <= maxInspected &&
      this.queue.all().every((exchange) => !mayBegin.has(exchange.statementKind()))
  }

  /** Closes the session with this error, which later calls fail with too. Only the first call counts. */
  close(error: Failure): void {
    this.queue.close(error)
  }
}

/**
 * ErrorResponse, RowDescription and ParameterDescription: they hold only types, and texts that may be in another
 * encoding.
 */
const dispensable: ReadonlySet<number> = new Set([errorResponse, 0x54, 0x74])

/** The statements after which a transaction may be open. */
const mayBegin: ReadonlySet<StatementKind> = new Set(["begin", "open"])

const nextState = (exchange: Exchange, tag: number): number => {
  const next = transitionTable[exchange.state]![tag]!
  if (next !== unexpected || !(exchange.abandoned || exchange.exposure !== exposures.none)) return next
  // Hyper's messages for a cancelled statement can be out of order: ReadyForQuery after rows without an error or a
  // CommandComplete in between, or CopyOutResponse twice (H-16). No caller reads them; only the end matters.
  return tag === readyForQuery ? states.Ended : tag === copyOutResponse ? exchange.state : next
}
