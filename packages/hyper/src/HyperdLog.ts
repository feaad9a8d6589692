/**
 * The log of the running Hyper server as typed entries.
 *
 * The server writes JSON lines to `hyperd.log` in its log directory, some ten for each statement. This module reads
 * them from there, and so works only where the server runs.
 *
 * @since 0.1.0
 */
import * as DateTime from "effect/DateTime"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import * as Path from "effect/Path"
import type { PlatformError } from "effect/PlatformError"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { Hyperd } from "./Hyperd.ts"
import type { HyperdError } from "./HyperdError.ts"
import * as LogLines from "./internal/hyperd/logLines.ts"

/**
 * An entry of the log.
 *
 * @category models
 * @since 0.1.0
 */
export interface Entry {
  /** The time. The server logs it in its time zone, which is assumed to be that of this process, its parent. */
  readonly at: DateTime.Utc
  /** The severity, such as `info` or `error`. */
  readonly severity: string
  /** The kind of event, such as `query-end`. */
  readonly event: string
  /** The session it belongs to, by a name that appears only in the log; `undefined` if it belongs to none. */
  readonly session: string | undefined
  /** The number, within the session, of the client's message it belongs to; `undefined` if it belongs to none. */
  readonly request: string | undefined
  /** The properties of the event, which differ between versions of Hyper. */
  readonly value: Schema.Json
}

/**
 * Options of {@link stream}.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** `"start"` for the entries since the start of the server, as far as they are kept; `"now"` when absent. */
  readonly from?: "start" | "now" | undefined
  /** The time after which the files are checked again; 100 milliseconds when absent. */
  readonly pollInterval?: Duration.Input | undefined
}

const Line = Schema.fromJsonString(Schema.Struct({
  ts: Schema.String,
  pid: Schema.Int,
  sev: Schema.String,
  req: Schema.optional(Schema.String),
  sess: Schema.optional(Schema.String),
  k: Schema.String,
  v: Schema.Json
}))

const decodeLine = Schema.decodeUnknownOption(Line)

const toEntry = (line: string, pid: number): ReadonlyArray<Entry> => {
  const decoded = Option.getOrUndefined(decodeLine(line))
  const at = decoded === undefined ? undefined : Option.getOrUndefined(DateTime.make(new Date(decoded.ts)))
  if (decoded === undefined || at === undefined || decoded.pid !== pid) return []
  const { k: event, req, sess, sev: severity, v: value } = decoded
  const [session, request] = [sess, req].map((name) => name === "-" ? undefined : name)
  return [{ at, severity, event, session, request, value }]
}

/**
 * Streams the entries of the server's log, and waits for more.
 *
 * **Details**
 *
 * It runs until its consumer leaves it, and fails with the server's `HyperdError` after the last entry if the server
 * exits unexpectedly. It follows the server to the next file when the size of the files is limited, by the settings
 * `log_file_size_limit` and `log_file_max_count`. Lines of other servers that log to the same directory, lines that are
 * no entries, and lines of more than 1 MiB are skipped.
 *
 * **Gotchas**
 *
 * Entries contain the text of statements. With a limited size the server writes to two files in turns (H-63), so that
 * entries can be out of order, and a consumer that is slower than the server deletes files misses entries.
 *
 * **Example** (The warnings of the server)
 *
 * ```ts
 * import { HyperdLog } from "@hyperfect/hyper"
 * import { Effect, Stream } from "effect"
 *
 * export const warnings = HyperdLog.stream().pipe(
 *   Stream.filter(({ severity }) => severity === "warn" || severity === "error"),
 *   Stream.runForEach(({ event, value }) => Effect.logWarning(event, value))
 * )
 * ```
 *
 * @category streams
 * @since 0.1.0
 */
export const stream = (
  options?: Options
): Stream.Stream<Entry, HyperdError | PlatformError, Hyperd | FileSystem.FileSystem | Path.Path> =>
  Stream.unwrap(open(options))

/**
 * Opens the log, and returns the stream of the entries that follow.
 *
 * @internal
 */
export const open = Effect.fnUntraced(
  function*({ from = "now", pollInterval = "100 millis" }: Options = {}): Effect.fn.Return<
    Stream.Stream<Entry, HyperdError | PlatformError>,
    PlatformError,
    Hyperd | FileSystem.FileSystem | Path.Path
  > {
    const { exited, logDirectory, pid } = yield* Hyperd
    const read = yield* LogLines.make(yield* FileSystem.FileSystem, yield* Path.Path, logDirectory, from)
    let end: Exit.Exit<void, HyperdError> = Exit.void
    const next = Effect.flatMap(read, (lines): Effect.Effect<ReadonlyArray<Entry>, HyperdError> => {
      if (lines.length > 0) return Effect.succeed(lines.flatMap((line) => toEntry(line, pid)))
      // What the server has written before it exited is read first.
      if (end._tag === "Failure") return Effect.failCause(end.cause)
      return Effect.map(Effect.exit(Effect.raceFirst(Effect.sleep(pollInterval), exited)), (ended) => {
        end = ended
        return []
      })
    })
    return Stream.flattenIterable(Stream.fromEffectRepeat(next))
  }
)
