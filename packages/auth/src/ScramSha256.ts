/**
 * SCRAM-SHA-256 and SCRAM-SHA-256-PLUS (RFC 5802, 7677) as an exchange of messages, for both ends.
 *
 * The password never travels. The client proves that it knows the password, and so does the server: a client that has
 * not seen the server's signature does not go on. With PLUS both prove that they see the same TLS session, too.
 *
 * @since 0.1.0
 */
import type * as Digest from "effect/crypto/Digest"
import type * as Kdf from "effect/crypto/Kdf"
import * as Mac from "effect/crypto/Mac"
import * as SecureRandom from "effect/crypto/SecureRandom"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { fromReason, MechanismMalformed, Rejected, ServerNotAuthentic } from "./AuthError.ts"
import * as ChannelBinding from "./ChannelBinding.ts"
import { base64, utf8Unsafe } from "./internal/bytes.ts"
import { type ClientExchange, type Failure, unexpected } from "./internal/clientExchange.ts"
import * as DerivedKeys from "./internal/derivedKeys.ts"
import type { ServerExchange } from "./internal/serverExchange.ts"
import { permitIterations } from "./Policy.ts"
import * as SaslPrep from "./SaslPrep.ts"
import * as ScramMessage from "./ScramMessage.ts"
import * as ScramVerifier from "./ScramVerifier.ts"

/** As many random bytes as libpq takes; they are 24 characters. */
const nonceSize = 18

const notAuthentic = (flaw: ServerNotAuthentic["flaw"]) => Effect.fail(fromReason(new ServerNotAuthentic({ flaw })))

const read = <A>(result: Result.Result<A, MechanismMalformed>) =>
  Result.isSuccess(result) ? Effect.succeed(result.success) : Effect.fail(fromReason(result.failure))

/** The data of the server's next message, which must be of the given kind. */
const receive = <E, R>(
  exchange: ClientExchange<E, R>,
  tag: "AuthenticationSASLContinue" | "AuthenticationSASLFinal"
) =>
  Effect.flatMap(exchange.receive, (message): Effect.Effect<Uint8Array, Failure> =>
    message._tag === tag
      ? Effect.succeed(message.data)
      // Whoever does not know the password would like to skip the proof.
      : message._tag === "AuthenticationOk"
      ? notAuthentic("signature-missing")
      : unexpected(message, tag))

/**
 * What a client does about channel binding.
 *
 * @internal
 */
export interface Binding {
  readonly mechanism: string
  readonly flag: string
  /** What the channel is known by; absent when it is not bound. */
  readonly endPoint?: Uint8Array | undefined
}

/** The keys that the login brings, or those that follow from its password. */
const keysFor = Effect.fnUntraced(function*<E, R>(
  { login, password }: ClientExchange<E, R>,
  { iterations, salt }: ScramMessage.ServerFirst
) {
  if (login.scramKeys !== undefined) return yield* ScramVerifier.fromSecretKeys(login.scramKeys)
  const derivation = {
    password: yield* password("scram-sha-256"),
    preparation: login.saslPrep ?? "full",
    salt,
    iterations
  }
  const known = DerivedKeys.find(derivation)
  if (known !== undefined) return known
  const prepared = SaslPrep.prepareRedacted(derivation.password, derivation.preparation)
  const keys = yield* ScramVerifier.keys(prepared, salt, iterations)
  DerivedKeys.keep(derivation, keys)
  return keys
})

/** @internal */
export const client = Effect.fnUntraced(function*<E, R>(
  exchange: ClientExchange<E, R>,
  { endPoint, flag, mechanism }: Binding
): Effect.fn.Return<void, Failure | E, Digest.Digest | Kdf.Kdf | Mac.Mac | SecureRandom.SecureRandom | R> {
  const nonce = base64(yield* (yield* SecureRandom.SecureRandom).randomBytes(nonceSize))
  const clientFirst = ScramMessage.clientFirst(nonce, "", flag)
  yield* exchange.send({
    _tag: "SASLInitialResponse",
    mechanism,
    data: utf8Unsafe(clientFirst.gs2Header + clientFirst.bare)
  })

  const serverFirst = yield* read(ScramMessage.readServerFirst(yield* receive(exchange, "AuthenticationSASLContinue")))
  if (!serverFirst.nonce.startsWith(nonce) || serverFirst.nonce.length === nonce.length) {
    return yield* notAuthentic("nonce")
  }
  yield* permitIterations(exchange.policy, serverFirst.iterations)

  const keys = yield* keysFor(exchange, serverFirst)
  const withoutProof = ScramMessage.clientFinalWithoutProof(clientFirst.gs2Header, serverFirst.nonce, endPoint)
  const authMessage = `${clientFirst.bare},${serverFirst.text},${withoutProof}`
  const proof = base64(yield* ScramVerifier.proof(keys, authMessage))
  yield* exchange.send({ _tag: "SASLResponse", data: utf8Unsafe(`${withoutProof},p=${proof}`) })

  const data = yield* receive(exchange, "AuthenticationSASLFinal")
  if (data.length === 0) return yield* notAuthentic("signature-missing")
  const serverFinal = yield* read(ScramMessage.readServerFinal(data))
  if (serverFinal._tag === "Failure") {
    return yield* fromReason(
      new Rejected({ user: exchange.login.user, sqlState: "", text: serverFinal.error, fields: [] })
    )
  }
  const signature = yield* ScramVerifier.serverSignature(keys, authMessage)
  if (!Mac.timingSafeEqual(signature, serverFinal.signature)) return yield* notAuthentic("signature")
})

