/**
 * Exchanges: everything between sending a group of messages and the ReadyForQuery that ends it.
 *
 * One table lists the messages allowed in each state and the state that follows; an exchange adds how it handles rows,
 * data and the end. There is no other state machine in this package.
 *
 * @internal
 */
import type * as Backend from "@hyperfect/protocol/Backend"
import type { ByteWriter } from "@hyperfect/protocol/ByteWriter"
import * as ProtocolError from "@hyperfect/protocol/ProtocolError"
import * as ValueError from "@hyperfect/values/ValueError"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type { Failure, QueryError, Sent } from "../../QueryError.ts"
import { failQuery, type StatementLike } from "../session/queryError.ts"
import { mayCopy, type StatementKind, statementKind } from "../session/statementKind.ts"

/**
 * The messages allowed in each state, and the state that follows (protocol, section "Message Flow").
 *
 * ErrorResponse is allowed in every state but `Ended` and leads to `Ending`: the server skips everything up to the
 * Sync.
 */
export const transitions = {
  /** Sync or Query was the last message: only its ReadyForQuery is due. */
  Ending: { ReadyForQuery: "Ended" },
  Ended: {},
  /** Query: any number of results, or none for a text without a statement. Every text gets at least one message. */
  Querying: {
    RowDescription: "QueryingRows",
    CommandComplete: "Queried",
    EmptyQueryResponse: "Ending",
    CopyInResponse: "CopyingIn",
    CopyOutResponse: "CopyingOut",
    CopyBothResponse: "CopyingBoth"
  },
  /** The rows of one result: preceded by a description, ended by a command tag. */
  QueryingRows: { DataRow: "QueryingRows", CommandComplete: "Queried" },
  /** After a result. */
  Queried: {
    RowDescription: "QueryingRows",
    CommandComplete: "Queried",
    CopyInResponse: "CopyingIn",
    CopyOutResponse: "CopyingOut",
    CopyBothResponse: "CopyingBoth",
    ReadyForQuery: "Ended"
  },
  /** Close of any number of statements, Parse, Describe of the statement. */
  Preparing: { CloseComplete: "Preparing", ParseComplete: "DescribingParameters" },
  // Hyper answers a statement without text with NoData alone.
  DescribingParameters: { ParameterDescription: "DescribingColumns", NoData: "Ending" },
  DescribingColumns: { RowDescription: "Ending", NoData: "Ending" },
  /** Parse, Bind, Describe of the portal, Execute. */
  Parsing: { ParseComplete: "Binding" },
  Binding: { BindComplete: "Describing" },
  Describing: { RowDescription: "Executing", NoData: "ExecutingCommand" },
  /** Bind and Execute of a statement that was described earlier, with columns. */
  BindingPrepared: { BindComplete: "Executing" },
  /**
   * Bind and Execute of a statement without columns: a command, or rows of no columns, which a reader without columns
   * counts.
   */
  BindingCommand: { BindComplete: "ExecutingAny" },
  Executing: { DataRow: "Executing", CommandComplete: "Ending", PortalSuspended: "Suspended" },
  ExecutingCommand: {
    CommandComplete: "Ending",
    EmptyQueryResponse: "Ending",
    CopyInResponse: "CopyingIn",
    CopyOutResponse: "CopyingOut"
  },
  ExecutingAny: {
    DataRow: "Executing",
    CommandComplete: "Ending",
    EmptyQueryResponse: "Ending",
    PortalSuspended: "Suspended",
    CopyInResponse: "CopyingIn",
    CopyOutResponse: "CopyingOut"
  },
  /** A portal that reached its row limit: nothing is due until more rows are requested or Sync ends it. */
  Suspended: {},
  /** Close of a statement. */
  Closing: { CloseComplete: "Ending" },
  /** FunctionCall. */
  Calling: { FunctionCallResponse: "Ending" },
  CopyingIn: { CommandComplete: "Queried" },
  CopyingOut: { CopyData: "CopyingOut", CopyDone: "CopiedOut" },
  CopiedOut: { CommandComplete: "Queried" },
  // A server that shuts down omits CopyDone.
  CopyingBoth: { CopyData: "CopyingBoth", CopyDone: "CopiedBoth", CommandComplete: "Queried" },
  // PostgreSQL answers CopyDone in the middle of a transaction, and still sends the rest of that transaction
  // (P-01).
  CopiedBoth: { CopyData: "CopiedBoth", CommandComplete: "Queried" }
} as const satisfies Record<string, Partial<Record<Backend.Message["_tag"], string>>>

