/**
 * The Hyper server as a scoped layer.
 *
 * {@link layer} starts `hyperd`, waits for its report, and provides what a client needs to connect. The server reports
 * over a connection that it opens to us, and watches that connection from then on: it ends when we close it, and also
 * when our process is killed and closes nothing. So no server outlives the scope, and none is ever orphaned.
 *
 * It is ready after some 0.1 seconds, and gone after some 0.05. Statements that run are stopped, open transactions are
 * rolled back, and clients see the end of the stream. A server that does not go gets `SIGTERM` and then `SIGKILL`.
 *
 * The password goes to the server's standard input; it is in no argument, variable, file, log, error or span.
 *
 * The program is not part of this package. It comes from Tableau, in the npm packages `hyperdb-mcp-<platform>`, or from
 * wherever the option `path` or the variable `HYPERD_PATH` says.
 *
 * When our process is killed, the log stays in the system's directory for temporary files.
 *
 * This module does not connect to the server, and it creates no database.
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
import { EndpointUnusable, Exited, fromReason, type HyperdError, SpawnFailed, StartTimeout } from "./HyperdError.ts"
import type { Options } from "./HyperdOptions.ts"
import * as HyperEndpoint from "./HyperEndpoint.ts"
import * as Callback from "./internal/callback.ts"
import * as HyperdOptions from "./internal/hyperdOptions.ts"
import * as Program from "./internal/program.ts"
import * as ServerProcess from "./ServerProcess.ts"

export type { Listen, Options, TlsOptions } from "./HyperdOptions.ts"

/**
 * A Hyper server that runs for as long as the layer lives.
 *
 * **Details**
 *
 * The service is a `ConnectionConfig` of `@hyperfect/client`: a session can be opened with it as it is, and
 * `{ ...hyperd, database: "my.hyper" }` is one with a database.
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
 * const Server = Hyperd.layer({ user: "me", password: Redacted.make("s3cret") })
 *
 * await Effect.runPromise(program.pipe(Effect.provide(Server.pipe(Layer.provide(NodePlatform.layer)))))
 * ```
 *
 * @category services
 * @since 0.1.0
 */
export class Hyperd extends Context.Service<Hyperd, {
  /** Where to connect: the first of `endpoints`. */
  readonly endpoint: Endpoint.Endpoint
  /** Every place that the server listens at, in the order of the option `listen`. */
  readonly endpoints: NonEmptyReadonlyArray<Endpoint.Endpoint>
  readonly user: string
  readonly authentication: "trust" | "password"
  /** The password, when there is one. */
  readonly password: Redacted.Redacted<string> | undefined
  /** `require` when the server refuses connections without TLS. */
  readonly sslMode: SslMode
  /** How Hyper prepares a password. */
  readonly saslPrep: "mapping"
  /** Whether the server speaks TLS, and with which certificate (PEM). */
  readonly tls: { readonly required: boolean; readonly certificate: string } | undefined
  /** The program that runs. */
  readonly path: string
  readonly pid: number
  readonly logDirectory: string
  readonly workingDirectory: string
  /** Fails when the server ends although it should run; race a program with it. Never succeeds. */
  readonly exited: Effect.Effect<never, HyperdError>
}>()("@hyperfect/hyper/Hyperd") {}

/** What a shell returns for a program that cannot be run, and the loader for one that lacks a library. */
const notRun: ReadonlyArray<number | undefined> = [126, 127]

