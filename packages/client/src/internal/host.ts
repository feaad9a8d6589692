/**
 * What every kind of query works with, and how an exchange is run for a fiber.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import { type Failure, type QueryError, UnsupportedError } from "../QueryError.ts"
import { operationOf } from "../QueryText.ts"
import type { FieldDescription } from "../Result.ts"
import * as ServerError from "../ServerError.ts"
import { type About, chain, fail } from "./circumstances.ts"
import type { Engine, WriteFrames } from "./engine.ts"
import type { Exchange } from "./exchange.ts"
import type { Base, Describe } from "./exchanges.ts"
import type { Gate } from "./gate.ts"
import { mayCopy } from "./nature.ts"
import { type Asked, group, type Plan, type Planner, type Shape } from "./plan.ts"
import { isStale } from "./prepared.ts"
import { limited } from "./timeout.ts"

/** @internal */
export interface Host {
  readonly engine: Engine
  readonly kind: "hyper" | "postgres"
  readonly planner: Planner
  /** The gate that a fiber has to pass: that of the transaction that it works in, if there is one. */
  readonly gateOf: (fiber: Fiber.Fiber<unknown, unknown>) => Gate
  /** The same for the calling fiber. */
  readonly gate: Effect.Effect<Gate>
  /** For whoever has the session to himself. */
  readonly noGate: Gate
  /** Milliseconds for each query. */
  readonly queryTimeout: number | undefined
}

/** Asks something at the gate of the calling fiber, in the time that a query has. */
export const ask = <A, E>(
  host: Host,
  statement: About,
  query: (gate: Gate) => Effect.Effect<A, E>
): Effect.Effect<A, E | QueryError> =>
  Effect.withFiber((fiber) => limited(fiber, host.queryTimeout, statement, query(host.gateOf(fiber))))

/** Whom an exchange tells of its outcome. */
export type Done<A> = (exit: Exit.Exit<A, Failure>) => void

/** The outcome of an exchange as that of its statement. */
export const outcomeOf = <A>(
  exit: Exit.Exit<A, Failure>,
  exchange: Exchange,
  statement: About
): Effect.Effect<A, QueryError> =>
  Exit.isSuccess(exit)
    ? exit as Exit.Exit<A>
    : Effect.catch(exit, (failure) => fail(failure, exchange.sent, statement))

/** Submits an exchange and waits for its outcome; interruption abandons it. */
export const run = <A>(
  { engine }: Host,
  gate: Gate,
  statement: About,
  build: (done: (outcome: Effect.Effect<A, QueryError>) => void) => Exchange & { text: string },
  write: WriteFrames,
  again: () => Effect.Effect<A, QueryError>
): Effect.Effect<A, QueryError> =>
  Effect.callback<A, QueryError>((resume) => {
    // It can have been shut since it was passed, as it can be while a statement is prepared.
    if (!gate.isOpen) return resume(gate.pass(statement, again))
    const exchange = build(resume)
    exchange.text = typeof statement === "string" ? statement : statement.text
    engine.submit(exchange, write)
    return engine.abandon(exchange)
  })

const failedTransaction = ServerError.fromFields([
  { code: "S", value: "ERROR" },
  { code: "C", value: "25P02" },
  { code: "M", value: "the transaction has failed, statements are ignored until it is rolled back" }
])

/** What has to be looked at more closely; comments and empty statements may stand before anything. */
const isSuspect = /^\s*(?:copy|fetch|;|--|\/\*)/i

/** Why a statement must not be run, if it must not. */
const refusal = ({ kind, planner }: Host, text: string): Failure | undefined => {
  const operation = isSuspect.test(text) ? operationOf(text) : undefined
  // What is sent behind it would be taken for its data, and end the session.
  if (operation === "COPY" && mayCopy(text)) {
    return new UnsupportedError({ feature: "COPY in a query", server: kind })
  }
  if (kind === "postgres") return undefined
  if (planner.isRefused(text)) return failedTransaction
  // It would end the whole server (measured).
  return operation === "FETCH"
    ? new UnsupportedError({ feature: "FETCH other than by `simple`", server: kind })
    : undefined
}

/** Fails when a text must not be sent by the simple protocol. */
export const checkSimple = ({ planner }: Host, text: string): Effect.Effect<void, QueryError> =>
  Effect.suspend(() => planner.isRefused(text) ? fail(failedTransaction, "nothing", text) : Effect.void)

/** Fails when a statement must not be sent by the extended protocol. */
export const checkExtended = (host: Host, statement: Asked): Effect.Effect<void, QueryError> =>
  Effect.suspend(() => {
    const refused = refusal(host, statement.text)
    return refused === undefined ? Effect.void : fail(refused, "nothing", statement)
  })

/** The plan of a statement, unless it must not be run: an effect that has its outcome already if that is known. */
export const planUnsafe = <K>(
  host: Host,
  statement: Asked,
  shape: Shape<K>,
  isKept?: boolean
): Effect.Effect<Plan<K>, QueryError> => {
  const refused = refusal(host, statement.text)
  return refused === undefined ? host.planner.planUnsafe(statement, shape, isKept) : fail(refused, "nothing", statement)
}

/** The exchange that makes something of a result. */
export type Gathering<K, A> = new(
  state: number,
  describe: Describe<K>,
  known: K | undefined,
  done: Done<A>
) => Base<A>

/** What has columns, or nobody wants to know. */
export type Readable = { readonly fields: ReadonlyArray<FieldDescription> } | undefined

/** Runs a statement in the calling step, as far as that goes: an open gate has been passed. */
const gatherUnsafe = <K extends Readable, A>(
  host: Host,
  gate: Gate,
  statement: Asked,
  makePlan: () => Effect.Effect<Plan<K>, QueryError>,
  Gathering: Gathering<K, A>,
  isRetry: boolean
): Effect.Effect<A, QueryError> =>
  chain(makePlan(), (plan) => {
    const { describe, known, prepared, state } = plan
    return run<A>(
      host,
      gate,
      statement,
      (done) => {
        const exchange: Base<A> = new Gathering(state, describe, known, (exit) => {
          if (prepared === undefined || !isStale(exchange)) return done(outcomeOf(exit, exchange, statement))
          host.planner.statements.forget(prepared)
          const again = () => gatherUnsafe(host, gate, statement, makePlan, Gathering, true)
          // Nothing has been run, and there is no transaction that it has failed with.
          const mayRepeat = host.engine.status === "I" && !isRetry
          done(mayRepeat ? gate.pass(statement, again) : outcomeOf(exit, exchange, statement))
        })
        return exchange
      },
      group(plan),
      () => gatherUnsafe(host, gate, statement, makePlan, Gathering, isRetry)
    )
  })

/** Runs a statement when the gate of the calling fiber is open, and gathers its result. */
export const gather = <K extends Readable, A>(
  host: Host,
  statement: Asked,
  makePlan: () => Effect.Effect<Plan<K>, QueryError>,
  Gathering: Gathering<K, A>
): Effect.Effect<A, QueryError> =>
  ask(
    host,
    statement,
    (gate) => gate.passUnsafe(statement, () => gatherUnsafe(host, gate, statement, makePlan, Gathering, false))
  )
