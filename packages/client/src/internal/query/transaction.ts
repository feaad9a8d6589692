/**
 * Transactions, and savepoints inside them.
 *
 * @internal
 */
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { type Dialect, postgres } from "../../Dialect.ts"
import type { TransactionOptions } from "../../Queries.ts"
import { type QueryError, TransactionEnded, TransactionRolledBack } from "../../QueryError.ts"
import { type Exchange, states } from "../engine/exchange.ts"
import { Gate } from "../engine/gate.ts"
import { onlyUtf8 } from "../model/encoding.ts"
import { failQuery, refuse, unsupported } from "../session/queryError.ts"
import type { Request } from "../statement/plan.ts"
import { failedTransaction, type QueryRunner } from "./runner.ts"
import { send as sendSimple, sendUnprepared, type SentCommand } from "./simpleQuery.ts"

/** The transaction that a fiber works in, or worked in: a fiber forked in it can outlive it. */
export interface ActiveTransaction {
  readonly session: QueryRunner
  readonly gate: Gate
  /** The pool that has begun it, and keeps the session for it until it ends. */
  readonly pool: object | undefined
  /** The enclosing transaction, which may be of another session. */
  readonly outer: ActiveTransaction | undefined
}

/** Returns the gate of the innermost transaction on a session. */
export const gateIn = (session: QueryRunner, transaction: ActiveTransaction | undefined): Gate | undefined => {
  let current = transaction
  while (current !== undefined && current.session !== session) current = current.outer
  return current?.gate
}

/**
 * Returns the session of a pool to use in a transaction: that of the innermost one that the pool has begun, if it is
 * open, or if it refuses further statements, because the rest of a transaction that was rolled back must not run on
 * another session.
 */
export const sessionIn = (pool: object, transaction: ActiveTransaction | undefined): QueryRunner | undefined => {
  for (let at = transaction; at !== undefined; at = at.outer) {
    const { gate, session } = at
    const isUsed = gate.outcome === undefined || gateIn(session, transaction)?.current.outcome !== undefined
    if (at.pool === pool && isUsed) return session
  }
  return undefined
}

/** @internal */
export const CurrentTransaction = Context.Reference<ActiveTransaction | undefined>(
  "@hyperfect/client/CurrentTransaction",
  { defaultValue: () => undefined }
)

/** Runs an effect outside of any transaction. */
export const outsideTransaction = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.provideService(effect, CurrentTransaction, undefined)

const beginCommand = ({ access, deferrable, isolation }: TransactionOptions): string =>
  [
    "BEGIN",
    ...(isolation === undefined ? [] : [`ISOLATION LEVEL ${isolation.toUpperCase()}`]),
    ...(access === undefined ? [] : [access.toUpperCase()]),
    ...(deferrable === true ? ["DEFERRABLE"] : [])
  ].join(" ")

/** Returns the statement that makes the settings of a transaction; `undefined` if there are none. */
const localSettings = ({ role, settings = {} }: TransactionOptions): Request | undefined => {
  // The role last, as it may not be allowed to change the settings.
  const parameters = [...Object.entries(settings), ...role === undefined ? [] : [["role", role] as const]].flat()
  if (parameters.length === 0) return undefined
  const calls = Array.from(
    { length: parameters.length / 2 },
    (_, index) => `pg_catalog.set_config($${2 * index + 1}, $${2 * index + 2}, true)`
  )
  return { text: `SELECT ${calls.join(", ")}`, parameters, preset: undefined }
}

const settingsOrRole = "settings or a role of a transaction"

/** Returns why settings of a transaction must not be sent, if there is a reason. */
const localSettingsFlaw = ({ role, settings = {} }: TransactionOptions): string | undefined => {
  const names = Object.keys(settings).map((name) => name.toLowerCase())
  if (names.includes("client_encoding")) return onlyUtf8
  if (names.includes("role")) return "the role of a transaction is its option `role`, not one of its settings"
  // For the server, this name and the empty one stand for the user that has logged in.
  return role === "" || role === "none"
    ? `the role of a transaction must be the name of a role, not "${role}"`
    : undefined
}

const lacks = <A>(known: ReadonlyArray<A>, value: A | undefined): boolean =>
  value !== undefined && !known.includes(value)

/**
 * Returns an option that the server does not honour, although it may accept it. Options become part of the SQL text, so
 * no unknown values are allowed.
 */
