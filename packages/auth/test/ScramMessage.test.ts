import { assert, describe, it } from "@effect/vitest"
import { ScramMessage } from "@hyperfect/auth"
import { Result } from "effect"

const bytes = (text: string) => Uint8Array.from(Buffer.from(text))

const success = <A, E>(result: Result.Result<A, E>): A => {
  assert(Result.isSuccess(result), "is read")
  return result.success
}

const problem = (
  result: Result.Result<unknown, { readonly messageName: string; readonly problem: string }>
): string => {
  assert(Result.isFailure(result), "is refused")
  return `${result.failure.messageName}: ${result.failure.problem}`
}

const refused = (
  read: (bytes: Uint8Array) => Result.Result<unknown, { readonly messageName: string; readonly problem: string }>,
  name: string,
  cases: ReadonlyArray<readonly [what: string, text: string | Uint8Array, problem: string]>
) => {
  for (const [what, text, wanted] of cases) {
    it(`rejects ${what}`, () =>
      assert.strictEqual(problem(read(typeof text === "string" ? bytes(text) : text)), `${name}: ${wanted}`))
  }
}

describe("ScramMessage > server-first-message", () => {
  it("reads the example of RFC 7677", () => {
    const text = "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
    const message = success(ScramMessage.readServerFirst(bytes(text)))
    assert.strictEqual(message.nonce, "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0")
    assert.deepStrictEqual(message.salt, Uint8Array.from(Buffer.from("W22ZaJ0SNY7soEsUEjb6gQ==", "base64")))
    assert.strictEqual(message.iterations, 4096)
    assert.strictEqual(message.text, text)
    assert.strictEqual(ScramMessage.serverFirst(message.nonce, message.salt, message.iterations).text, text)
  })

  it("accepts every printable character except the comma in a nonce", () => {
    const all = Array.from({ length: 0x7f - 0x21 }, (_, i) => String.fromCharCode(0x21 + i)).join("").replace(",", "")
    assert.strictEqual(success(ScramMessage.readServerFirst(bytes(`r=${all},s=AAAA,i=1`))).nonce, all)
  })

  it("ignores extensions that are not mandatory", () => {
    assert.strictEqual(success(ScramMessage.readServerFirst(bytes("r=a,s=AAAA,i=4096,x=y=z"))).iterations, 4096)
  })

  it("reads a count beyond exact numbers as one that is too high", () => {
    assert.isAbove(success(ScramMessage.readServerFirst(bytes(`r=a,s=AAAA,i=${"9".repeat(400)}`))).iterations, 2 ** 53)
  })

  refused(ScramMessage.readServerFirst, "server-first-message", [
    ["nothing", "", "r= is missing"],
    ["bytes that are not UTF-8", Uint8Array.of(0x72, 0x3d, 0xff), "it is not UTF-8"],
    ["an extension that must be understood", "m=x,r=a,s=AAAA,i=4096", "it demands an extension that is not known"],
    ["another order", "s=AAAA,r=a,i=4096", "r= is missing"],
    ["a nonce without a name", "a,s=AAAA,i=4096", "r= is missing"],
    ["an empty nonce", "r=,s=AAAA,i=4096", "r= is not a nonce"],
    ["a nonce with a space", "r=a b,s=AAAA,i=4096", "r= is not a nonce"],
    ["a nonce with a letter beyond ASCII", "r=\u00e9,s=AAAA,i=4096", "r= is not a nonce"],
    ["no salt", "r=a,i=4096", "s= is missing"],
    ["an empty salt", "r=a,s=,i=4096", "s= is not Base64"],
    ["a salt of half a group", "r=a,s=AA,i=4096", "s= is not Base64"],
    ["a salt with a line break", "r=a,s=AAAA\n,i=4096", "s= is not Base64"],
    ["a salt in the URL alphabet", "r=a,s=AA_-,i=4096", "s= is not Base64"],
    ["a salt with padding inside", "r=a,s=AA==AAAA,i=4096", "s= is not Base64"],
    ["a salt whose padding cuts off bits", "r=a,s=AAB=,i=4096", "s= is not Base64"],
    ["no count", "r=a,s=AAAA", "i= is missing"],
    ["an empty count", "r=a,s=AAAA,i=", "i= is not a count"],
    ["a count of zero", "r=a,s=AAAA,i=0", "i= is not a count"],
    ["a negative count", "r=a,s=AAAA,i=-4096", "i= is not a count"],
    ["a count with a sign", "r=a,s=AAAA,i=+4096", "i= is not a count"],
    ["a count with a leading zero", "r=a,s=AAAA,i=04096", "i= is not a count"],
    ["a count in hexadecimal", "r=a,s=AAAA,i=0x1000", "i= is not a count"],
    ["a count with a fraction", "r=a,s=AAAA,i=4096.5", "i= is not a count"],
    ["a count with an exponent", "r=a,s=AAAA,i=1e4", "i= is not a count"],
    ["a trailing comma", "r=a,s=AAAA,i=4096,", "something follows that is not an attribute"],
    ["trailing text", "r=a,s=AAAA,i=4096,junk", "something follows that is not an attribute"]
  ])
})

