/**
 * An open connection: a bidirectional stream of bytes.
 *
 * @since 0.1.0
 */
import type { NonEmptyReadonlyArray } from "effect/Array"
import type * as Effect from "effect/Effect"
import type * as Redacted from "effect/Redacted"
import type { TransportError } from "./TransportError.ts"

/**
 * The extent to which the peer's certificate is verified.
 *
 * **Details**
 *
 * - `"none"`: any certificate is accepted; the connection is encrypted, but the peer is not authenticated.
 * - `"ca"`: the chain must lead to a trusted root; the name is not checked (libpq's `verify-ca`).
 * - `"full"`: the chain must lead to a trusted root and the name must match (libpq's `verify-full`).
 *
 * @category models
 * @since 0.1.0
 */
export type TlsVerification = "none" | "ca" | "full"

/**
 * The TLS versions. Versions before 1.2 are disabled unless requested, and some TLS libraries no longer support them.
 *
 * @category models
 * @since 0.1.0
 */
export type TlsVersion = "TLSv1" | "TLSv1.1" | "TLSv1.2" | "TLSv1.3"

/**
 * TLS options of the side that initiates the handshake.
 *
 * @category models
 * @since 0.1.0
 */
export interface TlsOptions {
  readonly verification: TlsVerification
  /** The name to send (SNI) and to check. Not sent if it is an IP address. */
  readonly serverName: string
  /** True to send `serverName` (SNI). Defaults to true. */
  readonly sendServerName?: boolean | undefined
  /** Trusted roots in PEM. Defaults to those of the runtime. */
  readonly rootCertificates?: string | undefined
  /** Certificate revocation lists in PEM; if given, every authority of the chain must have one. */
  readonly revocationList?: string | undefined
  /** The client's certificate chain in PEM, its key, and the passphrase of the key. */
  readonly certificate?: string | undefined
  readonly key?: Redacted.Redacted<string> | undefined
  readonly keyPassword?: Redacted.Redacted<string> | undefined
  /** The allowed TLS versions. Default to the limits of the runtime. */
  readonly minVersion?: TlsVersion | undefined
  readonly maxVersion?: TlsVersion | undefined
  /** The protocols to offer by ALPN (RFC 7301). Defaults to none. */
  readonly applicationProtocols?: ReadonlyArray<string> | undefined
}

/**
 * TLS options of the accepting side.
 *
 * @category models
 * @since 0.1.0
 */
export interface TlsServerOptions {
  /** The server's certificate chain in PEM, and its key. */
  readonly certificate: string
  readonly key: Redacted.Redacted<string>
  /** Roots in PEM that a client's certificate must lead to. If absent, no client certificate is requested. */
  readonly clientRoots?: string | undefined
  /** The protocols supported for ALPN (RFC 7301). Defaults to none. */
  readonly applicationProtocols?: ReadonlyArray<string> | undefined
}

/**
 * Properties of an established TLS session.
 *
 * @category models
 * @since 0.1.0
 */
export interface TlsInfo {
  /** The TLS version, such as `TLSv1.3`. */
  readonly protocol: string
  /** The cipher suite, such as `TLS_AES_256_GCM_SHA384`. */
  readonly cipher: string
  /** The peer's certificate in DER, which channel binding hashes. */
  readonly peerCertificate: Uint8Array | undefined
  /** The protocol negotiated by ALPN, such as `postgresql`. */
  readonly applicationProtocol?: string | undefined
}

/**
 * An open connection.
 *
 * **Details**
 *
 * A connection belongs to the scope in which it was opened. Closing the scope closes the connection and fails a
 * suspended `pull` or `write` with `Closed`. Data written before is still sent.
 *
 * @category models
 * @since 0.1.0
 */
export interface Connection {
  /**
   * Returns the next chunks received, at least one byte in total; suspends until data arrives.
   *
   * Data is read ahead only into the runtime's own buffers, so not pulling applies backpressure. The chunks belong to
   * the caller. The end of the stream is the failure `Closed`, after the last byte was returned. Only one pull may run
   * at a time. Interrupting a pull does not lose bytes.
   */
  readonly pull: Effect.Effect<NonEmptyReadonlyArray<Uint8Array>, TransportError>
  /**
   * Sends the bytes; suspends while the peer does not read.
   *
   * The connection may keep a reference to the array: the caller must not modify it afterwards. Writes are sent in
   * order. Success means that the bytes were accepted, not that they arrived. Interrupting a write only ends the wait:
   * its bytes are still sent in full, so that the stream stays in sync.
   */
  readonly write: (bytes: Uint8Array) => Effect.Effect<void, TransportError>
  /**
   * Upgrades the connection in place: runs the TLS handshake, after which everything is encrypted.
   *
   * No bytes of the handshake may have been pulled before, and nothing may be written while it runs. A handshake that
   * fails or is interrupted closes the connection.
   */
  readonly startTls: (options: TlsOptions) => Effect.Effect<TlsInfo, TransportError>
  /** Returns the properties of the TLS session; `undefined` on a plain connection. */
  readonly tls: () => TlsInfo | undefined
  /** The remote address for messages and traces, such as `127.0.0.1:5432`. */
  readonly remote: string
  /** The resolved address of the host name that the connection uses, if known. */
  readonly address?: string | undefined
}
