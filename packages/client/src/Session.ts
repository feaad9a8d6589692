/**
 * A session: one logged-in connection.
 *
 * A session lives as long as its scope. Closing it sends CopyFail if a COPY is in progress, then Terminate, then
 * disconnects. Any number of fibers may use a session at once: their queries are pipelined. Streams, COPY and
 * transactions have it to themselves while they run. A session whose connection broke is dead, and fails every use with
 * the reason.
 *
 * @since 0.1.0
 */
import type * as Authenticate from "@hyperfect/auth/Authenticate"
import type * as Policy from "@hyperfect/auth/Policy"
import type * as ProtocolVersion from "@hyperfect/auth/ProtocolVersion"
import type * as Backend from "@hyperfect/protocol/Backend"
import type { TlsInfo } from "@hyperfect/transport/Connection"
import type { Transport } from "@hyperfect/transport/Transport"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import type * as ConnectErrors from "./ConnectError.ts"
import type { ConnectionConfig } from "./ConnectionConfig.ts"
import type { Dialect } from "./Dialect.ts"
import { openSession } from "./internal/client/openSession.ts"
import type { Queries } from "./Queries.ts"

/**
 * The server that a session is connected to.
 *
 * @category models
 * @since 0.1.0
 */
export interface Server {
  /** `"hyper"` if the server reports the parameter `hyper_version`. */
  readonly kind: Dialect["name"]
  /** The capabilities of the server: those of its kind, with the overrides of the configuration. */
  readonly dialect: Dialect
  /** Hyper's own version, or PostgreSQL's `server_version`. */
  readonly version: string
}

/**
 * The properties of a session besides its queries.
 *
 * @category models
 * @since 0.1.0
 */
export interface Info {
  readonly server: Server
  /** The authentication method of this session. */
  readonly authentication: Policy.Method
  /** The protocol version that the server agreed to. */
  readonly protocolVersion: ProtocolVersion.ProtocolVersion
  /**
   * The current settings that the server reports. A server that reports more than 1,000 names, or more than 1 MiB in
   * total, breaks the session with a `ProtocolError`.
   */
  readonly parameters: () => ReadonlyMap<string, string>
  /**
   * The transaction status of the latest ReadyForQuery: `I` for none, `T` for an open transaction, `E` for a failed
   * one.
   */
  readonly transactionStatus: () => Backend.ReadyForQuery["status"]
  /** The backend process ID; absent if the server did not send one. On Hyper, 0 is an ordinary number. */
  readonly processId: number | undefined
  /** Properties of the TLS session; absent on a plain connection. */
  readonly tls: TlsInfo | undefined
  /**
   * Warnings and other notices of the server: those of the login, then those from the moment of subscription. A slow
   * subscriber misses the oldest: 256 are buffered, up to 1 MiB in total except for the newest. It ends with the
   * session.
   */
  readonly notices: Stream.Stream<Backend.NoticeResponse>
  /**
   * Notifications of the channels that this session listens to, from the moment of subscription, buffered as notices
   * are.
   *
   * @see `Notifications` for subscriptions that survive the loss of a session
   */
  readonly notifications: Stream.Stream<Backend.NotificationResponse>
  /**
   * Changes of the settings that the server reports, such as `TimeZone`, from the moment of subscription, buffered as
   * notices are.
   */
  readonly parameterChanges: Stream.Stream<Backend.ParameterStatus>
}

/**
 * A session: its queries and its properties.
 *
 * @category models
 * @since 0.1.0
 */
export interface Session extends Queries, Info {}

/**
 * A failure to open a session.
 *
 * @category errors
 * @since 0.1.0
 */
export type ConnectError = ConnectErrors.ConnectError

/**
 * Opens a session on the first acceptable server of the configuration.
 *
 * @see {@link ConnectError} for the failures after which the next server is tried
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (
  config: ConnectionConfig
): Effect.Effect<Session, ConnectError, Scope.Scope | Transport | Authenticate.Services> =>
  Effect.map(openSession(config), ({ session }) => session)
