/**
 * Lexical analysis of statement texts: the command, and the text without literals.
 *
 * Follows PostgreSQL's chapter "Lexical Structure", with `standard_conforming_strings` on, which is the default.
 *
 * @since 0.1.0
 */
import * as ErrorField from "@hyperfect/protocol/ErrorField"

/** Returns the end of the comment that begins at `start`. Comments nest. */
const endOfComment = (text: string, start: number): number => {
  let depth = 0
  for (let at = start; at < text.length; at++) {
    if (text.startsWith("/*", at)) {
      depth++
      at++
    } else if (text.startsWith("*/", at)) {
      depth--
      at++
      if (depth === 0) return at + 1
    }
  }
  return text.length
}

/** White space, empty statements, or a line comment. No loop of alternatives, which overflows on long texts (M-14). */
const blank = /[\s;]+|--[^\n\r]*/y

/** The first word, possibly after parentheses, as in `(select 1) union (select 2)`. */
const word = /[(\s]*([a-z]+)/iy

/**
 * Returns the command that a text begins with, in capitals; `undefined` if there is none.
 *
 * **Example** (Behind a comment)
 *
 * ```ts
 * import { QueryText } from "@hyperfect/client"
 * import { strict as assert } from "node:assert"
 *
 * assert.equal(QueryText.operationOf("-- why\n insert into t values (1)"), "INSERT")
 * ```
 *
 * @category getters
 * @since 0.1.0
 */
export const operationOf = (text: string): string | undefined => {
  let at = 0
  while (true) {
    blank.lastIndex = at
    if (blank.test(text)) at = blank.lastIndex
    else if (text.startsWith("/*", at)) at = endOfComment(text, at)
    else break
  }
  word.lastIndex = at
  return word.exec(text)?.[1]?.toUpperCase()
}

/** A token, or the opening of a quoted one, whose end a regular expression cannot find in long texts (M-14). */
const token = new RegExp(
  [
    "(?<opening>\"|(?:[ebxn]|u&)?'|\\$(?:[a-z_\\u0080-\\uffff][\\w\\u0080-\\uffff]*)?\\$)",
    "(?<number>(?:\\d|\\.\\d)[\\w.]*(?:(?<=\\de)[+-]\\d+)?)",
    "(?<kept>\\$\\d+|[a-z_\\u0080-\\uffff][\\w$\\u0080-\\uffff]*)",
    "--[^\\n\\r]*"
  ].join("|"),
  "iy"
)

/** The characters that may end a quoted token, which is not ended by one that is doubled or behind a backslash. */
const quote = /'/g
const nameQuote = /"/g
const quoteOrBackslash = /['\\]/g

/** Returns the end of a quoted token whose content begins at `start`, or -1 if it is not terminated. */
const endOfQuoted = (text: string, start: number, opening: string): number => {
  if (opening.startsWith("$")) {
    const end = text.indexOf(opening, start)
    return end < 0 ? end : end + opening.length
  }
  const stop = opening === "\"" ? nameQuote : /^e/i.test(opening) ? quoteOrBackslash : quote
  stop.lastIndex = start
  for (let found = stop.exec(text); found !== null; found = stop.exec(text)) {
    if (found[0] !== "\\" && text[stop.lastIndex] !== found[0]) return stop.lastIndex
    stop.lastIndex++
  }
  return -1
}

/**
 * Replaces every literal of a text by a question mark, and removes comments.
 *
 * **When to use**
 *
 * Use before logging a text that your own program did not write.
 *
 * **Example** (A password)
 *
 * ```ts
 * import { QueryText } from "@hyperfect/client"
 * import { strict as assert } from "node:assert"
 *
 * assert.equal(QueryText.withoutLiterals("alter role app password 's3cret'"), "alter role app password ?")
 * assert.equal(QueryText.withoutLiterals("select $1, \"a b\" from t where n > 1.5"), "select $1, \"a b\" from t where n > ?")
 * ```
 *
 * @category combinators
 * @since 0.1.0
 */
export const withoutLiterals = (text: string): string => maskLiterals(text, text.length).masked.trim()

/** Masks the literals of a text, and returns where the character at an offset of it has moved to. */
const maskLiterals = (text: string, offset: number): { readonly masked: string; readonly moved: number } => {
  let masked = ""
  let moved = 0
  for (let at = 0; at < text.length;) {
    const start = at
    let piece = ""
    if (text.startsWith("/*", at)) {
      at = endOfComment(text, at)
    } else {
      token.lastIndex = at
      const match = token.exec(text)
      if (match === null) {
        piece = text[at++]!
      } else {
        const { kept, number, opening } = match.groups!
        at = token.lastIndex
        if (opening === undefined) piece = number === undefined ? kept ?? "" : "?"
        else {
          // An unterminated token extends to the end, so that none of it is shown.
          const end = endOfQuoted(text, at, opening)
          piece = opening === "\"" && end >= 0 ? text.slice(start, end) : "?"
          at = end < 0 ? text.length : end
        }
      }
    }
    if (offset >= start) moved = masked.length + (piece.length === at - start ? Math.min(offset, at) - start : 0)
    masked += piece
  }
  return { masked, moved }
}

/** The longest text that is searched, and the characters shown on each side of the position. */
const excerptLimits = { text: 100_000, side: 60 }

/**
 * Returns the line of a text at a position, a 1-based count of characters as the server's, and a caret below it;
 * literals are masked, since they may be data.
 *
 * @internal
 */
export const excerpt = (text: string, position: number): ReadonlyArray<string> => {
  if (text.length > excerptLimits.text) return []
  const before = Array.from(text).slice(0, position - 1).join("")
  if (before.length >= text.length) return []
  const { masked, moved } = maskLiterals(text, before.length)
  const lineAt = masked.lastIndexOf("\n", moved - 1) + 1
  const [line = ""] = masked.slice(lineAt).split("\n")
  const caret = moved - lineAt
  const from = Math.max(line.search(/\S|$/), caret - excerptLimits.side)
  const number = String(before.split("\n").length)
  const show = (text: string) => ErrorField.printable(text).replaceAll("\t", " ")
  const [left, right] = [show(line.slice(from, caret)), show(line.slice(caret, caret + excerptLimits.side))]
  return [`    ${number} | ${left}${right}`, `    ${" ".repeat(number.length)} | ${" ".repeat(left.length)}^`]
}