/**
 * Asks for SCRAM, and offers to bind it to what the channel is known by, if it is.
 *
 * @internal
 */
export const server = Effect.fnUntraced(function*(
  exchange: ServerExchange,
  verifier: ScramVerifier.ScramVerifier,
  endPoint?: Uint8Array
): Effect.fn.Return<void, Failure, Digest.Digest | Mac.Mac | SecureRandom.SecureRandom> {
  const read = <A>(result: Result.Result<A, MechanismMalformed>) =>
    Result.isSuccess(result) ? Effect.succeed(result.success) : exchange.malformed(result.failure)
  const wrong = (messageName: string, problem: string) =>
    exchange.malformed(new MechanismMalformed({ mechanism: ScramMessage.mechanism, messageName, problem }))

  const mechanisms = [...endPoint === undefined ? [] : [ScramMessage.mechanismPlus], ScramMessage.mechanism]
  const initial = yield* exchange.ask({ _tag: "AuthenticationSASL", mechanisms }, "SASLInitialResponse")
  if (!mechanisms.includes(initial.mechanism) || initial.data === null) {
    return yield* wrong("client-first-message", "it is of another mechanism")
  }
  const isBound = initial.mechanism === ScramMessage.mechanismPlus
  const clientFirst = yield* read(ScramMessage.readClientFirst(initial.data))
  // Somebody has told the client that we cannot bind the channel, and it was not us (RFC 5802, section 6).
  if (clientFirst.flag === "y" && endPoint !== undefined) {
    return yield* exchange.refuse("28000", "SCRAM channel binding negotiation error")
  }
  if (isBound !== clientFirst.flag.startsWith("p=")) {
    return yield* wrong("client-first-message", "its flag for channel binding does not fit the mechanism")
  }
  if (isBound && clientFirst.flag !== `p=${ChannelBinding.type}`) {
    return yield* wrong("client-first-message", "it wants channel binding of another type")
  }

  const nonce = clientFirst.nonce + base64(yield* (yield* SecureRandom.SecureRandom).randomBytes(nonceSize))
  const serverFirst = ScramMessage.serverFirst(nonce, verifier.salt, verifier.iterations)
  const challenge = { _tag: "AuthenticationSASLContinue", data: utf8Unsafe(serverFirst.text) } as const
  const clientFinal = yield* read(
    ScramMessage.readClientFinal((yield* exchange.ask(challenge, "SASLResponse")).data)
  )
  if (clientFinal.nonce !== nonce) {
    return yield* wrong("client-final-message", "its nonce is not the one of the exchange")
  }
  const { gs2Header } = clientFirst
  if (clientFinal.channelBinding !== ScramMessage.channelBinding(gs2Header, isBound ? endPoint : undefined)) {
    // A client in another TLS session is what channel binding is there to find out.
    if (isBound) return yield* exchange.refuse("28000", "SCRAM channel binding check failed")
    return yield* wrong("client-final-message", "it does not repeat the header of the first message")
  }

  const authMessage = `${clientFirst.bare},${serverFirst.text},${clientFinal.withoutProof}`
  if (!(yield* ScramVerifier.verify(verifier, authMessage, clientFinal.proof))) return yield* exchange.reject
  const signature = yield* ScramVerifier.serverSignature(verifier, authMessage)
  yield* exchange.send({ _tag: "AuthenticationSASLFinal", data: utf8Unsafe(ScramMessage.serverFinal(signature)) })
})
