/**
 * The four messages of SCRAM (RFC 5802, section 7), between their text and their parts.
 *
 * Reading is strict: an attribute that is missing, out of its order, not Base64 or not a number is a
 * `MechanismMalformed`, and so is an extension that must be understood (`m=`). Other extensions are passed over, as the
 * RFC wants it. Values may hold any character but a comma, so an attribute is cut at its first `=` only: Hyper's nonces
 * have `=` and quotes in them.
 *
 * Nothing is checked here that needs to know more than the one message.
 *
 * @since 0.1.0
 */
import * as Result from "effect/Result"
import { MechanismMalformed } from "./AuthError.ts"
import { base64, base64Bytes, utf8Text, utf8Unsafe } from "./internal/bytes.ts"

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
 * @category constants
 * @since 0.1.0
 */
export const mechanismPlus = "SCRAM-SHA-256-PLUS"

/**
 * The client's first message: who it is, and its half of the nonce.
 *
 * @category models
 * @since 0.1.0
 */
export interface ClientFirst {
  /**
   * What the client says about channel binding: `p=` and the type when it binds, `y` when it would have but believes that
   * the server cannot, `n` when it does not.
   */
  readonly flag: string
  /** What comes before the bare message, with its last comma; the final message repeats it in Base64. */
  readonly gs2Header: string
  readonly bare: string
  readonly nonce: string
}

/**
 * The server's first message: the whole nonce, and how the password was hashed.
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
 * The client's last message, with its proof.
 *
 * @category models
 * @since 0.1.0
 */
export interface ClientFinal {
  readonly withoutProof: string
  /** The `gs2Header` of the first message, and behind it what the channel is known by, in Base64. */
  readonly channelBinding: string
  readonly nonce: string
  readonly proof: Uint8Array
}

/**
 * The server's last message: its signature, or why there is none.
 *
 * @category models
 * @since 0.1.0
 */
export type ServerFinal =
  | { readonly _tag: "Signature"; readonly signature: Uint8Array }
  | { readonly _tag: "Failure"; readonly error: string }

type Read<A> = Result.Result<A, MechanismMalformed>

type MessageName = "client-first-message" | "server-first-message" | "client-final-message" | "server-final-message"

const malformed = (messageName: MessageName, problem: string): Read<never> =>
  Result.fail(new MechanismMalformed({ mechanism, messageName, problem }))

/** Printable ASCII without the comma. */
const isNonce = (text: string): boolean => /^[\x21-\x2b\x2d-\x7e]+$/.test(text)

const isAttribute = (text: string): boolean => /^[A-Za-z]=[^\0]+$/.test(text)

/** The values of the attributes with the given names, which come first and in this order. */
const attributes = (
  messageName: MessageName,
  names: ReadonlyArray<string>,
  text: string
): Read<ReadonlyArray<string>> => {
  const parts = text.split(",")
  if (parts[0]!.startsWith("m=")) return malformed(messageName, "it demands an extension that is not known")
  const values: Array<string> = []
  for (const [i, name] of names.entries()) {
    const part = parts[i]
    if (part === undefined || !part.startsWith(`${name}=`)) return malformed(messageName, `${name}= is missing`)
    values.push(part.slice(2))
  }
  return parts.slice(names.length).every(isAttribute)
    ? Result.succeed(values)
    : malformed(messageName, "something follows that is not an attribute")
}

const textOf = (messageName: MessageName, bytes: Uint8Array): Read<string> => {
  const text = utf8Text(bytes)
  return text === undefined ? malformed(messageName, "it is not UTF-8") : Result.succeed(text)
}

/**
 * The client's first message.
 *
 * **Details**
 *
 * The user's name is left empty, as libpq does it: servers take the one of the StartupMessage. The flag says what the
 * client does about channel binding.
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
 * Reads the client's first message, as a server does.
 *
 * @category decoding
 * @since 0.1.0
 */
