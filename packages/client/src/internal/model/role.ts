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

/** The role that a session was chosen for, and the statements that have made it read-only themselves. */
export class Role {
  /** True if the settings that the server reports still meet the requirement. */
  readonly fits: () => boolean
  private readonly isWriter: boolean
  private isTransactionReadOnly = false
  private isSessionReadOnly = false

  constructor(isWriter: boolean, fits: () => boolean) {
    this.isWriter = isWriter
    this.fits = fits
  }

  /** Notes that the session or a transaction was made read-only by its user, not by the server. */
  noteCommand(commandTag: string, text: string): void {
    if (commandTag === "BEGIN" || commandTag === "START TRANSACTION") this.isTransactionReadOnly = readOnly.test(text)
    else if (commandTag === "SET" && readOnly.test(text)) {
      this.isTransactionReadOnly = true
      this.isSessionReadOnly ||= !setsTransaction.test(text)
    } else if (isReset(commandTag)) this.isSessionReadOnly = false
  }

  /** True if an error shows that a session which is to write no longer can. */
  isRefusal({ reason }: ServerError, status: Backend.ReadyForQuery["status"]): boolean {
    return this.isWriter && reason._tag === "ReadOnlySqlTransaction" && !this.isSessionReadOnly &&
      !(status !== "I" && this.isTransactionReadOnly)
  }
}
