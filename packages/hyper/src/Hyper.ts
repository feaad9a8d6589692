/**
 * Clients of a Hyper server that this program runs, and the databases of that server.
 *
 * A Hyper database is a file. A session names its database when it is opened, and can attach more. Paths are resolved
 * by the server: a relative one starts at the server's working directory, which is the program's own unless `Hyperd`
 * was given another.
 *
 * @since 0.1.0
 */
import { Client, type ClientError } from "@hyperfect/client/Client"
import { Pool } from "@hyperfect/client/Pool"
import type { UnsupportedError } from "@hyperfect/client/QueryError"
import type { Session } from "@hyperfect/client/Session"
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { dual } from "effect/Function"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import type { DatabaseError } from "./DatabaseError.ts"
import type { Options, PoolOptions, RemoteOptions } from "./HyperOptions.ts"
import * as OpenDatabase from "./internal/database/open.ts"
import * as Save from "./internal/database/save.ts"
import * as Databases from "./internal/database/statements.ts"
import type { SaveError } from "./SaveError.ts"

export * from "./HyperFile.ts"
export {
  connectionConfig,
  type Create,
  type DatabaseVersion,
  type Options,
  type PoolOptions,
  type RemoteOptions
} from "./HyperOptions.ts"

/**
 * The errors of opening a session in a database.
 *
 * @category errors
 * @since 0.1.0
 */
export type OpenError = OpenDatabase.OpenError

/**
 * The services that opening a session needs: the running server, and `NodePlatform` of `@hyperfect/node`.
 *
 * @category services
 * @since 0.1.0
 */
export type Services = OpenDatabase.Services

/**
 * The services that a client of a server elsewhere needs: those of `NodePlatform` of `@hyperfect/node`.
 *
 * @category services
 * @since 0.1.0
 */
export type RemoteServices = OpenDatabase.RemoteServices

/**
 * Opens a session with the running server, for the scope.
 *
 * @see {@link layer} for what it does
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function*(options: Options = {}): Effect.fn.Return<
  Session,
  OpenError,
  Services | Scope.Scope
> {
  return yield* OpenDatabase.openSession(yield* OpenDatabase.beginScoped(yield* OpenDatabase.local, options))
})

/**
 * Makes a pool of sessions with the running server, for the scope.
 *
 * @see {@link layerPool} for what it does
 *
 * @category constructors
 * @since 0.1.0
 */
export const makePool = Effect.fnUntraced(function*(options: PoolOptions = {}): Effect.fn.Return<
  Pool,
  OpenError,
  Services | Scope.Scope
> {
  return yield* OpenDatabase.openPool(yield* OpenDatabase.beginScoped(yield* OpenDatabase.local, options))
})

/**
 * Runs an effect with a client in a database, and fails if the database could not be saved at its end.
 *
 * **When to use**
 *
 * Use for a program that writes a file: success means that everything it wrote is in the file.
 *
 * **Details**
 *
 * The client is a session, or a pool if the option `pool` is given. The database is released and thereby saved however
 * the effect ends, also when it fails or is interrupted; what it had committed by then is kept. If saving fails, or
 * takes longer than `saveTimeout`, the result is a `SaveError`. If the effect has failed as well, the cause has both,
 * the `SaveError` first, so that a handler of the effect's own error does not hide the loss.
 *
 * **Example** (A file, or the reason why there is none)
 *
 * ```ts
 * import { Hyper, Hyperd, HyperTable } from "@hyperfect/hyper"
 * import { NodePlatform } from "@hyperfect/node"
 * import { Effect, Layer, Schema } from "effect"
 *
 * const Answer = HyperTable.make("answers", { answer: Schema.Int })
 *
 * const program = Effect.andThen(Answer.create, Answer.insert([{ answer: 42 }])).pipe(
 *   Hyper.withDatabase({ database: "/tmp/answers.hyper", create: "replace" }),
 *   Effect.catchTag("SaveError", (error) => Effect.logError("nothing was written", error))
 * )
 *
 * await Effect.runPromise(Effect.provide(program, Hyperd.layer().pipe(Layer.provideMerge(NodePlatform.layer))))
 * ```
 *
 * @category running
 * @since 0.1.0
 */
