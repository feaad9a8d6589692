/**
 * The Hyper server as a scoped layer.
 *
 * {@link layer} starts `hyperd`, waits for its report, and provides the settings that a client needs to connect. The
 * server opens a callback connection to this process to send its report, and watches it from then on: the server exits
 * when that connection is closed, including when this process is killed. No server outlives its scope or its process.
 *
 * The server is ready after about 0.1 seconds, and stops in about 0.05. On stopping, running statements are aborted,
 * open transactions are rolled back, and clients see the end of the stream. A server that does not stop gets `SIGTERM`
 * and then `SIGKILL`. If it had to be killed, or crashes while stopping, the scope dies with a defect, because unsaved
 * data is lost.
 *
 * The password is written to the server's standard input; it appears in no argument, variable, file, log, error or
 * span.
 *
 * The program is not part of this package. It comes from Tableau, in the npm packages `hyperdb-mcp-<platform>`, or from
 * the location given by the option `path` or the variable `HYPERD_PATH`.
 *
 * If this process is killed, the log remains in the system's directory for temporary files.
 *
 * This module does not connect to the server and creates no database.
 *
 * @since 0.1.0
 */
import type { SslMode } from "@hyperfect/client/ConnectionConfig"
import type { Connection } from "@hyperfect/transport/Connection"
import * as Endpoint from "@hyperfect/transport/Endpoint"
import * as Listener from "@hyperfect/transport/Listener"
import type { NonEmptyReadonlyArray } from "effect/Array"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Path from "effect/Path"
import type * as ChildProcessSpawner from "effect/process/ChildProcessSpawner"
import * as Redacted from "effect/Redacted"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import {
  EndpointUnusable,
  Exited,
  fromReason,
  type HyperdError,
  Killed,
  SpawnFailed,
  StartTimeout
} from "./HyperdError.ts"
import type { Options } from "./HyperdOptions.ts"
import * as HyperEndpoint from "./HyperEndpoint.ts"
import * as Host from "./internal/host.ts"
import * as Callback from "./internal/hyperd/callback.ts"
import * as CommandLine from "./internal/hyperd/commandLine.ts"
import * as Executable from "./internal/hyperd/executable.ts"
import * as ServerProcess from "./ServerProcess.ts"

export type { Listen, Options, TlsOptions } from "./HyperdOptions.ts"

/**
 * A Hyper server that runs for the lifetime of the layer.
 *
 * **Details**
 *
 * The service is a `ConnectionConfig` of `@hyperfect/client`: a session can be opened with it as it is, or with `{
 * ...hyperd, database: "my.hyper" }` in a database.
 *
 * **Example** (A server for a program)
 *
 * ```ts
 * import { Hyperd } from "@hyperfect/hyper"
 * import { NodePlatform } from "@hyperfect/node"
 * import { Endpoint } from "@hyperfect/transport"
 * import { Effect, Layer, Redacted } from "effect"
 *
 * const program = Effect.gen(function*() {
 *   const hyperd = yield* Hyperd.Hyperd
 *   console.log(`${hyperd.user} by ${hyperd.authentication} at ${Endpoint.format(hyperd.endpoint)}`)
 * })
 *
 * const Server = Hyperd.layer({ password: Redacted.make("s3cret") })
 *
 * await Effect.runPromise(program.pipe(Effect.provide(Server.pipe(Layer.provide(NodePlatform.layer)))))
 * ```
 *
 * @category services
 * @since 0.1.0
 */
export class Hyperd extends Context.Service<Hyperd, {
  /** The endpoint to connect to: the first of `endpoints`. */
  readonly endpoint: Endpoint.Endpoint
  /** Every endpoint that the server listens on, in the order of the option `listen`. */
  readonly endpoints: NonEmptyReadonlyArray<Endpoint.Endpoint>
  readonly user: string
  readonly authentication: "trust" | "password"
  /** The password, if there is one. */
  readonly password: Redacted.Redacted<string> | undefined
  /** `require` if the server rejects connections without TLS. */
  readonly sslMode: SslMode
  /** The way in which Hyper prepares a password. */
  readonly saslPrep: "mapping"
  /** The server's certificate (PEM) and TLS policy; `undefined` if the server does not offer TLS. */
  readonly tls: { readonly required: boolean; readonly certificate: string } | undefined
  /** The path of the running program. */
  readonly path: string
  readonly pid: number
  readonly logDirectory: string
  readonly workingDirectory: string
  /** Fails if the server exits unexpectedly; race a program with it. Never succeeds. */
  readonly exited: Effect.Effect<never, HyperdError>
}>()("@hyperfect/hyper/Hyperd") {}

