/**
 * A dialect for Kysely that runs on a pool of this library.
 *
 * Statements of Kysely are prepared by their session, which keeps them for later runs. Transactions, savepoints,
 * streams and cancellation are those of Kysely's interface; this module has no pool, no timeouts and no types of its
 * own.
 *
 * @since 0.1.0
 */
import * as Pool from "@hyperfect/client/Pool"
import * as Preset from "@hyperfect/values/Preset"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import { type Dialect, PostgresAdapter, PostgresIntrospector, PostgresQueryCompiler } from "kysely"
import { PoolDriver } from "./internal/driver.ts"

/**
 * Options of a dialect.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /**
   * The preset that reads the rows; `Preset.native`, with plain JavaScript values, when absent. If several columns have
   * one name, the last of them wins, as in `pg`, unless the preset has another rule.
   */
  readonly preset?: Preset.Preset | undefined
}

const make = (
  acquire: Effect.Effect<Context.Context<Pool.Pool>, unknown, Scope.Scope>,
  options: Options
): Dialect => {
  const preset = options.preset ?? Preset.native
  const rowPreset = Preset.duplicates(preset) === "refuse" ? Preset.withDuplicates(preset, "last") : preset
  return {
    createDriver: () => new PoolDriver(acquire, rowPreset),
    createQueryCompiler: () => new PostgresQueryCompiler(),
    createAdapter: () => new PostgresAdapter(),
    createIntrospector: (db) => new PostgresIntrospector(db)
  }
}

/**
 * Makes a dialect that runs on an existing pool. The pool stays open when Kysely is destroyed, until its own scope
 * closes.
 *
 * **Gotchas**
 *
 * Statements of Kysely take no part in `pool.transaction`: a transaction of Kysely has a session of its own.
 *
 * **Example** (Kysely in an Effect program)
 *
 * ```ts
 * import { Pool } from "@hyperfect/client"
 * import { HyperDialect } from "@hyperfect/kysely"
 * import { Effect } from "effect"
 * import { Kysely } from "kysely"
 *
 * interface Database {
 *   readonly users: { readonly id: number; readonly email: string }
 * }
 *
 * const program = Effect.gen(function*() {
 *   const pool = yield* Pool.Pool
 *   const db = new Kysely<Database>({ dialect: HyperDialect.fromPool(pool) })
 *   return yield* Effect.promise(() => db.selectFrom("users").select("email").execute())
 * })
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const fromPool = (pool: Pool.Pool, options: Options = {}): Dialect =>
  make(Effect.succeed(Context.make(Pool.Pool, pool)), options)

/**
 * Makes a dialect that opens the pool of a layer with the first statement, and closes it when Kysely is destroyed.
 *
 * **Details**
 *
 * The fibers that run the statements have the other services of the layer, such as a tracer. If the layer fails, so
 * does the statement, and the next one opens it again.
 *
 * **Example** (A program without Effect)
 *
 * ```ts
 * import { Pool } from "@hyperfect/client"
 * import { HyperDialect } from "@hyperfect/kysely"
 * import { NodePlatform } from "@hyperfect/node"
 * import { Layer } from "effect"
 * import { Kysely } from "kysely"
 *
 * interface Database {
 *   readonly users: { readonly id: number; readonly email: string }
 * }
 *
 * const pool = Pool.layerUri("postgresql://app@db.example/shop", { max: 20 })
 *
 * export const db = new Kysely<Database>({
 *   dialect: HyperDialect.fromLayer(Layer.provide(pool, NodePlatform.layer))
 * })
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const fromLayer = <E>(layer: Layer.Layer<Pool.Pool, E>, options: Options = {}): Dialect =>
  make(Layer.build(layer), options)
