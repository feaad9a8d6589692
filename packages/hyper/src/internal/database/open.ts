/**
 * Opening of sessions and pools in databases, and their end.
 *
 * @internal
 */
import type * as Authenticate from "@hyperfect/auth/Authenticate"
import { Client, type ClientError } from "@hyperfect/client/Client"
import type { ConnectionConfig } from "@hyperfect/client/ConnectionConfig"
import { ConnectionConfigError } from "@hyperfect/client/ConnectionConfigError"
import * as Pool from "@hyperfect/client/Pool"
import type { QueryError } from "@hyperfect/client/QueryError"
import * as Session from "@hyperfect/client/Session"
import * as Endpoint from "@hyperfect/transport/Endpoint"
import { Transport } from "@hyperfect/transport/Transport"
import * as TransportError from "@hyperfect/transport/TransportError"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import * as DatabaseError from "../../DatabaseError.ts"
import { Hyperd } from "../../Hyperd.ts"
import type { HyperdError } from "../../HyperdError.ts"
import { connectionConfig, type Options, type PoolOptions, type RemoteOptions, settingsOf } from "../../HyperOptions.ts"
import { SaveError } from "../../SaveError.ts"
import * as Checkpoint from "./checkpoint.ts"
import * as Draft from "./draft.ts"
import { Releases, withEnd } from "./release.ts"
import * as Databases from "./statements.ts"

/** @internal */
export type OpenError = Session.ConnectError | ClientError | DatabaseError.DatabaseError

/** @internal */
export type Services = Draft.Services

/** The services that opening a session needs, whatever the server. */
export type RemoteServices = Transport | Authenticate.Services

/** The server that has the databases. */
export interface Server {
  readonly config: (options: PoolOptions) => ConnectionConfig
  /** Fails if the server exits. */
  readonly exited: Effect.Effect<never, HyperdError>
  /** Builds a file in place of the database; `undefined` if the files of the server are out of reach. */
  readonly draft: ((database: string, options: PoolOptions) => Effect.Effect<Draft.Draft>) | undefined
  /** Fails if the database cannot be created at its path, as far as this program can see that. */
  readonly checkPath: (database: string) => Effect.Effect<void, DatabaseError.DatabaseError>
}

/** The running server of this program. */
export const local: Effect.Effect<Server, never, Services> = Effect.map(
  Effect.context<Services>(),
  (context) => {
    const hyperd = Context.get(context, Hyperd)
    return {
      config: (options) => connectionConfig(hyperd, options),
      exited: hyperd.exited,
      draft: (database, options) => Effect.provideContext(Draft.make(database, options), context),
      checkPath: (database) => Effect.provideContext(Draft.checkPath(database), context)
    }
  }
)

/** A server that runs elsewhere. */
export const remote = ({ endpoint, user }: RemoteOptions): Server => ({
  config: (options) => ({ user, ...settingsOf(options), endpoint, saslPrep: "mapping" }),
  exited: Effect.never,
  draft: undefined,
  checkPath: () => Effect.void
})

/** The use of databases by a session or a pool. */
export interface Usage {
  readonly server: Server
  /** The options to open them with. */
  readonly options: PoolOptions
  /** The paths of the databases that each session attaches, by their names. */
  readonly attach: ReadonlyArray<readonly [name: string, path: string]>
  /** The database as the program names it, and the path of the file that is opened. */
  readonly database: { readonly name: string; readonly file: string } | undefined
  readonly releases: Releases
  /** The file that is built, if it is to replace the database. */
  readonly draft: Draft.Draft | undefined
  /** Waits until the databases are saved, once they have been released. */
  readonly end: (exit: Exit.Exit<unknown, unknown>) => Effect.Effect<void, SaveError>
}

/** @internal */
export const begin = Effect.fnUntraced(function*(server: Server, options: PoolOptions): Effect.fn.Return<Usage> {
  const { create, database } = options
  const attach = Object.entries(options.attach ?? {})
  const releases = releasesOf(options)
  if (create !== "atomic" || database === undefined || server.draft === undefined) {
    const opened = { server, releases, draft: undefined, end: () => releases.saved }
    if (database === undefined) return { ...opened, options, attach, database }
    const named = { name: database, file: database }
    // A session that is opened with one of these names has no database (H-68).
    return ["postgres", server.config(options).user].includes(database)
      ? {
        ...opened,
        options: { ...options, database: undefined },
        attach: [[database, database], ...attach],
        database: named
      }
      : { ...opened, options, attach, database: named }
  }
  const draft = yield* server.draft(database, options)
  const isAlone = attach.length === 0
  const saved = Effect.mapError(
    releases.saved,
    (error) => isAlone ? new SaveError({ databases: error.databases, outcome: "lost", cause: error.cause }) : error
  )
  return {
    server,
    // Its tables have the name of the database that it will be.
    options: { ...options, database: undefined },
    attach: [[database, draft.file], ...attach],
    database: { name: database, file: draft.file },
    releases,
    draft,
    end: (exit) =>
      Effect.matchCauseEffect(saved, {
        onSuccess: () => Exit.isSuccess(exit) ? Effect.onError(draft.publish, () => draft.discard) : draft.discard,
        // The loss of a file that is not wanted is no error.
        onFailure: (lost) =>
          Effect.andThen(
            draft.discard,
            Exit.isFailure(exit) && isAlone ? Effect.void : Effect.failCause(lost)
          )
      })
  }
})

/** @internal */
export const beginScoped = (server: Server, options: PoolOptions): Effect.Effect<Usage, never, Scope.Scope> =>
  Effect.acquireRelease(begin(server, options), ({ end }, exit) => Effect.orDie(end(exit)))

