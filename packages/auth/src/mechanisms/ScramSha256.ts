/**
 * SCRAM-SHA-256 and SCRAM-SHA-256-PLUS (RFC 5802, 7677) as an exchange of messages, for both ends.
 *
 * The password is never sent. The client proves that it knows the password, and so does the server: a client does not
 * continue without the server's signature. With PLUS both also prove that they are in the same TLS session.
 *
 * @since 0.1.0
 */
import type * as Digest from "effect/crypto/Digest"
import type * as Kdf from "effect/crypto/Kdf"
import * as Mac from "effect/crypto/Mac"
import * as SecureRandom from "effect/crypto/SecureRandom"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import {
  type AuthError,
  ChannelBindingMismatch,
  ChannelBindingUnavailable,
  fromReason,
  MechanismMalformed,
  Rejected,
  ServerNotAuthentic
} from "../AuthError.ts"
import * as ChannelBinding from "../ChannelBinding.ts"
import { encodeBase64, encodeUtf8Unsafe } from "../internal/bytes.ts"
import { type ClientExchange, expectAuthenticationOk, type Failure, unexpected } from "../internal/clientExchange.ts"
import * as Mechanism from "../internal/mechanism.ts"
import * as ScramKeyCache from "../internal/scramKeyCache.ts"
import type { ServerExchange } from "../internal/serverExchange.ts"
import * as SaslPrep from "../SaslPrep.ts"
import * as ScramMessage from "../ScramMessage.ts"
import * as ScramVerifier from "../ScramVerifier.ts"

/** The errors of a server that detects that the client's TLS session is not its own (RFC 5802, section 7). */
const bindingAlarms: ReadonlySet<string> = new Set([
  "channel-bindings-dont-match",
  "server-does-support-channel-binding"
])

/** The same number of random bytes as libpq; 24 characters in Base64. */
const nonceSize = 18

const notAuthentic = (flaw: ServerNotAuthentic["flaw"]) => Effect.fail(fromReason(new ServerNotAuthentic({ flaw })))

const read = <A>(result: Result.Result<A, MechanismMalformed>) =>
  Result.isSuccess(result) ? Effect.succeed(result.success) : Effect.fail(fromReason(result.failure))

/** Returns the data of the server's next message, which must be of the given kind. */
const receive = <E, R>(exchange: ClientExchange<E, R>, tag: "AuthenticationSASLContinue" | "AuthenticationSASLFinal") =>
  Effect.flatMap(exchange.receive, (message): Effect.Effect<Uint8Array, Failure> =>
    message._tag === tag
      ? Effect.succeed(message.data)
      // A server that does not know the password could try to skip the proof (RFC 5802, section 5).
      : message._tag === "AuthenticationOk"
      ? notAuthentic("signature-missing")
      : unexpected(message, tag))

/** The client's channel binding decision. */
interface Binding {
  readonly mechanism: string
  readonly flag: string
  /** The channel binding data; absent if the login is not bound. */
  readonly endPoint?: Uint8Array | undefined
}

/** Returns the login's keys, or those derived from its password. */
const getKeys = Effect.fnUntraced(function*<E, R>(
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
  const known = ScramKeyCache.get(derivation)
  if (known !== undefined) return known
  const prepared = SaslPrep.prepareRedacted(derivation.password, derivation.preparation)
  const keys = yield* ScramVerifier.deriveKeys(prepared, salt, iterations)
  ScramKeyCache.set(derivation, keys)
  return keys
})

