/**
 * Arithmetic of the proleptic Gregorian calendar, and of the two binary encodings of timestamps.
 *
 * Days are counted from 2000-01-01, as PostgreSQL does. Two numbers are reserved for `infinity` and `negativeInfinity`.
 *
 * @internal
 */

/** Days 2147483647 and -2147483648, which PostgreSQL also sends for infinite dates; no finite day has these numbers. */
export const infinity = 0x7fffffff
export const negativeInfinity = -0x80000000

/** The Julian day of 2000-01-01, counted from 4714-11-24 BC. */
export const julianOf2000 = 2451545

/** 1970-01-01. */
export const unixEpochDay = -10957

/** 4714-11-24 BC, the first day of PostgreSQL's dates and timestamps. */
export const minDay = -julianOf2000

/** 5874897-12-31, the last date. */
export const maxDay = 2145031948

/** 294276-12-31, the last day of timestamps in both servers, and of dates in Hyper. */
export const maxTimestampDay = 106751982

/** 4713-01-01 BC, the first day that Hyper accepts (H-34). */
export const minHyperDay = 38 - julianOf2000

export const microsecondsPerDay = 86_400_000_000

const daysPerEra = 146_097 // 400 years
const daysFromMarchYear0 = 730_425 // 0000-03-01 to 2000-01-01

/** Returns the day number of a date. Year 0 is 1 BC. */
export const dayOf = (year: number, month: number, day: number): number => {
  // In a year that starts in March the leap day comes last, so the start of each month follows a formula.
  const marchYear = month > 2 ? year : year - 1
  const era = Math.floor(marchYear / 400)
  const yearOfEra = marchYear - era * 400
  const dayOfYear = Math.floor((153 * (month > 2 ? month - 3 : month + 9) + 2) / 5) + day - 1
  const dayOfEra = yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + dayOfYear
  return era * daysPerEra + dayOfEra - daysFromMarchYear0
}

export interface YearMonthDay {
  readonly year: number
  readonly month: number
  readonly day: number
}

/** Returns the date of a finite day number. */
export const dateOf = (day: number): YearMonthDay => {
  const shifted = day + daysFromMarchYear0
  const era = Math.floor(shifted / daysPerEra)
  const dayOfEra = shifted - era * daysPerEra
  const yearOfEra = Math.floor(
    (dayOfEra - Math.floor(dayOfEra / 1460) + Math.floor(dayOfEra / 36524) - Math.floor(dayOfEra / 146096)) / 365
  )
  const dayOfYear = dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100))
  const marchMonth = Math.floor((5 * dayOfYear + 2) / 153)
  const month = marchMonth < 10 ? marchMonth + 3 : marchMonth - 9
  return {
    year: yearOfEra + era * 400 + (month > 2 ? 0 : 1),
    month,
    day: dayOfYear - Math.floor((153 * marchMonth + 2) / 5) + 1
  }
}

export const daysInMonth = (year: number, month: number): number =>
  month === 2
    ? year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0) ? 29 : 28
    : month === 4 || month === 6 || month === 9 || month === 11
    ? 30
    : 31

/** Returns the day number of a date, or `undefined` if the date does not exist. */
export const dayOfChecked = (year: number, month: number, day: number): number | undefined =>
  Number.isInteger(year) && Number.isInteger(month) && Number.isInteger(day) && month >= 1 && month <= 12 && day >= 1 &&
    day <= daysInMonth(year, month)
    ? dayOf(year, month, day)
    : undefined

// A day has 86,400,000,000 = 8192 * 10,546,875 microseconds. A 64-bit number of microseconds, shifted right by 13 bits,
// is exact in a double, so it can be split into days and microseconds without a bigint.
const unitsPerDay = 10_546_875
const ticksPerUnit = 8192

/** Returns the days in a 64-bit number of microseconds. `high` is signed or unsigned, `low` any 32 bits. */
export const daysFromWords = (high: number, low: number): number =>
  Math.floor((high * 0x80000 + (low >>> 13)) / unitsPerDay)

/** Returns the microseconds after those days. */
export const microsecondsFromWords = (high: number, low: number, days: number): number =>
  (high * 0x80000 + (low >>> 13) - days * unitsPerDay) * ticksPerUnit + (low & (ticksPerUnit - 1))

/** Returns the high 32 bits of the 64-bit number of microseconds in days and microseconds. */
export const highWord = (days: number, microseconds: number): number =>
  Math.floor((days * unitsPerDay + Math.floor(microseconds / ticksPerUnit)) / 0x80000)

/** Returns the low 32 bits, as a signed number. */
export const lowWord = (days: number, microseconds: number, high: number): number => {
  const units = Math.floor(microseconds / ticksPerUnit)
  return ((days * unitsPerDay + units - high * 0x80000) << 13) | (microseconds - units * ticksPerUnit)
}
