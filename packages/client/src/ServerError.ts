/**
 * The server's ErrorResponse as an error.
 *
 * @since 0.1.0
 */
import * as ErrorField from "@hyperfect/protocol/ErrorField"
import { TaggedError } from "@hyperfect/protocol/ProtocolError"
import * as SqlState from "@hyperfect/protocol/SqlState"
import { hasProperty } from "effect/Predicate"
import * as Schema from "effect/Schema"
import * as SchemaGetter from "effect/SchemaGetter"

/**
 * The fields of an ErrorResponse, tagged with the condition of its SQLSTATE.
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
  /** In the server's language: match on the condition instead. */
  readonly message: string
  /** May contain data of rows; neither part of the error's message nor shown where errors are printed. */
  readonly detail: string | undefined
  readonly hint: string | undefined
  /** The position in the query, as a 1-based count of characters. */
  readonly position: number | undefined
  /** The context, such as the line of a COPY; may contain data of rows, as the detail does. */
  readonly where: string | undefined
  readonly schema: string | undefined
  readonly table: string | undefined
  readonly column: string | undefined
  readonly dataType: string | undefined
  readonly constraint: string | undefined
  /** Hyper only: the origin of the error, `User` or `System`. */
  readonly source: string | undefined
  /** Every field as sent, including those of unknown meaning; not shown where errors are printed. */
  readonly fields: ReadonlyArray<ErrorField.ErrorField>
}

/**
 * Every condition as a tagged reason, for `Effect.catchReason`.
 *
 * @category models
 * @since 0.1.0
 */
export type AnyReason = { readonly [Condition in SqlState.Condition]: Reason<Condition> }[SqlState.Condition]

const toReason = (fields: ReadonlyArray<ErrorField.ErrorField>): AnyReason => {
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
  // Fields that may quote rows are accessible but not enumerable, which keeps them out of logs and other output.
  return Object.defineProperties(reason, {
    detail: { value: get("detail") },
    where: { value: get("where") },
    fields: { value: fields }
  }) as AnyReason
}

const isReason = (u: unknown): u is AnyReason =>
  hasProperty(u, "_tag") && hasProperty(u, "sqlState") && typeof u.sqlState === "string" &&
  u._tag === SqlState.condition(u.sqlState)

/** The fields that may quote rows. */
const quoting: ReadonlySet<string> = new Set([
  ErrorField.codes.detail,
  ErrorField.codes.where,
  ErrorField.codes.internalQuery
])

/** In JSON it is the fields as sent, without those that may quote rows. */
const ReasonSchema: Schema.declare<AnyReason> = Schema.declare(isReason, {
  expected: "the fields of an ErrorResponse",
  toCodecJson: () =>
    Schema.link<AnyReason>()(Schema.Array(Schema.Struct({ code: Schema.String, value: Schema.String })), {
      decode: SchemaGetter.transform(toReason),
      encode: SchemaGetter.transform(({ fields }: AnyReason) => fields.filter(({ code }) => !quoting.has(code)))
    })
})

/** Transient conditions: the same work may succeed if repeated. */
const transientConditions: ReadonlySet<SqlState.Condition> = new Set<SqlState.Condition>([
  "SerializationFailure",
  "DeadlockDetected",
  "LockNotAvailable",
  "TooManyConnections",
  "CannotConnectNow",
  "IdleSessionTimeout",
  "IdleInTransactionSessionTimeout",
  "AdminShutdown",
  "CrashShutdown"
])

/** The place of a COPY's failure in `where`, without the data that follows it. */
const copyPlace = /^COPY [^\n:]+?, line \d+(?:, column [^\n:]+)?/

/** Hints for errors whose usual cause is the call to the client, which the server does not know. */
const clientHint = ({ message, sqlState }: Reason): string | undefined =>
  sqlState === "42P18" && message.includes("parameter $")
    ? "the text does not use it, or its type has to be given by a cast"
    : sqlState === "42601" && message.includes("multiple commands")
    ? "use simple for several statements"
    : undefined

/**
 * The server refused or failed.
 *
 * **Details**
 *
 * The message contains the SQLSTATE, the server's message, the position, and a hint, if there is one. For COPY it also
 * names the line and column. It never contains the detail, which may quote rows. Control characters in it are escaped,
 * so that a server cannot inject terminal sequences into logs; the reason has the unescaped texts.
 *
 * **Example** (Catching one condition)
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
export class ServerError
  extends TaggedError<ServerError, boolean>()("ServerError", { reason: ReasonSchema }, ({ reason }) => {
    const { message, position, sqlState, where } = reason
    if (sqlState === "" && message === "") return "the server reported an error without a reason"
    const at = position === undefined ? "" : ` at character ${position}`
    const place = where === undefined ? undefined : copyPlace.exec(where)?.[0]
    const hint = reason.hint ?? clientHint(reason)
    return ErrorField.printable(
      `${sqlState}: ${message}${at}${place === undefined ? "" : `, ${place}`}${hint === undefined ? "" : ` (${hint})`}`
    )
  })
{
  /** True if the same work may succeed if repeated: serialization failures, deadlocks, a server that is restarting. */
  override get isRetryable(): boolean {
    return transientConditions.has(this.reason._tag)
  }

  /** True if the server ends the session with it. */
  get isFatal(): boolean {
    return this.reason.severity === "FATAL" || this.reason.severity === "PANIC"
  }
}

/**
 * Makes the error from the fields of an ErrorResponse.
 *
 * @category constructors
 * @since 0.1.0
 */
export const fromFields = (fields: ReadonlyArray<ErrorField.ErrorField>): ServerError =>
  new ServerError({ reason: toReason(fields) })
