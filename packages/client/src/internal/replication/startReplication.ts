/**
 * Streaming replication: the exchange of START_REPLICATION, and the status updates sent to the server.
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
import * as Stream from "effect/Stream"
import type { Failure, QueryError } from "../../QueryError.ts"
import { copyDone, type Engine, writeQuery } from "../engine/engine.ts"
import { Exchange, flows, states } from "../engine/exchange.ts"
import { Gate } from "../engine/gate.ts"
import { type Consumer, StreamSink } from "../engine/streamSinks.ts"
import { toStream } from "../query/streams.ts"
import { refuse } from "../session/queryError.ts"

/**
 * The plugin's output for a change, or for the beginning or end of a transaction.
 *
 * @category models
 * @since 0.1.0
 */
export interface Data {
  readonly _tag: "Data"
  /** The position (LSN) at which it begins; 0 if it has none. */
  readonly start: bigint
  /** The position to confirm once it has been processed; 0 as for `start`. */
  readonly end: bigint
  /** The time of sending by the server's clock. */
  readonly sentAt: TimestampTz.TimestampTz
  /** A view of the received bytes: copy what is kept. */
  readonly data: Uint8Array
}

/**
 * A sign of life: everything before `end` that concerns the slot has been sent.
 *
 * **When to use**
 *
 * Confirm its `end` once all changes before it have been processed, so that the server need not retain log that does
 * not concern the slot.
 *
 * @category models
 * @since 0.1.0
 */
export interface Keepalive {
  readonly _tag: "Keepalive"
  readonly end: bigint
  /** The time of sending by the server's clock. */
  readonly sentAt: TimestampTz.TimestampTz
}

/**
 * A message from a slot.
 *
 * @category models
 * @since 0.1.0
 */
export type Event = Data | Keepalive

/**
 * A replication session.
 *
 * @category models
 * @since 0.1.0
 */
export interface Replication {
  /**
   * The messages of the slot, as fast as they are consumed, from after the confirmed position. Leaving the stream ends
   * the replication in order. It can be run once: a server begins no second replication in the same session.
   */
  readonly changes: Stream.Stream<Event, QueryError>
  /**
   * Confirms that everything before this position has been processed: the server discards it and does not send it
   * again. While `changes` runs the server is told at once. A position after everything received is reduced to what has
   * been received.
   */
  readonly confirm: (lsn: bigint) => Effect.Effect<void>
}

const readMessage = Messages.readerUnsafe()

const zero = BigInt(0)

/** Milliseconds from 1970-01-01 to 2000-01-01. */
const postgresEpoch = 946_684_800_000

/** Keeps the progress of the consumer, and reports it to the server. */
class StatusReporter {
  /** The end of what the consumer has confirmed. */
  confirmed = zero
  /** The end of what has been received. */
  received = zero
  /** True once the consumer has left: what still arrives is dropped. */
  isAbandoned = false
  /** True while messages can be sent: from CopyBothResponse to the client's CopyDone. */
  private isOpen = false
  /** True while a message is being written: there is a single writer, so that nothing follows CopyDone. */
  private isSending = false
  /** True if another update has to follow. */
  private isUpdatePending = false
  /** True if the next update is the last one. */
  private isFinishing = false
  private isReplyRequested = false
  private readonly engine: Engine
  private readonly detach: (effect: Effect.Effect<unknown>) => void

  constructor(engine: Engine, detach: (effect: Effect.Effect<unknown>) => void) {
    this.engine = engine
    this.detach = detach
  }

  begin(): void {
    this.isOpen = true
    this.sendUpdate()
  }

  /** Stops all further messages. */
  close(): void {
    this.isOpen = false
  }

  /** Confirms at most what has been received: the server would believe a higher position and skip the rest. */
  confirm(lsn: bigint): void {
    const known = lsn < this.received ? lsn : this.received
    if (known <= this.confirmed) return
    this.confirmed = known
    this.sendUpdate()
  }

  /** Sends an update at once. At most one is pending, however often one is requested. */
  sendUpdate(wantsReply = false): void {
    if (!this.isOpen) return
    this.isReplyRequested ||= wantsReply
    this.isUpdatePending = true
    if (this.isSending) return
    this.isSending = true
    this.detach(Effect.ignore(this.sendLoop))
  }

