/** Which version of the protocol a client and a server come to, and what is a lie about it. */
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
  it("is told from the numbers of other versions", () => {
    for (const version of ProtocolVersion.ProtocolVersion.literals) {
      assert.strictEqual(ProtocolVersion.fromNumber(ProtocolVersion.toNumber(version)), version)
    }
    for (const other of [0, 2, 0x2_0000, 0x3_0001, 0x3_0003, protocolVersion39999, 0x4_0000]) {
      assert.isUndefined(ProtocolVersion.fromNumber(other))
    }
  })

  it("is 3.0 unless told otherwise, and the latest when that is too old", () => {
    assert.deepStrictEqual(ProtocolVersion.limits({}), { min: "3.0", max: "3.0" })
    assert.deepStrictEqual(ProtocolVersion.limits({ minProtocolVersion: "3.2" }), { min: "3.2", max: "3.2" })
    assert.deepStrictEqual(ProtocolVersion.limits({ maxProtocolVersion: "3.2" }), { min: "3.0", max: "3.2" })
  })
})

describe("a client and a server", () => {
  type Row = readonly [client: ProtocolVersion.Range, server: Partial<Authenticate.ServerOptions>, outcome: string]
  it.effect.each<Row>([
    [{}, {}, "3.0, 4 bytes"],
    [{ maxProtocolVersion: "3.2" }, {}, "3.2, 32 bytes"],
    [{ minProtocolVersion: "3.2" }, {}, "3.2, 32 bytes"],
    [{}, { maxProtocolVersion: "3.0" }, "3.0, 4 bytes"],
    [{ maxProtocolVersion: "3.2" }, { maxProtocolVersion: "3.0" }, "3.0, 4 bytes"],
    [{ minProtocolVersion: "3.2" }, { maxProtocolVersion: "3.0" }, "VersionUnsupported"],
    [{}, { dialect: "hyper" }, "3.0, 4 bytes"],
    // Hyper hangs up.
    [{ maxProtocolVersion: "3.2" }, { dialect: "hyper" }, "ServerClosed"]
  ])("come to a version: %o, %o", ([range, options, wanted]) =>
    Effect.gen(function*() {
      const { exit } = yield* converse(trusting(options), { login: { ...login, ...range } })
      assert.strictEqual(outcome(exit), wanted)
    }))

  it.effect("come to a key that fits the version, and may be as long as there are", () =>
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

  it.effect("say why they do not come to one", () =>
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

  it.effect("do not begin when the least version is above the greatest", () =>
    Effect.gen(function*() {
      const { exit, written } = yield* converse(trusting(), {
        login: { ...login, minProtocolVersion: "3.2", maxProtocolVersion: "3.0" }
      })
      const failure = failureOf(exit)
      assert(failure._tag === "ProtocolError" && failure.reason.field === "protocolVersion")
      assert.strictEqual(written.length, 0)
    }))
})

describe("a client that asks for version 3.9999, which will never exist", () => {
  it.effect.each<readonly [newest: ProtocolVersion.ProtocolVersion | undefined, answer: number]>([
    [undefined, 196610],
    ["3.2", 196610],
    ["3.0", 196608]
  ])("is told the newest version of the server: %s", ([maxProtocolVersion, newestVersion]) =>
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
    }).pipe(Effect.scoped, Effect.provide(Authenticate.layerCrypto)))
})

describe("a server that negotiates", () => {
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

  it.effect("goes on with an older version, or without options", () =>
    Effect.gen(function*() {
      const cases = [
        [answer(0x3_0000), "3.0", []],
        // The minor number alone, as the chapter once had it.
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
    it.effect(`is refused when it ${what}`, () =>
      Effect.gen(function*() {
        const { exit } = yield* converse(saying(...messages), { login: asking })
        const failure = failureOf(exit)
        assert(failure._tag === "ProtocolError", failure._tag)
        assert.strictEqual(failure.reason.field, field)
      }))

  refused("goes up", "newestVersion", answer(0x3_0003))
  refused("goes down to what never was", "newestVersion", answer(0x3_0001))
  refused("goes down to what was before 3.0", "newestVersion", answer(0x2_0000))
  refused("speaks another major version", "newestVersion", answer(0x4_0000))
  refused("names a negative version", "newestVersion", answer(-1))
  refused("has nothing to say", "", answer(0x3_0002))
  refused("does not know what it was not asked for", "unrecognizedOptions", answer(0x3_0000, "_pq_.other"))
  refused(
    "does not know what is no option of the protocol",
    "unrecognizedOptions",
    answer(0x3_0000, "application_name")
  )
  refused("negotiates twice", "", answer(0x3_0000), answer(0x3_0000))
  refused("makes its key longer than version 3.0 has it", "secretKey", answer(0x3_0000), ok, key(5), ready)
})
