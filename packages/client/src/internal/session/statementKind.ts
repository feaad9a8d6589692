/**
 * Classification of statements by their text alone, for when the server cannot be queried.
 *
 * An unrecognised text is classified as the worst case, which costs only time.
 *
 * @internal
 */
import { operationOf, withoutLiterals } from "../../QueryText.ts"

const repeatableCommands: ReadonlySet<string> = new Set(
  ["SELECT", "VALUES", "TABLE", "WITH", "INSERT", "UPDATE", "DELETE", "MERGE", "SHOW", "EXPLAIN"]
)

/** Matches most texts with such a command, in less time than it takes to find the command. */
const isRepeatable = new RegExp(`^[(\\s]*(?:${[...repeatableCommands].join("|")})(?![a-z])`, "i")

/** True if the text may have several statements; a semicolon in a literal counts as a separator. */
const hasSeveralStatements = (text: string): boolean => {
  const end = text.indexOf(";")
  return end >= 0 && text.slice(end + 1).trim() !== ""
}

/**
 * The possible effects of a statement, judged by its text.
 *
 * - `"repeatable"`: if it fails the server rolls it back as a whole, so that it can be run again. Effects that no
 *   server rolls back remain, such as consumed values of a sequence, or effects of functions outside the database.
 * - `"begin"`: it begins a transaction, or has done nothing.
 * - `"open"`: it may do anything, and leave a transaction open.
 * - `"closed"`: it may do anything else.
 */
export type StatementKind = "repeatable" | "begin" | "open" | "closed"

/** @internal */
export const statementKind = (text: string): StatementKind => {
  const operation = operationOf(text)
  if (operation === undefined || hasSeveralStatements(text)) return "open"
  return beginCommands.has(operation) ? "begin" : repeatableCommands.has(operation) ? "repeatable" : "closed"
}

/** Changes of the session in the middle of a statement that could otherwise share it. */
const changesSession = /\bset_config\b|\b(?:into|create)\s+(?:local\s+|global\s+)?temp(?:orary)?\b/i

/**
 * True if a statement may leave state in its session that affects later statements: a transaction, a role or setting, a
 * temporary table. Judged by its text; the functions that it calls are not examined.
 */
export const mayChangeSession = (text: string): boolean => {
  if (!isRepeatable.test(text)) {
    const operation = operationOf(text)
    if (operation !== undefined && operation !== "NOTIFY" && !repeatableCommands.has(operation)) return true
  }
  return changesSession.test(text)
}

/** True if a statement may have changed its session although its command tag does not show it. */
export const changesUntold = (text: string): boolean => operationOf(text) === "DO" || changesSession.test(text)

/** The length up to which a text is searched after a command: a script of n statements would be searched n times. */
const maxSearched = 65_536

/** True if a text matches a pattern, or is not known, or is too long to be searched after each of its commands. */
export const mayMatch = (text: string, pattern: RegExp): boolean =>
  text === "" || text.length > maxSearched || pattern.test(text)

const create = /\bcreate\b/i

/**
 * True if the text may have a CREATE TABLE AS, whose command tag is that of the SELECT in it. Looks at the first letter
 * of a single statement, since this is asked after each SELECT.
 */
export const mayCreateTable = (text: string): boolean => {
  let at = 0
  while (text.charCodeAt(at) <= 0x20) at++
  const first = text.charCodeAt(at) | 0x20
  const isOther = first >= 0x61 && first <= 0x7a && first !== 0x63
  return !(isOther && !text.includes(";")) && create.test(text)
}

const stdinOrStdout = /\bstd(?:in|out)\b/i

/** True if the text may run a COPY over the connection; either name counts for both directions. */
export const mayCopy = (text: string): boolean => stdinOrStdout.test(text)

const readCommands: ReadonlySet<string> = new Set(["SELECT", "VALUES", "TABLE", "SHOW"])

/** True if a statement only reads, judged by its text. */
export const isReadOnly = (text: string): boolean =>
  readCommands.has(operationOf(text) ?? "") && !hasSeveralStatements(text)

const beginCommands: ReadonlySet<string> = new Set(["BEGIN", "START"])

/** Words, quoted names, and statement separators. */
const wordOrEnd = /"[^"]*(?:""[^"]*)*"|[a-z_\u0080-\uffff][\w$\u0080-\uffff]*|;/gi

/**
 * Returns the first words of each statement of a text, in capitals. As psql does, it recognises the body of an SQL
 * function.
 */
const statementsOf = (text: string): ReadonlyArray<ReadonlyArray<string>> => {
  const statements: Array<Array<string>> = [[]]
  let depth = 0
  for (const [found] of withoutLiterals(text).matchAll(wordOrEnd)) {
    const words = statements.at(-1)!
    if (found === ";") {
      if (depth === 0) statements.push([])
      continue
    }
    const word = found.toUpperCase()
    if (words.length < 4) words.push(word)
    if (words[0] !== "CREATE" || !(words.includes("FUNCTION") || words.includes("PROCEDURE"))) continue
    if (word === "BEGIN" || (word === "CASE" && depth > 0)) depth++
    else if (word === "END" && depth > 0) depth--
  }
  return statements
}

/** True if the server rolls a text back as a whole when it fails: no statement in it can commit a part. */
export const isUndoneWhole = (text: string): boolean => {
  const commands = statementsOf(text).flatMap(([first]) => first ?? [])
  return commands.length > 0 && commands.every((command) => repeatableCommands.has(command))
}

/** The first words of statements that begin or end a transaction. */
const transactionWord = /\b(?:begin|start|commit|end|abort|rollback|prepare)\b/i

/** Returns the command in a text that begins or ends a transaction, if there is one. */
export const transactionCommand = (text: string): string | undefined => {
  if (!transactionWord.test(text)) return undefined
  for (const words of statementsOf(text)) {
    const [first, ...others] = words
    switch (first) {
      case "BEGIN":
      case "COMMIT":
      case "END":
      case "ABORT":
        return first
      case "START":
      case "PREPARE":
        if (others[0] === "TRANSACTION") return `${first} TRANSACTION`
        break
      case "ROLLBACK": {
        const [next] = others.filter((word) => word !== "WORK" && word !== "TRANSACTION")
        // ROLLBACK TO a savepoint.
        if (next !== "TO") return first
        break
      }
      default:
        // No other statement begins or ends a transaction.
    }
  }
  return undefined
}
