import type { Connection, TransportError } from "@hyperfect/transport"
import { Effect } from "effect"

/** Forwards data from one connection to another until one of them ends, with backpressure. */
export const relay = (
  from: Connection.Connection,
  to: Connection.Connection
): Effect.Effect<never, TransportError.TransportError> =>
  Effect.forever(Effect.flatMap(from.pull, (chunks) => Effect.forEach(chunks, to.write, { discard: true })))
