/**
 * Connection URIs, parsed as libpq does ("Connection URIs" in its chapter on connection control):
 * `postgresql://user:password@host:port,host:port/dbname?keyword=value`.
 *
 * They differ from the URIs of RFC 3986: there may be several hosts, `#` has no meaning, and the first `@` ends the
 * password. Stricter than libpq, the parser refuses an `@` in a host or in the database's name, which an unencoded `@`
 * or `/` in a password leads to: a part of the password would be mistaken for a host, and the rest of it sent there.
 *
 * @since 0.1.0
 */
import { parseConninfo } from "./conninfo.ts"
import { isKnownName, setKeyword, type Settings, throwConfigError } from "./settings.ts"

const uriScheme = /^postgres(?:ql)?:\/\//

/**
 * Percent-decodes a part. As in libpq since 18, blanks around a part are removed, since they come from the layout of
 * the text.
 */
const decode = (setting: string, raw: string): string => {
  const text = raw.replace(/^ +| +$/g, "")
  if (text.includes(" ")) throwConfigError(setting, "invalid", "has a blank in it; write it as %20")
  let decoded: string
  try {
    decoded = decodeURIComponent(text)
  } catch {
    return throwConfigError(setting, "invalid", "is not percent-encoded UTF-8")
  }
  return decoded.includes("\0") ? throwConfigError(setting, "invalid", "may not hold a zero character") : decoded
}

/** The character after a bracketed host. */
const afterAddress = /[:/?,]|$/y

const endOf = (text: string, from: number, stops: RegExp): number => {
  const length = text.slice(from).search(stops)
  return length < 0 ? text.length : from + length
}

const throwInvalidHost = (problem: string): never => throwConfigError("host", "invalid", problem)

/** Parses `host:port,host:port`, and returns its end. */
const parseHosts = (text: string, start: number, settings: Settings): number => {
  const hosts: Array<string> = []
  const ports: Array<string> = []
  let at = start
  while (true) {
    let end: number
    if (text[at] === "[") {
      end = text.indexOf("]", ++at)
      if (end < 0) throwInvalidHost("is an IPv6 address without its closing bracket")
      if (end === at) throwInvalidHost("is an IPv6 address in brackets, but there is nothing in them")
      hosts.push(text.slice(at, end))
      afterAddress.lastIndex = ++end
      if (!afterAddress.test(text)) {
        throwInvalidHost("is an IPv6 address followed by something other than a port, a path or another host")
      }
    } else {
      end = endOf(text, at, /[:/?,]/)
      hosts.push(text.slice(at, end))
    }
    at = end
    if (text[at] === ":") {
      end = endOf(text, ++at, /[/?,]/)
      ports.push(text.slice(at, end))
      at = end
    } else {
      ports.push("")
    }
    if (text[at] !== ",") break
    at++
  }
  // As in libpq, the lists are decoded as a whole, so that %2C is a separator too.
  for (const [key, list] of [["host", hosts], ["port", ports]] as const) {
    const joined = list.join(",")
    if (joined !== "") setKeyword(settings, key, decode(key, joined))
  }
  return at
}

/** The offending part may be the rest of a secret, so it is not shown. */
const throwMisplacedAt = (): never =>
  throwConfigError(
    "uri",
    "invalid",
    "has an @ where none may be; in a user's name, a password or a database's name percent-encode @ as %40, / as %2F, " +
      ": as %3A, # as %23 and ? as %3F"
  )

const parseQuery = (query: string, settings: Settings): void => {
  const pairs = query.split("&")
  if (pairs.at(-1) === "") pairs.pop()
  for (const [i, pair] of pairs.entries()) {
    const equals = pair.indexOf("=")
    if (equals < 0) throwConfigError("uri", "invalid", "a parameter of the query has no value")
    const key = decode("uri", pair.slice(0, equals))
    if (!isKnownName(key) && pairs.slice(i).join("&").includes("@")) throwMisplacedAt()
    if (pair.includes("=", equals + 1)) throwConfigError(key, "invalid", "has a second =; write it as %3D")
    const value = decode(key, pair.slice(equals + 1))
    // The only JDBC parameter that libpq accepts.
    if (key === "ssl" && value === "true") setKeyword(settings, "sslmode", "require")
    else setKeyword(settings, key, value)
  }
}

/** @internal */
export const parseUri = (uri: string): Settings => {
  const prefix = uriScheme.exec(uri)
  if (prefix === null) return throwConfigError("uri", "invalid", "does not begin with postgresql:// or postgres://")
  const settings: Settings = new Map()
  const text = uri.slice(prefix[0].length)
  let at = 0

  const credentials = /^([^:@/]*)(?::([^@/]*))?@/.exec(text)
  if (credentials !== null) {
    const [all, user, password] = credentials
    if (user !== undefined && user !== "") setKeyword(settings, "user", decode("user", user))
    if (password !== undefined && password !== "") setKeyword(settings, "password", decode("password", password))
    at = all.length
  }

  if (text.slice(at, endOf(text, at, /\?/)).includes("@")) throwMisplacedAt()

  at = parseHosts(text, at, settings)
  if (text[at] === "/") {
    const end = endOf(text, ++at, /\?/)
    const database = text.slice(at, end)
    if (database !== "") setKeyword(settings, "dbname", decode("dbname", database))
    at = end
  }
  parseQuery(text.slice(at + 1), settings)
  return settings
}

/**
 * Parses a connection string in either form.
 *
 * @internal
 */
export const parseEither = (text: string): Settings => uriScheme.test(text) ? parseUri(text) : parseConninfo(text)
