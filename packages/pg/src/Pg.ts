/**
 * The interface of `pg` (node-postgres) on the clients and pools of this library.
 *
 * Query builders and programs that take a client or a pool of `pg` work with these. Values are read and written as `pg`
 * does: `types` are those of `pg-types`, which both share. Features that need the connection of `pg`, such as its
 * cursors and COPY streams, are refused.
 *
 * @since 0.1.0
 */
import type * as HyperPool from "@hyperfect/client/Pool"
import types from "pg-types"
import { Pool, type PoolConfig } from "./internal/pool.ts"

export { Client } from "./internal/client.ts"
export type { ClientConfig, TlsConfig } from "./internal/config.ts"
export { DatabaseError, type Notice } from "./internal/databaseError.ts"
export { escapeIdentifier, escapeLiteral } from "./internal/escape.ts"
export type {
  FieldDef,
  QueryArrayConfig,
  QueryArrayResult,
  QueryConfig,
  QueryFunction,
  QueryResult,
  QueryResultRow,
  Submittable,
  TypeParsers
} from "./internal/model.ts"
export { Pool, type PoolClient, type PoolConfig } from "./internal/pool.ts"
export { Query } from "./internal/query.ts"
export {
  /**
   * The parsers of values by the OIDs of their types, and the functions to set them.
   *
   * @category constants
   * @since 0.1.0
   */
  types
}

/**
 * Gives the pool of an Effect program the interface of `pg`. `end` does not close the pool; its scope does.
 *
 * **Example** (Drizzle in an Effect program)
 *
 * ```ts
 * import { Pool } from "@hyperfect/client"
 * import { Pg } from "@hyperfect/pg"
 * import { drizzle } from "drizzle-orm/node-postgres"
 * import { Effect } from "effect"
 *
 * const program = Effect.gen(function*() {
 *   const db = drizzle(Pg.fromPool(yield* Pool.Pool))
 *   return yield* Effect.promise(() => db.execute("select 1 as one"))
 * })
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const fromPool = (pool: HyperPool.Pool, options: Pick<PoolConfig, "types"> = {}): Pool => new Pool(options, pool)
