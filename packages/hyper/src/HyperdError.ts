/**
 * Reasons for which a Hyper server could not be started, or is gone.
 *
 * @since 0.1.0
 */
import * as ErrorField from "@hyperfect/protocol/ErrorField"
import { TaggedError, TaggedReason } from "@hyperfect/protocol/ProtocolError"
import * as Schema from "effect/Schema"

const messageOf = (cause: unknown): string => cause instanceof Error ? cause.message : String(cause)

/**
 * Returns the last lines of a server's output, for the end of a message.
 *
 * @internal
 */
export const lastLines = (output: string): string => {
  const text = output.trim()
  return text === "" ? "it printed nothing" : `it printed:\n${text.split("\n").slice(-20).join("\n")}`
}

/**
 * The server program was not found.
 *
 * @category errors
 * @since 0.1.0
 */
export class NotFound extends TaggedReason<NotFound>()("NotFound", {
  /** Every location that was searched, in order. */
  searched: Schema.Array(Schema.String),
  /** The npm packages that contain the program for this platform. */
  packages: Schema.Array(Schema.String)
}, ({ packages, searched }) => {
  const install = packages.length === 0 ? "" : `, or install the package ${packages.join(" or ")}`
  return `hyperd was not found in ${searched.join(", ")}. `
    + `Give its path as an option or in the environment variable HYPERD_PATH${install}.`
}) {}

/**
 * An option has a value that cannot be passed to the server.
 *
 * @category errors
 * @since 0.1.0
 */
export class OptionInvalid extends TaggedReason<OptionInvalid>()("OptionInvalid", {
  option: Schema.String,
  problem: Schema.String
}, ({ option, problem }) => `the option ${option} ${problem}`) {}

/**
 * The path of a Unix socket is longer than the operating system allows.
 *
 * @category errors
 * @since 0.1.0
 */
export class SocketPathTooLong extends TaggedReason<SocketPathTooLong>()("SocketPathTooLong", {
  path: Schema.String,
  bytes: Schema.Number,
  limit: Schema.Number
}, ({ bytes, limit, path }) => `the path of a Unix socket may have ${limit} bytes, ${path} has ${bytes}`) {}

/**
 * The server program exists, but the operating system cannot run it: it may not be executable, or be built for another
 * platform or C library.
 *
 * @category errors
 * @since 0.1.0
 */
export class SpawnFailed extends TaggedReason<SpawnFailed>()("SpawnFailed", {
  path: Schema.String,
  cause: Schema.Defect()
}, ({ cause, path }) => `${path} could not be run: ${messageOf(cause)}`) {}

/**
 * The operating system refused an operation that the server needs: on a file, a directory, or the socket for its
 * callback.
 *
 * @category errors
 * @since 0.1.0
 */
export class SystemFailed extends TaggedReason<SystemFailed>()("SystemFailed", {
  /** The action that failed. */
  action: Schema.String,
  cause: Schema.Defect()
}, ({ action, cause }) => `could not ${action}: ${messageOf(cause)}`) {}

/**
 * The server did not report in time.
 *
 * @category errors
 * @since 0.1.0
 */
export class StartTimeout extends TaggedReason<StartTimeout>()("StartTimeout", {
  milliseconds: Schema.Number,
  output: Schema.String
}, ({ milliseconds, output }) => `hyperd did not report within ${milliseconds} ms; ${lastLines(output)}`) {}

/** Advice on how to fix a failure, which the server's output lacks. */
const hints: ReadonlyArray<readonly [pattern: RegExp, hint: string]> = [
  [/licensing failure/, "it wants a licence: it has to be started with --skip-license"],
  [/unable to listen to any of the given host name and port/, "the port is taken, or the host is not this machine"],
  [/domain socket is in use/, "another server listens on this socket"]
]

const hintFor = (output: string): string | undefined => hints.find(([pattern]) => pattern.test(output))?.[1]

/**
 * The server exited unexpectedly, or not in good order. Unsaved data is lost.
 *
 * **Gotchas**
 *
 * Hyper returns 0 when it exits for lack of a licence.
 *
 * @category errors
 * @since 0.1.0
 */
export class Exited extends TaggedReason<Exited>()("Exited", {
  /** The phase the server was in: before its report, after it, or after it was asked to stop. */
  phase: Schema.Literals(["starting", "running", "stopping"]),
  exitCode: Schema.optionalKey(Schema.Number),
  /** The signal that ended it, such as `SIGKILL`. */
  signal: Schema.optionalKey(Schema.String),
  /** The last part of its output. */
  output: Schema.String
}, ({ exitCode, output, phase, signal }) => {
  const hint = hintFor(output)
  const how = signal ?? (exitCode === undefined ? "for an unknown reason" : `exit code ${exitCode}`)
  return `hyperd ended while ${phase} (${how})${hint === undefined ? "" : `: ${hint}`}; ${lastLines(output)}`
}) {
  /** Advice on how to fix the failure, if known. */
  get hint(): string | undefined {
    return hintFor(this.output)
  }
}

/**
 * The server did not stop in time and was killed. Data that it had not saved by then is lost.
 *
 * @category errors
 * @since 0.1.0
 */
export class Killed extends TaggedReason<Killed>()(
  "Killed",
  {
    /** The time that it was allowed. */
    milliseconds: Schema.Number,
    output: Schema.String
  },
  ({ milliseconds, output }) =>
    `hyperd did not stop within ${milliseconds} ms and was killed: what it had not saved is lost; ${lastLines(output)}`
) {}

/**
 * The data received over the callback connection is not the report of a server.
 *
 * @category errors
 * @since 0.1.0
 */
export class CallbackMalformed extends TaggedReason<CallbackMalformed>()("CallbackMalformed", {
  problem: Schema.String
}, ({ problem }) => `hyperd's report over the callback connection is malformed: ${problem}`) {}

/**
 * An endpoint that cannot be passed to the server, or that this library cannot connect to.
 *
 * @category errors
 * @since 0.1.0
 */
export class EndpointUnusable extends TaggedReason<EndpointUnusable>()("EndpointUnusable", {
  endpoint: Schema.String,
  problem: Schema.String
}, ({ endpoint, problem }) => `the endpoint ${endpoint} cannot be used: ${problem}`) {}

const Reason = Schema.Union([
  NotFound,
  OptionInvalid,
  SocketPathTooLong,
  SpawnFailed,
  SystemFailed,
  StartTimeout,
  Exited,
  Killed,
  CallbackMalformed,
  EndpointUnusable
])

/**
 * The reason for a failure of the server, with one tag for each.
 *
 * @category errors
 * @since 0.1.0
 */
export type Reason = typeof Reason.Type

/**
 * A Hyper server could not be started, or exited.
 *
 * **Details**
 *
 * No reason contains a password: it is written to the server's standard input, and the server never prints it.
 *
 * @category errors
 * @since 0.1.0
 */
export class HyperdError extends TaggedError<HyperdError, boolean>()(
  "HyperdError",
  { reason: Reason },
  ({ reason }) => ErrorField.printable(reason.message)
) {
  /** True if another start may succeed, which is the case only for a timeout. */
  override get isRetryable(): boolean {
    return this.reason._tag === "StartTimeout"
  }
}

/**
 * Wraps a reason.
 *
 * @category constructors
 * @since 0.1.0
 */
export const fromReason = (reason: Reason): HyperdError => new HyperdError({ reason })
