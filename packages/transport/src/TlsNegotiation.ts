/**
 * Asking a PostgreSQL server for TLS, as the chapter "SSL Session Encryption" of the protocol wants it.
 *
 * @since 0.1.0
 */
import * as Frontend from "@hyperfect/protocol/Frontend"
import * as Effect from "effect/Effect"
import type { Connection, TlsInfo, TlsOptions } from "./Connection.ts"
import { fromReason, TlsRefused, type TransportError } from "./TransportError.ts"

const request = Frontend.encodeUnsafe(Frontend.SSLRequest.make({}))

/** The protocol's name for ALPN, as registered with IANA. */
const applicationProtocol = "postgresql"

const refused = (answer: string) => Effect.fail(fromReason(new TlsRefused({ answer })))

/**
 * Sends SSLRequest, and returns whether the server agrees to TLS.
 *
 * **Details**
 *
 * The answer is one byte. Anything behind it came in clear text and would be taken for something that the server said
 * under TLS, so it ends the attempt (CVE-2021-23222). A server that says no is ready for a StartupMessage in clear text;
 * every other answer fails with `TlsRefused`.
 *
 * **Gotchas**
 *
 * Must be the first thing that happens on the connection. A server that is in trouble answers with an ErrorResponse; that
 * text cannot be authenticated, so it is not shown.
 *
 * @category combinators
 * @since 0.1.0
 */
export const ask = (connection: Connection): Effect.Effect<boolean, TransportError> =>
  connection.write(request).pipe(
    Effect.andThen(connection.pull),
    Effect.flatMap((chunks) => {
      const size = chunks.reduce((sum, chunk) => sum + chunk.length, 0)
      const answer = chunks[0][0]!
      if (answer === 0x45) return refused("with an error")
      if (size !== 1) return refused(`with ${size} bytes where one was due`)
      return answer === 0x53
        ? Effect.succeed(true)
        : answer === 0x4e
        ? Effect.succeed(false)
        : refused("with an unknown byte")
    })
  )

/**
 * Asks for TLS and secures the connection, or fails with `TlsRefused` when the server does not agree.
 *
 * **Details**
 *
 * There is no way back to clear text from here.
 *
 * @see {@link ask} for what the server may answer
 *
 * @category combinators
 * @since 0.1.0
 */
export const start = (connection: Connection, options: TlsOptions): Effect.Effect<TlsInfo, TransportError> =>
  Effect.flatMap(
    ask(connection),
    (agrees) => (agrees ? connection.startTls(options) : refused("that it has none"))
  )

/**
 * Secures the connection without asking first, as servers from PostgreSQL 17 on let clients do.
 *
 * **Details**
 *
 * Both ends must agree on the protocol `postgresql` by ALPN, lest somebody lead the client to a server for something else.
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
