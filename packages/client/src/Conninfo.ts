/**
 * Parsing of connection strings into settings, before the values are interpreted.
 *
 * Both of libpq's forms are supported: URIs, and keywords with values. `ConnectionConfig` interprets the settings.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import type { ConnectionConfigError } from "./ConnectionConfigError.ts"
import { tryEffect } from "./internal/config/settings.ts"
import { settingTable } from "./internal/config/settingTable.ts"
import { parseEither } from "./internal/config/uri.ts"

/**
 * Values by libpq keyword, such as `host`. Secrets are redacted.
 *
 * @category models
 * @since 0.1.0
 */
export type Settings = ReadonlyMap<string, string | Redacted.Redacted<string>>

/**
 * Parses a connection string into settings.
 *
 * **Details**
 *
 * Checks the syntax and the names of the settings only, not the values. If a setting occurs twice the last one is kept.
 * Adds no defaults and reads no environment.
 *
 * **Example** (The settings of a URI)
 *
 * ```ts
 * import { Conninfo } from "@hyperfect/client"
 * import { Effect } from "effect"
 * import { strict as assert } from "node:assert"
 *
 * const settings = Effect.runSync(Conninfo.parse("postgresql://app:s3cret@db1:5433,db2/shop?connect_timeout=3"))
 * assert.deepEqual([...settings].map(String), [
 *   "user,app",
 *   "password,<redacted>",
 *   "host,db1,db2",
 *   "port,5433,",
 *   "dbname,shop",
 *   "connect_timeout,3"
 * ])
 * ```
 *
 * @category decoding
 * @since 0.1.0
 */
export const parse = (text: string): Effect.Effect<Settings, ConnectionConfigError> =>
  Effect.map(
    tryEffect(() => parseEither(text)),
    (settings) =>
      new Map(Array.from(
        settings,
        ([key, value]) => [key, settingTable[key].isSecret ? Redacted.make(value) : value] as const
      ))
  )