describe("ScramMessage > server-final-message", () => {
  it("reads a signature", () => {
    const message = success(ScramMessage.readServerFinal(bytes("v=AAAA")))
    assert.deepStrictEqual(message, { _tag: "Signature", signature: new Uint8Array(3) })
  })

  it("reads an error", () => {
    const message = success(ScramMessage.readServerFinal(bytes("e=invalid-proof")))
    assert.deepStrictEqual(message, { _tag: "Failure", error: "invalid-proof" })
  })

  refused(ScramMessage.readServerFinal, "server-final-message", [
    ["nothing", "", "v= is missing"],
    ["another attribute", "x=AAAA", "v= is missing"],
    ["a signature that is not Base64", "v=AAA", "v= is not Base64"],
    ["trailing text", "v=AAAA,", "something follows that is not an attribute"],
    ["bytes that are not UTF-8", Uint8Array.of(0x76, 0x3d, 0xc3), "it is not UTF-8"]
  ])
})

describe("ScramMessage > client-first-message", () => {
  it("omits the user, which the StartupMessage contains", () => {
    const message = ScramMessage.clientFirst("rOprNGfwEbeRWgbNEkqO")
    assert.strictEqual(message.gs2Header + message.bare, "n,,n=,r=rOprNGfwEbeRWgbNEkqO")
  })

  it("escapes the delimiters in a name", () => {
    assert.strictEqual(ScramMessage.clientFirst("x", "a=b,c").bare, "n=a=3Db=2Cc,r=x")
  })

  it("reads its own output", () => {
    const message = ScramMessage.clientFirst("x=y", "user")
    assert.deepStrictEqual(success(ScramMessage.readClientFirst(bytes(message.gs2Header + message.bare))), message)
  })

  it("accepts the flag of a client that supports channel binding but does not use it", () => {
    assert.strictEqual(success(ScramMessage.readClientFirst(bytes("y,,n=,r=x"))).gs2Header, "y,,")
  })

  it("reads the requested type of channel binding", () => {
    const message = ScramMessage.clientFirst("x", "", "p=tls-server-end-point")
    assert.strictEqual(message.gs2Header + message.bare, "p=tls-server-end-point,,n=,r=x")
    assert.deepStrictEqual(success(ScramMessage.readClientFirst(bytes(message.gs2Header + message.bare))), message)
  })

  refused(ScramMessage.readClientFirst, "client-first-message", [
    ["nothing", "", "it has no GS2 header"],
    ["half a header", "n,n=,r=x", "it wants to act for another user"],
    ["another flag", "q,,n=,r=x", "its flag for channel binding is unknown"],
    ["a flag that is more than one", "ny,,n=,r=x", "its flag for channel binding is unknown"],
    ["channel binding without a type", "p=,,n=,r=x", "its flag for channel binding is unknown"],
    ["an authorization identity", "n,a=other,n=,r=x", "it wants to act for another user"],
    ["an extension that must be understood", "n,,m=x,n=,r=x", "it demands an extension that is not known"],
    ["no name", "n,,r=x", "n= is missing"],
    ["no nonce", "n,,n=", "r= is missing"],
    ["an empty nonce", "n,,n=,r=", "r= is not a nonce"]
  ])
})

describe("ScramMessage > client-final-message", () => {
  it("separates the proof from the part that it covers", () => {
    const withoutProof = ScramMessage.clientFinalWithoutProof("n,,", "a,p=b".replace(",", "+"))
    assert.strictEqual(withoutProof, "c=biws,r=a+p=b")
    assert.deepStrictEqual(success(ScramMessage.readClientFinal(bytes(`${withoutProof},p=AAAA`))), {
      withoutProof,
      channelBinding: "biws",
      nonce: "a+p=b",
      proof: new Uint8Array(3)
    })
  })

  it("includes the channel binding data after the header", () => {
    const withoutProof = ScramMessage.clientFinalWithoutProof("p=x,,", "n", Uint8Array.of(0, 255))
    assert.strictEqual(withoutProof, `c=${Buffer.from("p=x,,\0\xff", "latin1").toString("base64")},r=n`)
  })

  refused(ScramMessage.readClientFinal, "client-final-message", [
    ["nothing", "", "p= is missing"],
    ["no proof", "c=biws,r=x", "p= is missing"],
    ["a proof that is not Base64", "c=biws,r=x,p=***", "p= is not Base64"],
    ["no channel", "r=x,p=AAAA", "c= is missing"],
    ["no nonce", "c=biws,p=AAAA", "r= is missing"]
  ])
})
