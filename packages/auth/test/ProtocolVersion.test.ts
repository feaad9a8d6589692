/** Negotiation of the protocol version between a client and a server, and false answers. */
import { assert, describe, it } from "@effect/vitest"
import { Account, Authenticate, type AuthError, type Login, ProtocolVersion } from "@hyperfect/auth"
import type { Backend } from "@hyperfect/protocol"
import { protocolVersion39999 } from "@hyperfect/protocol/frontend/StartupMessage"
import { InMemory, MessageChannel } from "@hyperfect/transport"
import { Effect, Exit } from "effect"
import { converse, failureOf, reasonOf } from "./conversation.ts"

const login: Login.Login = { user: "app" }

const trusting = (options: Partial<Authenticate.ServerOptions> = {}) => (channel: MessageChannel.Server) =>
  Authenticate.server(channel, { account: () => Effect.succeed(Account.trust), ...options })

const outcome = (exit: Exit.Exit<Authenticate.Session, unknown>) => {
  if (Exit.isSuccess(exit)) return `${exit.value.protocolVersion}, ${exit.value.key?.secretKey.length} bytes`
  const failure = failureOf(exit) as AuthError.AuthError
  return failure.reason._tag
}

describe("ProtocolVersion", () => {
  it("rejects the numbers of other versions", () => {
    for (const version of ProtocolVersion.ProtocolVersion.literals) {
      assert.strictEqual(ProtocolVersion.fromNumber(ProtocolVersion.toNumber(version)), version)
    }
    for (const other of [0, 2, 0x2_0000, 0x3_0001, 0x3_0003, protocolVersion39999, 0x4_0000]) {
      assert.isUndefined(ProtocolVersion.fromNumber(other))
    }
  })

  it("is 3.0 by default, and the latest if that is below the minimum", () => {
    assert.deepStrictEqual(ProtocolVersion.limits({}), { min: "3.0", max: "3.0" })
    assert.deepStrictEqual(ProtocolVersion.limits({ minProtocolVersion: "3.2" }), { min: "3.2", max: "3.2" })
    assert.deepStrictEqual(ProtocolVersion.limits({ maxProtocolVersion: "3.2" }), { min: "3.0", max: "3.2" })
  })
})

describe("Version negotiation > client and server", () => {
  type Row = readonly [client: ProtocolVersion.Range, server: Partial<Authenticate.ServerOptions>, outcome: string]
  it.effect.each<Row>([
    [{}, {}, "3.0, 4 bytes"],
    [{ maxProtocolVersion: "3.2" }, {}, "3.2, 32 bytes"],
    [{ minProtocolVersion: "3.2" }, {}, "3.2, 32 bytes"],
    [{}, { maxProtocolVersion: "3.0" }, "3.0, 4 bytes"],
    [{ maxProtocolVersion: "3.2" }, { maxProtocolVersion: "3.0" }, "3.0, 4 bytes"],
    [{ minProtocolVersion: "3.2" }, { maxProtocolVersion: "3.0" }, "VersionUnsupported"],
    [{}, { dialect: "hyper" }, "3.0, 4 bytes"],
    // Hyper disconnects.
    [{ maxProtocolVersion: "3.2" }, { dialect: "hyper" }, "ServerClosed"]
  ])("agree on a version: %o, %o", ([range, options, wanted]) =>
    Effect.gen(function*() {
      const { exit } = yield* converse(trusting(options), { login: { ...login, ...range } })
      assert.strictEqual(outcome(exit), wanted)
    }))

  it.effect("agree on a key that fits the version, up to the maximum length", () =>
    Effect.gen(function*() {
      const key = (version: ProtocolVersion.ProtocolVersion) => ({
        processId: 7,
        secretKey: new Uint8Array(version === "3.0" ? 4 : 256).fill(1)
      })
      for (const [maxProtocolVersion, length] of [["3.0", 4], ["3.2", 256]] as const) {
        const { exit } = yield* converse(trusting({ key }), { login: { ...login, maxProtocolVersion } })
        assert.strictEqual(outcome(exit), `${maxProtocolVersion}, ${length} bytes`)
      }
    }))

  it.effect("report why they do not agree on a version", () =>
    Effect.gen(function*() {
      const { exit } = yield* converse(trusting({ maxProtocolVersion: "3.0" }), {
        login: { ...login, minProtocolVersion: "3.2" }
      })
      assert.strictEqual(
        reasonOf(exit).message,
        "the server speaks the protocol up to version 3.0, but at least 3.2 is wanted; connect to a newer server, or " +
          "lower `minProtocolVersion`"
      )
    }))

  it.effect("fail before sending if the minimum version is above the maximum", () =>
    Effect.gen(function*() {
      const { exit, written } = yield* converse(trusting(), {
        login: { ...login, minProtocolVersion: "3.2", maxProtocolVersion: "3.0" }
      })
      const failure = failureOf(exit)
      assert(failure._tag === "ProtocolError" && failure.reason.field === "protocolVersion")
      assert.strictEqual(written.length, 0)
    }))
})

