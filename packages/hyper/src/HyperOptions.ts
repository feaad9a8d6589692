/**
 * Options of the clients of a Hyper server.
 *
 * @since 0.1.0
 */
import type { ConnectionConfig } from "@hyperfect/client/ConnectionConfig"
import type * as Pool from "@hyperfect/client/Pool"
import type * as Duration from "effect/Duration"
import type { Hyperd } from "./Hyperd.ts"

/**
 * The action taken for the database before the session is opened.
 *
 * **Details**
 *
 * - `"never"`: none; the database must exist.
 * - `"if-not-exists"`: create it unless it exists.
 * - `"always"`: create it; fails if it exists.
 * - `"replace"`: drop it with its contents if it exists, then create it.
 * - `"atomic"`: build it in a temporary file in the same folder, which replaces the database when the scope ends with
 *   success.
 *
 * With `"atomic"` a refresh that fails, dies or is interrupted leaves the old file as it is, and no temporary one. At
 * the end of a successful scope the temporary file is saved, written to the disk with fsync(2), and renamed to the
 * database, then the folder is written to the disk. If any of this fails, the error is a `SaveError`, and its outcome
 * `"lost"` means that the old file is still there. A symbolic link to a file stays, and so does the mode of the file.
 *
 * The scope of `Hyper.withDatabase` is the effect, that of `Hyper.make` the surrounding one, and that of a layer the
 * effect to which it is provided with all that is built on it. Success is the exit with which this scope closes: errors
 * that were handled within count as success, as do those of finalizers.
 *
 * **Gotchas**
 *
 * - A `ManagedRuntime` closes its scope with success when it is disposed of, whatever its programs did.
 * - The database must not be in use by other sessions or programs, except for reading only: otherwise the beginning
 *   fails with the `DatabaseError` `InUse` or `Locked`, and the end with a `SaveError` of that cause. What is opened
 *   while it is being replaced keeps the old file.
 * - A program that is killed leaves the temporary file, named after the database, with the ending `.tmp`.
 *
 * **Example** (A refresh that replaces the file only if it succeeds)
 *
 * ```ts
 * import { Hyper, Hyperd, HyperTable } from "@hyperfect/hyper"
 * import { NodePlatform } from "@hyperfect/node"
 * import { Effect, Layer, Schema } from "effect"
 *
 * const Answer = HyperTable.make("answers", { answer: Schema.Int })
 *
 * const refresh = Effect.andThen(Answer.create, Answer.insert([{ answer: 42 }])).pipe(
 *   Hyper.withDatabase({ database: "/tmp/refreshed.hyper", create: "atomic" })
 * )
 *
 * await Effect.runPromise(Effect.provide(refresh, Hyperd.layer().pipe(Layer.provideMerge(NodePlatform.layer))))
 * ```
 *
 * @category models
 * @since 0.1.0
 */
export type Create = "never" | "if-not-exists" | "always" | "replace" | "atomic"

/**
 * The version of a database's file format, which determines the types it can store and the products that can open it;
 * see the option `defaultDatabaseVersion` of `Hyperd`.
 *
 * @category models
 * @since 0.1.0
 */
export type DatabaseVersion = 2 | 3 | 4

/**
 * Options of a session with the running server. The endpoint and the SASLprep mode come from the server; everything
 * else can be set.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options extends Partial<Omit<ConnectionConfig, "endpoint" | "saslPrep">> {
  /** The path of the database file. Without one, only temporary tables and attached databases can be used. */
  readonly database?: string | undefined
  /** `"never"` when absent. */
  readonly create?: Create | undefined
  /** The format version of a newly created file; the server's default when absent, which `Hyperd` sets to 3. */
  readonly version?: DatabaseVersion | undefined
  /**
   * More databases to attach to each session, keyed by the name they are attached as. They must exist; see
   * {@link attach} for how their tables are named.
   */
  readonly attach?: Readonly<Record<string, string>> | undefined
  /**
   * The time that the server may take to save the databases when they are released at the end; 5 minutes when absent.
   * If they cannot be saved, or not in that time, the scope dies with a `SaveError`.
   */
  readonly saveTimeout?: Duration.Input | undefined
  /**
   * Saves the databases while they are in use, as `Hyper.save` does: at this interval, or each time that so many rows
   * have been copied into tables, by `HyperTable.insert`, `HyperArrow.insert`, `Copy.into` and `copyIn`. Rows of INSERT
   * statements do not count. Never when absent.
   *
   * A checkpoint begins when the statements before it have ended, and later ones wait for it. One that fails because
   * another session uses a database is logged as a warning, and the next one is due as usual. After any other failure
   * there are no more; if data was lost, this is logged, and the scope ends with the `SaveError`.
   */
  readonly checkpoint?: Duration.Input | { readonly everyRows: number } | undefined
}

/**
 * Options of a pool of sessions with the running server.
 *
 * @category models
 * @since 0.1.0
 */
export interface PoolOptions extends Options {
  readonly pool?: Pool.Options | undefined
}

/**
 * Options of a client of a server that runs elsewhere: a `ConnectionConfig`, and what to do with databases.
 *
 * @category models
 * @since 0.1.0
 */
export interface RemoteOptions
  extends Omit<PoolOptions, keyof ConnectionConfig | "create">, Omit<ConnectionConfig, "saslPrep">
{
  /**
   * The path of the database file on the machine of the server, which resolves a relative one against its own working
   * directory.
   */
  readonly database?: string | undefined
  /** `"never"` when absent. */
  readonly create?: Exclude<Create, "atomic"> | undefined
  /** The user, to whom alone the databases belong that are created; see the option `user` of `Hyperd`. */
  readonly user: ConnectionConfig["user"]
  /** The options of the pool; one session when absent. */
  readonly pool?: Pool.Options | undefined
}

/**
 * Returns the connection settings among the options.
 *
 * @internal
 */
export const settingsOf = ({
  attach: _attach,
  checkpoint: _checkpoint,
  create: _create,
  saveTimeout: _saveTimeout,
  version: _version,
  ...settings
}: Options) => settings

/**
 * Returns the connection settings for a running server: its own user and password unless the options override them.
 *
 * @category converting
 * @since 0.1.0
 */
export const connectionConfig = (hyperd: Hyperd["Service"], options: Options = {}): ConnectionConfig => {
  const settings = settingsOf(options)
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