export const withDatabase: {
  (options: PoolOptions): <A, E, R>(
    effect: Effect.Effect<A, E, R>
  ) => Effect.Effect<A, E | OpenError | SaveError, Services | Exclude<R, Client>>
  <A, E, R>(
    effect: Effect.Effect<A, E, R>,
    options: PoolOptions
  ): Effect.Effect<A, E | OpenError | SaveError, Services | Exclude<R, Client>>
} = dual(
  2,
  <A, E, R>(effect: Effect.Effect<A, E, R>, options: PoolOptions) =>
    Effect.flatMap(OpenDatabase.local, (server) => OpenDatabase.withDatabase(server, effect, options))
)

/**
 * Provides a client of the running server, in a database that is created first if the option `create` says so.
 *
 * **Details**
 *
 * When the scope closes, the databases are released and thereby saved. If that fails or takes longer than
 * `saveTimeout`, the scope dies with a `SaveError`, which lists what is lost. To handle the failure instead, use
 * {@link withDatabase}.
 *
 * COMMIT does not write to the file: until the databases are saved, a crash of the server loses what was committed. For
 * a layer that lives long, set the option `checkpoint`, or call {@link save}.
 *
 * **Example** (A new file)
 *
 * ```ts
 * import { Client, Statement } from "@hyperfect/client"
 * import { Hyper, Hyperd } from "@hyperfect/hyper"
 * import { NodePlatform } from "@hyperfect/node"
 * import { Effect, Layer } from "effect"
 * import { strict as assert } from "node:assert"
 *
 * const program = Effect.gen(function*() {
 *   const client = yield* Client.Client
 *   yield* client.query("create table answers as (select 42 as answer)")
 *   const { rows } = yield* client.query(Statement.sql`select answer from answers where answer > ${0}`)
 *   assert.deepEqual(rows, [{ answer: 42 }])
 * })
 *
 * const Live = Hyper.layer({ database: "answers.hyper", create: "replace" }).pipe(
 *   Layer.provide(Hyperd.layer({ workingDirectory: "/tmp" })),
 *   Layer.provide(NodePlatform.layer)
 * )
 *
 * await Effect.runPromise(Effect.provide(program, Live))
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options: Options = {}): Layer.Layer<
  Client,
  OpenError,
  Services
> => Layer.effect(Client, make(options))

/**
 * Provides a pool of sessions with the running server, all in the same databases, also as client.
 *
 * **When to use**
 *
 * Use when several queries should run concurrently: one Hyper session runs its queries one after the other.
 *
 * **Example** (Two files, read concurrently)
 *
 * ```ts
 * import { Client } from "@hyperfect/client"
 * import { Hyper, Hyperd } from "@hyperfect/hyper"
 * import { NodePlatform } from "@hyperfect/node"
 * import { Effect, Layer } from "effect"
 *
 * const program = Effect.gen(function*() {
 *   const client = yield* Client.Client
 *   return yield* Effect.all([
 *     client.query(`select count(*) as n from "old"."public"."flights"`),
 *     client.query(`select count(*) as n from "new"."public"."flights"`)
 *   ], { concurrency: "unbounded" })
 * })
 *
 * const Live = Hyper.layerPool({ attach: { old: "2024.hyper", new: "2025.hyper" }, pool: { max: 4 } }).pipe(
 *   Layer.provide(Hyperd.layer()),
 *   Layer.provide(NodePlatform.layer)
 * )
 *
 * const main = Effect.provide(program, Live)
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layerPool = (options: PoolOptions = {}): Layer.Layer<
  Client | Pool,
  OpenError,
  Services
> => Layer.effectContext(Effect.map(makePool(options), (pool) => Context.add(Context.make(Pool, pool), Client, pool)))

/**
 * Opens a session or a pool with a server that runs elsewhere, for the scope.
 *
 * @see {@link layerRemote} for what it does
 *
 * @category constructors
 * @since 0.1.0
 */