  private readonly sendLoop: Effect.Effect<void, Failure> = Effect.gen({ self: this }, function*() {
    while (this.isOpen && this.isUpdatePending) {
      this.isUpdatePending = false
      this.isOpen = !this.isFinishing
      yield* this.writeUpdate(...this.isFinishing ? [copyDone] : [])
    }
    this.isSending = false
  })

  /** Ends the replication with a last status update. */
  finish(): void {
    this.isFinishing = true
    this.sendUpdate()
  }

  private writeUpdate(...more: ReadonlyArray<Uint8Array>): Effect.Effect<void, Failure> {
    const { confirmed } = this
    const replyRequested = this.isReplyRequested ? 1 : 0
    this.isReplyRequested = false
    return Effect.flatMap(Clock.currentTimeMillis, (now) => {
      const data = Messages.encodeUnsafe({
        _tag: "StandbyStatusUpdate",
        walWritten: confirmed,
        walFlushed: confirmed,
        walApplied: confirmed,
        clientTime: BigInt(Math.trunc(now) - postgresEpoch) * BigInt(1000),
        replyRequested
      })
      return this.engine.writer.writeData(Frontend.encodeUnsafe({ _tag: "CopyData", data }), ...more)
    })
  }
}

/** Streams the messages of a slot, and answers the server's requests for a reply meanwhile. */
class ReplicationStream extends StreamSink<Event> {
  private readonly status: StatusReporter

  constructor(progress: StatusReporter, consumer: Consumer<Event>) {
    super(consumer)
    this.status = progress
  }

  override onMessage(message: Backend.Message): void {
    if (message._tag === "CopyBothResponse") this.status.begin()
    else if (message._tag === "CopyDone") this.status.finish()
    else if (message._tag === "CommandComplete") this.status.close()
  }

  override onCopyData(bytes: Uint8Array, start: number, end: number): void {
    const message = readMessage(bytes, start + 5, end)
    if (message._tag !== "XLogData" && message._tag !== "PrimaryKeepalive") {
      throw ProtocolError.reason("MessageUnexpected", "CopyData", "", 0, "a message of the server", message._tag)
    }
    if (message._tag === "PrimaryKeepalive" && message.replyRequested !== 0) this.status.sendUpdate()
    if (this.status.isAbandoned) return
    const sentAt = TimestampTz.fromMicroseconds(BigInt.asIntN(64, message.serverTime))
    const { walEnd } = message
    if (walEnd > this.status.received) this.status.received = walEnd
    this.batch.push(
      message._tag === "XLogData"
        ? { _tag: "Data", start: message.walStart, end: walEnd, sentAt, data: message.data }
        : { _tag: "Keepalive", end: walEnd, sentAt }
    )
  }

  override onError(): void {
    this.status.close()
  }
}

/** Makes the replication of a session by this command; `interval` is in milliseconds. */
export const makeReplication = (
  engine: Engine,
  detach: (effect: Effect.Effect<unknown>) => void,
  interval: number,
  query: string
): Replication => {
  const progress = new StatusReporter(engine, detach)
  const leave = (exchange: Exchange) =>
    Effect.suspend(() => {
      progress.isAbandoned = true
      if (exchange.state !== states.CopyingBoth) return engine.cancellation.abandon(exchange)
      engine.queue.markAbandoned(exchange)
      progress.finish()
      return engine.cancellation.awaitEnd(exchange, "end of the replication")
    })
  // Also while the reader waits for the consumer, and thus does not see the server's requests.
  const regularly = Effect.forever(Effect.andThen(Effect.sleep(interval), Effect.sync(() => progress.sendUpdate(true))))
  let isTaken = false
  const changes = Stream.unwrap(Effect.gen(function*() {
    // The server would end a second replication at once, as if it were still ending the first (P-02).
    if (isTaken && engine.closeReason === undefined) {
      const feature = "a second replication in one session"
      return yield* refuse(engine.dialect, feature, query)
    }
    isTaken = true
    yield* Effect.forkScoped(regularly)
    return toStream<Event>(
      { engine },
      new Gate(engine.dialect),
      query,
      {
        start: (consumer) => new Exchange(flows.replicate, new ReplicationStream(progress, consumer)),
        write: writeQuery(query)
      },
      (exchange, drop) => {
        drop()
        return leave(exchange)
      }
    )
  }))
  return { changes, confirm: (lsn) => Effect.sync(() => progress.confirm(lsn)) }
}
