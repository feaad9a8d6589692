/** The cases of libpq's `require_auth` tests: valid values, and the methods that each admits. */
import { assert, describe, it } from "@effect/vitest"
import { Policy, RequireAuth } from "@hyperfect/auth"
import type { Backend } from "@hyperfect/protocol"
import { Effect, Exit, Redacted, Result } from "effect"
import { converse, reasonOf, secret } from "./conversation.ts"

const parsed = (text: string) => {
  const result = RequireAuth.parse(text)
  return Result.isSuccess(result) ? result.success : `${result.failure.problem}: ${result.failure.part}`
}

describe("RequireAuth.parse", () => {
  it("parses an empty text as any method", () => assert.isUndefined(parsed("")))

  it("accepts libpq's names", () => {
    assert.sameMembers(Array.from(RequireAuth.names), [
      "none",
      "password",
      "md5",
      "gss",
      "sspi",
      "oauth",
      "scram-sha-256"
    ])
    assert.deepStrictEqual(parsed(RequireAuth.names.join(",")), Policy.methods)
  })

  it("returns no method if every one is excluded", () => {
    assert.deepStrictEqual(parsed(RequireAuth.names.map((name) => `!${name}`).join(",")), [])
  })

  for (const name of RequireAuth.names) {
    const method = name === "none" ? "trust" : name
    it(`allows only ${name}`, () => assert.deepStrictEqual<unknown>(parsed(name), [method]))
    it(`excludes only ${name}`, () =>
      assert.deepStrictEqual(parsed(`!${name}`), Policy.methods.filter((other) => other !== method)))
  }

  const wrong = {
    "scram-sha-256,!md5": "mixed: !md5",
    "!password,!none,scram-sha-256": "mixed: scram-sha-256",
    "password,md5,password": "repeated: password",
    "!password,!md5,!password": "repeated: !password",
    "none,md5,none": "repeated: none",
    "!none,!md5,!none": "repeated: !none",
    "scram-sha-256,scram-sha-256": "repeated: scram-sha-256",
    "!oauth,!oauth": "repeated: !oauth",
    "none,abcdefg": "unknown: abcdefg",
    trust: "unknown: trust",
    "SCRAM-SHA-256": "unknown: SCRAM-SHA-256",
    "scram-sha-256-plus": "unknown: scram-sha-256-plus",
    "md5,": "unknown: ",
    ",md5": "unknown: ",
    "md5, password": "unknown:  password",
    "!": "unknown: !",
    "!!md5": "unknown: !!md5",
    " ": "unknown:  ",
    constructor: "unknown: constructor"
  }
  for (const [text, problem] of Object.entries(wrong)) {
    it(`rejects ${JSON.stringify(text)}`, () => assert.strictEqual(parsed(text), problem))
  }

  it("toPolicy allows the methods that it lists on a connection without TLS", () => {
    const policy = (text: string) => Result.getOrThrow(RequireAuth.toPolicy(text))
    assert.deepStrictEqual(policy(""), {})
    assert.deepStrictEqual(policy("scram-sha-256,none"), { methods: ["trust", "scram-sha-256"] })
    assert.deepStrictEqual(policy("md5"), { methods: ["md5"], allowMd5WithoutTls: true })
    assert.deepStrictEqual(policy("password"), { methods: ["password"], allowCleartextWithoutTls: true })
    assert.deepStrictEqual(policy("oauth"), { methods: ["oauth"] })
    // One option would allow both, and a token is never allowed by a name.
    assert.deepStrictEqual(policy("password,oauth"), { methods: ["password", "oauth"] })
    assert.deepStrictEqual(policy("oauth,md5"), { methods: ["md5", "oauth"], allowMd5WithoutTls: true })
    assert.deepStrictEqual(policy("!scram-sha-256"), {
      methods: Policy.methods.filter((method) => method !== "scram-sha-256")
    })
    assert.isTrue(Result.isFailure(RequireAuth.toPolicy("ldap")))
  })

  it("describes the problem", () => {
    assert.strictEqual(
      new RequireAuth.RequireAuthInvalid({ part: "!md5", problem: "mixed" }).message,
      "\"!md5\" in require_auth: methods with and without a ! cannot be mixed"
    )
  })
})

