import type { Connection, TransportError } from "@hyperfect/transport"
import { Effect } from "effect"

/** Hands on what comes from one line to another, until one of them ends. Whoever does not read is waited for. */
export const relay = (
  from: Connection.Connection,
  to: Connection.Connection
): Effect.Effect<never, TransportError.TransportError> =>
  Effect.forever(Effect.flatMap(from.pull, (chunks) => Effect.forEach(chunks, to.write, { discard: true })))
