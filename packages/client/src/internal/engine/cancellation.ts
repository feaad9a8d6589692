/**
 * Cancels abandoned exchanges, those whose fibers were interrupted.
 *
 * The protocol can only cancel whatever a session is executing when the request arrives. An exchange that is abandoned
 * while the server executes it is cancelled, under rules that protect the other exchanges from the request:
 *
 * - While an abandoned exchange is being cancelled nothing is written, so that no further exchange is queued behind it;
 *   the server would not start on it anyway. A request is complete when the server has closed its connection: by then
 *   the backend has been signalled, and exchanges that arrive later are not affected. If a request is not confirmed in
 *   time, the session is closed, since the request may still take effect.
 * - Exchanges may already have been written behind the abandoned one. They are exposed to the request if the abandoned
 *   one completes at the same moment. So a request is sent only if all of them are statements that the server rolls
 *   back as a whole when cancelled, outside of a transaction. An abandoned exchange with others behind it first gets a
 *   short time to complete.
 * - Where that is not certain (a stream, a COPY, a procedure, several statements in one text, a transaction) no request
 *   is sent, and the rest of the abandoned exchange is drained.
 * - An exposed statement that ends with `query_canceled` is run again while a request is unaccounted for: the abandoned
 *   exchange did not end because of it, and it was confirmed at most {@link exposureTime} ago. Otherwise it has another
 *   cause, such as `statement_timeout` or an administrator, and the caller gets the error; it is retryable, because the
 *   statement was rolled back.
 * - An exposed statement whose commit waits for a synchronous standby is not rolled back: a request only ends the wait,
 *   and the server answers it with a warning. It fails with that, as a promoted standby may not have it.
 * - Each cancelled exchange has its own deadline, and exchanges that the server answers within a moment are not
 *   cancelled: one request is enough for any number of short statements.
 * - Where no request can be made (no key, the port cannot be reached) cancelling has no effect: the response is awaited
 *   without a deadline, and the session with everything on it stays open.
 *
 * @internal
 */
import type * as Backend from "@hyperfect/protocol/Backend"
import * as ErrorField from "@hyperfect/protocol/ErrorField"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as ServerError from "../../ServerError.ts"
import * as timing from "../session/timing.ts"
import { type Exchange, exposures, states } from "./exchange.ts"
import { type ExchangeQueue, unresponsive } from "./queue.ts"
import type { Writer } from "./writer.ts"

/**
 * Opens a connection for a cancel request. The inner effect sends the request, and ends when the server has closed the
 * connection.
 */
export type OpenCancelRequest = Effect.Effect<Effect.Effect<void, unknown>, unknown, Scope.Scope>

/** The routine of the server that warns of a wait for a synchronous standby which was ended by a request. */
const standbyWait = "SyncRepWaitForLSN"

/** @internal */
export interface CancellationOptions {
  /** Absent if the server sent no key to cancel with. */
  readonly openCancelRequest: OpenCancelRequest | undefined
  /** Milliseconds allowed for a request, and for the end of the exchange that it cancels. */
  readonly cancelTimeout: number
  /** Runs background work of the session, until it is closed. */
  readonly fork: (effect: Effect.Effect<unknown>) => void
}

/** @internal */
export class Cancellation {
  private readonly queue: ExchangeQueue
  private readonly writer: Writer
  private readonly options: CancellationOptions
  /** True while an abandoned exchange is being cancelled. */
  private isCancelling = false
  /** True if waiting for the end of an exchange timed out, until something arrives. */
  isLate = false
  /**
   * An exchange in flight that is not abandoned and must not be hit. Until it has ended the check need not be repeated.
   */
  private obstacle: Exchange | undefined
  /** True if a request was sent that may have missed the exchange that it was meant for. */
  private isUnaccounted = false
  /** The number of requests sent for the current exchange, and whether the last of them is unconfirmed. */
  private requests = 0
  private isRequesting = false

  constructor(queue: ExchangeQueue, writer: Writer, options: CancellationOptions) {
    this.queue = queue
    this.writer = writer
    this.options = options
  }

  /**
   * Abandons an exchange that no caller waits for any more, and waits briefly for its end.
   *
   * An exchange that was not sent is dropped. If the server is executing it, it is cancelled where that can do no harm,
   * and drained.
   */
  readonly abandon = (exchange: Exchange): Effect.Effect<void> =>
    Effect.suspend(() => (this.queue.withdraw(exchange) ? Effect.void : this.abandonSent(exchange)))

  /** As {@link abandon}, but an exchange that was not sent yet is still sent. */
  readonly abandonSent = (exchange: Exchange): Effect.Effect<void> =>
    Effect.suspend(() => {
      if (exchange.state === states.Ended) return Effect.void
      this.queue.markAbandoned(exchange)
      this.cancelAbandoned()
      const isNext = this.queue.current() === exchange || this.queue.areAllAbandoned
      return this.isCancelling && isNext ? this.settle(exchange) : Effect.void
    })

