/**
 * The engine of a session: one queue of exchanges, one reader, one write at a time.
 *
 * Exchanges are sent in the order they are submitted, those of one tick in one write, and their answers come in the same
 * order. What is submitted behind one that goes on writing, such as the data of a COPY, waits for its last word. One fiber
 * pulls chunks and feeds messages to the head of the queue by plain function calls. The first thing that breaks the line
 * or the protocol kills the engine: every exchange that waits, and every later one, fails with it.
 *
 * @internal
 */
import * as Backend from "@hyperfect/protocol/Backend"
import * as ByteWriter from "@hyperfect/protocol/ByteWriter"
import * as Frame from "@hyperfect/protocol/Frame"
import * as Frontend from "@hyperfect/protocol/Frontend"
import * as ProtocolError from "@hyperfect/protocol/ProtocolError"
import type { Connection } from "@hyperfect/transport/Connection"
import * as Direct from "@hyperfect/transport/Direct"
import * as TransportError from "@hyperfect/transport/TransportError"
import * as ValueError from "@hyperfect/values/ValueError"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { type Failure, UnsupportedError } from "../QueryError.ts"
import * as ServerError from "../ServerError.ts"
import { Canceller, grace, wasHit } from "./cancelling.ts"
import { type Copies, type Exchange, makeTable, stateName, states, unexpected, type WriteFrames } from "./exchange.ts"
import * as MessageReader from "./messageReader.ts"
import { tagOf } from "./messageReader.ts"
import { ofCommand, type Traces, traces } from "./traces.ts"

/** What may come at any time, whatever is going on (protocol, section "Asynchronous Operations"). */
export type Asynchronous = Backend.NoticeResponse | Backend.ParameterStatus | Backend.NotificationResponse

/** What is chained to it runs when the present step of the program is over. */
const endOfTick = Promise.resolve()

/** How long the reader has for the server's last words after a write has failed. */
const lastWords = "100 millis"

/** How often it is looked whether a server is silent, in the time that it may be. */
const looks = 4

const table = makeTable(tagOf)
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

const copyFail = Frontend.encodeUnsafe({ _tag: "CopyFail", message: "the client has no data for it" })
const copyFailSync = Uint8Array.of(...copyFail, ...Frontend.encodeUnsafe({ _tag: "Sync" }))
const copyDone = Frontend.encodeUnsafe({ _tag: "CopyDone" })

/** @internal */
export interface Options {
  readonly connection: Connection
  readonly server: "hyper" | "postgres"
  /** What was read ahead of the end of the log-in. */
  readonly unread: ReadonlyArray<Uint8Array>
  readonly status: Backend.ReadyForQuery["status"]
  readonly onAsynchronous: (message: Asynchronous) => void
  /** Called when the session has died. */
  readonly onDeath: () => void
  /** Asks the server, on another connection, to cancel what this session is doing; done when the server has done it. */
  readonly cancel: Effect.Effect<void>
  /** Milliseconds after which a cancelled exchange has to be over. */
  readonly cancelTimeout: number
  /** Milliseconds that the server may be silent while it owes an answer. */
  readonly silenceTimeout: number | undefined
  /** Runs what the session has to see to by itself, until it is closed. */
  readonly fork: (effect: Effect.Effect<unknown>) => void
  /** Runs what must not be broken off: half a message is none. */
  readonly detach: (effect: Effect.Effect<unknown>) => void
}

