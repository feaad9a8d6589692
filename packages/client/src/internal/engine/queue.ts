/**
 * The exchanges of a session, in the order in which they are submitted, written and answered.
 *
 * @internal
 */
import type * as Backend from "@hyperfect/protocol/Backend"
import * as TransportError from "@hyperfect/transport/TransportError"
import * as Effect from "effect/Effect"
import type { Failure } from "../../QueryError.ts"
import { lastWord } from "../session/queryError.ts"
import { type Exchange, type ExchangeError, states } from "./exchange.ts"

/** Errors that a server sends only if it has read nothing since its last response. */
const idleTimeouts: ReadonlySet<string> = new Set(["IdleSessionTimeout", "IdleInTransactionSessionTimeout"])

/** @internal */
export interface QueueOptions {
  readonly status: Backend.ReadyForQuery["status"]
  /** True if users of the session get another one when it is dead. */
  readonly isReplaceable: boolean
  /** Called when the queue has been closed. */
  readonly onClose: () => void
}

/** @internal */
export class ExchangeQueue {
  /** The transaction status after the last response. */
  status: Backend.ReadyForQuery["status"]
  /** The reason why nothing more can be sent. */
  closeReason: Failure | undefined = undefined
  /** Submitted, not written yet. */
  private pending: Array<Exchange> = []
  /** Written, in the order in which the server answers. */
  private readonly inFlight: Array<Exchange | undefined> = []
  private head = 0
  /** The number of abandoned exchanges in flight. */
  private abandonedCount = 0
  /** The number of pending exchanges that were withdrawn. They are skipped when their turn comes. */
  private withdrawnCount = 0
  /** Called when an exchange has ended. */
  private readonly endListeners = new Map<Exchange, Set<() => void>>()
  private readonly closeListeners = new Set<() => void>()
  private readonly options: QueueOptions

  constructor(options: QueueOptions) {
    this.options = options
    this.status = options.status
  }

  /** The exchange that the server is executing. */
  current(): Exchange | undefined {
    return this.inFlight[this.head]
  }

  /** The exchanges that are written and have not ended. */
  written(): ReadonlyArray<Exchange> {
    return this.inFlight.slice(this.head) as ReadonlyArray<Exchange>
  }

  /** The number of exchanges that have not ended. */
  get load(): number {
    return this.pending.length - this.withdrawnCount + this.inFlight.length - this.head
  }

  /** All exchanges that have not ended. */
  all(): ReadonlyArray<Exchange> {
    return [...this.written(), ...this.pending.filter(({ state }) => state !== states.Ended)]
  }

  /** Adds an exchange, or fails it if the queue is closed. */
  add(exchange: Exchange): void {
    if (this.closeReason === undefined) this.pending.push(exchange)
    else this.reject(exchange, this.closeReason)
  }

  /** Adds exchanges ahead of all others that are pending. */
  addFirst(exchanges: ReadonlyArray<Exchange>): void {
    this.pending = [...exchanges, ...this.pending]
  }

  /** Takes the pending exchanges, each of which is passed to {@link isOver} unless it is added again. */
  takePending(): ReadonlyArray<Exchange> {
    const taken = this.pending
    this.pending = []
    return taken
  }

  /** True if a taken exchange was withdrawn, or was failed because the queue has been closed meanwhile. */
  isOver(exchange: Exchange): boolean {
    if (exchange.state === states.Ended) this.withdrawnCount--
    else if (this.closeReason !== undefined) this.reject(exchange, this.closeReason)
    return exchange.state === states.Ended
  }

  /** Notes that an exchange has been written. */
  onWritten(exchange: Exchange): void {
    exchange.sent = "unknown"
    this.inFlight.push(exchange)
    if (exchange.abandoned) this.abandonedCount++
  }

  /** Notes that no caller waits for an exchange any more. */
  markAbandoned(exchange: Exchange): void {
    if (exchange.abandoned) return
    exchange.abandoned = true
    if (exchange.sent !== "nothing") this.abandonedCount++
  }

  /** True if all exchanges in flight are abandoned. */
  get areAllAbandoned(): boolean {
    return this.abandonedCount === this.inFlight.length - this.head
  }

  /** Fails an exchange of which nothing has been sent. */
  reject(exchange: Exchange, error: ExchangeError): void {
    exchange.onError(error)
    exchange.state = states.Ended
    this.end(exchange)
  }

  /** Withdraws an exchange that has not been sent. Returns false if it has. */
  withdraw(exchange: Exchange): boolean {
    if (exchange.sent !== "nothing" || exchange.state === states.Ended) return false
    exchange.state = states.Ended
    this.withdrawnCount++
    // Searching for each of n withdrawn exchanges would take quadratic time.
    if (this.withdrawnCount > 32 && 2 * this.withdrawnCount > this.pending.length) {
      this.pending = this.pending.filter(({ state }) => state !== states.Ended)
      this.withdrawnCount = 0
    }
    this.callEndListeners(exchange)
    return true
  }

