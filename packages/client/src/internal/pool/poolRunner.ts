/**
 * The runner of a pool, which chooses a session for each operation.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as PoolError from "../../PoolError.ts"
import type { TransactionOptions } from "../../Queries.ts"
import type { QueryError, TransactionRolledBack } from "../../QueryError.ts"
import type { Session } from "../../Session.ts"
import type { OperationKind, QueryRunner, Runner, RunOnSession, Statements } from "../query/runner.ts"
import { CurrentTransaction, sessionIn } from "../query/transaction.ts"
import { releasedOnFailure } from "../session/ownScope.ts"
import { refuse } from "../session/queryError.ts"
import { sessionState } from "../session/state.ts"
import { changesUntold, mayChangeSession } from "../session/statementKind.ts"
import type { Pool } from "./model.ts"
import type { SessionPool } from "./sessionPool.ts"
import type { Settings } from "./settings.ts"
import type { Slot } from "./waiterList.ts"

type Restore = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>

/** True if the text of one of the statements passes a test. */
const some = (statements: Statements, test: (text: string) => boolean): boolean =>
  "text" in statements ? test(statements.text) : statements.some(({ text }) => test(text))

const transactionLeftOpen = Effect.fail(PoolError.fromReason(new PoolError.TransactionLeftOpen()))

/** True if the session died before anything was sent, so that the query can run on another one. */
const wasNotSent = (error: unknown): boolean => {
  const { _tag, isFatal, sent } = error as Partial<QueryError & { readonly isFatal: boolean }>
  return sent === "nothing" && (_tag === "TransportError" || (_tag === "ServerError" && isFatal === true))
}

/** The number of other sessions that are tried. */
const otherSessions = 2

/** Retries on another session what was not sent on a dead one. */
const elsewhere = <A, E, R>(
  run: Effect.Effect<A, E, R>,
  mayRepeat: () => boolean = () => true
): Effect.Effect<A, E, R> =>
  Effect.catch(run, (error) => {
    const isLost = (error: E) => mayRepeat() && wasNotSent(error)
    return isLost(error) ? Effect.retry(run, { times: otherSessions - 1, while: isLost }) : Effect.fail(error)
  })

/** Runs operations on the sessions of a pool. */
export interface PoolRunner extends Runner<PoolError.PoolError>, Pick<Pool, "session" | "soleSession"> {
  /** As `transaction`, on a session with which a check has succeeded; its failure is that of the transaction. */
  readonly transactionAfter: <E0, A, E, R>(
    check: (session: Session) => Effect.Effect<unknown, E0>,
    effect: Effect.Effect<A, E, R>,
    options?: TransactionOptions
  ) => Effect.Effect<A, E0 | E | QueryError | TransactionRolledBack | PoolError.PoolError, R>
}

