/**
 * Effects as promises and callbacks.
 *
 * @internal
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import { toError } from "./databaseError.ts"

/** Runs an effect. The promise is rejected with the error that a caller sees. */
export const runPromise = async <A, E>(
  effect: Effect.Effect<A, E>,
  onFork?: (fiber: Fiber.Fiber<A, E>) => void
): Promise<A> => {
  const exit = await new Promise<Exit.Exit<A, E>>((resolve) => {
    const fiber = Effect.runFork(effect)
    onFork?.(fiber)
    fiber.addObserver(resolve)
  })
  if (Exit.isSuccess(exit)) return exit.value
  throw Cause.hasInterruptsOnly(exit.cause) ? new Error("the query was cancelled") : toError(Cause.squash(exit.cause))
}

/** A callback for a result or an error. */
// oxlint-disable-next-line typescript/no-explicit-any
export type Callback<A> = (error: any, value?: A) => void

/** Calls a callback outside the promise, so that its exceptions are uncaught exceptions. */
const call = (f: () => void): void => queueMicrotask(f)

/**
 * Returns the promise, or calls the callback in its place if there is one.
 *
 * An error that was made elsewhere gets the stack of the caller, as an asynchronous one.
 */
export function settle<A>(run: () => Promise<A>, callback: undefined): Promise<A>
export function settle<A>(run: () => Promise<A>, callback: Callback<A> | undefined): Promise<A> | undefined
export function settle<A>(run: () => Promise<A>, callback: Callback<A> | undefined): Promise<A> | undefined {
  const result = withStack(run)
  if (callback === undefined) return result
  result.then((value) => call(() => callback(null, value)), (error: unknown) => call(() => callback(error)))
  return undefined
}

const withStack = async <A>(run: () => Promise<A>): Promise<A> => {
  try {
    return await run()
  } catch (error) {
    // Some errors of the client are frozen.
    if (error instanceof Error && Object.isExtensible(error)) Error.captureStackTrace(error)
    throw error
  }
}
