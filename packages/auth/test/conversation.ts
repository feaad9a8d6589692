/** A client that logs in to whatever a test plays the server with, watched for secrets. */
import { assert } from "@effect/vitest"
import { Authenticate } from "@hyperfect/auth"
import type { AuthError, Login, Policy } from "@hyperfect/auth"
import { type Connection, InMemory, MessageChannel } from "@hyperfect/transport"
import { Cause, Effect, Exit, Fiber, type Layer, Logger, References, Result, Tracer } from "effect"
import { inspect } from "node:util"

/** Nothing that a test logs in with; it must not turn up anywhere. */
export const secret = "c0rrect-h0rse"

export interface Options<E, R> {
  readonly login: Login.Login<E, R>
  readonly policy?: Policy.Policy | undefined
  /** What either end computes with. */
  readonly crypto?: Layer.Layer<Authenticate.Services> | undefined
  /** How the line between the two behaves; see `InMemory.pair`. */
  readonly line?: InMemory.Options | undefined
  /** What the client takes its connection for. */
  readonly connection?: ((connection: Connection.Connection) => Connection.Connection) | undefined
}

/** Everything that an error says when somebody looks at it in any of the usual ways. */
const spoken = (cause: Cause.Cause<unknown>): string =>
  [
    Cause.pretty(cause),
    ...cause.reasons.map((reason) => inspect(reason, { depth: 20, showHidden: true })),
    ...cause.reasons.map((reason) => reason._tag === "Fail" ? JSON.stringify(reason.error) + String(reason.error) : "")
  ].join("\n")

/**
 * Logs a client in to a server and returns what came of it on both sides.
 *
 * It fails the test when the secret is in what was written, logged, traced or thrown.
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

/** The typed failure of a log-in. A defect, an interruption or a success fails the test. */
export const failureOf = <A, E>(exit: Exit.Exit<A, E>): E => {
  assert(Exit.isFailure(exit), "fails")
  const failure = Cause.findError(exit.cause)
  assert(Result.isSuccess(failure), `fails with a typed error, not with ${Cause.pretty(exit.cause)}`)
  return failure.success
}

const isAuthError = (u: unknown): u is AuthError.AuthError =>
  typeof u === "object" && u !== null && "_tag" in u && u._tag === "AuthError"

/** The reason of a log-in that was given up for what this package knows of. */
export const reasonOf = <A, E>(exit: Exit.Exit<A, E>): AuthError.Reason => {
  const failure = failureOf(exit)
  assert(isAuthError(failure), `fails with an AuthError, not with ${inspect(failure)}`)
  return failure.reason
}
