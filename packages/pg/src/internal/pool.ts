/**
 * Pools, with the interface of a pool of `pg`.
 *
 * @internal
 */
import * as HyperPool from "@hyperfect/client/Pool"
import type { Session } from "@hyperfect/client/Session"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import { EventEmitter } from "node:events"
import { onPlatform, SessionClient } from "./client.ts"
import { type ClientConfig, toConnectionConfig } from "./config.ts"
import type { QueryFunction } from "./model.ts"
import { type Callback, runPromise, settle } from "./promises.ts"
import { makeQueryFunction, NamedTexts, runQuery } from "./query.ts"

/**
 * The options of a pool.
 *
 * @category models
 * @since 0.1.0
 */
export interface PoolConfig extends ClientConfig {
  /** The maximum number of connections; 10 when absent. */
  readonly max?: number | undefined
  /** The number of connections that are always kept; 0 when absent. */
  readonly min?: number | undefined
  /** The time after which an idle connection is closed; 10 seconds when absent, never with 0. */
  readonly idleTimeoutMillis?: number | null | undefined
  /** The maximum age of a connection; unlimited when absent or 0. */
  readonly maxLifetimeSeconds?: number | undefined
  /** Runs on each new connection, and again after each reset, before other queries. */
  readonly onConnect?: ((client: PoolClient) => unknown) | undefined
}

/** The name must not contain the word "pool", by which Drizzle recognizes a pool. */
class LeasedClient extends SessionClient {
  private readonly pool: Pool
  private lease: Scope.Closeable | undefined
  private isPreparing = false

  constructor(session: Session, config: ClientConfig, pool: Pool) {
    super(config)
    this.pool = pool
    this.attach(session)
  }

  /** Runs the hooks of a new connection, and the queries that they have begun. */
  async prepare(run: () => unknown): Promise<void> {
    this.isPreparing = true
    try {
      await run()
      await this.idle()
    } finally {
      this.isPreparing = false
    }
  }

  lend(lease: Scope.Closeable): this {
    this.lease = lease
    return this
  }

  /** Returns the connection to the pool when its queries have ended. After an error the query that runs is cancelled. */
  readonly release = (error?: Error | boolean): void => {
    const { lease } = this
    if (lease === undefined) throw new Error("the client has already been released")
    this.lease = undefined
    const isCancelled = error !== undefined && error !== false
    void this.idle(isCancelled).then(() => runPromise(Scope.close(lease, Exit.void)))
    this.pool.emit("release", error, this)
  }

  /** Fails: a client of a pool is already connected. */
  connect(): Promise<this>
  connect(callback: Callback<this>): void
  connect(callback?: Callback<this>): unknown {
    return settle(() => Promise.reject(new Error("a client of a pool is already connected")), callback)
  }

  /** Releases the client, as after an error. */
  end(): Promise<void>
  end(callback: (error: Error) => void): void
  end(callback?: Callback<void>): unknown {
    return settle(async () => this.release(true), callback)
  }

  protected override get refusal(): Error | undefined {
    return this.lease === undefined && !this.isPreparing
      ? new Error("the client was released, and runs no more queries")
      : undefined
  }

  protected override opened(): Session {
    return this.session!
  }

  protected override onSessionEnd(): void {
    if (this.lease !== undefined) this.emitError(new Error("Connection terminated unexpectedly"))
    this.pool.emit("remove", this)
    super.onSessionEnd()
  }
}

/**
 * A client of a pool, until it is released.
 *
 * @category models
 * @since 0.1.0
 */
export type PoolClient = LeasedClient

type ConnectCallback = (
  error: Error | undefined,
  client: PoolClient | undefined,
  release: (error?: Error | boolean) => void
) => void

/** The limit of the client below for an option of which 0 means none. */
const limit = (milliseconds: number | null | undefined, absent: number): number => (milliseconds ?? absent) || Infinity

/**
 * A pool of clients.
 *
 * **Details**
 *
 * It is opened with the first query. Queries of the pool are pipelined over its connections; a client that was acquired
 * by `connect` has its connection for itself. The events are `connect`, `acquire`, `release` and `remove`.
 *
 * **Gotchas**
 *
 * A connection that is released is rolled back, and settings made on it are reset. A query of the pool must not leave a
 * transaction open.
 *
 * **Example** (Drizzle)
 *
 * ```ts
 * import { Pg } from "@hyperfect/pg"
 * import { drizzle } from "drizzle-orm/node-postgres"
 *
 * export const db = drizzle(new Pg.Pool({ connectionString: "postgresql://app@db.example/shop", max: 20 }))
 * ```
 *
 * @category models
 * @since 0.1.0
 */
