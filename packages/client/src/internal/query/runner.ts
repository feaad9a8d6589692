/**
 * Runners of operations, and how a session runs one exchange.
 *
 * @internal
 */
import type * as Type from "@hyperfect/values/Type"
import * as ValueError from "@hyperfect/values/ValueError"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import type { Dialect } from "../../Dialect.ts"
import type { TransactionOptions } from "../../Queries.ts"
import {
  type Failure,
  type QueryError,
  TransactionCommandRefused,
  type TransactionRolledBack
} from "../../QueryError.ts"
import { operationOf } from "../../QueryText.ts"
import * as ServerError from "../../ServerError.ts"
import type { Engine, WriteFrames } from "../engine/engine.ts"
import { Exchange, type Flow, type Sink } from "../engine/exchange.ts"
import type { Gate } from "../engine/gate.ts"
import { onlyUtf8, setsOtherEncoding } from "../model/encoding.ts"
import { copyInQuery, failQuery, flatMapEager, isExit, type StatementLike, unsupported } from "../session/queryError.ts"
import { mayCopy, transactionCommand } from "../session/statementKind.ts"
import { Pins } from "../statement/pins.ts"
import { notStatement, type Plan, type Planner, type Request, type ResultShape, writeGroup } from "../statement/plan.ts"
import { plannedOutcome } from "./outcome.ts"

/** A kind of operation: how it is reported, and how a pool chooses a session for it. */
export interface OperationKind<in A = unknown> {
  /** Its name in spans and metrics, in place of the command and text of its statement. */
  readonly name?: string
  /** Returns the number of rows of an answer; absent if it has none to count. */
  readonly rows?: (answer: A) => number
  /**
   * `"text"`, when absent: a statement that may change its session gets one of its own. `"shared"`: the text is not
   * run. `"own"`: it always gets a session of its own. `"once"`: likewise, and it is not repeated on another one.
   */
  readonly access?: "text" | "shared" | "own" | "once"
  /** False if the query timeout does not apply to it as a whole. */
  readonly isTimed?: false
}

/** The statements of one operation. */
export type Statements = Request | ReadonlyArray<Request>

/** Runs an operation on a session, at the gate that its fiber has to pass. */
export type RunOnSession<S extends Statements, A, E, R> = (
  session: QueryRunner,
  gate: Gate,
  statements: S
) => Effect.Effect<A, E, R>

/** Runs operations on a session. `E` is its error besides those of the operation. */
export interface Runner<out E = never> {
  readonly effect: <S extends Statements, A, E1, R>(
    kind: OperationKind<A>,
    statements: S,
    run: RunOnSession<S, A, E1, R>
  ) => Effect.Effect<A, E1 | QueryError | E, R>
  /** As `effect`, for an operation that acquires something in the session, which is held until the scope closes. */
  readonly scoped: <S extends Statements, A, E1, R>(
    kind: OperationKind<A>,
    statements: S,
    run: RunOnSession<S, A, E1, R>
  ) => Effect.Effect<A, E1 | QueryError | E, R | Scope.Scope>
  readonly stream: <A>(
    kind: OperationKind<never>,
    statement: Request,
    run: (session: QueryRunner, gate: Gate, statement: Request) => Stream.Stream<A, QueryError>
  ) => Stream.Stream<A, QueryError | E>
  /** `pool` is the pool that keeps the session for it. */
  readonly transaction: <A, E1, R>(
    effect: Effect.Effect<A, E1, R>,
    options?: TransactionOptions,
    pool?: object
  ) => Effect.Effect<A, E1 | QueryError | TransactionRolledBack | E, R>
  /** True if the calling fiber is in a transaction. */
  readonly isInside: Effect.Effect<boolean>
}

/** Runs operations on one session. */
export interface QueryRunner extends Runner {
  readonly engine: Engine
  readonly planner: Planner
  /** The format of the results of simple queries. */
  readonly simpleFormat: () => Type.Format
  /** True if a statement sent now would run in a transaction that `transaction` has begun. */
  readonly isInTransaction: () => boolean
  /** Runs a query at the gate of the calling fiber, within the query timeout. */
  readonly runQuery: <A, E>(
    statement: StatementLike,
    query: (gate: Gate) => Effect.Effect<A, E>
  ) => Effect.Effect<A, E | QueryError>
}

