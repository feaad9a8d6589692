/** Connections that close or fail at any byte of a login. */
import { assert, describe, it } from "@effect/vitest"
import { Account, Authenticate, ScramVerifier } from "@hyperfect/auth"
import type { Policy } from "@hyperfect/auth"
import { InMemory, MessageChannel, TransportError } from "@hyperfect/transport"
import { Cause, Effect, Exit, Redacted, Result, Schema } from "effect"
import { converse, failureOf, secret } from "./conversation.ts"
import { cryptoWithNonce } from "./fixedNonce.ts"
import * as Transcripts from "./transcripts.ts"

const password = Redacted.make(secret)
const login = { user: "app", password }
const policy: Policy.Policy = { allowCleartextWithoutTls: true, allowMd5WithoutTls: true }

const accounts = (method: "trust" | "password" | "md5" | "scram-sha-256") =>
  method === "scram-sha-256"
    ? Effect.map(ScramVerifier.make(password), Account.scramSha256)
    : Effect.succeed(method === "trust" ? Account.trust : Account.password(password, method))

/** Wraps the server's end so that it closes after sending the given number of bytes. */
const disconnectAfter = (line: InMemory.InMemoryConnection, bytes: number): InMemory.InMemoryConnection => {
  let left = bytes
  return {
    ...line,
    write: (chunk) =>
      Effect.suspend(() => {
        const passed = Math.min(left, chunk.length)
        left -= passed
        const write = line.write(chunk.subarray(0, passed))
        return passed === chunk.length ? write : Effect.andThen(write, line.close)
      })
  }
}

describe("Server disconnect during login", () => {
  for (const method of ["trust", "password", "md5", "scram-sha-256"] as const) {
    it.effect(`is detected after every byte of a login with ${method}`, () =>
      Effect.gen(function*() {
        const account = yield* accounts(method)
        const key = { processId: 1, secretKey: new Uint8Array(4) }
        const attempt = (bytes: number) =>
          converse(
            (_, line) =>
              Authenticate.server(MessageChannel.server(disconnectAfter(line, bytes)), {
                account: () => Effect.succeed(account),
                parameters: { server_version: "18.0" },
                key
              }),
            { login, policy }
          )
        let bytes = 0
        while (true) {
          const { exit } = yield* attempt(bytes)
          if (Exit.isSuccess(exit)) break
          const failure = failureOf(exit)
          if (failure._tag === "AuthError") {
            assert.strictEqual(failure.reason._tag, "ServerClosed")
            assert.isTrue(failure.isRetryable)
          } else {
            assert(failure._tag === "ProtocolError")
            assert.strictEqual(failure.reason._tag, "StreamEnded")
          }
          bytes++
        }
        // AuthenticationOk, one setting, the key and ReadyForQuery are 53 bytes; the requests come before.
        const sizes = { trust: 53, password: 53 + 9, md5: 53 + 13, "scram-sha-256": 53 + 24 + 93 + 55 }
        assert.strictEqual(bytes, sizes[method])
      }).pipe(Effect.provide(Authenticate.layerCrypto)))
  }

  it.effect("is reported with the last message sent", () =>
    Effect.gen(function*() {
      const { exit } = yield* converse((channel) => channel.receive, { login })
      const failure = failureOf(exit)
      assert(failure._tag === "AuthError" && failure.reason._tag === "ServerClosed")
      assert.strictEqual(failure.reason.after, "StartupMessage")
    }))

  it.effect("reports an ErrorResponse that arrived before the reset", () =>
    Effect.gen(function*() {
      const { exit } = yield* converse(
        (channel) =>
          channel.send({
            _tag: "ErrorResponse",
            fields: [{ code: "C", value: "53300" }, { code: "M", value: "too many" }]
          }),
        {
          login,
          connection: (connection) => ({
            ...connection,
            write: () => Effect.fail(TransportError.fromReason(new TransportError.WriteFailed({ code: "EPIPE" })))
          })
        }
      )
      const failure = failureOf(exit)
      assert(failure._tag === "AuthError" && failure.reason._tag === "Rejected")
      assert.strictEqual(failure.reason.sqlState, "53300")
    }))

  it.effect("may be a connection reset", () =>
    Effect.gen(function*() {
      const reset = TransportError.fromReason(new TransportError.ReadFailed({ code: "ECONNRESET" }))
      const { exit } = yield* converse(() => Effect.void, {
        login,
        connection: (connection) => ({ ...connection, pull: Effect.fail(reset) })
      })
      const failure = failureOf(exit)
      assert(failure._tag === "AuthError" && failure.reason._tag === "ServerClosed")
    }))

  it.effect("is not reported for a failure of the local end", () =>
    Effect.gen(function*() {
      const broken = TransportError.fromReason(new TransportError.ReadFailed({ code: "EBADF" }))
      const { exit } = yield* converse(() => Effect.void, {
        login,
        connection: (connection) => ({ ...connection, pull: Effect.fail(broken) })
      })
      assert.strictEqual(failureOf(exit), broken)
    }))
})

// One value for all attempts, by which its key is derived once: the salt is rarely what is corrupted.
const correctPassword = Redacted.make("s3cr3t")

/** Logs in to a server that sends all these bytes at once and closes. */
const receiveFrom = (bytes: Uint8Array) =>
  Effect.gen(function*() {
    const { client, server } = yield* InMemory.pair()
    yield* server.write(bytes)
    yield* server.close
    // No one reads the client's messages, but its writes succeed.
    const connection = { ...client, write: () => Effect.void }
    return yield* Effect.exit(Authenticate.client(MessageChannel.client(connection), {
      user: "admin",
      password: correctPassword
    }, policy))
  }).pipe(Effect.scoped, Effect.provide(cryptoWithNonce("rOprNGfwEbeRWgbNEkqO")))

const isTyped = (exit: Exit.Exit<unknown, unknown>) =>
  Exit.isSuccess(exit) || (Result.isSuccess(Cause.findError(exit.cause)) && !Cause.hasDies(exit.cause))

describe("Corrupted server messages", () => {
  for (const name of ["auth-trust", "auth-scram-sha-256", "auth-scram-sha-256-wrong-password"]) {
    it.effect(`lead to a session or a typed error if one byte is changed: ${name}`, () =>
      Effect.gen(function*() {
        const said = Transcripts.bytesFrom("server", Transcripts.read(name))
        const flips = [0x01, 0x20, 0x80]
        const opened: Array<number> = []
        for (let at = 0; at < said.length; at++) {
          const exit = yield* receiveFrom(said.with(at, said[at]! ^ flips[at % 3]!))
          if (!isTyped(exit)) assert.fail(`byte ${at}: ${String(exit)}`)
          if (Exit.isSuccess(exit)) opened.push(at)
        }
        // A changed setting or key is still valid. The messages before must be unchanged.
        const proven = Buffer.from(said).indexOf(Uint8Array.of(0x52, 0, 0, 0, 8, 0, 0, 0, 0))
        assert.strictEqual(opened.length > 0, proven >= 0)
        assert.isTrue(opened.every((at) => at > proven))
      }))
  }

  it.effect.prop(
    "lead to a typed error if they are random",
    { bytes: Schema.Uint8Array },
    ({ bytes }) =>
      Effect.gen(function*() {
        const exit = yield* receiveFrom(bytes)
        assert(Exit.isFailure(exit) && isTyped(exit))
      }),
    { arbitrary: { runs: 300 } }
  )
})
