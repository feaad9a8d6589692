/** Logs a client in to a server that a test plays, and checks that no secret leaks. */
import { assert } from "@effect/vitest"
import { Authenticate } from "@hyperfect/auth"
import type { AuthError, Login, Policy } from "@hyperfect/auth"
import { type Connection, InMemory, MessageChannel } from "@hyperfect/transport"
import { Cause, Effect, Exit, Fiber, type Layer, Logger, References, Result, Tracer } from "effect"
import { inspect } from "node:util"

/** A marker used only in passwords; it must not occur in any output. */
export const secret = "c0rrect-h0rse"

export interface Options<E, R> {
  readonly login: Login.Login<E, R>
  readonly policy?: Policy.Policy | undefined
  /** The cryptography of either end. */
  readonly crypto?: Layer.Layer<Authenticate.Services> | undefined
  /** The options of the connection between the two; see `InMemory.pair`. */
  readonly line?: InMemory.Options | undefined
  /** Wraps the client's connection. */
  readonly connection?: ((connection: Connection.Connection) => Connection.Connection) | undefined
}

/** Returns all texts of an error in the usual ways of printing it. */
const spoken = (cause: Cause.Cause<unknown>): string =>
  [
    Cause.pretty(cause),
    ...cause.reasons.map((reason) => inspect(reason, { depth: 20, showHidden: true })),
    ...cause.reasons.map((reason) => reason._tag === "Fail" ? JSON.stringify(reason.error) + String(reason.error) : "")
  ].join("\n")

/**
 * Logs a client in to a server and returns the outcome of both sides.
 *
 * It fails the test if the secret is in written, logged, traced or thrown data.
 */
export const converse = <A, E2, R2, E = never, R = never>(
  server: (channel: MessageChannel.Server, line: InMemory.InMemoryConnection) => Effect.Effect<A, E2, R2>,
  options: Options<E, R>
) =>
  Effect.gen(function*() {
    const pair = yield* InMemory.pair(options.line)
    const written: Array<Uint8Array> = []
    const said: Array<string> = []
    const spans: Array<Tracer.Span> = []
    const client: Connection.Connection = {
      ...pair.client,
      write: (bytes) => {
        written.push(bytes.slice())
        return pair.client.write(bytes)
      }
    }
    const playing = yield* server(MessageChannel.server(pair.server), pair.server).pipe(
      Effect.ensuring(pair.server.close),
      Effect.forkChild
    )
    const tracer = Tracer.make({
      span: (span) => {
        const native = new Tracer.NativeSpan(span)
        spans.push(native)
        return native
      }
    })
    const exit = yield* Authenticate.client(
      MessageChannel.client(options.connection?.(client) ?? client, { longLimit: Authenticate.messageLimit }),
      options.login,
      options.policy
    ).pipe(
      Effect.exit,
      Effect.tap((exit) => Exit.isFailure(exit) ? Effect.logError("failed", exit.cause) : Effect.logDebug(exit.value)),
      Effect.withSpan("login"),
      Effect.withTracer(tracer),
      Effect.provide(Logger.layer([
        Logger.make((options) => said.push(inspect(options.message, { depth: 20 }), Cause.pretty(options.cause)))
      ])),
      Effect.provideService(References.MinimumLogLevel, "Trace")
    )
    yield* pair.client.close
    const played = yield* Fiber.await(playing)
    if (Exit.isFailure(exit)) said.push(spoken(exit.cause))
    if (Exit.isFailure(played)) said.push(spoken(played.cause))

    said.push(...spans.map((span) => inspect(span, { depth: 10 })))
    const bytes = Buffer.concat(written)
    assert.notInclude(said.join("\n"), secret)
    return { exit, played, written: bytes, wroteSecret: bytes.includes(secret) }
  }).pipe(Effect.scoped, Effect.provide(options.crypto ?? Authenticate.layerCrypto))

/** Returns the typed failure of a login. A defect, an interruption or a success fails the test. */
export const failureOf = <A, E>(exit: Exit.Exit<A, E>): E => {
  assert(Exit.isFailure(exit), "fails")
  const failure = Cause.findError(exit.cause)
  assert(Result.isSuccess(failure), `fails with a typed error, not with ${Cause.pretty(exit.cause)}`)
  return failure.success
}

const isAuthError = (u: unknown): u is AuthError.AuthError =>
  typeof u === "object" && u !== null && "_tag" in u && u._tag === "AuthError"

/** Returns the reason of a login that failed with an `AuthError`. */
export const reasonOf = <A, E>(exit: Exit.Exit<A, E>): AuthError.Reason => {
  const failure = failureOf(exit)
  assert(isAuthError(failure), `fails with an AuthError, not with ${inspect(failure)}`)
  return failure.reason
}
