/**
 * Several statements at once: as one atomic group (`batch`), or each independently (`pipeline`).
 *
 * @internal
 */
import type { ObjectRow } from "@hyperfect/values/RowReader"
import * as Effect from "effect/Effect"
import * as Outcome from "effect/Result"
import type { BatchError } from "../../Queries.ts"
import type { QueryError } from "../../QueryError.ts"
import type { QueryResult } from "../../QueryResult.ts"
import { Exchange, type Flow } from "../engine/exchange.ts"
import type { Gate } from "../engine/gate.ts"
import type { RowsDecoder } from "../engine/resultDecoders.ts"
import { makeRows, Results } from "../engine/sinks.ts"
import { keptText } from "../model/comment.ts"
import { textOf } from "../session/queryError.ts"
import { isReadOnly, statementKind } from "../session/statementKind.ts"
import { Pins } from "../statement/pins.ts"
import { executeBytes, objects, type Plan, type Request, syncBytes, writeGroup } from "../statement/plan.ts"
import { mayChangeMeaning } from "../statement/schemaEpoch.ts"
import { plannedOutcome } from "./outcome.ts"
import { collect, planUnsafe, type QueryRunner, runExchange } from "./runner.ts"
import { transaction } from "./transaction.ts"

type Row = ObjectRow

/**
 * Makes the planner of several statements. Those after one that may change their meaning are sent unprepared, because
 * the others are prepared before any statement runs.
 */
const makePlan = (runner: QueryRunner, gate: Gate, statements: ReadonlyArray<Request>, pins: Pins) => {
  const canHold = runner.planner.statementCache.canHold(statements.map(keptText))
  const changing = statements.findIndex(({ text }) => mayChangeMeaning(text))
  return (statement: Request, i: number): Effect.Effect<Plan<RowsDecoder<Row>>, QueryError> => {
    const isKept = canHold && (changing < 0 || i <= changing)
    return gate.whenOpen(statement, () => planUnsafe(runner, statement, objects, pins, isKept))
  }
}

/**
 * Makes the planner of the statements of a batch. A statement that cannot be prepared may need an object that an
 * earlier one creates, such as a table: it is sent unprepared, and the server reports its error when it runs.
 */
const planInBatch = (runner: QueryRunner, gate: Gate, statements: ReadonlyArray<Request>, pins: Pins) => {
  const plan = makePlan(runner, gate, statements, pins)
  return (statement: Request, i: number): Effect.Effect<Plan<RowsDecoder<Row>>, QueryError> =>
    Effect.catch(plan(statement, i), (error) =>
      error._tag === "ServerError" && runner.engine.status === "I"
        ? Effect.succeed(runner.planner.unprepared(statement, objects))
        : Effect.fail(error))
}

const areRepeatable = (statements: ReadonlyArray<Request>): boolean =>
  statements.every(({ text }) => statementKind(text) === "repeatable")

/** Returns the flow of statements followed by a single Sync. PostgreSQL runs them in one transaction. */
const flowOf = (statements: ReadonlyArray<Request>, plans: ReadonlyArray<Plan<unknown>>): Flow => {
  const [first, ...next] = plans.map(({ flow }) => flow.state)
  return { state: first!, next, kind: areRepeatable(statements) ? "repeatable" : "open" }
}

/** Runs the statements as one group. */
const batchGroup = (
  runner: QueryRunner,
  gate: Gate,
  text: string,
  statements: ReadonlyArray<Request>,
  isRetry = false
): Effect.Effect<ReadonlyArray<QueryResult<Row>>, QueryError> => {
  const pins = new Pins(true)
  const run = Effect.flatMap(
    Effect.forEach(statements, planInBatch(runner, gate, statements, pins), { concurrency: "unbounded" }),
    (plans) =>
      runExchange<ReadonlyArray<QueryResult<Row>>, Results<Row>>(
        runner,
        gate,
        text,
        flowOf(statements, plans),
        () => new Results((i) => makeRows(plans[i]!)),
        (out) => {
          for (const { write } of plans) {
            write(out)
            out.copy(executeBytes)
          }
          out.copy(syncBytes)
        },
        () => batchGroup(runner, gate, text, statements, isRetry),
        (exchange) => {
          const repeat = isRetry ? undefined : () => batchGroup(runner, gate, text, statements, true)
          // The server has rolled back all of it if no statement before the failed one can have ended a transaction.
          const isUndone = areRepeatable(statements.slice(0, exchange.sink.completed))
          const failed = exchange.error()?._tag === "ServerError" ? statements[exchange.sink.completed] : undefined
          return plannedOutcome(runner.planner, exchange, failed ?? text, plans, repeat, isUndone)
        }
      )
  )
  return pins.whileHeld(run)
}

