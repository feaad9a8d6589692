/**
 * What is known of a statement by its text alone, where a server must not be asked.
 *
 * What is not recognised is taken for the worst, which costs no more than time.
 *
 * @internal
 */
import { operationOf } from "../QueryText.ts"

const repeatable: ReadonlySet<string> = new Set([
  "SELECT",
  "VALUES",
  "TABLE",
  "WITH",
  "INSERT",
  "UPDATE",
  "DELETE",
  "MERGE",
  "SHOW",
  "EXPLAIN"
])

/** Whether it may be more than one statement; a semicolon in a literal is taken for one that separates. */
const isSeveral = (text: string): boolean => {
  const end = text.indexOf(";")
  return end >= 0 && text.slice(end + 1).trim() !== ""
}

/**
 * What a statement may do, as its text tells.
 *
 * - `"repeatable"`: the server undoes it as a whole when it ends it with an error, so that it can be run again as if nothing
 *   had been. What no server undoes, such as the numbers that a sequence has given out, or what its functions do outside
 *   of the database, is not undone.
 * - `"begin"`: begins a transaction, or has done nothing.
 * - `"open"`: may do anything, and leave a transaction open.
 * - `"closed"`: may do anything else.
 */
export type Nature = "repeatable" | "begin" | "open" | "closed"

/** @internal */
export const natureOf = (text: string): Nature => {
  const operation = operationOf(text)
  if (operation === undefined || isSeveral(text)) return "open"
  return begins.has(operation) ? "begin" : repeatable.has(operation) ? "repeatable" : "closed"
}

const standard = /\bstd(?:in|out)\b/i

/** Whether a COPY in it may go over the line; each of the two names is taken for either direction. */
export const mayCopy = (text: string): boolean => standard.test(text)

const reads: ReadonlySet<string> = new Set(["SELECT", "VALUES", "TABLE", "SHOW"])

/** Whether a statement only reads, as far as its text tells. */
export const isReading = (text: string): boolean => reads.has(operationOf(text) ?? "") && !isSeveral(text)

const begins: ReadonlySet<string> = new Set(["BEGIN", "START"])