export const makeRemote = (options: RemoteOptions): Effect.Effect<
  Client["Service"],
  OpenError,
  RemoteServices | Scope.Scope
> => Effect.flatMap(OpenDatabase.beginScoped(OpenDatabase.remote(options), options), OpenDatabase.openClient)

/**
 * Provides a client of a Hyper server that runs elsewhere, in a database that is created first if the option `create`
 * says so.
 *
 * **When to use**
 *
 * Use for a server that another program has started, on this machine or another one. {@link layer} is for a server that
 * the program itself runs, as a `Hyperd`.
 *
 * **Details**
 *
 * The options are those of a `ConnectionConfig`, of {@link layer}, and of a pool; with `pool` the client is a pool.
 * Databases are released and thereby saved at the end as by {@link layer}: failures are the same. {@link save},
 * {@link unload}, {@link attach} and the option `checkpoint` work as they do there.
 *
 * Paths are those of the server's machine. A file that another process there has open is a `DatabaseError` with the
 * reason `Locked`, as the server itself reports it.
 *
 * **Gotchas**
 *
 * - `create: "atomic"` is refused with a `ConnectionConfigError`: it writes the file to the disk (fsync(2)) and renames
 *   it, which only a program on the same machine can. A pool on a server that has exited waits until its timeouts,
 *   since only a `Hyperd` reports its exit.
 * - A server that is not Hyper is refused with a `ConnectionConfigError`, before anything is created or dropped.
 * - The password is sent by SCRAM-SHA-256, but data is not encrypted unless the server has TLS and `sslMode` is
 *   `"require"` or stricter.
 *
 * **Example** (A server from the environment)
 *
 * ```ts
 * import { ConnectionConfig } from "@hyperfect/client"
 * import { Hyper } from "@hyperfect/hyper"
 * import { NodePlatform } from "@hyperfect/node"
 * import { Config, Effect, Layer, Redacted } from "effect"
 *
 * export const Live = Config.Redacted("HYPER_URL").pipe(
 *   Effect.flatMap((url) => ConnectionConfig.fromUri(Redacted.value(url))),
 *   Effect.map((config) => Hyper.layerRemote({ ...config, database: "/data/flights.hyper", create: "if-not-exists" })),
 *   Layer.unwrap,
 *   Layer.provide(NodePlatform.layer)
 * )
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layerRemote = (options: RemoteOptions): Layer.Layer<Client, OpenError, RemoteServices> =>
  Layer.effect(Client, makeRemote(options))

/**
 * Runs an effect with a client in a database of a server that runs elsewhere, and fails if the database could not be
 * saved at its end.
 *
 * **Details**
 *
 * It differs from {@link withDatabase} as {@link layerRemote} differs from {@link layer}.
 *
 * @category running
 * @since 0.1.0
 */
export const withRemoteDatabase: {
  (options: RemoteOptions): <A, E, R>(
    effect: Effect.Effect<A, E, R>
  ) => Effect.Effect<A, E | OpenError | SaveError, RemoteServices | Exclude<R, Client>>
  <A, E, R>(
    effect: Effect.Effect<A, E, R>,
    options: RemoteOptions
  ): Effect.Effect<A, E | OpenError | SaveError, RemoteServices | Exclude<R, Client>>
} = dual(
  2,
  <A, E, R>(effect: Effect.Effect<A, E, R>, options: RemoteOptions) =>
    OpenDatabase.withDatabase(OpenDatabase.remote(options), effect, options)
)

const withClient = <A, E>(run: (client: Client["Service"]) => Effect.Effect<A, E>): Effect.Effect<A, E, Client> =>
  Effect.flatMap(Client, run)

/**
 * Checks that the server answers, and returns the time it took: an empty statement, whose answer is awaited.
 *
 * **Details**
 *
 * It waits for the statements that the session runs, and on a pool for a session. `Effect.timeout` limits it.
 *
 * @category queries
 * @since 0.1.0
 */
