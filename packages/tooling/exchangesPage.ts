/** The documentation page that shows the table of exchanges as a diagram. */
import { transitions } from "../client/src/internal/engine/exchange.ts"

/** Returns one arrow for each pair of states, labelled with the messages of that transition. */
const arrows = (): ReadonlyArray<string> =>
  Object.entries(transitions).flatMap(([state, row]) => {
    const messages = new Map<string, Array<string>>()
    for (const [message, next] of Object.entries(row)) messages.set(next, [...messages.get(next) ?? [], message])
    return [...messages].map(([next, names]) => `  ${state} --> ${next}: ${names.join(", ")}`)
  })

export const render = (): string =>
  [
    "# States of an exchange",
    "",
    "An exchange is a group of messages that a client sends, and the answer to it up to ReadyForQuery. The diagram shows the",
    "messages that are allowed in each state of the answer. It is generated from the table in",
    "`packages/client/src/internal/engine/exchange.ts`.",
    "",
    "An ErrorResponse leads from every state except `Ended` to `Ending`. A message without an arrow is a protocol error, and ends",
    "the session.",
    "",
    "```mermaid",
    "stateDiagram-v2",
    ...arrows(),
    "```",
    ""
  ].join("\n")
