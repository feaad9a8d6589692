/**
 * The handshake of in-memory connections: each end sends one record with its certificate and waits for the other's.
 *
 * It has the outer form of a TLS record (RFC 8446, section 5.1: type 22, version, length), so that an end without TLS
 * receives what it would receive from a real handshake, and an end with TLS rejects what it would reject.
 *
 * @since 0.1.0
 */
import * as Bytes from "effect/Bytes"
import * as Effect from "effect/Effect"
import * as Base64 from "effect/encoding/Base64"
import * as Result from "effect/Result"
import * as TransportError from "../TransportError.ts"
import type { Pipe } from "./pipe.ts"

const headerSize = 5

const failed = (code: string): TransportError.TransportError =>
  TransportError.fromReason(new TransportError.TlsFailed({ code }))

/** Returns the first certificate of a PEM chain in DER; empty if there is none. */
const certificateOf = (pem: string | undefined): Effect.Effect<Uint8Array, TransportError.TransportError> => {
  if (pem === undefined) return Effect.succeed(new Uint8Array(0))
  const body = /-----BEGIN CERTIFICATE-----([^-]*)-----END CERTIFICATE-----/.exec(pem)?.[1]
  if (body === undefined) return Effect.fail(failed("ERR_OSSL_PEM_NO_START_LINE"))
  const der = Base64.decode(body.replaceAll(/\s/g, ""))
  if (Result.isFailure(der)) return Effect.fail(failed("ERR_OSSL_PEM_BAD_BASE64_DECODE"))
  return der.success.length > 0xffff
    ? Effect.fail(failed("ERR_SSL_EXCESSIVE_MESSAGE_SIZE"))
    : Effect.succeed(der.success)
}

const send = (outgoing: Pipe, certificate: Uint8Array): Effect.Effect<void, TransportError.TransportError> =>
  outgoing.write(Bytes.concat([Uint8Array.of(22, 3, 3, certificate.length >> 8, certificate.length), certificate]))

const receive = Effect.fnUntraced(function*(incoming: Pipe) {
  let bytes: Uint8Array = new Uint8Array(0)
  while (true) {
    bytes = Bytes.concat([bytes, ...yield* incoming.pull])
    if (bytes[0] !== 22 || (bytes.length > 1 && bytes[1] !== 3)) return yield* failed("ERR_SSL_WRONG_VERSION_NUMBER")
    if (bytes.length < headerSize) continue
    const end = headerSize + ((bytes[3]! << 8) | bytes[4]!)
    if (bytes.length < end) continue
    incoming.unshift(bytes.subarray(end))
    return bytes.slice(headerSize, end)
  }
})

/**
 * Runs one side of the handshake and returns the peer's certificate.
 *
 * @internal
 */
export const handshake = (
  role: "client" | "server",
  incoming: Pipe,
  outgoing: Pipe,
  certificate: string | undefined
): Effect.Effect<Uint8Array | undefined, TransportError.TransportError> =>
  certificateOf(certificate).pipe(
    Effect.flatMap((own) =>
      role === "client"
        ? Effect.andThen(send(outgoing, own), receive(incoming))
        : Effect.tap(receive(incoming), () => send(outgoing, own))
    ),
    Effect.map((certificate) => (certificate.length === 0 ? undefined : certificate)),
    Effect.mapError((error) => (error.reason._tag === "TlsFailed" ? error : failed("ECONNRESET")))
  )
