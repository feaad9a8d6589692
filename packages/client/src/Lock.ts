/**
 * Advisory locks of PostgreSQL, held for as long as an effect runs.
 *
 * @since 0.1.0
 */
import { TaggedError } from "@hyperfect/protocol/ProtocolError"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { dual } from "effect/Function"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { timeoutDetached } from "./internal/session/deadline.ts"
import { monotonicMillis } from "./internal/session/timing.ts"
import { Pool } from "./Pool.ts"
import type { PoolError } from "./PoolError.ts"
import * as Query from "./Query.ts"
import type { QueryError } from "./QueryError.ts"
import type { Session } from "./Session.ts"
import { sql, type Statement } from "./Statement.ts"

/**
 * The key of a lock: one `bigint`, two 32-bit integers, or a text, which PostgreSQL's `hashtextextended` maps to a key.
 *
 * @category models
 * @since 0.1.0
 */
export type Key = string | bigint | readonly [number, number]

/**
 * Options of {@link withLock}.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** True to wait until the lock is free, false to fail with {@link LockTaken} at once; true when absent. */
  readonly wait?: boolean | undefined
  /**
   * The time after which a process that is frozen, or disconnected from the server, loses the lock. The process sends a
   * heartbeat four times in this time. If none is answered for three quarters of it, the effect is interrupted, and has
   * the last quarter to stop before others get the lock. When absent, the lock is held as long as the connection lasts.
   * PostgreSQL 14 or later.
   */
  readonly lease?: Duration.Input | undefined
}

/**
 * The error for a lock that another session holds.
 *
 * @category errors
 * @since 0.1.0
 */
export class LockTaken extends TaggedError<LockTaken>()("LockTaken", {
  key: Schema.String
}, ({ key }) => `another session holds the lock ${key}`) {}

/**
 * The error for a lock whose session ended while the effect ran. The effect was interrupted; others may have the lock
 * already.
 *
 * @category errors
 * @since 0.1.0
 */
export class LockLost extends TaggedError<LockLost>()("LockLost", {
  key: Schema.String
}, ({ key }) => `the lock ${key} was lost with its session`) {}

/** The time in milliseconds to wait for the answer to a release; after that, the pool deals with the session. */
const releaseTimeout = 5_000

const parameters = (key: Key): Statement =>
  typeof key === "string"
    ? sql`hashtextextended(${key}, 0)`
    : typeof key === "bigint"
    ? sql`${key}::bigint`
    : sql`${key[0]}::int, ${key[1]}::int`

/**
 * Sends a heartbeat, and returns an effect that continues to do so, and that fails when one is not answered in time.
 * The server counts the lease from the last heartbeat that it received, so that the effect fails at least a quarter of
 * the lease before the session ends.
 */
const startLease = Effect.fnUntraced(function*(session: Session, lease: number) {
  const showLife = session.execute("select 1")
  let shownAt = yield* monotonicMillis
  yield* showLife
  return Effect.gen(function*() {
    while (true) {
      yield* Effect.sleep(lease / 4)
      const now = yield* monotonicMillis
      yield* Query.timeout(showLife, Math.max(0, shownAt + lease * 3 / 4 - now))
      shownAt = now
    }
  })
})

/**
 * Runs an effect while a session of the pool holds an advisory lock, which no other session can hold at the same time.
 *
 * **When to use**
 *
 * Use for work that only one of several processes may do at a time: a leader, a migration, a scheduled job.
 *
 * **Details**
 *
 * The session is acquired for the lock alone; statements of the effect run on other sessions, or in any other database.
 * The lock is released when the effect ends, even by interruption. If the session ends earlier, the effect is
 * interrupted and fails with {@link LockLost}. A process that is frozen, or disconnected from the server, keeps the
 * lock as long as the server regards its connection as open, unless there is a `lease`.
 *
 * **Gotchas**
 *
 * For a moment, two effects can run at the same time: the server frees the lock of a session that has ended, and the
 * effect runs until it learns of that. The database should therefore check what the effect writes, as the page
 * `locks.md` and the example `leader.ts` show.
 *
 * **Example** (A leader)
 *
 * ```ts
 * import { Lock, Pool } from "@hyperfect/client"
 * import { Effect, Schedule } from "effect"
 *
 * const lead = Effect.logInfo("this process is the leader").pipe(Effect.andThen(Effect.never))
 *
 * export const candidate = lead.pipe(
 *   Lock.withLock("leader of the shop", { lease: "10 seconds" }),
 *   Effect.retry({ while: (error) => error._tag === "LockLost", schedule: Schedule.spaced("1 second") })
 * )
 * ```
 *
 * @category locks
 * @since 0.1.0
 */
export const withLock: {
  (key: Key, options?: Options): <A, E, R>(
    effect: Effect.Effect<A, E, R>
  ) => Effect.Effect<A, E | LockTaken | LockLost | PoolError | QueryError, R | Pool>
  <A, E, R>(
    effect: Effect.Effect<A, E, R>,
    key: Key,
    options?: Options
  ): Effect.Effect<A, E | LockTaken | LockLost | PoolError | QueryError, R | Pool>
} = dual(
  (args) => Effect.isEffect(args[0]),
  <A, E, R>(effect: Effect.Effect<A, E, R>, key: Key, { lease, wait = true }: Options = {}) =>
    Effect.gen(function*() {
      const session = yield* (yield* Pool).session
      const shown = typeof key === "string" ? JSON.stringify(key) : String(key)
      const of = parameters(key)
      let isTaken: boolean | undefined
      yield* Effect.addFinalizer(() => {
        if (isTaken === false) return Effect.void
        // The server may have given the lock to a caller that was interrupted while it waited for the answer.
        const unlock = isTaken === true
          ? sql`select pg_advisory_unlock(${of})`
          : sql`select pg_advisory_unlock(${of}) from pg_locks
              where locktype = 'advisory' and granted and pid = pg_backend_pid() limit 1`
        return timeoutDetached(session.query(unlock), releaseTimeout)
      })
      const leaseMillis = lease === undefined ? undefined : Duration.toMillis(Duration.fromInputUnsafe(lease))
      if (leaseMillis !== undefined) yield* session.execute(`set idle_session_timeout = ${Math.ceil(leaseMillis)}`)
      isTaken = wait
        ? yield* Effect.as(session.query(sql`select pg_advisory_lock(${of})`), true)
        : (yield* session.values(sql`select pg_try_advisory_lock(${of})`)).rows[0]?.[0] === true
      if (!isTaken) return yield* new LockTaken({ key: shown })
      const ended = Stream.runDrain(session.notices)
      const lost = leaseMillis === undefined
        ? ended
        : Effect.raceFirst(ended, Effect.ignore(yield* startLease(session, leaseMillis)))
      return yield* Effect.raceFirst(
        effect,
        Effect.flatMap(lost, () => {
          // A session that only seems to have ended is reset by the pool, which releases the lock.
          isTaken = false
          return Effect.fail(new LockLost({ key: shown }))
        })
      )
    }).pipe(Effect.scoped)
)
