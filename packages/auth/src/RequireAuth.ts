/**
 * The text form of a policy's methods: what libpq calls `require_auth`.
 *
 * It names the methods that the server may ask for, or, each behind a `!`, those that it may not, with commas between
 * them and nothing else.
 *
 * @since 0.1.0
 */
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { type Method, methods } from "./Policy.ts"

/** libpq's name for a method; `none` is the one of a server that asks for nothing. */
const nameOf = (method: Method): string => method === "trust" ? "none" : method

/**
 * The names that {@link parse} knows.
 *
 * @category constants
 * @since 0.1.0
 */
export const names: ReadonlyArray<string> = methods.map(nameOf)

/**
 * A text that is not in the form of `require_auth`.
 *
 * @category errors
 * @since 0.1.0
 */
export class RequireAuthInvalid extends Schema.TaggedError<RequireAuthInvalid>()("RequireAuthInvalid", {
  /** The part of the text that is wrong. */
  part: Schema.String,
  /**
   * - `"unknown"`: there is no method of the name.
   * - `"mixed"`: it has a `!` and others have none, or the other way round.
   * - `"repeated"`: it was there before.
   */
  problem: Schema.Literals(["unknown", "mixed", "repeated"])
}) {
  override get message(): string {
    const problem = {
      unknown: `there is no method of the name; there are ${names.join(", ")}`,
      mixed: "methods with and without a ! cannot be mixed",
      repeated: "it is there more than once"
    }[this.problem]
    return `${JSON.stringify(this.part)} in require_auth: ${problem}`
  }
}

/**
 * Reads the methods that the server may ask for; `undefined` for any, which an empty text means.
 *
 * **Example** (Anything but a password in clear text)
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
  return Result.succeed(methods.filter((method) => seen.has(nameOf(method)) !== isNegative))
}
