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
    "Generated from the table in `packages/client/src/internal/engine/exchange.ts`. An ErrorResponse leads from every state but",
    "`Ended` to `Ending`. A message that has no arrow here is a protocol error, and ends the session.",
    "",
    "```mermaid",
    "stateDiagram-v2",
    ...arrows(),
    "```",
    ""
  ].join("\n")
