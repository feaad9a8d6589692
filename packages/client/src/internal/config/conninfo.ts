/**
 * Keyword/value strings, parsed as libpq does: `host=db user='my name' password=it\'s`.
 *
 * @since 0.1.0
 */
import { setKeyword, type Settings, throwConfigError } from "./settings.ts"

// Blanks are those of C's isspace.
/** A keyword, blanks, `=`, blanks. A keyword ends at the first blank. */
const keyword = /([^ \t-\r=]*)[ \t-\r]*(=?)[ \t-\r]*/y

/** A quoted value up to the closing quote. A backslash escapes the next character, even at the end. */
const quoted = /'((?:[^'\\]|\\[^])*)'/y
const plain = /(?:[^ \t-\r\\]|\\(?:[^]|$))*/y

const blanks = /[ \t-\r]*/y

const unescape = (text: string): string => text.replaceAll(/\\([^]?)/g, "$1")

const match = (pattern: RegExp, text: string, at: number): RegExpExecArray | null => {
  pattern.lastIndex = at
  return pattern.exec(text)
}

/** @internal */
export const parseConninfo = (text: string): Settings => {
  const settings: Settings = new Map()
  let at = 0
  while (true) {
    at += match(blanks, text, at)![0].length
    if (at === text.length) return settings
    const [head, key, equals] = match(keyword, text, at)!
    // The rest may be part of a password with a blank in it, so it is not shown.
    if (equals === "") {
      const problem = `the setting at character ${at + 1} has no =; values with blanks must be quoted`
      return throwConfigError("conninfo", "invalid", problem)
    }
    at += head.length
    const isQuoted = text[at] === "'"
    const value = match(isQuoted ? quoted : plain, text, at)
    if (value === null) return throwConfigError("conninfo", "invalid", "a quoted value does not end")
    at += value[0].length
    setKeyword(settings, key!, unescape(isQuoted ? value[1]! : value[0]))
  }
}