describe("Version negotiation > version 3.9999", () => {
  it.effect.each<readonly [newest: ProtocolVersion.ProtocolVersion | undefined, answer: number]>([
    [undefined, 196610],
    ["3.2", 196610],
    ["3.0", 196608]
  ])(
    "is answered with the newest version of the server: %s",
    ([maxProtocolVersion, newestVersion]) =>
      Effect.gen(function*() {
        const pair = yield* InMemory.pair()
        yield* Effect.forkChild(trusting({ maxProtocolVersion })(MessageChannel.server(pair.server)))
        const channel = MessageChannel.client(pair.client)
        yield* channel.send({
          _tag: "StartupMessage",
          protocolVersion: protocolVersion39999,
          parameters: [{ name: "user", value: "app" }, { name: "_pq_.test_protocol_negotiation", value: "" }]
        })
        const unrecognizedOptions = ["_pq_.test_protocol_negotiation"]
        assert.deepStrictEqual(yield* channel.receive, {
          _tag: "NegotiateProtocolVersion",
          newestVersion,
          unrecognizedOptions
        })
        assert.strictEqual((yield* channel.receive)._tag, "AuthenticationOk")
      }).pipe(Effect.scoped, Effect.provide(Authenticate.layerCrypto))
  )
})

describe("Version negotiation > server answers", () => {
  const asking: Login.Login = {
    ...login,
    maxProtocolVersion: "3.2",
    parameters: { "_pq_.speed": "9", "_pq_.size": "1", application_name: "x" }
  }
  const saying = (...messages: ReadonlyArray<Backend.Message>) => (channel: MessageChannel.Server) =>
    Effect.andThen(channel.receive, channel.send(...messages))
  const answer = (newestVersion: number, ...unrecognizedOptions: ReadonlyArray<string>) =>
    ({ _tag: "NegotiateProtocolVersion", newestVersion, unrecognizedOptions }) as const
  const key = (length: number) => ({ _tag: "BackendKeyData", processId: 1, secretKey: new Uint8Array(length) }) as const
  const ok = { _tag: "AuthenticationOk" } as const
  const ready = { _tag: "ReadyForQuery", status: "I" } as const

  it.effect("may lower the version or refuse options", () =>
    Effect.gen(function*() {
      const cases = [
        [answer(0x3_0000), "3.0", []],
        // The minor number alone, as in an earlier protocol chapter.
        [answer(0), "3.0", []],
        [answer(0x3_0002, "_pq_.speed"), "3.2", ["_pq_.speed"]],
        [answer(0x3_0000, "_pq_.size", "_pq_.speed"), "3.0", ["_pq_.size", "_pq_.speed"]]
      ] as const
      for (const [negotiation, version, unrecognizedOptions] of cases) {
        const { exit } = yield* converse(saying(negotiation, ok, key(4), ready), { login: asking })
        assert(Exit.isSuccess(exit))
        assert.strictEqual(exit.value.protocolVersion, version)
        assert.deepStrictEqual(exit.value.unrecognizedOptions, unrecognizedOptions)
      }
    }))

  const refused = (what: string, field: string, ...messages: ReadonlyArray<Backend.Message>): void =>
    it.effect(`are rejected if the server ${what}`, () =>
      Effect.gen(function*() {
        const { exit } = yield* converse(saying(...messages), { login: asking })
        const failure = failureOf(exit)
        assert(failure._tag === "ProtocolError", failure._tag)
        assert.strictEqual(failure.reason.field, field)
      }))

  refused("raises the version", "newestVersion", answer(0x3_0003))
  refused("lowers it to 3.1, which never existed", "newestVersion", answer(0x3_0001))
  refused("lowers it below 3.0", "newestVersion", answer(0x2_0000))
  refused("changes the major version", "newestVersion", answer(0x4_0000))
  refused("sends a negative version", "newestVersion", answer(-1))
  refused("neither lowers the version nor lists options", "", answer(0x3_0002))
  refused("lists an option that was not requested", "unrecognizedOptions", answer(0x3_0000, "_pq_.other"))
  refused(
    "lists a parameter that is not a protocol option",
    "unrecognizedOptions",
    answer(0x3_0000, "application_name")
  )
  refused("negotiates twice", "", answer(0x3_0000), answer(0x3_0000))
  refused("sends a key longer than in version 3.0", "secretKey", answer(0x3_0000), ok, key(5), ready)
})
