/**
 * The text form of a policy's methods: libpq's `require_auth`.
 *
 * It is a comma-separated list of the methods that the server may request, or, each prefixed with `!`, those that it
 * may not, without spaces.
 *
 * @since 0.1.0
 */
import { TaggedReason } from "@hyperfect/protocol/ProtocolError"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { mechanisms } from "./mechanisms/table.ts"
import { type Method, plainLineRules, type Policy } from "./Policy.ts"

/**
 * The names that {@link parse} accepts.
 *
 * @category constants
 * @since 0.1.0
 */
export const names: ReadonlyArray<string> = mechanisms.map(({ requireAuth }) => requireAuth)

/**
 * A text that is not valid for `require_auth`.
 *
 * @category errors
 * @since 0.1.0
 */
export class RequireAuthInvalid extends TaggedReason<RequireAuthInvalid>()("RequireAuthInvalid", {
  /** The invalid part of the text. */
  part: Schema.String,
  /**
   * - `"unknown"`: there is no method of this name.
   * - `"mixed"`: it has a `!` and others do not, or vice versa.
   * - `"repeated"`: it occurs twice.
   */
  problem: Schema.Literals(["unknown", "mixed", "repeated"])
}, (self) => {
  const problem = {
    unknown: `there is no method of the name; there are ${names.join(", ")}`,
    mixed: "methods with and without a ! cannot be mixed",
    repeated: "it is there more than once"
  }[self.problem]
  return `${JSON.stringify(self.part)} in require_auth: ${problem}`
}) {}

/**
 * Parses the methods that the server may request; `undefined` for any method, which is the meaning of an empty text.
 *
 * **Example** (Any method except a password in clear text)
 *
 * ```ts
 * import { RequireAuth } from "@hyperfect/auth"
 * import { Result } from "effect"
 * import { strict as assert } from "node:assert"
 *
 * assert.deepEqual(Result.getOrThrow(RequireAuth.parse("scram-sha-256,none")), ["trust", "scram-sha-256"])
 *
 * const methods = Result.getOrThrow(RequireAuth.parse("!password"))
 * assert.equal(methods?.includes("password"), false)
 * assert.equal(methods?.includes("md5"), true)
 * ```
 *
 * @category decoding
 * @since 0.1.0
 */
export const parse = (text: string): Result.Result<ReadonlyArray<Method> | undefined, RequireAuthInvalid> => {
  if (text === "") return Result.succeed(undefined)
  const parts = text.split(",")
  const isNegative = parts[0]!.startsWith("!")
  const seen = new Set<string>()
  for (const part of parts) {
    const name = part.startsWith("!") ? part.slice(1) : part
    const problem = part.startsWith("!") !== isNegative
      ? "mixed"
      : !names.includes(name)
      ? "unknown"
      : seen.has(name)
      ? "repeated"
      : undefined
    if (problem !== undefined) return Result.fail(new RequireAuthInvalid({ part, problem }))
    seen.add(name)
  }
  return Result.succeed(
    mechanisms.filter(({ requireAuth }) => seen.has(requireAuth) !== isNegative).map(({ name }) => name)
  )
}

/**
 * Converts a text to a policy.
 *
 * **Details**
 *
 * In addition to the methods that the server may request, a text that lists `password` or `md5` allows it on a
 * connection without TLS, because connection strings and PGREQUIREAUTH have no other way to express that. A text that
 * only excludes methods does not allow it. A token is never allowed this way, and so neither is a password if `oauth`
 * is listed too.
 *
 * **Example** (An old server in a private network)
 *
 * ```ts
 * import { RequireAuth } from "@hyperfect/auth"
 * import { Result } from "effect"
 * import { strict as assert } from "node:assert"
 *
 * assert.deepEqual(Result.getOrThrow(RequireAuth.toPolicy("md5")), { methods: ["md5"], allowMd5WithoutTls: true })
 * ```
 *
 * @category decoding
 * @since 0.1.0
 */
export const toPolicy = (
  text: string
): Result.Result<Pick<Policy, "methods" | "allowCleartextWithoutTls" | "allowMd5WithoutTls">, RequireAuthInvalid> =>
  Result.map(parse(text), (methods) => {
    if (methods === undefined) return {}
    const names = text.split(",")
    const listed = mechanisms.filter(({ requireAuth }) => names.includes(requireAuth))
    const hasToken = listed.some(({ exposes }) => exposes === "token")
    const options = listed.flatMap(({ exposes }) => plainLineRules[exposes]?.option ?? [])
      .filter((option) => !hasToken || option !== plainLineRules.token.option)
    return { methods, ...Object.fromEntries(options.map((option) => [option, true])) }
  })