/** The exit codes of a shell for a program that cannot be run, and of the loader for one that lacks a library. */
const spawnFailureCodes: ReadonlyArray<number | undefined> = [126, 127]

/** True if the server crashed; any other signal was sent deliberately from outside. */
const isBreakdown = ({ exitCode, signal }: ServerProcess.ExitStatus): boolean =>
  exitCode === undefined ? ["SIGABRT", "SIGBUS", "SIGFPE", "SIGILL", "SIGSEGV"].includes(signal ?? "") : exitCode !== 0

const exitError = (
  phase: "starting" | "running" | "stopping",
  program: string,
  { exitCode, output, signal }: ServerProcess.ExitStatus
) =>
  phase === "starting" && spawnFailureCodes.includes(exitCode)
    ? fromReason(new SpawnFailed({ path: program, cause: new Error(output.trim()) }))
    : fromReason(
      new Exited({
        phase,
        output,
        ...exitCode === undefined ? {} : { exitCode },
        ...signal === undefined ? {} : { signal }
      })
    )

/**
 * Starts a server for the scope.
 *
 * @see {@link layer} for the same as a layer
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function*(options: Options = {}): Effect.fn.Return<
  Hyperd["Service"],
  HyperdError,
  | ChildProcessSpawner.ChildProcessSpawner
  | FileSystem.FileSystem
  | Listener.Listener
  | Path.Path
  | Scope.Scope
> {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const listener = yield* Listener.Listener
  const user = options.user ?? "tableau_internal_user"
  const password = options.password
  const startTimeout = Duration.fromInputUnsafe(options.startTimeout ?? "30 seconds")
  const stopTimeout = Duration.fromInputUnsafe(options.stopTimeout ?? "10 seconds")

  yield* CommandLine.checkOptions(options)
  const program = yield* Executable.find(options.path, Host.current)
  const workingDirectory = path.resolve(options.workingDirectory ?? ".")
  const { type } = yield* CommandLine.mapSystemError(`enter ${workingDirectory}`)(fs.stat(workingDirectory))
  if (type !== "Directory") return yield* CommandLine.optionInvalid("workingDirectory", "is not a directory")
  const directory = yield* Effect.acquireRelease(
    CommandLine.mapSystemError("make a directory")(fs.makeTempDirectory({ prefix: "hyperfect-hyperd-" })),
    (made) => Effect.ignore(fs.remove(made, { recursive: true, force: true }))
  )
  const logDirectory = path.resolve(options.logDirectory ?? directory)
  yield* CommandLine.mapSystemError(`make ${logDirectory}`)(fs.makeDirectory(logDirectory, { recursive: true }))
  const endpoints = yield* CommandLine.resolveEndpoints(options, directory, Host.current.platform)
  const tls = yield* CommandLine.prepareTls(options.tls, directory)

  const listenerScope = yield* Scope.fork(yield* Effect.scope)
  const callback = yield* CommandLine.mapSystemError("listen for the server's report")(
    Scope.provide(listener.listen(Endpoint.tcp("127.0.0.1", 0)), listenerScope)
  )

  // Holds the callback connection; closing it stops the server.
  const callbackScope = yield* Scope.fork(yield* Effect.scope)
  let reported = false
  let isRunning = false
  const [command, ...before] = CommandLine.spawnCommand(program, Host.current.platform)
  const server = yield* ServerProcess.start(command, {
    arguments: [
      ...before,
      ...CommandLine.commandArguments(options, { user, endpoints, callback: callback.endpoint, logDirectory, tls })
    ],
    workingDirectory,
    environment: options.environment,
    // The server prompts twice, and would repeat the prompt forever without a second line.
    stdin: password === undefined
      ? "ignore"
      : Stream.encodeText(Stream.make(`${Redacted.value(password)}\n${Redacted.value(password)}\n`)),
    // The server watches the callback connection only after its report.
    stop: (handle) =>
      reported
        ? Scope.close(callbackScope, Exit.void)
        : Effect.ignore(handle.kill({ killSignal: "SIGTERM", forceKillAfter: stopTimeout })),
    stopTimeout,
    onStop: (ended, output) =>
      !isRunning || (ended !== undefined && !isBreakdown(ended))
        ? Effect.void
        : Effect.die(
          ended === undefined
            ? fromReason(new Killed({ milliseconds: Duration.toMillis(stopTimeout), output }))
            : exitError("stopping", program, ended)
        )
  }).pipe(Effect.mapError((cause) => fromReason(new SpawnFailed({ path: program, cause }))))

  const report = Effect.gen(function*() {
    const connection: Connection = yield* Scope.provide(callback.accept, callbackScope)
    reported = true
    return yield* Callback.read(connection)
  }).pipe(Effect.catch((error) =>
    error._tag === "CallbackMalformed"
      ? Effect.fail(fromReason(error))
      // The server closed the callback connection: it is about to exit, and its output then has the reason.
      : Effect.flatMap(server.awaitExit, (ended) => exitError("starting", program, ended))
  ))
  const descriptor = yield* Effect.raceFirst(
    report,
    Effect.flatMap(server.awaitExit, (ended) => exitError("starting", program, ended))
  ).pipe(Effect.timeoutOrElse({
    duration: startTimeout,
    orElse: () =>
      Effect.flatMap(
        server.output,
        (output) => fromReason(new StartTimeout({ milliseconds: Duration.toMillis(startTimeout), output }))
      )
  }))
  yield* Scope.close(listenerScope, Exit.void)
  // The server has read the files. If this process were killed, they would be left behind.
  if (tls !== undefined) {
    yield* Effect.forEach(tls.temporaryFiles, (file) => Effect.ignore(fs.remove(file)), { discard: true })
  }
  // A server without a licence still reports, and exits a moment later.
  if ((yield* server.output).includes("licensing failure")) {
    return yield* exitError("starting", program, yield* server.awaitExit)
  }

  const bound = HyperEndpoint.parse(descriptor)
  const asksForPort = endpoints.some((endpoint) => endpoint._tag === "Tcp" && endpoint.port === 0)
  if (bound === undefined || asksForPort && bound._tag !== "Tcp") {
    return yield* fromReason(
      new EndpointUnusable({ endpoint: descriptor, problem: "it is not one of the requested endpoints" })
    )
  }
  const [endpoint, ...others] = endpoints.map((asked) =>
    CommandLine.connectableEndpoint(asked._tag === "Tcp" && asked.port === 0 ? bound : asked)
  )
  isRunning = true
  return Hyperd.of({
    endpoint: endpoint!,
    endpoints: [endpoint!, ...others],
    user,
    authentication: password === undefined ? "trust" : "password",
    password,
    sslMode: tls?.required === true ? "require" : "disable",
    saslPrep: "mapping",
    tls: tls === undefined ? undefined : { required: tls.required, certificate: tls.certificate },
    path: program,
    pid: server.pid,
    logDirectory,
    workingDirectory,
    exited: Effect.flatMap(server.awaitExit, (ended) => exitError("running", program, ended))
  })
})

/**
 * Provides a Hyper server for the lifetime of the layer.
 *
 * **When to use**
 *
 * Use once in a program. `NodePlatform.layer` of `@hyperfect/node` provides everything it needs.
 *
 * **Gotchas**
 *
 * Without a password, every process on this machine can connect to a server that listens on TCP. Use `"unix"` for a
 * server that only the current user may reach.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options: Options = {}): Layer.Layer<
  Hyperd,
  HyperdError,
  ChildProcessSpawner.ChildProcessSpawner | FileSystem.FileSystem | Listener.Listener | Path.Path
> => Layer.effect(Hyperd, make(options))
