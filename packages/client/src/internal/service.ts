/**
 * A service file: settings in sections, such as `[billing]`, of lines `keyword=value`.
 *
 * @since 0.1.0
 */
import * as Result from "effect/Result"
import { attempt, fail, set, type Settings } from "./settings.ts"

/**
 * The settings of a service; `undefined` when the file does not have it. Of a setting that is made twice, the first
 * counts.
 *
 * @internal
 */
export const parseService = (text: string, service: string, file: string): Settings | undefined => {
  let settings: Settings | undefined
  for (const [index, raw] of text.split("\n").entries()) {
    const line = raw.replace(/^[ \t-\r]+|[ \t-\r]+$/g, "")
    if (line === "" || line.startsWith("#")) continue
    if (line.startsWith("[")) {
      if (settings !== undefined) return settings
      if (line.startsWith(`[${service}]`)) settings = new Map()
      continue
    }
    if (settings === undefined) continue
    const where = `line ${index + 1} of ${file}`
    const equals = line.indexOf("=")
    if (equals < 0) return fail("service", "file", `${where} has no =`)
    const key = line.slice(0, equals)
    if (key === "service" || key === "servicefile") return fail("service", "file", `${where} names another service`)
    if (settings.has(key)) continue
    const made = attempt(() => set(settings!, key, line.slice(equals + 1)))
    if (Result.isFailure(made)) {
      const { kind, problem, setting } = made.failure
      return fail(setting, kind, `${problem} (${where})`)
    }
  }
  return settings
}
