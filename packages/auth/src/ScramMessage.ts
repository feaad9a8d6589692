/**
 * Parsing and formatting of the four SCRAM messages (RFC 5802, section 7).
 *
 * Parsing is strict: an attribute that is missing, out of order, not Base64 or not a number is a `MechanismMalformed`,
 * and so is a mandatory extension (`m=`). Other extensions are ignored, as the RFC requires. Values may contain any
 * character except a comma, so an attribute is split at its first `=` only: Hyper's nonces contain `=` and quotes.
 *
 * Checks that depend on other messages are not made here.
 *
 * @since 0.1.0
 */
import * as Bytes from "effect/Bytes"
import * as Result from "effect/Result"
import { MechanismMalformed } from "./AuthError.ts"
import { decodeBase64, decodeUtf8, encodeBase64, encodeUtf8Unsafe } from "./internal/bytes.ts"

/**
 * The mechanism's name in SASL.
 *
 * @category constants
 * @since 0.1.0
 */
export const mechanism = "SCRAM-SHA-256"

/**
 * The name of the mechanism with channel binding.
 *
 * @internal
 */
export const mechanismPlus = "SCRAM-SHA-256-PLUS"

/**
 * The client's first message: its user and its half of the nonce.
 *
 * @category models
 * @since 0.1.0
 */
export interface ClientFirst {
  /**
   * The client's channel binding flag: `p=` and the type if it binds, `y` if it supports channel binding but believes
   * that the server does not, `n` if it does not.
   */
  readonly flag: string
  /** The part before the bare message, including its last comma; the final message repeats it in Base64. */
  readonly gs2Header: string
  readonly bare: string
  readonly nonce: string
}

/**
 * The server's first message: the whole nonce, the salt and the iteration count.
 *
 * @category models
 * @since 0.1.0
 */
export interface ServerFirst {
  readonly text: string
  readonly nonce: string
  readonly salt: Uint8Array
  readonly iterations: number
}

/**
 * The client's final message, with its proof.
 *
 * @category models
 * @since 0.1.0
 */
export interface ClientFinal {
  readonly withoutProof: string
  /** The `gs2Header` of the first message followed by the channel binding data, in Base64. */
  readonly channelBinding: string
  readonly nonce: string
  readonly proof: Uint8Array
}

/**
 * The server's final message: its signature, or an error.
 *
 * @category models
 * @since 0.1.0
 */
export type ServerFinal =
  | { readonly _tag: "Signature"; readonly signature: Uint8Array }
  | { readonly _tag: "Failure"; readonly error: string }

type Parsed<A> = Result.Result<A, MechanismMalformed>

type MessageName = "client-first-message" | "server-first-message" | "client-final-message" | "server-final-message"

const malformed = (messageName: MessageName, problem: string): Parsed<never> =>
  Result.fail(new MechanismMalformed({ mechanism, messageName, problem }))

/** True for printable ASCII without commas. */
const isNonce = (text: string): boolean => /^[\x21-\x2b\x2d-\x7e]+$/.test(text)

const isAttribute = (text: string): boolean => /^[A-Za-z]=[^\0]+$/.test(text)

/** Returns the values of the attributes with the given names, which must come first and in this order. */
const readAttributes = <const Names extends ReadonlyArray<string>>(
  messageName: MessageName,
  names: Names,
  text: string
): Parsed<{ readonly [K in keyof Names]: string }> => {
  const parts = text.split(",")
  if (parts[0]!.startsWith("m=")) return malformed(messageName, "it demands an extension that is not known")
  const values: Array<string> = []
  for (const [i, name] of names.entries()) {
    const part = parts[i]
    if (part === undefined || !part.startsWith(`${name}=`)) return malformed(messageName, `${name}= is missing`)
    values.push(part.slice(2))
  }
  return parts.slice(names.length).every(isAttribute)
    ? Result.succeed(values as { readonly [K in keyof Names]: string })
    : malformed(messageName, "something follows that is not an attribute")
}

const decodeText = (messageName: MessageName, bytes: Uint8Array): Parsed<string> => {
  const text = decodeUtf8(bytes)
  return text === undefined ? malformed(messageName, "it is not UTF-8") : Result.succeed(text)
}

/**
 * Creates the client's first message.
 *
 * **Details**
 *
 * The user's name is left empty, as in libpq: servers use the one of the StartupMessage. The flag is the client's
 * channel binding flag.
 *
 * @category constructors
 * @since 0.1.0
 */
export const clientFirst = (nonce: string, user = "", flag = "n"): ClientFirst => ({
  flag,
  gs2Header: `${flag},,`,
  bare: `n=${user.replaceAll("=", "=3D").replaceAll(",", "=2C")},r=${nonce}`,
  nonce
})

