/**
 * libpq's settings by keyword, as uninterpreted text: the common form of URIs, keyword/value strings, service files and
 * the environment.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { ConnectionConfigError } from "../../ConnectionConfigError.ts"
import { explainForeignSetting } from "./foreignSettings.ts"
import { isKeyword, type Keyword, keywords } from "./settingTable.ts"

/** @internal */
export type Settings = Map<Keyword, string>

/** @internal */
export const configError = (setting: string, kind: ConnectionConfigError["kind"], problem: string) =>
  new ConnectionConfigError({ setting, kind, problem })

/** Returns the problem with a count, if there is one; `Infinity` is no problem. */
export const countProblem = (value: number, least: number): string | undefined =>
  value >= least && (Number.isInteger(value) || value === Infinity)
    ? undefined
    : `must be an integer of at least ${least}`

export const throwConfigError = (...parts: Parameters<typeof configError>): never => {
  throw configError(...parts)
}

/**
 * Runs code that throws `ConnectionConfigError`s.
 *
 * @internal
 */
export const tryResult = <A>(evaluate: () => A): Result.Result<A, ConnectionConfigError> =>
  Result.try({
    try: evaluate,
    catch: (thrown) => {
      if (thrown instanceof ConnectionConfigError) return thrown
      throw thrown
    }
  })

/** @internal */
export const tryEffect = <A>(evaluate: () => A): Effect.Effect<A, ConnectionConfigError> =>
  Effect.suspend(() => Effect.fromResult(tryResult(evaluate)))

/** Names that other clients use for them. */
const aliases: ReadonlyMap<string, Keyword> = new Map([
  ["ssl", "sslmode"],
  ["database", "dbname"],
  ["username", "user"],
  ["timeout", "connect_timeout"],
  ["connection_timeout", "connect_timeout"]
])

/** Returns the keyword most similar to an unknown one, by the length of their common prefix and suffix. */
const suggestKeyword = (key: string): Keyword => {
  const unknown = key.toLowerCase()
  const alias = aliases.get(unknown)
  if (alias !== undefined) return alias
  const likeness = (key: string) => {
    let start = 0
    while (start < key.length && key[start] === unknown[start]) start++
    let end = 0
    while (end < key.length - start && key.at(-1 - end) === unknown.at(-1 - end)) end++
    return start + end - Math.abs(key.length - unknown.length) / 2
  }
  return keywords.reduce((best, key) => (likeness(key) > likeness(best) ? key : best))
}

/**
 * True for a setting of libpq, or of a client whose settings are explained: its name is no secret.
 *
 * @internal
 */
export const isKnownName = (key: string): boolean =>
  key === "requiressl" || isKeyword(key) || explainForeignSetting(key) !== undefined

/**
 * Sets a keyword; the last value counts. `requiressl` is libpq's predecessor of `sslmode`.
 *
 * @internal
 */
export const setKeyword = (settings: Settings, key: string, value: string): void => {
  if (value.includes("\0")) throwConfigError(key, "invalid", "may not hold a zero character")
  if (key === "requiressl") {
    settings.set("sslmode", value.startsWith("1") ? "require" : "prefer")
  } else if (isKeyword(key)) {
    settings.set(key, value)
  } else {
    throwConfigError(
      key,
      "unknown",
      explainForeignSetting(key) ?? `is not a setting; did you mean ${suggestKeyword(key)}?`
    )
  }
}

/**
 * Adds the settings that are missing.
 *
 * @internal
 */
export const addDefaults = (settings: Settings, defaults: Settings): void => {
  for (const [key, value] of defaults) {
    if (!settings.has(key)) settings.set(key, value)
  }
}
