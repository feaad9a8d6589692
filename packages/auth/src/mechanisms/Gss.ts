/**
 * GSSAPI and SSPI: the client and the server exchange tokens until both are authenticated (protocol, "Start-up").
 *
 * Only the exchange is implemented here. The tokens, of Kerberos for example, come from a provider that the caller
 * supplies; without one the method is rejected. GSSAPI encryption is not supported.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import { fromReason, MechanismMalformed, MethodUnsupported, ServerNotAuthentic } from "../AuthError.ts"
import type { Kind } from "../GssProvider.ts"
import { type ClientExchange, type Failure, unexpected } from "../internal/clientExchange.ts"
import * as Mechanism from "../internal/mechanism.ts"

export type { Kind, Provider, SecurityContext, Step } from "../GssProvider.ts"

/** Runs the exchange, up to and including the server's AuthenticationOk. */
const run = Effect.fnUntraced(function*<E, R>(
  exchange: ClientExchange<E, R>,
  kind: Kind
): Effect.fn.Return<void, Failure | E, R> {
  const { gss } = exchange.login
  if (gss === undefined) return yield* fromReason(new MethodUnsupported({ offered: [kind] }))
  const next = yield* gss(kind)
  let received: Uint8Array | undefined
  while (true) {
    const { isComplete, token } = yield* next(received)
    if (token !== undefined) yield* exchange.send({ _tag: "GSSResponse", data: token })
    else if (!isComplete) {
      // Otherwise both ends would wait for each other.
      const problem = "there is none, although the context is not complete"
      return yield* fromReason(new MechanismMalformed({ mechanism: kind, messageName: "client token", problem }))
    }
    const answer = yield* exchange.receive
    if (answer._tag === "AuthenticationOk") {
      return isComplete ? undefined : yield* fromReason(new ServerNotAuthentic({ flaw: "context-incomplete" }))
    }
    if (answer._tag !== "AuthenticationGSSContinue" || isComplete) {
      return yield* unexpected(answer, isComplete ? "AuthenticationOk" : "AuthenticationGSSContinue")
    }
    received = answer.data.slice()
  }
})

/** Accounts cannot have it: the server's half would need a provider, too. */
const definition = <const Name extends Kind, Tag extends "AuthenticationGSS" | "AuthenticationSSPI">(
  name: Name,
  request: Tag
) =>
  Mechanism.make({
    name,
    requireAuth: name,
    request,
    exposes: "nothing",
    client: (exchange) => Effect.succeed({ run: run(exchange, name) }),
    server: undefined
  })

/** @internal */
export const gss = definition("gss", "AuthenticationGSS")

/** @internal */
export const sspi = definition("sspi", "AuthenticationSSPI")
