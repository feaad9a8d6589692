/** Selects the mechanism with which the client answers a server's request. */
import type * as ProtocolError from "@hyperfect/protocol/ProtocolError"
import * as Effect from "effect/Effect"
import { type AuthError, ChannelBindingUnavailable, fromReason, MethodUnsupported } from "../AuthError.ts"
import { mechanisms } from "../mechanisms/table.ts"
import { isBindingRequired, type Method, methods, type Policy } from "../Policy.ts"
import { type ClientExchange, type ServerMessage, unexpected } from "./clientExchange.ts"
import type { Attempt, Services } from "./mechanism.ts"

interface Selected<E, R> extends Attempt<E, R> {
  readonly method: Method
}

const unsupported = (...offered: ReadonlyArray<string>) => fromReason(new MethodUnsupported({ offered }))

/** Selects the strongest mechanism. If there is no other, it may be one that the policy does not allow. */
export const selectMechanism = Effect.fnUntraced(function*<E, R>(
  exchange: ClientExchange<E, R>,
  request: ServerMessage,
  policy: Policy
): Effect.fn.Return<Selected<E, R>, AuthError | ProtocolError.ProtocolError, Services> {
  const isCertified = exchange.channel.connection.tls()?.peerCertificate !== undefined
  if (request._tag === "AuthenticationSASL" && isBindingRequired(policy) && !isCertified) {
    return yield* fromReason(new ChannelBindingUnavailable({ problem: "no-certificate" }))
  }
  const able: Array<Selected<E, R>> = []
  for (const mechanism of mechanisms) {
    const attempt = yield* mechanism.client(exchange, request)
    if (attempt !== undefined) able.unshift({ method: mechanism.name, ...attempt })
  }
  able.sort((a, b) => Number(b.isPreferred ?? false) - Number(a.isPreferred ?? false))
  const selected = able.find(({ method }) => (policy.methods ?? methods).includes(method)) ?? able[0]
  if (selected !== undefined) return selected
  if (request._tag === "AuthenticationSASL") return yield* unsupported(...request.mechanisms)
  if (request._tag === "AuthenticationKerberosV5") return yield* unsupported("kerberos")
  return yield* unexpected(request, "a request for authentication")
})
