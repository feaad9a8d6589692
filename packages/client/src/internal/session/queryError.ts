/**
 * Conversion of a session's failure to the error of a statement: its text, its call site, and how much was sent.
 *
 * None of this has a cost while statements succeed.
 *
 * @internal
 */
import * as ErrorField from "@hyperfect/protocol/ErrorField"
import * as ValueErrors from "@hyperfect/values/ValueError"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as Redacted from "effect/Redacted"
import * as References from "effect/References"
import type { Dialect } from "../../Dialect.ts"
import { type Failure, type QueryError, type Sent, UnsupportedError } from "../../QueryError.ts"
import { excerpt } from "../../QueryText.ts"
import * as ServerError from "../../ServerError.ts"
import { callerOf } from "../model/callers.ts"
import type { StatementComment } from "../model/comment.ts"
import { callSite } from "../model/sql.ts"

/** The statement of an error. */
export type StatementLike = { readonly text: string; readonly comment?: StatementComment | undefined } | string

/** The text of several statements in an error. */
export const textOf = (statements: ReadonlyArray<{ readonly text: string }>): string =>
  statements.map(({ text }) => text).join("; ")

/** Clones a failure, as all statements of a dead session fail with the same one. */
const cloneFailure = (failure: Failure): Failure =>
  new (failure.constructor as new(fields: object) => Failure)(Object.assign({}, failure))

/** The refusal of a feature. `problem` is its message, if the server is not the reason. */
export const unsupported = (
  { isOverridden, name: server }: Dialect,
  feature: string,
  problem = isOverridden ? `${feature}: not supported with the dialect of the configuration` : undefined
): UnsupportedError => new UnsupportedError({ feature, server, ...problem === undefined ? {} : { problem } })

/** The refusal of a COPY by a method that cannot transfer its data. */
export const copyInQuery = (dialect: Dialect): UnsupportedError =>
  unsupported(dialect, "COPY in a query", "COPY cannot run through query; use copyIn, copyOut or the Copy module")

/** The number of frames that `Cause.pretty` shows. */
const maxStackFrames = 10

const stackFrames = (fiber: Fiber.Fiber<unknown, unknown>): ReadonlyArray<string> => {
  const lines: Array<string> = []
  let frame = Context.get(fiber.context, References.CurrentStackFrame)
  for (; frame !== undefined && lines.length < maxStackFrames; frame = frame.parent) {
    const place = frame.stack()?.replace(/^\s*at /, "")
    lines.push(`    at ${frame.name}${place === undefined ? "" : ` (${/\((.*)\)$/.exec(place)?.[1] ?? place})`}`)
  }
  return lines
}

/** Marks a failure as the final one of a session that is not replaced: all further uses fail with it. */
export const lastWord = (failure: Failure): Failure => {
  if (!failure.isRetryable) return failure
  // A server error belongs to one exchange and is used as it is; other failures may be shared by several.
  const own = failure._tag === "ServerError" ? failure : cloneFailure(failure)
  return Object.defineProperty(own, "isRetryable", { value: false })
}

/** After a lost connection, what was not sent at all can be sent on another one. */
const isSafeToRetry = (failure: Failure, sent: Sent): boolean =>
  failure.isRetryable && (sent === "nothing" || (failure._tag === "ServerError" && !failure.isFatal))

/** True if the statement was stale: repeating the same work prepares it again. */
export const isStaleError = (error: object): boolean => Reflect.get(error, "isStale") === true

/** Returns a failure whose position, if it is in the comment behind a text, is moved to the end of the text. */
const withinText = (failure: Failure, statement: StatementLike): Failure => {
  if (typeof statement === "string" || statement.comment === undefined || failure._tag !== "ServerError") return failure
  const { fields, position = 0 } = failure.reason
  const end = Array.from(statement.text).length + 1
  return position <= end ? failure : ServerError.fromFields(
    fields.map((field) => field.code === ErrorField.codes.position ? { ...field, value: String(end) } : field)
  )
}

const makeQueryError = (
  failure: Failure,
  sent: Sent,
  statement: StatementLike,
  fiber: Fiber.Fiber<unknown, unknown>,
  isStale = false,
  isUndone = false
): QueryError => {
  const error = cloneFailure(withinText(failure, statement))
  const text = typeof statement === "string" ? statement : statement.text
  const site = typeof statement === "string" ? callerOf(text) : callSite(statement)
  const position = error._tag === "ServerError" ? error.reason.position : undefined
  const stack = [
    `${error.name}: ${error.message}`,
    ...(site === undefined ? [] : [site]),
    ...(position === undefined ? [] : excerpt(text, position)),
    ...stackFrames(fiber)
  ].join("\n")
  return Object.defineProperties(error, {
    sent: { value: sent, enumerable: true },
    statement: { value: Redacted.make(text) },
    isStale: { value: isStale },
    isRetryable: { value: isStale || isUndone || isSafeToRetry(failure, sent) },
    stack: { value: stack }
  }) as QueryError
}

/** Fails the calling fiber with the error of its statement. */
export const failQuery = (
  failure: Failure,
  sent: Sent,
  statement: StatementLike,
  isStale = false,
  isUndone = false
): Effect.Effect<never, QueryError> =>
  Effect.withFiber((fiber) => Effect.fail(makeQueryError(failure, sent, statement, fiber, isStale, isUndone)))

/** Fails with the refusal of a feature, before anything was sent. */
export const refuse = (
  dialect: Dialect,
  feature: string,
  statement: StatementLike,
  problem?: string
): Effect.Effect<never, QueryError> => failQuery(unsupported(dialect, feature, problem), "nothing", statement)

/** True if the reason of a failure is transient, whether or not it is safe to repeat the statement. */
export const isTransient = (error: object): boolean =>
  Reflect.get(Object.getPrototypeOf(error) as object, "isRetryable", error) === true

/** Runs code that may throw the reason of a `ValueError`, before anything is sent. */
export const trySync = <A>(statement: StatementLike, evaluate: () => A): Effect.Effect<A, QueryError> => {
  try {
    return Effect.succeed(evaluate())
  } catch (thrown) {
    return failQuery(ValueErrors.fromThrown(thrown), "nothing", statement)
  }
}

/** True if an effect is an exit. V8 optimises it for its callers, unlike `Exit.isExit`, which all guards share (M-21). */
export const isExit = <A, E>(effect: Effect.Effect<A, E>): effect is Exit.Exit<A, E> => {
  const { _tag } = effect as { readonly _tag?: string }
  return _tag === "Success" || _tag === "Failure"
}

/** Works as `Effect.flatMap`, but within the calling step if the outcome is already available. */
export const flatMapEager = <A, E, B, E2>(
  effect: Effect.Effect<A, E>,
  next: (value: A) => Effect.Effect<B, E2>
): Effect.Effect<B, E | E2> => {
  if (!isExit(effect)) return Effect.flatMap(effect, next)
  return effect._tag === "Success" ? next(effect.value) : effect as Exit.Exit<never, E>
}