/** For operations without a statement. */
export const noStatement: Request = { text: "", parameters: [], preset: undefined }

/** Runs an exchange and returns its outcome. Interruption abandons it. */
export const runExchange = <A, S extends Sink<A>>(
  { engine }: QueryRunner,
  gate: Gate,
  statement: StatementLike,
  flow: Flow,
  makeSink: () => S,
  write: WriteFrames,
  again: () => Effect.Effect<A, QueryError>,
  outcomeOf: (exchange: Exchange<A, S>) => Effect.Effect<A, QueryError> = (exchange) => exchange.outcomeFor(statement),
  plan?: Plan<unknown>
): Effect.Effect<A, QueryError> =>
  Effect.callback<A, QueryError>((resume) => {
    // It may have been closed since it was passed, for instance while a statement was prepared.
    if (!gate.isOpen) return resume(gate.whenOpen(statement, again))
    // Another fiber may have run since the plan was made, and have driven its statement out of the cache.
    if (plan?.prepared?.origin.isClosed === true) return resume(again())
    const exchange = new Exchange<A, S>(flow, makeSink(), typeof statement === "string" ? statement : statement.text)
    engine.submit(exchange, write, () => resume(outcomeOf(exchange)))
    return engine.cancellation.abandon(exchange)
  })

export const failedTransaction = (): ServerError.ServerError =>
  ServerError.fromFields([
    { code: "S", value: "ERROR" },
    { code: "C", value: "25P02" },
    { code: "M", value: "the transaction has failed, statements are ignored until it is rolled back" }
  ])

/** The refusal of a transaction command inside `transaction`, which handles such commands itself. */
const transactionRefusal = (runner: QueryRunner, text: string): TransactionCommandRefused | undefined => {
  const command = runner.isInTransaction() ? transactionCommand(text) : undefined
  return command === undefined ? undefined : new TransactionCommandRefused({ command })
}

/** The error for an input that is not a statement. */
export const notStatementError = (): ValueError.ValueError =>
  new ValueError.ValueError({
    reason: ValueError.reason("TypeMismatch", "statement", undefined, "a string or a Statement", "another value")
  })

/** Matches texts that need a closer look. Comments and empty statements may come before any command. */
const needsInspection = /^\s*(?:copy|fetch|execute|set|begin|start|commit|end|abort|rollback|prepare|;|--|\/\*)/i

/** The command of a text that needs a closer look. */
const inspect = (text: string): string | undefined => needsInspection.test(text) ? operationOf(text) : undefined

const otherEncoding = (dialect: Dialect) => unsupported(dialect, "a client_encoding other than UTF8", onlyUtf8)

/** Returns the reason why a statement must not be run, if there is one. */
export const refusal = (runner: QueryRunner, text: string, operation = inspect(text)): Failure | undefined => {
  const { engine: { dialect }, planner } = runner
  // Frames written behind it would be taken for COPY data and end the session.
  if (operation === "COPY" && mayCopy(text)) return copyInQuery(dialect)
  if (operation === "SET" && setsOtherEncoding(text)) return otherEncoding(dialect)
  const refused = operation === undefined ? undefined : transactionRefusal(runner, text)
  if (refused !== undefined) return refused
  if (planner.isRefused(text)) return failedTransaction()
  return operation === "FETCH" && !dialect.extendedFetch
    ? unsupported(dialect, "FETCH other than by `simple`")
    : undefined
}

/** Fails if a text must not be sent by the simple protocol. */
export const checkSimple = (runner: QueryRunner, text: string): Effect.Effect<void, QueryError> =>
  Effect.suspend(() => {
    const refused = (setsOtherEncoding(text) ? otherEncoding(runner.engine.dialect) : undefined) ??
      transactionRefusal(runner, text) ??
      (runner.planner.isRefused(text) ? failedTransaction() : undefined)
    return refused === undefined ? Effect.void : failQuery(refused, "nothing", text)
  })

