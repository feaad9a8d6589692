/**
 * Errors of opening a session: no server usable, or a server that does not meet `targetSessionAttrs`.
 *
 * @since 0.1.0
 */
import * as AuthError from "@hyperfect/auth/AuthError"
import * as ProtocolError from "@hyperfect/protocol/ProtocolError"
import * as TransportError from "@hyperfect/transport/TransportError"
import * as Schema from "effect/Schema"
import type { ConnectionConfigError } from "./ConnectionConfigError.ts"

/**
 * The server accepted the login, but its sessions do not meet `targetSessionAttrs`.
 *
 * @category errors
 * @since 0.1.0
 */
export class ServerUnsuitable extends ProtocolError.TaggedError<ServerUnsuitable, boolean>()("ServerUnsuitable", {
  /** Such as `127.0.0.1:5432`. */
  endpoint: Schema.String,
  /** Such as `read-write`. */
  wanted: Schema.String,
  /** The actual state, such as `the session is read-only`. */
  found: Schema.String
}, ({ endpoint, found, wanted }) => `${endpoint} is not ${wanted}: ${found}`) {
  /** Always true: a server's role can change. */
  override get isRetryable(): boolean {
    return true
  }
}

/** @internal */
export const Cause = Schema.Union([
  TransportError.TransportError,
  ProtocolError.ProtocolError,
  AuthError.AuthError,
  ServerUnsuitable
])

/**
 * The reason why one of several servers could not be used.
 *
 * @category models
 * @since 0.1.0
 */
export interface Failure {
  /** Such as `127.0.0.1:5432`. */
  readonly endpoint: string
  readonly cause: typeof Cause.Type
}

/**
 * Several servers were tried, and none was usable. With a single server, its own error is returned instead.
 *
 * **Example** (The failure of each server)
 *
 * ```ts
 * import { ConnectionConfig, Session } from "@hyperfect/client"
 * import { Effect } from "effect"
 *
 * const open = Effect.flatMap(ConnectionConfig.fromUri("postgresql://app@db1,db2/shop"), Session.make).pipe(
 *   Effect.tapErrorTag("NoServerFound", ({ failures }) =>
 *     Effect.forEach(failures, ({ cause, endpoint }) => Effect.logError(endpoint, cause.message)))
 * )
 * ```
 *
 * @category errors
 * @since 0.1.0
 */
export class NoServerFound extends ProtocolError.TaggedError<NoServerFound, boolean>()("NoServerFound", {
  /** In the order in which they were tried. */
  failures: Schema.NonEmptyArray(Schema.Struct({ endpoint: Schema.String, cause: Cause }))
}, ({ failures }) => {
  const each = failures.map(({ cause, endpoint }) =>
    cause.message.includes(endpoint) ? cause.message : `${endpoint}: ${cause.message}`
  )
  return `none of ${each.length} servers could be used: ${each.join("; ")}`
}) {
  /** True if a retry can succeed for at least one of the servers. */
  override get isRetryable(): boolean {
    return this.failures.some(({ cause }) => cause.isRetryable)
  }
}

/**
 * A failure to open a session.
 *
 * **Details**
 *
 * With several servers, the next one is tried only after failures that another server may not have: the server is
 * unreachable, does not answer in time, or does not meet `targetSessionAttrs`; it reports that it cannot accept
 * connections now (57P03); or, unlike in libpq, it closes the connection during the login, as a proxy does whose server
 * is down, reports that it shuts down (57P01, 57P02), or answers the request for TLS with an error. All other failures,
 * such as a wrong password or an untrusted certificate, are returned at once.
 *
 * @category errors
 * @since 0.1.0
 */
export type ConnectError = Failure["cause"] | NoServerFound | ConnectionConfigError
