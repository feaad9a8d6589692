/**
 * The encoding of texts: UTF-8 on every session. In any other one texts would be stored as other ones without a word.
 *
 * @internal
 */
import { withoutLiterals } from "../../QueryText.ts"

/** True for a name of UTF-8 as PostgreSQL reads it: letters and digits count, their case does not. */
export const isUtf8 = (encoding: string): boolean =>
  ["utf8", "unicode"].includes(encoding.replace(/[^a-z0-9]/gi, "").toLowerCase())

/** The reason for the refusal of another encoding. */
export const onlyUtf8 = "client_encoding must remain UTF8, the only encoding that the client reads"

const setting = "set\\s+(?:session\\s+|local\\s+)?(?:client_encoding\\s*(?:=|\\bto\\b)|names\\b)\\s*"

/** Each encoding that a text sets. */
const settingWithValue = new RegExp(`${setting}'?([\\w-]*)`, "gi")

/** A statement that sets one, and is no literal. */
const settingStatement = new RegExp(`(?:^|;)\\s*${setting}`, "i")

/** True if a text, of one statement or several, sets an encoding other than UTF-8. */
export const setsOtherEncoding = (text: string): boolean => {
  if (!/\bset\b/i.test(text)) return false
  const encodings = [...text.matchAll(settingWithValue)].map(([, encoding]) => encoding!)
  return encodings.some((encoding) => !isUtf8(encoding) && encoding.toLowerCase() !== "default") &&
    settingStatement.test(withoutLiterals(text))
}
