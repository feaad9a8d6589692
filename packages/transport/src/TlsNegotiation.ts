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

const refused = (answer: string) => Effect.fail(fromReason(new TlsRefused({ answer })))

/**
 * Sends SSLRequest and secures the connection, or fails with `TlsRefused` when the server does not agree.
 *
 * **Details**
 *
 * The answer is one byte. Anything behind it came in clear text and would be taken for something that the server said
 * under TLS, so it ends the attempt (CVE-2021-23222). There is no way back to clear text from here.
 *
 * **Gotchas**
 *
 * Must be the first thing that happens on the connection. A server from before PostgreSQL 7 answers with an
 * ErrorResponse; that text cannot be authenticated, so it is not shown.
 *
 * @category combinators
 * @since 0.1.0
 */
export const start = (connection: Connection, options: TlsOptions): Effect.Effect<TlsInfo, TransportError> =>
  connection.write(request).pipe(
    Effect.andThen(connection.pull),
    Effect.flatMap((chunks) => {
      const size = chunks.reduce((sum, chunk) => sum + chunk.length, 0)
      const answer = chunks[0][0]!
      if (answer === 0x45) return refused("with an error")
      if (size !== 1) return refused(`with ${size} bytes where one was due`)
      return answer === 0x53
        ? connection.startTls(options)
        : refused(answer === 0x4e ? "that it has none" : "with an unknown byte")
    })
  )
