/**
 * A queue of incoming connections that wait to be accepted, for implementations of `Listener`.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Accepted } from "./Listener.ts"
import * as TransportError from "./TransportError.ts"

/**
 * An accepted connection that its owner closes explicitly.
 *
 * @category models
 * @since 0.1.0
 */
export interface Closeable extends Accepted {
  readonly close: Effect.Effect<void>
}

/**
 * A queue between the code that admits connections and the code that accepts them.
 *
 * @category models
 * @since 0.1.0
 */
export interface AcceptQueue {
  /** Adds an incoming connection. The queue closes it if it is never accepted. */
  readonly offerUnsafe: (connection: Closeable) => void
  /** Fails one suspended `accept`, if there is one, after an incoming connection could not be admitted. */
  readonly failUnsafe: (error: TransportError.TransportError) => void
  /**
   * Returns the next connection, first come, first served; it is closed with the scope. Interruption does not lose a
   * connection.
   */
  readonly accept: Effect.Effect<Accepted, TransportError.TransportError, Scope.Scope>
  /** Closes the connections that were not accepted, and makes every later `accept` fail with `Closed`. */
  readonly close: Effect.Effect<void>
}

type Resume = (effect: Effect.Effect<void, TransportError.TransportError>) => void

/**
 * Creates an empty queue.
 *
 * @category constructors
 * @since 0.1.0
 */
export const makeUnsafe = (): AcceptQueue => {
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
    // Only the wait is interruptible: a connection taken from the queue always has an owner.
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
