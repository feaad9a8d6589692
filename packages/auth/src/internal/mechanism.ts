/** The shape of an authentication mechanism: an entry of the table in `mechanisms/table.ts`. */
import type * as Digest from "effect/crypto/Digest"
import type * as Kdf from "effect/crypto/Kdf"
import type * as Mac from "effect/crypto/Mac"
import type * as SecureRandom from "effect/crypto/SecureRandom"
import * as Effect from "effect/Effect"
import type { AuthError } from "../AuthError.ts"
import type { ClientExchange, Failure, ServerMessage } from "./clientExchange.ts"
import type { ServerExchange } from "./serverExchange.ts"

export type Services = Digest.Digest | Kdf.Kdf | Mac.Mac | SecureRandom.SecureRandom

type RequestTag = Extract<ServerMessage["_tag"], `Authentication${string}`>

type Request<Tag> = Extract<ServerMessage, { readonly _tag: Tag }>

/** The client's half of a mechanism, ready to run. */
export interface Attempt<E, R> {
  /** Authenticates, up to and including the server's AuthenticationOk. */
  readonly run: Effect.Effect<void, Failure | E, Services | R>
  /** True if it binds the login to the TLS session. */
  readonly isBound?: boolean
  /** True if the login has the secret of this mechanism only, so that it precedes stronger ones. */
  readonly isPreferred?: boolean
}

interface Facts<Name extends string, Tag extends RequestTag> {
  /** The name in `pg_hba.conf`. */
  readonly name: Name
  /** The name in libpq's `require_auth`. */
  readonly requireAuth: string
  /** The request with which a server asks for it, which determines the code. */
  readonly request: Tag
  /** The names in SASL, strongest first; empty for other mechanisms. */
  readonly sasl: ReadonlyArray<string>
  /** The secret that an eavesdropper gets, directly or, from a hash, by guessing. */
  readonly exposes: "nothing" | "password" | "hash" | "token"
}

type Preparation<E, R> = Effect.Effect<Attempt<E, R> | undefined, AuthError, Services>

type Verification = Effect.Effect<void, Failure, Services>

type Server<Account, A> = (exchange: ServerExchange, account: Account, endPoint: Uint8Array | undefined) => A

interface Definition<Name extends string, Tag extends RequestTag, Account> extends Omit<Facts<Name, Tag>, "sasl"> {
  readonly sasl?: ReadonlyArray<string>
  readonly client: <E, R>(exchange: ClientExchange<E, R>, request: Request<Tag>) => Preparation<E, R>
  /** Requests the proof that the account requires; `endPoint` is the channel binding data, if there is any. */
  readonly server: Server<Account, Verification> | undefined
}

interface AnyAccount {
  readonly method: unknown
}

export interface Mechanism<Name extends string, Account> extends Facts<Name, RequestTag> {
  /** Prepares the client's half; `undefined` if the request does not offer the mechanism. */
  readonly client: <E, R>(exchange: ClientExchange<E, R>, request: ServerMessage) => Preparation<E, R>
  /** Returns the server's half; `undefined` if there is none, or if the account is of another mechanism. */
  readonly server: Server<AnyAccount, Verification | undefined>
  readonly hasServer: boolean
  readonly isAccount: (account: AnyAccount) => account is AnyAccount & Account
}

/** The account of a mechanism, `never` if it has no server's half. */
export type AccountOf<M> = M extends Mechanism<string, infer Account> ? Account : never

/** Guards both halves, so that each only runs for its own requests and accounts. */
export const make = <
  const Name extends string,
  Tag extends RequestTag,
  Account extends { readonly method: Name } = never
>({ client, sasl = [], server, ...facts }: Definition<Name, Tag, Account>): Mechanism<Name, Account> => {
  const isRequest = (message: ServerMessage): message is Request<Tag> =>
    message._tag === facts.request &&
    (message._tag !== "AuthenticationSASL" || message.mechanisms.some((name) => sasl.includes(name)))
  const isAccount = (account: AnyAccount): account is AnyAccount & Account => account.method === facts.name
  return {
    ...facts,
    sasl,
    hasServer: server !== undefined,
    isAccount,
    client: (exchange, request) => isRequest(request) ? client(exchange, request) : Effect.succeed(undefined),
    server: (exchange, account, endPoint) => isAccount(account) ? server?.(exchange, account, endPoint) : undefined
  }
}