/** @internal */
export type StateName = keyof typeof transitions

const stateNames = Object.keys(transitions) as ReadonlyArray<StateName>

/** The number of each state. */
export const states = Object.fromEntries(stateNames.map((name, i) => [name, i])) as Readonly<Record<StateName, number>>

/** Names a state in words, such as `describing columns`. */
export const activityOf = (state: number): string => stateNames[state]!.replace(/(?!^)[A-Z]/g, " $&").toLowerCase()

/** The entry in the table for a message that is not allowed. */
export const unexpected = 0xff

/** Makes the transition table: for each state, the next state by the tag of the message. */
export const makeTransitionTable = (tagOf: (name: Backend.Message["_tag"]) => number): ReadonlyArray<Uint8Array> =>
  stateNames.map((name) => {
    const row = new Uint8Array(256).fill(unexpected)
    for (const [message, next] of Object.entries(transitions[name])) {
      row[tagOf(message as Backend.Message["_tag"])] = states[next as StateName]
    }
    if (name !== "Ended") row[tagOf("ErrorResponse")] = states.Ending
    return row
  })

/** Writes the frames of an exchange. If it throws, only that exchange fails, and nothing of it is sent. */
export type WriteFrames = (out: ByteWriter) => void

/** `now`: a request to cancel another exchange may hit it now. `before`: a request could have hit it, but did not. */
export const exposures = { none: 0, now: 1, before: 2 } as const

/** @internal */
export type Exposure = typeof exposures[keyof typeof exposures]

/** The direction of the data of a COPY. Replication copies in both directions. */
export type CopyDirection = "in" | "out" | "both"

/**
 * An error thrown while an exchange was written or read that is not an error of this library: a bug in a codec, reader
 * or schema of the caller. It ends its own exchange as a defect.
 */
export interface Defect {
  readonly _tag: "Defect"
  readonly thrown: unknown
}

/** The ways in which an exchange can fail. */
export type ExchangeError = Failure | Defect

/** Converts a thrown value to the error of an exchange. Never throws. */
export const fromThrown = (thrown: unknown): ExchangeError => {
  try {
    if (ProtocolError.isReason(thrown)) return ProtocolError.fromThrown(thrown)
    if (ValueError.isReason(thrown)) return ValueError.fromThrown(thrown)
  } catch {
    // An object that throws when it is inspected, such as a revoked proxy.
  }
  return { _tag: "Defect", thrown }
}

/** The message flow of an exchange: its place in the table, and the rules for exchanges around it. */
export interface Flow {
  /** The state in which it begins. */
  readonly state: number
  /** The states in which its further statements begin, if it runs several. */
  readonly next?: ReadonlyArray<number>
  /** The effect that its statement may have, if it does not follow from the text. */
  readonly kind?: StatementKind
  /** The kind of COPY that it handles. Any other kind is ended as soon as the server begins it. */
  readonly copy?: CopyDirection
  /**
   * True if it continues to write after its frames: until it has ended or written its last bytes, no other exchange is
   * written.
   */
  readonly blocksPipeline?: boolean
  /** True if its end is reported even if it was abandoned, because the server keeps what it has done. */
  readonly isAlwaysReported?: boolean
}

