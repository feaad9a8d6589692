/**
 * Streaming replication: the exchange that START_REPLICATION begins, and what is said to the server in the course of it.
 *
 * @internal
 */
import type * as Backend from "@hyperfect/protocol/Backend"
import * as Frontend from "@hyperfect/protocol/Frontend"
import * as ProtocolError from "@hyperfect/protocol/ProtocolError"
import * as Messages from "@hyperfect/protocol/Replication"
import * as TimestampTz from "@hyperfect/values/TimestampTz"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import * as Stream from "effect/Stream"
import { type Failure, type QueryError, UnsupportedError } from "../QueryError.ts"
import { fail } from "./circumstances.ts"
import { type Engine, writeFrontend } from "./engine.ts"
import { type Copies, type Exchange, states } from "./exchange.ts"
import { Gate } from "./gate.ts"
import { Give, type Outlet } from "./giving.ts"
import { handOut } from "./streams.ts"

/**
 * What the plugin made of a change, or of the beginning or end of a transaction.
 *
 * @category models
 * @since 0.1.0
 */
export interface Data {
  readonly _tag: "Data"
  /** Where in the server's log it begins; 0 for what has no place there. */
  readonly start: bigint
  /** What to confirm when it is done with; 0 as `start` is. */
  readonly end: bigint
  /** The server's clock. */
  readonly sentAt: TimestampTz.TimestampTz
  /** A view of what was received: copy what is to be kept for long. */
  readonly data: Uint8Array
}

/**
 * A sign of life: everything before `end` that concerns the slot has been sent.
 *
 * **When to use**
 *
 * Confirm its `end`, when all changes before it are done with, so that the server need not keep the log of what does not
 * concern the slot.
 *
 * @category models
 * @since 0.1.0
 */
export interface Keepalive {
  readonly _tag: "Keepalive"
  readonly end: bigint
  /** The server's clock. */
  readonly sentAt: TimestampTz.TimestampTz
}

/**
 * What comes from a slot.
 *
 * @category models
 * @since 0.1.0
 */
export type Event = Data | Keepalive

/**
 * A session that replicates.
 *
 * @category models
 * @since 0.1.0
 */
export interface Replication {
  /**
   * What comes from the slot, as fast as it is consumed, from behind what was confirmed for it. Leaving the stream ends the
   * replication in order. It can be run once: a server begins no second replication in the same session.
   */
  readonly changes: Stream.Stream<Event, QueryError>
  /**
   * Says that everything before this place is done with: the server forgets it, and does not send it again. It is told at
   * once while `changes` runs. What lies behind everything that has come is confirmed as far as it has come.
   */
  readonly confirm: (lsn: bigint) => Effect.Effect<void>
}

const copyDone = Frontend.encodeUnsafe({ _tag: "CopyDone" })
const read = Messages.readerUnsafe()

const perDay = BigInt(86_400_000_000)
const zero = BigInt(0)

/** From microseconds since midnight of 2000-01-01, UTC. */
const instant = (microseconds: bigint): TimestampTz.TimestampTz => {
  const since = BigInt.asIntN(64, microseconds)
  const rest = since % perDay
  const day = since / perDay - BigInt(rest < zero ? 1 : 0)
  return TimestampTz.fromPartsUnsafe(Number(day), Number(rest < zero ? rest + perDay : rest))
}

/** Milliseconds from 1970-01-01 to 2000-01-01. */
const epoch = 946_684_800_000

/** How far the consumer is, and how the server is told. */
class Progress {
  /** Behind everything that the consumer has done with. */
  confirmed = zero
  /** Behind everything that has come. */
  received = zero
  /** Whether the server listens: from CopyBothResponse to our CopyDone. */
  private isOpen = false
  /** A message is being written: there is one writer, so that nothing comes behind CopyDone. */
  private isTelling = false
  /** Another one has to follow it. */
  private again = false
  /** It is to be the last one. */
  private isEnding = false
  private wantsReply = false
  private readonly engine: Engine
  private readonly detach: (effect: Effect.Effect<unknown>) => void

  constructor(engine: Engine, detach: (effect: Effect.Effect<unknown>) => void) {
    this.engine = engine
    this.detach = detach
  }

  begin(): void {
    this.isOpen = true
    this.tell()
  }

  /** Nothing more can be said. */
  close(): void {
    this.isOpen = false
  }

  /** Never more than has come: the server would take its word for it, and skip what is to come. */
  confirm(lsn: bigint): void {
    const known = lsn < this.received ? lsn : this.received
    if (known <= this.confirmed) return
    this.confirmed = known
    this.tell()
  }