const unsupportedOption = (
  { accessModes, isolations, localSettings }: Dialect,
  { access, deferrable, isolation, role, settings }: TransactionOptions
): string | undefined =>
  !localSettings && (settings ?? role) !== undefined
    ? settingsOrRole
    : lacks(postgres.isolations, isolation)
    ? "a transaction of an unknown isolation level"
    : lacks(postgres.accessModes, access)
    ? "a transaction of an unknown access mode"
    : lacks(accessModes, access)
    ? `a ${access?.replace(" ", "-")} transaction`
    : lacks(isolations, isolation)
    ? `a ${isolation} transaction`
    : deferrable === true && !isolations.includes("serializable")
    ? "a deferrable transaction"
    : undefined

/** Returns the feature not supported inside a transaction, where a savepoint is made, which takes no options. */
const unsupportedInside = (
  { savepoints }: Dialect,
  { access, deferrable, isolation, role, settings }: TransactionOptions
): string | undefined =>
  !savepoints
    ? "a transaction inside a transaction (savepoints)"
    : (isolation ?? access ?? deferrable ?? settings ?? role) !== undefined
    ? "options of a transaction inside a transaction"
    : undefined

/** Runs an effect in a transaction, or in a savepoint of the one that the gate belongs to. */
export const transaction = <A, E, R>(
  session: QueryRunner,
  gate: Gate,
  effect: Effect.Effect<A, E, R>,
  options?: TransactionOptions,
  pool?: object
): Effect.Effect<A, E | QueryError | TransactionRolledBack, R> =>
  gate.whileExclusive("BEGIN", (own) => runInside(session, own, effect, options, pool))