const requests: Readonly<Record<string, Backend.Message>> = {
  none: { _tag: "AuthenticationOk" },
  password: { _tag: "AuthenticationCleartextPassword" },
  md5: { _tag: "AuthenticationMD5Password", salt: Uint8Array.of(1, 2, 3, 4) },
  "scram-sha-256": { _tag: "AuthenticationSASL", mechanisms: ["SCRAM-SHA-256"] },
  oauth: { _tag: "AuthenticationSASL", mechanisms: ["OAUTHBEARER"] }
}

/** For each method of a server, the values with which a client continues, and those with which it does not. */
const facts: Readonly<Record<string, readonly [passes: ReadonlyArray<string>, fails: ReadonlyArray<string>]>> = {
  none: [
    ["", "!gss", "!sspi", "!password", "!md5", "!scram-sha-256", "!oauth", "!password,!scram-sha-256", "none"],
    ["gss", "sspi", "password", "md5", "scram-sha-256", "oauth", "password,scram-sha-256", "!none"]
  ],
  password: [
    ["", "password", "!none", "scram-sha-256,password,md5"],
    ["md5", "scram-sha-256", "oauth", "none", "!password", "!password,!md5,!scram-sha-256"]
  ],
  md5: [
    ["", "md5", "!none", "md5,scram-sha-256,password"],
    ["password", "scram-sha-256", "oauth", "none", "!md5", "!password,!md5,!scram-sha-256"]
  ],
  "scram-sha-256": [
    ["", "scram-sha-256", "!none", "password,scram-sha-256,md5"],
    ["password", "md5", "oauth", "none", "!scram-sha-256", "!password,!md5,!scram-sha-256"]
  ],
  oauth: [
    ["", "oauth", "!none", "!scram-sha-256", "none,oauth"],
    ["password", "md5", "scram-sha-256", "none", "!oauth", "!none,!oauth"]
  ]
}

describe("RequireAuth > server requests", () => {
  const password = Redacted.make(secret)

  const visit = (method: string, requireAuth: string) =>
    converse(
      (channel) =>
        Effect.gen(function*() {
          yield* channel.receive
          const request = requests[method]!
          if (request._tag === "AuthenticationSASL") channel.phase = "sasl-initial"
          const isIn = request._tag === "AuthenticationOk"
          yield* channel.send(request, ...isIn ? [{ _tag: "ReadyForQuery", status: "I" } as const] : [])
          return isIn ? undefined : (yield* channel.receive)._tag
        }),
      {
        login: { user: "app", password, token: password },
        policy: {
          methods: Result.getOrThrow(RequireAuth.parse(requireAuth)),
          allowCleartextWithoutTls: true,
          allowMd5WithoutTls: true
        }
      }
    )

  for (const [method, [passes, fails]] of Object.entries(facts)) {
    for (const requireAuth of passes) {
      it.effect(`${method} is answered with ${JSON.stringify(requireAuth)}`, () =>
        Effect.gen(function*() {
          const { exit, played } = yield* visit(method, requireAuth)
          if (method === "none") assert.isTrue(Exit.isSuccess(exit))
          else assert.isTrue(Exit.isSuccess(played), "something was sent")
        }))
    }
    for (const requireAuth of fails) {
      it.effect(`${method} is rejected with ${JSON.stringify(requireAuth)}`, () =>
        Effect.gen(function*() {
          const { exit, played, wroteSecret } = yield* visit(method, requireAuth)
          const reason = reasonOf(exit)
          assert(reason._tag === "MethodRefused")
          assert.strictEqual(reason.rule, "method")
          assert.isFalse(wroteSecret)
          assert.strictEqual(Exit.isSuccess(played), method === "none", "nothing was sent")
        }))
    }
  }
})
