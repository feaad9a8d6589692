/**
 * Detects that the server of a pool's session no longer meets `targetSessionAttrs`.
 *
 * @internal
 */
import type * as Backend from "@hyperfect/protocol/Backend"
import type { ServerError } from "../../ServerError.ts"

const readOnly = /\bread\s+only\b|read_only\s*(?:=|\bto\b)\s*'?(?:on|true|yes|1)\b/i

const setsTransaction = /\bset\s+(?:local|transaction)\b/i

/** True if a command tag is that of a reset of all settings. */
const isReset = (commandTag: string): boolean => commandTag === "RESET" || commandTag === "DISCARD ALL"

/**
 * Makes the role that a session was chosen for; `fits` is true if the settings that the server reports still meet the
 * requirement.
 */
export const makeRole = (isWriter: boolean, fits: () => boolean) => {
  let isTransactionReadOnly = false
  let isSessionReadOnly = false
  return {
    fits,

    /** Notes that the session or a transaction was made read-only by its user, not by the server. */
    noteCommand: (commandTag: string, text: string): void => {
      if (commandTag === "BEGIN" || commandTag === "START TRANSACTION") isTransactionReadOnly = readOnly.test(text)
      else if (commandTag === "SET" && readOnly.test(text)) {
        isTransactionReadOnly = true
        isSessionReadOnly ||= !setsTransaction.test(text)
      } else if (isReset(commandTag)) isSessionReadOnly = false
    },

    /** True if an error shows that a session which is to write no longer can. */
    isRefusal: ({ reason }: ServerError, status: Backend.ReadyForQuery["status"]): boolean =>
      isWriter && reason._tag === "ReadOnlySqlTransaction" && !isSessionReadOnly &&
      !(status !== "I" && isTransactionReadOnly)
  }
}

/** @internal */
export type Role = ReturnType<typeof makeRole>