/** Fails if a statement must not be sent by the extended protocol. */
export const checkExtended = (runner: QueryRunner, statement: Request): Effect.Effect<void, QueryError> =>
  Effect.suspend(() => {
    const refused = statement === notStatement ? notStatementError() : refusal(runner, statement.text)
    return refused === undefined ? Effect.void : failQuery(refused, "nothing", statement)
  })

/** Plans a statement, or fails if it must not be run. The effect is already an exit if the plan is known. */
export const planUnsafe = <K>(
  runner: QueryRunner,
  statement: Request,
  shape: ResultShape<K>,
  pins: Pins,
  isKept?: boolean
): Effect.Effect<Plan<K>, QueryError> => {
  const operation = inspect(statement.text)
  const refused = statement === notStatement ? notStatementError() : refusal(runner, statement.text, operation)
  return refused === undefined
    ? runner.planner.planUnsafe(
      statement,
      shape,
      pins,
      statement.isUnprepared === true || isBoundLate(operation) ? false : isKept
    )
    : failQuery(refused, "nothing", statement)
}

/**
 * True if the columns of a command depend on an object that is resolved by name when it runs: a cursor or a prepared
 * statement. The server does not report it if they differ from the columns described earlier (P-03).
 */
const isBoundLate = (operation: string | undefined): boolean => operation === "FETCH" || operation === "EXECUTE"

/** As {@link isBoundLate}, for a text. */
export const hasLateColumns = (text: string): boolean => isBoundLate(inspect(text))

/** Plans a statement. The plan stays valid while these pins are held. */
export type PlanStatement = <K>(
  runner: QueryRunner,
  statement: Request,
  shape: ResultShape<K>,
  pins: Pins
) => Effect.Effect<Plan<K>, QueryError>

/** As {@link PlanStatement}, for one statement. */
export type MakePlan<K> = (pins: Pins) => Effect.Effect<Plan<K>, QueryError>

/** The parts of an operation that collects the result of a statement. */
export interface Collecting<K, A> {
  readonly plan: PlanStatement
  readonly shape: ResultShape<K>
  readonly makeSink: (plan: Plan<K>) => Sink<A>
}

/** Runs a statement in the calling step, as far as possible. The gate is open. */
const collectUnsafe = <K, A>(
  runner: QueryRunner,
  gate: Gate,
  statement: Request,
  collecting: Collecting<K, A>,
  isRetry: boolean
): Effect.Effect<A, QueryError> => {
  const pins = new Pins(false)
  const planned = collecting.plan(runner, statement, collecting.shape, pins)
  const again = (isRetry: boolean) => collectUnsafe(runner, gate, statement, collecting, isRetry)
  const repeat = isRetry ? undefined : () => gate.whenOpen(statement, () => again(true))
  const run = flatMapEager(planned, (plan) =>
    runExchange<A, Sink<A>>(
      runner,
      gate,
      statement,
      plan.flow,
      () => collecting.makeSink(plan),
      writeGroup(plan),
      () => again(isRetry),
      (exchange) => plannedOutcome(runner.planner, exchange, statement, [plan], repeat),
      plan
    ))
  // A statement that was planned in this step is sent in it.
  return isExit(planned) ? run : pins.whileHeld(run)
}

/** A function of its own, so that a query at an open gate allocates no closure. */
const collectLater = <K, A>(
  runner: QueryRunner,
  gate: Gate,
  statement: Request,
  collecting: Collecting<K, A>
): Effect.Effect<A, QueryError> =>
  gate.whenOpen(statement, () => collectUnsafe(runner, gate, statement, collecting, false))

/** Runs a statement when the gate is open, and collects its result. */
export const collect = <K, A>(
  runner: QueryRunner,
  gate: Gate,
  statement: Request,
  collecting: Collecting<K, A>
): Effect.Effect<A, QueryError> =>
  gate.isOpen
    ? collectUnsafe(runner, gate, statement, collecting, false)
    : collectLater(runner, gate, statement, collecting)