/** Fails if the server is not Hyper: elsewhere a database is no file, and dropping one would be a disaster. */
const requireHyper = ({ server }: Session.Session): Effect.Effect<void, ConnectionConfigError> =>
  server.dialect.fileDatabases
    ? Effect.void
    : Effect.fail(
      new ConnectionConfigError({
        setting: "endpoint",
        kind: "invalid",
        problem: "is that of a server other than Hyper"
      })
    )

/** Creates the database if the options say so. */
const prepareServer = Effect.fnUntraced(
  function*({ database, draft, options, server }: Usage, config: ConnectionConfig) {
    const { create = "never", version } = options
    const isRemote = server.draft === undefined
    const modes = ["never", "always", ...isRemote ? [] : ["atomic"], "if-not-exists", "replace"]
    if (!modes.includes(create)) {
      const problem = create === "atomic"
        ? "atomic replaces a file, which must be on the machine of this program: use Hyper.layer"
        : `must be one of ${modes.join(", ")}`
      return yield* new ConnectionConfigError({ setting: "create", kind: "invalid", problem })
    }
    const isCreated = database !== undefined && create !== "never"
    if (!isCreated && !isRemote) return
    // A session cannot be opened in a database that does not exist yet, and cannot drop its own database.
    const session = yield* Session.make({ ...config, database: undefined })
    yield* requireHyper(session)
    if (!isCreated) return
    const { file, name } = database
    yield* server.checkPath(name)
    if (draft !== undefined) yield* Databases.checkUnused(session, name)
    if (create === "replace") yield* Databases.drop(session, file, { ifExists: true })
    yield* Databases.create(session, file, { version, ifNotExists: create === "if-not-exists" }).pipe(
      Effect.mapError((error) => draft === undefined ? error : DatabaseError.ofDatabase(error, name))
    )
  },
  Effect.scoped
)

const releasesOf = ({ attach = {}, database, saveTimeout }: Options): Releases =>
  new Releases([...database === undefined ? [] : [database], ...Object.values(attach)], saveTimeout)

/** Attaches the session's databases, and releases all of them when the scope closes. */
const prepareSession = Effect.fnUntraced(function*(
  session: Session.Session,
  { attach, releases }: Usage
): Effect.fn.Return<void, QueryError, Scope.Scope> {
  yield* Effect.addFinalizer(() => releases.release(session))
  for (const [name, path] of attach) yield* session.simple(Databases.attachSql(path, name))
})

/** Returns an error about a database as such. */
const mapError = ({ attach, database }: Usage) => <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.mapError(effect, (error) => DatabaseError.fromServer(error, database?.name ?? attach[0]?.[0] ?? ""))

/** @internal */
export const openSession = (usage: Usage): Effect.Effect<
  Session.Session,
  OpenError,
  RemoteServices | Scope.Scope
> =>
  Effect.gen(function*() {
    const startCheckpoints = yield* Checkpoint.resolve(usage.options)
    const config = usage.server.config(usage.options)
    yield* prepareServer(usage, config)
    const session = yield* Session.make(config)
    yield* prepareSession(session, usage)
    return yield* startCheckpoints(session, usage.releases)
  }).pipe(mapError(usage))

/**
 * Fails connection attempts at once with the reason when the server has exited, so that no caller waits for it to come
 * back.
 */
const untilExit = Effect.fnUntraced(function*(server: Server, transport: Transport["Service"]) {
  let error: HyperdError | undefined
  yield* Effect.forkScoped(
    Effect.catch(server.exited, (exited) =>
      Effect.sync(() => {
        error = exited
      })),
    { startImmediately: true }
  )
  return Transport.of({
    ...transport,
    connect: (endpoint, options) =>
      Effect.suspend(() =>
        error === undefined
          ? transport.connect(endpoint, options)
          : Effect.fail(TransportError.fromReason(
            new TransportError.ServerExited({ endpoint: Endpoint.format(endpoint), cause: error })
          ))
      )
  })
})

/** @internal */
export const openPool = (usage: Usage): Effect.Effect<
  Pool.Pool,
  OpenError,
  RemoteServices | Scope.Scope
> =>
  Effect.gen(function*() {
    const { pool, ...options } = usage.options
    const startCheckpoints = yield* Checkpoint.resolve(options)
    const config = usage.server.config(options)
    yield* prepareServer(usage, config)
    const transport = yield* untilExit(usage.server, yield* Transport)
    const made = yield* Pool.make(config, {
      ...pool,
      onConnect: (session) => Effect.andThen(prepareSession(session, usage), pool?.onConnect?.(session) ?? Effect.void)
    }).pipe(Effect.provideService(Transport, transport))
    return yield* startCheckpoints(made, usage.releases)
  }).pipe(mapError(usage))

/** Opens a pool if the options have one, and otherwise a session. */
export const openClient = (usage: Usage): Effect.Effect<Client["Service"], OpenError, RemoteServices | Scope.Scope> =>
  usage.options.pool === undefined ? openSession(usage) : openPool(usage)

/** @internal */
export const withDatabase = <A, E, R>(
  server: Server,
  effect: Effect.Effect<A, E, R>,
  options: PoolOptions
): Effect.Effect<A, E | OpenError | SaveError, RemoteServices | Exclude<R, Client>> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.flatMap(begin(server, options), (usage) => {
      const run = Effect.scopedWith((scope) =>
        Effect.flatMap(
          Scope.provide(openClient(usage), scope),
          (client) => Effect.provideService(effect, Client, client)
        )
      )
      return withEnd(Effect.exit(restore(run)), usage.end)
    })
  )
