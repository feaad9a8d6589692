import { assert, describe, it } from "@effect/vitest"
import { CalendarDate, Interval, TimeOfDay, Timestamp, TimestampTz, ValueError } from "@hyperfect/values"
import { DateTime, Effect, Equal, Hash, Option, Order, Schema } from "effect"

const date = CalendarDate.fromStringUnsafe
const instant = TimestampTz.fromStringUnsafe

describe("CalendarDate", () => {
  it("agrees with JavaScript's calendar on every day of eight centuries", () => {
    const first = Date.UTC(1600, 0, 1) / 86_400_000
    for (let day = 0; day < 292_194; day += 1) {
      const shown = new Date((first + day) * 86_400_000).toISOString().slice(0, 10)
      const value = CalendarDate.fromDayUnsafe(first + day - 10_957)
      if (CalendarDate.format(value) !== shown) assert.fail(`${CalendarDate.format(value)} is ${shown}`)
      if (day % 97 === 0) assert.strictEqual(date(shown).day, value.day)
    }
  })

  it("has the day numbers that both servers use", () => {
    const cases = [
      ["2000-01-01", 0],
      ["1970-01-01", -10_957],
      ["4714-11-24 BC", -2_451_545],
      ["0001-01-01", -730_119],
      ["0001-12-31 BC", -730_120],
      ["9999-12-31", 2_921_939],
      ["294276-12-31", 106_751_982],
      ["5874897-12-31", 2_145_031_948],
      ["infinity", 2_147_483_647],
      ["-infinity", -2_147_483_648]
    ] as const
    for (const [text, day] of cases) {
      assert.strictEqual(date(text).day, day)
      assert.strictEqual(CalendarDate.format(CalendarDate.fromDayUnsafe(day)), text)
    }
  })

  it("rejects text that is not a date", () => {
    for (
      const text of [
        "",
        "2023-02-29",
        "1900-02-29",
        "2024-13-01",
        "2024-00-01",
        "2024-01-00",
        "2024-04-31",
        "0000-01-01",
        "0000-01-01 BC",
        "24-01-01",
        "2024-1-1",
        "01/02/2003",
        "4714-11-23 BC",
        "5874898-01-01",
        "2024-01-01 ",
        "2024-01-01 AD",
        "today",
        "Infinity"
      ]
    ) assert.isTrue(Option.isNone(CalendarDate.fromString(text)), text)
    assert.throws(() => date("2023-02-29"), ValueError.ValueError)
    assert.throws(() => CalendarDate.makeUnsafe(2023, 2, 29), ValueError.ValueError)
    assert.isTrue(Option.isNone(CalendarDate.make(2024.5, 1, 1)))
    assert.isTrue(Option.isSome(CalendarDate.make(2000, 2, 29)))
  })

  it("has parts, with year 0 for 1 BC", () => {
    assert.deepStrictEqual(CalendarDate.toParts(date("0001-12-31 BC")), Option.some({ year: 0, month: 12, day: 31 }))
    assert.deepStrictEqual(CalendarDate.toParts(CalendarDate.infinity), Option.none())
  })

  it("converts to and from Date and DateTime only if that is exact", () => {
    const day = date("2024-02-29")
    assert.strictEqual(Option.getOrThrow(CalendarDate.toDate(day)).toISOString(), "2024-02-29T00:00:00.000Z")
    assert.deepStrictEqual(CalendarDate.fromDate(new Date("2024-02-29T00:00:00Z")), Option.some(day))
    assert.isTrue(Option.isNone(CalendarDate.fromDate(new Date("2024-02-29T00:00:01Z"))))
    assert.isTrue(Option.isNone(CalendarDate.fromDate(new Date(NaN))))
    assert.isTrue(Option.isNone(CalendarDate.toDate(CalendarDate.infinity)))
    assert.isTrue(Option.isNone(CalendarDate.toDate(date("294276-12-31"))))
    const zoned = DateTime.makeZonedUnsafe("2024-02-29T20:00:00Z", { timeZone: "Asia/Tokyo" })
    assert.deepStrictEqual(CalendarDate.fromDateTime(zoned), Option.some(date("2024-03-01")))
    assert.deepStrictEqual(
      Option.map(CalendarDate.toDateTime(day), DateTime.formatIso),
      Option.some("2024-02-29T00:00:00.000Z")
    )
  })
})

