/**
 * Streaming results: rows, and the data of a COPY. Each has exclusive use of the session.
 *
 * @internal
 */
import type { Reader as CopyReader } from "@hyperfect/values/CopyFormat"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Stream from "effect/Stream"
import type { QueryError } from "../../QueryError.ts"
import { type WriteFrames, writeQuery } from "../engine/engine.ts"
import { Exchange, flows, states } from "../engine/exchange.ts"
import type { Gate, OpenStream } from "../engine/gate.ts"
import type { RowsDecoder } from "../engine/resultDecoders.ts"
import { type Consumer, CopyStream, RowStream, type StreamSink } from "../engine/streamSinks.ts"
import { sentText } from "../model/comment.ts"
import { Handoff } from "../session/handoff.ts"
import { failQuery, refuse, type StatementLike, trySync, unsupported } from "../session/queryError.ts"
import { Pins } from "../statement/pins.ts"
import { notStatement, type Plan, type Request, writeGroup } from "../statement/plan.ts"
import { plannedOutcome } from "./outcome.ts"
import { checkSimple, type MakePlan, notStatementError, type QueryRunner } from "./runner.ts"

/** An exchange that streams its result. */
export type StreamingExchange<A> = Exchange<void, StreamSink<A>>

/** An exchange that a stream is made of, and the frames that it sends. */
export interface StreamSource<A> {
  readonly start: (consumer: Consumer<A>) => StreamingExchange<A>
  readonly write: WriteFrames
  /** Returns the outcome of an exchange, or the source that the stream continues with after it. */
  readonly outcomeOf?: (exchange: StreamingExchange<A>) => Effect.Effect<StreamSource<A> | void, QueryError>
}

/** Ends the exchange of a stream; `drop` discards the items that have arrived and those still to come. */
type Leave<A> = (exchange: StreamingExchange<A>, drop: () => void) => Effect.Effect<void>

/**
 * Makes a stream from a streaming exchange, which has exclusive use of the session until the stream's scope closes.
 * Then `leave` ends the exchange.
 */
export const toStream = <A>(
  { engine }: Pick<QueryRunner, "engine">,
  gate: Gate,
  statement: StatementLike,
  source: StreamSource<A>,
  leave?: Leave<A>
): Stream.Stream<A, QueryError> =>
  Stream.unwrap(Effect.gen(function*() {
    const handoff = new Handoff<A, QueryError>()
    const drop = () => handoff.close()
    let exchange: StreamingExchange<A>
    const submit = ({ outcomeOf, start, write }: StreamSource<A>): void => {
      const started = exchange = start(handoff)
      engine.submit(started, write, () => {
        handoff.push(started.sink.takeBatch())
        handoff.continueWith(Effect.flatMap(
          outcomeOf === undefined ? started.outcomeFor(statement) : outcomeOf(started),
          (next): Effect.Effect<void, QueryError | Cause.Done> =>
            next === undefined ? Cause.done() : gate.whileActive(statement, () => submit(next))
        ))
      })
    }
    const release = (mayCancel: boolean) =>
      Effect.suspend(() => {
        if (leave !== undefined) return leave(exchange, drop)
        drop()
        // A transaction would fail if a statement in it were cancelled: the rest of the result is read and dropped.
        return mayCancel || engine.status !== "T" ? engine.cancellation.abandon(exchange) : Effect.void
      })
    const open: OpenStream = {
      isOver: () => exchange.state === states.Ended,
      end: (failure) =>
        Effect.suspend(() => {
          handoff.end(failQuery(failure, "all", statement))
          return release(true)
        })
    }
    yield* Effect.acquireRelease(
      gate.whileActive(statement, () => {
        submit(source)
        gate.stream = open
      }),
      (_, exit) =>
        Effect.suspend(() => {
          if (gate.stream === open) gate.stream = undefined
          return release(Exit.isFailure(exit))
        })
    )
    return Stream.fromPull(Effect.succeed(Effect.andThen(gate.markOwner, handoff.pull)))
  }))

/** Observes the records of a stream, so that unknown types in them are known for the next stream. */
const watched = <Row>(plan: Plan<RowsDecoder<Row>>): Plan<RowsDecoder<Row>> =>
  plan.records === undefined || plan.known === undefined ? plan : { ...plan, known: plan.records.watch(plan.known) }

/**
 * Streams the rows of a statement. If it proves to be stale, which shows before the first row, the plan is made again
 * once.
 */
export const rowStream = <Row>(
  runner: QueryRunner,
  gate: Gate,
  statement: Request,
  makePlan: MakePlan<RowsDecoder<Row>>,
  makeExchange: (plan: Plan<RowsDecoder<Row>>, sink: RowStream<Row>) => StreamingExchange<Row> = ({ flow }, sink) =>
    new Exchange(flow, sink),
  write: (plan: Plan<RowsDecoder<Row>>) => WriteFrames = writeGroup,
  leave?: Leave<Row>
): Stream.Stream<Row, QueryError> => {
  const attempt = (pins: Pins, isRetry: boolean): Effect.Effect<StreamSource<Row>, QueryError> =>
    Effect.map(Effect.suspend(() => makePlan(pins)), (plan) => {
      const { describe, known } = watched(plan)
      const repeat = isRetry ? undefined : () => attempt(pins, true)
      return {
        start: (consumer) => makeExchange(plan, new RowStream(describe, known, consumer)),
        write: write(plan),
        outcomeOf: (exchange) => plannedOutcome(runner.planner, exchange, statement, [plan], repeat)
      }
    })
  return Stream.unwrap(Effect.gen(function*() {
    const own = yield* gate.exclusive(statement)
    const source = yield* attempt(yield* Pins.scoped, false)
    return toStream<Row>(runner, own, statement, source, leave)
  }))
}

/** Returns the data unchanged, in the pieces in which it arrives. */
export const rawReader = (): CopyReader<Uint8Array> => ({
  push: (bytes, start, end, batch) => batch.push(bytes.subarray(start, end)),
  end: () => {}
})

/** Streams the items that a reader decodes from the data of a COPY ... TO STDOUT. */
export const copyOut = <A>(
  runner: QueryRunner,
  gate: Gate,
  statement: Request,
  makeReader: () => CopyReader<A>
): Stream.Stream<A, QueryError> =>
  Stream.unwrap(Effect.gen(function*() {
    const own = yield* gate.exclusive(statement)
    yield* checkCopy(runner, statement)
    const reader = yield* trySync(statement, makeReader)
    let hasStarted = false
    const feature = "copying from what is no COPY ... TO STDOUT"
    const problem = "copyOut expects a COPY ... TO STDOUT, but got another statement"
    return toStream<A>(runner, own, statement, {
      start: (consumer) => new Exchange(flows.copyOut, new CopyStream(reader, () => hasStarted = true, consumer)),
      write: writeQuery(sentText(statement)),
      outcomeOf: (exchange) =>
        exchange.error() === undefined && !hasStarted
          ? failQuery(unsupported(runner.engine.dialect, feature, problem), exchange.sent, statement)
          : exchange.outcomeFor(statement)
    })
  }))

/** Fails if a statement cannot be a COPY, which is sent by the simple protocol and has no parameters. */
export const checkCopy = (runner: QueryRunner, statement: Request): Effect.Effect<void, QueryError> =>
  statement === notStatement
    ? failQuery(notStatementError(), "nothing", statement)
    : statement.parameters.length === 0
    ? checkSimple(runner, statement.text)
    : refuse(runner.engine.dialect, "parameters in COPY", statement)
