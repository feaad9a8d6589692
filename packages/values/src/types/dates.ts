/**
 * `date`, `time`, `timestamp` and `timestamptz`.
 *
 * @since 0.1.0
 */
import { code } from "@hyperfect/protocol/internal/codegen"
import type * as DateTime from "effect/DateTime"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as CalendarDate from "../CalendarDate.ts"
import * as Codec from "../internal/codec/codec.ts"
import * as EffectTypes from "../internal/codec/effectTypes.ts"
import * as Inline from "../internal/codec/inline.ts"
import * as Numbers from "../internal/codec/numbers.ts"
import * as Calendar from "../internal/dateTime/calendar.ts"
import * as IsoText from "../internal/dateTime/isoText.ts"
import * as TimestampParts from "../internal/dateTime/timestampParts.ts"
import * as TimeOfDay from "../TimeOfDay.ts"
import * as Timestamp from "../Timestamp.ts"
import * as TimestampTz from "../TimestampTz.ts"
import type { Format, Type } from "../Type.ts"

// -- date

const checkDate = (value: unknown, format: Format): CalendarDate.CalendarDate =>
  CalendarDate.isCalendarDate(value) ? value : Codec.typeMismatch("date", format, "CalendarDate", value)

/** Rejects infinities, which Hyper would silently convert to its last and first day. */
const checkHyperDay = (day: number, typeName: string): number => {
  if (day === Calendar.infinity || day === Calendar.negativeInfinity) {
    Codec.notRepresentable(typeName, 2, "a finite day, because Hyper has no infinities", "an infinity")
  }
  return day >= Calendar.minHyperDay && day <= Calendar.maxTimestampDay
    ? day
    : Codec.outOfRange(typeName, 2, "4713-01-01 BC to 294276-12-31", "another day")
}

const dateStorage = Inline.stored("Date", Int32Array, ({ day }: CalendarDate.CalendarDate) => day)

const declareDate = Inline.fixed(4, dateStorage, ({ int32, littleEndian }) => ({
  // Hyper's dates are Julian days.
  store: littleEndian
    ? { ...Inline.storeWord(code`(${int32}) - ${Calendar.julianOf2000}`), refuses: code`b[p + 3] > 0x7f` }
    : Inline.storeWord(int32)
}))

/**
 * `date`: a `CalendarDate`.
 *
 * **Gotchas**
 *
 * Text is read in the date style ISO only, which is the default of both servers. HyperBinary has no infinities: they
 * are rejected, not stored as Hyper's last or first day.
 *
 * @category types
 * @since 0.1.0
 */
export const date: Type<CalendarDate.CalendarDate> = declareDate({
  name: "date",
  oid: 1082,
  arrayOid: 1182,
  schema: CalendarDate.CalendarDate,
  text: Codec.text(
    "date",
    "YYYY-MM-DD (DateStyle ISO), infinity or -infinity",
    (text) => Option.getOrUndefined(CalendarDate.fromString(text)),
    (value: CalendarDate.CalendarDate) => CalendarDate.format(checkDate(value, 0))
  ),
  binary: {
    read: (bytes, start, end) =>
      end - start === 4
        ? CalendarDate.fromDayUnsafe(Numbers.int32(bytes, start))
        : Codec.wrongLength("date", 1, "4 bytes", end - start),
    write: (out, value) => out.int32(checkDate(value, 1).day)
  },
  hyper: Codec.fixed(4, {
    read: (bytes, start, end) => {
      if (end - start !== 4) return Codec.wrongLength("date", 2, "4 bytes", end - start)
      const julian = Numbers.int32LE(bytes, start)
      // Hyper has no Julian days beyond 2^31.
      return julian >= 0
        ? CalendarDate.fromDayUnsafe(julian - Calendar.julianOf2000)
        : Codec.malformed("date", 2, "a Julian day", "a larger number")
    },
    write: (out, value) => out.int32LE(checkHyperDay(checkDate(value, 2).day, "date") + Calendar.julianOf2000)
  })
})

// -- time

const checkTime = (value: unknown, format: Format): number => {
  if (!TimeOfDay.isTimeOfDay(value)) return Codec.typeMismatch("time", format, "TimeOfDay", value)
  const { microsecond } = value
  return microsecond >= 0 && microsecond <= Calendar.microsecondsPerDay
    ? microsecond
    : Codec.outOfRange("time", format, "00:00:00 to 24:00:00", "another time")
}

