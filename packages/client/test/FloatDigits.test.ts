/** The digits of floating-point numbers in the text format of servers before PostgreSQL 12. */
import { assert, describe, it } from "@effect/vitest"
import * as Account from "@hyperfect/auth/Account"
import * as Authenticate from "@hyperfect/auth/Authenticate"
import type { ConnectionConfig } from "@hyperfect/client/ConnectionConfig"
import * as Pool from "@hyperfect/client/Pool"
import * as Session from "@hyperfect/client/Session"
import * as Endpoint from "@hyperfect/transport/Endpoint"
import * as InMemory from "@hyperfect/transport/InMemory"
import * as MessageChannel from "@hyperfect/transport/MessageChannel"
import { Effect, Layer } from "effect"
import { complete, error, ready } from "./manualServer.ts"

const config: ConnectionConfig = { endpoint: Endpoint.tcp("db", 5432), user: "app", sslMode: "disable" }

/** A server of this version that accepts every simple query and records its text. */
const makeServer = (version: string, maxDigits = 3) => {
  const texts: Array<string> = []
  const startups: Array<ReadonlyArray<string>> = []
  const layer = InMemory.layer((line) =>
    Effect.gen(function*() {
      const channel = MessageChannel.server(line)
      yield* Effect.orDie(
        Authenticate.server(channel, {
          account: (startup) => {
            startups.push(Object.keys(startup.parameters))
            return Effect.succeed(Account.trust)
          },
          parameters: { server_version: version }
        })
      )
      while (true) {
        const message = yield* channel.receive
        if (message._tag === "Terminate") return
        if (message._tag !== "Query") continue
        texts.push(message.query)
        const digits = Number(/extra_float_digits = (\d)/.exec(message.query)?.[1] ?? 0)
        yield* channel.send(digits > maxDigits ? error("22023") : complete("SET"), ready())
      }
    }).pipe(Effect.ignore)
  ).pipe(Layer.provideMerge(Authenticate.layerCrypto))
  return { layer, startups, texts }
}

describe("servers that print fewer digits than numbers have", () => {
  for (const version of ["9.6.24", "10.0", "11.22 (Debian 11.22-1)", "8.4"]) {
    it.effect(`get extra_float_digits after the startup: ${version}`, () => {
      const { layer, startups, texts } = makeServer(version)
      return Effect.gen(function*() {
        yield* Session.make(config)
        assert.deepStrictEqual(texts, ["SET extra_float_digits = 3"])
        // PgBouncer refuses it there.
        assert.isFalse(startups[0]!.includes("extra_float_digits"))
      }).pipe(Effect.scoped, Effect.provide(layer))
    })
  }

  it.effect("get the largest extra_float_digits that they support", () => {
    const { layer, texts } = makeServer("8.0.2", 2)
    return Effect.gen(function*() {
      yield* Session.make(config)
      assert.deepStrictEqual(texts, ["SET extra_float_digits = 3", "SET extra_float_digits = 2"])
    }).pipe(Effect.scoped, Effect.provide(layer))
  })

  it.effect("are those before PostgreSQL 12, unless the caller has set extra_float_digits", () =>
    Effect.forEach(
      [
        ["12.0", config],
        ["18.0", config],
        ["", config],
        ["11.0", { ...config, parameters: { extra_float_digits: "1" } }],
        ["11.0", { ...config, options: "-c extra_float_digits=1" }]
      ] as const,
      ([version, config]) => {
        const { layer, texts } = makeServer(version)
        return Effect.gen(function*() {
          yield* Session.make(config)
          assert.deepStrictEqual(texts, [], version)
        }).pipe(Effect.scoped, Effect.provide(layer))
      }
    ))

  it.effect("print all digits also after the session of a pool was reset", () => {
    const { layer, texts } = makeServer("11.0")
    return Effect.gen(function*() {
      const pool = yield* Pool.make(config, { max: 1, reset: "always" })
      yield* Effect.scoped(Effect.flatMap(pool.session, (session) => session.simple("set timezone = 'UTC'")))
      yield* pool.simple("select 1")
      const resets = texts.filter((text) => text.includes("RESET ALL"))
      assert.isAbove(resets.length, 0)
      for (const text of resets) assert.match(text, /; SET extra_float_digits = 3$/)
    }).pipe(Effect.scoped, Effect.provide(layer))
  })
})
