/**
 * GSSAPI and SSPI: the client and the server hand tokens to and fro until both know who the other is.
 *
 * Only the handing over is here. What the tokens are made of, Kerberos for example, is known to a provider that the caller
 * brings along; without one the method is refused. Encryption by GSSAPI is not supported.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import { fromReason, MechanismMalformed, MethodUnsupported, ServerNotAuthentic } from "./AuthError.ts"
import type { Kind } from "./GssProvider.ts"
import { type ClientExchange, type Failure, unexpected } from "./internal/clientExchange.ts"

export type { Kind, Provider, SecurityContext, Step } from "./GssProvider.ts"

/**
 * Goes through the exchange, up to and with the server's AuthenticationOk.
 *
 * @internal
 */
export const client = Effect.fnUntraced(function*<E, R>(
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
      // Both ends would wait for each other.
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
