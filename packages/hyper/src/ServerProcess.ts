/**
 * A server that runs as a child process for as long as a scope lives.
 *
 * The process is started with its output piped, and the output is read for as long as it runs, so that it can neither
 * block on a full pipe nor end without its last words being known. When the scope closes it is asked to stop, then told
 * to (`SIGTERM`), then killed (`SIGKILL`), and always waited for. What starts the server decides what a polite request
 * to stop is, and when it counts as ready.
 *
 * It does not restart a server, and it does not tie the process to ours when ours is killed: the server must notice that
 * itself, by a connection or a pipe that it holds to us.
 *
 * @since 0.1.0
 */
import * as Deferred from "effect/Deferred"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type * as PlatformError from "effect/PlatformError"
import * as ChildProcess from "effect/process/ChildProcess"
import * as ChildProcessSpawner from "effect/process/ChildProcessSpawner"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"

/**
 * How a process ended.
 *
 * @category models
 * @since 0.1.0
 */
export interface Ended {
  /** What it returned; `undefined` when a signal ended it. */
  readonly exitCode: number | undefined
  /** The signal that ended it, such as `SIGKILL`. */
  readonly signal: string | undefined
  /** The end of what it printed. */
  readonly output: string
}

/**
 * A running server.
 *
 * @category models
 * @since 0.1.0
 */
export interface ServerProcess {
  readonly pid: number
  /** Waits until the process has ended. */
  readonly ended: Effect.Effect<Ended>
  /** The end of what it has printed so far, on both streams. */
  readonly output: Effect.Effect<string>
  /** Waits until the text stands in the output. Never completes when it does not come. */
  readonly printed: (text: string) => Effect.Effect<void>
}

/**
 * How a process is started and stopped.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  readonly arguments: ReadonlyArray<string>
  readonly workingDirectory?: string | undefined
  /** Variables set on top of our own environment; `undefined` removes one. */
  readonly environment?: Readonly<Record<string, string | undefined>> | undefined
  readonly stdin?: ChildProcess.CommandInput | undefined
  readonly additionalFds?: ChildProcess.CommandOptions["additionalFds"]
  /** Asks the server politely to stop; it gets `stopTimeout` for it before signals follow. */
  readonly stop?: ((handle: ChildProcessSpawner.ChildProcessHandle) => Effect.Effect<void>) | undefined
  /** Five seconds when absent. */
  readonly stopTimeout?: Duration.Input | undefined
}

/** How much of the output is kept: enough for any start-up failure, little enough for an error message. */
const outputLimit = 16 * 1024

/** What ended the process, out of the failure that the spawner reports for a signal. */
const signalOf = (error: PlatformError.PlatformError): string | undefined =>
  /'(SIG[A-Z0-9]+)'/.exec(error.cause instanceof Error ? error.cause.message : "")?.[1]

/**
 * Starts a program and keeps it for the scope.
 *
 * **Details**
 *
 * The process leads a process group of its own, so that a `Ctrl-C` in the terminal reaches it through our finalizers and
 * not behind our back.
 *
 * @category constructors
 * @since 0.1.0
 */
export const start = (
  program: string,
  options: Options
): Effect.Effect<
  ServerProcess,
  PlatformError.PlatformError,
  ChildProcessSpawner.ChildProcessSpawner | Scope.Scope
> =>
  Effect.uninterruptible(Effect.gen(function*() {
    const stopTimeout = options.stopTimeout ?? "5 seconds"
    const spawner = yield* ChildProcessSpawner.ChildProcessSpawner
    const handle = yield* spawner.spawn(ChildProcess.make(program, options.arguments, {
      cwd: options.workingDirectory,
      env: { ...options.environment },
      extendEnv: true,
      stdin: options.stdin ?? "ignore",
      stdout: "pipe",
      stderr: "pipe",
      additionalFds: options.additionalFds,
      killSignal: "SIGTERM",
      forceKillAfter: stopTimeout
    }))

    let output = ""
    const waiting = new Map<Deferred.Deferred<void>, string>()
    const announce = (): void => {
      for (const [deferred, text] of waiting) {
        if (!output.includes(text)) continue
        waiting.delete(deferred)
        Deferred.doneUnsafe(deferred, Effect.void)
      }
    }
    const reader = yield* Effect.forkScoped(
      Effect.ignore(Stream.runForEach(Stream.decodeText(handle.all), (text) =>
        Effect.sync(() => {
          output = (output + text).slice(-outputLimit)
          announce()
        }))),
      { startImmediately: true }
    )

    const ended = yield* Deferred.make<Ended>()
    yield* Effect.forkScoped(
      Effect.gen(function*() {
        const how = yield* Effect.match(handle.exitCode, {
          onSuccess: (exitCode) => ({ exitCode: Number(exitCode), signal: undefined }),
          onFailure: (error) => ({ exitCode: undefined, signal: signalOf(error) })
        })
        // The last lines may still be in the pipe. A descendant that holds the pipe open must not hold us.
        yield* Effect.timeoutOption(Fiber.await(reader), "1 second")
        yield* Deferred.succeed(ended, { ...how, output })
      }),
      { startImmediately: true }
    )

    const stop = options.stop
    if (stop !== undefined) {
      yield* Effect.addFinalizer(() =>
        Effect.gen(function*() {
          if (yield* Deferred.isDone(ended)) return
          yield* stop(handle)
          yield* Effect.timeoutOption(Deferred.await(ended), stopTimeout)
        })
      )
    }

    return {
      pid: Number(handle.pid),
      ended: Deferred.await(ended),
      output: Effect.sync(() => output),
      printed: (text) =>
        Effect.suspend(() => {
          const deferred = Deferred.makeUnsafe<void>()
          waiting.set(deferred, text)
          announce()
          return Effect.ensuring(Deferred.await(deferred), Effect.sync(() => waiting.delete(deferred)))
        })
    } satisfies ServerProcess as ServerProcess
  }))
