/**
 * The password file: lines of `host:port:database:user:password`, the first that fits counts.
 *
 * Each of the first four may be `*`, which fits everything. A backslash in front of `:` or `\` takes it as it is.
 * Lines that begin with `#` are comments.
 *
 * @since 0.1.0
 */
import type * as Endpoint from "@hyperfect/transport/Endpoint"
import * as Redacted from "effect/Redacted"

/** @internal */
export interface Entry {
  /** `undefined` fits everything. */
  readonly fields: ReadonlyArray<string | undefined>
  readonly password: Redacted.Redacted<string>
}

const unescape = (text: string): string => text.replaceAll(/\\([^])/g, "$1")

/** A part up to the next colon. What stands behind a fifth colon is no part of the password. */
const part = /(?:[^:\\]|\\[^]|\\$)*/y

const readLine = (line: string): Entry | undefined => {
  const parts: Array<string> = []
  let at = 0
  while (parts.length < 5) {
    part.lastIndex = at
    const text = part.exec(line)![0]
    parts.push(text)
    at += text.length
    if (at >= line.length) break
    at++
  }
  if (parts.length < 5) return undefined
  const password = unescape(parts.pop()!)
  return { fields: parts.map((text) => (text === "*" ? undefined : unescape(text))), password: Redacted.make(password) }
}

/** @internal */
export const parsePassfile = (text: string): ReadonlyArray<Entry> =>
  text.split("\n").flatMap((line) => {
    if (line.startsWith("#")) return []
    return readLine(line.replace(/[\r\n]+$/, "")) ?? []
  })

/** Where PostgreSQL puts its sockets: in its own builds, and in those of the Linux distributions. */
const socketDirectories = ["/tmp", "/var/run/postgresql", "/run/postgresql"]

const place = (endpoint: Endpoint.Endpoint): readonly [host: string, port: string] => {
  if (endpoint._tag === "Tcp") return [endpoint.host, String(endpoint.port)]
  const cut = endpoint.path.lastIndexOf("/")
  const directory = endpoint.path.slice(0, cut)
  return [
    socketDirectories.includes(directory) ? "localhost" : directory,
    endpoint.path.slice(cut).replace("/.s.PGSQL.", "")
  ]
}

/** @internal */
export const findPassword = (
  entries: ReadonlyArray<Entry>,
  endpoint: Endpoint.Endpoint,
  database: string,
  user: string
): Redacted.Redacted<string> | undefined => {
  const wanted = [...place(endpoint), database, user]
  return entries.find(({ fields }) => fields.every((field, index) => field === undefined || field === wanted[index]))
    ?.password
}
