/** Sessions in each version of the protocol, and cancel requests in them. */
import { assert, describe, it } from "@effect/vitest"
import { Authenticate } from "@hyperfect/auth"
import type { ConnectionConfig } from "@hyperfect/client/ConnectionConfig"
import * as Session from "@hyperfect/client/Session"
import * as Endpoint from "@hyperfect/transport/Endpoint"
import * as InMemory from "@hyperfect/transport/InMemory"
import * as MessageChannel from "@hyperfect/transport/MessageChannel"
import { Deferred, Effect, Fiber } from "effect"
import { describeServers, longRunningStatement, openSession } from "./liveServers.ts"

/** Interrupts a long query, and runs another one on the same session. */
const interruptAndQuery = Effect.fnUntraced(function*(session: Session.Session) {
  const running = yield* Effect.forkChild(session.query(yield* longRunningStatement), { startImmediately: true })
  yield* Effect.sleep("20 millis")
  yield* Fiber.interrupt(running)
  return (yield* session.values("select 1")).rows
})

describeServers({
  both: (it) => {
    it.effect("opens a session of version 3.0 by default", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        assert.strictEqual(session.protocolVersion, "3.0")
      }))
  },
  postgres: (it) => {
    it.effect("opens sessions of version 3.2, and cancels in them with a long key", () =>
      Effect.gen(function*() {
        for (const versions of [{ maxProtocolVersion: "3.2" }, { minProtocolVersion: "3.2" }] as const) {
          const session = yield* openSession(versions)
          assert.strictEqual(session.protocolVersion, "3.2")
          assert.deepStrictEqual(yield* interruptAndQuery(session), [[1]])
        }
      }))

    it.effect("ignores an unknown protocol option", () =>
      Effect.gen(function*() {
        const session = yield* openSession({ maxProtocolVersion: "3.2", parameters: { "_pq_.unheard_of": "1" } })
        assert.strictEqual(session.protocolVersion, "3.2")
        assert.deepStrictEqual((yield* session.values("select 1")).rows, [[1]])
      }))
  },
  hyper: (it) => {
    it.effect("is named in the error when Hyper disconnects on another version", () =>
      Effect.gen(function*() {
        const error = yield* Effect.flip(openSession({ maxProtocolVersion: "3.2" }))
        assert(error._tag === "AuthError" && error.reason._tag === "ServerClosed")
        assert.include(error.message, "another version of the protocol than 3.0")
      }))
  }
})

const config: ConnectionConfig = { endpoint: Endpoint.tcp("server", 5432), user: "app", sslMode: "disable" }

describe("Protocol version > negotiation", () => {
  it.effect("refuses a server whose version is too old", () =>
    Effect.gen(function*() {
      const server = InMemory.layer((line) =>
        Effect.ignore(Authenticate.server(MessageChannel.server(line), {
          account: () => Effect.succeed({ method: "trust" }),
          maxProtocolVersion: "3.0"
        }))
      )
      const versions = [["3.0", "3.0"], ["3.0", "3.2"], ["3.2", "3.2"]] as const
      const results = yield* Effect.forEach(versions, ([minProtocolVersion, maxProtocolVersion]) =>
        Session.make({ ...config, minProtocolVersion, maxProtocolVersion }).pipe(
          Effect.match({
            onSuccess: (session) =>
              session.protocolVersion,
            onFailure: (error) => error._tag === "AuthError" ? error.reason._tag : error._tag
          }),
          Effect.scoped,
          Effect.provide(server)
        ))
      assert.deepStrictEqual(results, ["3.0", "3.0", "VersionUnsupported"])
    }).pipe(Effect.provide(Authenticate.layerCrypto)))

  it.effect("sends a key of any length unchanged to cancel a query", () =>
    Effect.gen(function*() {
      for (const length of [4, 5, 32, 256]) {
        const key = { processId: -7, secretKey: Uint8Array.from({ length }, (_, i) => i) }
        const heard = yield* Deferred.make<unknown>()
        const asked = yield* Deferred.make<void>()
        const server = InMemory.layer((line) =>
          Effect.gen(function*() {
            const channel = MessageChannel.server(line)
            const account = () => Effect.succeed({ method: "trust" } as const)
            const client = yield* Authenticate.server(channel, { account, key })
            if (client._tag === "CancelRequest") return yield* Deferred.succeed(heard, client)
            yield* channel.receive
            yield* Deferred.succeed(asked, undefined)
            yield* Deferred.await(heard)
            return yield* channel.send(
              { _tag: "ErrorResponse", fields: [{ code: "C", value: "57014" }] },
              { _tag: "ReadyForQuery", status: "I" }
            )
          }).pipe(Effect.ignore)
        )
        yield* Effect.gen(function*() {
          const session = yield* Session.make({ ...config, maxProtocolVersion: "3.2" })
          const query = yield* Effect.forkChild(session.simple("select pg_sleep(60)"), { startImmediately: true })
          yield* Deferred.await(asked)
          yield* Fiber.interrupt(query)
        }).pipe(Effect.scoped, Effect.provide(server))
        assert.deepStrictEqual(yield* Deferred.await(heard), { _tag: "CancelRequest", ...key })
      }
    }).pipe(Effect.provide(Authenticate.layerCrypto)))
})
