/**
 * `date`, `time`, `timestamp` and `timestamptz`.
 *
 * @since 0.1.0
 */
import * as DateTime from "effect/DateTime"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as CalendarDate from "../CalendarDate.ts"
import * as Calendar from "../internal/calendar.ts"
import * as Codec from "../internal/codec.ts"
import * as IsoText from "../internal/isoText.ts"
import * as Words from "../internal/words.ts"
import * as TimeOfDay from "../TimeOfDay.ts"
import * as Timestamp from "../Timestamp.ts"
import * as TimestampTz from "../TimestampTz.ts"
import type { Format, Type } from "../Type.ts"

// -- date

const checkDate = (value: unknown, format: Format): CalendarDate.CalendarDate =>
  CalendarDate.isCalendarDate(value) ? value : Codec.typeMismatch("date", format, "CalendarDate", value)

/** Hyper turns infinities into its last and first day without a word, so they do not get as far as that. */
const checkHyperDay = (day: number, typeName: string): number => {
  if (day === Calendar.infinity || day === Calendar.negativeInfinity) {
    Codec.notRepresentable(typeName, 2, "a finite day, because Hyper has no infinities", "an infinity")
  }
  return day >= Calendar.minHyperDay && day <= Calendar.maxTimestampDay
    ? day
    : Codec.outOfRange(typeName, 2, "4713-01-01 BC to 294276-12-31", "another day")
}

/**
 * `date`: a `CalendarDate`.
 *
 * **Gotchas**
 *
 * Text is read in the date style ISO only, which is the default of both servers. HyperBinary has no infinities: they are
 * refused there rather than stored as Hyper's last or first day.
 *
 * @category types
 * @since 0.1.0
 */
export const date: Type<CalendarDate.CalendarDate> = {
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
        ? CalendarDate.fromDayUnsafe(Words.int32(bytes, start))
        : Codec.wrongLength("date", 1, "4 bytes", end - start),
    write: (out, value) => out.int32(checkDate(value, 1).day)
  },
  hyper: Codec.fixed(4, {
    read: (bytes, start, end) => {
      if (end - start !== 4) return Codec.wrongLength("date", 2, "4 bytes", end - start)
      const julian = Words.int32LE(bytes, start)
      // A Julian day beyond 2^31 is none that Hyper has.
      return julian >= 0
        ? CalendarDate.fromDayUnsafe(julian - Calendar.julianOf2000)
        : Codec.malformed("date", 2, "a Julian day", "a larger number")
    },
    write: (out, value) => out.int32LE(checkHyperDay(checkDate(value, 2).day, "date") + Calendar.julianOf2000)
  })
}

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
  // Hyper's COPY stores any number as a time (measured), so this can come from a real server.
  return high >= 0 && microsecond <= Calendar.microsecondsPerDay
    ? TimeOfDay.fromMicrosecondUnsafe(microsecond)
    : Codec.malformed("time", format, "00:00:00 to 24:00:00", "another number of microseconds")
}

/**
 * `time`: a `TimeOfDay`, with 24:00:00.
 *
 * @category types
 * @since 0.1.0
 */
export const time: Type<TimeOfDay.TimeOfDay> = {
  name: "time",
  oid: 1083,
  arrayOid: 1183,
  schema: TimeOfDay.TimeOfDay,
  text: Codec.text(
    "time",
    "HH:MM:SS.ffffff",
    (text) => Option.getOrUndefined(TimeOfDay.fromString(text)),
    (value: TimeOfDay.TimeOfDay) => IsoText.formatTime(checkTime(value, 0))
  ),
  binary: {
    read: (bytes, start, end) =>
      end - start === 8
        ? timeOf(Words.int32(bytes, start), Words.int32(bytes, start + 4), 1)
        : Codec.wrongLength("time", 1, "8 bytes", end - start),
    write: (out, value) => {
      const microsecond = checkTime(value, 1)
      out.int32(Math.floor(microsecond / 0x100000000))
      out.int32(microsecond)
    }
  },
  hyper: Codec.fixed(8, {
    read: (bytes, start, end) =>
      end - start === 8
        ? timeOf(Words.int32LE(bytes, start + 4), Words.int32LE(bytes, start), 2)
        : Codec.wrongLength("time", 2, "8 bytes", end - start),
    write: (out, value) => {
      const microsecond = checkTime(value, 2)
      out.int32LE(microsecond)
      out.int32LE(Math.floor(microsecond / 0x100000000))
    }
  })
}

