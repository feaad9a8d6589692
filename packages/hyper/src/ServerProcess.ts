/**
 * A server that runs as a child process for the lifetime of a scope.
 *
 * The process is started with its output piped, and the output is read for as long as it runs, so that it can neither
 * block on a full pipe nor exit without its last output being captured. When the scope closes, the process is asked to
 * stop, then sent `SIGTERM`, then `SIGKILL`, and always waited for. The caller defines how to ask the server to stop,
 * and when it counts as ready.
 *
 * It does not restart a server, and does not end the server if this process is killed: the server must notice that
 * itself, by a connection or pipe to this process.
 *
 * @since 0.1.0
 */
import * as Deferred from "effect/Deferred"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import type * as PlatformError from "effect/PlatformError"
import * as ChildProcess from "effect/process/ChildProcess"
import * as ChildProcessSpawner from "effect/process/ChildProcessSpawner"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"

/**
 * The exit status of a process.
 *
 * @category models
 * @since 0.1.0
 */
export interface ExitStatus {
  /** The exit code; `undefined` if a signal ended the process. */
  readonly exitCode: number | undefined
  /** The signal that ended it, such as `SIGKILL`. */
  readonly signal: string | undefined
  /** The last part of its output. */
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
  /** Waits until the process has exited. */
  readonly awaitExit: Effect.Effect<ExitStatus>
  /** The last part of its output so far, of both streams. */
  readonly output: Effect.Effect<string>
  /** Waits until the text appears in the output. Never completes if it does not. */
  readonly awaitOutput: (text: string) => Effect.Effect<void>
}

/**
 * Options for starting and stopping a process.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  readonly arguments: ReadonlyArray<string>
  readonly workingDirectory?: string | undefined
  /** Environment variables to set in addition to this process's own; `undefined` removes one. */
  readonly environment?: Readonly<Record<string, string | undefined>> | undefined
  readonly stdin?: ChildProcess.CommandInput | undefined
  readonly additionalFds?: ChildProcess.CommandOptions["additionalFds"]
  /** Asks the server to stop; signals follow after `stopTimeout`. */
  readonly stop?: ((handle: ChildProcessSpawner.ChildProcessHandle) => Effect.Effect<void>) | undefined
  /** Five seconds when absent. */
  readonly stopTimeout?: Duration.Input | undefined
  /**
   * Runs after `stop` once the process is gone: with its exit status, or with `undefined` and its output if it had to
   * be signalled. Not run for a process that had exited before it was asked to stop.
   */
  readonly onStop?: ((ended: ExitStatus | undefined, output: string) => Effect.Effect<void>) | undefined
}

/**
 * The amount of output that is kept, in characters: enough for any start-up failure, and short enough for an error
 * message.
 */
const outputLimit = 16 * 1024

/** Extracts the signal that ended the process from the spawner's error. */
const signalOf = (error: PlatformError.PlatformError): string | undefined =>
  /'(SIG[A-Z0-9]+)'/.exec(error.cause instanceof Error ? error.cause.message : "")?.[1]

/**
 * Starts a program and keeps it running for the scope.
 *
 * **Details**
 *
 * The process leads its own process group, so that `Ctrl-C` in the terminal does not reach it directly, but through the
 * scope's finalizers.
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
    let output = ""
    let stopped: { readonly ended: ExitStatus | undefined } | undefined
    // The first finalizer runs last, after any signals were sent.
    yield* Effect.addFinalizer(() =>
      stopped === undefined ? Effect.void : options.onStop?.(stopped.ended, output) ?? Effect.void
    )
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

    const ended = yield* Deferred.make<ExitStatus>()
    yield* Effect.forkScoped(
      Effect.gen(function*() {
        const how = yield* Effect.match(handle.exitCode, {
          onSuccess: (exitCode) => ({ exitCode: Number(exitCode), signal: undefined }),
          onFailure: (error) => ({ exitCode: undefined, signal: signalOf(error) })
        })
        // The last lines may still be in the pipe. The timeout covers a descendant process that keeps the pipe open.
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
          const status = yield* Effect.timeoutOption(Deferred.await(ended), stopTimeout)
          stopped = { ended: Option.getOrUndefined(status) }
        })
      )
    }

    return {
      pid: Number(handle.pid),
      awaitExit: Deferred.await(ended),
      output: Effect.sync(() => output),
      awaitOutput: (text) =>
        Effect.suspend(() => {
          const deferred = Deferred.makeUnsafe<void>()
          waiting.set(deferred, text)
          announce()
          return Effect.ensuring(Deferred.await(deferred), Effect.sync(() => waiting.delete(deferred)))
        })
    } satisfies ServerProcess as ServerProcess
  }))
