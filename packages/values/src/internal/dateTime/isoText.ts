/**
 * Dates and times as text, as PostgreSQL prints them with `DateStyle = ISO`, which is ISO 8601 for the years 1 to 9999.
 *
 * Other date styles are rejected: `01/02/2003` is ambiguous, and an error is better than a wrong date.
 *
 * @internal
 */
import * as Calendar from "./calendar.ts"
import type * as TimestampParts from "./timestampParts.ts"

const pad = (value: number, width: number): string => value.toString().padStart(width, "0")

const datePattern = /^(\d{4,7})-(\d\d)-(\d\d)( BC)?$/
const timePattern = /^(\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,6}))?)?$/
const timestampPattern = /^(\d{4,7})-(\d\d)-(\d\d)[ T](\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,6}))?)?( BC)?$/
const timestampTzPattern =
  /^(\d{4,7})-(\d\d)-(\d\d)[ T](\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,6}))?)?(?:Z|([+-])(\d\d)(?::?(\d\d)(?::?(\d\d))?)?)( BC)?$/
const offsetPattern = /^(?:Z|([+-])(\d\d)(?::?(\d\d)(?::?(\d\d))?)?)$/

/** A group of a pattern, which may match nothing. */
type Group = string | undefined

const dayFromParts = (year: Group, month: Group, day: Group, bc: Group): number | undefined => {
  const written = Number(year)
  if (written === 0) return undefined // in text, the year after 1 BC is 1 AD
  return Calendar.dayOfChecked(bc === undefined ? written : 1 - written, Number(month), Number(day))
}

const microsecondFromParts = (hour: Group, minute: Group, second: Group = "0", fraction: Group = "") => {
  if (Number(minute) > 59 || Number(second) > 59) return undefined
  const total = ((Number(hour) * 60 + Number(minute)) * 60 + Number(second)) * 1_000_000 +
    Number(fraction.padEnd(6, "0"))
  return total <= Calendar.microsecondsPerDay ? total : undefined
}

/** Returns the seconds east of Greenwich, or `undefined`. */
const offsetFromParts = (sign: Group, hour: Group = "0", minute: Group = "0", second: Group = "0") => {
  if (Number(hour) > 15 || Number(minute) > 59 || Number(second) > 59) return undefined
  const seconds = (Number(hour) * 60 + Number(minute)) * 60 + Number(second)
  return sign === "-" ? -seconds : seconds
}

export const parseOffset = (text: string): number | undefined => {
  const match = offsetPattern.exec(text)
  return match === null ? undefined : offsetFromParts(match[1], match[2], match[3], match[4])
}

export const formatOffset = (seconds: number): string => {
  const absolute = Math.abs(seconds)
  const minute = Math.floor(absolute / 60) % 60
  const second = absolute % 60
  const tail = second !== 0 ? `:${pad(minute, 2)}:${pad(second, 2)}` : minute !== 0 ? `:${pad(minute, 2)}` : ""
  return `${seconds < 0 ? "-" : "+"}${pad(Math.floor(absolute / 3600), 2)}${tail}`
}

/** Returns a finite or infinite day, or `undefined`. */
export const parseDay = (text: string): number | undefined => {
  const match = datePattern.exec(text)
  if (match !== null) return dayFromParts(match[1], match[2], match[3], match[4])
  return text === "infinity" ? Calendar.infinity : text === "-infinity" ? Calendar.negativeInfinity : undefined
}

/** Returns the microsecond of the day, up to and including 24:00, or `undefined`. */
export const parseTime = (text: string): number | undefined => {
  const match = timePattern.exec(text)
  return match === null ? undefined : microsecondFromParts(match[1], match[2], match[3], match[4])
}

/** Passes the parts of a timestamp to `make`, with the offset applied across midnight; `undefined` for invalid text. */
export const parseTimestamp = <A>(text: string, zoned: boolean, make: TimestampParts.Make<A>): A | undefined => {
  if (text === "infinity") return make(Calendar.infinity, 0)
  if (text === "-infinity") return make(Calendar.negativeInfinity, 0)
  const match = (zoned ? timestampTzPattern : timestampPattern).exec(text)
  if (match === null) return undefined
  let days = dayFromParts(match[1], match[2], match[3], match[zoned ? 12 : 8])
  let rest = microsecondFromParts(match[4], match[5], match[6], match[7])
  const east = zoned ? offsetFromParts(match[8], match[9], match[10], match[11]) : 0
  if (days === undefined || rest === undefined || east === undefined) return undefined
  rest -= east * 1_000_000
  const carry = Math.floor(rest / Calendar.microsecondsPerDay)
  days += carry
  return make(days, rest - carry * Calendar.microsecondsPerDay)
}

const formatDate = (days: number): { readonly text: string; readonly era: string } => {
  const { day, month, year } = Calendar.dateOf(days)
  const shown = year > 0 ? year : 1 - year
  return { text: `${pad(shown, 4)}-${pad(month, 2)}-${pad(day, 2)}`, era: year > 0 ? "" : " BC" }
}

const infinityText = (day: number): string | undefined =>
  day === Calendar.infinity ? "infinity" : day === Calendar.negativeInfinity ? "-infinity" : undefined

export const formatDay = (day: number): string => {
  const name = infinityText(day)
  if (name !== undefined) return name
  const { era, text } = formatDate(day)
  return text + era
}

export const formatTime = (microsecond: number): string => {
  const seconds = Math.floor(microsecond / 1_000_000)
  const fraction = microsecond - seconds * 1_000_000
  const minutes = Math.floor(seconds / 60)
  const tail = fraction === 0 ? "" : `.${pad(fraction, 6).replace(/0+$/, "")}`
  return `${pad(Math.floor(minutes / 60), 2)}:${pad(minutes % 60, 2)}:${pad(seconds % 60, 2)}${tail}`
}

export const formatTimestamp = (day: number, microsecond: number, separator: " " | "T", zone: string): string => {
  const name = infinityText(day)
  if (name !== undefined) return name
  const { era, text } = formatDate(day)
  return `${text}${separator}${formatTime(microsecond)}${zone}${era}`
}
