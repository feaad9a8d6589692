/**
 * Ways around `pull` and `write` for whoever drives a line hard: no Effect, and no fiber that is suspended and woken, for
 * each chunk and each batch.
 *
 * They are found by the very `pull` and `write` that they stand for, so that a connection around another one, which
 * replaces these, has none of them unless it brings its own; everything works without them too.
 *
 * @since 0.1.0
 */
import type { NonEmptyReadonlyArray } from "effect/Array"
import * as Effect from "effect/Effect"
import type { Connection } from "./Connection.ts"
import type { TransportError } from "./TransportError.ts"

/**
 * Sends the bytes in this very step, as a `write` does that need not wait. Returns false, and has sent nothing, when it
 * would have to wait or would fail: then `write` is what tells.
 *
 * @category models
 * @since 0.1.0
 */
export type Send = (bytes: Uint8Array) => boolean

/**
 * Takes chunks, in the step in which they come, and says whether it wants more. It must not throw.
 *
 * @category models
 * @since 0.1.0
 */
export type Take = (chunks: NonEmptyReadonlyArray<Uint8Array>) => boolean

/**
 * Pulls for as long as the function wants more. Interrupting it loses no bytes.
 *
 * @category models
 * @since 0.1.0
 */
export type PullWhile = (take: Take) => Effect.Effect<void, TransportError>

const senders = new WeakMap<Connection["write"], Send>()
const pullers = new WeakMap<Connection["pull"], PullWhile>()

/**
 * Gives a connection its direct ways, for those who make connections.
 *
 * @category constructors
 * @since 0.1.0
 */
export const attach = (connection: Connection, send: Send, pullWhile: PullWhile): void => {
  senders.set(connection.write, send)
  pullers.set(connection.pull, pullWhile)
}

const never: Send = () => false

/**
 * The direct way to write, which never sends anything when the connection has none.
 *
 * @category combinators
 * @since 0.1.0
 */
export const sender = (connection: Connection): Send => senders.get(connection.write) ?? never

/**
 * Pulls from the connection for as long as the function wants more, one pull after the other when the connection has no
 * direct way.
 *
 * @category combinators
 * @since 0.1.0
 */
export const pullWhile = (connection: Connection, take: Take): Effect.Effect<void, TransportError> => {
  const direct = pullers.get(connection.pull)
  if (direct !== undefined) return direct(take)
  const loop: Effect.Effect<void, TransportError> = Effect.flatMap(
    connection.pull,
    (chunks) => (take(chunks) ? loop : Effect.void)
  )
  return loop
}
