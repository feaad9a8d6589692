/**
 * A client of a Hyper server that this program runs, and the databases of such a server.
 *
 * A database of Hyper is a file. A session names the one it works in when it is opened, and can attach more. Paths are the
 * server's: a relative one begins at its working directory, which is ours unless `Hyperd` was told another.
 *
 * @since 0.1.0
 */
import type * as Authenticate from "@hyperfect/auth/Authenticate"
import { Client, type ClientError } from "@hyperfect/client/Client"
import type { ConnectionConfig } from "@hyperfect/client/ConnectionConfig"
import * as Pool from "@hyperfect/client/Pool"
import type { QueryError } from "@hyperfect/client/QueryError"
import * as Session from "@hyperfect/client/Session"
import { identifier } from "@hyperfect/client/Statement"
import type { Transport } from "@hyperfect/transport/Transport"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import { Hyperd } from "./Hyperd.ts"

/**
 * What to do about the database before the session is opened.
 *
 * **Details**
 *
 * - `"never"`: nothing; it has to exist.
 * - `"if-not-exists"`: create it unless it exists.
 * - `"always"`: create it, and fail when it exists.
 * - `"replace"`: drop it if it exists, with everything in it, and create it.
 *
 * @category models
 * @since 0.1.0
 */
export type Create = "never" | "if-not-exists" | "always" | "replace"

/**
 * The version of a database's file format. Only 4 can keep every type that Hyper has; see `Hyperd.Options`.
 *
 * @category models
 * @since 0.1.0
 */
export type DatabaseVersion = 2 | 3 | 4

/**
 * Where to connect to, and as whom, is the server's to say; everything else can be set.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options extends Partial<Omit<ConnectionConfig, "endpoint" | "saslPrep">> {
  /** The path of the file. Without one only temporary tables and what is attached can be used. */
  readonly database?: string | undefined
  /** `"never"` when absent. */
  readonly create?: Create | undefined
  /** The version of a file that is created; the server's default when absent. */
  readonly version?: DatabaseVersion | undefined
  /**
   * Databases to attach to each session besides, by the names that they get. They have to exist; see {@link attach} for
   * how their tables are named.
   */
  readonly attach?: Readonly<Record<string, string>> | undefined
}

/**
 * How a pool of sessions with the running server is to behave.
 *
 * @category models
 * @since 0.1.0
 */
export interface PoolOptions extends Options {
  readonly pool?: Pool.Options | undefined
}

/**
 * How to connect to a server that runs: with its own user and password unless the options say others.
 *
 * @category converting
 * @since 0.1.0
 */
export const connectionConfig = (hyperd: Hyperd["Service"], options: Options = {}): ConnectionConfig => {
  const { attach: _attach, create: _create, version: _version, ...settings } = options
  const { endpoint, password, saslPrep, sslMode, user } = hyperd
  return {
    ...settings,
    endpoint,
    user: settings.user ?? user,
    password: settings.password ?? password,
    sslMode: settings.sslMode ?? sslMode,
    saslPrep
  }
}

const prepareDatabase = (path: string, create: Exclude<Create, "never">, version: DatabaseVersion | undefined) => {
  switch (create) {
    case "always":
      return createDatabase(path, { version })
    case "if-not-exists":
      return createDatabase(path, { version, ifNotExists: true })
    case "replace":
      return Effect.andThen(dropDatabase(path, { ifExists: true }), createDatabase(path, { version }))
  }
}

/** Creates the database, if it is to be created. */
const prepareServer = Effect.fnUntraced(
  function*({ create = "never", database, version }: Options, config: ConnectionConfig) {
    if (database === undefined || create === "never") return
    // A session cannot be opened with a database that is not there yet, nor drop the one that it is in.
    yield* Session.make({ ...config, database: undefined }).pipe(
      Effect.flatMap((session) => Effect.provideService(prepareDatabase(database, create, version), Client, session)),
      Effect.scoped
    )
  }
)

/** Attaches what the session is to have, and lets go of everything at its end. */
const prepareSession = Effect.fnUntraced(function*(
  session: Session.Session,
  { attach = {}, database }: Options
): Effect.fn.Return<void, QueryError, Scope.Scope> {
  if (database !== undefined || Object.keys(attach).length > 0) yield* Effect.addFinalizer(() => detachAll(session))
  for (const [name, path] of Object.entries(attach)) yield* session.simple(attachText(path, name))
})

