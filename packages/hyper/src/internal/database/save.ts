/**
 * Saving of databases that remain in use.
 *
 * Hyper has no statement for it. It saves a database when the last session releases it; a release by any other session
 * succeeds and saves nothing (H-50). So the only session of the client releases its databases, and then requests each
 * in a mode that is refused while another session has it.
 *
 * @internal
 */
import type { Client } from "@hyperfect/client/Client"
import type { Pool } from "@hyperfect/client/Pool"
import type { PoolError } from "@hyperfect/client/PoolError"
import { type QueryError, UnsupportedError } from "@hyperfect/client/QueryError"
import type { Session } from "@hyperfect/client/Session"
import { identifier } from "@hyperfect/client/Statement"
import * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import * as DatabaseError from "../../DatabaseError.ts"
import type { SaveError } from "../../SaveError.ts"
import { defaultSaveTimeout, run, saveError, unlimited, withEnd } from "./release.ts"
import * as Databases from "./statements.ts"

type ClientService = Client["Service"]

type Error = QueryError | PoolError | DatabaseError.DatabaseError | SaveError

/** A client of a pool, or a session. */
const isPool = (client: ClientService): client is Pool => "soleSession" in client

const soleSession = (client: ClientService): Effect.Effect<Session, PoolError | QueryError, Scope.Scope> =>
  isPool(client) ? client.soleSession : Effect.succeed(client as Session)

interface Attached {
  readonly path: string
  readonly name: string
}

/** A name that no database has. */
const probe = "hyperfect save"

/** Fails inside a transaction, which a release would end without an error. */
const checkNoTransaction = (session: Session) =>
  Effect.catchTag(session.transaction(Effect.void), "TransactionRolledBack", Effect.die)

/** Returns the databases of a session, outside a transaction, or fails if the server does not answer in time. */
const attached = (session: Session, timeout: Duration.Duration): Effect.Effect<ReadonlyArray<Attached>, Error> =>
  checkNoTransaction(session).pipe(
    Effect.andThen(session.values("SELECT database_name, database_alias FROM pg_catalog.hyper_attached_database")),
    Effect.map(({ rows }) => rows.map(([path, name]) => ({ path: String(path), name: String(name) }))),
    (query) => run(query, timeout),
    Effect.flatMap((exit): Effect.Effect<ReadonlyArray<Attached>, Error> =>
      exit ?? Effect.fail(saveError([], timeout, undefined))
    )
  )

const saveSession = Effect.fnUntraced(function*(
  session: Session,
  timeout: Duration.Duration
): Effect.fn.Return<void, Error> {
  const databases = yield* attached(session, timeout)
  if (databases.length === 0) return
  const paths = databases.map(({ path }) => path)
  // All are sent at once, so that no other statement on the session comes in between.
  const statements: ReadonlyArray<readonly [sql: string, path?: string]> = [
    // A statement prepared before a release ends the server when it is executed afterwards (H-51).
    ["DEALLOCATE ALL"],
    ["DETACH DATABASE *"],
    ...paths.flatMap((path) =>
      [[Databases.attachReadOnlySql(path, probe), path], [Databases.detachSql(probe), path]] as const
    ),
    ...databases.map(({ name, path }) => [Databases.attachSql(path, name), path] as const)
  ]
  const exit = yield* run(session.pipeline(statements.map(([sql]) => sql)), timeout)
  if (exit === undefined || Exit.isFailure(exit)) return yield* saveError(paths, timeout, exit?.cause)
  for (const [index, result] of exit.value.entries()) {
    if (Result.isSuccess(result)) continue
    const path = statements[index]![1]
    return yield* path === undefined
      ? saveError(paths, timeout, Cause.fail(result.failure))
      : Effect.fail(DatabaseError.fromServer(result.failure, path))
  }
})

/** Runs on the only session, to its end: an interruption would cancel the save. */
const onSole = <A, E>(
  client: ClientService,
  use: (session: Session) => Effect.Effect<A, E>
): Effect.Effect<A, E | QueryError | PoolError> =>
  Effect.scoped(
    Effect.uninterruptibleMask((restore) =>
      Effect.flatMap(restore(soleSession(client)), (session) =>
        Effect.flatMap(Effect.forkDetach(unlimited(use(session)), { startImmediately: true }), Fiber.join))
    )
  )

/** @internal */
export const save = (client: ClientService, timeout: Duration.Input = defaultSaveTimeout): Effect.Effect<void, Error> =>
  onSole(client, (session) => saveSession(session, Duration.fromInputUnsafe(timeout)))

const unloadOn = Effect.fnUntraced(function*(
  session: Session,
  database: string,
  timeout: Duration.Duration
): Effect.fn.Return<void, Error> {
  const others = (yield* attached(session, timeout)).filter(({ path }) => path !== database)
  const release = Effect.gen(function*() {
    yield* session.simple("DEALLOCATE ALL")
    // UNLOAD RELEASE is refused while the session has any database.
    yield* Databases.detachAll<never>(session)
    yield* Databases.attach<never>(session, database, probe)
    // The extended protocol does not know the statement.
    yield* Effect.ensuring(
      session.simple(`UNLOAD DATABASE ${identifier(database).text}`),
      Effect.ignore(session.simple("UNLOAD RELEASE"))
    )
    for (const { name, path } of others) yield* Databases.attach<never>(session, path, name)
  })
  const exit = yield* run(release, timeout)
  if (exit !== undefined && Exit.isSuccess(exit)) return
  const error = exit && Option.getOrUndefined(Exit.findErrorOption(exit))
  return yield* error?._tag === "DatabaseError" ? error : saveError([database], timeout, exit?.cause as never)
})

/** @internal */
export const unload = (
  client: ClientService,
  database: string,
  timeout: Duration.Input = defaultSaveTimeout
): Effect.Effect<void, Error> =>
  onSole(client, (session) => unloadOn(session, database, Duration.fromInputUnsafe(timeout)))

const poolRefused = new UnsupportedError({
  feature: "attaching to a pool",
  server: "hyper",
  problem: "a database is attached to one session: use the option attach of Hyper.layerPool, or a session"
})

/** @internal */
export const withAttached = <A, E, R>(
  client: ClientService,
  effect: Effect.Effect<A, E, R>,
  database: string,
  name: string,
  timeout: Duration.Input = defaultSaveTimeout
): Effect.Effect<A, E | Error | UnsupportedError, R> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.gen(function*() {
      if (isPool(client)) return yield* poolRefused
      const session = client as Session
      yield* restore(checkNoTransaction(session))
      yield* Databases.attach<never>(session, database, name)
      const limit = Duration.fromInputUnsafe(timeout)
      const detach = Effect.flatMap(run(unlimited(Databases.detach<never>(session, name)), limit), (released) =>
        released !== undefined && Exit.isSuccess(released)
          ? Effect.void
          : Effect.fail(saveError([database], limit, released?.cause)))
      return yield* withEnd(Effect.exit(restore(effect)), () => detach)
    })
  )
