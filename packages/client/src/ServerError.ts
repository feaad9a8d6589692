/**
 * What a server says when it refuses or fails: an ErrorResponse as an error.
 *
 * @since 0.1.0
 */
import * as ErrorField from "@hyperfect/protocol/ErrorField"
import * as SqlState from "@hyperfect/protocol/SqlState"
import * as Data from "effect/Data"

/**
 * What the server said, under the name of the condition that its SQLSTATE stands for.
 *
 * **Details**
 *
 * `_tag` is the condition, such as `UniqueViolation`; see `SqlState` of `@hyperfect/protocol` for all of them.
 *
 * @category models
 * @since 0.1.0
 */
export interface Reason<out Condition extends SqlState.Condition = SqlState.Condition> {
  readonly _tag: Condition
  /** Five characters. */
  readonly sqlState: string
  /** `ERROR`, `FATAL` or `PANIC`. */
  readonly severity: string
  /** In the server's language: match on the condition, not on this. */
  readonly message: string
  /** May hold data of rows; neither part of the error's message nor shown where errors are printed. */
  readonly detail: string | undefined
  readonly hint: string | undefined
  /** Where in the query, as a 1-based count of characters. */
  readonly position: number | undefined
  /** The context, such as the line of a COPY; may hold data of rows, as the detail does. */
  readonly where: string | undefined
  readonly schema: string | undefined
  readonly table: string | undefined
  readonly column: string | undefined
  readonly dataType: string | undefined
  readonly constraint: string | undefined
  /** Hyper: whether the cause lies with the `User` or the `System`. */
  readonly source: string | undefined
  /** Every field as it was sent, also those of unknown meaning; not shown where errors are printed. */
  readonly fields: ReadonlyArray<ErrorField.ErrorField>
}

/**
 * Every condition as a tagged reason, so that `Effect.catchReason` knows them.
 *
 * @category models
 * @since 0.1.0
 */
export type AnyReason = { readonly [Condition in SqlState.Condition]: Reason<Condition> }[SqlState.Condition]

/** Conditions that pass by themselves: the same work, done again, may succeed. */
const passing: ReadonlySet<SqlState.Condition> = new Set<SqlState.Condition>([
  "SerializationFailure",
  "DeadlockDetected",
  "LockNotAvailable",
  "TooManyConnections",
  "CannotConnectNow",
  "AdminShutdown",
  "CrashShutdown"
])

/**
 * The server refused or failed.
 *
 * **Details**
 *
 * The error's message holds the SQLSTATE, the server's message, and hint and position when they were sent; never the
 * detail, which may quote rows.
 *
 * **Example** (One condition among all)
 *
 * ```ts
 * import { ServerError } from "@hyperfect/client"
 * import { Effect } from "effect"
 * import { strict as assert } from "node:assert"
 *
 * const failing = Effect.fail(ServerError.fromFields([
 *   { code: "S", value: "ERROR" },
 *   { code: "C", value: "23505" },
 *   { code: "M", value: "duplicate key value violates unique constraint \"users_email_key\"" },
 *   { code: "n", value: "users_email_key" }
 * ]))
 * const caught = failing.pipe(
 *   Effect.catchReason("ServerError", "UniqueViolation", (reason) => Effect.succeed(reason.constraint))
 * )
 * assert.equal(await Effect.runPromise(caught), "users_email_key")
 * ```
 *
 * @category errors
 * @since 0.1.0
 */
export class ServerError extends Data.TaggedError("ServerError")<{ readonly reason: AnyReason }> {
  override get message(): string {
    const { hint, message, position, sqlState } = this.reason
    const at = position === undefined ? "" : ` at character ${position}`
    return `${sqlState}: ${message}${at}${hint === undefined ? "" : ` (${hint})`}`
  }

  /** Whether the same work, done again, may succeed: serialization failures, deadlocks, a server that is restarting. */
  get isRetryable(): boolean {
    return passing.has(this.reason._tag)
  }

  /** Whether the server ends the session with it. */
  get isFatal(): boolean {
    return this.reason.severity === "FATAL" || this.reason.severity === "PANIC"
  }
}

/**
 * The error that the fields of an ErrorResponse stand for.
 *
 * @category constructors
 * @since 0.1.0
 */
export const fromFields = (fields: ReadonlyArray<ErrorField.ErrorField>): ServerError => {
  const get = (name: ErrorField.Name) => ErrorField.get(fields, name)
  const sqlState = get("sqlState") ?? ""
  const position = Number(get("position"))
  const reason = {
    _tag: SqlState.condition(sqlState),
    sqlState,
    severity: get("severity") ?? get("severityLocalized") ?? "ERROR",
    message: get("message") ?? "",
    hint: get("hint"),
    position: Number.isInteger(position) && position > 0 ? position : undefined,
    schema: get("schema"),
    table: get("table"),
    column: get("column"),
    dataType: get("dataType"),
    constraint: get("constraint"),
    source: get("source")
  }
  // What may quote rows is there for who asks for it, but is not enumerated: it stays out of logs and other output.
  return new ServerError({
    reason: Object.defineProperties(reason, {
      detail: { value: get("detail") },
      where: { value: get("where") },
      fields: { value: fields }
    }) as AnyReason
  })
}
