/**
 * Brings passwords into one form before they are hashed: SASLprep, RFC 4013.
 *
 * Two keyboards may write the same word with different code points. What is hashed must be the same, so the client and
 * the server prepare the text by the same rules. Plain ASCII is never changed.
 *
 * @since 0.1.0
 */
import * as Redacted from "effect/Redacted"
import {
  has,
  leftToRight,
  mappedToNothing,
  nonAsciiSpaces,
  prohibited,
  rightToLeft,
  unassigned
} from "./internal/stringprep.ts"

/**
 * How far a server goes.
 *
 * **Details**
 *
 * - `"full"`: as RFC 4013 says and PostgreSQL does. Some characters are mapped, the text is normalized (NFKC); and a text
 *   that is prohibited is taken as it was, without a change.
 * - `"mapping"`: the mapping of characters and nothing else, as measured on hyperd.
 *
 * @category models
 * @since 0.1.0
 */
export type Profile = "full" | "mapping"

const isAscii = (text: string): boolean => {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) > 0x7f) return false
  return true
}

const map = (text: string): string => {
  let mapped = ""
  for (const character of text) {
    const codePoint = character.codePointAt(0)!
    // U+200B is in both tables. PostgreSQL and Hyper (measured) look into this one first.
    if (has(nonAsciiSpaces, codePoint)) mapped += " "
    else if (!has(mappedToNothing, codePoint)) mapped += character
  }
  return mapped
}

/** Sections 2.3 to 2.5 of RFC 4013. */
const isAllowed = (text: string): boolean => {
  const codePoints = Array.from(text, (character) => character.codePointAt(0)!)
  if (codePoints.length === 0) return false
  if (codePoints.some((codePoint) => has(prohibited, codePoint) || has(unassigned, codePoint))) return false
  if (!codePoints.some((codePoint) => has(rightToLeft, codePoint))) return true
  return !codePoints.some((codePoint) => has(leftToRight, codePoint)) &&
    has(rightToLeft, codePoints[0]!) &&
    has(rightToLeft, codePoints.at(-1)!)
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
  const mapped = map(text)
  if (profile === "mapping") return mapped
  const prepared = mapped.normalize("NFKC")
  return isAllowed(prepared) ? prepared : text
}

/**
 * Prepares a password.
 *
 * @category converting
 * @since 0.1.0
 */
export const prepareRedacted = (password: Redacted.Redacted<string>, profile: Profile): Redacted.Redacted<string> =>
  Redacted.make(prepare(Redacted.value(password), profile))
