import { assert, describe, it } from "@effect/vitest"
import * as PoolError from "@hyperfect/client/PoolError"
import * as ServerError from "@hyperfect/client/ServerError"
import { Cause, Effect, Logger, Schema } from "effect"
import { inspect } from "node:util"

/** Makes an error from fields, by their codes. */
const fromCodes = (fields: Readonly<Record<string, string>>) =>
  ServerError.fromFields(Object.entries(fields).map(([code, value]) => ({ code, value })))

const allFields = {
  S: "FEHLER",
  V: "ERROR",
  C: "23505",
  M: "duplicate key",
  D: "Key (a)=(s3cret) already exists.",
  H: "use another",
  P: "17",
  p: "3",
  q: "select internal",
  W: "in a function",
  s: "public",
  t: "users",
  c: "email",
  d: "citext",
  n: "users_email_key",
  F: "nbtinsert.c",
  L: "666",
  R: "_bt_check_unique",
  B: "User",
  "?": "of the future"
}

describe("ServerError", () => {
  it("escapes control characters in its message, and keeps the unescaped text in its reason", () => {
    const text = "no\u001b[2J \u009b31m\u0007\r\u202egnp.exe\nline\ttab"
    const error = fromCodes({ S: "ERROR", C: "42601", M: text, H: "\u001b]0;title\u0007" })
    for (const printed of [error.message, String(error), Cause.pretty(Cause.fail(error))]) {
      assert.notMatch(printed, /[^\P{Cc}\t\n]|\u202e/u)
      assert.include(printed, "\\u001b[2J")
    }
    assert.notMatch(inspect(error, { colors: false }), /[^\P{Cc}\t\n]/u)
    assert.strictEqual(error.reason.message, text)
  })

  it("keeps every field under its name, including those of unknown meaning", () => {
    const { reason } = fromCodes(allFields)
    assert.deepStrictEqual<object>({ ...reason }, {
      _tag: "UniqueViolation",
      sqlState: "23505",
      severity: "ERROR",
      message: "duplicate key",
      hint: "use another",
      position: 17,
      schema: "public",
      table: "users",
      column: "email",
      dataType: "citext",
      constraint: "users_email_key",
      source: "User"
    })
    assert.deepStrictEqual([reason.detail, reason.where], [allFields.D, allFields.W])
    assert.deepStrictEqual(reason.fields, Object.entries(allFields).map(([code, value]) => ({ code, value })))
  })

  it("crosses processes as JSON, in a PoolError too, without the fields that may quote rows", () => {
    const error = fromCodes(allFields)
    const json = Schema.encodeSync(Schema.toCodecJson(ServerError.ServerError))(error)
    assert.notInclude(JSON.stringify(json), "s3cret")
    const read = Schema.decodeUnknownSync(Schema.toCodecJson(ServerError.ServerError))(JSON.parse(JSON.stringify(json)))
    assert.instanceOf(read, ServerError.ServerError)
    assert.deepStrictEqual<object>({ ...read.reason }, { ...error.reason })
    assert.deepStrictEqual([read.message, read.reason.detail], [error.message, undefined])
    const codec = Schema.toCodecJson(PoolError.PoolError)
    const failed = PoolError.fromReason(new PoolError.ConnectFailed({ cause: error }))
    const again = Schema.decodeUnknownSync(codec)(Schema.encodeSync(codec)(failed))
    assert.deepStrictEqual([again.message, again.reason._tag], [failed.message, "ConnectFailed"])
  })

  it("refuses a reason whose tag is not the condition of its SQLSTATE", () => {
    const { reason } = fromCodes(allFields)
    assert.strictEqual(new ServerError.ServerError({ reason }).reason, reason)
    assert.throws(() => new ServerError.ServerError({ reason: { ...reason, sqlState: "42601" } }))
  })

  it("uses defaults for missing fields", () => {
    const error = fromCodes({})
    assert.strictEqual(error.reason.sqlState, "")
    assert.strictEqual(error.reason.position, undefined)
    assert.strictEqual(error.reason.severity, "ERROR")
    assert.strictEqual(fromCodes({ S: "FATAL" }).reason.severity, "FATAL")
    assert.strictEqual(fromCodes({ P: "" }).reason.position, undefined)
    assert.strictEqual(fromCodes({ P: "x" }).reason.position, undefined)
    assert.isFalse(error.isFatal || error.isRetryable)
  })

  it.each<readonly [code: string, condition: string, isRetryable: boolean]>([
    ["42601", "SyntaxError", false],
    ["22012", "DivisionByZero", false],
    ["40001", "SerializationFailure", true],
    ["40P01", "DeadlockDetected", true],
    ["55P03", "LockNotAvailable", true],
    ["53300", "TooManyConnections", true],
    ["57P01", "AdminShutdown", true],
    ["57P02", "CrashShutdown", true],
    ["57P03", "CannotConnectNow", true],
    ["57014", "QueryCanceled", false],
    ["25P02", "InFailedSqlTransaction", false]
  ])("maps %s to %s", (code, condition, isRetryable) => {
    const error = fromCodes({ V: "ERROR", C: code, M: "m" })
    assert.strictEqual(error.reason._tag, condition)
    assert.strictEqual(error.isRetryable, isRetryable)
  })

  it("has a tag for unknown codes", () => {
    const reasons = ["XX123", "58S01", "53S01", "?????"].map((C) => fromCodes({ C, M: "m" }).reason)
    for (const { _tag } of reasons) assert.match(_tag, /^[A-Z][A-Za-z]+$/)
    assert.deepStrictEqual(reasons.map(({ sqlState }) => sqlState), ["XX123", "58S01", "53S01", "?????"])
  })

  it("is fatal if the server ends the session with it", () => {
    assert.isTrue(fromCodes({ V: "FATAL", C: "57P01" }).isFatal)
    assert.isTrue(fromCodes({ S: "FATAL", C: "57P01" }).isFatal)
    assert.isTrue(fromCodes({ V: "PANIC", C: "XX000" }).isFatal)
    assert.isFalse(fromCodes({ V: "ERROR", C: "XX000" }).isFatal)
  })

  it("has code, text, position and hint in its message", () => {
    assert.strictEqual(fromCodes(allFields).message, "23505: duplicate key at character 17 (use another)")
    assert.strictEqual(fromCodes({ C: "42601", M: "syntax error" }).message, "42601: syntax error")
  })

  it.effect("shows the detail, which may quote rows, only on access", () =>
    Effect.gen(function*() {
      const error = fromCodes(allFields)
      const lines: Array<string> = []
      const logger = Logger.make((options) => void lines.push(Logger.formatLogFmt.log(options)))
      yield* Effect.logError("failed", Cause.fail(error)).pipe(Effect.provide(Logger.layer([logger])))
      for (const text of [error.message, String(error), inspect(error), JSON.stringify(error), ...lines]) {
        assert.include(text, "duplicate key")
        assert.notInclude(text, "s3cret")
      }
      assert.include(error.reason.detail, "s3cret")
    }))
})
