/** A primary and a standby, and the servers that a client of both reads from. */
import * as Replicas from "@hyperfect/client/Replicas"
import * as Session from "@hyperfect/client/Session"
import * as PostgresServer from "@hyperfect/testing/PostgresServer"
import { Effect, Schedule } from "effect"

/** Starts a pair with a table `t`, whose standby no commit waits for. */
export const makeAsynchronousPair = (settings?: PostgresServer.Options["settings"]) =>
  PostgresServer.makePair({
    setup: ["create table t (n int)"],
    settings: { synchronous_standby_names: "", ...settings }
  })

export const open = ({ primary, standby }: PostgresServer.Pair, options?: Replicas.Options) =>
  Replicas.make({ ...primary, alternatives: [standby.endpoint] }, options)

export const readOnly = { access: "read only" } as const

/** The number of rows of a table. */
export const count = (db: Replicas.Replicas, table: string) =>
  Effect.map(db.values(`select count(*)::int from ${table}`), ({ rows }) => rows[0]![0] as number)

/** True if a statement runs on a standby. */
export const isStandby = (db: Pick<Replicas.Replicas, "values">) =>
  Effect.map(db.values("select pg_is_in_recovery()"), ({ rows }) => rows[0]![0] === true)

/** The role of the server that a read-only transaction runs on. */
export const readerOf = (db: Replicas.Replicas) => db.transaction(isStandby(db), readOnly)

/** Waits until read-only transactions run on a standby, or no longer do. */
export const readsFrom = (db: Replicas.Replicas, wanted: "standby" | "primary") =>
  Effect.repeat(readerOf(db), {
    until: (isStandby) => isStandby === (wanted === "standby"),
    schedule: Schedule.spaced("10 millis")
  })

/** Pauses replay on the standby for an effect. */
export const whilePaused = <A, E, R>({ standby }: PostgresServer.Pair, effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function*() {
    const session = yield* Session.make(standby)
    return yield* Effect.acquireUseRelease(
      Effect.andThen(
        session.execute("select pg_wal_replay_pause()"),
        Effect.repeat(session.values("select pg_get_wal_replay_pause_state()"), {
          until: ({ rows }) => rows[0]![0] === "paused",
          schedule: Schedule.spaced("5 millis")
        })
      ),
      () => effect,
      () => Effect.orDie(session.execute("select pg_wal_replay_resume()"))
    )
  }).pipe(Effect.scoped)
