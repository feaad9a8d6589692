/**
 * Service files: sections such as `[billing]` with lines of `keyword=value`.
 *
 * @since 0.1.0
 */
import * as Result from "effect/Result"
import { setKeyword, type Settings, throwConfigError, tryResult } from "./settings.ts"
import { isKeyword } from "./settingTable.ts"

/**
 * Returns the settings of a service; `undefined` if the file does not have it. If a setting occurs twice, the first
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
    if (equals < 0) return throwConfigError("service", "file", `${where} has no =`)
    const key = line.slice(0, equals)
    if (key === "service" || key === "servicefile") {
      return throwConfigError("service", "file", `${where} names another service`)
    }
    if (isKeyword(key) && settings.has(key)) continue
    const made = tryResult(() => setKeyword(settings!, key, line.slice(equals + 1)))
    if (Result.isFailure(made)) {
      const { kind, problem, setting } = made.failure
      return throwConfigError(setting, kind, `${problem} (${where})`)
    }
  }
  return settings
}
