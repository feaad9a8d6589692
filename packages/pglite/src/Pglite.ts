/**
 * PGlite, which is PostgreSQL compiled to WebAssembly, as a server for clients in the same process or behind a port.
 *
 * A PGlite has one session. A connection holds it from its login until it ends; then an open transaction is rolled
 * back, and DISCARD ALL removes the settings, prepared statements, LISTENs (including those of PGlite's own `listen`)
 * and temporary tables. Other connections wait for it, and are refused with SQLSTATE 53300 after `acquireTimeout`: set
 * `max: 1` for a pool. PGlite's own `query`, `exec` and `transaction` can be used beside it: they wait while a
 * connection has an open transaction or receives an answer.
 *
 * - Statements cannot be cancelled and have no timeout: one that runs in this thread blocks it, and PGlite ignores
 *   `statement_timeout`. Answers and COPY data are held in memory.
 * - COPY FROM STDIN must be a statement by itself. Its data is kept until it is complete, so that a mistake in the
 *   statement is reported after the data.
 * - There is no authentication and no encryption: every client is the superuser. The user and the database of a login
 *   are ignored. Its other settings are applied, and RESET resets them to PGlite's own.
 * - A PGlite that has ended, or that was closed, is refused with `ServerExited` within a second. It cannot be used again.
 *   One in a Worker (`PGliteWorker`) needs {@link guard} for that.
 * - The durability is that of PGlite's storage: an answer is sent after `syncToFs`, unless the PGlite has
 *   `relaxedDurability`. There is no fsync.
 *
 * @since 0.1.0
 */
import type * as Authenticate from "@hyperfect/auth/Authenticate"
import type { ConnectionConfig } from "@hyperfect/client/ConnectionConfig"
import type * as Dialect from "@hyperfect/client/Dialect"
import * as Backend from "@hyperfect/protocol/Backend"
import * as Endpoint from "@hyperfect/transport/Endpoint"
import * as InMemory from "@hyperfect/transport/InMemory"
import * as Listener from "@hyperfect/transport/Listener"
import * as Transport from "@hyperfect/transport/Transport"
import type * as TransportError from "@hyperfect/transport/TransportError"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import * as connection from "./internal/connection.ts"
import * as database from "./internal/database.ts"
import { fatal } from "./internal/login.ts"

/**
 * A `PGlite` or `PGliteWorker`.
 *
 * @category models
 * @since 0.1.0
 */
export interface Pglite extends database.Pglite {}

/**
 * Options for connections to a PGlite.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** The maximum number of bytes of one COPY FROM STDIN, which are held in memory. Defaults to 256 MiB. */
  readonly maxCopyBytes?: number | undefined
  /** The time that a connection waits for the session. Defaults to 5 seconds. */
  readonly acquireTimeout?: Duration.Input | undefined
}

/**
 * The capabilities that PGlite lacks.
 *
 * @category constants
 * @since 0.1.0
 */
export const dialect = { cancel: false, replication: false } as const satisfies Dialect.Overrides

/**
 * The configuration of a client of {@link layer}.
 *
 * @category constants
 * @since 0.1.0
 */
export const config = {
  endpoint: Endpoint.tcp("pglite", 5432),
  user: "postgres",
  database: "postgres",
  sslMode: "disable",
  dialect
} as const satisfies ConnectionConfig

const handle = (
  session: database.Database,
  line: Listener.Accepted,
  { acquireTimeout = "5 seconds", maxCopyBytes = 256 * 1024 * 1024 }: Options,
  onAdmitted: () => void = () => {}
) =>
  connection.serve(session, line, {
    maxCopyBytes,
    acquireTimeout: Duration.fromInputUnsafe(acquireTimeout),
    onAdmitted
  })

