import { assert } from "@effect/vitest"
import * as Statement from "@hyperfect/client/Statement"
import * as BuiltIn from "@hyperfect/values/BuiltIn"
import * as CalendarDate from "@hyperfect/values/CalendarDate"
import * as Interval from "@hyperfect/values/Interval"
import * as Parameter from "@hyperfect/values/Parameter"
import * as TimestampTz from "@hyperfect/values/TimestampTz"
import { BigDecimal, Effect, Redacted } from "effect"
import { describeServers, openSession, TestServer, uniqueName } from "./liveServers.ts"

const { identifier, literal, sql } = Statement

const moment = TimestampTz.fromStringUnsafe("2026-02-28T12:34:56.789123Z")

/** Texts that would be misread if their quotes or backslashes were not escaped. */
const texts = [
  "",
  "it's",
  "'",
  "''",
  "\\",
  "\\'",
  "'\\",
  "\\\\''",
  "a\\nb",
  "a\nb",
  "$1",
  "$$",
  "--",
  "/*",
  "ä€😀",
  "E'x'"
]

const cases: ReadonlyArray<readonly [value: unknown, type: string, read?: unknown]> = [
  ...texts.map((text) => [text, "text"] as const),
  ["null", "text"],
  [null, "int"],
  [true, "bool"],
  [-5, "int"],
  [-9007199254740991, "bigint", BigInt("-9007199254740991")],
  [BigInt("9223372036854775807"), "bigint"],
  [0.1, "double precision"],
  [5e-324, "double precision"],
  [1.7976931348623157e308, "double precision"],
  [-0, "double precision"],
  [NaN, "double precision"],
  [BigDecimal.fromStringUnsafe("-12.50"), "numeric(10, 2)"],
  [Uint8Array.of(0, 39, 92, 255), "bytea"],
  [moment, "timestamptz"],
  [CalendarDate.fromStringUnsafe("2024-02-29"), "date"],
  [Interval.makeUnsafe({ months: -1, days: 2, microseconds: BigInt(-3) }), "interval"],
  [[1, -2, null], "int[]"],
  [texts, "text[]"]
]

describeServers({
  both(it) {
    it.effect("literals come back as the values that they stand for", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        for (const [value, type, read = value] of cases) {
          const { rows } = yield* session.values(
            sql`select cast(${literal(value)} as ${Statement.fromTextUnsafe(type)})`
          )
          assert.deepStrictEqual(rows, [[read]], type)
        }
        // Two minus signs would begin a comment.
        assert.deepStrictEqual((yield* session.values(sql`select 2-${literal(-5)}`)).rows, [[7]])
      }))
  },
  postgres(it) {
    it.effect("literals mean the same with either value of standard_conforming_strings", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        for (const setting of ["on", "off"]) {
          yield* session.query(sql`set standard_conforming_strings = ${literal(setting)}`)
          yield* session.query("set escape_string_warning = off")
          for (const text of [...texts, ...texts.flatMap((a) => texts.map((b) => a + b))]) {
            assert.deepStrictEqual((yield* session.values(sql`select ${literal(text)}`)).rows, [[text]])
          }
          const { rows } = yield* session.values(sql`select ${literal(Uint8Array.of(0, 92))}::bytea`)
          assert.deepStrictEqual(rows, [[Uint8Array.of(0, 92)]])
        }
      }))

    it.effect("literals with a declared type are read as that type", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        const array = literal(Parameter.make([1, null], BuiltIn.array(BuiltIn.int4)))
        const json = literal(Parameter.make([1, "it's \\"], BuiltIn.jsonb))
        const { rows } = yield* session.values(sql`select ${array}::int[], ${json}::jsonb`)
        assert.deepStrictEqual(rows, [[[1, null], [1, "it's \\"]]])
      }))

    it.effect("literals can be used where parameters cannot", () =>
      Effect.gen(function*() {
        const { config } = yield* TestServer
        const session = yield* openSession()
        const name = uniqueName("role \"'\\")
        const password = "it's a \\ \"password\""
        yield* session.query(
          sql`create role ${identifier(name)} login password ${literal(password)}
            connection limit ${literal(-1)} valid until ${literal(new Date("2100-01-01T00:00:00Z"))}`
        )
        const other = yield* openSession({ user: name, password: Redacted.make(password), database: config.database })
        assert.deepStrictEqual((yield* other.values("select current_user::text")).rows, [[name]])
      }))
  }
})