  /**
   * Waits briefly for the end of an exchange. A background fiber closes the session if the end does not come in time.
   */
  readonly awaitEnd = (exchange: Exchange, wanted: string): Effect.Effect<void> =>
    Effect.suspend(() => {
      this.options.fork(Effect.andThen(this.queue.awaitTurn(exchange), this.awaitEndOrClose(exchange, wanted)))
      return this.settle(exchange)
    })

  /** Waits a moment for the end of an exchange, unless such a wait has timed out and nothing has arrived since. */
  private readonly settle = Effect.fnUntraced({ self: this }, function*(exchange: Exchange) {
    if (this.isLate) return
    const ended = yield* Effect.timeoutOption(this.queue.whenEnded(exchange), timing.abandonGrace)
    if (ended._tag === "None") this.isLate = true
  })

  /** Waits until the exchange has ended, and closes the session on a timeout. */
  readonly awaitEndOrClose = (exchange: Exchange, wanted: string): Effect.Effect<void> =>
    this.closeOnTimeout(this.queue.whenEnded(exchange), wanted)

  /** Closes the session if the effect takes longer than the cancel timeout. */
  private closeOnTimeout(effect: Effect.Effect<void>, wanted: string): Effect.Effect<void> {
    const milliseconds = this.options.cancelTimeout
    return Effect.timeoutOrElse(effect, {
      duration: milliseconds,
      orElse: () => Effect.sync(() => this.queue.close(unresponsive(wanted, milliseconds)))
    })
  }

  /** Asks the server to cancel the statement that it is executing. */
  readonly cancelCurrent: Effect.Effect<void> = Effect.suspend(() =>
    this.queue.current() === undefined ? Effect.void : this.requestAtOnce
  )

  private readonly requestAtOnce: Effect.Effect<void> = Effect.suspend(() =>
    Effect.ignoreCause(Effect.scoped(Effect.flatten(this.options.openCancelRequest ?? Effect.succeed(Effect.void))))
  )

  /** Asks the server at the end of the session to cancel an abandoned exchange for which no request was sent. */
  get lastRequest(): Effect.Effect<void> {
    const isDue = this.queue.current()?.abandoned === true && !(this.isCancelling && this.requests > 0)
    return isDue ? this.requestAtOnce : Effect.void
  }

  /** True if the server is executing an abandoned exchange, and a request cannot harm other exchanges. */
  private mayCancel(): boolean {
    if (this.options.openCancelRequest === undefined || this.queue.current()?.abandoned !== true) return false
    if (this.queue.areAllAbandoned) return true
    if (this.queue.status !== "I") return false
    const { obstacle } = this
    if (obstacle !== undefined && obstacle.state !== states.Ended && !obstacle.abandoned) return false
    const all = this.queue.written()
    this.obstacle = all.find((exchange, i) => !mayBeHit(exchange, i === all.length - 1))
    return this.obstacle === undefined
  }

  /** Cancels the exchange that the server is executing, and those behind it, as long as they are abandoned. */
  cancelAbandoned(): void {
    if (this.isCancelling || !this.mayCancel()) return
    this.isCancelling = true
    this.writer.hold()
    this.options.fork(Effect.ensuring(
      this.cancelAll,
      Effect.sync(() => {
        this.isCancelling = false
        this.writer.release()
        // Covers exchanges that were abandoned in the last step.
        this.cancelAbandoned()
      })
    ))
  }

  private readonly cancelAll: Effect.Effect<void> = Effect.gen({ self: this }, function*() {
    for (let isFirst = true; this.mayCancel(); isFirst = false) {
      const current = this.queue.current()!
      const isAlone = this.queue.areAllAbandoned
      if (!(isFirst && isAlone)) {
        yield* Effect.timeoutOption(this.queue.whenEnded(current), isAlone ? timing.briefDelay : timing.cancelDelay)
      }
      if (current.state !== states.Ended) yield* this.cancel(current)
    }
  })

  /** Cancels one exchange. Sending the request may take any time; once it is sent, a timeout closes the session. */
  private readonly cancel = Effect.fnUntraced({ self: this }, function*(exchange: Exchange) {
    this.requests = 0
    const isDue = () => exchange.state !== states.Ended && this.mayCancel()
    for (
      let pause: number = timing.cancelRetryInterval;
      isDue();
      pause = Math.min(2 * pause, timing.maxCancelBackoff)
    ) {
      yield* this.request(exchange)
      if (this.requests > 0) break
      yield* Effect.timeoutOption(this.queue.whenEnded(exchange), pause)
    }
    // A request that arrives before the server has read the statement does nothing.
    const untilEnded = Effect.gen({ self: this }, function*() {
      while (isDue()) {
        yield* Effect.timeoutOption(this.queue.whenEnded(exchange), timing.cancelRetryInterval)
        yield* this.request(exchange)
      }
    })
    yield* this.closeOnTimeout(untilEnded, "end of a cancelled statement")
  })