/** The message flows, except those of several statements. */
export const flows = {
  /** Changes nothing but the statement stored under the name, which the server keeps. */
  prepare: { state: states.Preparing, kind: "repeatable", isAlwaysReported: true },
  parse: { state: states.Parsing },
  bind: { state: states.BindingPrepared },
  bindCommand: { state: states.BindingCommand },
  close: { state: states.Closing },
  call: { state: states.Calling },
  simple: { state: states.Querying },
  /** Frames written behind it would be taken for COPY data and end the session. */
  copyIn: { state: states.Querying, copy: "in", blocksPipeline: true },
  copyOut: { state: states.Querying, copy: "out" },
  replicate: { state: states.Querying, copy: "both", blocksPipeline: true }
} as const satisfies Record<string, Flow>

/**
 * The destination of what the server sends in an exchange: rows, columns, a stream, the data of a COPY.
 *
 * An exception of it fails its exchange, except a `ProtocolError.Reason`, for which the session has to be closed.
 */
export abstract class Sink<A> {
  protected commandTag = ""

  /** Handles a message other than DataRow, CopyData, ErrorResponse and ReadyForQuery. */
  onMessage(message: Backend.Message): void {
    if (message._tag === "CommandComplete") this.commandTag = message.commandTag
  }

  /** Handles the frame of a DataRow. */
  onDataRow(_bytes: Uint8Array, _start: number, _end: number): void {}

  /** Handles the frame of a CopyData. */
  onCopyData(_bytes: Uint8Array, _start: number, _end: number): void {}

  /** Called when it threw for a row. */
  onUndecodable(): void {}

  /** Called with the first error of the exchange. */
  onError(): void {}

  /** Drops everything received. Absent if a consumer may have seen some of it, so that it cannot be received again. */
  restart?(): void

  /** The types of the columns whose rows are buffered undecoded, because some types have to be looked up first. */
  undecodedTypes(): ReadonlyArray<number> | undefined {
    return undefined
  }

  /** Decodes the buffered rows. */
  decode(): void {}

  /**
   * An effect that the reader waits for before it pulls again, so that a slow consumer slows the server. Absent if
   * nothing is passed on before the end; otherwise a failure is reported at once.
   */
  backpressure?(): Effect.Effect<void> | undefined

  /** Returns the result, once. */
  abstract result(): A
}

/**
 * One exchange: a flow of messages, and a sink for what arrives. The engine calls it. It never blocks, and throws only
 * because of a bug, or a `ProtocolError.Reason` for which the session has to be closed.
 */
export class Exchange<A = unknown, S extends Sink<A> = Sink<A>> {
  readonly flow: Flow
  readonly sink: S
  /** The SQL text that it runs, if known. */
  readonly text: string
  /** The current state, updated by the engine. */
  state: number
  /** The extent to which it may have been received by the server, updated by the engine. */
  sent: Sent = "nothing"
  /** Writes its frames. Kept by the engine as long as they may have to be written again. */
  writeFrames: WriteFrames | undefined
  /** Called at the end, or as soon as a stream has failed. */
  onDone: (() => void) | undefined
  /** Its exposure to cancel requests meant for other exchanges. */
  exposure: Exposure = exposures.none
  /** True if it is committed, but a synchronous standby may not have it. */
  isUnconfirmed = false
  /** True if no caller waits for it any more: it is drained, and its result dropped. */
  abandoned = false
  /** The kind of COPY that it still handles. */
  copyDirection: CopyDirection | undefined
  /** The state at the time of the first error. */
  failedIn: number | undefined
  private failure: ExchangeError | undefined
  /** The number of its statements that have completed. */
  private step = 0

  constructor(flow: Flow, sink: S & Sink<A>, text = "") {
    this.flow = flow
    this.sink = sink
    this.text = text
    this.state = flow.state
    this.copyDirection = flow.copy
  }

  /** The effect that its statement may have on the session and the database. */
  statementKind(): StatementKind {
    return this.flow.kind ?? statementKind(this.text)
  }

  /**
   * True if other exchanges have to wait until it has written its last bytes or ended. A text of the simple protocol
   * may contain a COPY FROM STDIN: until its data was refused, other frames would be mistaken for data.
   */
  get blocksPipeline(): boolean {
    return this.flow.blocksPipeline === true || (this.flow === flows.simple && mayCopy(this.text))
  }