/** @internal */
export class Engine {
  status: Backend.ReadyForQuery["status"]
  /** Why nothing more can be sent. */
  dead: Failure | undefined
  /** Called when the session has died. */
  onDeath: (() => void) | undefined
  /** Called with each notification, in the step in which it comes. */
  onNotification: ((notification: Backend.NotificationResponse) => void) | undefined
  /** What the statements of the session have left in it. */
  traces: Traces = traces.none
  private readonly options: Options
  private readonly parser: Frame.Parser
  private readonly read: (bytes: Uint8Array, start: number, end: number) => Backend.Message
  private readonly send: Direct.Send
  private readonly out = ByteWriter.make()
  /** Submitted, not written yet. */
  private pending: Array<Exchange> = []
  /** Written; the server answers them in this order. */
  private readonly queue: Array<Exchange | undefined> = []
  private head = 0
  private flushScheduled = false
  private writing = false
  /** Who has more to write, behind its frames. */
  private dialogue: Exchange | undefined
  private readonly canceller: Canceller
  /** Since somebody looked, something has come. */
  private hasHeard = false
  /** Nothing is read until somebody has room for it. */
  private isWaiting = false
  /** Called whenever an exchange has ended. */
  private readonly onEnded = new Set<() => void>()

  constructor(options: Options) {
    this.options = options
    this.status = options.status
    this.send = Direct.sender(options.connection)
    this.canceller = new Canceller({
      request: options.cancel,
      fork: options.fork,
      onLine: () => this.queue.slice(this.head) as ReadonlyArray<Exchange>,
      isIdle: () => this.status === "I",
      ended: (exchange) => this.ended(exchange),
      within: (effect, wanted) => this.within(effect, wanted),
      release: () => this.scheduleFlush()
    })
    this.read = MessageReader.make()
    this.parser = Frame.makeParser(Backend.limits(), (bytes, start, end) => this.feed(bytes, start, end))
  }

  /** Gives up a server that says nothing although it owes an answer. */
  readonly watch: Effect.Effect<void> = Effect.suspend(() => {
    const { silenceTimeout: milliseconds } = this.options
    if (milliseconds === undefined) return Effect.void
    let quiet = 0
    const look: Effect.Effect<void> = Effect.suspend(() => {
      quiet = this.isOwed() && !this.hasHeard ? quiet + 1 : 0
      this.hasHeard = false
      if (this.dead !== undefined) return Effect.void
      if (quiet <= looks) return next
      const wanted = "sign of life"
      this.die(TransportError.fromReason(new TransportError.Unresponsive({ wanted, milliseconds })))
      return Effect.void
    })
    const next = Effect.flatMap(Effect.sleep(milliseconds / looks), () => look)
    return next
  })

  /** Whether it is the server's turn to say something. */
  private isOwed(): boolean {
    const exchange = this.current()
    return exchange !== undefined && !this.isWaiting && exchange.state !== states.CopyingIn &&
      exchange.state !== states.Suspended
  }

  /** Reads for as long as the line lives. Never succeeds; its failure has killed the engine already. */
  readonly run: Effect.Effect<void> = Effect.suspend(() => {
    this.push(this.options.unread)
    let wait: Effect.Effect<void> | undefined
    const pull = Direct.pullWhile(this.options.connection, (chunks) => {
      this.push(chunks)
      wait = this.queue[this.head]?.backpressure()
      return wait === undefined && this.dead === undefined
    })
    const loop: Effect.Effect<never, Failure> = Effect.flatMap(pull, () => {
      if (this.dead !== undefined) return Effect.fail(this.dead)
      if (wait === undefined) return loop
      this.isWaiting = true
      return Effect.flatMap(wait, () => {
        this.isWaiting = false
        return loop
      })
    })
    return Effect.catchCause(loop, (cause) => Effect.sync(() => this.die(toError(cause))))
  })

