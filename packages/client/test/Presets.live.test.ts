import { assert } from "@effect/vitest"
import * as Statement from "@hyperfect/client/Statement"
import { BuiltIn, CalendarDate, Preset, TimestampTz } from "@hyperfect/values"
import { BigDecimal, Effect, pipe, Stream } from "effect"
import { describeServers, openSession, uniqueName } from "./liveServers.ts"

const { sql, withPreset } = Statement

const allTypesQuery =
  sql`select cast(1 as bigint) as big, cast('12.30' as numeric(10,2)) as amount, cast('2024-02-29' as date) as day,
  cast('2024-03-10 02:30:00.5' as timestamp) as wall, cast('2024-02-29 12:30:00.123456+00' as timestamptz) as instant,
  true as ok, cast(1.5 as double precision) as ratio, 'x' as note, array[cast(1 as bigint), null] as list`

describeServers({
  both(it) {
    it.effect("are lossless by default", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        const { fields, rows } = yield* session.query(allTypesQuery)
        const { amount, big, day, instant, list, ok } = rows[0]!
        assert.deepStrictEqual([big, ok, list], [BigInt(1), true, [BigInt(1), null]])
        assert.deepStrictEqual(amount, BigDecimal.make(BigInt(1230), 2))
        assert.deepStrictEqual(day, CalendarDate.makeUnsafe(2024, 2, 29))
        assert.deepStrictEqual(instant, TimestampTz.fromStringUnsafe("2024-02-29T12:30:00.123456Z"))
        assert.strictEqual(fields[0]?.type, BuiltIn.int8)
      }))

    it.effect("decode to JavaScript's native values if a query uses that preset", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        const { fields, rows } = yield* session.query(withPreset(allTypesQuery, Preset.native))
        const expected = {
          big: "1",
          amount: "12.30",
          day: "2024-02-29",
          wall: "2024-03-10 02:30:00.5",
          instant: new Date("2024-02-29T12:30:00.123Z"),
          ok: true,
          ratio: 1.5,
          note: "x",
          list: ["1", null]
        }
        assert.deepStrictEqual(rows, [expected])
        assert.notStrictEqual(fields[0]?.type, BuiltIn.int8)
        assert.deepStrictEqual((yield* session.values(withPreset(allTypesQuery, Preset.native))).rows, [
          Object.values(expected)
        ])
        assert.deepStrictEqual(yield* Stream.runCollect(session.stream(withPreset(allTypesQuery, Preset.native))), [
          expected
        ])
        // The preset does not affect the next query of the same text.
        assert.strictEqual((yield* session.query(allTypesQuery)).rows[0]!["big"], BigInt(1))
      }))

    it.effect("decode single columns and types differently", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        const preset = pipe(
          Preset.lossless,
          Preset.withTypes({ int8: BuiltIn.int8Number }),
          Preset.withColumns({ amount: Preset.native, wall: Preset.text })
        )
        const { rows } = yield* session.query(withPreset(allTypesQuery, preset))
        const { amount, big, day, list, wall } = rows[0]!
        assert.deepStrictEqual([amount, wall, big, list], ["12.30", "2024-03-10 02:30:00.5", 1, [1, null]])
        assert.deepStrictEqual(day, CalendarDate.makeUnsafe(2024, 2, 29))
      }))

    it.effect("apply to a client, unless a query has its own", () =>
      Effect.gen(function*() {
        const session = yield* Effect.provideService(openSession(), Preset.Preset, Preset.native)
        const text = "select cast(1 as bigint) as n"
        assert.deepStrictEqual((yield* session.query(text)).rows, [{ n: "1" }])
        assert.deepStrictEqual((yield* session.simple(text))[0]?.rows, [{ n: "1" }])
        const results = yield* session.simple(
          withPreset(sql`select 1 as n, 2 as n`, Preset.withDuplicates(Preset.text, "last"))
        )
        assert.deepStrictEqual(results[0]?.rows, [{ n: "2" }])
        const refused = yield* Effect.flip(session.simple(sql`select ${1}`))
        assert.match(refused.message, /^parameters of the simple protocol/)
        assert.deepStrictEqual((yield* session.query(withPreset(text, Preset.lossless))).rows, [{ n: BigInt(1) }])
        // Using the statement does not change its preset.
        const other = yield* Effect.provideService(session.query(text), Preset.Preset, Preset.lossless)
        assert.deepStrictEqual(other.rows, [{ n: "1" }])
      }))

    it.effect("fail only the query whose values they cannot represent", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        const preset = Preset.withTypes(Preset.lossless, { int8: BuiltIn.int8Number })
        const statement = withPreset("select cast('9007199254740993' as bigint) as n", preset)
        const error = yield* Effect.flip(session.query(statement))
        assert.isTrue(error._tag === "ValueError" && error.reason._tag === "OutOfRange" && error.reason.name === "n")
        assert.deepStrictEqual((yield* session.query("select 1 as n")).rows, [{ n: 1 }])
      }))
  },

  postgres(it) {
    it.effect("apply inside user-defined types", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        const [amount, mood, pair] = [uniqueName("amount"), uniqueName("mood"), uniqueName("pair")]
        yield* session.query(`create domain ${amount} as numeric(10, 2)`)
        yield* session.query(`create type ${mood} as enum ('sad', 'ok')`)
        yield* session.query(`create type ${pair} as (id bigint, paid ${amount}, at timestamptz, moods ${mood}[])`)
        const statement = `select cast(1.5 as ${amount}) as a, array[cast(2 as ${amount})] as b,
          cast(row(7, 2.25, '2024-02-29 12:30:00+00', array['ok', null]) as ${pair}) as c`
        const inside = { id: "7", paid: "2.25", at: new Date("2024-02-29T12:30:00Z"), moods: ["ok", null] }
        assert.deepStrictEqual((yield* session.query(withPreset(statement, Preset.native))).rows, [
          { a: "1.50", b: ["2.00"], c: inside }
        ])
        const numbers = Preset.withTypes(Preset.lossless, { int8: BuiltIn.int8Number, timestamptz: Preset.text })
        const { c } = (yield* session.query(withPreset(statement, numbers))).rows[0]! as { readonly c: typeof inside }
        assert.strictEqual<unknown>(c.id, 7)
        assert.match(String(c.at), /^2024-02-29 /)
        assert.isTrue(BigDecimal.isBigDecimal(c.paid))
        const texts = { a: "1.50", b: "{2.00}" }
        assert.deepInclude((yield* session.query(withPreset(statement, Preset.text))).rows[0], texts)
      }))

    it.effect("decode to the server's text, formatted by the session's settings", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        yield* session.query("set timezone = 'America/New_York'")
        yield* session.query("set datestyle = 'German'")
        const statement = "select cast('2024-02-29 12:30:00+00' as timestamptz) as t, cast('12.5' as money) as m, " +
          "cast('pg_class' as regclass) as c, array[1.50, null] as a"
        const printed = { t: "29.02.2024 07:30:00 EST", m: "$12.50", c: "pg_class", a: "{1.50,NULL}" }
        assert.deepStrictEqual((yield* session.query(withPreset(statement, Preset.text))).rows, [printed])
        const { rows } = yield* session.query(
          withPreset("select cast('12.5' as money) as m, 'pg_class'::regclass as c", Preset.native)
        )
        assert.deepStrictEqual(rows, [{ m: "$12.50", c: "pg_class" }])
      }))
  },

  hyper(it) {
    it.effect("decode to text with all digits", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        const statement =
          "select cast('0.1234567890123456789' as double precision) as r, cast('point(1 2)' as geography) as g"
        const { rows } = yield* session.query(withPreset(statement, Preset.text))
        assert.strictEqual(rows[0]!["r"], "0.12345678901234568")
        assert.instanceOf(rows[0]!["g"], Uint8Array)
      }))
  }
})
