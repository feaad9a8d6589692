/**
 * Results that are handed out while they come: rows, and the data of a COPY. Each has the session to itself.
 *
 * @internal
 */
import type { Reader as CopyReader } from "@hyperfect/values/CopyFormat"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Stream from "effect/Stream"
import { type QueryError, UnsupportedError } from "../QueryError.ts"
import { type About, attempt, fail } from "./circumstances.ts"
import type { WriteFrames } from "./engine.ts"
import { type Exchange, states } from "./exchange.ts"
import type { Gate } from "./gate.ts"
import { CopyOut, type Outlet, StreamRows } from "./giving.ts"
import { Handoff } from "./handoff.ts"
import { checkSimple, type Done, type Host, outcomeOf } from "./host.ts"
import { type Asked, group, type Plan } from "./plan.ts"
import { isStale } from "./prepared.ts"
import type { Rows } from "./reading.ts"

/** An exchange that hands out what comes. */
export interface Giving<A> extends Exchange {
  /** What has come and was not offered yet. */
  readonly takeBatch: () => Array<A>
}

/**
 * A stream out of an exchange that hands out what comes. The session is its own until the stream's scope closes. Then
 * `leave` sees to the exchange; with `drop` it lets go of what has come and will come.
 */
export const handOut = <A>(
  { engine }: Pick<Host, "engine">,
  gate: Gate,
  statement: About,
  start: (outlet: Outlet<A>, done: Done<void>) => Giving<A>,
  write: WriteFrames,
  leave?: (exchange: Giving<A>, drop: () => void) => Effect.Effect<void>
): Stream.Stream<A, QueryError> =>
  Stream.unwrap(Effect.gen(function*() {
    const handoff = new Handoff<A, QueryError>()
    const drop = () => handoff.close()
    const exchange: Giving<A> = start(handoff, (exit) => {
      handoff.push(exchange.takeBatch())
      handoff.end(outcomeOf(exit, exchange, statement))
    })
    yield* Effect.acquireRelease(
      Effect.sync(() => engine.submit(exchange, write)),
      (_, exit) =>
        Effect.suspend(() => {
          if (leave !== undefined) return leave(exchange, drop)
          drop()
          // A transaction would fail with a statement that is cancelled: the rest of it is read, and dropped.
          return Exit.isSuccess(exit) && engine.status === "T" ? Effect.void : engine.abandon(exchange)
        })
    )
    return Stream.fromPull(Effect.succeed(Effect.andThen(gate.proceed, handoff.pull)))
  }))

/** The rows of a statement. */
export const rows = <Row>(
  host: Host,
  statement: Asked,
  makePlan: Effect.Effect<Plan<Rows<Row>>, QueryError>
): Stream.Stream<Row, QueryError> =>
  Stream.unwrap(Effect.gen(function*() {
    const own = yield* host.gate
    yield* own.exclusive(statement)
    const plan = yield* makePlan
    const { describe, known, prepared, state } = plan
    return handOut<Row>(host, own, statement, (outlet, done) => {
      const exchange: StreamRows<Row> = new StreamRows(state, describe, known, outlet, (exit) => {
        if (prepared !== undefined && isStale(exchange)) host.planner.statements.forget(prepared)
        done(exit)
      })
      return exchange
    }, group(plan))
  }))

/** The data as it is, in the pieces that it comes in. */
export const pieces = (): CopyReader<Uint8Array> => ({
  push: (bytes, start, end, batch) => batch.push(bytes.subarray(start, end)),
  end: () => {}
})

/** What a reader makes of the data of a COPY ... TO STDOUT. */
export const copyOut = <A>(
  host: Host,
  statement: Asked,
  makeReader: () => CopyReader<A>,
  writeQuery: (text: string) => WriteFrames
): Stream.Stream<A, QueryError> =>
  Stream.unwrap(Effect.gen(function*() {
    const own = yield* host.gate
    yield* own.exclusive(statement)
    const text = yield* copyText(host, statement)
    const reader = yield* attempt(statement, makeReader)
    return handOut<A>(host, own, statement, (outlet, done) => {
      const exchange: CopyOut<A> = new CopyOut(states.Querying, reader, outlet, (exit) =>
        done(
          Exit.isSuccess(exit) && !exchange.started
            ? Exit.fail(
              new UnsupportedError({ feature: "copying from what is no COPY ... TO STDOUT", server: host.kind })
            )
            : Exit.asVoid(exit)
        ))
      return exchange
    }, writeQuery(text))
  }))

/** The text of a COPY, which goes by the simple protocol and has no parameters. */
export const copyText = (host: Host, statement: Asked): Effect.Effect<string, QueryError> =>
  statement.parameters.length === 0
    ? Effect.as(checkSimple(host, statement.text), statement.text)
    : fail(new UnsupportedError({ feature: "parameters in COPY", server: host.kind }), "nothing", statement)
