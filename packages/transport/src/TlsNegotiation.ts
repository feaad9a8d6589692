/**
 * TLS negotiation with a PostgreSQL server, as specified in the protocol chapter "SSL Session Encryption".
 *
 * @since 0.1.0
 */
import * as Frontend from "@hyperfect/protocol/Frontend"
import * as Effect from "effect/Effect"
import type { Connection, TlsInfo, TlsOptions } from "./Connection.ts"
import { failed, fromReason, TlsRefused, type TransportError } from "./TransportError.ts"

const sslRequestBytes = Frontend.encodeUnsafe({ _tag: "SSLRequest" })

/** The protocol's ALPN name, as registered with IANA. */
const applicationProtocol = "postgresql"

/**
 * The `answer` of `TlsRefused` for a server that declines the request.
 *
 * @internal
 */
export const noTls = "that it has none"

/** True if the bytes begin as the response of an HTTP server. */
const isHttp = (bytes: Uint8Array): boolean => bytes[0] === 0x48 && bytes[1] === 0x54 && bytes[2] === 0x54

const refused = (answer: string) => Effect.fail(fromReason(new TlsRefused({ answer })))

/**
 * Sends SSLRequest, and returns true if the server accepts TLS.
 *
 * **Details**
 *
 * The answer is one byte. Any bytes after it came in clear text and would be mistaken for data received under TLS, so
 * they fail the attempt (CVE-2021-23222). A server that declines is ready for a StartupMessage in clear text; any other
 * answer fails with `TlsRefused`.
 *
 * **Gotchas**
 *
 * Must be the first operation on the connection. A server may answer with an ErrorResponse; its text is not
 * authenticated, so it is not shown.
 *
 * @category combinators
 * @since 0.1.0
 */
export const sslRequest = (connection: Connection): Effect.Effect<boolean, TransportError> =>
  connection.write(sslRequestBytes).pipe(
    Effect.andThen(connection.pull),
    Effect.flatMap((chunks) => {
      const size = chunks.reduce((sum, chunk) => sum + chunk.length, 0)
      const answer = chunks[0][0]!
      if (answer === 0x45) return refused(failed)
      if (isHttp(chunks[0])) return refused("as an HTTP server")
      if (size !== 1) return refused(`with ${size} bytes where one was due`)
      return answer === 0x53
        ? Effect.succeed(true)
        : answer === 0x4e
        ? Effect.succeed(false)
        : refused("with an unknown byte")
    })
  )

/**
 * Requests TLS and upgrades the connection, or fails with `TlsRefused` if the server declines.
 *
 * **Details**
 *
 * There is no fallback to clear text.
 *
 * @see {@link sslRequest} for the possible answers
 *
 * @category combinators
 * @since 0.1.0
 */
export const start = (connection: Connection, options: TlsOptions): Effect.Effect<TlsInfo, TransportError> =>
  Effect.flatMap(sslRequest(connection), (agrees) => (agrees ? connection.startTls(options) : refused(noTls)))

/**
 * Upgrades the connection without a request first, which servers support since PostgreSQL 17.
 *
 * **Details**
 *
 * Both ends must agree on the protocol `postgresql` by ALPN, so that the client cannot be redirected to a server of
 * another protocol (protocol, "SSL Session Encryption").
 *
 * @category combinators
 * @since 0.1.0
 */
export const startDirect = (connection: Connection, options: TlsOptions): Effect.Effect<TlsInfo, TransportError> =>
  Effect.flatMap(
    connection.startTls({ ...options, applicationProtocols: [applicationProtocol] }),
    (info) =>
      info.applicationProtocol === applicationProtocol
        ? Effect.succeed(info)
        : refused("without agreeing on the protocol postgresql (ALPN)")
  )
