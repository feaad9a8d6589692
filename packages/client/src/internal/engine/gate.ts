/**
 * Shared and exclusive access to a session.
 *
 * A session has a gate, and each transaction and savepoint in it has its own, which only statements of that transaction
 * pass. The end of a transaction ends its gate: after a commit its fibers continue at the outer gate, and after any
 * other outcome they are refused, because the rest of a transaction that was rolled back must not be committed on its
 * own.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Dialect } from "../../Dialect.ts"
import { type Failure, type QueryError, TransactionEnded } from "../../QueryError.ts"
import { failQuery, refuse, type StatementLike } from "../session/queryError.ts"

type Outcome = TransactionEnded["outcome"]

/** A stream that holds a gate closed. */
export interface OpenStream {
  /** True if all of its data has arrived. */
  readonly isOver: () => boolean
  /** Ends the stream before its scope closes. Its consumer gets the failure. */
  readonly end: (failure: Failure) => Effect.Effect<void>
}

/** @internal */
export class Gate {
  /** The number of transactions around the statements that pass this gate. */
  readonly depth: number
  /** The gate of the transaction that holds this one closed. */
  inner: Gate | undefined
  /** The stream that holds this gate closed. */
  stream: OpenStream | undefined
  /** The outcome of its transaction, once it has ended. */
  outcome: Outcome | undefined
  private readonly dialect: Dialect
  private readonly outer: Gate | undefined
  private isClosed = false
  private isEnding = false
  private readonly waiters = new Set<() => void>()
  /** Points at the first waiter, even when others leave the set. */
  private nextWaiter = this.waiters.values()
  private isWaking = false
  /** The fiber in which the owner of the closed gate continues, as far as known. */
  private ownerFiberId: number | undefined

  constructor(dialect: Dialect, outer?: Gate) {
    this.dialect = dialect
    this.outer = outer
    this.depth = outer === undefined ? 0 : outer.depth + 1
  }

  get isOpen(): boolean {
    return this.outcome === undefined
      ? !this.isClosed && !this.isEnding
      : this.outcome === "committed" && this.outer!.isOpen
  }

  /** The gate that statements of its transaction have to pass now. */
  get current(): Gate {
    return this.outcome === "committed" ? this.outer!.current : this
  }

  /**
   * Notes that the owner of the closed gate continues in the calling fiber, which would deadlock if it waited at the
   * gate.
   */
  readonly markOwner: Effect.Effect<void> = Effect.withFiber((fiber) => {
    this.ownerFiberId = fiber.id
    return Effect.void
  })

  private refuse(outcome: Outcome, statement: StatementLike): Effect.Effect<never, QueryError> {
    return failQuery(new TransactionEnded({ outcome, isSavepoint: this.depth > 1 }), "nothing", statement)
  }

  private awaitOpen(statement: StatementLike): Effect.Effect<void, QueryError> {
    return Effect.withFiber((fiber) => {
      const { current } = this
      if (current.outcome !== undefined) return current.refuse(current.outcome, statement)
      if (fiber.id === current.ownerFiberId) {
        const feature = "a statement in the middle of another one's data"
        const problem =
          "this fiber reads a stream or writes a COPY on the session, for whose end the statement would " +
          "wait; collect the rows first, or use another session"
        return refuse(this.dialect, feature, statement, problem)
      }
      const { waiters } = current
      return Effect.callback<void>((resume) => {
        const waiter = () => resume(Effect.void)
        waiters.add(waiter)
        return Effect.sync(() => waiters.delete(waiter))
      })
    })
  }

  /** Waits until the gate is open and runs `enter` in the same step, so that the gate cannot be closed in between. */
  readonly whenOpen = <A, E, R>(
    statement: StatementLike,
    enter: () => Effect.Effect<A, E, R>
  ): Effect.Effect<A, E | QueryError, R> => Effect.suspend(() => this.whenOpenUnsafe(statement, enter))

  /** As {@link whenOpen}, in the calling step if the gate is open. */
  whenOpenUnsafe<A, E, R>(
    statement: StatementLike,
    enter: () => Effect.Effect<A, E, R>
  ): Effect.Effect<A, E | QueryError, R> {
    return this.isOpen
      ? enter()
      : Effect.flatMap(this.awaitOpen(statement), () => this.whenOpenUnsafe(statement, enter))
  }

  /** Runs code of the gate's owner, unless its transaction has ended meanwhile. */
  readonly whileActive = <A>(statement: StatementLike, run: () => A): Effect.Effect<A, QueryError> =>
    Effect.suspend(() => {
      const outcome = this.outcome ?? (this.isEnding ? "unknown" : undefined)
      return outcome === undefined ? Effect.succeed(run()) : this.refuse(outcome, statement)
    })

  /** Closes the gate. Only the wait can be interrupted: once closed, the gate is always opened again. */
  private close(
    statement: StatementLike,
    restore: <A, E, R>(wait: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  ): Effect.Effect<Gate, QueryError> {
    return Effect.suspend(() => {
      const { current } = this
      if (!current.isOpen) {
        return Effect.flatMap(restore(this.awaitOpen(statement)), () => this.close(statement, restore))
      }
      current.isClosed = true
      return Effect.succeed(current)
    })
  }

  private readonly open: Effect.Effect<void> = Effect.sync(() => {
    this.isClosed = false
    this.ownerFiberId = undefined
    this.wake()
  })

  /** Wakes the waiters one after the other, until one of them closes the gate, which it does in the same step. */
  private wake(): void {
    // On a dead session each waiter fails in its step, which opens the gate again.
    if (this.isWaking) return
    this.isWaking = true
    while (this.isOpen || this.outcome !== undefined) {
      let next = this.nextWaiter.next()
      if (next.done === true) {
        this.nextWaiter = this.waiters.values()
        next = this.nextWaiter.next()
      }
      if (next.done === true) break
      this.waiters.delete(next.value)
      next.value()
    }
    this.isWaking = false
  }

  /** The stream that is still open in its transaction, or in a savepoint of it. */
  openStream(): OpenStream | undefined {
    return this.stream?.isOver() === false ? this.stream : this.inner?.openStream()
  }

  /** Admits no further statements: its transaction is about to end. */
  beginEnd(): void {
    this.isEnding = true
  }

  /** Ends the gate with its transaction, and the gates of its savepoints, whose work is not committed with it. */
  end(outcome: Outcome): void {
    if (this.outcome !== undefined) return
    this.inner?.end("rolled back")
    this.outcome = outcome
    if (this.outer?.inner === this) this.outer.inner = undefined
    this.wake()
  }

  /** Closes the gate until the scope closes. Returns the gate that was closed. */
  readonly exclusive = (statement: StatementLike): Effect.Effect<Gate, QueryError, Scope.Scope> =>
    Effect.uninterruptibleMask((restore) => Effect.acquireRelease(this.close(statement, restore), ({ open }) => open))

  /** Closes the gate while the effect runs, which receives the gate that was closed. */
  readonly whileExclusive = <A, E, R>(
    statement: StatementLike,
    effect: (gate: Gate) => Effect.Effect<A, E, R>
  ): Effect.Effect<A, E | QueryError, R> =>
    Effect.uninterruptibleMask((restore) =>
      Effect.flatMap(this.close(statement, restore), (gate) => Effect.onExit(restore(effect(gate)), () => gate.open))
    )
}
