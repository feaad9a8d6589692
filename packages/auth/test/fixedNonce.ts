/** Cryptography for tests. */
import { Layer } from "effect"
import { Digest, Kdf, Mac, SecureRandom } from "effect/crypto"

/**
 * Returns the runtime's cryptography with fixed random bytes, whose Base64 is the given nonce, however many are
 * requested.
 */
export const cryptoWithNonce = (nonce: string) => {
  const random = Layer.succeed(
    SecureRandom.SecureRandom,
    SecureRandom.make(() => Uint8Array.from(Buffer.from(nonce, "base64")))
  )
  return Layer.mergeAll(Digest.layerWebCrypto, Kdf.layerWebCrypto, Layer.provideMerge(Mac.layerWebCrypto, random))
}
