/**
 * Recordings of sessions in files, which can be replayed without a server.
 *
 * {@link record} wraps a transport and writes one line of JSON for each message, with its direction, its connection and
 * the milliseconds since the start. The file never contains credentials: passwords, SASL data and the keys that cancel
 * queries are left out. By default, parameters, rows and COPY data are replaced by their lengths; the text of
 * statements is always recorded.
 *
 * {@link replay} is a transport that plays the server's side of a file. It accepts every client without a password,
 * sends the server's recorded messages in their order over all connections, and compares the client's messages with the
 * recording. Timing is not replayed. Connections are identified by the order in which they are opened.
 *
 * Data is stored as decoded messages, so a file with full content is larger than the data on the wire, and a replay
 * holds the whole file in memory: it is meant for tests, not for copies of databases.
 *
 * @since 0.1.0
 */
import * as Utf8 from "@hyperfect/protocol/Utf8"
import * as Endpoint from "@hyperfect/transport/Endpoint"
import { sniff } from "@hyperfect/transport/Sniffer"
import { Transport } from "@hyperfect/transport/Transport"
import type { TransportError } from "@hyperfect/transport/TransportError"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Latch from "effect/Latch"
import * as Layer from "effect/Layer"
import type { PlatformError } from "effect/PlatformError"
import type { Event } from "./internal/recording/entry.ts"
import { readRecording } from "./internal/recording/reader.ts"
import { redact, withoutCredentials } from "./internal/recording/redaction.ts"
import { Replayer } from "./internal/recording/replayer.ts"
import type { RecordingError } from "./RecordingError.ts"
import type { ScriptError } from "./ScriptError.ts"

/**
 * The contents of a recording.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** `"full"` keeps parameters, rows and COPY data, which a replay needs; `"redacted"` when absent. */
  readonly content?: "redacted" | "full" | undefined
}

/** The total length of unwritten lines above which reading from the server is held back. */
const maxBuffered = 1024 * 1024

/** Opens a file to which lines are written in the background. */
const openRecording = Effect.fnUntraced(function*(path: string, content: "redacted" | "full") {
  const file = yield* Effect.flatMap(FileSystem.FileSystem, (fs) => fs.open(path, { flag: "w", mode: 0o600 }))
  const clock = yield* Clock.Clock
  const now = () => Number(clock.monotonicTimeNanosUnsafe() / BigInt(1_000_000))
  const start = now()
  let waiting: Array<string> = []
  let size = 0
  const some = Latch.makeUnsafe(false)
  const room = Latch.makeUnsafe(true)
  const add = (entry: unknown): void => {
    const line = `${JSON.stringify(entry)}\n`
    waiting.push(line)
    size += line.length
    some.openUnsafe()
    if (size > maxBuffered) room.closeUnsafe()
  }
  const flush = Effect.suspend(() => {
    const lines = waiting
    waiting = []
    size = 0
    some.closeUnsafe()
    return lines.length === 0 ? Effect.void : file.writeAll(Utf8.encodeUnsafe(lines.join("")))
  }).pipe(Effect.andThen(room.open), Effect.uninterruptible, Effect.orDie)
  add({ _tag: "Recording", version: 1, content })
  yield* flush
  yield* Effect.addFinalizer(() => flush)
  yield* Effect.forkScoped(Effect.forever(some.whenOpen(flush)))
  return {
    room: room.await,
    write: (connection: number) => ({ _tag, ...event }: Event): void =>
      add({ _tag, at: now() - start, connection, ...event })
  }
})

const codeOf = ({ reason }: TransportError): string =>
  "code" in reason && reason.code !== undefined ? reason.code : reason._tag

/**
 * Records every connection of the underlying transport into a file, which is overwritten.
 *
 * **Details**
 *
 * All lines are on disk once the layer's scope has closed. If the file cannot be opened, building the layer fails with
 * a `PlatformError`; a later write failure is a defect when the scope closes, and does not affect the connections. Data
 * under TLS is recorded in clear text. Data that cannot be decoded as protocol messages is passed on, and left out of
 * the file.
 *
 * **Gotchas**
 *
 * The text of statements is recorded unchanged. Do not record a program that writes secrets into it.
 *
 * @category layers
 * @since 0.1.0
 */
