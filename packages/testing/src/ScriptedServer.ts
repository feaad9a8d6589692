/**
 * A scripted server: a `Transport` that responds on every connection by following a script.
 *
 * A script is a list of steps that happen in order: accept the client, wait for a message or a query, send a message,
 * disconnect. The steps are typed, the login is the real one, and queries are answered in both protocols as a server
 * would. Any deviation from the script closes the connection and is reported, with the expected and the received
 * message.
 *
 * Deviations are always reported: `verify` fails with the report, and if it was not reported by then, closing the layer
 * dies with it, however the code under test handled the closed connection. The same holds for a script that was not
 * completed.
 *
 * There is no database behind it. Responses come from the script, SQL is not parsed, and TLS is that of `InMemory`.
 *
 * @since 0.1.0
 */
import * as Authenticate from "@hyperfect/auth/Authenticate"
import type { Startup } from "@hyperfect/auth/Startup"
import type * as Frontend from "@hyperfect/protocol/Frontend"
import * as InMemory from "@hyperfect/transport/InMemory"
import type { Accepted } from "@hyperfect/transport/Listener"
import type { Transport } from "@hyperfect/transport/Transport"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { ScriptRunner } from "./internal/script/runner.ts"
import type { Step } from "./internal/script/steps.ts"
import { ScriptError } from "./ScriptError.ts"

export * from "./internal/script/steps.ts"

/**
 * The log of one connection.
 *
 * @category models
 * @since 0.1.0
 */
export interface SessionLog {
  /** The login of the client; absent if there was none, or if the script implements it itself. */
  readonly startup: Startup | undefined
  /** Every message received after the login, in order. */
  readonly received: ReadonlyArray<Frontend.Message>
}

/**
 * The server's log of what happened.
 *
 * @category services
 * @since 0.1.0
 */
export class ScriptedServer extends Context.Service<ScriptedServer, {
  /** The log so far, by connection; connections that only cancel a query are left out. */
  readonly sessions: Effect.Effect<ReadonlyArray<SessionLog>>
  /**
   * Succeeds if every connection has followed its script, and every script was completed.
   *
   * It waits until the server has done everything it can do without the client. A response that cannot be sent, such as
   * a row with a value that does not fit its type, is a defect.
   */
  readonly verify: Effect.Effect<void, ScriptError>
}>()("@hyperfect/testing/ScriptedServer") {}

/** The number of times in a row that all fibers must be found waiting, each after everything runnable has run. */
const idleRounds = 10

const notConnected = (wanted: number) =>
  new ScriptError({
    problem: "unfinished",
    connection: 0,
    step: 1,
    report: wanted === 1 ? "no client has connected" : `${wanted} more connections were expected`
  })

/** Provides the script for each connection. */
interface ScriptSource {
  readonly next: () => ReadonlyArray<Step> | undefined
  readonly restore: (script: ReadonlyArray<Step>) => void
  /** The number of scripts that were not played. */
  readonly remaining: (connections: number) => number
}

