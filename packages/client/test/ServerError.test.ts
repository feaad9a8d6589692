import { assert, describe, it } from "@effect/vitest"
import * as ServerError from "@hyperfect/client/ServerError"
import { Cause, Effect, Logger } from "effect"
import { inspect } from "node:util"

/** An error of fields, by their codes. */
const make = (fields: Readonly<Record<string, string>>) =>
  ServerError.fromFields(Object.entries(fields).map(([code, value]) => ({ code, value })))

const full = {
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
  it("keeps every field under its name, and those of unknown meaning too", () => {
    const { reason } = make(full)
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
    assert.deepStrictEqual([reason.detail, reason.where], [full.D, full.W])
    assert.deepStrictEqual(reason.fields, Object.entries(full).map(([code, value]) => ({ code, value })))
  })

  it("makes something of nothing", () => {
    const error = make({})
    assert.strictEqual(error.reason.sqlState, "")
    assert.strictEqual(error.reason.position, undefined)
    assert.strictEqual(error.reason.severity, "ERROR")
    assert.strictEqual(make({ S: "FATAL" }).reason.severity, "FATAL")
    assert.strictEqual(make({ P: "" }).reason.position, undefined)
    assert.strictEqual(make({ P: "x" }).reason.position, undefined)
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
  ])("calls %s %s", (code, condition, isRetryable) => {
    const error = make({ V: "ERROR", C: code, M: "m" })
    assert.strictEqual(error.reason._tag, condition)
    assert.strictEqual(error.isRetryable, isRetryable)
  })

  it("has a tag for codes that nobody knows", () => {
    const reasons = ["XX123", "58S01", "53S01", "?????"].map((C) => make({ C, M: "m" }).reason)
    for (const { _tag } of reasons) assert.match(_tag, /^[A-Z][A-Za-z]+$/)
    assert.deepStrictEqual(reasons.map(({ sqlState }) => sqlState), ["XX123", "58S01", "53S01", "?????"])
  })

  it("is fatal when the server ends the session with it", () => {
    assert.isTrue(make({ V: "FATAL", C: "57P01" }).isFatal)
    assert.isTrue(make({ S: "FATAL", C: "57P01" }).isFatal)
    assert.isTrue(make({ V: "PANIC", C: "XX000" }).isFatal)
    assert.isFalse(make({ V: "ERROR", C: "XX000" }).isFatal)
  })

  it("says code, text, place and hint in its message", () => {
    assert.strictEqual(make(full).message, "23505: duplicate key at character 17 (use another)")
    assert.strictEqual(make({ C: "42601", M: "syntax error" }).message, "42601: syntax error")
  })

  it.effect("shows the detail, which may quote rows, to nobody who does not ask for it", () =>
    Effect.gen(function*() {
      const error = make(full)
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
