/**
 * Queries of the simple protocol.
 *
 * @internal
 */
import type { ObjectRow } from "@hyperfect/values/RowReader"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type { QueryError } from "../../QueryError.ts"
import type { QueryResult } from "../../QueryResult.ts"
import { type WriteFrames, writeQuery } from "../engine/engine.ts"
import { Exchange, flows } from "../engine/exchange.ts"
import type { Gate } from "../engine/gate.ts"
import { Discard, Results, Rows } from "../engine/sinks.ts"
import { sentText } from "../model/comment.ts"
import { refuse, type StatementLike } from "../session/queryError.ts"
import { objects, type Request, writeGroup } from "../statement/plan.ts"
import { checkSimple, type QueryRunner, runExchange } from "./runner.ts"

type SimpleResults = ReadonlyArray<QueryResult<ObjectRow>>

/** A command that was sent, or will be sent in this tick. */
export interface SentCommand<A = SimpleResults> {
  readonly exchange: Exchange
  readonly outcome: Effect.Effect<A, QueryError>
}

const makeResults = ({ planner, simpleFormat }: QueryRunner, preset?: Request["preset"]): Results<ObjectRow> => {
  const decoder = planner.makeDecoder(objects, simpleFormat(), preset)
  return new Results(() => new Rows(decoder, undefined))
}

/** Runs a text when the gate is open. */
export const simple = (
  runner: QueryRunner,
  gate: Gate,
  statement: Request
): Effect.Effect<SimpleResults, QueryError> => {
  const { parameters, preset, text } = statement
  if (parameters.length > 0) return refuse(runner.engine.dialect, "parameters of the simple protocol", statement)
  return gate.whenOpen(text, () =>
    Effect.andThen(
      checkSimple(runner, text),
      runExchange<SimpleResults, Results<ObjectRow>>(
        runner,
        gate,
        statement,
        flows.simple,
        () => makeResults(runner, preset),
        writeQuery(sentText(statement)),
        () => simple(runner, gate, statement),
        (exchange) => {
          const outcome = exchange.outcomeFor(statement)
          return Exit.isExit(outcome) ? outcome : Effect.mapError(outcome, withResults(exchange.sink.resultsBefore))
        }
      )
    ))
}

/** Adds the results of the statements that completed before the error. Not enumerable, so that they are not printed. */
const withResults = (results: ReadonlyArray<QueryResult<unknown>>) => (error: QueryError): QueryError =>
  Object.defineProperty(error, "results", { value: results })

const submit = <A>(
  { engine }: QueryRunner,
  exchange: Exchange<A>,
  write: WriteFrames,
  statement: StatementLike
): SentCommand<A> => {
  const ended = Deferred.makeUnsafe<void>()
  engine.submit(exchange, write, () => Deferred.doneUnsafe(ended, Exit.void))
  return { exchange, outcome: Effect.flatMap(Deferred.await(ended), () => exchange.outcomeFor(statement)) }
}

/** Sends a command regardless of any gate. */
export const send = (runner: QueryRunner, text: string): SentCommand =>
  submit(runner, new Exchange(flows.simple, makeResults(runner), text), writeQuery(text), text)

/** Sends a statement with parameters, unprepared, regardless of any gate, and drops its rows. */
export const sendUnprepared = (runner: QueryRunner, statement: Request): SentCommand<void> => {
  const plan = runner.planner.unprepared(statement, objects)
  return submit(runner, new Exchange(plan.flow, new Discard(), statement.text), writeGroup(plan), statement)
}
