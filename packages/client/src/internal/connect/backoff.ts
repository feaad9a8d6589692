/**
 * Backoff for reconnecting: randomised delays, and none after permanent failures.
 *
 * @internal
 */
import type { ConnectError } from "../../ConnectError.ts"
import type { QueryError, UnsupportedError } from "../../QueryError.ts"
import { isTransient } from "../session/queryError.ts"

/** A failure to open and initialise a session. */
export type OpenError = ConnectError | QueryError

/** The delays after failed attempts: doubled each time, and randomly reduced by up to a half. */
const initialDelay = 100
const maxDelay = 10_000

/** Returns the delay in milliseconds after a number of consecutive failures; `chance` is from 0 to 1. */
const backoffDelay = (failures: number, chance: number): number =>
  Math.ceil(Math.min(maxDelay, initialDelay * 2 ** Math.min(failures - 1, 16)) * (1 - chance / 2))

/** The time that a session has to live before the server is considered healthy again. */
const stableAfter = 5_000

/** The earliest time for opening the next session, by the outcome of previous ones. All times in milliseconds. */
export class Backoff {
  retryAt = -Infinity
  private failures = 0
  private failedAt = -Infinity
  private hasLost = false

  /** Records a failure to open a session. Simultaneous failures count once. `delay` overrides the usual one. */
  onFailure(now: number, chance: number, delay?: number): void {
    if (now < this.retryAt) return
    this.failedAt = now
    this.failures++
    this.retryAt = now + (delay ?? backoffDelay(this.failures, chance))
  }

  /** Records that a session is alive, or was until now. One opened before the last failure is not evidence. */
  onAlive(openedAt: number, now: number): void {
    if (openedAt < this.failedAt || now - openedAt < stableAfter) return
    this.failures = 0
    this.hasLost = false
  }

  /** Records the loss of a session. From the second time on, an early loss counts as a failure to open. */
  onLost(openedAt: number, now: number, chance: number): void {
    this.onAlive(openedAt, now)
    if (now - openedAt >= stableAfter) return
    if (this.hasLost) this.onFailure(now, chance)
    else this.failedAt = now
    this.hasLost = true
  }
}

/** True if no session can be opened any more, because the server's process has exited. */
export const isFinal = (error: OpenError): boolean =>
  error._tag === "TransportError" && error.reason._tag === "ServerExited"

/** True if opening a session may succeed later without a change of configuration. */
export const canReconnect = (error: OpenError | UnsupportedError): boolean => isTransient(error)
