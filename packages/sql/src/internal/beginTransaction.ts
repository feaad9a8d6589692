/**
 * The options of a transaction, read from the statement that a program provides with `SqlClient.BeginTransaction`.
 *
 * @internal
 */
import type { TransactionOptions } from "@hyperfect/client/Queries"

/** The grammar of BEGIN and START TRANSACTION in PostgreSQL's reference. */
const begin = /^\s*(?:begin(?:\s+(?:work|transaction))?|start\s+transaction)\b(?<modes>.*?);?\s*$/is

const mode =
  /^\s*,?\s*(?:isolation\s+level\s+(?<isolation>serializable|repeatable\s+read|read\s+committed|read\s+uncommitted)|read\s+(?<access>write|only)|(?<deferrable>(?:not\s+)?deferrable))\b/i

/** Reads a statement. Returns `undefined` if it is not one that begins a transaction. */
export const readBegin = (text: string): TransactionOptions | undefined => {
  let modes = begin.exec(text)?.groups!["modes"]
  if (modes === undefined) return undefined
  let options: TransactionOptions = {}
  while (modes.trim() !== "") {
    const found = mode.exec(modes)
    if (found === null) return undefined
    const { access, deferrable, isolation } = found.groups!
    if (isolation !== undefined) {
      const level = isolation.toLowerCase().replace(/\s+/, " ")
      // PostgreSQL treats it as READ COMMITTED (chapter 13.2 of its documentation).
      options = {
        ...options,
        isolation: (level === "read uncommitted" ? "read committed" : level) as TransactionOptions["isolation"]
      }
    }
    if (access !== undefined) options = { ...options, access: /only/i.test(access) ? "read only" : "read write" }
    if (deferrable !== undefined) options = { ...options, deferrable: !/^not/i.test(deferrable) }
    modes = modes.slice(found[0].length)
  }
  return options
}
