/**
 * Exchanges: everything that can happen between sending a group of messages and the ReadyForQuery that ends it.
 *
 * One table says which message may come in which state and which state follows; an exchange adds what it does with rows,
 * data and the end. There is no other state machine in this package.
 *
 * @internal
 */
import type * as Backend from "@hyperfect/protocol/Backend"
import type { ByteWriter } from "@hyperfect/protocol/ByteWriter"
import type * as Effect from "effect/Effect"
import type { Failure, Sent } from "../QueryError.ts"
import type { Nature } from "./nature.ts"

/**
 * What may come in each state, and the state that follows (protocol, section "Message Flow").
 *
 * ErrorResponse may come in any of them and leads to `Ending`: the server skips everything up to the Sync.
 */
const flow = {
  /** Sync or Query was the last message: nothing but its answer is due. */
  Ending: { ReadyForQuery: "Ended" },
  Ended: {},
  /** Query: any number of results. */
  Querying: {
    RowDescription: "Querying",
    DataRow: "Querying",
    CommandComplete: "Querying",
    EmptyQueryResponse: "Querying",
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
  Describing: { RowDescription: "Executing", NoData: "Executing" },
  /** Bind and Execute of a statement that was described before. */
  BindingPrepared: { BindComplete: "Executing" },
  Executing: {
    DataRow: "Executing",
    CommandComplete: "Ending",
    EmptyQueryResponse: "Ending",
    PortalSuspended: "Suspended",
    CopyInResponse: "CopyingIn",
    CopyOutResponse: "CopyingOut"
  },
  /** A portal with a row limit: nothing is due until it is asked for more, or ended by Sync. */
  Suspended: {},
  /** Close of a statement. */
  Closing: { CloseComplete: "Ending" },
  /** FunctionCall. */
  Calling: { FunctionCallResponse: "Ending" },
  CopyingIn: { CommandComplete: "Querying" },
  CopyingOut: { CopyData: "CopyingOut", CopyDone: "CopiedOut" },
  CopiedOut: { CommandComplete: "Querying" },
  // A server that is shut down leaves out CopyDone.
  CopyingBoth: { CopyData: "CopyingBoth", CopyDone: "CopiedBoth", CommandComplete: "Querying" },
  // PostgreSQL answers CopyDone in the middle of a transaction, and sends the rest of that all the same (measured).
  CopiedBoth: { CopyData: "CopiedBoth", CommandComplete: "Querying" }
} as const satisfies Record<string, Partial<Record<Backend.Message["_tag"], string>>>

/** @internal */
export type StateName = keyof typeof flow

const names = Object.keys(flow) as ReadonlyArray<StateName>

/** The number of each state. */
export const states = Object.fromEntries(names.map((name, i) => [name, i])) as Readonly<Record<StateName, number>>

/** @internal */
export const stateName = (state: number): StateName => names[state]!

/** What `next` holds for a message that may not come. */
export const unexpected = 0xff

/** For each state, the state that follows by the tag of the message. */
export const makeTable = (tagOf: (name: Backend.Message["_tag"]) => number): ReadonlyArray<Uint8Array> =>
  names.map((name) => {
    const row = new Uint8Array(256).fill(unexpected)
    for (const [message, next] of Object.entries(flow[name])) {
      row[tagOf(message as Backend.Message["_tag"])] = states[next as StateName]
    }
    if (name !== "Ended") row[tagOf("ErrorResponse")] = states.Ending
    return row
  })

/** Writes the frames of an exchange. What it throws fails that exchange alone, and nothing of it is sent. */
export type WriteFrames = (out: ByteWriter) => void

/** Which way the data of a COPY go; replication goes both ways. */
export type Copies = "in" | "out" | "both"

/**
 * One exchange. The engine calls it; it never blocks, and throws only by mistake, or the `ProtocolError.Reason` for which
 * the session has to die.
 *
 * @internal
 */
export interface Exchange {
  /** Where it has come to; the engine moves it. */
  state: number
  /** How much of it the server can have got; the engine knows. */
  sent: Sent
  /** How its frames are written; the engine keeps it for as long as it may need it. */
  frames: WriteFrames | undefined
  /** A cancel request that was meant for another one may have hit it. */
  isExposed: boolean
  /** What it may do to its session and to the database. */
  readonly nature: () => Nature
  /** Whether ReadyForQuery is all that was due in this state, so that it lacks nothing. */
  readonly isComplete: (state: number) => boolean
  /** Whether it can forget everything that came, to be run again: nobody has seen anything of it. */
  readonly canRestart: boolean
  readonly restart: () => void
  /** Nobody waits for it any more: it is drained, and what it gives is dropped. */
  abandoned: boolean
  /** The kind of COPY that it is there for; any other is ended as soon as the server begins with it. */
  readonly copies: Copies | undefined
  /** It goes on writing behind its frames, and until it has ended or said its last nothing of others may be written. */
  readonly isDialogue: boolean
  /** A message other than DataRow, CopyData, ErrorResponse and ReadyForQuery. */
  readonly onMessage: (message: Backend.Message) => void
  /** The frame of a DataRow. */
  readonly onDataRow: (bytes: Uint8Array, start: number, end: number) => void
  /** The frame of a CopyData. */
  readonly onCopyData: (bytes: Uint8Array, start: number, end: number) => void
  /**
   * The first thing that went wrong is what counts: the exchange goes on to its end all the same. Called before `state`
   * moves, so that it says how far the exchange had come.
   */
  readonly onError: (error: Failure) => void
  /** What went wrong so far. */
  readonly error: () => Failure | undefined
  /** ReadyForQuery came, or the session died (then with the error that `onError` was told). */
  readonly onEnd: () => void
  /** What the reader has to wait for before it pulls again, so that a slow consumer slows the server. */
  readonly backpressure: () => Effect.Effect<void> | undefined
}