export const record = (
  file: string,
  options: Options = {}
): Layer.Layer<Transport, PlatformError, Transport | FileSystem.FileSystem> =>
  Layer.effect(
    Transport,
    Effect.gen(function*() {
      const transport = yield* Transport
      const content = options.content ?? "redacted"
      const encode = content === "full" ? withoutCredentials : redact
      const tape = yield* openRecording(file, content)
      let count = 0
      return Transport.of({
        connect: (endpoint, connectOptions) =>
          Effect.suspend(() => {
            const write = tape.write(++count)
            const name = Endpoint.format(endpoint)
            return transport.connect(endpoint, connectOptions).pipe(
              Effect.tapError((error) => Effect.sync(() => write({ _tag: "Refused", code: codeOf(error) }))),
              Effect.tap(() => Effect.sync(() => write({ _tag: "Opened", endpoint: name }))),
              Effect.flatMap((line) =>
                sniff(
                  { ...line, pull: Effect.andThen(tape.room, line.pull) },
                  (event) => write("message" in event ? { ...event, message: encode(event) } : event)
                )
              )
            )
          })
      })
    })
  )

/**
 * The progress and outcome of a replay.
 *
 * @category services
 * @since 0.1.0
 */
export class Replay extends Context.Service<Replay, {
  /**
   * Succeeds if the client has sent everything that was recorded, and nothing else.
   *
   * The step in the error is the line of the file.
   */
  readonly verify: Effect.Effect<void, ScriptError>
}>()("@hyperfect/testing/Recording/Replay") {}

/**
 * Plays the server's side of a recording, given as text.
 *
 * **Details**
 *
 * Works as {@link replay} does.
 *
 * @category layers
 * @since 0.1.0
 */
export const replayText = (text: string): Layer.Layer<Transport | Replay, RecordingError> =>
  Layer.effectContext(Effect.gen(function*() {
    const player = new Replayer(yield* readRecording(text))
    let reported: string | undefined
    const verify = Effect.suspend(() => {
      const problem = player.problem()
      return problem === undefined ? Effect.void : Effect.fail(problem)
    })
    yield* Effect.addFinalizer(() =>
      Effect.catch(verify, (error) => (error.report === reported ? Effect.void : Effect.die(error)))
    )
    return Context.make(Transport, { connect: player.connect }).pipe(Context.add(Replay, {
      verify: Effect.tapError(verify, ({ report }) => Effect.sync(() => reported = report))
    }))
  }))

/**
 * Plays the server's side of a recording, from a file that was recorded with the content `"full"`.
 *
 * **Details**
 *
 * If a client does not send what was recorded, its connections fail with an error whose cause is the difference. The
 * difference is always reported: `verify` of {@link Replay} fails with it, and if it was not reported by then, closing
 * the layer dies with it. The same holds for a recording that the client did not complete.
 *
 * A TLS handshake is not replayed: it succeeds where it had succeeded, without a certificate.
 *
 * **Gotchas**
 *
 * A client whose policy requires a password request rejects a login without one.
 *
 * **Example** (A test without its server)
 *
 * ```ts
 * import { Client } from "@hyperfect/client"
 * import { NodePlatform } from "@hyperfect/node"
 * import { PostgresServer, Recording } from "@hyperfect/testing"
 * import { Effect, FileSystem } from "effect"
 * import { strict as assert } from "node:assert"
 *
 * const program = Effect.flatMap(Client.Client, (client) => Effect.map(client.query("select 1 as n"), ({ rows }) => rows))
 *
 * const test = Effect.gen(function*() {
 *   const fs = yield* FileSystem.FileSystem
 *   const file = `${yield* fs.makeTempDirectoryScoped()}/one.jsonl`
 *   const server = yield* PostgresServer.make()
 *   const client = Client.layer(server)
 *   const recorded = yield* program.pipe(
 *     Effect.provide(client),
 *     Effect.provide(Recording.record(file, { content: "full" }))
 *   )
 *   const replayed = yield* program.pipe(Effect.provide(client), Effect.provide(Recording.replay(file)))
 *   assert.deepEqual(replayed, recorded)
 * })
 *
 * await Effect.runPromise(test.pipe(Effect.scoped, Effect.provide(NodePlatform.layer)))
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const replay = (
  file: string
): Layer.Layer<Transport | Replay, RecordingError | PlatformError, FileSystem.FileSystem> =>
  Layer.unwrap(Effect.map(Effect.flatMap(FileSystem.FileSystem, (fs) => fs.readFileString(file)), replayText))
