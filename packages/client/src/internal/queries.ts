/**
 * What can be asked of a session, by way of its engine.
 *
 * @internal
 */
import type * as Preset from "@hyperfect/values/Preset"
import type { ObjectRow } from "@hyperfect/values/RowReader"
import type * as Type from "@hyperfect/values/Type"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import type { BatchError, Executed, Queries, StreamOptions } from "../Queries.ts"
import { type Failure, type QueryError, UnsupportedError } from "../QueryError.ts"
import type { Result } from "../Result.ts"
import type { Statement } from "../Statement.ts"
import { batch, pipeline } from "./batch.ts"
import type { Types } from "./catalogue.ts"
import { fail } from "./circumstances.ts"
import { copyIn } from "./copyIn.ts"
import { portal, sqlCursor } from "./cursor.ts"
import { type Derived, withDerived } from "./derived.ts"
import { type Engine, type WriteFrames, writeFrontend } from "./engine.ts"
import { states } from "./exchange.ts"
import { functionCall } from "./functionCall.ts"
import { Gate } from "./gate.ts"
import { Collect, CollectColumns, Execute, Simple } from "./gathering.ts"
import { ask, checkSimple, type Done, gather, type Host, outcomeOf, planUnsafe, run } from "./host.ts"
import { observed } from "./observed.ts"
import type { Observer } from "./observer.ts"
import { arrays, asked, columns, nothing, objects, Planner, type Shape } from "./plan.ts"
import { Statements } from "./prepared.ts"
import type { Rows } from "./reading.ts"
import { describe, prepare } from "./statements.ts"
import { copyOut, copyText, pieces, rows } from "./streams.ts"
import { currentOf, CurrentTransaction, type Sent, transaction } from "./transaction.ts"

type Input = Statement | string

/** @internal */
export interface Options {
  readonly engine: Engine
  readonly kind: "hyper" | "postgres"
  readonly types: Types
  readonly defaultPreset: Preset.Preset
  /** The format that results of simple queries come in. */
  readonly simpleFormat: () => Type.Format
  readonly statementCacheSize: number
  readonly processId: number | undefined
  /** Milliseconds for each query. */
  readonly queryTimeout: number | undefined
  readonly observer: Observer
}

