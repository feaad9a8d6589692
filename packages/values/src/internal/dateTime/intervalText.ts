/**
 * Intervals as text, in every style that a server may print: PostgreSQL's four `IntervalStyle`s, of which `iso_8601` is
 * Hyper's default.
 *
 * @internal
 */

export interface Parts {
  /** A 32-bit integer. */
  readonly months: number
  /** A 32-bit integer. */
  readonly days: number
  /** A 64-bit integer. */
  readonly microseconds: bigint
}

const zero = BigInt(0)
const perSecond = BigInt(1_000_000)
const perMinute = BigInt(60_000_000)
const perHour = BigInt(3_600_000_000)

const isoPattern =
  /^P(?:(-?\d+)Y)?(?:(-?\d+)M)?(?:(-?\d+)W)?(?:(-?\d+)D)?(?:T(?:(-?\d+)H)?(?:(-?\d+)M)?(?:(-?)(\d+)(?:\.(\d{1,6})[0-4]?)?S)?)?$/
const clockPattern = /^([+-]?)(\d+):(\d\d):(\d\d)(?:\.(\d{1,6}))?$/
const secondsPattern = /^([+-]?)(\d+)(?:\.(\d{1,6}))?$/
const standardPattern = /^(?:([+-]?)(\d+)-(\d+)(?: |$))?(?:([+-]?)(\d+) )?(?:([+-]?)(\d+:\d\d:\d\d(?:\.\d{1,6})?))?$/

const secondsFromParts = (sign: string | undefined, whole: string, fraction: string | undefined): bigint => {
  const total = BigInt(whole) * perSecond + BigInt((fraction ?? "").padEnd(6, "0"))
  return sign === "-" ? -total : total
}

const parseClock = (text: string): bigint | undefined => {
  const match = clockPattern.exec(text)
  if (match === null || Number(match[3]) > 59 || Number(match[4]) > 59) return undefined
  const total = BigInt(match[2]!) * perHour + BigInt(match[3]!) * perMinute + secondsFromParts("", match[4]!, match[5])
  return match[1] === "-" ? -total : total
}

/** Parses `P1Y2M3DT4H5M6.789S`, with an optional sign for each part, and a seventh digit as {@link formatForServer} writes it. */
const parseIso = (text: string): Parts | undefined => {
  const match = isoPattern.exec(text)
  if (match === null || text.endsWith("P") || text.endsWith("T")) return undefined
  const [, years = 0, months = 0, weeks = 0, days = 0, hours = 0, minutes = 0, sign, whole = "0", fraction] = match
  return {
    months: Number(years) * 12 + Number(months),
    days: Number(weeks) * 7 + Number(days),
    microseconds: BigInt(hours) * perHour + BigInt(minutes) * perMinute + secondsFromParts(sign, whole, fraction)
  }
}

/** Parses `1 year 2 mons -3 days +04:05:06.789`, and `@ 1 year 2 mons 3 days 4 hours 5 mins 6.789 secs ago`. */
const parsePostgres = (text: string): Parts | undefined => {
  const words = text.split(" ")
  let at = words[0] === "@" ? 1 : 0
  let end = words.length
  const ago = words[end - 1] === "ago"
  if (ago) end--
  if (at === 1 && end === 2 && words[1] === "0") return { months: 0, days: 0, microseconds: zero }
  if (at === end) return undefined
  let months = 0
  let days = 0
  let microseconds = zero
  while (at < end) {
    const word = words[at++]!
    if (word.includes(":")) {
      const time = parseClock(word)
      if (time === undefined) return undefined
      microseconds += time
      continue
    }
    const number = secondsPattern.exec(word)
    const unit = words[at++]
    if (number === null || unit === undefined) return undefined
    if (unit === "sec" || unit === "secs") {
      microseconds += secondsFromParts(number[1], number[2]!, number[3])
      continue
    }
    if (number[3] !== undefined) return undefined
    if (unit === "year" || unit === "years") months += Number(word) * 12
    else if (unit === "mon" || unit === "mons") months += Number(word)
    else if (unit === "day" || unit === "days") days += Number(word)
    else if (unit === "hour" || unit === "hours") microseconds += BigInt(Number(word)) * perHour
    else if (unit === "min" || unit === "mins") microseconds += BigInt(Number(word)) * perMinute
    else return undefined
  }
  return ago ? { months: -months, days: -days, microseconds: -microseconds } : { months, days, microseconds }
}

/** Parses `1-2`, `-3 4:05:06`, `+1-2 -3 +4:05:06`: a single leading sign applies to all parts. */
const parseStandard = (text: string): Parts | undefined => {
  if (text === "0") return { months: 0, days: 0, microseconds: zero }
  const match = standardPattern.exec(text)
  if (match === null || text === "" || text.endsWith(" ")) return undefined
  const [, yearSign, years, months = "0", daySign, days, timeSign, time] = match
  const first = years !== undefined ? yearSign : days !== undefined ? daySign : timeSign
  const signed = (sign: string | undefined): boolean => (sign === "" || sign === undefined ? first : sign) === "-"
  const microseconds = time === undefined ? zero : parseClock(time)
  if (microseconds === undefined) return undefined
  const totalMonths = years === undefined ? 0 : Number(years) * 12 + Number(months)
  const totalDays = days === undefined ? 0 : Number(days)
  return {
    months: signed(yearSign) ? -totalMonths : totalMonths,
    days: signed(daySign) ? -totalDays : totalDays,
    microseconds: signed(timeSign) ? -microseconds : microseconds
  }
}

/** Returns the parts, which may be out of range for an interval, or `undefined`. */
export const parse = (text: string): Parts | undefined =>
  text.startsWith("P") ? parseIso(text) : /[a-z@]/.test(text) ? parsePostgres(text) : parseStandard(text)

const formatWith = ({ days, microseconds, months }: Parts, fractionText: (fraction: string) => string): string => {
  const years = Math.trunc(months / 12)
  const negative = microseconds < zero
  const absolute = negative ? -microseconds : microseconds
  const hours = absolute / perHour
  const minutes = absolute % perHour / perMinute
  const rest = Number(absolute % perMinute)
  const sign = negative ? "-" : ""
  let date = "P"
  if (years !== 0) date += `${years}Y`
  if (months % 12 !== 0) date += `${months % 12}M`
  if (days !== 0) date += `${days}D`
  let time = ""
  if (hours !== zero) time += `${sign}${hours}H`
  if (minutes !== zero) time += `${sign}${minutes}M`
  if (rest !== 0) {
    const fraction = rest % 1_000_000
    const tail = fraction === 0 ? "" : `.${fractionText(fraction.toString().padStart(6, "0"))}`
    time += `${sign}${Math.floor(rest / 1_000_000)}${tail}S`
  }
  return time !== "" ? `${date}T${time}` : date === "P" ? "PT0S" : date
}

export const format = (parts: Parts): string => formatWith(parts, (fraction) => fraction.replace(/0+$/, ""))

/**
 * Formats an interval for a server. A seventh digit follows a fraction of seconds: Hyper multiplies the fraction as a
 * double and truncates the product, which takes a microsecond off one fraction in a hundred (H-66). PostgreSQL rounds.
 */
export const formatForServer = (parts: Parts): string => formatWith(parts, (fraction) => `${fraction}3`)
