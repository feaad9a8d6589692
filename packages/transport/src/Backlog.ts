/**
 * Connections that came in and wait to be accepted: what every `Listener` needs behind its `accept`.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Accepted } from "./Listener.ts"
import * as TransportError from "./TransportError.ts"

/**
 * A connection that its owner closes by hand.
 *
 * @category models
 * @since 0.1.0
 */
export interface Closeable extends Accepted {
  readonly close: Effect.Effect<void>
}

/**
 * A queue of connections, from whoever lets them in to whoever accepts them.
 *
 * @category models
 * @since 0.1.0
 */
export interface Backlog {
  /** Adds a connection that came in. The backlog closes it unless somebody accepts it. */
  readonly offerUnsafe: (connection: Closeable) => void
  /** Fails one suspended `accept`, if there is one: letting a connection in has failed. */
  readonly failUnsafe: (error: TransportError.TransportError) => void
  /** The next connection, first come, first served; it is closed with the scope. Interruption loses none. */
  readonly accept: Effect.Effect<Accepted, TransportError.TransportError, Scope.Scope>
  /** Closes the connections that nobody has accepted, and fails every `accept` from now on with `Closed`. */
  readonly close: Effect.Effect<void>
}

type Resume = (effect: Effect.Effect<void, TransportError.TransportError>) => void

/**
 * Makes an empty backlog.
 *
 * @category constructors
 * @since 0.1.0
 */
export const makeUnsafe = (): Backlog => {
  const connections: Array<Closeable> = []
  let acceptors: Array<Resume> = []
  let open = true

  const wakeAll = (): void => {
    const woken = acceptors
    acceptors = []
    for (const resume of woken) resume(Effect.void)
  }
  const arrival = Effect.callback<void, TransportError.TransportError>((resume) => {
    if (connections.length > 0 || !open) return resume(Effect.void)
    acceptors.push(resume)
    return Effect.sync(() => {
      acceptors = acceptors.filter((other) => other !== resume)
    })
  })

  return {
    offerUnsafe: (connection) => {
      if (!open) {
        Effect.runFork(connection.close)
        return
      }
      connections.push(connection)
      wakeAll()
    },
    failUnsafe: (error) => {
      acceptors.shift()?.(Effect.fail(error))
    },
    // Only the waiting can be interrupted: a connection that was taken has an owner.
    accept: Effect.uninterruptibleMask((restore) => {
      const next: Effect.Effect<Closeable, TransportError.TransportError> = Effect.suspend(() => {
        const connection = connections.shift()
        if (connection !== undefined) return Effect.succeed(connection)
        if (!open) return Effect.fail(TransportError.closed("local"))
        return Effect.andThen(restore(arrival), next)
      })
      return Effect.acquireRelease(next, (connection) => connection.close)
    }),
    close: Effect.suspend(() => {
      open = false
      wakeAll()
      return Effect.forEach(connections.splice(0), (connection) => connection.close, {
        concurrency: "unbounded",
        discard: true
      })
    })
  }
}