/**
 * Parses the client's first message, for a server.
 *
 * @category decoding
 * @since 0.1.0
 */
export const readClientFirst = (bytes: Uint8Array): Parsed<ClientFirst> =>
  Result.gen(function*() {
    const name = "client-first-message"
    const text = yield* decodeText(name, bytes)
    const header = /^([^,]*),([^,]*),/.exec(text)
    if (header === null) return yield* malformed(name, "it has no GS2 header")
    const [gs2Header, flag, authorization] = header as unknown as readonly [string, string, string]
    if (!/^(?:n|y|p=[A-Za-z0-9.-]+)$/.test(flag)) {
      return yield* malformed(name, "its flag for channel binding is unknown")
    }
    if (authorization !== "") return yield* malformed(name, "it wants to act for another user")
    const bare = text.slice(gs2Header.length)
    const [, nonce] = yield* readAttributes(name, ["n", "r"], bare)
    return isNonce(nonce) ? { flag, gs2Header, bare, nonce } : yield* malformed(name, "r= is not a nonce")
  })

/**
 * Creates the server's first message.
 *
 * @category constructors
 * @since 0.1.0
 */
export const serverFirst = (nonce: string, salt: Uint8Array, iterations: number): ServerFirst => ({
  text: `r=${nonce},s=${encodeBase64(salt)},i=${iterations}`,
  nonce,
  salt,
  iterations
})

/**
 * Parses the server's first message, for a client.
 *
 * @category decoding
 * @since 0.1.0
 */
export const readServerFirst = (bytes: Uint8Array): Parsed<ServerFirst> =>
  Result.gen(function*() {
    const name = "server-first-message"
    const text = yield* decodeText(name, bytes)
    const [nonce, saltText, count] = yield* readAttributes(name, ["r", "s", "i"], text)
    const salt = decodeBase64(saltText)
    if (!isNonce(nonce)) return yield* malformed(name, "r= is not a nonce")
    if (salt === undefined || salt.length === 0) return yield* malformed(name, "s= is not Base64")
    if (!/^[1-9][0-9]*$/.test(count)) return yield* malformed(name, "i= is not a count")
    return { text, nonce, salt, iterations: Number(count) }
  })

/**
 * Returns the channel binding attribute of the client's final message: the header of its first message and the channel
 * binding data, in Base64.
 *
 * @internal
 */
export const channelBinding = (gs2Header: string, endPoint: Uint8Array = new Uint8Array(0)): string =>
  encodeBase64(Bytes.concat([encodeUtf8Unsafe(gs2Header), endPoint]))

/**
 * Returns the part of the client's final message that the proof covers.
 *
 * @category constructors
 * @since 0.1.0
 */
export const clientFinalWithoutProof = (gs2Header: string, nonce: string, endPoint?: Uint8Array): string =>
  `c=${channelBinding(gs2Header, endPoint)},r=${nonce}`

/**
 * Parses the client's final message, for a server.
 *
 * @category decoding
 * @since 0.1.0
 */
export const readClientFinal = (bytes: Uint8Array): Parsed<ClientFinal> =>
  Result.gen(function*() {
    const name = "client-final-message"
    const text = yield* decodeText(name, bytes)
    // The proof is the last attribute, after any extensions.
    const end = text.lastIndexOf(",p=")
    if (end === -1) return yield* malformed(name, "p= is missing")
    const withoutProof = text.slice(0, end)
    const [channelBinding, nonce] = yield* readAttributes(name, ["c", "r"], withoutProof)
    const proof = decodeBase64(text.slice(end + 3))
    return proof === undefined
      ? yield* malformed(name, "p= is not Base64")
      : { withoutProof, channelBinding, nonce, proof }
  })

/**
 * Formats the server's final message.
 *
 * @category constructors
 * @since 0.1.0
 */
export const serverFinal = (signature: Uint8Array): string => `v=${encodeBase64(signature)}`

/**
 * Parses the server's final message, for a client.
 *
 * @category decoding
 * @since 0.1.0
 */
export const readServerFinal = (bytes: Uint8Array): Parsed<ServerFinal> =>
  Result.gen(function*() {
    const name = "server-final-message"
    const text = yield* decodeText(name, bytes)
    if (text.startsWith("e=")) {
      const [error] = yield* readAttributes(name, ["e"], text)
      return { _tag: "Failure", error }
    }
    const [value] = yield* readAttributes(name, ["v"], text)
    const signature = decodeBase64(value)
    return signature === undefined ? yield* malformed(name, "v= is not Base64") : { _tag: "Signature", signature }
  })
