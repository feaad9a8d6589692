/** Listens to lines and says what passes, message by message. */
import type * as Backend from "@hyperfect/protocol/Backend"
import type * as Frontend from "@hyperfect/protocol/Frontend"
import type { Connection } from "@hyperfect/transport/Connection"
import { type Side, tap } from "@hyperfect/transport/Tap"
import type * as Effect from "effect/Effect"
import type * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import type { Entry } from "./recordingEntry.ts"

type Message = Backend.Message | Frontend.Message

/** An entry before it has its place and time. */
type Bare<E> = E extends unknown ? Omit<E, "at" | "connection"> : never
export type Event = Bare<Entry>

export interface Tape {
  readonly write: (event: Event) => void
  readonly show: (by: Side, message: Message) => Schema.Json
}

/**
 * Listens to a line until the scope closes.
 *
 * @internal
 */
export const listen = (line: Connection, tape: Tape): Effect.Effect<Connection, never, Scope.Scope> =>
  tap(line, (event) =>
    tape.write(
      event._tag === "Sent"
        ? { _tag: "Sent", message: tape.show("client", event.message) }
        : event._tag === "Received"
        ? { _tag: "Received", message: tape.show("server", event.message) }
        : event
    ))