  private push(chunks: ReadonlyArray<Uint8Array>): void {
    this.hasHeard = true
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
        if (message._tag === "ErrorResponse") this.fail(exchange, ServerError.fromFields(message.fields))
        else exchange.sent = "all"
        if (tag === copyInResponse) this.checkCopy(exchange, "in")
        else if (tag === copyOutResponse) this.checkCopy(exchange, "out")
        else if (tag === copyBothResponse) this.checkCopy(exchange, "both")
        const state = exchange.state
        exchange.state = next
        if (message._tag === "ReadyForQuery") {
          // Hyper forgets that a transaction has failed with the next statement of the extended protocol, and would go on
          // to commit what the failed statement had done until then (measured).
          if (this.status !== "E" || message.status !== "T" || this.options.server !== "hyper") {
            this.status = message.status
          }
          this.dequeue()
          if (exchange.isExposed && this.status === "I" && wasHit(exchange, state)) this.repeat(exchange)
          else this.end(exchange)
        } else if (tag !== errorResponse) {
          if (message._tag === "CommandComplete") this.leave(ofCommand(message.commandTag))
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

  private fail(exchange: Exchange, error: ServerError.ServerError): void {
    // A server that goes away may have said so before it read anything of the exchange.
    if (!error.isFatal) exchange.sent = "all"
    exchange.onError(error)
  }

  /** Ends a COPY that its exchange is not there for. */
  private checkCopy(exchange: Exchange, kind: Copies): void {
    if (exchange.copies === kind) return
    exchange.onError(new UnsupportedError({ feature: "COPY in a query", server: this.options.server }))
    if (kind === "out") return
    // A server that replicates ends the session on CopyFail.
    if (kind === "both") return this.conclude(exchange, copyDone)
    // The Sync behind the Execute has been dropped as something that may stand between the data.
    this.conclude(exchange, exchange.state === states.Executing ? copyFailSync : copyFail)
  }

  private dequeue(): void {
    this.release(this.queue[this.head]!)
    this.queue[this.head++] = undefined
    if (this.head === this.queue.length) {
      this.queue.length = 0
      this.head = 0
    } else if (this.head === 1024) {
      // Shifting each time would cost as much as the queue is long.
      this.queue.splice(0, this.head)
      this.head = 0
    }
    // Abandoned while it had somebody before it.
    if (this.queue[this.head]?.abandoned === true) this.canceller.clear()
  }

  private end(exchange: Exchange): void {
    exchange.onEnd()
    for (const ended of this.onEnded) ended()
  }

  /** Queues an exchange. It is sent at the end of this tick, together with what else was submitted until then. */
  submit(exchange: Exchange, write: WriteFrames): void {
    if (this.dead !== undefined) return this.refuse(exchange, this.dead)
    exchange.frames = write
    this.pending.push(exchange)
    this.scheduleFlush()
  }

  /** Ends an exchange of which nothing has been sent. */
  private refuse(exchange: Exchange, error: Failure): void {
    exchange.onError(error)
    exchange.state = states.Ended
    exchange.onEnd()
  }

  /** Whether what is submitted has to wait. */
  private get isHeld(): boolean {
    return this.writing || this.dialogue !== undefined || this.canceller.isHolding
  }

  private scheduleFlush(): void {
    if (this.flushScheduled || this.isHeld) return
    this.flushScheduled = true
    void endOfTick.then(this.onEndOfTick)
  }

  private readonly onEndOfTick = (): void => {
    this.flushScheduled = false
    this.flush()
  }

  private flush(): void {
    if (this.isHeld || this.dead !== undefined) return
    const pending = this.pending
    if (pending.length === 0) return
    this.pending = []
    for (let i = 0; i < pending.length; i++) {
      const exchange = pending[i]!
      // Somebody who was told of an error may have closed the session meanwhile.
      if (this.dead !== undefined) {
        this.refuse(exchange, this.dead)
        continue
      }
      const mark = this.out.position
      try {
        exchange.frames!(this.out)
        exchange.sent = "unknown"
        this.queue.push(exchange)
        if (exchange.isDialogue) {
          this.dialogue = exchange
          this.pending = [...pending.slice(i + 1), ...this.pending]
          break
        }
      } catch (thrown) {
        this.out.rewind(mark)
        this.refuse(exchange, fromThrown(thrown))
      }
    }
    if (this.out.size === 0 || this.dead !== undefined) return
    const bytes = this.out.take()
    if (this.send(bytes)) return
    this.writing = true
    this.options.detach(Effect.map(Effect.exit(this.write(bytes)), (exit) => {
      this.writing = false
      if (Exit.isSuccess(exit)) this.flush()
    }))
  }

  /** What broke the line is better known to the reader, to whom the server's last words may be on their way. */
  private readonly write = (bytes: Uint8Array): Effect.Effect<void, Failure> =>
    Effect.catchCause(this.options.connection.write(bytes), (cause) =>
      Effect.flatMap(Effect.sleep(lastWords), () => {
        this.die(toError(cause))
        return Effect.fail(this.dead!)
      }))

  /**
   * Sends bytes of the exchange at the head, between flushes: the data of a COPY. They are handed to the line in one step,
   * so that an interruption, or the farewell of the session, cannot come in between.
   */
  readonly writeData = (...parts: ReadonlyArray<Uint8Array>): Effect.Effect<void, Failure> =>
    Effect.suspend(() =>
      this.dead !== undefined
        ? Effect.fail(this.dead)
        : Effect.forEach(parts, this.write, { concurrency: "unbounded", discard: true })
    )

  /** Sends the last of what an exchange says behind its frames, whatever becomes of the fiber that has it sent. */
  conclude(exchange: Exchange, bytes: Uint8Array): void {
    this.options.detach(Effect.ignore(this.writeData(bytes)))
    this.release(exchange)
  }

  /** Lets others write behind an exchange. */
  private release(exchange: Exchange): void {
    if (exchange !== this.dialogue) return
    this.dialogue = undefined
    this.scheduleFlush()
  }

  /** Ends a COPY for which there is no more data, so that whatever is sent behind it is not taken for data. */
  readonly failCopy = (exchange: Exchange, message: string): Effect.Effect<void> =>
    Effect.suspend(() => {
      if (this.withdraw(exchange) || exchange.state === states.Ended) return Effect.void
      this.conclude(exchange, Frontend.encodeUnsafe({ _tag: "CopyFail", message }))
      // Before it has begun, that waits for it on the line, and is dropped by the server when the COPY is refused.
      return exchange.state === states.CopyingIn
        ? this.seeOff(exchange, "end of a failed COPY")
        : this.forsake(exchange)
    })

  /** Takes back an exchange that has not been sent; false when it has. */
  withdraw(exchange: Exchange): boolean {
    const waiting = this.pending.indexOf(exchange)
    if (waiting >= 0) this.pending.splice(waiting, 1)
    return waiting >= 0
  }

  /**
   * Lets go of an exchange that nobody waits for any more, and waits for its end if that is near.
   *
   * What was not sent is forgotten. What the server is busy with is cancelled, where that can do no harm, and drained.
   */
  readonly abandon = (exchange: Exchange): Effect.Effect<void> =>
    Effect.suspend(() => (this.withdraw(exchange) ? Effect.void : this.forsake(exchange)))

  /** As {@link abandon}, but what was not sent yet will be. */
  readonly forsake = (exchange: Exchange): Effect.Effect<void> =>
    Effect.suspend(() => (exchange.state === states.Ended ? Effect.void : this.canceller.forsake(exchange)))

  /** Runs again what the server has undone, before all others. */
  private repeat(exchange: Exchange): void {
    exchange.isExposed = false
    exchange.sent = "nothing"
    exchange.restart()
    this.pending.unshift(exchange)
    this.scheduleFlush()
  }

  /** Gives the server up when it takes too long over something that it owes us whatever happens. */
  private within(effect: Effect.Effect<void>, wanted: string): Effect.Effect<void> {
    const milliseconds = this.options.cancelTimeout
    return Effect.timeoutOrElse(effect, {
      duration: milliseconds,
      orElse: () =>
        Effect.sync(() =>
          this.die(TransportError.fromReason(new TransportError.Unresponsive({ wanted, milliseconds })))
        )
    })
  }

  /** Waits for the end of an exchange if it is near; the session sees to it all the same. */
  readonly seeOff = (exchange: Exchange, wanted: string): Effect.Effect<void> =>
    Effect.suspend(() => {
      const all = [...this.queue.slice(this.head) as ReadonlyArray<Exchange>, ...this.pending]
      const before = all.slice(0, Math.max(0, all.indexOf(exchange)))
      // Until those have ended, which may take any time, it is not the server that is late.
      const turn = this.until(() => before.every(({ state }) => state === states.Ended))
      this.options.fork(Effect.andThen(turn, this.settle(exchange, wanted)))
      return Effect.timeoutOption(this.ended(exchange), grace)
    })

  /** Waits until the exchange has ended, but not for ever. */
  readonly settle = (exchange: Exchange, wanted: string): Effect.Effect<void> =>
    this.within(this.ended(exchange), wanted)

  private ended(exchange: Exchange): Effect.Effect<void> {
    return this.until(() => exchange.state === states.Ended)
  }

  /** Waits until something holds that the end of an exchange can bring about, or the session is dead. */
  private until(holds: () => boolean): Effect.Effect<void> {
    return Effect.callback<void>((resume) => {
      const check = () => {
        if (!holds() && this.dead === undefined) return
        this.onEnded.delete(check)
        resume(Effect.void)
      }
      this.onEnded.add(check)
      check()
      return Effect.sync(() => this.onEnded.delete(check))
    })
  }

  /** Notes what has been left in the session. */
  leave(traces: Traces): void {
    if (traces > this.traces) this.traces = traces
  }

  /** How many exchanges have not ended. */
  load(): number {
    return this.pending.length + this.queue.length - this.head
  }

  /** Asks the server to cancel what it is busy with. */
  readonly cancelCurrent: Effect.Effect<void> = Effect.suspend(() =>
    this.dead === undefined && this.current() !== undefined ? this.options.cancel : Effect.void
  )

  /** The exchange that the server is busy with. */
  current(): Exchange | undefined {
    return this.queue[this.head]
  }

  /** Ends everything with this error, which every later use is told too. The first death is the one that counts. */
  die(error: Failure): void {
    if (this.dead !== undefined) return
    const last = this.queue[this.head]?.error()
    // A fatal error came as the answer to an exchange; the end of the line behind it is only its consequence.
    this.dead = last?._tag === "ServerError" && last.isFatal ? last : error
    const exchanges = [...this.queue.splice(0), ...this.pending]
    this.head = 0
    this.pending = []
    for (const exchange of exchanges) {
      if (exchange === undefined) continue
      exchange.onError(this.dead)
      exchange.state = states.Ended
      this.end(exchange)
    }
    this.options.onDeath()
    this.onDeath?.()
  }
}

/** The engine of each session, which is a pool's business. */
export const engineOf = new WeakMap<object, Engine>()

const nextState = (exchange: Exchange, tag: number): number => {
  const next = table[exchange.state]![tag]!
  if (next !== unexpected || !(exchange.abandoned || exchange.isExposed)) return next
  // Of a cancelled statement Hyper's account can be out of order: ReadyForQuery behind rows, with neither an error nor a
  // CommandComplete in between, or CopyOutResponse twice (measured). Nobody reads it; what counts is where it ends.
  return tag === readyForQuery ? states.Ended : tag === copyOutResponse ? exchange.state : next
}

const toError = (cause: Cause.Cause<Failure>): Failure => {
  const failure = cause.reasons.find(Cause.isFailReason)
  if (failure !== undefined) return failure.error
  return Cause.hasDies(cause)
    ? TransportError.fromReason(new TransportError.ReadFailed({ cause: Cause.squash(cause) }))
    : TransportError.closed("local")
}

/** What writing frames may throw: a value that does not fit, or a text that may not be on the wire. */
const fromThrown = (thrown: unknown): Failure =>
  ProtocolError.isReason(thrown)
    ? ProtocolError.fromThrown(thrown)
    : ValueError.isReason(thrown)
    ? ValueError.fromThrown(thrown)
    // A mistake, which is nobody's business but this exchange's.
    : TransportError.fromReason(new TransportError.WriteFailed({ cause: thrown }))
