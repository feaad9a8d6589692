/**
 * The release of databases at the end of a session, which saves them.
 *
 * @internal
 */
import * as Query from "@hyperfect/client/Query"
import type { QueryError } from "@hyperfect/client/QueryError"
import type { Session } from "@hyperfect/client/Session"
import * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import { SaveError } from "../../SaveError.ts"
import { detachAll } from "./statements.ts"

/** @internal */
export const defaultSaveTimeout: Duration.Input = "5 minutes"

/** Runs statements without the time limit of queries, which would cancel a save. */
export const unlimited = Query.timeout(Duration.infinity)

/** Runs a release to its end. Returns `undefined` if it takes longer than the timeout. */
export const run = <A, E>(
  release: Effect.Effect<A, E>,
  timeout: Duration.Duration
): Effect.Effect<Exit.Exit<A, E> | undefined> =>
  Effect.flatMap(
    Effect.forkDetach(Effect.exit(release), { startImmediately: true }),
    (fiber) => Effect.map(Effect.timeoutOption(Fiber.join(fiber), timeout), Option.getOrUndefined)
  )

/** Returns the error for a release that failed, or, without a cause, was late. */
export const saveError = (
  databases: ReadonlyArray<string>,
  timeout: Duration.Duration,
  failure: Cause.Cause<QueryError> | undefined
): SaveError => {
  const error = failure && Option.getOrUndefined(Cause.findErrorOption(failure))
  const cause = failure === undefined
    ? new Error(`the server did not answer within ${Duration.toMillis(timeout)} ms`)
    // A defect, such as one of a tracer, may come before the request is sent.
    : error ?? Cause.squash(failure)
  const isLost = error?._tag === "ServerError" && !error.isFatal
  return new SaveError({ databases, outcome: isLost ? "lost" : "unknown", cause })
}

/** Ends the use of databases after an effect. A failure to save comes before that of the effect, and hides none. */
export const withEnd = <A, E, E2, R>(
  exit: Effect.Effect<Exit.Exit<A, E>, never, R>,
  end: (exit: Exit.Exit<A, E>) => Effect.Effect<void, E2>
): Effect.Effect<A, E | E2, R> =>
  Effect.flatMap(exit, (exit) =>
    Effect.matchCauseEffect(end(exit), {
      onSuccess: (): Exit.Exit<A, E | E2> => exit,
      onFailure: (lost) => Exit.failCause(Exit.isFailure(exit) ? Cause.combine<E | E2, E>(lost, exit.cause) : lost)
    }))

/** The databases of one session, or of the sessions of a pool, and the outcome of their release. */
export class Releases {
  private readonly databases: ReadonlyArray<string>
  private readonly timeout: Duration.Duration
  private readonly running = new Set<Fiber.Fiber<void>>()
  private failure: SaveError | undefined
  /** True if a session has not answered in time. */
  private isLate = false

  constructor(databases: ReadonlyArray<string>, timeout: Duration.Input = defaultSaveTimeout) {
    this.databases = databases
    this.timeout = Duration.fromInputUnsafe(timeout)
  }

  /**
   * Releases the databases before a session ends. The server itself releases them only some time after the end, refuses
   * to create or drop the database in between, and may crash if it is dropped at that moment (H-26). The release is
   * uninterruptible, because interrupting it would cancel the save.
   */
  readonly release = (session: Session): Effect.Effect<void> =>
    Effect.suspend(() => {
      if (this.databases.length === 0) return Effect.void
      const released = Effect.map(run(unlimited(detachAll<never>(session)), this.timeout), (exit) => this.note(exit))
      return Effect.flatMap(Effect.forkDetach(released, { startImmediately: true }), (fiber) => {
        this.running.add(fiber)
        return Effect.ensuring(
          Fiber.join(fiber),
          Effect.sync(() => this.running.delete(fiber))
        )
      })
    })

  private note(exit: Exit.Exit<void, QueryError> | undefined): void {
    // The database is saved when the last session releases it; a session that was lost earlier does not count. One that
    // has not answered in time may still have the database, and be the last.
    if (exit !== undefined && Exit.isSuccess(exit)) {
      if (!this.isLate && this.failure?.outcome === "unknown") this.failure = undefined
      return
    }
    this.isLate ||= exit === undefined
    if (this.failure?.outcome !== "lost") this.failure = saveError(this.databases, this.timeout, exit?.cause)
  }

  /** Notes that data was lost, or may be, before the release. */
  fail(failure: SaveError): void {
    this.failure = failure
    this.isLate = true
  }

  /** Waits for releases in progress, and fails if one failed. */
  readonly saved: Effect.Effect<void, SaveError> = Effect.suspend(() =>
    Effect.flatMap(
      Fiber.awaitAll(this.running),
      () => this.failure === undefined ? Effect.void : Effect.fail(this.failure)
    )
  )
}