/** `high` and `low` are the words of a 64-bit integer. */
const timeOf = (high: number, low: number, format: Format): TimeOfDay.TimeOfDay => {
  const microsecond = high * 0x100000000 + (low >>> 0)
  // A server can send such a number: Hyper's COPY stores any number as a time (H-32).
  return high >= 0 && microsecond <= Calendar.microsecondsPerDay
    ? TimeOfDay.fromMicrosecondUnsafe(microsecond)
    : Codec.malformed("time", format, "00:00:00 to 24:00:00", "another number of microseconds")
}

/**
 * `time`: a `TimeOfDay`, including 24:00:00.
 *
 * @category types
 * @since 0.1.0
 */
export const time: Type<TimeOfDay.TimeOfDay> = {
  name: "time",
  oid: 1083,
  arrayOid: 1183,
  category: "time",
  schema: TimeOfDay.TimeOfDay,
  text: Codec.text(
    "time",
    "HH:MM:SS.ffffff",
    (text) => Option.getOrUndefined(TimeOfDay.fromString(text)),
    (value: TimeOfDay.TimeOfDay) => IsoText.formatTime(checkTime(value, 0))
  ),
  binary: {
    read: Codec.sized("time", 1, 8, (bytes, at) => timeOf(Numbers.int32(bytes, at), Numbers.int32(bytes, at + 4), 1)),
    write: (out, value) => {
      const microsecond = checkTime(value, 1)
      out.int32(Math.floor(microsecond / 0x100000000))
      out.int32(microsecond)
    }
  },
  hyper: Codec.fixed(8, {
    read: Codec.sized(
      "time",
      2,
      8,
      (bytes, at) => timeOf(Numbers.int32LE(bytes, at + 4), Numbers.int32LE(bytes, at), 2)
    ),
    write: (out, value) => {
      const microsecond = checkTime(value, 2)
      out.int32LE(microsecond)
      out.int32LE(Math.floor(microsecond / 0x100000000))
    }
  })
}

/**
 * `time` as the `bigint` of its microseconds since midnight.
 *
 * **Gotchas**
 *
 * A `bigint` is sent back as an `int8`, which the server does not convert to a `time`.
 *
 * @category types
 * @since 0.1.0
 */
export const timeMicroseconds: Type<bigint, TimeOfDay.TimeOfDay> = Codec.mapRead(
  time,
  Schema.BigInt,
  ({ microsecond }) => BigInt(microsecond)
)

// -- timestamp and timestamptz have the same encoding

const maxInt32 = 0x7fffffff
const minInt32 = -0x80000000

type Make<A> = TimestampParts.Make<A>

const readBinary = <A>(typeName: string, make: Make<A>, bytes: Uint8Array, start: number, end: number): A => {
  if (end - start !== 8) return Codec.wrongLength(typeName, 1, "8 bytes", end - start)
  const high = Numbers.int32(bytes, start)
  const low = Numbers.int32(bytes, start + 4)
  if (high === maxInt32 && low === -1) return make(Calendar.infinity, 0)
  if (high === minInt32 && low === 0) return make(Calendar.negativeInfinity, 0)
  const day = Calendar.daysFromWords(high, low)
  return make(day, Calendar.microsecondsFromWords(high, low, day))
}

const checkRange = (typeName: string, format: Format, value: TimestampParts.TimestampParts): void => {
  if (
    !(value.day >= Calendar.minDay && value.day <= Calendar.maxTimestampDay && value.microsecond >= 0 &&
      value.microsecond < Calendar.microsecondsPerDay)
  ) Codec.outOfRange(typeName, format, "4714-11-24 BC to 294276-12-31", "another day")
}

const writeBinary = (out: Codec.ByteWriter, typeName: string, value: TimestampParts.TimestampParts): void => {
  if (value.day === Calendar.infinity) return out.int64(TimestampParts.maxInt64)
  if (value.day === Calendar.negativeInfinity) return out.int64(TimestampParts.minInt64)
  checkRange(typeName, 1, value)
  const high = Calendar.highWord(value.day, value.microsecond)
  out.int32(high)
  out.int32(Calendar.lowWord(value.day, value.microsecond, high))
}

/** Hyper counts from Julian day 0, in an unsigned integer: its last years exceed 2^63. */
const readHyper = <A>(typeName: string, make: Make<A>, bytes: Uint8Array, start: number, end: number): A => {
  if (end - start !== 8) return Codec.wrongLength(typeName, 2, "8 bytes", end - start)
  const high = Numbers.int32LE(bytes, start + 4) >>> 0
  const low = Numbers.int32LE(bytes, start)
  const julian = Calendar.daysFromWords(high, low)
  return make(julian - Calendar.julianOf2000, Calendar.microsecondsFromWords(high, low, julian))
}