/** Proves that the client knows the password, and verifies that the server does. */
const prove = Effect.fnUntraced(function*<E, R>(
  exchange: ClientExchange<E, R>,
  { endPoint, flag, mechanism }: Binding
): Effect.fn.Return<void, Failure | E, Digest.Digest | Kdf.Kdf | Mac.Mac | SecureRandom.SecureRandom | R> {
  const nonce = encodeBase64(yield* (yield* SecureRandom.SecureRandom).randomBytes(nonceSize))
  const clientFirst = ScramMessage.clientFirst(nonce, "", flag)
  yield* exchange.send({
    _tag: "SASLInitialResponse",
    mechanism,
    data: encodeUtf8Unsafe(clientFirst.gs2Header + clientFirst.bare)
  })

  const serverFirst = yield* read(ScramMessage.readServerFirst(yield* receive(exchange, "AuthenticationSASLContinue")))
  // RFC 5802, section 5.1, attribute r.
  if (!serverFirst.nonce.startsWith(nonce) || serverFirst.nonce.length === nonce.length) {
    return yield* notAuthentic("nonce")
  }
  yield* exchange.permitIterations(serverFirst.iterations)

  const keys = yield* getKeys(exchange, serverFirst)
  const withoutProof = ScramMessage.clientFinalWithoutProof(clientFirst.gs2Header, serverFirst.nonce, endPoint)
  const authMessage = `${clientFirst.bare},${serverFirst.text},${withoutProof}`
  const proof = encodeBase64(yield* ScramVerifier.clientProof(keys, authMessage))
  yield* exchange.send({ _tag: "SASLResponse", data: encodeUtf8Unsafe(`${withoutProof},p=${proof}`) })

  const data = yield* receive(exchange, "AuthenticationSASLFinal")
  if (data.length === 0) return yield* notAuthentic("signature-missing")
  const serverFinal = yield* read(ScramMessage.readServerFinal(data))
  if (serverFinal._tag === "Failure") {
    const refused = { user: exchange.login.user, sqlState: "", text: serverFinal.error, fields: [] }
    return yield* fromReason(
      bindingAlarms.has(serverFinal.error) ? new ChannelBindingMismatch(refused) : new Rejected(refused)
    )
  }
  const signature = yield* ScramVerifier.serverSignature(keys, authMessage)
  if (!Mac.timingSafeEqual(signature, serverFinal.signature)) return yield* notAuthentic("signature")
  yield* expectAuthenticationOk(exchange)
})

/** Selects the variant that the client can use, if any, and its channel binding. The flags are those of RFC 5802, section 6. */
const selectBinding = Effect.fnUntraced(function*<E, R>(
  { channel, isBindingAllowed }: ClientExchange<E, R>,
  offered: ReadonlyArray<string>
): Effect.fn.Return<Binding | undefined, AuthError, Digest.Digest> {
  const tls = channel.connection.tls()
  const offersBinding = offered.includes(ScramMessage.mechanismPlus)
  // As in libpq: the server is in a TLS session, but not with this client.
  if (offersBinding && tls === undefined) {
    return yield* fromReason(new ChannelBindingUnavailable({ problem: "offered-without-tls" }))
  }
  const certificate = isBindingAllowed ? tls?.peerCertificate : undefined
  if (certificate !== undefined && offersBinding) {
    const endPoint = yield* ChannelBinding.endPoint(certificate)
    return { mechanism: ScramMessage.mechanismPlus, flag: `p=${ChannelBinding.type}`, endPoint }
  }
  return offered.includes(ScramMessage.mechanism)
    ? { mechanism: ScramMessage.mechanism, flag: certificate === undefined ? "n" : "y" }
    : undefined
})

/**
 * A user who proves knowledge of the password without sending it.
 *
 * @category models
 * @since 0.1.0
 */
export interface Account {
  readonly method: "scram-sha-256"
  readonly verifier: ScramVerifier.ScramVerifier
}

