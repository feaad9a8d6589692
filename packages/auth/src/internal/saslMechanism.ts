/** Which of the SASL mechanisms that a server offers the client takes, and how it is bound to the TLS session. */
import type * as Digest from "effect/crypto/Digest"
import * as Effect from "effect/Effect"
import { type AuthError, ChannelBindingUnavailable, fromReason, MethodUnsupported } from "../AuthError.ts"
import * as ChannelBinding from "../ChannelBinding.ts"
import * as OAuthBearer from "../OAuthBearer.ts"
import { type Method, methods } from "../Policy.ts"
import * as ScramMessage from "../ScramMessage.ts"
import type { Binding } from "../ScramSha256.ts"
import type { ClientExchange } from "./clientExchange.ts"

export type Mechanism =
  | { readonly method: "oauth" }
  | { readonly method: "scram-sha-256"; readonly binding: Binding }

const unavailable = (problem: ChannelBindingUnavailable["problem"]) =>
  Effect.fail(fromReason(new ChannelBindingUnavailable({ problem })))

/** How SCRAM is to be done, if at all. The flags are those of RFC 5802, section 6. */
const scram = Effect.fnUntraced(function*<E, R>(
  { channel, policy: { channelBinding = "prefer" } }: ClientExchange<E, R>,
  offered: ReadonlyArray<string>
): Effect.fn.Return<Mechanism | undefined, AuthError, Digest.Digest> {
  const certificate = channel.connection.tls()?.peerCertificate
  const canBind = channelBinding !== "disable" && certificate !== undefined
  if (canBind && offered.includes(ScramMessage.mechanismPlus)) {
    const endPoint = yield* ChannelBinding.endPoint(certificate)
    const binding = { mechanism: ScramMessage.mechanismPlus, flag: `p=${ChannelBinding.type}`, endPoint }
    return { method: "scram-sha-256", binding }
  }
  return offered.includes(ScramMessage.mechanism)
    ? { method: "scram-sha-256", binding: { mechanism: ScramMessage.mechanism, flag: canBind ? "y" : "n" } }
    : undefined
})

/** Chooses a mechanism. It may be one that the policy does not allow, when there is no other. */
export const choose = Effect.fnUntraced(function*<E, R>(
  exchange: ClientExchange<E, R>,
  offered: ReadonlyArray<string>
): Effect.fn.Return<Mechanism, AuthError, Digest.Digest> {
  const { channel: { connection }, login, policy } = exchange
  const tls = connection.tls()
  // As in libpq: the server is in a TLS session, but not with us.
  if (offered.includes(ScramMessage.mechanismPlus) && tls === undefined) return yield* unavailable("plain-line")
  if (policy.channelBinding === "require" && tls?.peerCertificate === undefined) {
    return yield* unavailable("no-certificate")
  }

  const proof = yield* scram(exchange, offered)
  const token: Mechanism | undefined = offered.includes(OAuthBearer.mechanism) ? { method: "oauth" } : undefined
  const isTokenUser = login.token !== undefined && login.password === undefined && login.scramKeys === undefined
  const able = (isTokenUser ? [token, proof] : [proof, token]).filter((mechanism) => mechanism !== undefined)
  const isAllowed = ({ method }: { readonly method: Method }) => (policy.methods ?? methods).includes(method)
  const mechanism = able.find(isAllowed) ?? able[0]
  return mechanism ?? (yield* fromReason(new MethodUnsupported({ offered })))
})