export const ping: Effect.Effect<Duration.Duration, ClientError, Client> = withClient((client) =>
  Effect.map(Effect.timed(client.simple("")), ([elapsed]) => elapsed)
)

/**
 * Creates a database: a new file. If it exists, this fails with the `ServerError` `DuplicateDatabase`.
 *
 * **Gotchas**
 *
 * At a symbolic link to nothing the server ends when it saves the database (H-69). The option `create` of {@link layer}
 * refuses such a path.
 *
 * @category databases
 * @since 0.1.0
 */
export const createDatabase = (
  path: string,
  options: Databases.CreateOptions = {}
): Effect.Effect<void, ClientError | DatabaseError, Client> =>
  withClient((client) => Databases.create(client, path, options))

/**
 * Drops a database and deletes its file. If a session uses it, this fails with the
 * `DatabaseError` `InUse`.
 *
 * @category databases
 * @since 0.1.0
 */
export const dropDatabase = (
  path: string,
  options: Databases.DropOptions = {}
): Effect.Effect<void, ClientError | DatabaseError, Client> =>
  withClient((client) => Databases.drop(client, path, options))

/**
 * Attaches a database to the session, under the given name.
 *
 * **Gotchas**
 *
 * - With more than one database attached, a table is found only by a name that includes its database; see the option
 *   `database` of `HyperTable.make`.
 * - The database is attached to this session only. For a pool, whose statements run on any of its sessions, use the
 *   option `attach` of {@link layerPool}.
 *
 * @category databases
 * @since 0.1.0
 */
export const attach = (path: string, name: string): Effect.Effect<void, ClientError | DatabaseError, Client> =>
  withClient((client) => Databases.attach(client, path, name))

/**
 * Detaches a database from the session, by the name it was attached as. The database that the session was opened with
 * is named by its path.
 *
 * @category databases
 * @since 0.1.0
 */
export const detach = (name: string): Effect.Effect<void, ClientError, Client> =>
  withClient((client) => Databases.detach(client, name))

/**
 * Options of {@link save} and {@link unload}.
 *
 * @category models
 * @since 0.1.0
 */
export interface SaveOptions {
  /** The time that saving may take; 5 minutes when absent. Then it is not known whether the databases are saved. */
  readonly saveTimeout?: Duration.Input | undefined
}

/**
 * Options of {@link withAttached}.
 *
 * @category models
 * @since 0.1.0
 */
export interface AttachOptions extends SaveOptions {
  /** The path of the database, which must exist. */
  readonly database: string
  /** The name that it is attached as; see {@link attach}. */
  readonly as: string
}

/**
 * Runs an effect with a database attached to the client's session, and detaches it however the effect ends.
 *
 * **Details**
 *
 * If no other session uses the database, this saves it: success means that everything the effect has committed is in
 * the file, and a failure to save is a `SaveError`. If the effect has failed as well, the cause has both.
 *
 * Over a pool, whose statements run on any of its sessions, and inside a transaction, which detaching would end, it
 * fails with an `UnsupportedError`.
 *
 * **Example** (Rows from another file)
 *
 * ```ts
 * import { Client } from "@hyperfect/client"
 * import { Hyper } from "@hyperfect/hyper"
 * import { Effect } from "effect"
 *
 * const copyRows = Effect.flatMap(
 *   Client.Client,
 *   (client) => client.query(`insert into "flights" select * from "old"."public"."flights"`)
 * ).pipe(Hyper.withAttached({ database: "2025.hyper", as: "old" }))
 * ```
 *
 * @category running
 * @since 0.1.0
 */
export const withAttached: {
  (options: AttachOptions): <A, E, R>(
    effect: Effect.Effect<A, E, R>
  ) => Effect.Effect<A, E | ClientError | UnsupportedError | DatabaseError | SaveError, R | Client>
  <A, E, R>(
    effect: Effect.Effect<A, E, R>,
    options: AttachOptions
  ): Effect.Effect<A, E | ClientError | UnsupportedError | DatabaseError | SaveError, R | Client>
} = dual(
  2,
  <A, E, R>(effect: Effect.Effect<A, E, R>, { as, database, saveTimeout }: AttachOptions) =>
    Effect.flatMap(Client, (client) => Save.withAttached(client, effect, database, as, saveTimeout))
)

