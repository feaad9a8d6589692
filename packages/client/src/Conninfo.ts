/**
 * Connection strings as they are written, before anybody asks what they mean.
 *
 * Both of libpq's forms are read here: URIs, and keywords with values. `ConnectionConfig` is what they come to.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import type { ConfigError } from "./ConfigError.ts"
import { parseConninfo } from "./internal/conninfo.ts"
import { effect } from "./internal/settings.ts"
import { parseUri, scheme } from "./internal/uri.ts"

/**
 * Values by libpq's keywords, such as `host`. Secrets are redacted.
 *
 * @category models
 * @since 0.1.0
 */
export type Settings = ReadonlyMap<string, string | Redacted.Redacted<string>>

const secrets: ReadonlyArray<string> = [
  "password",
  "sslpassword",
  "oauth_client_secret",
  "scram_client_key",
  "scram_server_key"
]

/**
 * Reads a connection string.
 *
 * **Details**
 *
 * Only the form is looked at, and whether there are such settings: values can be wrong. Of a setting that is made twice the
 * last one is kept. Nothing is added: no defaults, nothing from the environment.
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
export const parse = (text: string): Effect.Effect<Settings, ConfigError> =>
  Effect.map(
    effect(() => (scheme.test(text) ? parseUri(text) : parseConninfo(text))),
    (settings) =>
      new Map(Array.from(
        settings,
        ([key, value]) => [key, secrets.includes(key) ? Redacted.make(value) : value] as const
      ))
  )
