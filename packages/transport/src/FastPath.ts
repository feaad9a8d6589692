/**
 * Synchronous alternatives to `pull` and `write` for high throughput: no Effect, and no suspended and resumed fiber,
 * per chunk or batch.
 *
 * They are looked up by the `pull` and `write` functions that they replace. A connection that wraps another one and
 * replaces these functions therefore has no fast path unless it attaches its own; everything also works without one.
 *
 * @since 0.1.0
 */
import type { NonEmptyReadonlyArray } from "effect/Array"
import * as Effect from "effect/Effect"
import type { Connection } from "./Connection.ts"
import type { TransportError } from "./TransportError.ts"

/**
 * Sends the bytes synchronously, like a `write` that does not need to wait. Returns false, without sending anything, if
 * it would have to wait or would fail: then use `write`, which reports the reason.
 *
 * @category models
 * @since 0.1.0
 */
export type Send = (bytes: Uint8Array) => boolean

/**
 * Receives chunks synchronously as they arrive, and returns true to receive more. It must not throw.
 *
 * @category models
 * @since 0.1.0
 */
export type OnChunks = (chunks: NonEmptyReadonlyArray<Uint8Array>) => boolean

/**
 * Pulls until the function returns false. Interrupting it does not lose bytes.
 *
 * @category models
 * @since 0.1.0
 */
export type PullWhile = (take: OnChunks) => Effect.Effect<void, TransportError>

const senders = new WeakMap<Connection["write"], Send>()
const pullers = new WeakMap<Connection["pull"], PullWhile>()

/**
 * Attaches a fast path to a connection, for implementations of connections.
 *
 * @category constructors
 * @since 0.1.0
 */
export const attach = (connection: Connection, send: Send, pullWhile: PullWhile): void => {
  senders.set(connection.write, send)
  pullers.set(connection.pull, pullWhile)
}

const cannotSend: Send = () => false

/**
 * Returns the synchronous send of the connection; without a fast path, one that never sends anything.
 *
 * @category combinators
 * @since 0.1.0
 */
export const sender = (connection: Connection): Send => senders.get(connection.write) ?? cannotSend

/**
 * Pulls from the connection until the function returns false, with one `pull` after the other if the connection has no
 * fast path.
 *
 * @category combinators
 * @since 0.1.0
 */
export const pullWhile = (connection: Connection, take: OnChunks): Effect.Effect<void, TransportError> => {
  const direct = pullers.get(connection.pull)
  if (direct !== undefined) return direct(take)
  const loop: Effect.Effect<void, TransportError> = Effect.flatMap(
    connection.pull,
    (chunks) => (take(chunks) ? loop : Effect.void)
  )
  return loop
}