/** Requests SCRAM, with channel binding if its data is given. */
const verify = Effect.fnUntraced(function*(
  exchange: ServerExchange,
  { verifier }: Account,
  endPoint: Uint8Array | undefined
): Effect.fn.Return<void, Failure, Digest.Digest | Mac.Mac | SecureRandom.SecureRandom> {
  const read = <A>(result: Result.Result<A, MechanismMalformed>) =>
    Result.isSuccess(result) ? Effect.succeed(result.success) : exchange.malformed(result.failure)
  const wrong = (messageName: string, problem: string, text?: string) =>
    exchange.malformed(new MechanismMalformed({ mechanism: ScramMessage.mechanism, messageName, problem }), text)

  const mechanisms = [...endPoint === undefined ? [] : [ScramMessage.mechanismPlus], ScramMessage.mechanism]
  const initial = yield* exchange.request({ _tag: "AuthenticationSASL", mechanisms }, "SASLInitialResponse")
  if (!mechanisms.includes(initial.mechanism)) {
    const text = "client selected an invalid SASL authentication mechanism"
    return yield* wrong("client-first-message", "it is of another mechanism", text)
  }
  // RFC 4422, section 3.3: a client that only names the mechanism is asked for its first message by an empty challenge.
  const first = initial.data ??
    (yield* exchange.request({ _tag: "AuthenticationSASLContinue", data: new Uint8Array(0) }, "SASLResponse")).data
  const isBound = initial.mechanism === ScramMessage.mechanismPlus
  const clientFirst = yield* read(ScramMessage.readClientFirst(first))
  // An intermediary has removed the server's offer of channel binding (RFC 5802, section 6).
  if (clientFirst.flag === "y" && endPoint !== undefined) {
    return yield* exchange.refuse("28000", "SCRAM channel binding negotiation error")
  }
  if (isBound !== clientFirst.flag.startsWith("p=")) {
    return yield* wrong("client-first-message", "its flag for channel binding does not fit the mechanism")
  }
  if (isBound && clientFirst.flag !== `p=${ChannelBinding.type}`) {
    return yield* wrong("client-first-message", "it wants channel binding of another type")
  }

  const nonce = clientFirst.nonce + encodeBase64(yield* (yield* SecureRandom.SecureRandom).randomBytes(nonceSize))
  const serverFirst = ScramMessage.serverFirst(nonce, verifier.salt, verifier.iterations)
  const challenge = { _tag: "AuthenticationSASLContinue", data: encodeUtf8Unsafe(serverFirst.text) } as const
  const clientFinal = yield* read(
    ScramMessage.readClientFinal((yield* exchange.request(challenge, "SASLResponse")).data)
  )
  if (clientFinal.nonce !== nonce) {
    return yield* wrong("client-final-message", "its nonce is not the one of the exchange")
  }
  const { gs2Header } = clientFirst
  if (clientFinal.channelBinding !== ScramMessage.channelBinding(gs2Header, isBound ? endPoint : undefined)) {
    // A client in another TLS session is what channel binding must detect (RFC 5929, section 4).
    if (isBound) return yield* exchange.refuse("28000", "SCRAM channel binding check failed")
    return yield* wrong("client-final-message", "it does not repeat the header of the first message")
  }

  const authMessage = `${clientFirst.bare},${serverFirst.text},${clientFinal.withoutProof}`
  if (!(yield* ScramVerifier.verify(verifier, authMessage, clientFinal.proof))) return yield* exchange.reject
  const signature = yield* ScramVerifier.serverSignature(verifier, authMessage)
  yield* exchange.send({ _tag: "AuthenticationSASLFinal", data: encodeUtf8Unsafe(ScramMessage.serverFinal(signature)) })
})

/** @internal */
export const definition = Mechanism.make({
  name: "scram-sha-256",
  requireAuth: "scram-sha-256",
  request: "AuthenticationSASL",
  sasl: [ScramMessage.mechanismPlus, ScramMessage.mechanism],
  exposes: "nothing",
  client: (exchange, { mechanisms }) =>
    Effect.map(
      selectBinding(exchange, mechanisms),
      (binding) => binding && { run: prove(exchange, binding), isBound: binding.endPoint !== undefined }
    ),
  server: verify
})
