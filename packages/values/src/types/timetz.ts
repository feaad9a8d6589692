/**
 * `time with time zone`.
 *
 * @since 0.1.0
 */
import * as Option from "effect/Option"
import * as Codec from "../internal/codec/codec.ts"
import * as Numbers from "../internal/codec/numbers.ts"
import * as Calendar from "../internal/dateTime/calendar.ts"
import * as TimeOfDayTz from "../TimeOfDayTz.ts"
import type { Format, Type } from "../Type.ts"

const maxOffset = 57_599

const check = (value: unknown, format: Format): TimeOfDayTz.TimeOfDayTz => {
  if (!TimeOfDayTz.isTimeOfDayTz(value)) return Codec.typeMismatch("timetz", format, "TimeOfDayTz", value)
  const { microsecond, offset } = value
  return microsecond >= 0 && microsecond <= Calendar.microsecondsPerDay && Math.abs(offset) <= maxOffset
    ? value
    : Codec.outOfRange("timetz", format, "00:00:00 to 24:00:00, and an offset below 16 hours", "another time")
}

/**
 * `time with time zone`: a `TimeOfDayTz`.
 *
 * @category types
 * @since 0.1.0
 */
export const timetz: Type<TimeOfDayTz.TimeOfDayTz> = {
  name: "timetz",
  oid: 1266,
  arrayOid: 1270,
  category: "time",
  schema: TimeOfDayTz.TimeOfDayTz,
  text: Codec.text(
    "timetz",
    "HH:MM:SS.ffffff+ZZ",
    (text) => Option.getOrUndefined(TimeOfDayTz.fromString(text)),
    (value: TimeOfDayTz.TimeOfDayTz) => TimeOfDayTz.format(check(value, 0))
  ),
  // The offset is sent as seconds west of UTC (timetz_send).
  binary: {
    read: (bytes, start, end) => {
      if (end - start !== 12) return Codec.wrongLength("timetz", 1, "12 bytes", end - start)
      const high = Numbers.int32(bytes, start)
      const microsecond = high * 0x100000000 + (Numbers.int32(bytes, start + 4) >>> 0)
      const west = Numbers.int32(bytes, start + 8)
      return high >= 0 && microsecond <= Calendar.microsecondsPerDay && Math.abs(west) <= maxOffset
        ? TimeOfDayTz.fromPartsUnsafe(microsecond, 0 - west)
        : Codec.malformed("timetz", 1, "00:00:00 to 24:00:00, and an offset below 16 hours", "other numbers")
    },
    write: (out, value) => {
      const { microsecond, offset } = check(value, 1)
      out.int32(Math.floor(microsecond / 0x100000000))
      out.int32(microsecond)
      out.int32(-offset)
    }
  }
}