export const readClientFirst = (bytes: Uint8Array): Read<ClientFirst> => {
  const name = "client-first-message"
  return Result.flatMap(textOf(name, bytes), (text): Read<ClientFirst> => {
    const header = /^([^,]*),([^,]*),/.exec(text)
    if (header === null) return malformed(name, "it has no GS2 header")
    const [gs2Header, flag, authorization] = header as unknown as readonly [string, string, string]
    if (!/^(?:n|y|p=[A-Za-z0-9.-]+)$/.test(flag)) return malformed(name, "its flag for channel binding is unknown")
    if (authorization !== "") return malformed(name, "it wants to act for another user")
    const bare = text.slice(gs2Header.length)
    return Result.flatMap(
      attributes(name, ["n", "r"], bare),
      ([, nonce]) =>
        isNonce(nonce!)
          ? Result.succeed({ flag, gs2Header, bare, nonce: nonce! })
          : malformed(name, "r= is not a nonce")
    )
  })
}

/**
 * The server's first message.
 *
 * @category constructors
 * @since 0.1.0
 */
export const serverFirst = (nonce: string, salt: Uint8Array, iterations: number): ServerFirst => ({
  text: `r=${nonce},s=${base64(salt)},i=${iterations}`,
  nonce,
  salt,
  iterations
})

/**
 * Reads the server's first message, as a client does.
 *
 * @category decoding
 * @since 0.1.0
 */
export const readServerFirst = (bytes: Uint8Array): Read<ServerFirst> => {
  const name = "server-first-message"
  return Result.flatMap(
    textOf(name, bytes),
    (text) =>
      Result.flatMap(attributes(name, ["r", "s", "i"], text), (values): Read<ServerFirst> => {
        const [nonce, saltText, count] = values as unknown as readonly [string, string, string]
        const salt = base64Bytes(saltText)
        if (!isNonce(nonce)) return malformed(name, "r= is not a nonce")
        if (salt === undefined || salt.length === 0) return malformed(name, "s= is not Base64")
        if (!/^[1-9][0-9]*$/.test(count)) return malformed(name, "i= is not a count")
        return Result.succeed({ text, nonce, salt, iterations: Number(count) })
      })
  )
}

/**
 * What the client's final message says about the channel: the header of its first one and what the channel is known by,
 * in Base64.
 *
 * @category converting
 * @since 0.1.0
 */
export const channelBinding = (gs2Header: string, endPoint: Uint8Array = new Uint8Array(0)): string => {
  const header = utf8Unsafe(gs2Header)
  const bytes = new Uint8Array(header.length + endPoint.length)
  bytes.set(header)
  bytes.set(endPoint, header.length)
  return base64(bytes)
}

/**
 * The client's final message as far as the proof covers it.
 *
 * @category constructors
 * @since 0.1.0
 */
export const clientFinalWithoutProof = (gs2Header: string, nonce: string, endPoint?: Uint8Array): string =>
  `c=${channelBinding(gs2Header, endPoint)},r=${nonce}`

/**
 * Reads the client's last message, as a server does.
 *
 * @category decoding
 * @since 0.1.0
 */
export const readClientFinal = (bytes: Uint8Array): Read<ClientFinal> => {
  const name = "client-final-message"
  return Result.flatMap(textOf(name, bytes), (text) => {
    // The proof is the last attribute, behind any extensions.
    const end = text.lastIndexOf(",p=")
    if (end === -1) return malformed(name, "p= is missing")
    const withoutProof = text.slice(0, end)
    return Result.flatMap(attributes(name, ["c", "r"], withoutProof), ([binding, nonce]): Read<ClientFinal> => {
      const proof = base64Bytes(text.slice(end + 3))
      if (proof === undefined) return malformed(name, "p= is not Base64")
      return Result.succeed({ withoutProof, channelBinding: binding!, nonce: nonce!, proof })
    })
  })
}

/**
 * The server's final message.
 *
 * @category constructors
 * @since 0.1.0
 */
export const serverFinal = (signature: Uint8Array): string => `v=${base64(signature)}`

/**
 * Reads the server's last message, as a client does.
 *
 * @category decoding
 * @since 0.1.0
 */
export const readServerFinal = (bytes: Uint8Array): Read<ServerFinal> => {
  const name = "server-final-message"
  return Result.flatMap(textOf(name, bytes), (text): Read<ServerFinal> => {
    if (text.startsWith("e=")) {
      return Result.map(attributes(name, ["e"], text), ([error]) => ({ _tag: "Failure", error: error! }))
    }
    return Result.flatMap(attributes(name, ["v"], text), ([value]) => {
      const signature = base64Bytes(value!)
      return signature === undefined
        ? malformed(name, "v= is not Base64")
        : Result.succeed({ _tag: "Signature", signature })
    })
  })
}