// -- timestamp and timestamptz have the same bytes

interface DayAndMicrosecond {
  readonly day: number
  readonly microsecond: number
}

const maxInt32 = 0x7fffffff
const minInt32 = -0x80000000

const readBinary = <A>(
  typeName: string,
  make: (day: number, microsecond: number) => A,
  bytes: Uint8Array,
  start: number,
  end: number
): A => {
  if (end - start !== 8) return Codec.wrongLength(typeName, 1, "8 bytes", end - start)
  const high = Words.int32(bytes, start)
  const low = Words.int32(bytes, start + 4)
  if (high === maxInt32 && low === -1) return make(Calendar.infinity, 0)
  if (high === minInt32 && low === 0) return make(Calendar.negativeInfinity, 0)
  const day = Calendar.daysIn(high, low)
  return make(day, Calendar.microsecondsBeyond(high, low, day))
}

const checkRange = (typeName: string, format: Format, value: DayAndMicrosecond): void => {
  if (
    !(value.day >= Calendar.minDay && value.day <= Calendar.maxTimestampDay && value.microsecond >= 0 &&
      value.microsecond < Calendar.microsecondsPerDay)
  ) Codec.outOfRange(typeName, format, "4714-11-24 BC to 294276-12-31", "another day")
}

const writeBinary = (out: Codec.ByteWriter, typeName: string, value: DayAndMicrosecond): void => {
  if (value.day === Calendar.infinity) {
    out.int32(maxInt32)
    out.int32(-1)
  } else if (value.day === Calendar.negativeInfinity) {
    out.int32(minInt32)
    out.int32(0)
  } else {
    checkRange(typeName, 1, value)
    const high = Calendar.highWord(value.day, value.microsecond)
    out.int32(high)
    out.int32(Calendar.lowWord(value.day, value.microsecond, high))
  }
}

/** Hyper counts from Julian day 0 and without a sign: its last years are beyond 2^63. */
const readHyper = <A>(
  typeName: string,
  make: (day: number, microsecond: number) => A,
  bytes: Uint8Array,
  start: number,
  end: number
): A => {
  if (end - start !== 8) return Codec.wrongLength(typeName, 2, "8 bytes", end - start)
  const high = Words.int32LE(bytes, start + 4) >>> 0
  const low = Words.int32LE(bytes, start)
  const julian = Calendar.daysIn(high, low)
  return make(julian - Calendar.julianOf2000, Calendar.microsecondsBeyond(high, low, julian))
}

const writeHyper = (out: Codec.ByteWriter, typeName: string, value: DayAndMicrosecond): void => {
  const julian = checkHyperDay(value.day, typeName) + Calendar.julianOf2000
  checkRange(typeName, 2, value)
  const high = Calendar.highWord(julian, value.microsecond)
  out.int32LE(Calendar.lowWord(julian, value.microsecond, high))
  out.int32LE(high)
}

const writeText = (typeName: string, value: DayAndMicrosecond, zone: string): string => {
  if (value.day !== Calendar.infinity && value.day !== Calendar.negativeInfinity) checkRange(typeName, 0, value)
  return IsoText.formatTimestamp(value.day, value.microsecond, " ", zone)
}

const checkTimestamp = (value: unknown, format: Format): Timestamp.Timestamp =>
  Timestamp.isTimestamp(value) ? value : Codec.typeMismatch("timestamp", format, "Timestamp", value)

