/** The documentation page of the authentication mechanisms, generated from their table. */
import { mechanisms } from "@hyperfect/auth/mechanisms/table"
import { Backend } from "@hyperfect/protocol"
import { tableOf } from "./messagesPage.ts"

const code = (request: string): string =>
  `${request} (${Backend.messages.find(({ definition }) => definition.name === request)!.definition.code})`

export const render = (): string =>
  `# Authentication mechanisms

Generated from the table in \`packages/auth/src/mechanisms/table.ts\`, weakest first. A request, a SASL mechanism or an
account's method that is not in the table is refused. What would expose a secret on a connection without TLS is refused
there, unless the policy allows it.

${
    tableOf([
      ["method", "`require_auth`", "request (code)", "SASL", "exposes without TLS", "server's half"],
      ...mechanisms.map(({ exposes, hasServer, name, request, requireAuth, sasl }) => [
        name,
        requireAuth,
        code(request),
        sasl.join(", "),
        exposes,
        hasServer ? "yes" : "no"
      ])
    ])
  }
`
