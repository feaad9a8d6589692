/**
 * The grammar of `require_auth`: methods that the server may ask for, or, each behind a `!`, those that it may not.
 *
 * @since 0.1.0
 */
import * as Policy from "@hyperfect/auth/Policy"
import { fail } from "./settings.ts"

/** libpq's names, with ours for those that are implemented. */
const methods: Readonly<Record<string, Policy.Method | undefined>> = {
  none: "trust",
  password: "password",
  md5: "md5",
  "scram-sha-256": "scram-sha-256",
  // Never allowed, since nothing here can do them: what they say has no effect, but is not wrong.
  gss: undefined,
  sspi: undefined,
  oauth: undefined
}

/**
 * The methods that are allowed; `undefined` for any, which an empty text means.
 *
 * @internal
 */
export const requireAuth = (text: string): ReadonlyArray<Policy.Method> | undefined => {
  if (text === "") return undefined
  const names = text.split(",")
  const negative = names[0]!.startsWith("!")
  const seen = new Set<string>()
  for (const name of names) {
    if (name.startsWith("!") !== negative) {
      fail("require_auth", "invalid", "names methods with and without a !; either all have one or none")
    }
    const method = negative ? name.slice(1) : name
    if (!Object.hasOwn(methods, method)) {
      fail("require_auth", "invalid", `knows ${Object.keys(methods).join(", ")}, each perhaps behind a !`)
    }
    if (seen.has(method)) fail("require_auth", "invalid", `names ${method} more than once`)
    seen.add(method)
  }
  return Policy.methods.filter((ours) => {
    const name = Object.keys(methods).find((key) => methods[key] === ours)
    return name !== undefined && seen.has(name) !== negative
  })
}