/** @internal */
export const make = (options: Options): Queries => {
  const { defaultPreset, engine, kind, processId, simpleFormat, statementCacheSize, types } = options
  const statements = new Statements(engine, types, statementCacheSize, processId)
  const planner = new Planner(engine, kind, types, defaultPreset, statements)
  const sessionGate = new Gate(kind)
  const gateOf = (fiber: Fiber.Fiber<unknown, unknown>): Gate =>
    currentOf(engine, fiber.getRef(CurrentTransaction))?.gate ?? sessionGate
  const gate = Effect.withFiber((fiber) => Effect.succeed(gateOf(fiber)))
  const host: Host = { engine, kind, planner, gateOf, gate, noGate: new Gate(kind), queryTimeout: options.queryTimeout }

  const query = <Row>(input: Input, shape: Shape<Rows<Row>>): Effect.Effect<Result<Row>, QueryError> => {
    const statement = asked(input)
    return gather<Rows<Row>, Result<Row>>(host, statement, () => planUnsafe(host, statement, shape), Collect)
  }

  const stream = <Row>(
    input: Input,
    shape: Shape<Rows<Row>>,
    { fetchSize }: StreamOptions = {}
  ): Stream.Stream<Row, QueryError> => {
    const statement = asked(input)
    const plan = Effect.suspend(() => planUnsafe(host, statement, shape))
    if (fetchSize === undefined) return rows(host, statement, plan)
    return kind === "hyper"
      ? sqlCursor(host, statement, limit(fetchSize), (text) => simple(host.noGate, text, shape))
      : portal(host, statement, plan, limit(fetchSize))
  }

  const writeQuery = (text: string): WriteFrames => (out) => writeFrontend(out, { _tag: "Query", query: text })

  type Results<Row> = ReadonlyArray<Result<Row>>

  const buildSimple = <Row>(shape: Shape<Rows<Row>>, done: Done<Results<Row>>) =>
    new Simple(states.Querying, planner.describe(shape, simpleFormat()), done)

  const simple = <Row>(gate: Gate, text: string, shape: Shape<Rows<Row>>): Effect.Effect<Results<Row>, QueryError> =>
    Effect.andThen(
      checkSimple(host, text),
      run<Results<Row>>(
        host,
        gate,
        text,
        (done) => {
          const exchange: Simple<Row> = buildSimple(shape, (exit) => done(outcomeOf(exit, exchange, text)))
          return exchange
        },
        writeQuery(text),
        () => simple(gate, text, shape)
      )
    )

  const send = (text: string): Sent => {
    const outcome = Deferred.makeUnsafe<Results<ObjectRow>, Failure>()
    const exchange = buildSimple(objects, (exit) => Deferred.doneUnsafe(outcome, exit))
    exchange.text = text
    engine.submit(exchange, writeQuery(text))
    return { exchange, outcome: Effect.catch(Deferred.await(outcome), (failure) => fail(failure, exchange.sent, text)) }
  }

  const inTransaction: Queries["transaction"] = (effect, options) =>
    transaction({ engine, kind, gate: sessionGate, send }, effect, options)

  const isInside = Effect.withFiber((fiber) =>
    Effect.succeed(currentOf(engine, fiber.getRef(CurrentTransaction)) !== undefined)
  )

  /** Hyper has no transaction of one group: there it is one of its own, unless it is part of one already. */
  const batched = (inputs: ReadonlyArray<Input>): Effect.Effect<Results<ObjectRow>, BatchError> => {
    if (inputs.length === 0) return Effect.succeed([])
    const text = textOf(inputs)
    if (kind === "postgres") return ask(host, text, (gate) => batch(host, gate, text, inputs))
    const all = Effect.forEach(inputs, (input) => query(input, objects))
    return Effect.flatMap(isInside, (isInside) => (isInside ? all : inTransaction(all)))
  }

  const queries: Omit<Queries, Derived> = {
    query: (statement) => query(statement, objects),
    values: (statement) => query(statement, arrays),
    columns: (input) => {
      const statement = asked(input)
      return gather(host, statement, () => planUnsafe(host, statement, columns), CollectColumns)
    },
    execute: (input) => {
      const statement = asked(input)
      return gather<undefined, Executed>(host, statement, () => planUnsafe(host, statement, nothing), Execute)
    },
    simple: (text) => ask(host, text, (gate) => simple(gate, text, objects)),
    batch: batched,
    pipeline: (statements) => ask(host, textOf(statements), (gate) => pipeline(host, gate, statements)),
    describe: (statement) => ask(host, statement, (gate) => describe(host, gate, types, asked(statement))),
    prepare: (text, declared) => Effect.flatMap(gate, (gate) => prepare(host, gate, types, text, declared ?? [])),
    call: (functionOid, args, returns) =>
      kind === "hyper"
        ? fail(new UnsupportedError({ feature: "a function call", server: kind }), "nothing", "")
        : ask(host, "", (gate) => functionCall(host, gate, functionOid, args, returns)),
    stream: (statement, options) => stream(statement, objects, options),
    streamValues: (statement, options) => stream(statement, arrays, options),
    copyIn: (input, data) =>
      Effect.flatMap(gate, (gate) =>
        gate.alone(
          input,
          Effect.flatMap(
            copyText(host, asked(input)),
            (text) => copyIn(engine, kind, text, writeQuery(text), Stream.unwrap(Effect.as(gate.proceed, data)))
          )
        )),
    copyOut: (input) => copyOut(host, asked(input), pieces, writeQuery),
    copyOutWith: (input, makeReader) => copyOut(host, asked(input), makeReader, writeQuery),
    transaction: inTransaction
  }
  return withDerived<never>(observed(queries, options.observer), isInside)
}

const textOf = (inputs: ReadonlyArray<Input>): string => inputs.map((input) => asked(input).text).join("; ")

/** A row limit that Execute can say; 0 there would mean all. */
const limit = (fetchSize: number): number => Math.min(Math.max(1, Math.trunc(fetchSize) || 1), 0x7fffffff)
