import { assert, describe, it } from "@effect/vitest"
import { Authenticate } from "@hyperfect/auth"
import type { Login } from "@hyperfect/auth"
import { ErrorField } from "@hyperfect/protocol"
import { InMemory, MessageChannel } from "@hyperfect/transport"
import { Effect, Fiber, Redacted, Result } from "effect"
import { cryptoWithNonce } from "./fixedNonce.ts"
import * as Transcripts from "./transcripts.ts"

/** The recordings were made with the nonce of RFC 7677's example. */
const crypto = cryptoWithNonce("rOprNGfwEbeRWgbNEkqO")

/** Logs in to the recorded server and compares the client's messages with the recorded ones. */
const replay = (name: string, login: Login.Login, options?: { readonly skip: number }) =>
  Effect.gen(function*() {
    const messages = Transcripts.read(name).slice(options?.skip ?? 0)
    const { client, server } = yield* InMemory.pair()
    const player = yield* Effect.forkChild(Transcripts.replayServer(server, messages))
    const result = yield* Effect.result(Authenticate.client(MessageChannel.client(client), login))
    assert.deepStrictEqual(yield* Fiber.join(player), Transcripts.bytesFrom("client", messages))
    return result
  }).pipe(Effect.provide(crypto))

const session = (result: Effect.Success<ReturnType<typeof replay>>): Authenticate.Session => {
  assert(Result.isSuccess(result), "logs in")
  return result.success
}

const reason = (result: Effect.Success<ReturnType<typeof replay>>) => {
  assert(Result.isFailure(result), "is refused")
  assert(result.failure._tag === "AuthError")
  return result.failure.reason
}

const admin = { user: "admin", password: Redacted.make("s3cr3t") }

describe("Logins recorded with hyperd", () => {
  it.effect("send the recorded bytes for SCRAM-SHA-256 and accept the recorded signature", () =>
    Effect.gen(function*() {
      const { key, method, notices, parameters, status } = session(yield* replay("auth-scram-sha-256", admin))
      assert.strictEqual(method, "scram-sha-256")
      assert.strictEqual(status, "I")
      assert.deepStrictEqual(notices, [])
      assert.deepStrictEqual(Array.from(parameters), [
        ["application_name", ""],
        ["client_encoding", "UTF8"],
        ["DateStyle", "ISO, MDY"],
        ["integer_datetimes", "on"],
        ["IntervalStyle", "iso_8601"],
        ["is_superuser", "on"],
        ["server_encoding", "UTF8"],
        ["server_version", "9.1.0"],
        ["hyper_version", "main.0.0.26359.r07abb490"],
        ["session_authorization", "admin"],
        ["standard_conforming_strings", "on"],
        ["TimeZone", "localtime"],
        ["result_format_code", "Text"],
        ["session_identifier", "Iwt4z5_VLYrlS65u4jW9lg"],
        ["connection_migration", "off"],
        ["connection_routing", "off"],
        ["connection_migration_reroute", "off"]
      ])
      // Hyper assigns the process id 0 to its first session.
      assert.deepStrictEqual(key, {
        _tag: "BackendKeyData",
        processId: 0,
        secretKey: Uint8Array.of(0x49, 0x62, 0x4d, 0x3a)
      })
    }))

  it.effect("do the same after TLS negotiation", () =>
    Effect.gen(function*() {
      const { method } = session(yield* replay("auth-scram-sha-256-over-tls", admin, { skip: 2 }))
      assert.strictEqual(method, "scram-sha-256")
    }))

  it.effect("send the proof of a wrong password, and report the server's error", () =>
    Effect.gen(function*() {
      const login = { user: "admin", password: Redacted.make("wrong") }
      const rejected = reason(yield* replay("auth-scram-sha-256-wrong-password", login))
      assert(rejected._tag === "Rejected")
      assert.strictEqual(rejected.sqlState, "42501")
      assert.strictEqual(rejected.text, "unable to connect as 'admin'")
      assert.strictEqual(ErrorField.get(rejected.fields, "source"), "User")
      assert.isFalse(rejected.isRetryable)
      assert.strictEqual(
        rejected.message,
        "the server refused \"admin\": unable to connect as 'admin' (42501); check the user's name and password"
      )
    }))

  it.effect("succeed without a password if none is requested", () =>
    Effect.gen(function*() {
      const login = { user: "tableau_internal_user", parameters: { application_name: "hyperwire" } }
      const { method, parameters } = session(yield* replay("auth-trust", login))
      assert.strictEqual(method, "trust")
      assert.strictEqual(parameters.get("application_name"), "hyperwire")
      assert.strictEqual(parameters.size, 17)
    }))

  it.effect("report an unknown user without requesting the password", () =>
    Effect.gen(function*() {
      const rejected = reason(yield* replay("auth-unknown-user", { user: "ghost" }))
      assert(rejected._tag === "Rejected")
      assert.strictEqual(rejected.sqlState, "42501")
      assert.strictEqual(rejected.user, "ghost")
    }))

  it.effect("report a missing database with its own reason", () =>
    Effect.gen(function*() {
      const login = { user: "tableau_internal_user", database: "missing.hyper" }
      const missing = reason(yield* replay("error-startup-missing-database", login))
      assert(missing._tag === "DatabaseMissing")
      assert.strictEqual(missing.sqlState, "58S01")
      assert.strictEqual(missing.database, "missing.hyper")
    }))
})