/** @internal */
export const makePoolRunner = (
  sessions: SessionPool,
  { depth, onAcquire }: Settings,
  observeWait: <A, E>(wait: Effect.Effect<A, E>) => Effect.Effect<A, E>
): PoolRunner => {
  const mayShare = onAcquire === undefined && depth !== 1

  const acquire = (alone: boolean, restore: Restore): Effect.Effect<Slot, PoolError.PoolError> =>
    Effect.withFiber(({ id }) => {
      const slot = sessions.acquireUnsafe(alone, id)
      return slot !== undefined
        ? Effect.succeed(slot)
        : observeWait(sessions.acquire(alone, id, restore))
    })

  const runOnAcquire = (slot: Slot): Effect.Effect<unknown, QueryError> =>
    onAcquire === undefined ?
      Effect.void :
      Effect.onError(Effect.suspend(() => onAcquire(slot.session)), () =>
        Effect.sync(() => {
          slot.isRetired = true
        }))

  /** Runs in the session of the fiber's transaction, if it is in one. */
  const inTransaction = <A, E, R>(
    inside: (session: QueryRunner) => Effect.Effect<A, E, R>,
    outside: (fiberId: number) => Effect.Effect<A, E, R>
  ): Effect.Effect<A, E, R> =>
    Effect.withFiber((fiber) => {
      const session = sessionIn(sessions, fiber.getRef(CurrentTransaction))
      return session === undefined ? outside(fiber.id) : inside(session)
    })

  const whileAcquired = <A, E, R>(isAlone: boolean, use: (slot: Slot) => Effect.Effect<A, E, R>) =>
    Effect.uninterruptibleMask((restore) =>
      Effect.flatMap(acquire(isAlone, restore), (slot) =>
        Effect.onExit(
          // Suspended, so that an exception of the caller's code becomes an exit that releases the slot.
          restore(Effect.suspend(() => use(slot))),
          () => Effect.sync(() => sessions.release(slot, isAlone))
        ))
    )

  /** Runs in the fiber that the effect is made for, any number of times. */
  const runShared = <A, E, R>(ask: (session: QueryRunner) => Effect.Effect<A, E, R>, fiberId: number) => {
    let slot: Slot | undefined
    const now = Effect.suspend((): Effect.Effect<A, E | PoolError.PoolError, R> => {
      slot = sessions.acquireUnsafe(false, fiberId)
      return slot === undefined ? whileAcquired(false, ({ runner }) => ask(runner)) : ask(slot.runner)
    })
    // The finalizer is installed before the slot is acquired, so that no interruption can come in between.
    return Effect.onExitPrimitive(now, () => {
      if (slot !== undefined) sessions.release(slot, false)
      slot = undefined
      return undefined
    })
  }

  const alone = <A, E, R>(ask: (slot: Slot) => Effect.Effect<A, E, R>) =>
    whileAcquired(true, (slot) => Effect.andThen(runOnAcquire(slot), Effect.suspend(() => ask(slot))))

  const acquireScoped = (
    acquireSlot: (restore: Restore) => Effect.Effect<Slot, PoolError.PoolError>,
    onAcquired: (slot: Slot) => Effect.Effect<unknown, QueryError | PoolError.PoolError>
  ) =>
    Effect.uninterruptibleMask((restore) =>
      Effect.gen(function*() {
        const slot = yield* Effect.acquireRelease(
          acquireSlot(restore),
          (slot) => Effect.sync(() => sessions.release(slot, true))
        )
        yield* restore(onAcquired(slot))
        return slot
      })
    ).pipe(releasedOnFailure)

  const scoped = acquireScoped((restore) => acquire(true, restore), runOnAcquire)

  /**
   * Acquires a session to be the only one of the pool. If there is such a session already, it waits in the queue until
   * that is released.
   */
  const acquireSole = (restore: Restore): Effect.Effect<Slot, PoolError.PoolError> =>
    Effect.flatMap(acquire(true, restore), (slot) => {
      if (sessions.claimSole(slot)) return Effect.succeed(slot)
      sessions.release(slot, true)
      return acquireSole(restore)
    })

  const sole = acquireScoped(
    acquireSole,
    (slot) => Effect.andThen(Effect.withFiber(({ id }) => sessions.awaitSole(id)), runOnAcquire(slot))
  )

  /** The session of the fiber's transaction, or another one that is held until the scope closes. */
  const held = inTransaction<QueryRunner, QueryError | PoolError.PoolError, Scope.Scope>(
    Effect.succeed,
    () => Effect.map(scoped, ({ runner }) => runner)
  )

  /**
   * A statement that leaves a transaction open fails: the transaction is rolled back, and no other query may join it.
   */
  const runOnce = <A, E, R>(ask: (session: QueryRunner) => Effect.Effect<A, E, R>, isDirty: boolean) =>
    alone(({ engine, runner }) => {
      if (isDirty) engine.changes.mark(sessionState.dirty)
      return Effect.flatMap(
        ask(runner),
        (result): Effect.Effect<A, PoolError.PoolError> =>
          engine.status === "I" ? Effect.succeed(result) : transactionLeftOpen
      )
    })

  const runOutside = <A, E, R>(
    { access }: OperationKind<never>,
    statements: Statements,
    ask: (session: QueryRunner) => Effect.Effect<A, E, R>,
    fiberId: number
  ): Effect.Effect<A, E | QueryError | PoolError.PoolError, R> => {
    if (access === "once") return alone(({ runner }) => ask(runner))
    const runsText = access !== "shared"
    return elsewhere<A, E | QueryError | PoolError.PoolError, R>(
      mayShare && access !== "own" && !(runsText && some(statements, mayChangeSession))
        ? runShared(ask, fiberId)
        : runOnce(ask, runsText && some(statements, changesUntold))
    )
  }

  const transactionAfter: PoolRunner["transactionAfter"] = (check, effect, options) =>
    inTransaction(
      (session) => session.transaction(effect, options),
      () =>
        Effect.suspend(() => {
          let hasBegun = false
          const body = Effect.suspend(() => {
            hasBegun = true
            return effect
          })
          const begin = ({ runner, session }: Slot) =>
            Effect.andThen(check(session), runner.transaction(body, options, sessions))
          return elsewhere(alone(begin), () => !hasBegun)
        })
    )

  return {
    session: Effect.map(scoped, ({ session }) => session),
    soleSession: inTransaction(
      ({ engine }) => refuse(engine.dialect, "the only session of a pool in a transaction", ""),
      () => Effect.map(sole, ({ session }) => session)
    ),
    effect: <S extends Statements, A, E, R>(kind: OperationKind<A>, statements: S, run: RunOnSession<S, A, E, R>) => {
      const ask = (session: QueryRunner) => session.effect(kind, statements, run)
      return inTransaction<A, E | QueryError | PoolError.PoolError, R>(
        ask,
        (fiberId) => runOutside(kind, statements, ask, fiberId)
      )
    },
    scoped: (kind, statement, run) =>
      releasedOnFailure(Effect.flatMap(held, (session) => session.effect(kind, statement, run))),
    stream: (kind, statement, run) =>
      Stream.unwrap(Effect.map(held, (session) => session.stream(kind, statement, run))),
    transaction: (effect, options) => transactionAfter(() => Effect.void, effect, options),
    transactionAfter,
    isInside: inTransaction<boolean, never, never>(() => Effect.succeed(true), () => Effect.succeed(false))
  }
}
