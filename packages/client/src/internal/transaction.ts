/**
 * Transactions, and savepoints inside them.
 *
 * @internal
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type { TransactionOptions } from "../Queries.ts"
import { type QueryError, TransactionRolledBack, UnsupportedError } from "../QueryError.ts"
import { fail } from "./circumstances.ts"
import type { Engine } from "./engine.ts"
import { type Exchange, states } from "./exchange.ts"
import { Gate } from "./gate.ts"

/** The transaction that a fiber works in. */
export interface Current {
  readonly engine: Engine
  readonly gate: Gate
  readonly depth: number
  /** The one around it, which may be that of another session. */
  readonly outer: Current | undefined
  /** A fiber that was forked in a transaction can outlive it. */
  isOver: boolean
}

/** The innermost transaction of a session that a fiber works in. */
export const currentOf = (engine: Engine, current: Current | undefined): Current | undefined =>
  current === undefined || (current.engine === engine && !current.isOver) ? current : currentOf(engine, current.outer)

/** @internal */
export const CurrentTransaction: Context.Reference<Current | undefined> = Context.Reference<Current | undefined>(
  "@hyperfect/client/CurrentTransaction",
  { defaultValue: () => undefined }
)

/** A command that was sent, or will be in this tick. What it does cannot be stopped. */
export interface Sent {
  readonly exchange: Exchange
  readonly outcome: Effect.Effect<ReadonlyArray<{ readonly commandTag: string }>, QueryError>
}

interface Host {
  readonly engine: Engine
  readonly kind: "hyper" | "postgres"
  /** What keeps others out of the session. */
  readonly gate: Gate
  /** Sends a command by the simple protocol, regardless of who has the session. */
  readonly send: (text: string) => Sent
}

const begin = (options: TransactionOptions | undefined): string =>
  [
    "BEGIN",
    ...(options?.isolation === undefined ? [] : [`ISOLATION LEVEL ${options.isolation.toUpperCase()}`]),
    ...(options?.access === undefined ? [] : [options.access.toUpperCase()]),
    ...(options?.deferrable === true ? ["DEFERRABLE"] : [])
  ].join(" ")

/**
 * What Hyper would accept without a word and not do: all its transactions see the state as of their beginning and nothing
 * more, so that two of them can each miss what the other writes (measured).
 */
const notOnHyper = (depth: number, options: TransactionOptions | undefined): string | undefined =>
  depth > 0
    ? "a transaction inside a transaction (savepoints)"
    : options?.access === "read only"
    ? "a read-only transaction"
    : options?.isolation === "serializable"
    ? "a serializable transaction"
    : options?.deferrable === true
    ? "a deferrable transaction"
    : undefined

/** @internal */
export const transaction = <A, E, R>(
  host: Host,
  effect: Effect.Effect<A, E, R>,
  options: TransactionOptions | undefined
): Effect.Effect<A, E | QueryError | TransactionRolledBack, R> =>
  Effect.flatMap(CurrentTransaction, (around): Effect.Effect<A, E | QueryError | TransactionRolledBack, R> => {
    const { engine, kind, send } = host
    const outer = currentOf(engine, around)
    const depth = outer === undefined ? 0 : outer.depth + 1
    const refused = kind === "hyper" ? notOnHyper(depth, options) : undefined
    if (refused !== undefined) return fail(new UnsupportedError({ feature: refused, server: kind }), "nothing", "BEGIN")
    const savepoint = `hyperfect_${depth}`
    const start = depth === 0 ? begin(options) : `SAVEPOINT ${savepoint}`
    const commit = depth === 0 ? "COMMIT" : `RELEASE SAVEPOINT ${savepoint}`
    const rollback = depth === 0 ? "ROLLBACK" : `ROLLBACK TO SAVEPOINT ${savepoint}; RELEASE SAVEPOINT ${savepoint}`
    // On a dead session the server has rolled back by itself.
    const undo = Effect.suspend(() => engine.settle(send(rollback).exchange, "answer to ROLLBACK"))
    /** Whether the transaction has begun, or may yet. */
    const isUnder = (start: Exchange) => start.state !== states.Ended || engine.status !== "I"
    /** Whether there is still something to roll back. */
    const isOpen = () => (depth === 0 ? engine.status !== "I" : engine.status === "E")
    const current: Current = { engine, gate: new Gate(kind), depth, outer: around, isOver: false }

    const run = Effect.uninterruptibleMask((restore) =>
      Effect.gen(function*() {
        const started = send(start)
        yield* Effect.onInterrupt(restore(started.outcome), () =>
          Effect.suspend(() => {
            if (engine.withdraw(started.exchange)) return Effect.void
            // A savepoint is not cancelled, for the transaction around it would fail with it.
            const givenUp = depth === 0 ? engine.forsake(started.exchange) : Effect.void
            // The rollback is not waited for: whatever is sent from now on comes behind it.
            return Effect.andThen(givenUp, Effect.sync(() => isUnder(started.exchange) && send(rollback)))
          }))
        const exit = yield* Effect.exit(restore(Effect.provideService(effect, CurrentTransaction, current)))
        current.isOver = true
        if (Exit.isFailure(exit)) {
          yield* undo
          return yield* exit
        }
        if (engine.status === "E") {
          yield* undo
          return yield* new TransactionRolledBack()
        }
        const ending = send(commit)
        const ended = yield* Effect.exit(Effect.onInterrupt(
          restore(ending.outcome),
          () => engine.settle(ending.exchange, "answer to COMMIT")
        ))
        if (Exit.isFailure(ended)) {
          if (isOpen()) yield* undo
          return yield* Effect.failCause(ended.cause)
        }
        // What fails while COMMIT is on its way cannot be committed either; the server says so in the tag alone.
        if (depth === 0 && ended.value[0]?.commandTag !== "COMMIT") return yield* new TransactionRolledBack()
        return exit.value
      })
    )
    return (outer ?? host).gate.alone(start, run)
  })