const writeHyper = (out: Codec.ByteWriter, typeName: string, value: TimestampParts.TimestampParts): void => {
  const julian = checkHyperDay(value.day, typeName) + Calendar.julianOf2000
  checkRange(typeName, 2, value)
  const high = Calendar.highWord(julian, value.microsecond)
  out.int32LE(Calendar.lowWord(julian, value.microsecond, high))
  out.int32LE(high)
}

const writeText = (typeName: string, value: TimestampParts.TimestampParts, zone: string): string => {
  if (value.day !== Calendar.infinity && value.day !== Calendar.negativeInfinity) checkRange(typeName, 0, value)
  return IsoText.formatTimestamp(value.day, value.microsecond, " ", zone)
}

const toStored = (value: TimestampParts.TimestampParts): bigint =>
  TimestampParts.toMicroseconds(value) ??
    Codec.outOfRange("timestamp", 2, "microseconds from 2000-01-01 in 64 bits", "more")

/** Hyper's timestamps are unsigned microseconds since Julian day 0. */
const epoch = BigInt(Calendar.julianOf2000) * BigInt(Calendar.microsecondsPerDay)
const epochLow = Number(BigInt.asUintN(32, epoch))
const epochHigh = Number(epoch >> BigInt(32))

const timestampSource = ({ littleEndian, words }: Inline.ByteOrder): Inline.Source => {
  if (!littleEndian) return { store: Inline.storeWords(words) }
  const low = code`(${words.low}) - ${epochLow}`
  const high = code`(${words.high}) - ${epochHigh} - (((${words.low}) >>> 0) < ${epochLow} ? 1 : 0)`
  // Values near 2^63 microseconds in PostgreSQL's count, and above, are left to the closures.
  const refuses = code`(b[p + 7] > 0x82 || (b[p + 7] === 0x82 && b[p + 6] > 0xef))`
  return { store: { ...Inline.storeWords({ low, high }), refuses } }
}

const declareTimestamp = (tag: "Timestamp" | "TimestampTz") =>
  Inline.fixed(8, Inline.stored(tag, BigInt64Array, toStored), timestampSource)

const checkTimestamp = (value: unknown, format: Format): Timestamp.Timestamp =>
  Timestamp.isTimestamp(value) ? value : Codec.typeMismatch("timestamp", format, "Timestamp", value)

/**
 * `timestamp` without time zone: a `Timestamp`.
 *
 * **Gotchas**
 *
 * A JavaScript `Date` is not accepted, because its local date and time depend on a time zone; see `Timestamp.fromUtc`.
 * HyperBinary has no infinities: they are rejected.
 *
 * @category types
 * @since 0.1.0
 */
export const timestamp: Type<Timestamp.Timestamp> = declareTimestamp("Timestamp")({
  name: "timestamp",
  oid: 1114,
  arrayOid: 1115,
  category: "time",
  schema: Timestamp.Timestamp,
  text: Codec.text(
    "timestamp",
    "YYYY-MM-DD HH:MM:SS.ffffff (DateStyle ISO), infinity or -infinity",
    (text) => Option.getOrUndefined(Timestamp.fromString(text)),
    (value: Timestamp.Timestamp) => writeText("timestamp", checkTimestamp(value, 0), "")
  ),
  binary: {
    read: (bytes, start, end) => readBinary("timestamp", Timestamp.fromPartsUnsafe, bytes, start, end),
    write: (out, value) => writeBinary(out, "timestamp", checkTimestamp(value, 1))
  },
  hyper: Codec.fixed(8, {
    read: (bytes, start, end) => readHyper("timestamp", Timestamp.fromPartsUnsafe, bytes, start, end),
    write: (out, value) => writeHyper(out, "timestamp", checkTimestamp(value, 2))
  })
})

/**
 * The values that are accepted as instants when writing. The only numbers are `Infinity` and `-Infinity`, as which
 * {@link timestamptzDate} reads the infinities.
 *
 * @category models
 * @since 0.1.0
 */
export type InstantInput = TimestampTz.TimestampTz | Date | DateTime.DateTime | number

const checkInstant = (value: unknown, format: Format): TimestampTz.TimestampTz => {
  if (TimestampTz.isTimestampTz(value)) return value
  if (value === Infinity) return TimestampTz.infinity
  if (value === -Infinity) return TimestampTz.negativeInfinity
  const instant = value instanceof Date
    ? TimestampTz.fromDate(value)
    : EffectTypes.isDateTime(value)
    ? TimestampTz.fromDateTime(value)
    : undefined
  if (instant === undefined) return Codec.typeMismatch("timestamptz", format, "TimestampTz, Date or DateTime", value)
  return Option.getOrElse(
    instant,
    () => Codec.outOfRange("timestamptz", format, "an instant from 4714-11-24 BC on", "another, or an invalid Date")
  )
}

