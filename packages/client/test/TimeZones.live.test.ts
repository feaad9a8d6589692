import { assert } from "@effect/vitest"
import * as Statement from "@hyperfect/client/Statement"
import { BuiltIn, CalendarDate, Parameter, Preset, TimeOfDay, Timestamp, TimestampTz } from "@hyperfect/values"
import { Effect } from "effect"
import { describeServers, openSession } from "./liveServers.ts"

const { sql } = Statement

/** Local times that were skipped, repeated, or before standard time zones. */
const wallClocks = [
  "2024-03-10 02:30:00", // skipped in New York
  "2024-11-03 01:30:00", // repeated in New York
  "2024-03-31 02:30:00.123456", // skipped in Amsterdam
  "2011-12-30 12:00:00", // a day that Apia skipped
  "1883-11-18 12:00:30", // the end of New York's local mean time
  "1937-07-01 00:00:10", // the end of Amsterdam's offset of 19 minutes and 32 seconds
  "1919-03-01 00:00:00", // Monrovia: 43 minutes and 8 seconds, then 44 and 30
  "1969-12-31 23:59:59.999999",
  "0001-01-01 00:00:00",
  "9999-12-31 23:59:59.999999"
]

const zones = [
  "UTC",
  "America/New_York",
  "Europe/Amsterdam",
  "Asia/Kathmandu",
  "Pacific/Apia",
  "Africa/Monrovia"
]

const toIso = (wall: string, zone: string): string => wall.replace(" ", "T") + zone

/** Runs an effect in another time zone of the process. */
const withProcessTimeZone = <A, E, R>(zone: string, effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.acquireUseRelease(
    Effect.sync(() => {
      const before = process.env["TZ"]
      process.env["TZ"] = zone
      return before
    }),
    () => effect,
    (before) =>
      Effect.sync(() => {
        if (before === undefined) delete process.env["TZ"]
        else process.env["TZ"] = before
      })
  )

const setTimeZone = (kind: "hyper" | "postgres", zone: string): string =>
  kind === "hyper" ? `set time_zone = '${zone}'` : `set timezone = '${zone}'`

describeServers({
  both(it) {
    it.effect("neither that of the process nor that of the session shifts values", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        const { kind } = session.server
        const offsets = new Set<number>()
        for (const ofProcess of zones) {
          // The zones of process and session are two apart in the list, so they always differ.
          const ofSession = zones[(zones.indexOf(ofProcess) + 2) % zones.length]!
          yield* session.query(setTimeZone(kind, ofSession))
          yield* withProcessTimeZone(
            ofProcess,
            Effect.gen(function*() {
              offsets.add(new Date(2024, 0, 1).getTimezoneOffset())
              for (const wall of wallClocks) {
                const what = `${wall}, process in ${ofProcess}, session in ${ofSession}`
                const [day, time] = wall.split(" ") as [string, string]
                const read = `select cast('${wall}' as timestamp) as wall, cast('${day}' as date) as day,
                  cast('${time}' as time) as time, cast('${wall}+00' as timestamptz) as instant`
                const timestamp = Timestamp.fromStringUnsafe(wall)
                const instant = TimestampTz.fromStringUnsafe(toIso(wall, "Z"))
                const expected = { wall: toIso(wall, ""), day, time, instant: toIso(wall, "Z") }
                const print = (row: object | undefined) =>
                  Object.fromEntries(Object.entries(row ?? {}).map(([name, value]) => [name, String(value)]))
                assert.deepStrictEqual(print((yield* session.query(read)).rows[0]), expected, what)
                assert.deepStrictEqual(print((yield* session.simple(read))[0]?.rows[0]), expected, `${what}, as text`)

                const { instant: date, wall: text } = (yield* session.query(Statement.withPreset(read, Preset.native)))
                  .rows[0]!
                assert.strictEqual((date as Date).getTime(), TimestampTz.toDateUnsafe(instant).getTime(), what)
                assert.strictEqual(text, wall, what)

                const sent = sql`select cast(cast(${timestamp} as timestamp) as text) as wall,
                  cast(cast(${CalendarDate.fromStringUnsafe(day)} as date) as text) as day,
                  cast(cast(${TimeOfDay.fromStringUnsafe(time)} as time) as text) as time,
                  cast(${instant} as timestamptz) as instant,
                  cast(${TimestampTz.toDateUnsafe(instant)} as timestamptz) as date`
                const [back] = (yield* session.query(sent)).rows
                const millisecond = TimestampTz.fromPartsUnsafe(
                  instant.day,
                  Math.floor(instant.microsecond / 1000) * 1000
                )
                assert.deepStrictEqual(print(back), {
                  wall,
                  day,
                  time,
                  instant: toIso(wall, "Z"),
                  date: String(millisecond)
                }, what)
              }
            })
          )
        }
        // The process had different zones.
        assert.isAbove(offsets.size, 4)
      }))

    it.effect("a Date sent for a timestamp uses the session's zone, not the process's", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        yield* session.query(setTimeZone(session.server.kind, "America/New_York"))
        yield* session.query("create temporary table walls (wall timestamp)")
        const instant = new Date("2024-07-01T12:00:00.000Z")
        for (const zone of ["UTC", "Asia/Kathmandu"]) {
          yield* withProcessTimeZone(zone, session.query(sql`insert into walls values (${instant})`))
          yield* withProcessTimeZone(
            zone,
            session.query(
              sql`insert into walls values (${
                Parameter.make(Timestamp.fromStringUnsafe("2024-07-01 08:00:00"), BuiltIn.timestamp)
              })`
            )
          )
        }
        const { rows } = yield* session.values("select wall from walls")
        assert.deepStrictEqual(
          rows.map(([wall]) => String(wall)),
          Array.from({ length: 4 }, () => "2024-07-01T08:00:00")
        )
      }))
  },

  postgres(it) {
    it.effect("instants are those that the server computes", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        for (const zone of zones) {
          yield* session.query(setTimeZone("postgres", zone))
          for (const wall of wallClocks) {
            // Converted in the zone of the session by the server.
            const [row] = (yield* session.query(`select t as instant, extract(epoch from t) * 1000000 as microseconds
              from (select cast('${wall}' as timestamptz) as t) as instants`)).rows
            const { day, microsecond } = row!["instant"] as TimestampTz.TimestampTz
            const count = (BigInt(day) + BigInt(10_957)) * BigInt(86_400_000_000) + BigInt(microsecond)
            assert.strictEqual(
              `${count}.000000`,
              (yield* session.values(sql`select cast(cast(${row!["microseconds"]} as numeric(30, 6)) as text)`)).rows[0]
                ?.[0],
              `${wall} in ${zone}`
            )
          }
        }
      }))
  }
})
