/**
 * The password file: lines of `host:port:database:user:password`, of which the first match counts.
 *
 * Each of the first four fields may be `*`, which matches everything. A backslash escapes `:` and `\`. Lines that begin
 * with `#` are comments.
 *
 * @since 0.1.0
 */
import * as Utf8 from "@hyperfect/protocol/Utf8"
import type * as Endpoint from "@hyperfect/transport/Endpoint"
import * as Redacted from "effect/Redacted"
import type { ConnectionConfigError } from "../../ConnectionConfigError.ts"
import { configError } from "./settings.ts"

/** @internal */
export interface PassfileEntry {
  /** `undefined` matches everything. */
  readonly fields: ReadonlyArray<string | undefined>
  /** The password, or the error of an unusable one. */
  readonly password: Redacted.Redacted<string> | ConnectionConfigError
}

const unescape = (text: string): string => text.replaceAll(/\\([^])/g, "$1")

/** A field up to the next colon. Text after a fifth colon is not part of the password. */
const fieldPattern = /(?:[^:\\]|\\[^]|\\$)*/y

const parseLine = (line: string): PassfileEntry | undefined => {
  const parts: Array<string> = []
  let at = 0
  while (parts.length < 5) {
    fieldPattern.lastIndex = at
    const text = fieldPattern.exec(line)![0]
    parts.push(text)
    at += text.length
    if (at >= line.length) break
    at++
  }
  if (parts.length < 5) return undefined
  const password = unescape(parts.pop()!)
  return { fields: parts.map((text) => (text === "*" ? undefined : unescape(text))), password: Redacted.make(password) }
}

const lineFeed = 0x0a

const notUtf8 = (path: string, line: number): ConnectionConfigError =>
  configError(
    "passfile",
    "file",
    `the password in line ${line} of ${path} is not UTF-8, in which passwords are sent; write the file in UTF-8`
  )

/** @internal */
export const parsePassfile = (bytes: Uint8Array, path: string): ReadonlyArray<PassfileEntry> => {
  const entries: Array<PassfileEntry> = []
  for (let at = 0, line = 1; at < bytes.length; line++) {
    const found = bytes.indexOf(lineFeed, at)
    const end = found < 0 ? bytes.length : found
    const text = Utf8.decode(bytes, at, end)
    // An invalid encoding is an error only in the matching line: read as bytes, its fields can still be compared.
    const entry = parseLine(
      (text ?? Array.from(bytes.subarray(at, end), (byte) => String.fromCharCode(byte)).join("")).replace(/\r+$/, "")
    )
    if (entry !== undefined && bytes[at] !== 0x23) {
      entries.push(text === undefined ? { ...entry, password: notUtf8(path, line) } : entry)
    }
    at = end + 1
  }
  return entries
}

/** The socket directories of PostgreSQL's own builds and of Linux distributions. */
const socketDirectories = ["/tmp", "/var/run/postgresql", "/run/postgresql"]

const hostAndPort = (endpoint: Endpoint.Endpoint): readonly [host: string, port: string] => {
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
  entries: ReadonlyArray<PassfileEntry>,
  endpoint: Endpoint.Endpoint,
  database: string,
  user: string
): Redacted.Redacted<string> | ConnectionConfigError | undefined => {
  const wanted = [...hostAndPort(endpoint), database, user]
  return entries.find(({ fields }) => fields.every((field, index) => field === undefined || field === wanted[index]))
    ?.password
}