describe("TimeOfDay", () => {
  it("has the range 00:00 to 24:00, to the microsecond", () => {
    for (const text of ["00:00:00", "00:00:00.000001", "12:34:56.7", "23:59:59.999999", "24:00:00"]) {
      assert.strictEqual(TimeOfDay.format(TimeOfDay.fromStringUnsafe(text)), text)
    }
    assert.strictEqual(TimeOfDay.format(TimeOfDay.fromStringUnsafe("09:30")), "09:30:00")
    assert.isFalse(Equal.equals(TimeOfDay.fromStringUnsafe("24:00:00"), TimeOfDay.fromStringUnsafe("00:00:00")))
    for (
      const text of [
        "",
        "24:00:00.000001",
        "25:00:00",
        "12:60:00",
        "12:00:60",
        "1:00:00",
        "12:00:00.1234567",
        "12:00:00Z"
      ]
    ) {
      assert.isTrue(Option.isNone(TimeOfDay.fromString(text)), text)
    }
    assert.isTrue(Option.isNone(TimeOfDay.make(12, 0, 0, 0.5)))
    assert.isTrue(Option.isNone(TimeOfDay.make(-1, 0)))
  })
})

describe("Timestamp", () => {
  it("is made from a date and a time", () => {
    const end = Timestamp.make(date("2024-02-29"), TimeOfDay.makeUnsafe(24, 0))
    assert.strictEqual(String(Option.getOrThrow(end)), "2024-03-01T00:00:00")
    assert.deepStrictEqual(
      Timestamp.make(CalendarDate.infinity, TimeOfDay.makeUnsafe(1, 0)),
      Option.some(Timestamp.infinity)
    )
    assert.isTrue(Option.isNone(Timestamp.make(date("294276-12-31"), TimeOfDay.makeUnsafe(24, 0))))
    assert.isTrue(Option.isNone(Timestamp.make(date("5874897-12-31"), TimeOfDay.makeUnsafe(0, 0))))
    const value = Timestamp.fromStringUnsafe("2024-02-29 12:34:56.789012")
    assert.strictEqual(String(Timestamp.toCalendarDate(value)), "2024-02-29")
    assert.strictEqual(String(Timestamp.toTimeOfDay(value)), "12:34:56.789012")
  })

  it("has no time zone, and does not parse one", () => {
    assert.isTrue(Option.isNone(Timestamp.fromString("2024-02-29 12:00:00+00")))
    assert.isTrue(Option.isNone(Timestamp.fromString("2024-02-29T12:00:00Z")))
    assert.isTrue(Option.isNone(TimestampTz.fromString("2024-02-29 12:00:00")))
  })

  it("becomes an instant when a time zone is chosen", () => {
    const wall = Timestamp.fromStringUnsafe("0044-03-15 12:00:00.5 BC")
    assert.strictEqual(String(Timestamp.inUtc(wall)), "0044-03-15T12:00:00.5Z BC")
    assert.isTrue(Equal.equals(Timestamp.fromUtc(Timestamp.inUtc(wall)), wall))
  })
})