/**
 * Provides a `Transport` that connects to the PGlite, whatever the endpoint is.
 *
 * **Details**
 *
 * Closing a connection waits until its session is reset. The PGlite stays open.
 *
 * **Example** (A client of a database in memory)
 *
 * ```ts
 * import { PGlite } from "@electric-sql/pglite"
 * import { Authenticate } from "@hyperfect/auth"
 * import { Client, Statement } from "@hyperfect/client"
 * import { Pglite } from "@hyperfect/pglite"
 * import { Effect, Layer } from "effect"
 * import { strict as assert } from "node:assert"
 *
 * const db = new PGlite()
 * const Live = Client.layer(Pglite.config).pipe(
 *   Layer.provide(Pglite.layer(db)),
 *   Layer.provide(Authenticate.layerCrypto)
 * )
 *
 * const program = Effect.flatMap(Client.Client, (client) => client.values(Statement.sql`select ${1} + 1`))
 * const { rows } = await Effect.runPromise(Effect.provide(program, Live))
 * assert.deepEqual(rows, [[2]])
 * await db.close()
 * ```
 *
 * @see {@link serve} for other clients
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (
  db: Pglite,
  options: Options = {}
): Layer.Layer<Transport.Transport, never, Authenticate.Services> =>
  Layer.effect(
    Transport.Transport,
    Effect.gen(function*() {
      const scope = yield* Effect.scope
      const context = yield* Effect.context<Authenticate.Services>()
      const session = database.databaseOf(db)
      /** Names PGlite as the cause if it has ended the connection. */
      const explain = Effect.mapError((error: TransportError.TransportError) =>
        session.ended === undefined ? error : session.end(session.ended)
      )
      const connect = Effect.gen(function*() {
        if (session.ended !== undefined) return yield* Effect.fail(session.end(session.ended))
        const { client, server } = yield* InMemory.pair()
        let isAdmitted = false
        const fiber = yield* handle(session, server, options, () => {
          isAdmitted = true
        }).pipe(
          Effect.ignoreCause,
          Effect.ensuring(server.close),
          Effect.scoped,
          Effect.provideContext(context),
          Effect.forkIn(scope, { startImmediately: true })
        )
        // Before its login is complete there is nothing to wait for, except another connection.
        yield* Effect.addFinalizer(() =>
          Effect.andThen(
            client.close,
            Effect.suspend((): Effect.Effect<unknown> => isAdmitted ? Fiber.await(fiber) : Fiber.interrupt(fiber))
          )
        )
        return { ...client, pull: explain(client.pull), write: (bytes: Uint8Array) => explain(client.write(bytes)) }
      })
      return Transport.Transport.of({ connect: () => connect })
    })
  )

/**
 * Listens, and serves the PGlite to one connection after the other, until the scope closes. Returns the endpoint.
 *
 * **When to use**
 *
 * Use it for `psql`, and for programs and tests that connect with another client.
 *
 * **Gotchas**
 *
 * There is no password: listen on a loopback address, or on a Unix socket in a directory of your own.
 *
 * @category running
 * @since 0.1.0
 */
export const serve = (
  endpoint: Endpoint.Endpoint,
  db: Pglite,
  options: Options = {}
): Effect.Effect<
  Endpoint.Endpoint,
  TransportError.TransportError,
  Listener.Listener | Authenticate.Services | Scope.Scope
> =>
  Listener.serve(endpoint, (line) => {
    const session = database.databaseOf(db)
    return Effect.catch(handle(session, line, options), (error) => {
      const last = session.ended === undefined
        ? Effect.void
        : line.write(Backend.encodeUnsafe(fatal("57P01", error.message)))
      return Effect.andThen(Effect.ignore(last), Effect.logDebug("a connection has ended", error.message))
    })
  })

/**
 * Makes a PGlite fail its calls once it has ended, instead of never answering them, and returns it.
 *
 * **When to use**
 *
 * Use it in the Worker of a `PGliteWorker`, whose calls {@link layer} and {@link serve} cannot guard from outside.
 *
 * **Example** (The Worker of a `PGliteWorker`)
 *
 * ```ts
 * import { PGlite } from "@electric-sql/pglite"
 * import { worker } from "@electric-sql/pglite/worker"
 * import { Pglite } from "@hyperfect/pglite"
 *
 * export const start = () => worker({ init: () => PGlite.create("idb://shop").then(Pglite.guard) })
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const guard: <A extends Pglite>(db: A) => A = database.guard
