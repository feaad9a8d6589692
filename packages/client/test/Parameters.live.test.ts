import { assert } from "@effect/vitest"
import type * as Session from "@hyperfect/client/Session"
import * as Statement from "@hyperfect/client/Statement"
import * as BuiltIn from "@hyperfect/values/BuiltIn"
import * as CalendarDate from "@hyperfect/values/CalendarDate"
import * as Parameter from "@hyperfect/values/Parameter"
import * as PgArray from "@hyperfect/values/PgArray"
import * as Timestamp from "@hyperfect/values/Timestamp"
import * as TimestampTz from "@hyperfect/values/TimestampTz"
import { BigDecimal, DateTime, Effect } from "effect"
import { describeServers, openSession, uniqueName } from "./liveServers.ts"

const { fromTextUnsafe, identifier, sql } = Statement

/** Casts a value to a type on the server, and returns its text. */
const castToText = Effect.fnUntraced(function*(session: Session.Session, type: string, value: unknown) {
  const { rows } = yield* session.values(fromTextUnsafe(`select ($1::${type})::text`, [value]))
  return rows[0]?.[0]
})

/** Inserts a value into a column of the type, and reads it back. */
const roundTrip = Effect.fnUntraced(function*(session: Session.Session, type: string, value: unknown) {
  const table = identifier(uniqueName("parameters"))
  yield* session.query(fromTextUnsafe(`create table ${table.text} (v ${type})`))
  yield* session.query(sql`insert into ${table} values (${value})`)
  const { rows } = yield* session.values(sql`select v from ${table}`)
  yield* session.query(sql`drop table ${table}`)
  return rows[0]?.[0]
})

const decimal = (text: string) => BigDecimal.fromStringUnsafe(text)

const moment = new Date("2026-02-28T12:34:56.789Z")

