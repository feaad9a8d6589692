/**
 * Notes the commands of a session that may change the meaning of its cached statements.
 *
 * PostgreSQL analyses a statement once: it looks up names in the search path of the role, and uses the tables and types
 * as they are. A statement that was prepared before such a command is prepared again on its next use. Outside of a
 * transaction that avoids a failure that would be retried anyway; inside one, it saves the transaction.
 *
 * The command tag tells which command ran. Changes without a tag, such as DDL in a function, and changes by other
 * sessions are found by the server's error (see `plannedOutcome`).
 *
 * @internal
 */
import { operationOf } from "../../QueryText.ts"
import { mayMatch } from "../session/statementKind.ts"

/** Tags of commands that change neither names nor tables nor types. Commands that count rows are already excluded. */
const harmlessTags: ReadonlySet<string> = new Set(
  (
    "ANALYZE, CHECKPOINT, CLOSE CURSOR, CLOSE CURSOR ALL, CLUSTER, COMMENT, DEALLOCATE, DECLARE CURSOR, " +
    "DISCARD PLANS, DISCARD SEQUENCES, EXPLAIN, GRANT, LISTEN, LOCK TABLE, NOTIFY, PREPARE, " +
    "REFRESH MATERIALIZED VIEW, REINDEX, RELEASE, REVOKE, SAVEPOINT, SET CONSTRAINTS, SHOW, " +
    "TRUNCATE TABLE, UNLISTEN, VACUUM"
  ).split(", ")
)

/** The first words of statements that change none of these, as far as the text tells. */
const harmlessCommands: ReadonlySet<string> = new Set(
  (
    "SELECT VALUES TABLE WITH INSERT UPDATE DELETE MERGE COPY FETCH MOVE EXECUTE BEGIN START COMMIT END SAVEPOINT RELEASE " +
    "SHOW EXPLAIN LISTEN NOTIFY UNLISTEN DECLARE CLOSE PREPARE LOCK TRUNCATE ANALYZE VACUUM COMMENT GRANT REVOKE"
  ).split(" ")
)

/** True if a statement may change the meaning of those behind it, judged before it is run. */
export const mayChangeMeaning = (text: string): boolean => !harmlessCommands.has(operationOf(text) ?? "SELECT")

/**
 * The settings by which names are looked up. If the server reports the search path, commands need not be checked for
 * it.
 */
const nameSettings = /\b(?:role|authorization|search_path|schema)\b/i
const unreportedSettings = /\b(?:role|authorization)\b/i

/** Statements that restore the initial role. */
const defaultRole = /\b(?:role\s+none|authorization\s+default)\b/i

/** The names of these settings; others only look like them, such as `app.role`. */
const lookupSettings: ReadonlySet<string> = new Set(["role", "session_authorization", "search_path"])

/** Counts the changes that affect cached statements. */
export class SchemaEpoch {
  current = 0
  /** The role and the search path that the current transaction has by its options, with which statements are cached. */
  localNames = ""
  /** The epoch in which the last transaction began. */
  private atBegin = 0
  /** The epoch since which the session has its initial settings. */
  private atReset = 0
  private readonly settings: RegExp

  constructor(isSearchPathReported: boolean) {
    this.settings = isSearchPathReported ? unreportedSettings : nameSettings
  }

  /** Notes that a command has completed; `text` is the text that it was sent in, as far as known. */
  noteCommand(tag: string, text: string): void {
    if (harmlessTags.has(tag) || tag.startsWith("COPY ")) return
    switch (tag) {
      case "BEGIN":
      case "START TRANSACTION":
        this.atBegin = this.current
        return
      // Each may end a SET LOCAL, and undo earlier changes: ROLLBACK TO has the same tag.
      case "COMMIT":
      case "ROLLBACK":
        if (this.current > this.atBegin) this.current++
        return
      case "SET":
        if (!mayMatch(text, this.settings)) return
        // The reset of a pool is short, and in a long script each SET would search the text.
        if (text.length < 1024 && defaultRole.test(text)) return this.reset()
        break
      case "RESET":
      case "DISCARD ALL":
      case "DISCARD TEMP":
        return this.reset()
      case "DEALLOCATE ALL":
        return
      default:
        // Any other statement may have changed the schema.
        break
    }
    this.current++
  }

  /** Notes the settings that a transaction has by its options: names and values in turn, none at its end. */
  noteLocalSettings(settings: ReadonlyArray<unknown>): void {
    const decides = (at: number) => lookupSettings.has(String(settings[at - at % 2]).toLowerCase())
    this.localNames = settings.filter((_, at) => decides(at)).join("\0")
  }

  private reset(): void {
    if (this.current > this.atReset || this.localNames !== "") this.atReset = ++this.current
  }
}