  /** True if it can drop everything received and be run again, because no consumer has seen any of it. */
  get canRestart(): boolean {
    return this.sink.restart !== undefined
  }

  restart(): void {
    this.state = this.flow.state
    this.step = 0
    this.failure = undefined
    this.failedIn = undefined
    this.sink.restart!()
  }

  /** Handles a message other than DataRow, CopyData, ErrorResponse and ReadyForQuery. */
  onMessage(message: Backend.Message): void {
    if (this.failure === undefined) {
      try {
        this.sink.onMessage(message)
      } catch (thrown) {
        this.onThrown(thrown)
      }
    }
    if (message._tag !== "CommandComplete" && message._tag !== "EmptyQueryResponse") return
    const next = this.flow.next?.[this.step++]
    if (next !== undefined) this.state = next
  }

  /** Handles the frame of a DataRow. */
  onDataRow(bytes: Uint8Array, start: number, end: number): void {
    if (this.abandoned || this.failure !== undefined) return
    try {
      this.sink.onDataRow(bytes, start, end)
    } catch (thrown) {
      this.sink.onUndecodable()
      this.onThrown(thrown)
    }
  }

  /** Handles the frame of a CopyData. A server that replicates expects replies also if no caller waits any more. */
  onCopyData(bytes: Uint8Array, start: number, end: number): void {
    if (this.failure !== undefined || (this.abandoned && this.flow.copy !== "both")) return
    try {
      this.sink.onCopyData(bytes, start, end)
    } catch (thrown) {
      this.onThrown(thrown)
    }
  }

  /**
   * Handles an error. Only the first one counts, and the exchange still runs to its end. Called before `state` is
   * updated, so that `state` tells how far the exchange got.
   */
  onError(error: ExchangeError): void {
    if (this.failure !== undefined) return
    this.failure = error
    this.failedIn = this.state
    this.sink.onError()
  }

  /** Fails only this exchange with what its sink has thrown. A protocol error is rethrown. */
  private onThrown(thrown: unknown): void {
    const error = fromThrown(thrown)
    if (error._tag === "ProtocolError") throw error.reason
    if (this.abandoned) return
    this.onError(error)
    // When the consumer leaves, the statement is cancelled, however much of the result is still to come.
    if (this.sink.backpressure !== undefined) this.onDone?.()
  }

  /** The first error, if any. */
  error(): ExchangeError | undefined {
    return this.failure
  }

  /** Handles the end: ReadyForQuery arrived, or the session was closed (then `onError` was called with the reason). */
  onEnd(): void {
    if (!this.abandoned || this.flow.isAlwaysReported === true) this.onDone?.()
  }

  /** An effect that the reader waits for before it pulls again. */
  backpressure(): Effect.Effect<void> | undefined {
    return this.abandoned ? undefined : this.sink.backpressure?.()
  }

  /** Decodes rows that were buffered undecoded. */
  decode(): void {
    try {
      this.sink.decode()
    } catch (thrown) {
      this.sink.onUndecodable()
      this.onThrown(thrown)
    }
  }

  /** Returns the result, or the error. */
  outcome(): Exit.Exit<A, Failure> {
    if (this.failure === undefined) {
      try {
        return Exit.succeed(this.sink.result())
      } catch (thrown) {
        this.onThrown(thrown)
      }
    }
    const failure = this.failure!
    return failure._tag === "Defect" ? Exit.die(failure.thrown) : Exit.fail(failure)
  }

  /** Returns the result, or the error of its statement, which tells how much was sent. */
  outcomeFor(statement: StatementLike): Effect.Effect<A, QueryError> {
    const exit = this.outcome()
    return Exit.isSuccess(exit)
      ? exit as Exit.Exit<A>
      : Effect.catch(exit, (failure) => failQuery(failure, this.sent, statement, false, this.isUndone(failure)))
  }

  /** True if a statement was cancelled, for whatever cause, that has been rolled back and can be run again. */
  private isUndone(failure: Failure): boolean {
    return this.exposure !== exposures.none && failure._tag === "ServerError" &&
      failure.reason._tag === "QueryCanceled"
  }
}
