/**
 * From what went wrong on a session to the error of one statement: what it was, where it came from, how far it got.
 *
 * Nothing of this costs anything while statements succeed.
 *
 * @internal
 */
import { ProtocolError } from "@hyperfect/protocol/ProtocolError"
import { TransportError } from "@hyperfect/transport/TransportError"
import * as ValueErrors from "@hyperfect/values/ValueError"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as Redacted from "effect/Redacted"
import * as References from "effect/References"
import { type Failure, type QueryError, QueryTimeout, type Sent, UnsupportedError } from "../QueryError.ts"
import { ServerError } from "../ServerError.ts"
import { siteOf } from "../Statement.ts"

/** The statement that an error is about. */
export type About = { readonly text: string } | string

/** An error of its own for each statement: a session that has died tells everyone of one and the same. */
const copy = (failure: Failure): Failure => {
  switch (failure._tag) {
    case "ServerError":
      return new ServerError({ reason: failure.reason })
    case "ValueError":
      return new ValueErrors.ValueError({ reason: failure.reason })
    case "TransportError":
      return new TransportError({ reason: failure.reason })
    case "ProtocolError":
      return new ProtocolError({ reason: failure.reason })
    case "UnsupportedError":
      return new UnsupportedError({ feature: failure.feature, server: failure.server })
    case "QueryTimeout":
      return new QueryTimeout({ milliseconds: failure.milliseconds })
  }
}

/** As many as `Cause.pretty` shows. */
const mostFrames = 10

const frames = (fiber: Fiber.Fiber<unknown, unknown>): ReadonlyArray<string> => {
  const lines: Array<string> = []
  let frame = Context.get(fiber.context, References.CurrentStackFrame)
  for (; frame !== undefined && lines.length < mostFrames; frame = frame.parent) {
    const place = frame.stack()?.replace(/^\s*at /, "")
    lines.push(`    at ${frame.name}${place === undefined ? "" : ` (${/\((.*)\)$/.exec(place)?.[1] ?? place})`}`)
  }
  return lines
}

/** A lost line is no reason not to send elsewhere what was not sent at all. */
const isSafeToRepeat = (failure: Failure, sent: Sent): boolean =>
  "isRetryable" in failure && failure.isRetryable &&
  (sent === "nothing" || (failure._tag === "ServerError" && !failure.isFatal))

/** @internal */
export const describe = (
  failure: Failure,
  sent: Sent,
  statement: About,
  fiber: Fiber.Fiber<unknown, unknown>
): QueryError => {
  const error = copy(failure)
  const site = typeof statement === "string" ? undefined : siteOf(statement)
  const stack = [`${error.name}: ${error.message}`, ...(site === undefined ? [] : [site]), ...frames(fiber)].join("\n")
  const text = Redacted.make(typeof statement === "string" ? statement : statement.text)
  return Object.defineProperties(error, {
    sent: { value: sent, enumerable: true },
    statement: { value: text },
    isRetryable: { value: isSafeToRepeat(failure, sent) },
    stack: { value: stack }
  }) as QueryError
}

/** Fails the calling fiber with what went wrong with its statement. */
export const fail = (
  failure: Failure,
  sent: Sent,
  statement: About
): Effect.Effect<never, QueryError> =>
  Effect.withFiber((fiber) => Effect.fail(describe(failure, sent, statement, fiber)))

/** Whether the reason of a failure passes by itself, be it safe to repeat the statement or not. */
export const passes = (error: object): boolean =>
  Reflect.get(Object.getPrototypeOf(error) as object, "isRetryable", error) === true

/** Runs code that may throw the reason of a `ValueError`, before anything is sent. */
export const attempt = <A>(statement: About, evaluate: () => A): Effect.Effect<A, QueryError> => {
  try {
    return Effect.succeed(evaluate())
  } catch (thrown) {
    return fail(ValueErrors.fromThrown(thrown), "nothing", statement)
  }
}

/** As `Effect.flatMap`, but in the calling step when the outcome is there already. */
export const chain = <A, E, B, E2>(
  effect: Effect.Effect<A, E>,
  next: (value: A) => Effect.Effect<B, E2>
): Effect.Effect<B, E | E2> => {
  if (!Exit.isExit(effect)) return Effect.flatMap(effect, next)
  const exit = effect as Exit.Exit<A, E>
  return Exit.isSuccess(exit) ? next(exit.value) : Effect.failCause(exit.cause)
}
