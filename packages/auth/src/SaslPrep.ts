/**
 * Preparation of passwords before hashing: SASLprep, RFC 4013.
 *
 * Different keyboards may produce the same word with different code points. The hashed text must be the same, so the
 * client and the server prepare it by the same rules. Plain ASCII is never changed.
 *
 * @since 0.1.0
 */
import * as Redacted from "effect/Redacted"
import {
  contains,
  leftToRight,
  mappedToNothing,
  nonAsciiSpaces,
  prohibited,
  rightToLeft,
  unassigned
} from "./internal/stringprep.ts"

/**
 * The extent of the server's preparation.
 *
 * **Details**
 *
 * - `"full"`: as in RFC 4013 and PostgreSQL. Some characters are mapped and the text is normalized (NFKC); prohibited
 *   text is used unchanged.
 * - `"mapping"`: only the mapping of characters, as Hyper does (H-03).
 *
 * @category models
 * @since 0.1.0
 */
export type Profile = "full" | "mapping"

const isAscii = (text: string): boolean => {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) > 0x7f) return false
  return true
}

const mapCharacters = (text: string): string => {
  let mapped = ""
  for (const character of text) {
    const codePoint = character.codePointAt(0)!
    // U+200B is in both tables. PostgreSQL and Hyper check this one first (P-04).
    if (contains(nonAsciiSpaces, codePoint)) mapped += " "
    else if (!contains(mappedToNothing, codePoint)) mapped += character
  }
  return mapped
}

/** Sections 2.3 to 2.5 of RFC 4013. */
const isAllowed = (text: string): boolean => {
  const codePoints = Array.from(text, (character) => character.codePointAt(0)!)
  if (codePoints.length === 0) return false
  if (codePoints.some((codePoint) => contains(prohibited, codePoint) || contains(unassigned, codePoint))) return false
  if (!codePoints.some((codePoint) => contains(rightToLeft, codePoint))) return true
  return !codePoints.some((codePoint) => contains(leftToRight, codePoint)) &&
    contains(rightToLeft, codePoints[0]!) &&
    contains(rightToLeft, codePoints.at(-1)!)
}

/**
 * Prepares a text.
 *
 * **Example** (A soft hyphen, and a Roman numeral that is one character)
 *
 * ```ts
 * import { SaslPrep } from "@hyperfect/auth"
 * import { strict as assert } from "node:assert"
 *
 * assert.equal(SaslPrep.prepare("I\u00adX", "full"), "IX")
 * assert.equal(SaslPrep.prepare("\u2168", "full"), "IX")
 * assert.equal(SaslPrep.prepare("\u2168", "mapping"), "\u2168")
 * ```
 *
 * @category converting
 * @since 0.1.0
 */
export const prepare = (text: string, profile: Profile): string => {
  if (isAscii(text)) return text
  const mapped = mapCharacters(text)
  if (profile === "mapping") return mapped
  const prepared = mapped.normalize("NFKC")
  return isAllowed(prepared) ? prepared : text
}

/**
 * Prepares a password.
 *
 * @internal
 */
export const prepareRedacted = (password: Redacted.Redacted<string>, profile: Profile): Redacted.Redacted<string> =>
  Redacted.make(prepare(Redacted.value(password), profile))
