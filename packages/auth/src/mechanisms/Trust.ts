/**
 * No authentication: the server sends AuthenticationOk at once (protocol, "Start-up"). It may have verified a client certificate.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Mechanism from "../internal/mechanism.ts"

/**
 * A user who is admitted without authentication.
 *
 * @category models
 * @since 0.1.0
 */
export interface Account {
  readonly method: "trust"
}

/** @internal */
export const definition = Mechanism.make({
  name: "trust",
  requireAuth: "none",
  request: "AuthenticationOk",
  exposes: "nothing",
  client: () => Effect.succeed({ run: Effect.void }),
  server: (_exchange, _account: Account) => Effect.void
})
