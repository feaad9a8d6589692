/**
 * The memory of servers that could not be reached, shared by the sessions of a pool.
 *
 * They are tried last, so that only the first session waits for a dead server, and checked again in the background.
 *
 * @internal
 */
import type { Endpoint } from "@hyperfect/transport/Endpoint"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type { Failure } from "../../ConnectError.ts"

/** Returns the delays between looks at the servers that are down. */
export const defaultRecheck = (): Schedule.Schedule<unknown, unknown> =>
  Schedule.jittered(Schedule.min([Schedule.exponential("1 second"), Schedule.spaced("10 seconds")]))

/** A server that could not be reached, and its latest failure. */
interface Down {
  readonly endpoint: Endpoint
  readonly failure: Failure
}

/** Ends the watch. */
const done = Effect.fail("none is down")

/**
 * Makes a memory. `look` returns true if a server can be reached; `fork` runs a fiber for as long as the pool lives;
 * `onFound` is called when a look has reached a server.
 *
 * @internal
 */
export const makeHostMemory = (
  look: (endpoint: Endpoint) => Effect.Effect<boolean>,
  schedule: Schedule.Schedule<unknown, unknown>,
  fork: (effect: Effect.Effect<unknown>) => void,
  onFound: () => void
) => {
  const down = new Map<string, Down>()
  let isWatching = false

  /** Looks at all servers that are down. Fails if none is left. */
  const lookAtAll = Effect.gen(function*() {
    const lookAt = ([name, { endpoint }]: [string, Down]) =>
      Effect.map(look(endpoint), (isReached) => {
        if (!isReached) return
        down.delete(name)
        onFound()
      })
    yield* Effect.forEach([...down], lookAt, { concurrency: "unbounded", discard: true })
    if (down.size === 0) yield* done
  })

  /** Looks by the schedule, until all servers are found. */
  const watch = Effect.ensuring(
    Effect.ignore(Effect.schedule(lookAtAll, schedule)),
    Effect.sync(() => {
      isWatching = false
      // The schedule may have ended: without further looks, only sessions can find the servers again.
      down.clear()
    })
  )

  return {
    /** Returns the servers that are down now, by name, with their latest failures. */
    failures: (): ReadonlyMap<string, Failure> => new Map([...down].map(([name, { failure }]) => [name, failure])),

    /** Notes that a server could not be reached. */
    onUnreachable: (endpoint: Endpoint, failure: Failure): void => {
      down.set(failure.endpoint, { endpoint, failure })
      if (isWatching) return
      isWatching = true
      fork(watch)
    },

    /** Notes that a server has answered. */
    onReached: (name: string): void => void down.delete(name),

    /** Forgets all failures, so that the servers are tried in their order again. */
    forget: (): void => down.clear()
  }
}

/** @internal */
export type HostMemory = ReturnType<typeof makeHostMemory>

/** The memory that sessions opened in its context share. */
export const SharedHosts = Context.Reference<HostMemory | undefined>("@hyperfect/client/SharedHosts", {
  defaultValue: () => undefined
})
