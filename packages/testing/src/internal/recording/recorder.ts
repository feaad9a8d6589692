/** Observes connections and reports every message. */
import type * as Backend from "@hyperfect/protocol/Backend"
import type * as Frontend from "@hyperfect/protocol/Frontend"
import type { Connection } from "@hyperfect/transport/Connection"
import { type Side, sniff } from "@hyperfect/transport/Sniffer"
import type * as Effect from "effect/Effect"
import type * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import type { Entry } from "./entry.ts"

type Message = Backend.Message | Frontend.Message

/** An entry without its connection and time. */
type WithoutPosition<E> = E extends unknown ? Omit<E, "at" | "connection"> : never
export type Event = WithoutPosition<Entry>

export interface RecordingSink {
  readonly write: (event: Event) => void
  readonly encode: (by: Side, message: Message) => Schema.Json
}

/**
 * Observes a connection until the scope closes.
 *
 * @internal
 */
export const recordConnection = (
  connection: Connection,
  sink: RecordingSink
): Effect.Effect<Connection, never, Scope.Scope> =>
  sniff(connection, (event) =>
    sink.write(
      event._tag === "Sent"
        ? { _tag: "Sent", message: sink.encode("client", event.message) }
        : event._tag === "Received"
        ? { _tag: "Received", message: sink.encode("server", event.message) }
        : event
    ))