const make = (scripts: ScriptSource, options?: InMemory.Options) =>
  Layer.unwrap(Effect.sync(() => {
    let conversations: ReadonlyArray<ScriptRunner> = []
    const reported = new Set<string>()
    let surplus: ScriptError | undefined

    const handle = (line: Accepted): Effect.Effect<void, never, Authenticate.Services> =>
      Effect.suspend(() => {
        const script = scripts.next()
        const number = conversations.length + 1
        if (script === undefined) {
          const report = `connection ${number}: there is no script for it`
          surplus ??= new ScriptError({ problem: "unexpected", connection: number, step: 1, report })
          return Effect.void
        }
        const conversation = new ScriptRunner(number, script, line)
        conversations = [...conversations, conversation]
        return Effect.flatMap(conversation.run, (came) => {
          if (came === "session") return Effect.void
          scripts.restore(script)
          conversations = conversations.filter((other) => other !== conversation)
          return Effect.forEach(conversations, (other) => other.handleCancelRequest(came), { discard: true })
        })
      })

    const settle = Effect.gen(function*() {
      for (let round = 0; round < idleRounds; round++) {
        yield* Effect.forEach(conversations, ({ idle }) => idle.await, { discard: true })
        yield* Effect.yieldNow
        if (!conversations.every(({ isIdle }) => isIdle)) round = -1
      }
    })

    const problem = Effect.map(settle, () => {
      const problems = [surplus, ...conversations.map((conversation) => conversation.problem())]
      const unplayed = scripts.remaining(conversations.length)
      return problems.find((problem) => problem?.problem === "unexpected") ??
        problems.find((problem) => problem !== undefined) ??
        (unplayed > 0 ? notConnected(unplayed) : undefined)
    })

    const verify = Effect.flatMap(problem, (problem): Effect.Effect<void, ScriptError> => {
      const thrown = conversations.find(({ defect }) => defect !== undefined)?.defect
      if (thrown !== undefined) return Effect.die(thrown.defect)
      if (problem === undefined) return Effect.void
      return Effect.fail(problem)
    })

    const server = Layer.succeed(ScriptedServer, {
      verify: Effect.tapError(verify, ({ report }) => Effect.sync(() => reported.add(report))),
      sessions: Effect.sync(() => conversations.map(({ received, startup }) => ({ startup, received: [...received] })))
    })
    // Built after the transport, so that it is finalized before the connections are.
    const verifyOnClose = Layer.effectDiscard(Effect.addFinalizer(() =>
      Effect.catch(verify, (error) => (reported.has(error.report) ? Effect.void : Effect.die(error)))
    ))
    return verifyOnClose.pipe(
      Layer.provideMerge(Layer.merge(server, InMemory.layer(handle, options))),
      Layer.provide(Authenticate.layerCrypto)
    )
  }))

/**
 * Provides a server that plays the same script on every connection.
 *
 * **Details**
 *
 * The endpoint that a client connects to does not matter. At least one client must connect. A connection that only
 * cancels a query plays no script: it finds the session by its key.
 *
 * **Example** (A client of a scripted server)
 *
 * ```ts
 * import { Authenticate } from "@hyperfect/auth"
 * import { ScriptedServer } from "@hyperfect/testing"
 * import { Endpoint, MessageChannel, Transport } from "@hyperfect/transport"
 * import { BuiltIn } from "@hyperfect/values"
 * import { Effect, Redacted } from "effect"
 * import { strict as assert } from "node:assert"
 *
 * const password = Redacted.make("s3cret")
 *
 * const Users = ScriptedServer.layer(
 *   ScriptedServer.accept({ user: "app", password }),
 *   ScriptedServer.on(/from users/, ScriptedServer.rows({ id: BuiltIn.int8, email: BuiltIn.text }, [
 *     { id: 1n, email: "a@b.c" }
 *   ]))
 * )
 *
 * const program = Effect.gen(function*() {
 *   const transport = yield* Transport.Transport
 *   const channel = MessageChannel.client(yield* transport.connect(Endpoint.tcp("db", 5432)))
 *   const session = yield* Authenticate.client(channel, { user: "app", password })
 *   yield* channel.send({ _tag: "Query", query: "select id, email from users" })
 *   const description = yield* channel.receive
 *   return [session.method, description._tag]
 * }).pipe(Effect.scoped, Effect.provide(Authenticate.layerCrypto), Effect.provide(Users))
 *
 * assert.deepEqual(await Effect.runPromise(program), ["scram-sha-256", "RowDescription"])
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (...script: ReadonlyArray<Step>): Layer.Layer<Transport | ScriptedServer> =>
  Layer.suspend(() =>
    make({ next: () => script, restore: () => {}, remaining: (connections) => connections === 0 ? 1 : 0 })
  )

/**
 * Provides a server that plays a different script on each connection, in the order in which they are opened.
 *
 * **When to use**
 *
 * Use for clients that reconnect, such as one that retries after a failure.
 *
 * **Details**
 *
 * There must be as many connections as scripts.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerEach = (
  scripts: ReadonlyArray<ReadonlyArray<Step>>,
  options?: InMemory.Options
): Layer.Layer<Transport | ScriptedServer> =>
  Layer.suspend(() => {
    const waiting = [...scripts]
    return make({
      next: () => waiting.shift(),
      restore: (script) => waiting.unshift(script),
      remaining: () => waiting.length
    }, options)
  })