/**
 * `timestamp` without time zone: a `Timestamp`.
 *
 * **Gotchas**
 *
 * A JavaScript `Date` is not taken, because which date and time it shows depends on a zone; see `Timestamp.fromUtc`.
 * HyperBinary has no infinities: they are refused there.
 *
 * @category types
 * @since 0.1.0
 */
export const timestamp: Type<Timestamp.Timestamp> = {
  name: "timestamp",
  oid: 1114,
  arrayOid: 1115,
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
}

/**
 * What is taken for an instant when writing.
 *
 * @category models
 * @since 0.1.0
 */
export type InstantInput = TimestampTz.TimestampTz | Date | DateTime.DateTime

const checkInstant = (value: unknown, format: Format): TimestampTz.TimestampTz => {
  if (TimestampTz.isTimestampTz(value)) return value
  const instant = value instanceof Date
    ? TimestampTz.fromDate(value)
    : DateTime.isDateTime(value)
    ? TimestampTz.fromDateTime(value)
    : undefined
  if (instant === undefined) {
    return Codec.typeMismatch("timestamptz", format, "TimestampTz, Date or DateTime", value)
  }
  return Option.getOrElse(
    instant,
    () => Codec.outOfRange("timestamptz", format, "an instant from 4714-11-24 BC on", "another, or an invalid Date")
  )
}

/**
 * `timestamp with time zone`: a `TimestampTz`. Dates and Effect's `DateTime`s are taken when writing.
 *
 * **Gotchas**
 *
 * HyperBinary has no infinities: they are refused there.
 *
 * @category types
 * @since 0.1.0
 */
export const timestamptz: Type<TimestampTz.TimestampTz, InstantInput> = {
  name: "timestamptz",
  oid: 1184,
  arrayOid: 1185,
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
}

/** What `Date` calls its end, in milliseconds from 1970 (ECMA-262, "Time Values and Time Range"). */
const maxDateTime = 8.64e15

const dateOf = (format: Format) => (day: number, microsecond: number): Date | number => {
  if (day === Calendar.infinity) return Infinity
  if (day === Calendar.negativeInfinity) return -Infinity
  const time = (day - Calendar.unixEpochDay) * 86_400_000 + Math.floor(microsecond / 1000)
  return time <= maxDateTime
    ? new Date(time)
    : Codec.outOfRange("timestamptz", format, "an instant that a Date holds", "a later one")
}

const dateOfBinary = dateOf(1)
const dateOfHyper = dateOf(2)

/**
 * `timestamptz` as a `Date`, which is cut off at the millisecond, and the numbers `Infinity` and `-Infinity`. An instant after
 * 275760-09-13, which a `Date` does not hold, is a `ValueError`.
 *
 * **When to use**
 *
 * Use in a preset, by `Preset.withTypes` or `Preset.withColumns`; `Preset.native` has it.
 *
 * @category types
 * @since 0.1.0
 */
export const timestamptzDate: Type<Date | number, InstantInput> = {
  ...timestamptz,
  schema: Schema.Union([
    Schema.Date,
    Schema.Number.check(Schema.makeFilter((value) => Math.abs(value) === Infinity, { expected: "an infinity" }))
  ]),
  text: {
    read: (bytes, start, end) => {
      const { day, microsecond } = timestamptz.text.read(bytes, start, end, -1)
      return dateOf(0)(day, microsecond)
    },
    write: timestamptz.text.write
  },
  binary: timestamptz.binary && {
    read: (bytes, start, end) => readBinary("timestamptz", dateOfBinary, bytes, start, end),
    write: timestamptz.binary.write
  },
  hyper: timestamptz.hyper && Codec.fixed(8, {
    read: (bytes, start, end) => readHyper("timestamptz", dateOfHyper, bytes, start, end),
    write: timestamptz.hyper.write
  })
}