/**
 * Saves the databases of the client, which continues to use them: a checkpoint.
 *
 * **When to use**
 *
 * Use in a program that runs long, or loads much. Hyper writes a database to its file when the last session releases
 * it, not at COMMIT: until then, the end of the server by a crash or `kill -9` loses everything committed since it was
 * opened, the tables included.
 *
 * **Details**
 *
 * - Success means that the file contains everything that the client has committed: a copy of the file taken now opens
 *   in another server with all rows.
 * - It waits for the work in progress. A pool closes all sessions but one for it; queries wait meanwhile, up to their
 *   `acquireTimeout`.
 * - If another session of the server, of this or another program, uses one of the databases, it fails with the
 *   `DatabaseError` `InUse`: nothing is saved, and nothing is lost.
 * - If the data cannot be written, for lack of space for example, it fails with a `SaveError`: everything since the
 *   last save is lost, and the client continues with what the file contains.
 * - It is not interrupted once it saves. Inside a transaction it fails with an `UnsupportedError`.
 *
 * **Gotchas**
 *
 * Statements from `prepare` are deallocated, because executing one after a save would end the server. Temporary tables
 * of a session are kept, those of the closed sessions of a pool are not.
 *
 * A program that handles a `SaveError` has to write again what was lost, or to fail: if it ends with success,
 * `create: "atomic"` replaces the old file by what is left.
 *
 * **Example** (A checkpoint after each file)
 *
 * ```ts
 * import { Hyper, HyperTable } from "@hyperfect/hyper"
 * import { Effect, Schema } from "effect"
 *
 * const Answer = HyperTable.make("answers", { answer: Schema.Int })
 *
 * export const loadAll = (files: ReadonlyArray<ReadonlyArray<{ readonly answer: number }>>) =>
 *   Effect.forEach(files, (rows) => Effect.andThen(Answer.insert(rows), Hyper.save()), { discard: true })
 * ```
 *
 * @category databases
 * @since 0.1.0
 */
export const save = (
  { saveTimeout }: SaveOptions = {}
): Effect.Effect<void, ClientError | DatabaseError | SaveError, Client> =>
  withClient((client) => Save.save(client, saveTimeout))

/**
 * Saves a database and takes it from all sessions of the server, so that its file can be moved, or opened by another
 * program.
 *
 * **Details**
 *
 * The connections of all other sessions that use it, of this or another program, are closed, and their transactions
 * rolled back. The client's session detaches it as well, and keeps its other databases; a pool is reduced to one session
 * for it, as for {@link save}. Afterwards the database can be attached again. If it cannot be saved, this fails with a
 * `SaveError`.
 *
 * **Gotchas**
 *
 * A pool that was made with the option `database` opens that database again with its next session. Use a client of its
 * own, made with `Hyper.make()`.
 *
 * @category databases
 * @since 0.1.0
 */
export const unload = (
  path: string,
  { saveTimeout }: SaveOptions = {}
): Effect.Effect<void, ClientError | DatabaseError | SaveError, Client> =>
  withClient((client) => Save.unload(client, path, saveTimeout))

/**
 * Detaches all databases from the session, including the one it was opened with, and thereby saves those that no other
 * session uses. The session can use none of them afterwards.
 *
 * **When to use**
 *
 * Use as the last step of a program that must know that its data is on disk: here a failure to save is an error,
 * whereas at the end of the scope it is a defect.
 *
 * **Gotchas**
 *
 * If it fails, everything written since the databases were opened is lost; a second attempt succeeds but saves nothing.
 * Over a pool it affects one session, and so saves nothing that the others use. Interrupting it, including by a
 * timeout, cancels the save.
 *
 * @category databases
 * @since 0.1.0
 */
export const detachAll: Effect.Effect<void, ClientError, Client> = withClient(Databases.detachAll)
