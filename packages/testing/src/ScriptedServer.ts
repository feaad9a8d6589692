/**
 * A server that plays a part: a `Transport` whose every connection is answered by a script.
 *
 * A script is a list of steps that happen in order: let the client in, wait for a message or a query, send something,
 * hang up. The steps are typed, the log-in is the real one, and queries are answered in both protocols as a server would.
 * What does not go by the script cuts the connection and is reported with what was expected beside what was received.
 *
 * The report cannot get lost: `verify` fails with it, and when nobody has asked for it by then, the end of the layer dies
 * with it, whatever the code under test has made of the cut connection. So does a script that was not played to its end.
 *
 * There is no database behind it. Replies are what the script says, nobody parses SQL, and TLS is that of `InMemory`.
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
import { Conversation } from "./internal/conversation.ts"
import type { Step } from "./internal/script.ts"
import { ScriptError } from "./ScriptError.ts"

export {
  type Accept,
  accept,
  type AcceptOptions,
  type Column,
  complete,
  copyIn,
  type CopyOptions,
  copyOut,
  type Disconnect,
  disconnect,
  type Ending,
  error,
  type ErrorOptions,
  type Expect,
  expect,
  type MessagePattern,
  type On,
  on,
  type Repeat,
  repeat,
  type Reply,
  rows,
  type Send,
  send,
  type SendBytes,
  sendBytes,
  type Stall,
  stall,
  type Step,
  untilCancelled
} from "./internal/script.ts"

/**
 * What happened on one connection.
 *
 * @category models
 * @since 0.1.0
 */
export interface Played {
  /** Who logged in; absent when nobody did, or the script did it by hand. */
  readonly startup: Startup | undefined
  /** Every message that came behind the log-in, in order. */
  readonly received: ReadonlyArray<Frontend.Message>
}

/**
 * The server's own account of what happened.
 *
 * @category services
 * @since 0.1.0
 */
export class ScriptedServer extends Context.Service<ScriptedServer, {
  /** What happened so far, connection by connection; those that only came to cancel a query are left out. */
  readonly played: Effect.Effect<ReadonlyArray<Played>>
  /**
   * Succeeds when every connection has gone by its script, and every script was played to its end.
   *
   * It waits until the server has done all that it can do without the client. A reply that cannot be sent, such as a row
   * with a value that its type does not have, is a defect.
   */
  readonly verify: Effect.Effect<void, ScriptError>
}>()("@hyperfect/testing/ScriptedServer") {}

/** How often everybody must have been found waiting, with all that is runnable run in between. */
const calmRounds = 10

const notConnected = (wanted: number) =>
  new ScriptError({
    problem: "unfinished",
    connection: 0,
    step: 1,
    report: wanted === 1 ? "nobody has connected" : `${wanted} more connections were expected`
  })

/** Gives out the script for each connection. */
interface Casting {
  readonly next: () => ReadonlyArray<Step> | undefined
  readonly putBack: (script: ReadonlyArray<Step>) => void
  /** How many scripts nobody has played. */
  readonly left: (connections: number) => number
}

const make = (casting: Casting, options: InMemory.Options | undefined) =>
  Layer.unwrap(Effect.sync(() => {
    let conversations: ReadonlyArray<Conversation> = []
    const reported = new Set<string>()
    let surplus: ScriptError | undefined

    const handle = (line: Accepted): Effect.Effect<void, never, Authenticate.Services> =>
      Effect.suspend(() => {
        const script = casting.next()
        const number = conversations.length + 1
        if (script === undefined) {
          const report = `connection ${number}: there is no script for it`
          surplus ??= new ScriptError({ problem: "unexpected", connection: number, step: 1, report })
          return Effect.void
        }
        const conversation = new Conversation(number, script, line)
        conversations = [...conversations, conversation]
        return Effect.flatMap(conversation.play, (came) => {
          if (came === "session") return Effect.void
          casting.putBack(script)
          conversations = conversations.filter((other) => other !== conversation)
          return Effect.forEach(conversations, (other) => other.cancelBy(came), { discard: true })
        })
      })

    const settle = Effect.gen(function*() {
      for (let round = 0; round < calmRounds; round++) {
        yield* Effect.forEach(conversations, ({ calm }) => calm.await, { discard: true })
        yield* Effect.yieldNow
        if (!conversations.every(({ isCalm }) => isCalm)) round = -1
      }
    })

    const problem = Effect.map(settle, () => {
      const problems = [surplus, ...conversations.map((conversation) => conversation.problem())]
      const unplayed = casting.left(conversations.length)
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
      played: Effect.sync(() => conversations.map(({ received, startup }) => ({ startup, received: [...received] })))
    })
    // Built behind the transport, so that it ends before the connections do.
    const lastWord = Layer.effectDiscard(Effect.addFinalizer(() =>
      Effect.catch(verify, (error) => (reported.has(error.report) ? Effect.void : Effect.die(error)))
    ))
    return lastWord.pipe(
      Layer.provideMerge(Layer.merge(server, InMemory.layer(handle, options))),
      Layer.provide(Authenticate.layerCrypto)
    )
  }))

/**
 * A server that plays the same script on every connection.
 *
 * **Details**
 *
 * The endpoint that a client connects to does not matter. Somebody has to connect. A connection that only comes to cancel
 * a query plays no script: it finds the session by its key.
 *
 * **Example** (What the client does not know)
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
    make({
      next: () => script,
      putBack: () => {},
      left: (connections) => (connections === 0 ? 1 : 0)
    }, undefined)
  )

/**
 * A server that plays another script on each connection, in the order in which they are opened.
 *
 * **When to use**
 *
 * Use for clients that connect again, such as one that tries once more after a failure.
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
      putBack: (script) => waiting.unshift(script),
      left: () => waiting.length
    }, options)
  })