  /** Removes the exchange that the server was executing. */
  shift(): void {
    if (this.current()?.abandoned === true) this.abandonedCount--
    this.inFlight[this.head++] = undefined
    if (this.head === this.inFlight.length) {
      this.inFlight.length = 0
      this.head = 0
    } else if (this.head === 1024) {
      // Shifting each time would take time proportional to the length of the queue.
      this.inFlight.splice(0, this.head)
      this.head = 0
    }
  }

  /** Ends an exchange that was removed. An observer of the fiber that waits for it may throw. */
  end(exchange: Exchange): void {
    try {
      exchange.onEnd()
    } catch (thrown) {
      this.close(readFailure({ _tag: "Defect", thrown }))
    }
    this.callEndListeners(exchange)
  }

  private callEndListeners(exchange: Exchange): void {
    const listeners = this.endListeners.size === 0 ? undefined : this.endListeners.get(exchange)
    if (listeners === undefined) return
    this.endListeners.delete(exchange)
    for (const listener of listeners) listener()
  }

  /** Waits until an exchange has ended, or the queue is closed. */
  whenEnded(exchange: Exchange): Effect.Effect<void> {
    return Effect.callback<void>((resume) => {
      if (exchange.state === states.Ended || this.closeReason !== undefined) return resume(Effect.void)
      const listener = () => resume(Effect.void)
      const listeners = this.endListeners.get(exchange)
      if (listeners === undefined) this.endListeners.set(exchange, new Set([listener]))
      else listeners.add(listener)
      return Effect.sync(() => {
        const left = this.endListeners.get(exchange)
        if (left?.delete(listener) === true && left.size === 0) this.endListeners.delete(exchange)
      })
    })
  }

  /** Waits until the queue is closed, and fails with the reason. */
  readonly whenClosed: Effect.Effect<never, Failure> = Effect.callback((resume) => {
    const listener = () => resume(Effect.fail(this.closeReason!))
    if (this.closeReason !== undefined) return listener()
    this.closeListeners.add(listener)
    return Effect.sync(() => this.closeListeners.delete(listener))
  })

  /**
   * Waits until all exchanges before this one have ended, which may take any time and does not count as the server
   * being late.
   */
  awaitTurn(exchange: Exchange): Effect.Effect<void> {
    return Effect.suspend(() => {
      const before = this.lastBefore(exchange)
      return before === undefined ? Effect.void : Effect.andThen(this.whenEnded(before), this.awaitTurn(exchange))
    })
  }

  /** The last exchange before this one. Searches from the end, where it was submitted. */
  private lastBefore(exchange: Exchange): Exchange | undefined {
    const { head, inFlight, pending } = this
    const at = pending.lastIndexOf(exchange)
    for (let i = at - 1; i >= 0; i--) if (pending[i]!.state !== states.Ended) return pending[i]
    const last = at >= 0 ? inFlight.length : inFlight.lastIndexOf(exchange)
    return last > head ? inFlight[last - 1] : undefined
  }

  /** Fails all exchanges with this error, and later ones too. Only the first call counts. */
  close(error: Failure): void {
    if (this.closeReason !== undefined) return
    const last = this.current()?.error()
    // The fatal error arrived as the response to an exchange; the end of the connection is only its consequence.
    const reason = last?._tag === "ServerError" && last.isFatal
      ? last
      : closedInFlight(error, this.inFlight.length - this.head)
    this.closeReason = this.options.isReplaceable ? reason : lastWord(reason)
    const provesIdle = reason._tag === "ServerError" && idleTimeouts.has(reason.reason._tag)
    const exchanges = [...this.written(), ...this.takePending()]
    this.inFlight.length = 0
    this.head = 0
    this.withdrawnCount = 0
    for (const exchange of exchanges) {
      if (exchange.state === states.Ended) continue
      if (provesIdle && exchange.sent === "unknown") exchange.sent = "nothing"
      // Of an answer that breaks off, not even the end of the statement tells whether it was committed.
      else if (exchange.sent === "all" && !isRefusal(exchange.error())) exchange.sent = "unknown"
      this.reject(exchange, this.closeReason)
    }
    for (const listener of this.closeListeners) listener()
    this.options.onClose()
  }
}

/** True if the server has refused a statement, and so has not committed it. */
const isRefusal = (error: ExchangeError | undefined): boolean => error?._tag === "ServerError" && !error.isFatal

/** Returns the failure of a session whose server did not respond in time. */
export const unresponsive = (wanted: string, milliseconds: number): TransportError.TransportError =>
  TransportError.fromReason(new TransportError.Unresponsive({ wanted, milliseconds }))

/**
 * Adds the number of exchanges in flight to the error of a closed connection: some poolers close clients that pipeline.
 */
const closedInFlight = (error: Failure, inFlight: number): Failure =>
  inFlight > 1 && error._tag === "TransportError" && error.reason._tag === "Closed" && error.reason.by === "peer"
    ? TransportError.fromReason(new TransportError.Closed({ by: "peer", inFlight }))
    : error

/** Returns the failure of a session whose reader threw. */
export const readFailure = (error: ExchangeError): Failure =>
  error._tag === "Defect" ? TransportError.fromReason(new TransportError.ReadFailed({ cause: error.thrown })) : error
