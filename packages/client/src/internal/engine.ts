/**
 * The engine of a session: one queue of exchanges, one reader, one write at a time.
 *
 * Exchanges are sent in the order they are submitted, those of one tick in one write, and their answers come in the same
 * order. One fiber pulls chunks and feeds messages to the head of the queue by plain function calls. The first thing
 * that breaks the line or the protocol kills the engine: every exchange that waits, and every later one, fails with it.
 *
 * @internal
 */
import * as Backend from "@hyperfect/protocol/Backend"
import * as ByteWriter from "@hyperfect/protocol/ByteWriter"
import * as Frame from "@hyperfect/protocol/Frame"
import * as Frontend from "@hyperfect/protocol/Frontend"
import * as ProtocolError from "@hyperfect/protocol/ProtocolError"
import type { Connection } from "@hyperfect/transport/Connection"
import * as TransportError from "@hyperfect/transport/TransportError"
import * as ValueError from "@hyperfect/values/ValueError"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type { QueryError } from "../QueryError.ts"
import * as ServerError from "../ServerError.ts"
import { type Exchange, makeTable, stateName, states, unexpected } from "./exchange.ts"

/** What may come at any time, whatever is going on (protocol, section "Asynchronous Operations"). */
export type Asynchronous = Backend.NoticeResponse | Backend.ParameterStatus | Backend.NotificationResponse

/** Writes the frames of an exchange. What it throws fails that exchange alone, and nothing of it is sent. */
export type WriteFrames = (out: ByteWriter.ByteWriter) => void

/** How long the reader has for the server's last words after a write has failed. */
const lastWords = "100 millis"

/** How long a cancelled statement may take to end before it is cancelled again. */
const patience = "200 millis"

interface Pending {
  readonly exchange: Exchange
  readonly write: WriteFrames
}

const tags = new Map(
  Backend.messages.map(({ definition }) => [definition.name as string, definition.tag!.charCodeAt(0)])
)
const tagOf = (name: string): number => tags.get(name)!
const table = makeTable(tagOf)
const dataRow = tagOf("DataRow")
const copyData = tagOf("CopyData")
const readyForQuery = tagOf("ReadyForQuery")
const errorResponse = tagOf("ErrorResponse")
const asynchronous = new Set(["NoticeResponse", "ParameterStatus", "NotificationResponse"].map(tagOf))

export const writeFrontend = Frontend.writerUnsafe()

/** @internal */
export interface Options {
  readonly connection: Connection
  /** What was read ahead of the end of the log-in. */
  readonly unread: ReadonlyArray<Uint8Array>
  readonly status: Backend.ReadyForQuery["status"]
  readonly onAsynchronous: (message: Asynchronous) => void
  /** Asks the server, on another connection, to cancel what this session is doing; done when the server has done it. */
  readonly cancel: Effect.Effect<void>
  /** Milliseconds after which a cancelled exchange has to be over. */
  readonly cancelTimeout: number
}

/** @internal */
export class Engine {
  status: Backend.ReadyForQuery["status"]
  /** Why nothing more can be sent. */
  dead: QueryError | undefined
  private readonly options: Options
  private readonly parser: Frame.Parser
  private readonly read: (bytes: Uint8Array, start: number, end: number) => Backend.Message
  private readonly out = ByteWriter.make()
  /** Submitted, not written yet. */
  private pending: Array<Pending> = []
  /** Written; the server answers them in this order. */
  private readonly queue: Array<Exchange> = []
  private head = 0
  private flushScheduled = false
  private writing = false
  /** While a cancel request is under way nothing is sent, for it would hit whatever runs when it arrives. */
  private held = false
  private readonly onEnded = new Map<Exchange, () => void>()

  constructor(options: Options) {
    this.options = options
    this.status = options.status
    this.read = Backend.readerUnsafe()
    this.parser = Frame.makeParser(Backend.limits(), (bytes, start, end) => this.feed(bytes, start, end))
  }

