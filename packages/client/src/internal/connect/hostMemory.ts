/**
 * The memory of servers that could not be reached, shared by the sessions of a pool.
 *
 * They are tried last, so that only the first session waits for a dead server, and looked at again in the background.
 *
 * @internal
 */
import type { Endpoint } from "@hyperfect/transport/Endpoint"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type { Failure } from "../../ConnectError.ts"

const upToTenSeconds = Schedule.min([Schedule.exponential("1 second"), Schedule.spaced("10 seconds")])

/** The delays between looks at the servers that are down. */
export const defaultRecheck: Schedule.Schedule<unknown, unknown> = Schedule.jittered(upToTenSeconds)

/** A server that could not be reached, and its latest failure. */
interface Down {
  readonly endpoint: Endpoint
  readonly failure: Failure
}

/** @internal */
export class HostMemory {
  private readonly down = new Map<string, Down>()
  private readonly look: (endpoint: Endpoint) => Effect.Effect<boolean>
  private readonly schedule: Schedule.Schedule<unknown, unknown>
  private readonly fork: (effect: Effect.Effect<unknown>) => void
  private readonly onFound: () => void
  private isWatching = false

  /**
   * `look` returns true if a server can be reached; `fork` runs a fiber for as long as the pool lives; `onFound` is
   * called when a look has reached a server.
   */
  constructor(
    look: (endpoint: Endpoint) => Effect.Effect<boolean>,
    schedule: Schedule.Schedule<unknown, unknown>,
    fork: (effect: Effect.Effect<unknown>) => void,
    onFound: () => void
  ) {
    this.onFound = onFound
    this.look = look
    this.schedule = schedule
    this.fork = fork
  }

  /** Returns the servers that are down now, by name, with their latest failures. */
  failures(): ReadonlyMap<string, Failure> {
    return new Map([...this.down].map(([name, { failure }]) => [name, failure]))
  }

  /** Notes that a server could not be reached. */
  onUnreachable(endpoint: Endpoint, failure: Failure): void {
    this.down.set(failure.endpoint, { endpoint, failure })
    if (this.isWatching) return
    this.isWatching = true
    const end = Effect.sync(() => {
      this.isWatching = false
      // The schedule may have ended: without further looks, only sessions can find the servers again.
      this.forget()
    })
    this.fork(Effect.ensuring(this.watch, end))
  }

  /** Notes that a server has answered. */
  onReached(name: string): void {
    this.down.delete(name)
  }

  /** Forgets all failures, so that the servers are tried in their order again. */
  forget(): void {
    this.down.clear()
  }

  /** Looks at all servers that are down, by the schedule, until none is. */
  private readonly watch = Effect.suspend(() =>
    Effect.ignore(
      Effect.schedule(Effect.flatMap(this.lookAtAll, () => this.down.size === 0 ? done : Effect.void), this.schedule)
    )
  )

  private readonly lookAtAll = Effect.suspend(() =>
    Effect.forEach(
      [...this.down],
      ([name, { endpoint }]) =>
        Effect.map(this.look(endpoint), (isReached) => {
          if (!isReached) return
          this.onReached(name)
          this.onFound()
        }),
      { concurrency: "unbounded", discard: true }
    )
  )
}

/** Ends the watch. */
const done = Effect.fail("none is down")

/** The memory that sessions opened in its context share. */
export const SharedHosts: Context.Reference<HostMemory | undefined> = Context.Reference<HostMemory | undefined>(
  "@hyperfect/client/SharedHosts",
  { defaultValue: () => undefined }
)
