/**
 * Time limits and delays of sessions and pools.
 *
 * @internal
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"

/** Milliseconds of the monotonic clock: the wall clock can be set back. */
export const monotonicMillis = Effect.map(Clock.monotonicTimeNanos, (nanos) => Number(nanos) / 1e6)

/** The time that an abandoned exchange with others waiting behind it may take to end before it is cancelled. */
export const cancelDelay = "20 millis"

/** The time that an abandoned exchange may take to end if all others in flight are abandoned too. */
export const briefDelay = "5 millis"

/** The time that the caller who abandons an exchange waits for its end; the session completes it in any case. */
export const abandonGrace = "100 millis"

/** Milliseconds after the confirmation of a cancel request in which a statement that it hit by mistake fails. */
export const exposureTime = 100

/**
 * The maximum delay, in milliseconds, before the next attempt to send a cancel request when the server's port cannot be
 * reached.
 */
export const maxCancelBackoff = 5_000

/** Milliseconds that a cancelled statement may take to end before it is cancelled again. */
export const cancelRetryInterval = 200

/** The time that the reader has for the server's last messages after a write has failed. */
export const finalReadDelay = "100 millis"

/**
 * Milliseconds for which a session is not checked again, whatever the options: with none, each check would be out of
 * date when it ends.
 */
export const minCheckAfter = 10

/** The time that a fiber waits for a type lookup of another session, before it does its own. */
export const typeLookupTimeout = "1 second"

/**
 * Milliseconds without progress after which a session counts as busy with a slow query, and new queries go elsewhere.
 */
export const slowThreshold = 50