/**
 * `timestamp with time zone`: a `TimestampTz`. A `Date` or an Effect `DateTime` is accepted when writing.
 *
 * **Gotchas**
 *
 * HyperBinary has no infinities: they are rejected.
 *
 * @category types
 * @since 0.1.0
 */
export const timestamptz: Type<TimestampTz.TimestampTz, InstantInput> = declareTimestamp("TimestampTz")({
  name: "timestamptz",
  oid: 1184,
  arrayOid: 1185,
  category: "time",
  schema: TimestampTz.TimestampTz,
  text: Codec.text(
    "timestamptz",
    "YYYY-MM-DD HH:MM:SS.ffffff+ZZ (DateStyle ISO), infinity or -infinity",
    (text) => Option.getOrUndefined(TimestampTz.fromString(text)),
    (value: InstantInput) => writeText("timestamptz", checkInstant(value, 0), "+00")
  ),
  binary: {
    read: (bytes, start, end) => readBinary("timestamptz", TimestampTz.fromPartsUnsafe, bytes, start, end),
    write: (out, value) => writeBinary(out, "timestamptz", checkInstant(value, 1))
  },
  hyper: Codec.fixed(8, {
    read: (bytes, start, end) => readHyper("timestamptz", TimestampTz.fromPartsUnsafe, bytes, start, end),
    write: (out, value) => writeHyper(out, "timestamptz", checkInstant(value, 2))
  })
})

/** The range of `Date` in milliseconds before and after 1970 (ECMA-262, "Time Values and Time Range"). */
const maxDateTime = 8.64e15

const dateOf = (typeName: string, format: Format) => (day: number, microsecond: number): Date | number => {
  if (day === Calendar.infinity) return Infinity
  if (day === Calendar.negativeInfinity) return -Infinity
  const time = (day - Calendar.unixEpochDay) * 86_400_000 + Math.floor(microsecond / 1000)
  return Math.abs(time) <= maxDateTime
    ? new Date(time)
    : Codec.outOfRange(typeName, format, "an instant that a Date holds", time < 0 ? "an earlier one" : "a later one")
}

const dateSchema = Schema.Union([
  Schema.Date,
  Schema.Number.check(Schema.makeFilter((value) => Math.abs(value) === Infinity, { expected: "an infinity" }))
])

/** Makes the type that reads the same values as dates. */
const readAsDate = <A>(
  { binary, hyper, text, ...type }: Type<TimestampParts.TimestampParts, A>
): Type<Date | number, A> => {
  const [ofText, ofBinary, ofHyper] = [dateOf(type.name, 0), dateOf(type.name, 1), dateOf(type.name, 2)]
  return {
    ...type,
    schema: dateSchema,
    text: {
      read: (bytes, start, end) => {
        const { day, microsecond } = text.read(bytes, start, end, -1)
        return ofText(day, microsecond)
      },
      write: text.write
    },
    binary: binary && {
      read: (bytes, start, end) => readBinary(type.name, ofBinary, bytes, start, end),
      write: binary.write
    },
    hyper: hyper && Codec.fixed(8, {
      read: (bytes, start, end) => readHyper(type.name, ofHyper, bytes, start, end),
      write: hyper.write
    })
  }
}

/**
 * `timestamptz` as a `Date`, truncated to milliseconds. The infinities are the numbers `Infinity` and `-Infinity`, for
 * reading and writing. An instant outside the range of a `Date`, after 275760-09-13, is a `ValueError`.
 *
 * **When to use**
 *
 * Use in a preset, with `Preset.withTypes` or `Preset.withColumns`; `Preset.native` includes it.
 *
 * @category types
 * @since 0.1.0
 */
export const timestamptzDate: Type<Date | number, InstantInput> = readAsDate(timestamptz)

/**
 * `timestamp` as the `Date` of the instant at which clocks in UTC show it, truncated to milliseconds. The infinities
 * are the numbers `Infinity` and `-Infinity`.
 *
 * **Gotchas**
 *
 * A `Date` is sent back as a `timestamptz`, which the server converts to a `timestamp` in the time zone of the session.
 *
 * @category types
 * @since 0.1.0
 */
export const timestampDate: Type<Date | number, Timestamp.Timestamp> = readAsDate(timestamp)
