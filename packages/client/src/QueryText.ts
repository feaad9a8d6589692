/**
 * What may be said of a statement's text: which command it is, and how it reads without the values that are written in it.
 *
 * PostgreSQL's chapter "Lexical Structure" is followed, with `standard_conforming_strings` on, as it is by default.
 *
 * @since 0.1.0
 */

/** The end of the comment that begins here. Comments nest. */
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

/** What may stand before the first word: white space, empty statements, and comments to the end of the line. */
const blank = /(?:[\s;]|--[^\n\r]*)*/y

/** The first word; parentheses may stand before it, as in `(select 1) union (select 2)`. */
const word = /[(\s]*([a-z]+)/iy

/**
 * The command that a text begins with, in capitals; `undefined` when it begins with none.
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
    blank.test(text)
    at = blank.lastIndex
    if (!text.startsWith("/*", at)) break
    at = endOfComment(text, at)
  }
  word.lastIndex = at
  return word.exec(text)?.[1]?.toUpperCase()
}

/**
 * One token: a name in quotes, a number of a parameter, a word; or a literal. What is not closed goes to the end, so that
 * nothing of it is shown.
 */
const token = new RegExp(
  [
    "(?<kept>\"(?:[^\"]|\"\")*\"|\\$\\d+)",
    "(?<literal>\\$(?<tag>(?:[a-z_\\u0080-\\uffff][\\w\\u0080-\\uffff]*)?)\\$(?:[^]*?\\$\\k<tag>\\$|[^]*)",
    "e'(?:[^'\\\\]|\\\\[^]|'')*(?:'|$)",
    "(?:[bxn]|u&)?'(?:[^']|'')*(?:'|$)",
    "\"[^]*",
    "(?:\\d|\\.\\d)[\\w.]*(?:(?<=\\de)[+-]\\d+)?)",
    "(?<word>[a-z_\\u0080-\\uffff][\\w$\\u0080-\\uffff]*)",
    "(?<line>--[^\\n\\r]*)"
  ].join("|"),
  "iy"
)

/**
 * A text with a question mark for every literal in it, and without its comments.
 *
 * **When to use**
 *
 * Use before a text that was not written by your own program gets into a log.
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
export const withoutLiterals = (text: string): string => {
  let out = ""
  let at = 0
  while (at < text.length) {
    if (text.startsWith("/*", at)) {
      at = endOfComment(text, at)
      continue
    }
    token.lastIndex = at
    const match = token.exec(text)
    if (match === null) {
      out += text[at++]
      continue
    }
    const { kept, literal, word } = match.groups!
    out += literal === undefined ? kept ?? word ?? "" : "?"
    at = token.lastIndex
  }
  return out.trim()
}
