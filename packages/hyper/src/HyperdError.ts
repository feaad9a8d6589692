/**
 * Why a Hyper server could not be started, or is gone.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

const messageOf = (cause: unknown): string => cause instanceof Error ? cause.message : String(cause)

const lastLines = (output: string): string => {
  const text = output.trim()
  return text === "" ? "it printed nothing" : `it printed:\n${text.split("\n").slice(-20).join("\n")}`
}

/**
 * There is no server program.
 *
 * @category errors
 * @since 0.1.0
 */
export class NotFound extends Schema.TaggedError<NotFound>()("NotFound", {
  /** Every place that was looked at, in order. */
  searched: Schema.Array(Schema.String),
  /** The npm packages that bring the program for this kind of machine. */
  packages: Schema.Array(Schema.String)
}) {
  override get message(): string {
    const install = this.packages.length === 0 ? "" : `, or install the package ${this.packages.join(" or ")}`
    return `hyperd was not found in ${this.searched.join(", ")}. `
      + `Give its path as an option or in the environment variable HYPERD_PATH${install}.`
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
 * The path of a Unix socket does not fit into the operating system's address of one.
 *
 * @category errors
 * @since 0.1.0
 */
export class SocketPathTooLong extends Schema.TaggedError<SocketPathTooLong>()("SocketPathTooLong", {
  path: Schema.String,
  bytes: Schema.Number,
  limit: Schema.Number
}) {
  override get message(): string {
    return `the path of a Unix socket may have ${this.limit} bytes, ${this.path} has ${this.bytes}`
  }
}

/**
 * The server program is there, but the operating system does not run it: it may not be executable, or be made for
 * another kind of machine or C library.
 *
 * @category errors
 * @since 0.1.0
 */
export class SpawnFailed extends Schema.TaggedError<SpawnFailed>()("SpawnFailed", {
  path: Schema.String,
  cause: Schema.Defect()
}) {
  override get message(): string {
    return `${this.path} could not be run: ${messageOf(this.cause)}`
  }
}

/**
 * The operating system refused something around the server: a file, a directory, the socket for its callback.
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
    return `could not ${this.action}: ${messageOf(this.cause)}`
  }
}

/**
 * The server has not reported in time.
 *
 * @category errors
 * @since 0.1.0
 */
export class StartTimeout extends Schema.TaggedError<StartTimeout>()("StartTimeout", {
  milliseconds: Schema.Number,
  output: Schema.String
}) {
  override get message(): string {
    return `hyperd did not report within ${this.milliseconds} ms; ${lastLines(this.output)}`
  }
}

/** What the server's own words do not say: what to do about it. */
const hints: ReadonlyArray<readonly [pattern: RegExp, hint: string]> = [
  [/licensing failure/, "it wants a licence: it has to be started with --skip-license"],
  [/unable to listen to any of the given host name and port/, "the port is taken, or the host is not this machine"],
  [/domain socket is in use/, "another server listens on this socket"]
]

/**
 * The server ended, although nobody asked it to.
 *
 * **Gotchas**
 *
 * Hyper returns 0 when it ends for want of a licence.
 *
 * @category errors
 * @since 0.1.0
 */
export class Exited extends Schema.TaggedError<Exited>()("Exited", {
  /** Whether it had reported before. */
  phase: Schema.Literals(["starting", "running"]),
  exitCode: Schema.optionalKey(Schema.Number),
  /** The signal that ended it, such as `SIGKILL`. */
  signal: Schema.optionalKey(Schema.String),
  /** The end of what it printed. */
  output: Schema.String
}) {
  /** What to do about it, where that is known. */
  get hint(): string | undefined {
    return hints.find(([pattern]) => pattern.test(this.output))?.[1]
  }

  override get message(): string {
    const how = this.signal ?? (this.exitCode === undefined ? "for an unknown reason" : `exit code ${this.exitCode}`)
    return `hyperd ended while ${this.phase} (${how})${this.hint === undefined ? "" : `: ${this.hint}`}; ${
      lastLines(this.output)
    }`
  }
}

/**
 * What came in over the callback connection is not the report of a server.
 *
 * @category errors
 * @since 0.1.0
 */
export class CallbackMalformed extends Schema.TaggedError<CallbackMalformed>()("CallbackMalformed", {
  problem: Schema.String
}) {
  override get message(): string {
    return `hyperd's report over the callback connection is malformed: ${this.problem}`
  }
}

/**
 * An endpoint that the server cannot be given, or that nothing here could connect to.
 *
 * @category errors
 * @since 0.1.0
 */
export class EndpointUnusable extends Schema.TaggedError<EndpointUnusable>()("EndpointUnusable", {
  endpoint: Schema.String,
  problem: Schema.String
}) {
  override get message(): string {
    return `the endpoint ${this.endpoint} cannot be used: ${this.problem}`
  }
}

/**
 * Why a server is not there: one tag for each way.
 *
 * @category errors
 * @since 0.1.0
 */
export const Reason = Schema.Union([
  NotFound,
  OptionInvalid,
  SocketPathTooLong,
  SpawnFailed,
  SystemFailed,
  StartTimeout,
  Exited,
  CallbackMalformed,
  EndpointUnusable
])

/**
 * Why a server is not there: one tag for each way.
 *
 * @category errors
 * @since 0.1.0
 */
export type Reason = typeof Reason.Type

/**
 * A Hyper server could not be started, or went away.
 *
 * **Details**
 *
 * No reason holds a password: the server is told it on its standard input, and prints it nowhere.
 *
 * @category errors
 * @since 0.1.0
 */
export class HyperdError extends Schema.TaggedError<HyperdError>()("HyperdError", { reason: Reason }) {
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
export const fromReason = (reason: Reason): HyperdError => new HyperdError({ reason })