describeServers({
  both(it) {
    it.effect("convert numbers to every numeric type, and to text", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        const into = (type: string, value: unknown) => castToText(session, type, value)
        assert.strictEqual(yield* into("smallint", 7), "7")
        assert.strictEqual(yield* into("int", -7), "-7")
        assert.strictEqual(yield* into("bigint", 7), "7")
        assert.strictEqual(yield* into("bigint", 9007199254740991), "9007199254740991")
        assert.strictEqual(yield* into("bigint", BigInt("9223372036854775807")), "9223372036854775807")
        assert.strictEqual(yield* into("double precision", 1.5), "1.5")
        assert.strictEqual(yield* into("double precision", 7), "7")
        assert.strictEqual(yield* into("numeric(12, 3)", 7), "7.000")
        assert.strictEqual(yield* into("numeric(12, 3)", decimal("-1234.567")), "-1234.567")
        assert.strictEqual(
          yield* into("numeric(30, 0)", BigInt("123456789012345678901234567890")),
          "123456789012345678901234567890"
        )
        assert.strictEqual(yield* into("text", 7), "7")
        assert.strictEqual(yield* into("text", BigInt(8)), "8")
      }))

    it.effect("are read from columns as they were inserted", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        const json = session.server.kind === "hyper" ? "json" : "jsonb"
        const cases: ReadonlyArray<readonly [type: string, value: unknown, read?: unknown]> = [
          ["smallint", -32768],
          ["int", 2147483647],
          ["bigint", BigInt("-9223372036854775808")],
          ["bigint", 5, BigInt(5)],
          ["double precision", 0.1],
          ["double precision", -0],
          ["double precision", 3],
          ["numeric(20, 4)", decimal("12345.6789")],
          ["boolean", true],
          ["boolean", false],
          ["text", "O'Brien \"quoted\" $1 \\ ä€😀"],
          ["text", ""],
          ["varchar(10)", "short"],
          ["text", null],
          ["int", null],
          [session.server.kind === "hyper" ? "bytes" : "bytea", Uint8Array.of(0, 1, 254, 255)],
          ["date", "2024-02-29", CalendarDate.fromStringUnsafe("2024-02-29")],
          ["timestamptz", moment, TimestampTz.fromStringUnsafe("2026-02-28T12:34:56.789Z")],
          ["timestamptz", DateTime.makeUnsafe(moment), TimestampTz.fromStringUnsafe("2026-02-28T12:34:56.789Z")],
          ["timestamp", "2026-02-28 12:34:56.789", Timestamp.fromStringUnsafe("2026-02-28 12:34:56.789")],
          [json, { a: [1, "x", null], b: { c: true } }],
          [json, [1, 2, 3]],
          [json, []],
          [json, {}],
          [json, JSON.parse("{\"__proto__\": {\"a\": 1}}")],
          ["double precision", NaN],
          ["double precision", -Infinity]
        ]
        for (const [type, value, read = value] of cases) {
          const found = yield* roundTrip(session, type, value)
          assert.deepEqual<unknown>(comparable(found), comparable(read), type)
        }
      }))

    it.effect("send NULL for every type", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        const { rows } = yield* session.values(sql`select coalesce(${null}::int, 5), ${null}::text is null`)
        assert.deepStrictEqual(rows, [[5, true]])
      }))

    it.effect("use the declared type", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        const small = Parameter.make(3, BuiltIn.int2)
        const nothing = Parameter.make(null, BuiltIn.date)
        const { fields, rows } = yield* session.values(sql`select ${small}, ${nothing}`)
        assert.deepStrictEqual(rows, [[3, null]])
        assert.deepStrictEqual(fields.map(({ typeOid }) => typeOid), [BuiltIn.int2.oid, BuiltIn.date.oid])
      }))

    it.effect("that cannot be encoded are refused by number before anything is sent, and the session survives", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        const circle: Record<string, unknown> = {}
        circle["self"] = circle
        const cases: ReadonlyArray<readonly [value: unknown, reason: string]> = [
          [undefined, "TypeMismatch"],
          [() => 1, "TypeMismatch"],
          [Symbol("s"), "TypeMismatch"],
          [new Map(), "TypeMismatch"],
          ["\ud800", "NotRepresentable"],
          [{ text: "\udfff" }, "NotRepresentable"],
          [circle, "TypeMismatch"],
          [{ big: BigInt(1) }, "TypeMismatch"],
          [{ n: NaN }, "NotRepresentable"],
          [{
            toJSON: () => {
              throw "not even an error"
            }
          }, "TypeMismatch"],
          [new Date(NaN), "OutOfRange"],
          [Parameter.make(40_000, BuiltIn.int2), "OutOfRange"],
          [Parameter.make("x" as never, BuiltIn.int4), "TypeMismatch"]
        ]
        for (const [value, wanted] of cases) {
          for (
            const statement of [sql`select ${1}::int, ${value}::text`, sql`select ${1}::int, ${value}::text, ${2}::int`]
          ) {
            const error = yield* Effect.flip(session.values(statement))
            assert.strictEqual(error._tag, "ValueError", wanted)
            if (error._tag !== "ValueError") continue
            assert.deepInclude({ ...error.reason }, { location: "parameter", index: 2 })
            assert.oneOf(error.reason._tag, [wanted, "TypeMismatch"])
          }
        }
        assert.deepStrictEqual((yield* session.values(sql`select ${1}::int`)).rows, [[1]])
      }))

    it.effect("are not affected by an invalid one in a concurrent query", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        const results = yield* Effect.forEach(
          Array.from({ length: 40 }, (_, i) => i),
          (i) => Effect.result(session.values(sql`select ${i % 4 === 1 ? "\ud800" : String(i)}::text`)),
          { concurrency: "unbounded" }
        )
        for (const [i, result] of results.entries()) {
          if (i % 4 === 1) assert.isTrue(result._tag === "Failure" && result.failure._tag === "ValueError")
          else assert.isTrue(result._tag === "Success" && result.success.rows[0]?.[0] === String(i))
        }
      }))

    it.effect("fail before anything is sent if there are too many", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        const most = session.server.kind === "hyper" ? 32_767 : 65_535
        const error = yield* Effect.flip(
          session.query(fromTextUnsafe("select 1", Array.from({ length: most + 1 }, () => 1)))
        )
        assert.isTrue(error._tag === "ValueError" && error.reason._tag === "OutOfRange")
        assert.deepStrictEqual((yield* session.values(sql`select ${1}::int`)).rows, [[1]])
      }))

    it.effect("can be hundreds in one statement", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        const values = Array.from({ length: 800 }, (_, i) => i)
        const sum = Statement.join(values.map((value) => sql`${value}::int`), sql` + `)
        const { rows } = yield* session.values(sql`select ${sum}`)
        assert.deepStrictEqual(rows, [[319_600]])
      }))
  },

  postgres(it) {
    it.effect("send objects as the type that the server expects, not always as JSON", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        const literals = [
          ["int4range", "[1,5)"],
          ["point", "(1.5,-2)"],
          ["tstzrange", "[\"2026-01-01 00:00:00+00\",)"],
          ["int4[]", "{1,NULL,3}"],
          ["box", "(3,4),(1,2)"]
        ] as const
        for (const [type, literal] of literals) {
          const { rows } = yield* session.values(fromTextUnsafe(`select '${literal}'::${type}`))
          assert.strictEqual(yield* castToText(session, type, rows[0]![0]), literal)
        }
        assert.strictEqual(yield* castToText(session, "jsonb", { a: [1, null] }), "{\"a\": [1, null]}")
        assert.strictEqual(yield* castToText(session, "text", { a: 1 }), "{\"a\":1}")
      }))

    it.effect("fit the types that PostgreSQL infers", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        const [colour, price] = [uniqueName("colour"), uniqueName("price")]
        yield* session.query(`create type ${colour} as enum ('red', 'green')`)
        yield* session.query(`create domain ${price} as numeric(8, 2)`)
        const into = (type: string, value: unknown) => castToText(session, type, value)
        assert.strictEqual(yield* into("real", 1.5), "1.5")
        assert.strictEqual(yield* into("numeric", 0.1), "0.1")
        assert.strictEqual(yield* into("numeric", decimal("1.500")), "1.500")
        assert.strictEqual(yield* into(price, 12), "12.00")
        assert.strictEqual(yield* into(price, decimal("0.5")), "0.50")
        assert.strictEqual(yield* into("oid", 12), "12")
        assert.strictEqual(yield* into("varchar", 12), "12")
        assert.strictEqual(yield* into("jsonb", 5), "5")
        assert.strictEqual(yield* into("jsonb", "{\"a\":1}"), "{\"a\": 1}")
        assert.strictEqual(yield* into(colour, "green"), "green")
        assert.strictEqual(yield* into("inet", "10.0.0.1"), "10.0.0.1/32")
        assert.strictEqual(
          yield* into("uuid", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"),
          "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"
        )
        assert.strictEqual(yield* into("int[]", [1, null, 3]), "{1,NULL,3}")
        const shifted = PgArray.makeUnsafe([{ length: 2, lowerBound: 0 }], [1, null])
        assert.strictEqual(yield* into("int[]", shifted), "[0:1]={1,NULL}")
        assert.strictEqual(yield* into("text[]", ["a", "b c", "\"", "NULL"]), "{a,\"b c\",\"\\\"\",\"NULL\"}")
        const any = yield* session.values(
          sql`select count(*)::int from generate_series(1, 10) as g(n) where n = any(${[2, 3, 99]})`
        )
        assert.deepStrictEqual(any.rows, [[2]])
      }))

    it.effect("that do not fit are refused by number", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        const cases: ReadonlyArray<readonly [type: string, value: unknown]> = [
          ["int", 1.5],
          ["int", NaN],
          ["int", Infinity],
          ["int", 2147483648],
          ["smallint", 32768],
          ["bigint", BigInt("9223372036854775808")],
          ["numeric[]", ["nan"]],
          ["timestamptz", 0],
          ["timestamp", 0],
          ["timestamptz", new Date(NaN)],
          ["text", PgArray.makeUnsafe([{ length: 1, lowerBound: 0 }], [1])],
          ["jsonb", PgArray.makeUnsafe([{ length: 1, lowerBound: 0 }], [1])],
          ["boolean", 1],
          ["date", 1],
          ["uuid", 1],
          ["int[]", [1, "x"]],
          ["text", "a\0b"]
        ]
        for (const [type, value] of cases) {
          const error = yield* Effect.flip(session.values(fromTextUnsafe(`select $1::int, $2::${type}`, [1, value])))
          assert.isTrue(error._tag === "ValueError" && error.reason.index === 2, `${type} ${String(value)}`)
        }
        const server = yield* Effect.flip(session.query(sql`select ${"not a date"}::date`))
        assert.isTrue(server._tag === "ServerError" && server.reason._tag === "InvalidDatetimeFormat")
        assert.deepStrictEqual((yield* session.values(sql`select ${1}::int`)).rows, [[1]])
      }))
  },

  hyper(it) {
    it.effect("keep a zero character, which Hyper supports", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        assert.strictEqual(yield* roundTrip(session, "text", "a\0b"), "a\0b")
      }))

    it.effect("that do not fit are refused by the server", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        for (const [type, value] of [["int", "x"], ["date", "not a date"], ["bigint", decimal("1e30")]] as const) {
          const error = yield* Effect.flip(session.query(fromTextUnsafe(`select $1::${type}`, [value])))
          assert.strictEqual(error._tag, "ServerError", type)
        }
        assert.deepStrictEqual((yield* session.values(sql`select ${1}::int`)).rows, [[1]])
      }))
  }
})

/** Converts values that are equal but not identical to a comparable form. */
function comparable(value: unknown): unknown {
  if (BigDecimal.isBigDecimal(value)) return BigDecimal.format(BigDecimal.normalize(value))
  return typeof value === "object" && value !== null && "toJSON" in value ? JSON.stringify(value) : value
}
