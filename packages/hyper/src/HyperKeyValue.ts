/**
 * Effect's `KeyValueStore` over a table of a Hyper database, or of PostgreSQL.
 *
 * `KeyValueStore` is marked unstable in Effect 4.1.
 *
 * @since 0.1.0
 */
import { Client, type ClientError } from "@hyperfect/client/Client"
import { sql, type Statement } from "@hyperfect/client/Statement"
import * as Utf8 from "@hyperfect/protocol/Utf8"
import * as Effect from "effect/Effect"
import * as Base64 from "effect/encoding/Base64"
import * as Layer from "effect/Layer"
import * as KeyValueStore from "effect/persistence/KeyValueStore"
import * as Schedule from "effect/Schedule"
import type { DatabaseVersionError } from "./DatabaseVersionError.ts"
import * as HyperTable from "./HyperTable.ts"

/**
 * Options of {@link make}: the location of the table. Its name is `key_value` when absent.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options extends HyperTable.Options {
  readonly table?: string | undefined
}

const encode = (text: string): Uint8Array => {
  const bytes = new Uint8Array(Utf8.byteLength(text))
  Utf8.write(text, bytes, 0)
  return bytes
}

/** Hyper refuses one of two changes of a row at the same time (SQLSTATE 40001). */
const retryConflict = { times: 20, schedule: Schedule.jittered(Schedule.spaced("10 millis")) }

/**
 * Makes a key-value store over a table, which is created if it does not exist.
 *
 * **Details**
 *
 * The table has the columns `key`, `text` and `bytes`, of which each row has one. Both are read as either: `get` returns
 * the Base64 of what was set as bytes, and `getUint8Array` the UTF-8 of what was set as a string. A change that conflicts with another is tried again. Inside
 * `client.transaction` the changes are part of the transaction.
 *
 * **Gotchas**
 *
 * - A change is as durable as any other statement: Hyper writes the file when the database is saved.
 * - `modify` and `clearPrefix` read and then write, so that of two changes at the same time one can be lost. In
 *   `client.transaction` it fails instead, with a cause that `isRetryable`.
 *
 * @see {@link layer} for the same as a layer
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(
  function*({ table: name = "key_value", ...options }: Options = {}): Effect.fn.Return<
    KeyValueStore.KeyValueStore,
    ClientError | DatabaseVersionError,
    Client
  > {
    const client = yield* Client
    const table = HyperTable.make(name, {
      key: HyperTable.Text,
      text: HyperTable.NullOr(HyperTable.Text),
      bytes: HyperTable.NullOr(HyperTable.Bytes)
    }, options)
    yield* table.createIfNotExists

    const attempt = <A>(method: string, effect: Effect.Effect<A, ClientError>, key?: string) =>
      Effect.mapError(effect, (cause) =>
        new KeyValueStore.KeyValueStoreError({
          method,
          message: `the method ${method} failed: ${cause.message}`,
          cause,
          ...key === undefined ? {} : { key }
        }))

    const change = (statement: Statement) =>
      client.execute(statement).pipe(
        Effect.retry({ ...retryConflict, while: (error) => error._tag === "ServerError" && error.isRetryable }),
        Effect.map(({ rowCount }) => rowCount ?? 0)
      )
    const read = (method: string, key: string) =>
      attempt(
        method,
        Effect.map(client.values(sql`SELECT text, bytes FROM ${table} WHERE key = ${key}`), ({ rows: [row] }) => {
          const text = row?.[0]
          return typeof text === "string" ? text : row?.[1] as Uint8Array | undefined
        }),
        key
      )

    const remove = (condition: Statement) => Effect.asVoid(change(sql`DELETE FROM ${table} ${condition}`))

    /** Hyper has neither MERGE nor ON CONFLICT. */
    const set = (key: string, value: string | Uint8Array) => {
      const [column, other] = typeof value === "string" ? [sql`text`, sql`bytes`] : [sql`bytes`, sql`text`]
      return Effect.flatMap(
        change(sql`UPDATE ${table} SET ${column} = ${value}, ${other} = NULL WHERE key = ${key}`),
        (updated) =>
          updated > 0
            ? Effect.void
            : change(sql`INSERT INTO ${table} (key, ${column})
            SELECT ${key}, ${value} WHERE NOT EXISTS (SELECT 1 FROM ${table} WHERE key = ${key})`)
      )
    }

    return KeyValueStore.make({
      get: (key) => Effect.map(read("get", key), (value) => value instanceof Uint8Array ? Base64.encode(value) : value),
      getUint8Array: (key) =>
        Effect.map(read("getUint8Array", key), (value) => typeof value === "string" ? encode(value) : value),
      set: (key, value) => Effect.asVoid(attempt("set", set(key, value), key)),
      remove: (key) => attempt("remove", remove(sql`WHERE key = ${key}`), key),
      clear: attempt("clear", remove(sql``)),
      has: (key) => Effect.map(read("has", key), (found) => found !== undefined),
      size: attempt(
        "size",
        Effect.map(client.values(sql`SELECT count(*) FROM ${table}`), ({ rows }) => Number(rows[0]![0]))
      ),
      keys: attempt(
        "keys",
        Effect.map(client.values(sql`SELECT key FROM ${table}`), ({ rows }) => rows.map(([key]) => String(key)))
      )
    })
  }
)

/**
 * Provides Effect's `KeyValueStore` over a table, as {@link make} makes it.
 *
 * **Example** (Values that are in a file)
 *
 * ```ts
 * import { Hyper, Hyperd, HyperKeyValue } from "@hyperfect/hyper"
 * import { NodePlatform } from "@hyperfect/node"
 * import { Effect, Layer } from "effect"
 * import { KeyValueStore } from "effect/persistence"
 * import { strict as assert } from "node:assert"
 *
 * const program = Effect.gen(function*() {
 *   const store = yield* KeyValueStore.KeyValueStore
 *   yield* store.set("last file", "2026-03.csv")
 *   assert.equal(yield* store.get("last file"), "2026-03.csv")
 * })
 *
 * const Live = HyperKeyValue.layer().pipe(
 *   Layer.provide(Hyper.layer({ database: "/tmp/state.hyper", create: "if-not-exists" })),
 *   Layer.provide(Hyperd.layer()),
 *   Layer.provide(NodePlatform.layer)
 * )
 *
 * await Effect.runPromise(Effect.provide(program, Live))
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (
  options?: Options
): Layer.Layer<KeyValueStore.KeyValueStore, ClientError | DatabaseVersionError, Client> =>
  Layer.effect(KeyValueStore.KeyValueStore, make(options))
