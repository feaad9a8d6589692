import { assert, describe, it } from "@effect/vitest"
import { Authenticate, Policy, ScramMessage, ScramVerifier } from "@hyperfect/auth"
import { Effect, Redacted } from "effect"
import * as Kdf from "effect/crypto/Kdf"
import { pbkdf2Sync } from "node:crypto"
import { inspect } from "node:util"

const base64 = (bytes: Uint8Array) => Buffer.from(bytes).toString("base64")
const fromBase64 = (text: string) => Uint8Array.from(Buffer.from(text, "base64"))

/** The example of RFC 7677, section 3. */
const example = {
  password: Redacted.make("pencil"),
  salt: fromBase64("W22ZaJ0SNY7soEsUEjb6gQ=="),
  nonce: "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0",
  proof: "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
  signature: "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="
}

const authMessage = [
  ScramMessage.clientFirst("rOprNGfwEbeRWgbNEkqO", "user").bare,
  ScramMessage.serverFirst(example.nonce, example.salt, 4096).text,
  ScramMessage.clientFinalWithoutProof("n,,", example.nonce)
].join(",")

describe("ScramVerifier", () => {
  it.effect("computes the proof and the signature of RFC 7677", () =>
    Effect.gen(function*() {
      const keys = yield* ScramVerifier.deriveKeys(example.password, example.salt, 4096)
      assert.strictEqual(base64(yield* ScramVerifier.clientProof(keys, authMessage)), example.proof)
      assert.strictEqual(base64(yield* ScramVerifier.serverSignature(keys, authMessage)), example.signature)
    }).pipe(Effect.provide(Authenticate.layerCrypto)))

  it.effect("verifies the proof of RFC 7677 without the password", () =>
    Effect.gen(function*() {
      const verifier = yield* ScramVerifier.make(example.password, { salt: example.salt })
      const proof = fromBase64(example.proof)
      assert.isTrue(yield* ScramVerifier.verify(verifier, authMessage, proof))
      assert.isFalse(yield* ScramVerifier.verify(verifier, `${authMessage} `, proof))
      assert.isFalse(yield* ScramVerifier.verify(verifier, authMessage, proof.with(0, proof[0]! ^ 1)))
      assert.isFalse(yield* ScramVerifier.verify(verifier, authMessage, proof.subarray(1)))
      assert.isFalse(yield* ScramVerifier.verify(verifier, authMessage, new Uint8Array(0)))
    }).pipe(Effect.provide(Authenticate.layerCrypto)))

  it.effect("generates a new salt for each verifier", () =>
    Effect.gen(function*() {
      const one = yield* ScramVerifier.make(example.password)
      const other = yield* ScramVerifier.make(example.password)
      assert.strictEqual(one.salt.length, 16)
      assert.notDeepEqual(one.salt, other.salt)
      assert.notDeepEqual(one.storedKey, other.storedKey)
    }).pipe(Effect.provide(Authenticate.layerCrypto)))

  it.effect("prepares the password with the given profile", () =>
    Effect.gen(function*() {
      const { salt } = example
      const numeral = Redacted.make("\u2168")
      const ascii = yield* ScramVerifier.make(Redacted.make("IX"), { salt })
      assert.deepStrictEqual(yield* ScramVerifier.make(numeral, { salt }), ascii)
      assert.notDeepEqual(yield* ScramVerifier.make(numeral, { salt, saslPrep: "mapping" }), ascii)
    }).pipe(Effect.provide(Authenticate.layerCrypto)))

  for (const [what, password] of [["a NUL", "a\0b"], ["an unpaired surrogate", "a\ud800"]] as const) {
    it.effect(`rejects a password with ${what}`, () =>
      Effect.gen(function*() {
        const error = yield* Effect.flip(ScramVerifier.make(Redacted.make(password)))
        assert.strictEqual(error.reason._tag, "PasswordInvalid")
      }).pipe(Effect.provide(Authenticate.layerCrypto)))
  }

  // The keys were computed by an independent implementation, in Python.
  it.effect("parses and formats the text form of servers", () =>
    Effect.gen(function*() {
      const verifier = yield* ScramVerifier.make(example.password, { salt: example.salt })
      const text = ScramVerifier.format(verifier)
      assert.strictEqual(
        Redacted.value(text),
        "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$" +
          "WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="
      )
      assert.deepStrictEqual(ScramVerifier.parse(text), verifier)
      assert.notInclude(inspect(text, { depth: 5, showHidden: true }), "SCRAM")
    }).pipe(Effect.provide(Authenticate.layerCrypto)))

  const stored = "WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY="
  for (
    const [what, text] of [
      ["nothing", ""],
      ["an MD5 hash", "md5a3556571e93b0d20722ba62be61e8c2d"],
      ["another mechanism", `SCRAM-SHA-1$4096:AAAA$${stored}:${stored}`],
      ["a count of zero", `SCRAM-SHA-256$0:AAAA$${stored}:${stored}`],
      ["a salt that is not Base64", `SCRAM-SHA-256$4096:AAA$${stored}:${stored}`],
      ["a key that is too short", `SCRAM-SHA-256$4096:AAAA$AAAA:${stored}`],
      ["a missing key", `SCRAM-SHA-256$4096:AAAA$${stored}`],
      ["text after the keys", `SCRAM-SHA-256$4096:AAAA$${stored}:${stored}:`]
    ] as const
  ) {
    it(`parse returns undefined for ${what}`, () => assert.isUndefined(ScramVerifier.parse(Redacted.make(text))))
  }
})

describe("Key derivation", () => {
  /** Counts the turns of the event loop while a `Kdf` derives keys with the maximum number of iterations. */
  const turnsOf = Effect.fnUntraced(function*(kdf: Kdf.Kdf["Service"]) {
    let turns = 0
    let isOver = false
    let during = -1
    const turn = (): void => {
      turns++
      if (!isOver) setImmediate(turn)
    }
    setImmediate(turn)
    const watched = Kdf.Kdf.of({
      ...kdf,
      derive: (...how) =>
        Effect.suspend(() => {
          const before = turns
          return Effect.ensuring(kdf.derive(...how), Effect.sync(() => during = turns - before))
        })
    })
    yield* Effect.provideService(
      ScramVerifier.deriveKeys(example.password, example.salt, Policy.defaultMaxIterations),
      Kdf.Kdf,
      watched
    )
    isOver = true
    return during
  })

  it.live("does not block the event loop", () =>
    Effect.gen(function*() {
      assert.isAbove(yield* turnsOf(yield* Kdf.Kdf), 10)
    }).pipe(Effect.provide(Authenticate.layerCrypto)))

  // The control for the test above.
  it.live("would block it if it ran there", () =>
    Effect.gen(function*() {
      const blocking = Kdf.Kdf.of({
        ...yield* Kdf.Kdf,
        derive: (_, secret, { length, salt }) =>
          Effect.sync(() =>
            Uint8Array.from(pbkdf2Sync(secret as Uint8Array, salt!, Policy.defaultMaxIterations, length, "sha256"))
          )
      })
      assert.strictEqual(yield* turnsOf(blocking), 0)
    }).pipe(Effect.provide(Authenticate.layerCrypto)))
})
