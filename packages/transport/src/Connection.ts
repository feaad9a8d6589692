/**
 * One open line: a pipe of bytes in both directions.
 *
 * @since 0.1.0
 */
import type { NonEmptyReadonlyArray } from "effect/Array"
import type * as Effect from "effect/Effect"
import type * as Redacted from "effect/Redacted"
import type { TransportError } from "./TransportError.ts"

/**
 * How far the other end's certificate is looked at.
 *
 * **Details**
 *
 * - `"none"`: any certificate will do; the line is secret, but nobody knows with whom it is shared.
 * - `"ca"`: the chain must lead to a trusted root, whatever the name (libpq's `verify-ca`).
 * - `"full"`: the chain must lead to a trusted root and the name must fit (libpq's `verify-full`).
 *
 * @category models
 * @since 0.1.0
 */
export type TlsVerification = "none" | "ca" | "full"

/**
 * The versions of TLS. What is older than 1.2 is off unless it is asked for, and not in every TLS library any more.
 *
 * @category models
 * @since 0.1.0
 */
export type TlsVersion = "TLSv1" | "TLSv1.1" | "TLSv1.2" | "TLSv1.3"

/**
 * How the side that begins secures a line.
 *
 * @category models
 * @since 0.1.0
 */
export interface TlsOptions {
  readonly verification: TlsVerification
  /** The name to send (SNI) and to check. Not sent when it is an IP address. */
  readonly serverName: string
  /** Whether `serverName` is sent at all; true when absent. */
  readonly sendServerName?: boolean | undefined
  /** Trusted roots in PEM; the runtime's own when absent. */
  readonly rootCertificates?: string | undefined
  /** Lists of revoked certificates in PEM; when given, every authority of the chain must have one. */
  readonly revocationList?: string | undefined
  /** Our own certificate chain in PEM, its key, and what the key is encrypted with. */
  readonly certificate?: string | undefined
  readonly key?: Redacted.Redacted<string> | undefined
  readonly keyPassword?: Redacted.Redacted<string> | undefined
  /** The runtime's own limits when absent. */
  readonly minVersion?: TlsVersion | undefined
  readonly maxVersion?: TlsVersion | undefined
  /** The protocols to offer by ALPN (RFC 7301); none when absent. */
  readonly applicationProtocols?: ReadonlyArray<string> | undefined
}

/**
 * What the accepting end of a line secures it with.
 *
 * @category models
 * @since 0.1.0
 */
export interface TlsServerOptions {
  /** Our certificate chain in PEM, and its key. */
  readonly certificate: string
  readonly key: Redacted.Redacted<string>
  /** Roots in PEM that a client's certificate must lead to; no certificate is asked for when absent. */
  readonly clientRoots?: string | undefined
  /** The protocols to agree on by ALPN (RFC 7301); none when absent. */
  readonly applicationProtocols?: ReadonlyArray<string> | undefined
}

/**
 * Facts about a secured line.
 *
 * @category models
 * @since 0.1.0
 */
export interface TlsInfo {
  /** Such as `TLSv1.3`. */
  readonly protocol: string
  /** Such as `TLS_AES_256_GCM_SHA384`. */
  readonly cipher: string
  /** The other end's certificate in DER; what channel binding hashes. */
  readonly peerCertificate: Uint8Array | undefined
  /** The protocol that both ends agreed on by ALPN, such as `postgresql`. */
  readonly applicationProtocol?: string | undefined
}

/**
 * An open line.
 *
 * **Details**
 *
 * A connection belongs to the scope it was opened in; closing the scope closes the line and fails a suspended `pull` or
 * `write` with `Closed`. What was written before is still sent.
 *
 * @category models
 * @since 0.1.0
 */
export interface Connection {
  /**
   * The next chunks that came, at least one byte in all; suspends until there is one.
   *
   * Nothing is read ahead of it but what the runtime's own buffers hold, so not pulling is backpressure. The chunks
   * belong to the caller for ever. The end of the stream is the failure `Closed`, after the last byte was handed out.
   * One pull at a time. Interrupting a pull loses no bytes.
   */
  readonly pull: Effect.Effect<NonEmptyReadonlyArray<Uint8Array>, TransportError>
  /**
   * Sends the bytes; suspends while the other end does not read.
   *
   * The connection keeps the array for as long as it needs it: the caller must not write into it again. Writes are in
   * order. Success means that the bytes were accepted, not that they arrived. Interrupting a write ends the waiting
   * only: its bytes are sent whole all the same, so that the stream stays in step.
   */
  readonly write: (bytes: Uint8Array) => Effect.Effect<void, TransportError>
  /**
   * Secures the line in place: the TLS handshake runs now, and everything after it is encrypted.
   *
   * Nothing may have been pulled that belongs to the handshake, and nothing may be written while it runs. A handshake
   * that fails or is interrupted closes the line.
   */
  readonly startTls: (options: TlsOptions) => Effect.Effect<TlsInfo, TransportError>
  /** What is known of the TLS session; `undefined` on a plain line. */
  readonly tls: () => TlsInfo | undefined
  /** For messages and traces, such as `127.0.0.1:5432`. */
  readonly remote: string
  /** Which of the addresses of a name it was opened to, if that is known. */
  readonly address?: string | undefined
}
