/**
 * Connection URIs, read as libpq reads them ("Connection URIs" in its chapter on connection control):
 * `postgresql://user:password@host:port,host:port/dbname?keyword=value`.
 *
 * It is not quite the URI of RFC 3986: there may be several hosts, `#` means nothing, and the first `@` ends the
 * password.
 *
 * @since 0.1.0
 */
import { ConfigError } from "../ConfigError.ts"
import { fail, set, type Settings } from "./settings.ts"

/** @internal */
export const scheme = /^postgres(?:ql)?:\/\//

/** As libpq does since 18, blanks around a part are left out, for they come of how a text is laid out. */
const decode = (setting: string, raw: string): string => {
  const text = raw.replace(/^ +| +$/g, "")
  if (text.includes(" ")) fail(setting, "invalid", "has a blank in it; write it as %20")
  let decoded: string
  try {
    decoded = decodeURIComponent(text)
  } catch {
    throw new ConfigError({ setting, kind: "invalid", problem: "is not percent-encoded UTF-8" })
  }
  return decoded.includes("\0") ? fail(setting, "invalid", "may not hold a zero character") : decoded
}

/** What follows on a host in brackets. */
const afterAddress = /[:/?,]|$/y

const endOf = (text: string, from: number, stops: RegExp): number => {
  const length = text.slice(from).search(stops)
  return length < 0 ? text.length : from + length
}

/** Reads `host:port,host:port`, and returns where it ends. */
const readHosts = (text: string, start: number, settings: Settings): number => {
  const hosts: Array<string> = []
  const ports: Array<string> = []
  let at = start
  while (true) {
    let end: number
    if (text[at] === "[") {
      end = text.indexOf("]", ++at)
      if (end < 0) fail("host", "invalid", "is an IPv6 address without its closing bracket")
      if (end === at) fail("host", "invalid", "is an IPv6 address in brackets, but there is nothing in them")
      hosts.push(text.slice(at, end))
      afterAddress.lastIndex = ++end
      if (!afterAddress.test(text)) {
        fail("host", "invalid", "is an IPv6 address that something other than a port, a path or another host follows")
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
  // As in libpq, the lists are decoded as a whole, so that %2C separates as well.
  for (const [key, list] of [["host", hosts], ["port", ports]] as const) {
    const joined = list.join(",")
    if (joined !== "") set(settings, key, decode(key, joined))
  }
  return at
}

const readQuery = (query: string, settings: Settings): void => {
  const pairs = query.split("&")
  if (pairs.at(-1) === "") pairs.pop()
  for (const pair of pairs) {
    const equals = pair.indexOf("=")
    if (equals < 0) fail("uri", "invalid", "a parameter of the query has no value")
    const key = decode("uri", pair.slice(0, equals))
    if (pair.includes("=", equals + 1)) fail(key, "invalid", "has a second =; write it as %3D")
    const value = decode(key, pair.slice(equals + 1))
    // The one word of JDBC that libpq understands.
    if (key === "ssl" && value === "true") set(settings, "sslmode", "require")
    else set(settings, key, value)
  }
}

/** @internal */
export const parseUri = (uri: string): Settings => {
  const prefix = scheme.exec(uri)
  if (prefix === null) return fail("uri", "invalid", "does not begin with postgresql:// or postgres://")
  const settings: Settings = new Map()
  const text = uri.slice(prefix[0].length)
  let at = 0

  const credentials = /^([^:@/]*)(?::([^@/]*))?@/.exec(text)
  if (credentials !== null) {
    const [all, user, password] = credentials
    if (user !== undefined && user !== "") set(settings, "user", decode("user", user))
    if (password !== undefined && password !== "") set(settings, "password", decode("password", password))
    at = all.length
  }

  at = readHosts(text, at, settings)
  if (text[at] === "/") {
    const end = endOf(text, ++at, /\?/)
    const database = text.slice(at, end)
    if (database !== "") set(settings, "dbname", decode("dbname", database))
    at = end
  }
  readQuery(text.slice(at + 1), settings)
  return settings
}