describe("TimestampTz", () => {
  it("parses the same instant from every time zone that a server prints", () => {
    const utc = instant("2024-02-29 23:30:00+00")
    for (
      const text of [
        "2024-02-29 23:30:00Z",
        "2024-02-29T23:30Z",
        "2024-03-01 05:00:00+05:30",
        "2024-02-29 15:30:00-08",
        "2024-03-01 00:02:08+00:32:08",
        "2024-03-01 14:30:00+15"
      ]
    ) assert.isTrue(Equal.equals(instant(text), utc), text)
    assert.strictEqual(String(instant("0001-01-01 00:00:00+01")), "0001-12-31T23:00:00Z BC")
    assert.strictEqual(String(instant("0001-12-31 23:00:00-01 BC")), "0001-01-01T00:00:00Z")
  })

  it("rejects text that is not an instant", () => {
    for (
      const text of [
        "",
        "2024-02-30 00:00:00+00",
        "2024-02-29 00:00:00+16",
        "2024-02-29 00:00:00+00:60",
        "2024-02-29 24:00:01+00",
        "294276-12-31 23:59:59-01",
        "4714-11-24 00:00:00+01 BC",
        "2024-02-29 00:00:00 UTC",
        "02/29/2024 00:00:00+00"
      ]
    ) assert.isTrue(Option.isNone(TimestampTz.fromString(text)), text)
    assert.throws(() => instant("now"), ValueError.ValueError)
  })

  it("converts to and from Date and DateTime only if that is exact", () => {
    const exact = instant("2024-02-29 12:34:56.789+00")
    const finer = instant("2024-02-29 12:34:56.789012+00")
    assert.strictEqual(Option.getOrThrow(TimestampTz.toDate(exact)).toISOString(), "2024-02-29T12:34:56.789Z")
    assert.isTrue(Option.isNone(TimestampTz.toDate(finer)))
    assert.isTrue(Option.isNone(TimestampTz.toDateTime(finer)))
    assert.strictEqual(TimestampTz.toDateUnsafe(finer).toISOString(), "2024-02-29T12:34:56.789Z")
    for (const far of [TimestampTz.infinity, TimestampTz.negativeInfinity, instant("294276-12-31 23:59:59.999+00")]) {
      assert.isTrue(Option.isNone(TimestampTz.toDate(far)))
      assert.isTrue(Number.isNaN(TimestampTz.toDateUnsafe(far).getTime()))
    }
    assert.deepStrictEqual(TimestampTz.fromDate(new Date("2024-02-29T12:34:56.789Z")), Option.some(exact))
    assert.isTrue(Option.isNone(TimestampTz.fromDate(new Date(-8.64e15))))
    assert.isTrue(Option.isNone(TimestampTz.fromDate(new Date(NaN))))
    const dateTime = Option.getOrThrow(TimestampTz.toDateTime(exact))
    assert.deepStrictEqual(TimestampTz.fromDateTime(dateTime), Option.some(exact))
  })

  it.effect.prop("round-trips a Date", {
    date: Schema.Date.check(Schema.isBetweenDate({
      minimum: new Date(-210_866_803_200_000),
      maximum: new Date(8.64e15)
    }))
  }, ({ date }) =>
    Effect.sync(() => {
      const value = Option.getOrThrow(TimestampTz.fromDate(date))
      assert.strictEqual(Option.getOrThrow(TimestampTz.toDate(value)).getTime(), date.getTime())
    }))
})

describe("Interval", () => {
  it("accepts only parts within their range", () => {
    assert.isTrue(Option.isNone(Interval.make({ months: 2 ** 31 })))
    assert.isTrue(Option.isNone(Interval.make({ days: 0.5 })))
    assert.isTrue(Option.isNone(Interval.make({ microseconds: BigInt("9223372036854775808") })))
    assert.throws(() => Interval.makeUnsafe({ days: NaN }), ValueError.ValueError)
  })

  it("is formatted as ISO 8601", () => {
    const cases = [
      [{}, "PT0S"],
      [{ months: 14 }, "P1Y2M"],
      [{ months: -14, days: 1 }, "P-1Y-2M1D"],
      [{ microseconds: BigInt(-1) }, "PT-0.000001S"],
      [{ microseconds: BigInt("9223372036854775807") }, "PT2562047788H54.775807S"],
      [{ microseconds: BigInt(-3_661_500_000) }, "PT-1H-1M-1.5S"],
      [{ months: 2147483647, days: -2147483648 }, "P178956970Y7M-2147483648D"]
    ] as const
    for (const [parts, text] of cases) {
      assert.strictEqual(Interval.format(Interval.makeUnsafe(parts)), text)
      assert.isTrue(Equal.equals(Interval.fromStringUnsafe(text), Interval.makeUnsafe(parts)))
    }
  })

  it("is equal only if all parts are", () => {
    assert.isFalse(Equal.equals(Interval.makeUnsafe({ months: 1 }), Interval.makeUnsafe({ days: 30 })))
    assert.isFalse(
      Equal.equals(Interval.makeUnsafe({ days: 1 }), Interval.makeUnsafe({ microseconds: BigInt(86_400_000_000) }))
    )
  })
})