  /** Tells the server at once. However often it is asked, one message at most waits to be written. */
  tell(wantsReply = false): void {
    if (!this.isOpen) return
    this.wantsReply ||= wantsReply
    this.again = true
    if (this.isTelling) return
    this.isTelling = true
    this.detach(Effect.ignore(this.telling))
  }

  private readonly telling: Effect.Effect<void, Failure> = Effect.suspend(() => {
    if (!this.isOpen || !this.again) {
      this.isTelling = false
      return Effect.void
    }
    this.again = false
    if (!this.isEnding) return Effect.andThen(this.write(), this.telling)
    this.isOpen = false
    return this.write(copyDone)
  })

  /** Ends the replication, with the last word on how far the consumer is. */
  finish(): void {
    this.isEnding = true
    this.tell()
  }

  private write(...more: ReadonlyArray<Uint8Array>): Effect.Effect<void, Failure> {
    const { confirmed } = this
    const replyRequested = this.wantsReply ? 1 : 0
    this.wantsReply = false
    return Effect.flatMap(Clock.currentTimeMillis, (now) => {
      const data = Messages.encodeUnsafe({
        _tag: "StandbyStatusUpdate",
        walWritten: confirmed,
        walFlushed: confirmed,
        walApplied: confirmed,
        clientTime: BigInt(Math.trunc(now) - epoch) * BigInt(1000),
        replyRequested
      })
      return this.engine.writeData(Frontend.encodeUnsafe({ _tag: "CopyData", data }), ...more)
    })
  }
}

/** START_REPLICATION: what comes is handed out, and what the server wants to know is answered meanwhile. */
class Replicate extends Give<Event, void> {
  override copies: Copies | undefined = "both"
  private readonly progress: Progress

  constructor(progress: Progress, outlet: Outlet<Event>, done: (exit: Exit.Exit<void, Failure>) => void) {
    super(states.Querying, outlet, done)
    this.progress = progress
  }

  onMessage(message: Backend.Message): void {
    if (message._tag === "CopyBothResponse") this.progress.begin()
    else if (message._tag === "CopyDone") this.progress.finish()
    else if (message._tag === "CommandComplete") this.progress.close()
  }

  override onCopyData(bytes: Uint8Array, start: number, end: number): void {
    const message = read(bytes, start + 5, end)
    if (message._tag !== "XLogData" && message._tag !== "PrimaryKeepalive") {
      throw ProtocolError.reason("MessageUnexpected", "CopyData", "", 0, "a message of the server", message._tag)
    }
    if (message._tag === "PrimaryKeepalive" && message.replyRequested !== 0) this.progress.tell()
    if (this.abandoned) return
    const sentAt = instant(message.serverTime)
    const { walEnd } = message
    if (walEnd > this.progress.received) this.progress.received = walEnd
    this.batch.push(
      message._tag === "XLogData"
        ? { _tag: "Data", start: message.walStart, end: walEnd, sentAt, data: message.data }
        : { _tag: "Keepalive", end: walEnd, sentAt }
    )
  }

  override onError(error: Failure): void {
    this.progress.close()
    super.onError(error)
  }

  override get isDialogue(): boolean {
    return true
  }

  protected result(): void {}
}

/** What may be done with a session that replicates by this command; `interval` is in milliseconds. */
export const replication = (
  engine: Engine,
  detach: (effect: Effect.Effect<unknown>) => void,
  interval: number,
  query: string
): Replication => {
  const progress = new Progress(engine, detach)
  const leave = (exchange: Exchange) =>
    Effect.suspend(() => {
      if (exchange.state !== states.CopyingBoth) return engine.abandon(exchange)
      exchange.abandoned = true
      progress.finish()
      return engine.seeOff(exchange, "end of the replication")
    })
  // Also while the reader waits for the consumer, and so does not see that the server asks.
  const regularly = Effect.forever(Effect.andThen(Effect.sleep(interval), Effect.sync(() => progress.tell(true))))
  let isTaken = false
  const changes = Stream.unwrap(Effect.gen(function*() {
    // The server would end a second one at once, as if it were still to end the first (measured).
    if (isTaken && engine.dead === undefined) {
      const feature = "a second replication in one session"
      return yield* fail(new UnsupportedError({ feature, server: "postgres" }), "nothing", query)
    }
    isTaken = true
    yield* Effect.forkScoped(regularly)
    return handOut<Event>(
      { engine },
      new Gate("postgres"),
      query,
      (outlet, done) => new Replicate(progress, outlet, done),
      (out) => writeFrontend(out, { _tag: "Query", query }),
      (exchange, drop) => {
        drop()
        return leave(exchange)
      }
    )
  }))
  return { changes, confirm: (lsn) => Effect.sync(() => progress.confirm(lsn)) }
}
