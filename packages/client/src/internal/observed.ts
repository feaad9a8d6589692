/**
 * The queries of a session with a span, and metrics, for each of them.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { Queries } from "../Queries.ts"
import { operationOf, withoutLiterals } from "../QueryText.ts"
import { fromTextUnsafe, type Statement } from "../Statement.ts"
import type { Derived } from "./derived.ts"
import type { Observer } from "./observer.ts"

/** A text with parameters has its values elsewhere, and is shown as it is. */
const ofStatement = (input: Statement | string) => {
  const { parameters, text } = typeof input === "string" ? { parameters: [], text: input } : input
  return { operation: operationOf(text), text: parameters.length === 0 ? withoutLiterals(text) : text }
}

const rowsOf = ({ rows }: { readonly rows: ReadonlyArray<unknown> }) => rows.length

type Own = Omit<Queries, Derived>

/** The same queries, observed. What nobody sees is asked as it is. */
export const observed = (queries: Own, observer: Observer): Own => {
  const effect = <A, E, R>(
    input: Statement | string,
    asked: Effect.Effect<A, E, R>,
    rows?: (answer: A) => number
  ): Effect.Effect<A, E, R> =>
    Effect.withFiber((fiber) => observer.isOn(fiber) ? observer.effect({ ...ofStatement(input), rows }, asked) : asked)
  const stream = <A, E, R>(input: Statement | string, asked: Stream.Stream<A, E, R>, rows?: () => number) =>
    Stream.unwrap(
      Effect.withFiber((fiber) =>
        Effect.succeed(observer.isOn(fiber) ? observer.stream({ ...ofStatement(input), rows }, asked) : asked)
      )
    )
  const counted = () => 0
  return {
    ...queries,
    query: (statement) => effect(statement, queries.query(statement), rowsOf),
    values: (statement) => effect(statement, queries.values(statement), rowsOf),
    columns: (statement) => effect(statement, queries.columns(statement), ({ rowCount }) => rowCount ?? 0),
    simple: (text) =>
      effect(text, queries.simple(text), (results) => results.reduce((sum, { rows }) => sum + rows.length, 0)),
    execute: (statement) => effect(statement, queries.execute(statement)),
    batch: (statements) => observer.effect({ operation: "BATCH", size: statements.length }, queries.batch(statements)),
    pipeline: (statements) =>
      observer.effect({ operation: "PIPELINE", size: statements.length }, queries.pipeline(statements)),
    stream: (statement, options) => stream(statement, queries.stream(statement, options), counted),
    streamValues: (statement, options) => stream(statement, queries.streamValues(statement, options), counted),
    copyIn: (statement, data) => effect(statement, queries.copyIn(statement, data)),
    copyOut: (statement) => stream(statement, queries.copyOut(statement)),
    describe: (statement) => effect(statement, queries.describe(statement)),
    call: (functionOid, parameters, returns) =>
      observer.effect({ operation: "CALL" }, queries.call(functionOid, parameters, returns)),
    prepare: (text, types) =>
      Effect.map(effect(text, queries.prepare(text, types)), (prepared) => {
        const as = (parameters: ReadonlyArray<unknown>) => fromTextUnsafe(text, parameters)
        return {
          ...prepared,
          query: (...values) => effect(as(values), prepared.query(...values), rowsOf),
          values: (...values) => effect(as(values), prepared.values(...values), rowsOf),
          execute: (...values) => effect(as(values), prepared.execute(...values)),
          stream: (...values) => stream(as(values), prepared.stream(...values), counted),
          streamValues: (...values) => stream(as(values), prepared.streamValues(...values), counted)
        }
      }),
    copyOutWith: (statement, makeReader) => stream(statement, queries.copyOutWith(statement, makeReader), counted),
    transaction: (inside, options) =>
      observer.effect({ operation: "TRANSACTION" }, queries.transaction(inside, options))
  }
}
