/**
 * How an exchange is cancelled that nobody waits for any more.
 *
 * The protocol can only cancel whatever a session is busy with when the request arrives. An exchange that is
 * abandoned while the server is busy with it is cancelled, and these rules keep the request from doing harm to another one:
 *
 * - While a request is under way nothing is written. It is over when the server has hung up on it, for then the server's
 *   process has been signalled, and what arrives there later is not concerned.
 * - Somebody may wait for what was written behind it before. That is hit if the abandoned one ends by itself in just this
 *   moment. So a request is sent only when all of them are statements that the server undoes as a whole when it is told to
 *   cancel them, outside of a transaction; whichever of them ends with `query_canceled`, although nobody cancelled it, is
 *   run again. An abandoned exchange that somebody else has to wait for is first given a little time to end by itself.
 * - Where that is not certain (a stream, a COPY, a procedure, several statements in one text, a transaction) there is no
 *   request, and the rest of the abandoned exchange is awaited.
 * - A session that the request may still hit after a while is given up.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import { type Exchange, states } from "./exchange.ts"

/** How long an abandoned exchange that others wait for may take to end by itself before it is cancelled. */
const respite = "20 millis"

/** How long who abandons an exchange waits for its end; the session sees to it all the same. */
export const grace = "1 second"

/** How long a cancelled statement may take to end before it is cancelled again. */
const patience = "200 millis"

/** What a canceller has to know of a session, and can do to it. */
interface Line {
  /** Asks the server to cancel what it is busy with; done when the server has done so. */
  readonly request: Effect.Effect<void>
  readonly fork: (effect: Effect.Effect<unknown>) => void
  /** What was written and has not ended. */
  readonly onLine: () => ReadonlyArray<Exchange>
  /** Whether no transaction was open after the last answer. */
  readonly isIdle: () => boolean
  /** Waits for the end of an exchange. */
  readonly ended: (exchange: Exchange) => Effect.Effect<void>
  /** Gives the session up when this takes too long. */
  readonly within: (effect: Effect.Effect<void>, wanted: string) => Effect.Effect<void>
  /** Writing may go on. */
  readonly release: () => void
}

/** @internal */
export class Canceller {
  /** Whether a request is under way, so that nothing may be written. */
  isHolding = false
  private readonly line: Line

  constructor(line: Line) {
    this.line = line
  }

  /** Nobody waits for an exchange any more that was written, or will be. */
  forsake(exchange: Exchange): Effect.Effect<void> {
    exchange.abandoned = true
    this.clear()
    return this.isHolding && this.isNext(exchange)
      ? Effect.timeoutOption(this.line.ended(exchange), grace)
      : Effect.void
  }

  /** Whether nobody waits for anything before it. */
  private isNext(exchange: Exchange): boolean {
    const all = this.line.onLine()
    const at = all.indexOf(exchange)
    return at >= 0 && all.slice(0, at).every(({ abandoned }) => abandoned)
  }

  /** Cancels what the server is busy with, as long as nobody waits for it. */
  clear(): void {
    if (this.isHolding || !mayCancel(this.line.onLine(), this.line.isIdle())) return
    this.isHolding = true
    this.line.fork(Effect.andThen(
      // A session that may still be hit by a request is of no use to anyone.
      this.line.within(this.untilClear, "end of a cancelled statement"),
      Effect.sync(() => {
        this.isHolding = false
        this.line.release()
      })
    ))
  }

  /** A request that comes before the server has read the statement does nothing: it is repeated until the end is there. */
  private readonly untilClear: Effect.Effect<void> = Effect.suspend(() => {
    const all = this.line.onLine()
    if (!mayCancel(all, this.line.isIdle())) return Effect.void
    const [current] = all
    const ended = this.line.ended(current!)
    return (isForsaken(all) ? Effect.void : Effect.timeoutOption(ended, respite)).pipe(
      Effect.andThen(this.request(current!)),
      Effect.andThen(Effect.timeoutOption(ended, patience)),
      Effect.andThen(this.untilClear)
    )
  })

  private request(exchange: Exchange): Effect.Effect<void> {
    return Effect.suspend(() => {
      if (exchange.state === states.Ended) return Effect.void
      for (const other of this.line.onLine()) if (!other.abandoned) other.isExposed = true
      return this.line.request
    })
  }
}

const isForsaken = (all: ReadonlyArray<Exchange>): boolean => all.every(({ abandoned }) => abandoned)

/** Whether the server is busy with something that nobody waits for, and a request can do no harm to others. */
const mayCancel = (all: ReadonlyArray<Exchange>, isIdle: boolean): boolean => {
  if (all[0]?.abandoned !== true) return false
  if (isForsaken(all)) return true
  return isIdle && all.every((exchange, i) => {
    const nature = exchange.nature()
    // Those behind it would be in its transaction.
    if ((nature === "begin" || nature === "open") && i < all.length - 1) return false
    return exchange.abandoned || (exchange.canRestart && (nature === "begin" || nature === "repeatable"))
  })
}

/** Whether an exchange was cancelled that somebody waits for; `state` is the one that it ended in. */
export const wasHit = (exchange: Exchange, state: number): boolean => {
  if (exchange.abandoned) return false
  const error = exchange.error()
  return error === undefined
    // Hyper's account of a cancelled statement can be without an error.
    ? !exchange.isComplete(state)
    : error._tag === "ServerError" && error.reason._tag === "QueryCanceled"
}