const exited = (
  phase: "starting" | "running",
  program: string,
  { exitCode, output, signal }: ServerProcess.Ended
) =>
  phase === "starting" && notRun.includes(exitCode)
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
  const stopTimeout = options.stopTimeout ?? "10 seconds"

  yield* HyperdOptions.checkOptions(options)
  const program = yield* Program.find(options.path)
  const workingDirectory = path.resolve(options.workingDirectory ?? ".")
  const { type } = yield* HyperdOptions.failedTo(`enter ${workingDirectory}`)(fs.stat(workingDirectory))
  if (type !== "Directory") return yield* HyperdOptions.invalid("workingDirectory", "is not a directory")
  const directory = yield* Effect.acquireRelease(
    HyperdOptions.failedTo("make a directory")(fs.makeTempDirectory({ prefix: "hyperfect-hyperd-" })),
    (made) => Effect.ignore(fs.remove(made, { recursive: true, force: true }))
  )
  const logDirectory = path.resolve(options.logDirectory ?? directory)
  yield* HyperdOptions.failedTo(`make ${logDirectory}`)(fs.makeDirectory(logDirectory, { recursive: true }))
  const endpoints = yield* HyperdOptions.endpointsOf(options, directory)
  const tls = yield* HyperdOptions.tlsOf(options.tls, directory)

  const listening = yield* Scope.fork(yield* Effect.scope)
  const callback = yield* HyperdOptions.failedTo("listen for the server's report")(
    Scope.provide(listener.listen(Endpoint.tcp("127.0.0.1", 0)), listening)
  )

  // Holds the callback connection; closing it is what stops the server.
  const lifeline = yield* Scope.fork(yield* Effect.scope)
  let reported = false
  const [command, ...before] = HyperdOptions.commandOf(program)
  const server = yield* ServerProcess.start(command, {
    arguments: [
      ...before,
      ...HyperdOptions.argumentsOf(options, { user, endpoints, callback: callback.endpoint, logDirectory, tls })
    ],
    workingDirectory,
    environment: options.environment,
    // It asks twice; with no second line it would ask for ever.
    stdin: password === undefined
      ? "ignore"
      : Stream.encodeText(Stream.make(`${Redacted.value(password)}\n${Redacted.value(password)}\n`)),
    // Before its report the server does not watch us yet.
    stop: (handle) =>
      reported
        ? Scope.close(lifeline, Exit.void)
        : Effect.ignore(handle.kill({ killSignal: "SIGTERM", forceKillAfter: stopTimeout })),
    stopTimeout
  }).pipe(Effect.mapError((cause) => fromReason(new SpawnFailed({ path: program, cause }))))

  const report = Effect.gen(function*() {
    const connection: Connection = yield* Scope.provide(callback.accept, lifeline)
    reported = true
    return yield* Callback.read(connection)
  }).pipe(Effect.catch((error) =>
    error._tag === "CallbackMalformed"
      ? Effect.fail(fromReason(error))
      // The server has hung up: it is about to end, and then says why.
      : Effect.flatMap(server.ended, (ended) => exited("starting", program, ended))
  ))
  const descriptor = yield* Effect.raceFirst(
    report,
    Effect.flatMap(server.ended, (ended) => exited("starting", program, ended))
  ).pipe(Effect.timeoutOrElse({
    duration: startTimeout,
    orElse: () =>
      Effect.flatMap(
        server.output,
        (output) => fromReason(new StartTimeout({ milliseconds: Duration.toMillis(startTimeout), output }))
      )
  }))
  yield* Scope.close(listening, Exit.void)
  // It has read them, and would leave them behind if we were killed.
  if (tls !== undefined) yield* Effect.forEach(tls.ours, (file) => Effect.ignore(fs.remove(file)), { discard: true })
  // A server without a licence reports all the same, and ends a moment later.
  if ((yield* server.output).includes("licensing failure")) {
    return yield* exited("starting", program, yield* server.ended)
  }

  const bound = HyperEndpoint.parse(descriptor)
  const asksForPort = endpoints.some((endpoint) => endpoint._tag === "Tcp" && endpoint.port === 0)
  if (bound === undefined || asksForPort && bound._tag !== "Tcp") {
    return yield* fromReason(new EndpointUnusable({ endpoint: descriptor, problem: "it is none that was asked for" }))
  }
  const [endpoint, ...others] = endpoints.map((asked) =>
    HyperdOptions.reachable(asked._tag === "Tcp" && asked.port === 0 ? bound : asked)
  )
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
    exited: Effect.flatMap(server.ended, (ended) => exited("running", program, ended))
  })
})

/**
 * A Hyper server for the life of the layer.
 *
 * **When to use**
 *
 * Use once in a program. `NodePlatform.layer` of `@hyperfect/node` provides everything it needs.
 *
 * **Gotchas**
 *
 * Without a password every process on this machine can connect to a server on TCP. A server that only our own user
 * shall reach listens on `"unix"`.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options: Options = {}): Layer.Layer<
  Hyperd,
  HyperdError,
  ChildProcessSpawner.ChildProcessSpawner | FileSystem.FileSystem | Listener.Listener | Path.Path
> => Layer.effect(Hyperd, make(options))