describe("date and time types", () => {
  const values = [
    [CalendarDate.CalendarDate, CalendarDate.CalendarDateFromString],
    [TimeOfDay.TimeOfDay, TimeOfDay.TimeOfDayFromString],
    [Timestamp.Timestamp, Timestamp.TimestampFromString],
    [TimestampTz.TimestampTz, TimestampTz.TimestampTzFromString],
    [Interval.Interval, Interval.IntervalFromString]
  ] as unknown as ReadonlyArray<
    readonly [Schema.Codec<CalendarDate.CalendarDate>, Schema.Codec<CalendarDate.CalendarDate, string>]
  >

  for (const [index, [schema, fromString]] of values.entries()) {
    it.effect.prop(
      `${index}: round-trip as text and as JSON, with the same hash`,
      { value: schema },
      ({ value }) =>
        Effect.gen(function*() {
          const text = yield* Schema.encodeEffect(fromString)(value)
          const back = yield* Schema.decodeEffect(fromString)(text)
          assert.isTrue(Equal.equals(back, value))
          assert.strictEqual(Hash.hash(back), Hash.hash(value))
          assert.strictEqual(JSON.stringify(value), JSON.stringify(text))
          assert.strictEqual(String(value), text)
          const json = Schema.toCodecJson(schema)
          assert.isTrue(
            Equal.equals(yield* Schema.decodeUnknownEffect(json)(yield* Schema.encodeEffect(json)(value)), value)
          )
        })
    )

    it.effect(`${index}: reject any other text`, () =>
      Effect.gen(function*() {
        const error = yield* Effect.flip(Schema.decodeEffect(fromString)("x"))
        assert.strictEqual(error._tag, "SchemaError")
      }))
  }

  it("are not equal across types", () => {
    const zero = [
      CalendarDate.fromDayUnsafe(0),
      TimeOfDay.fromMicrosecondUnsafe(0),
      Timestamp.fromPartsUnsafe(0, 0),
      TimestampTz.fromPartsUnsafe(0, 0),
      Interval.makeUnsafe({})
    ]
    for (const [i, a] of zero.entries()) {
      for (const [j, b] of zero.entries()) assert.strictEqual(Equal.equals(a, b), i === j)
    }
  })

  it("are ordered, with the infinities first and last", () => {
    const instants = [
      TimestampTz.negativeInfinity,
      instant("1999-12-31 23:59:59.999999+00"),
      instant("2000-01-01 00:00:00+00"),
      TimestampTz.infinity
    ]
    const shuffled = [instants[2]!, instants[3]!, instants[0]!, instants[1]!]
    assert.deepStrictEqual(shuffled.sort(TimestampTz.Order), instants)
    const dates = [CalendarDate.negativeInfinity, date("0001-01-01 BC"), date("0001-01-01"), CalendarDate.infinity]
    assert.deepStrictEqual([...dates].reverse().sort(CalendarDate.Order), dates)
    assert.isTrue(Order.isLessThan(TimeOfDay.Order)(TimeOfDay.makeUnsafe(1, 0), TimeOfDay.makeUnsafe(24, 0)))
  })
})