/**
 * Opens a session with the running server, for the scope.
 *
 * @see {@link layer} for what it does
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function*(options: Options = {}): Effect.fn.Return<
  Session.Session,
  Session.ConnectError | ClientError,
  Hyperd | Transport | Authenticate.Services | Scope.Scope
> {
  const config = connectionConfig(yield* Hyperd, options)
  yield* prepareServer(options, config)
  const session = yield* Session.make(config)
  yield* prepareSession(session, options)
  return session
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
  Pool.Pool,
  Session.ConnectError | ClientError,
  Hyperd | Transport | Authenticate.Services | Scope.Scope
> {
  const { pool, ...own } = options
  const config = connectionConfig(yield* Hyperd, own)
  yield* prepareServer(own, config)
  return yield* Pool.make(config, {
    ...pool,
    onConnect: (session) => Effect.andThen(prepareSession(session, own), pool?.onConnect?.(session) ?? Effect.void)
  })
})

/**
 * Lets go of the databases before the session ends. The server itself does it only some time after the end, refuses to
 * create or drop the database in between, and may crash when it is dropped at that moment (measured).
 */
const detachAll = (session: Session.Session): Effect.Effect<void> =>
  Effect.ignore(Effect.timeoutOption(session.simple("DETACH DATABASE *"), "1 second"))

/**
 * A client of the running server, in a database that is created before if the option `create` says so.
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
  Session.ConnectError | ClientError,
  Hyperd | Transport | Authenticate.Services
> => Layer.effect(Client, make(options))

/**
 * A client over a pool of sessions with the running server, each of them in the same databases.
 *
 * **When to use**
 *
 * Use where several queries are to run at once: a session of Hyper runs one after the other.
 *
 * **Example** (Two files, read at once)
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
  Client,
  Session.ConnectError | ClientError,
  Hyperd | Transport | Authenticate.Services
> => Layer.effect(Client, makePool(options))

const execute = (text: string): Effect.Effect<void, ClientError, Client> =>
  Effect.flatMap(Client, (client) => Effect.asVoid(client.simple(text)))

const quoted = (name: string): string => identifier(name).text

const attachText = (path: string, name: string): string => `ATTACH DATABASE ${quoted(path)} AS ${quoted(name)}`

/**
 * Creates a database: a new file. That it exists is the `ServerError` `DuplicateDatabase`.
 *
 * @category databases
 * @since 0.1.0
 */
export const createDatabase = (
  path: string,
  options: { readonly ifNotExists?: boolean | undefined; readonly version?: DatabaseVersion | undefined } = {}
): Effect.Effect<void, ClientError, Client> =>
  execute(
    `CREATE DATABASE ${options.ifNotExists === true ? "IF NOT EXISTS " : ""}${quoted(path)}${
      options.version === undefined ? "" : ` WITH VERSION ${options.version}`
    }`
  )

/**
 * Drops a database and deletes its file. That a session uses it is the `ServerError` `ObjectInUse`.
 *
 * @category databases
 * @since 0.1.0
 */
export const dropDatabase = (
  path: string,
  options: { readonly ifExists?: boolean | undefined } = {}
): Effect.Effect<void, ClientError, Client> =>
  execute(`DROP DATABASE ${options.ifExists === true ? "IF EXISTS " : ""}${quoted(path)}`)

/**
 * Attaches a database to the session, under a name for it.
 *
 * **Gotchas**
 *
 * - With more than one database attached, a table is found only by a name that says its database; see the option
 *   `database` of `HyperTable.make`.
 * - It is this session's alone. Over a pool, whose statements run on any of its sessions, use the option `attach` of
 *   {@link layerPool}.
 *
 * @category databases
 * @since 0.1.0
 */
export const attach = (path: string, name: string): Effect.Effect<void, ClientError, Client> =>
  execute(attachText(path, name))

/**
 * Detaches a database from the session, by the name that it was attached as. The one that the session was opened with has
 * its path for a name.
 *
 * @category databases
 * @since 0.1.0
 */
export const detach = (name: string): Effect.Effect<void, ClientError, Client> =>
  execute(`DETACH DATABASE ${quoted(name)}`)