  /** Reads for as long as the line lives. Never succeeds; its failure has killed the engine already. */
  readonly run: Effect.Effect<void> = Effect.suspend(() => {
    this.push(this.options.unread)
    const loop: Effect.Effect<never, QueryError> = Effect.flatMap(this.options.connection.pull, (chunks) => {
      this.push(chunks)
      if (this.dead !== undefined) return Effect.fail(this.dead)
      const wait = this.queue[this.head]?.backpressure()
      return wait === undefined ? loop : Effect.flatMap(wait, () => loop)
    })
    return Effect.catchCause(loop, (cause) => Effect.sync(() => this.die(toError(cause))))
  })

  private push(chunks: ReadonlyArray<Uint8Array>): void {
    try {
      for (const chunk of chunks) this.parser.push(chunk)
    } catch (thrown) {
      this.die(ProtocolError.fromThrown(thrown))
    }
  }

  private feed(bytes: Uint8Array, start: number, end: number): void {
    const tag = bytes[start]!
    const exchange = this.queue[this.head]
    if (exchange !== undefined) {
      const next = nextState(exchange, tag)
      if (next !== unexpected) {
        if (tag === dataRow) return exchange.onDataRow(bytes, start, end)
        if (tag === copyData) return exchange.onCopyData(bytes, start, end)
        const message = this.read(bytes, start, end)
        exchange.state = next
        if (tag === readyForQuery) {
          this.status = (message as Backend.ReadyForQuery).status
          this.dequeue()
          this.end(exchange)
        } else if (tag === errorResponse) {
          exchange.onError(ServerError.fromFields((message as Backend.ErrorResponse).fields))
        } else {
          exchange.onMessage(message)
        }
        return
      }
    }
    if (asynchronous.has(tag)) return this.options.onAsynchronous(this.read(bytes, start, end) as Asynchronous)
    const message = this.read(bytes, start, end)
    // An error that nobody asked for is the server's last word, such as that it is shutting down.
    if (message._tag === "ErrorResponse") return this.die(ServerError.fromFields(message.fields))
    const where = exchange === undefined ? "between exchanges" : `in the state ${stateName(exchange.state)}`
    throw ProtocolError.reason(
      "MessageUnexpected",
      message._tag,
      "",
      0,
      `a message that may come ${where}`,
      message._tag
    )
  }

  private dequeue(): void {
    this.head++
    // Shifting would cost as much as the queue is long.
    if (this.head === this.queue.length || this.head === 1024) {
      this.queue.splice(0, this.head)
      this.head = 0
    }
  }

  private end(exchange: Exchange): void {
    exchange.onEnd()
    const ended = this.onEnded.get(exchange)
    if (ended !== undefined) {
      this.onEnded.delete(exchange)
      ended()
    }
  }

  /** Queues an exchange. It is sent at the end of this tick, together with what else was submitted until then. */
  submit(exchange: Exchange, write: WriteFrames): void {
    if (this.dead !== undefined) {
      exchange.onError(this.dead)
      exchange.onEnd()
      return
    }
    this.pending.push({ exchange, write })
    this.scheduleFlush()
  }

  private scheduleFlush(): void {
    if (this.flushScheduled || this.writing || this.held) return
    this.flushScheduled = true
    void Promise.resolve().then(() => {
      this.flushScheduled = false
      this.flush()
    })
  }

  private flush(): void {
    if (this.writing || this.held || this.dead !== undefined) return
    const pending = this.pending
    if (pending.length === 0) return
    this.pending = []
    for (const { exchange, write } of pending) {
      const mark = this.out.position
      try {
        write(this.out)
        this.queue.push(exchange)
      } catch (thrown) {
        this.out.rewind(mark)
        exchange.onError(fromThrown(thrown))
        exchange.onEnd()
      }
    }
    if (this.out.size === 0) return
    this.writing = true
    Effect.runFork(Effect.onExit(this.options.connection.write(this.out.take()), (exit) =>
      Effect.suspend(() => {
        this.writing = false
        if (Exit.isSuccess(exit)) {
          this.flush()
          return Effect.void
        }
        // What broke the line is better known to the reader, to whom the server's last words may be on their way.
        return Effect.delay(Effect.sync(() => this.die(toError(exit.cause))), lastWords)
      })))
  }