/**
 * Runs the statements in one transaction. If groups are not run in a transaction, a batch gets its own, unless it is
 * already in one.
 */
export const batch = (
  runner: QueryRunner,
  gate: Gate,
  statements: ReadonlyArray<Request>
): Effect.Effect<ReadonlyArray<QueryResult<Row>>, BatchError> => {
  if (statements.length === 0) return Effect.succeed([])
  if (runner.engine.dialect.batches) {
    const text = textOf(statements)
    return runner.runQuery(text, (gate) => batchGroup(runner, gate, text, statements))
  }
  const collecting = { plan: planUnsafe, shape: objects, makeSink: makeRows<Row> }
  const all = Effect.forEach(
    statements,
    (statement) => runner.runQuery(statement, (gate) => collect(runner, gate, statement, collecting))
  )
  return Effect.flatMap(runner.isInside, (isInside) => (isInside ? all : transaction(runner, gate, all)))
}

/** The outcome of one statement of a pipeline. */
type PipelineResult = Outcome.Result<QueryResult<Row>, QueryError>

/** Sends the statements together, in order, each with its own Sync. */
export const pipeline = (
  runner: QueryRunner,
  gate: Gate,
  statements: ReadonlyArray<Request>
): Effect.Effect<ReadonlyArray<PipelineResult>, QueryError> => {
  if (statements.length === 0) return Effect.succeed([])
  const isUnordered = statements.every(({ text }) => isReadOnly(text))
  const pins = new Pins(true)
  const plan = makePlan(runner, gate, statements, pins)
  const planning = Effect.forEach(statements, (statement, i) => Effect.result(plan(statement, i)), {
    concurrency: "unbounded"
  })
  const run = Effect.flatMap(
    planning,
    (plans) =>
      Effect.callback<ReadonlyArray<PipelineResult>, QueryError>((resume) => {
        if (!gate.isOpen) return resume(gate.whenOpen(statements[0]!, () => pipeline(runner, gate, statements)))
        const outcomes = new Array<Effect.Effect<PipelineResult>>(statements.length)
        let open = 1
        const settle = () => {
          if (--open === 0) resume(Effect.all(outcomes))
        }
        const exchanges = plans.flatMap((planned, i) => {
          if (Outcome.isFailure(planned)) {
            outcomes[i] = Effect.succeed(Outcome.fail(planned.failure))
            return []
          }
          open++
          const plan = planned.success
          const statement = statements[i]!
          // A statement with others behind it is run again only if they do not depend on its effect.
          const isLocked = !isUnordered && i < statements.length - 1 && statementKind(statement.text) === "repeatable"
          const flow: Flow = isLocked ? { ...plan.flow, kind: "closed" } : plan.flow
          const exchange = new Exchange<QueryResult<Row>>(flow, makeRows(plan), statement.text)
          runner.engine.submit(exchange, writeGroup(plan), () => {
            // The statements behind it have run by now, and may have depended on it: it is not repeated.
            outcomes[i] = Effect.result(plannedOutcome(runner.planner, exchange, statement, [plan], undefined))
            settle()
          })
          return [exchange]
        })
        settle()
        return Effect.forEach(exchanges, runner.engine.cancellation.abandon, {
          concurrency: "unbounded",
          discard: true
        })
      })
  )
  return pins.whileHeld(run)
}
