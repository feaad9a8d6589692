/** A GSSAPI provider that counts down, and servers that do or do not follow it. */
import { assert, describe, it } from "@effect/vitest"
import type { Gss, Policy } from "@hyperfect/auth"
import type { Backend } from "@hyperfect/protocol"
import type { MessageChannel } from "@hyperfect/transport"
import { Data, Effect, Exit } from "effect"
import { converse, failureOf, reasonOf } from "./conversation.ts"

const ok = { _tag: "AuthenticationOk" } as const
const ready = { _tag: "ReadyForQuery", status: "I" } as const
const token = (...bytes: ReadonlyArray<number>) =>
  ({ _tag: "AuthenticationGSSContinue", data: Uint8Array.from(bytes) }) as const

const requests = { gss: { _tag: "AuthenticationGSS" }, sspi: { _tag: "AuthenticationSSPI" } } as const

/** A server that answers the client's tokens one by one, and records them. */
const answering =
  (kind: Gss.Kind, ...answers: ReadonlyArray<ReadonlyArray<Backend.Message>>) => (channel: MessageChannel.Server) =>
    Effect.gen(function*() {
      yield* channel.receive
      channel.phase = "gss"
      yield* channel.send(requests[kind])
      const tokens: Array<ReadonlyArray<number>> = []
      for (const answer of answers) {
        const message = yield* channel.receive
        assert(message._tag === "GSSResponse")
        tokens.push(Array.from(message.data))
        yield* channel.send(...answer)
      }
      return tokens
    })

/** Sends 3, 2 and 1, and requires the server to send the same; the last one authenticates the server. */
const countdown = (begun: Array<Gss.Kind> = []): Gss.Provider => (kind) =>
  Effect.sync(() => {
    begun.push(kind)
    let count = 4
    return (received) =>
      Effect.sync(() => {
        assert.deepStrictEqual(received, count === 4 ? undefined : Uint8Array.of(count))
        count--
        return { token: count === 0 ? undefined : Uint8Array.of(count), isComplete: count === 0 }
      })
  })

const honest = [[token(3)], [token(2)], [token(1), ok, ready]]

describe("Authenticate.client > GSSAPI provider", () => {
  for (const kind of ["gss", "sspi"] as const) {
    it.effect(`logs in when the exchange is complete: ${kind}`, () =>
      Effect.gen(function*() {
        const begun: Array<Gss.Kind> = []
        const { exit, played } = yield* converse(answering(kind, ...honest), {
          login: { user: "app", gss: countdown(begun) },
          policy: { methods: [kind] }
        })
        assert(Exit.isSuccess(exit) && Exit.isSuccess(played))
        assert.deepStrictEqual([exit.value.method, exit.value.channelBound], [kind, false])
        assert.deepStrictEqual(played.value, [[3], [2], [1]])
        assert.deepStrictEqual(begun, [kind])
      }))

    it.effect(`logs in one byte at a time: ${kind}`, () =>
      Effect.gen(function*() {
        const { exit } = yield* converse(answering(kind, ...honest), {
          login: { user: "app", gss: countdown() },
          line: { capacity: 1 }
        })
        assert.isTrue(Exit.isSuccess(exit))
      }))
  }

  it.effect("does not start if the policy does not allow it", () =>
    Effect.gen(function*() {
      const policies: ReadonlyArray<readonly [Policy.Policy, string]> = [
        [{ methods: ["scram-sha-256", "sspi"] }, "MethodRefused"],
        [{ channelBinding: "require" }, "ChannelBindingUnavailable"]
      ]
      for (const [policy, wanted] of policies) {
        const begun: Array<Gss.Kind> = []
        const { exit, played } = yield* converse(answering("gss", ...honest), {
          login: { user: "app", gss: countdown(begun) },
          policy,
          connection: (connection) => ({
            ...connection,
            tls: () => ({ protocol: "TLSv1.3", cipher: "", peerCertificate: new Uint8Array(1) })
          })
        })
        assert.strictEqual(reasonOf(exit)._tag, wanted)
        assert.isTrue(Exit.isFailure(played))
        assert.deepStrictEqual(begun, [])
      }
    }))

  it.effect("rejects a server that reports success before the exchange is complete", () =>
    Effect.gen(function*() {
      const { exit } = yield* converse(answering("gss", [token(3)], [ok, ready]), {
        login: { user: "app", gss: countdown() }
      })
      const reason = reasonOf(exit)
      assert(reason._tag === "ServerNotAuthentic")
      assert.strictEqual(reason.flaw, "context-incomplete")
      assert.strictEqual(
        reason.message,
        "the server did not prove its identity: it accepted the login too early; there may be a man in the middle"
      )
    }))

  const unexpected: Readonly<Record<string, ReadonlyArray<ReadonlyArray<Backend.Message>>>> = {
    "continues after the end": [[token(3)], [token(2)], [token(1), token(0)]],
    "requests a password during the exchange": [[token(3)], [{ _tag: "AuthenticationCleartextPassword" }]],
    "requests it again": [[token(3)], [{ _tag: "AuthenticationGSS" }]]
  }
  for (const [what, answers] of Object.entries(unexpected)) {
    it.effect(`rejects a server that ${what}`, () =>
      Effect.gen(function*() {
        const { exit } = yield* converse(answering("gss", ...answers), { login: { user: "app", gss: countdown() } })
        const failure = failureOf(exit)
        assert(failure._tag === "ProtocolError")
        assert.strictEqual(failure.reason._tag, "MessageUnexpected")
      }))
  }

  it.effect("does not deadlock with a server that waits, too", () =>
    Effect.gen(function*() {
      const gss: Gss.Provider = () => Effect.succeed(() => Effect.succeed({ isComplete: false }))
      const { exit } = yield* converse(answering("gss", []), { login: { user: "app", gss } })
      assert.strictEqual(reasonOf(exit)._tag, "MechanismMalformed")
    }))

  it.effect("passes on failures of the provider, at the start and later", () =>
    Effect.gen(function*() {
      class TicketExpired extends Data.TaggedError("TicketExpired")<{}> {}
      const failing: ReadonlyArray<Gss.Provider<TicketExpired>> = [
        () => new TicketExpired(),
        () => Effect.succeed(() => new TicketExpired())
      ]
      for (const gss of failing) {
        const { exit } = yield* converse(answering("gss", []), { login: { user: "app", gss } })
        assert.strictEqual(failureOf(exit)._tag, "TicketExpired")
      }
    }))
})