  /** Sends a request, unless the exchange ends before the connection for it is open. */
  private request(exchange: Exchange): Effect.Effect<void> {
    const { cancelTimeout, openCancelRequest } = this.options
    return Effect.scoped(Effect.gen({ self: this }, function*() {
      if (exchange.state === states.Ended) return
      const opened = yield* Effect.raceFirst(
        Effect.timeoutOption(openCancelRequest!, cancelTimeout),
        Effect.asSome(Effect.as(this.queue.whenEnded(exchange), undefined))
      )
      if (opened._tag === "None" || opened.value === undefined) return
      if (exchange.state === states.Ended || !this.mayCancel()) return
      this.requests++
      this.isRequesting = true
      this.expose()
      yield* this.closeOnTimeout(Effect.ignoreCause(opened.value), "confirmation of a cancel request")
      this.isRequesting = false
    })).pipe(Effect.ignoreCause)
  }

  /** Marks the exchanges that may be hit by mistake, from now until some time after the current exchange has ended. */
  private expose(): void {
    this.isUnaccounted = true
    const exposed = this.queue.written().filter(({ abandoned }) => !abandoned)
    if (exposed.length === 0) return
    for (const exchange of exposed) exchange.exposure = exposures.now
    const exchange = this.queue.current()!
    this.options.fork(Effect.gen({ self: this }, function*() {
      yield* this.queue.whenEnded(exchange)
      while (this.isRequesting) yield* Effect.sleep(timing.cancelDelay)
      // In several steps, so that a process that was suspended still has time to read the data that has arrived.
      for (let step = 0; step < 4; step++) yield* Effect.sleep(timing.exposureTime / 4)
      for (const exchange of exposed) exchange.exposure = exposures.before
    }))
  }

  /** Handles a notice that arrives while the server executes an exchange. */
  onNotice(exchange: Exchange, { fields }: Backend.NoticeResponse): void {
    if (exchange.exposure === exposures.none || exchange.abandoned) return
    if (ErrorField.get(fields, "routine") !== standbyWait) return
    exchange.isUnconfirmed = true
    exchange.onError(ServerError.fromFields(fields))
  }

  /** Ends an exchange that was removed from the queue, or submits it again; `state` is its state before the end. */
  end(exchange: Exchange, state: number): void {
    if (exchange.exposure !== exposures.none && !exchange.abandoned && this.wasHit(exchange, state)) {
      this.resubmit(exchange)
    } else {
      if (exchange.abandoned && wasCancelled(exchange, state)) {
        this.isUnaccounted = this.isRequesting && this.requests > 1
      }
      if (exchange.isUnconfirmed) exchange.sent = "unknown"
      this.queue.end(exchange)
    }
    // Abandoned while it was not the first.
    if (this.queue.current()?.abandoned === true) this.cancelAbandoned()
  }

  /** True if one of our requests has hit an exposed exchange by mistake. */
  private wasHit(exchange: Exchange, state: number): boolean {
    if (this.queue.status !== "I" || !wasCancelled(exchange, state)) return false
    // Only a request of ours makes a response incomplete.
    if (exchange.error() === undefined) return true
    const isHit = exchange.exposure === exposures.now && this.isUnaccounted
    if (isHit) this.isUnaccounted = false
    return isHit
  }

  /** Submits again, ahead of all others, an exchange that the server has rolled back. */
  private resubmit(exchange: Exchange): void {
    exchange.exposure = exposures.none
    exchange.sent = "nothing"
    exchange.restart()
    this.queue.addFirst([exchange])
    this.writer.schedule()
  }
}

/** True if a request meant for an earlier exchange does this one no harm. */
const mayBeHit = (exchange: Exchange, isLast: boolean): boolean => {
  const kind = exchange.statementKind()
  // The exchanges behind it would be in its transaction.
  if ((kind === "begin" || kind === "open") && !isLast) return false
  return exchange.abandoned || (exchange.canRestart && (kind === "begin" || kind === "repeatable"))
}

const wasCancelled = (exchange: Exchange, state: number): boolean => {
  const error = exchange.error()
  return error === undefined
    // Hyper can end a cancelled statement without an error.
    ? state !== states.Ending && state !== states.Queried
    : error._tag === "ServerError" && error.reason._tag === "QueryCanceled"
}
