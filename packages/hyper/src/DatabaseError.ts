/**
 * The error for a database, which is a file, that cannot be opened, created, dropped or saved in its present state.
 *
 * @since 0.1.0
 */
import { AuthError } from "@hyperfect/auth/AuthError"
import { ServerError } from "@hyperfect/client/ServerError"
import * as ErrorField from "@hyperfect/protocol/ErrorField"
import { TaggedError, TaggedReason } from "@hyperfect/protocol/ProtocolError"
import * as Schema from "effect/Schema"

const fields = {
  /** The path of the database, as far as it is known. */
  database: Schema.String,
  sqlState: Schema.String,
  /** The server's message. */
  text: Schema.String
}

/**
 * There is no such file, or its path is not that of a file.
 *
 * @category errors
 * @since 0.1.0
 */
export class Missing extends TaggedReason<Missing>()(
  "Missing",
  fields,
  ({ database, text }) => {
    const path = JSON.stringify(database)
    return text.includes("directory does not exist")
      ? `the directory of ${path} does not exist; create it, or check the path`
      : text.includes("does not refer to a file")
      ? `${path} is not a file; check its path`
      : `${path} does not exist; create it, or check its path`
  }
) {}

/**
 * Another process, such as another server or Tableau itself, has the file open, or a session of this server by another
 * path to it.
 *
 * @category errors
 * @since 0.1.0
 */
export class Locked extends TaggedReason<Locked>()(
  "Locked",
  fields,
  ({ database }) => `${JSON.stringify(database)} is open in another process, or by another path`
) {}

/**
 * The file is empty, truncated, damaged, or not a Hyper database at all.
 *
 * @category errors
 * @since 0.1.0
 */
export class Corrupt extends TaggedReason<Corrupt>()(
  "Corrupt",
  fields,
  ({ database }) => `${JSON.stringify(database)} is damaged, or not a Hyper database`
) {}

/**
 * The file has a format version that this server does not know.
 *
 * @category errors
 * @since 0.1.0
 */
export class VersionUnsupported extends TaggedReason<VersionUnsupported>()(
  "VersionUnsupported",
  fields,
  ({ database }) => `${JSON.stringify(database)} has a format version that needs a newer server`
) {}

/**
 * Other sessions of the same server, of this or another program, use the database.
 *
 * @category errors
 * @since 0.1.0
 */
export class InUse extends TaggedReason<InUse>()(
  "InUse",
  fields,
  ({ database }) => `${JSON.stringify(database)} is used by another session of the server`
) {}

/** A file knows the user that created it, as the only one who may open it (H-72). */
const ofOtherUser = /access denied$|^role '.*' does not exist$/s

/**
 * The server has no right to open, create or delete the file, its file system is full or read-only, no file can have its
 * path, or another user has created it.
 *
 * @category errors
 * @since 0.1.0
 */
export class Inaccessible extends TaggedReason<Inaccessible>()("Inaccessible", fields, ({ database, text }) => {
  const path = JSON.stringify(database)
  return text.includes("growing the database file failed")
    ? `${path} cannot be created; check the space on its disk`
    : ofOtherUser.test(text)
    ? `${path} was created by another user, and opens for no other; connect as that user`
    : `${path} is not accessible to the server; check its path, and the server's rights to it`
}) {}

const Reason = Schema.Union([Missing, Locked, Corrupt, VersionUnsupported, InUse, Inaccessible])

/**
 * The reason of a `DatabaseError`.
 *
 * @category errors
 * @since 0.1.0
 */
export type Reason = typeof Reason.Type