  /** Sends bytes of the exchange at the head, between flushes: the data of a COPY. */
  readonly writeData = (bytes: Uint8Array): Effect.Effect<void, QueryError> =>
    Effect.suspend(() => this.dead !== undefined ? Effect.fail(this.dead) : this.options.connection.write(bytes))

  /**
   * Lets go of an exchange that nobody waits for any more, and waits until that is safe.
   *
   * What was not sent is forgotten. What runs alone is cancelled on the server and drained. What has neighbours behind it
   * on the line is only drained: a cancel request could hit one of them instead.
   */
  readonly abandon = (exchange: Exchange): Effect.Effect<void> =>
    Effect.suspend(() => {
      const waiting = this.pending.findIndex((pending) => pending.exchange === exchange)
      if (waiting >= 0) {
        this.pending.splice(waiting, 1)
        return Effect.void
      }
      if (exchange.state === states.Ended || this.dead !== undefined) return Effect.void
      exchange.abandoned = true
      const isAlone = this.queue[this.head] === exchange && this.queue.length - this.head === 1
      if (!isAlone || this.held) return Effect.void
      this.held = true
      // A request that comes before the server has read the statement does nothing: it is repeated until the end is there.
      const untilEnded: Effect.Effect<void> = Effect.suspend(() =>
        exchange.state === states.Ended || this.dead !== undefined
          ? Effect.void
          : this.options.cancel.pipe(
            Effect.andThen(Effect.timeoutOption(this.ended(exchange), patience)),
            Effect.andThen(untilEnded)
          )
      )
      return untilEnded.pipe(
        Effect.timeoutOrElse({
          duration: this.options.cancelTimeout,
          // A session that may still be hit by a cancel request is of no use to anyone.
          orElse: () =>
            Effect.sync(() =>
              this.die(TransportError.fromReason(
                new TransportError.Unresponsive({
                  wanted: "end of a cancelled statement",
                  milliseconds: this.options.cancelTimeout
                })
              ))
            )
        }),
        Effect.andThen(Effect.sync(() => {
          this.held = false
          this.scheduleFlush()
        }))
      )
    })

  /** Waits until the exchange has ended. */
  readonly ended = (exchange: Exchange): Effect.Effect<void> =>
    Effect.callback<void>((resume) => {
      if (exchange.state === states.Ended || this.dead !== undefined) return resume(Effect.void)
      this.onEnded.set(exchange, () => resume(Effect.void))
      return Effect.sync(() => this.onEnded.delete(exchange))
    })

  /** The exchange that the server is busy with. */
  current(): Exchange | undefined {
    return this.queue[this.head]
  }

  /** Ends everything with this error, which every later use is told too. The first death is the one that counts. */
  die(error: QueryError): void {
    if (this.dead !== undefined) return
    const last = this.queue[this.head]?.error()
    // A fatal error came as the answer to an exchange; the end of the line behind it is only its consequence.
    this.dead = last?._tag === "ServerError" && last.isFatal ? last : error
    const exchanges = [...this.queue.splice(0).slice(this.head), ...this.pending.map(({ exchange }) => exchange)]
    this.head = 0
    this.pending = []
    for (const exchange of exchanges) {
      exchange.onError(this.dead)
      exchange.state = states.Ended
      this.end(exchange)
    }
  }
}

const nextState = (exchange: Exchange, tag: number): number => {
  const next = table[exchange.state]![tag]!
  // Hyper may end a cancelled statement without a word: after some rows comes ReadyForQuery, and neither an error nor a
  // CommandComplete (measured).
  return next === unexpected && tag === readyForQuery && exchange.abandoned ? states.Ended : next
}

const toError = (cause: Cause.Cause<QueryError>): QueryError => {
  const failure = cause.reasons.find(Cause.isFailReason)
  if (failure !== undefined) return failure.error
  return TransportError.fromReason(
    Cause.hasDies(cause)
      ? new TransportError.ReadFailed({ cause: Cause.squash(cause) })
      : new TransportError.Closed({ by: "local" })
  )
}

/** What writing frames may throw: a value that does not fit, or a text that may not be on the wire. */
const fromThrown = (thrown: unknown): QueryError =>
  ProtocolError.isReason(thrown) ? ProtocolError.fromThrown(thrown) : ValueError.fromThrown(thrown)
