/**
 * Why no session could be opened, when several servers would have done or one was not what was wanted.
 *
 * @since 0.1.0
 */
import * as AuthError from "@hyperfect/auth/AuthError"
import * as ProtocolError from "@hyperfect/protocol/ProtocolError"
import * as TransportError from "@hyperfect/transport/TransportError"
import * as Schema from "effect/Schema"
import type { ConfigError } from "./ConfigError.ts"

/**
 * The server let us in, but its sessions are not what `targetSessionAttrs` asks for.
 *
 * @category errors
 * @since 0.1.0
 */
export class ServerUnsuitable extends Schema.TaggedError<ServerUnsuitable>()("ServerUnsuitable", {
  /** Such as `127.0.0.1:5432`. */
  endpoint: Schema.String,
  /** Such as `read-write`. */
  wanted: Schema.String,
  /** What it is instead, such as `the session is read-only`. */
  found: Schema.String
}) {
  override get message(): string {
    return `${this.endpoint} is not ${this.wanted}: ${this.found}`
  }

  /** True: servers change their roles. */
  get isRetryable(): boolean {
    return true
  }
}

/**
 * Why one of several servers was of no use.
 *
 * @category models
 * @since 0.1.0
 */
export interface Failure {
  /** Such as `127.0.0.1:5432`. */
  readonly endpoint: string
  readonly cause:
    | TransportError.TransportError
    | ProtocolError.ProtocolError
    | AuthError.AuthError
    | ServerUnsuitable
}

/**
 * Several servers were tried, and none was of use. With a single server, its own error says why.
 *
 * **Example** (Why each of them failed)
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
export class NoServerFound extends Schema.TaggedError<NoServerFound>()("NoServerFound", {
  /** In the order in which they were tried. */
  failures: Schema.NonEmptyArray(Schema.Struct({
    endpoint: Schema.String,
    cause: Schema.Union([
      TransportError.TransportError,
      ProtocolError.ProtocolError,
      AuthError.AuthError,
      ServerUnsuitable
    ])
  }))
}) {
  override get message(): string {
    const each = this.failures.map(({ cause, endpoint }) =>
      cause.message.includes(endpoint) ? cause.message : `${endpoint}: ${cause.message}`
    )
    return `none of ${each.length} servers is of use: ${each.join("; ")}`
  }

  /** Whether trying again can help with one of them. */
  get isRetryable(): boolean {
    return this.failures.some(({ cause }) => cause._tag !== "ProtocolError" && cause.isRetryable)
  }
}

/**
 * A failure to open a session.
 *
 * **Details**
 *
 * When several servers would do, only what another one could be better at makes the next one be tried, as in libpq: that
 * it cannot be reached, does not answer in time, says that it cannot be connected to now (57P03), or is not what
 * `targetSessionAttrs` asks for. Everything else, such as a wrong password or a certificate that is not to be trusted,
 * is the error at once.
 *
 * @category errors
 * @since 0.1.0
 */
export type ConnectError =
  | TransportError.TransportError
  | ProtocolError.ProtocolError
  | AuthError.AuthError
  | ServerUnsuitable
  | NoServerFound
  | ConfigError