/**
 * A database cannot be opened, created, dropped or saved in its present state.
 *
 * **Details**
 *
 * A failure to write its data is a `SaveError` instead.
 *
 * **Example** (A file that another program has open)
 *
 * ```ts
 * import { Hyper } from "@hyperfect/hyper"
 * import { Effect, Schedule } from "effect"
 *
 * const patient = Hyper.make({ database: "flights.hyper" }).pipe(
 *   Effect.retry({
 *     schedule: Schedule.spaced("1 second"),
 *     times: 30,
 *     while: (error) => error._tag === "DatabaseError" && error.reason._tag === "Locked"
 *   }),
 *   Effect.catchReason("DatabaseError", "Missing", ({ database }) => Effect.die(`run the import first: no ${database}`))
 * )
 * ```
 *
 * @category errors
 * @since 0.1.0
 */
export class DatabaseError
  extends TaggedError<DatabaseError, boolean>()("DatabaseError", { reason: Reason }, ({ reason }) => {
    const { message, sqlState, text } = reason
    return ErrorField.printable(`${message} (${sqlState}: ${text})`)
  })
{
  /** True if another program or session has the database, and may release it. */
  override get isRetryable(): boolean {
    return this.reason._tag === "Locked" || this.reason._tag === "InUse"
  }
}

const aboutFile = /error (?:opening|during loading) database|database .* could not be created|unable to drop database/s

/** Chooses the reason. Only the text tells some from others: the server is started with the language `en_US`. */
const reasonOf = (sqlState: string, text: string) => {
  if (/unsupported (?:database )?version/.test(text)) return VersionUnsupported
  switch (sqlState) {
    case "58S01":
    case "3D000":
      return Missing
    case "55006":
      return text.includes("locked by another process") ? Locked : InUse
    case "42809":
    case "XX001":
    case "XXS01":
      return Corrupt
    // With 55000 the server also refuses a database that UNLOAD has taken from its sessions.
    case "55000":
      return text.includes("incompatible mode") || text.includes("has been unloaded") ? InUse : undefined
    // A refused login and a statement that is not allowed have such codes too.
    case "42501":
    case "42602":
    case "53000":
    case "58030":
    case "58P01":
      return aboutFile.test(text) ? Inaccessible : undefined
    case "22023":
      return ofOtherUser.test(text) ? Inaccessible : undefined
    default:
      return undefined
  }
}

const reasons = { Missing, Locked, Corrupt, VersionUnsupported, InUse, Inaccessible }

/** Returns the path that the server names in the detail of an error, as an identifier in SQL. */
const pathIn = (fields: ReadonlyArray<ErrorField.ErrorField>): string | undefined =>
  /^DatabaseId: "hyper\.file:((?:[^"]|"")*)"$/m.exec(ErrorField.get(fields, "detail") ?? "")?.[1]?.replaceAll(
    "\"\"",
    "\""
  )

/** Returns the server's answer to a statement, or to the login in a database. */
const answerOf = (error: unknown) => {
  if (error instanceof ServerError) {
    const { fields, message, sqlState } = error.reason
    return { fields, sqlState, text: message }
  }
  const reason = error instanceof AuthError ? error.reason : undefined
  return reason?._tag === "Rejected" || reason?._tag === "DatabaseMissing" ? reason : undefined
}

/**
 * Returns the `DatabaseError` for a server's error that is about a database, and any other error unchanged.
 *
 * @internal
 */
export const fromServer = <E>(error: E, database: string): E | DatabaseError => {
  const answer = answerOf(error)
  if (answer === undefined) return error
  const { fields, sqlState, text } = answer
  const Found = reasonOf(sqlState, text)
  if (Found === undefined) return error
  return new DatabaseError({ reason: new Found({ database: pathIn(fields) ?? database, sqlState, text }) })
}

/**
 * Returns the error for a database whose file has another name at present.
 *
 * @internal
 */
export const ofDatabase = <E>(error: E | DatabaseError, database: string): E | DatabaseError => {
  if (!(error instanceof DatabaseError)) return error
  const { _tag, sqlState, text } = error.reason
  return new DatabaseError({ reason: new reasons[_tag]({ database, sqlState, text }) })
}
