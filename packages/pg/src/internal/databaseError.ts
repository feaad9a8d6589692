/**
 * Errors and notices of the server, with the names of fields that `pg` has.
 *
 * @internal
 */
import type { ServerError } from "@hyperfect/client/ServerError"
import * as ErrorField from "@hyperfect/protocol/ErrorField"
import { hasProperty } from "effect/Predicate"

type Fields = ReadonlyArray<ErrorField.ErrorField>

/** The fields, by their names in `pg`. */
const names = {
  severity: "severity",
  code: "sqlState",
  detail: "detail",
  hint: "hint",
  position: "position",
  internalPosition: "internalPosition",
  internalQuery: "internalQuery",
  where: "where",
  schema: "schema",
  table: "table",
  column: "column",
  dataType: "dataType",
  constraint: "constraint",
  file: "file",
  line: "line",
  routine: "routine"
} as const satisfies Record<string, ErrorField.Name>

/**
 * The fields of an error or a notice; those that the server did not send are `undefined`.
 *
 * @category models
 * @since 0.1.0
 */
export type ServerFields = { readonly [Name in keyof typeof names]: string | undefined }

const fieldsOf = (fields: Fields): ServerFields =>
  Object.fromEntries(
    Object.entries(names).map(([name, field]) => [name, ErrorField.get(fields, field)])
  ) as ServerFields

/** Fields that may quote rows, and are thus not shown where errors are printed. */
const quoting = ["detail", "where", "internalQuery"]

// The fields are assigned in the constructor.
// oxlint-disable-next-line typescript/no-unsafe-declaration-merging
export interface DatabaseError extends ServerFields {}

/**
 * An error that the server reported.
 *
 * **Details**
 *
 * The message is the server's; `code` is the SQLSTATE. `detail`, `where` and `internalQuery`, which may quote rows, are not
 * enumerable. The cause is the error of the client below.
 *
 * @category errors
 * @since 0.1.0
 */
// oxlint-disable-next-line typescript/no-unsafe-declaration-merging
export class DatabaseError extends Error {
  constructor(fields: Fields, cause: unknown) {
    super(ErrorField.get(fields, "message") ?? "the server reported an error without a reason", { cause })
    // As in `pg`, the name is the kind of message.
    this.name = "error"
    for (const [name, value] of Object.entries(fieldsOf(fields))) {
      Object.defineProperty(this, name, {
        value,
        enumerable: !quoting.includes(name),
        writable: true,
        configurable: true
      })
    }
  }
}

/**
 * A notice that the server sent.
 *
 * @category models
 * @since 0.1.0
 */
export interface Notice extends ServerFields {
  readonly name: "notice"
  readonly message: string | undefined
}

export const toNotice = (fields: Fields): Notice => ({
  name: "notice",
  message: ErrorField.get(fields, "message"),
  ...fieldsOf(fields)
})

const isServerError = (error: unknown): error is ServerError =>
  hasProperty(error, "_tag") && error._tag === "ServerError"

/** The messages by which programs know the failures of `pg`. */
const messages: Readonly<Record<string, string>> = {
  AcquireTimeout: "timeout exceeded when trying to connect",
  Closed: "Connection terminated unexpectedly",
  OpenTimeout: "timeout expired",
  QueryTimeout: "Query read timeout",
  ReadFailed: "Connection terminated unexpectedly",
  WriteFailed: "Connection terminated unexpectedly"
}

/** Returns the error that a caller sees, for an error of the client below. */
export const toError = (error: unknown): unknown => {
  if (isServerError(error)) return new DatabaseError(error.reason.fields, error)
  const reason: unknown = hasProperty(error, "reason") ? error.reason : error
  // A refused login has the fields of the server's error; a failed connection the code of the operating system.
  if (hasProperty(reason, "fields")) return new DatabaseError(reason.fields as Fields, error)
  if (!hasProperty(reason, "_tag")) return error
  if (reason._tag === "ConnectFailed") return toError((reason as { cause?: unknown }).cause)
  const isEnded = reason._tag === "Closed" && hasProperty(reason, "by") && reason.by === "local"
  const message = isEnded ? "Connection terminated" : messages[reason._tag as string]
  const code = hasProperty(reason, "code") ? { code: reason.code } : {}
  if (message !== undefined) return Object.assign(new Error(message, { cause: error }), code)
  return error instanceof Error && Object.isExtensible(error) ? Object.assign(error, code) : error
}