/** Runs a transaction or savepoint while its gate is closed. */
const runInside = Effect.fnUntraced(function*<A, E, R>(
  session: QueryRunner,
  gate: Gate,
  effect: Effect.Effect<A, E, R>,
  options: TransactionOptions = {},
  pool?: object
): Effect.fn.Return<A, E | QueryError | TransactionRolledBack, R> {
  const { engine, planner: { statementCache: { epoch } } } = session
  const { dialect } = engine
  const send = (text: string) => sendSimple(session, text)
  const noteSettings = (settings: ReadonlyArray<unknown>) => Effect.sync(() => epoch.noteLocalSettings(settings))
  const { depth } = gate
  // A statement sent earlier may have begun a transaction explicitly.
  if (depth === 0) yield* engine.awaitStatus
  const isInside = depth > 0 || engine.status === "T"
  const refused = (isInside ? unsupportedInside : unsupportedOption)(dialect, options)
  if (refused !== undefined) return yield* refuse(dialect, refused, "BEGIN")
  const problem = localSettingsFlaw(options)
  if (problem !== undefined) return yield* refuse(dialect, settingsOrRole, "BEGIN", problem)
  const settings = localSettings(options)
  if (depth === 0 && engine.status === "E") return yield* failQuery(failedTransaction(), "nothing", "BEGIN")
  const savepoint = `hyperfect_${depth}`
  const start = isInside ? `SAVEPOINT ${savepoint}` : beginCommand(options)
  const commit = isInside ? `RELEASE SAVEPOINT ${savepoint}` : "COMMIT"
  const rollback = isInside ? `ROLLBACK TO SAVEPOINT ${savepoint}; RELEASE SAVEPOINT ${savepoint}` : "ROLLBACK"
  const own = new Gate(dialect, gate)
  /**
   * True if the enclosing transaction is open, so that a command for a savepoint is not sent in another transaction.
   */
  const isAround = () => gate.outcome === undefined
  /** True if the transaction has begun, or may still begin. */
  const isUnder = (start: Exchange) => isAround() && (start.state !== states.Ended || engine.status !== "I")
  /** True if there is still a transaction to roll back. */
  const isOpen = () => isAround() && (isInside ? engine.status === "E" : engine.status !== "I")
  const ended = Effect.suspend(() =>
    failQuery(
      new TransactionEnded({ outcome: own.outcome ?? "rolled back", isSavepoint: depth > 0 }),
      "unknown",
      commit
    )
  )
  const current = Effect.map(CurrentTransaction, (outer): ActiveTransaction => ({ session, gate: own, pool, outer }))

  return yield* Effect.uninterruptibleMask((restore) =>
    Effect.gen(function*() {
      /**
       * Rolls back, and once more if a cancel request meant for an earlier statement has stopped the rollback itself.
       * On a dead session the server has already rolled back. If interrupted, it waits only a moment.
       */
      const undo = (attempts = 2): Effect.Effect<void> =>
        Effect.suspend(() => {
          if (!isAround()) return Effect.void
          const { exchange } = send(rollback)
          const wanted = "answer to ROLLBACK"
          const ended = restore(engine.cancellation.awaitEndOrClose(exchange, wanted))
          const done = Effect.exit(Effect.onInterrupt(ended, () => engine.cancellation.awaitEnd(exchange, wanted)))
          return Effect.flatMap(
            done,
            () => attempts > 1 && exchange.state === states.Ended && isOpen() ? undo(attempts - 1) : Effect.void
          )
        })
      let applied: SentCommand<void> | undefined
      const started = yield* gate.whileActive(start, () => {
        const begin = send(start)
        // If BEGIN fails, they end with their own statement.
        if (settings !== undefined) applied = sendUnprepared(session, settings)
        return begin
      })
      yield* Effect.onInterrupt(restore(started.outcome), () =>
        Effect.suspend(() => {
          if (applied !== undefined) engine.queue.withdraw(applied.exchange)
          if (engine.queue.withdraw(started.exchange)) return Effect.void
          // A savepoint is not cancelled, because the enclosing transaction would fail.
          const givenUp = isInside ? Effect.void : engine.cancellation.abandonSent(started.exchange)
          // The rollback is not awaited: statements sent from now on are queued behind it.
          return Effect.andThen(givenUp, Effect.sync(() => isUnder(started.exchange) && send(rollback)))
        }))
      let ending: SentCommand | undefined
      yield* gate.whileActive(start, () => {
        gate.inner = own
        if (depth > 0) return
        engine.onIdle = (exchange) => {
          if (exchange === ending?.exchange) return
          engine.onIdle = undefined
          own.end("ended by a statement")
        }
      })
      const body = Effect.provideServiceEffect(effect, CurrentTransaction, current)
      const begun = applied === undefined
        ? body
        : Effect.andThen(Effect.andThen(applied.outcome, noteSettings(settings?.parameters ?? [])), body)
      const exit = yield* Effect.exit(restore(begun))
      // A command sent after it would wait until its rows are read.
      const outliving = own.openStream()
      const unread = unsupported(dialect, "a stream that outlives its transaction")
      if (outliving !== undefined) yield* outliving.end(unread)
      // A statement inside has ended it, or the enclosing transaction has ended.
      if (own.outcome !== undefined) return yield* Exit.isFailure(exit) ? exit : ended
      if (Exit.isFailure(exit) || engine.status === "E" || outliving !== undefined) {
        own.end("rolled back")
        if (depth === 0) engine.onIdle = undefined
        yield* undo()
        if (Exit.isSuccess(exit) && outliving !== undefined) return yield* failQuery(unread, "all", commit)
        return yield* Exit.isFailure(exit) ? exit : new TransactionRolledBack()
      }
      // A savepoint that a fiber has not completed is rolled back, not committed in part.
      if (own.inner !== undefined) {
        own.inner.end("rolled back")
        send(`ROLLBACK TO SAVEPOINT hyperfect_${own.depth}`)
      }
      own.beginEnd()
      gate.inner = undefined
      ending = send(commit)
      const sent = ending
      const done = yield* Effect.exit(Effect.onInterrupt(
        restore(sent.outcome),
        () => engine.cancellation.awaitEnd(sent.exchange, "answer to COMMIT")
      ))
      if (depth === 0) engine.onIdle = undefined
      if (own.outcome !== undefined) return yield* ended
      if (Exit.isFailure(done)) {
        const error = done.cause.reasons.find(Cause.isFailReason)?.error
        own.end(error?._tag === "ServerError" && !error.isFatal ? "rolled back" : "unknown")
        if (isOpen()) yield* undo()
        return yield* Effect.failCause(done.cause)
      }
      // A failure while COMMIT is in flight prevents the commit too; the server reports that only by the command tag.
      if (!isInside && done.value[0]?.commandTag !== "COMMIT") {
        own.end("rolled back")
        return yield* new TransactionRolledBack()
      }
      own.end("committed")
      return exit.value
    }).pipe((run) => settings === undefined ? run : Effect.ensuring(run, noteSettings([])))
  )
})
