/**
 * Dates and times as text: what PostgreSQL prints under `DateStyle = ISO`, which for the years 1 to 9999 is ISO 8601.
 *
 * Other date styles are not read: `01/02/2003` means two different days, and a typed error is better than one of them.
 *
 * @internal
 */
import * as Calendar from "./calendar.ts"

const pad = (value: number, width: number): string => value.toString().padStart(width, "0")

const datePattern = /^(\d{4,7})-(\d\d)-(\d\d)( BC)?$/
const timePattern = /^(\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,6}))?)?$/
const timestampPattern = /^(\d{4,7})-(\d\d)-(\d\d)[ T](\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,6}))?)?( BC)?$/
const timestampTzPattern =
  /^(\d{4,7})-(\d\d)-(\d\d)[ T](\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,6}))?)?(?:Z|([+-])(\d\d)(?::?(\d\d)(?::?(\d\d))?)?)( BC)?$/
const offsetPattern = /^(?:Z|([+-])(\d\d)(?::?(\d\d)(?::?(\d\d))?)?)$/

const day = (
  year: string | undefined,
  month: string | undefined,
  day: string | undefined,
  bc: string | undefined
): number | undefined => {
  const written = Number(year)
  if (written === 0) return undefined // the calendar of the text form goes from 1 BC to 1 AD
  return Calendar.dayOfChecked(bc === undefined ? written : 1 - written, Number(month), Number(day))
}

const microsecond = (
  hour: string | undefined,
  minute: string | undefined,
  second: string | undefined = "0",
  fraction: string | undefined = ""
): number | undefined => {
  if (Number(minute) > 59 || Number(second) > 59) return undefined
  const total = ((Number(hour) * 60 + Number(minute)) * 60 + Number(second)) * 1_000_000 +
    Number(fraction.padEnd(6, "0"))
  return total <= Calendar.microsecondsPerDay ? total : undefined
}

/** The seconds east of Greenwich, or `undefined`. */
const offset = (
  sign: string | undefined,
  hour: string | undefined = "0",
  minute: string | undefined = "0",
  second: string | undefined = "0"
): number | undefined => {
  if (Number(hour) > 15 || Number(minute) > 59 || Number(second) > 59) return undefined
  const seconds = (Number(hour) * 60 + Number(minute)) * 60 + Number(second)
  return sign === "-" ? -seconds : seconds
}

export const parseOffset = (text: string): number | undefined => {
  const match = offsetPattern.exec(text)
  return match === null ? undefined : offset(match[1], match[2], match[3], match[4])
}

export const formatOffset = (seconds: number): string => {
  const absolute = Math.abs(seconds)
  const minute = Math.floor(absolute / 60) % 60
  const second = absolute % 60
  const tail = second !== 0 ? `:${pad(minute, 2)}:${pad(second, 2)}` : minute !== 0 ? `:${pad(minute, 2)}` : ""
  return `${seconds < 0 ? "-" : "+"}${pad(Math.floor(absolute / 3600), 2)}${tail}`
}

/** A finite or infinite day, or `undefined`. */
export const parseDay = (text: string): number | undefined => {
  const match = datePattern.exec(text)
  if (match !== null) return day(match[1], match[2], match[3], match[4])
  return text === "infinity" ? Calendar.infinity : text === "-infinity" ? Calendar.negativeInfinity : undefined
}

/** The microsecond of a day, up to and with 24:00, or `undefined`. */
export const parseTime = (text: string): number | undefined => {
  const match = timePattern.exec(text)
  return match === null ? undefined : microsecond(match[1], match[2], match[3], match[4])
}

/** Gives the parts of a timestamp to `make`, carrying hours that an offset moves over midnight; or `undefined`. */
export const parseTimestamp = <A>(
  text: string,
  zoned: boolean,
  make: (day: number, microsecond: number) => A
): A | undefined => {
  if (text === "infinity") return make(Calendar.infinity, 0)
  if (text === "-infinity") return make(Calendar.negativeInfinity, 0)
  const match = (zoned ? timestampTzPattern : timestampPattern).exec(text)
  if (match === null) return undefined
  let days = day(match[1], match[2], match[3], match[zoned ? 12 : 8])
  let rest = microsecond(match[4], match[5], match[6], match[7])
  const east = zoned ? offset(match[8], match[9], match[10], match[11]) : 0
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

const infinite = (day: number): string | undefined =>
  day === Calendar.infinity ? "infinity" : day === Calendar.negativeInfinity ? "-infinity" : undefined

export const formatDay = (day: number): string => {
  const name = infinite(day)
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
  const name = infinite(day)
  if (name !== undefined) return name
  const { era, text } = formatDate(day)
  return `${text}${separator}${formatTime(microsecond)}${zone}${era}`
}
