import * as Effect from "effect/Effect"
import * as Base64 from "effect/encoding/Base64"
import * as Result from "effect/Result"
import { type AuthError, ChannelBindingUnavailable, fromReason } from "../AuthError.ts"

/** Returns the first certificate of a PEM chain (RFC 7468), in DER. */
export const firstCertificate = (pem: string): Effect.Effect<Uint8Array, AuthError> => {
  const body = /-----BEGIN CERTIFICATE-----([^-]*)-----END CERTIFICATE-----/.exec(pem)?.[1]
  const bytes = body === undefined ? undefined : Base64.decode(body.replaceAll(/\s/g, ""))
  return bytes !== undefined && Result.isSuccess(bytes)
    ? Effect.succeed(bytes.success)
    : Effect.fail(fromReason(new ChannelBindingUnavailable({ problem: "certificate-malformed" })))
}