export class Pool extends EventEmitter {
  readonly options: {
    readonly max: number
    readonly min: number
    readonly idleTimeoutMillis: number
    readonly maxLifetimeSeconds: number
    readonly maxUses: number
    readonly allowExitOnIdle: boolean
  }
  /** Always 0: connections beyond their age are closed. */
  readonly expiredCount = 0
  ending = false
  ended = false

  readonly query: QueryFunction = makeQueryFunction(async (request) => {
    const pool = await this.open()
    return runPromise(runQuery(pool, this.named.textOf(request), request, this.#config.types))
  }) as QueryFunction

  /** Private to the runtime, so that it is not printed with the pool. */
  readonly #config: PoolConfig
  private readonly named = new NamedTexts()
  private readonly clients = new WeakMap<Session, LeasedClient>()
  private scope: Scope.Closeable | undefined
  private opened: Promise<HyperPool.Pool> | undefined
  private pool: HyperPool.Pool | undefined

  /** Makes a pool by its options, or on a pool of the client below that is open. */
  constructor(config: PoolConfig = {}, pool?: HyperPool.Pool) {
    super()
    this.#config = config
    this.pool = pool
    this.opened = pool && Promise.resolve(pool)
    this.options = {
      max: config.max ?? 10,
      min: config.min ?? 0,
      idleTimeoutMillis: config.idleTimeoutMillis ?? 10_000,
      maxLifetimeSeconds: config.maxLifetimeSeconds ?? 0,
      maxUses: Infinity,
      allowExitOnIdle: false
    }
  }

  get totalCount(): number {
    return this.pool?.stats().size ?? 0
  }

  get idleCount(): number {
    return this.pool?.stats().idle ?? 0
  }

  get waitingCount(): number {
    return this.pool?.stats().waiting ?? 0
  }

  /** Acquires a client, which must be released. */
  connect(): Promise<PoolClient>
  connect(callback: ConnectCallback): void
  connect(callback?: ConnectCallback): unknown {
    return settle(
      () => this.acquire(),
      callback &&
        ((error: Error | null, client?: PoolClient) =>
          callback(
            error ?? undefined,
            client,
            client?.release ?? (() => {
              // There is nothing to release.
            })
          ))
    )
  }

  /** Closes the pool: waits up to five seconds for its clients, then cancels their queries. */
  end(): Promise<void>
  end(callback: () => void): void
  end(callback?: Callback<void>): unknown {
    return settle(() => this.close(), callback)
  }

  private async acquire(): Promise<PoolClient> {
    const pool = await this.open()
    const lease = Scope.makeUnsafe()
    const session = await runPromise(
      Effect.onError(Scope.provide(pool.session, lease), (cause) => Scope.close(lease, Exit.failCause(cause)))
    )
    const client = this.clientOf(session).lend(lease)
    this.emit("acquire", client)
    return client
  }

  private clientOf(session: Session): LeasedClient {
    const found = this.clients.get(session) ?? new LeasedClient(session, this.#config, this)
    this.clients.set(session, found)
    return found
  }

  private async open(): Promise<HyperPool.Pool> {
    if (this.ending) throw new Error("Cannot use a pool after calling end on the pool")
    this.opened ??= this.start()
    return this.opened
  }

  private async start(): Promise<HyperPool.Pool> {
    const config = this.#config
    const { idleTimeoutMillis, max, maxLifetimeSeconds, min } = this.options
    const { connectionTimeoutMillis } = config
    const scope = this.scope = Scope.makeUnsafe()
    const pool = Effect.flatMap(toConnectionConfig(config), (config) =>
      HyperPool.make(config, {
        max,
        min,
        idleTimeout: limit(idleTimeoutMillis, 0),
        lifetime: limit(maxLifetimeSeconds * 1000, 0),
        ...connectionTimeoutMillis ? { acquireTimeout: connectionTimeoutMillis } : {},
        onConnect: (session) => Effect.promise(() => this.prepare(session))
      }))
    try {
      return this.pool = await runPromise(onPlatform(pool, scope))
    } catch (error) {
      // The next query tries again.
      this.opened = undefined
      await runPromise(Scope.close(scope, Exit.void))
      throw error
    }
  }

  private prepare(session: Session): Promise<void> {
    const client = this.clientOf(session)
    return client.prepare(() => {
      this.emit("connect", client)
      return this.#config.onConnect?.(client)
    })
  }

  private async close(): Promise<void> {
    if (this.ending) throw new Error("Called end on pool more than once")
    this.ending = true
    await this.opened?.catch(() => {
      // Reported by the query that opened it.
    })
    if (this.scope !== undefined) await runPromise(Scope.close(this.scope, Exit.void))
    this.ended = true
  }
}
