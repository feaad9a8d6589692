/**
 * Conversion of messages to and from JSON, for recordings and comparisons.
 *
 * The JSON form of a message is the message itself, including `_tag`, with bytes in base64 and 64-bit integers as
 * decimal strings. Nothing is redacted: it contains passwords and rows. Use `Trace` for logs.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import * as Backend_ from "./Backend.ts"
import * as Frontend_ from "./Frontend.ts"
import * as Replication_ from "./Replication.ts"

/**
 * The codec between backend messages and their JSON form.
 *
 * **Example** (A row)
 *
 * ```ts
 * import { Json } from "@hyperfect/protocol"
 * import { Schema } from "effect"
 * import { strict as assert } from "node:assert"
 *
 * const row = { _tag: "DataRow", columns: [Uint8Array.of(104, 105), null] } as const
 * const json = Schema.encodeSync(Json.Backend)(row)
 * assert.deepEqual(json, { _tag: "DataRow", columns: ["aGk=", null] })
 * assert.deepEqual(Schema.decodeSync(Json.Backend)(json), row)
 * ```
 *
 * @category schemas
 * @since 0.1.0
 */
export const Backend: Schema.Codec<Backend_.Message, Schema.Json> = Schema.suspend(() =>
  Schema.toCodecJson(Backend_.Message)
)

/**
 * The codec between frontend messages and their JSON form.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Frontend: Schema.Codec<Frontend_.Message, Schema.Json> = Schema.suspend(() =>
  Schema.toCodecJson(Frontend_.Message)
)

/**
 * The codec between replication messages and their JSON form.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Replication: Schema.Codec<Replication_.Message, Schema.Json> = Schema.suspend(() =>
  Schema.toCodecJson(Replication_.Message)
)
