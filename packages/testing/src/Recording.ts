/**
 * Sessions on file: written down as they happen, and played again without a server.
 *
 * {@link record} wraps a transport and writes one line of JSON for each message, with its direction, its connection and
 * the milliseconds since the beginning. Nothing in the file proves who somebody is: passwords, the data of SASL and the keys
 * that cancel queries are never in it. Unless asked for, parameters, rows and the data of COPY are not in it either, but
 * how long they are; the text of statements is.
 *
 * {@link replay} is a transport that plays the server's side of a file. It lets everybody in without a password, says what
 * the server had said, in the order over all connections in which it had said it, and holds what the client sends against
 * the recording. Time is not replayed. Connections are told apart by the order in which they are opened.
 *
 * Data are held as messages, so a file with all of them takes more room than they took on the wire, and a replay holds the
 * whole file in memory: it is for tests, not for copies of databases.
 *
 * @since 0.1.0
 */
import * as Utf8 from "@hyperfect/protocol/Utf8"
import * as Endpoint from "@hyperfect/transport/Endpoint"
import { Transport } from "@hyperfect/transport/Transport"
import type { TransportError } from "@hyperfect/transport/TransportError"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Latch from "effect/Latch"
import * as Layer from "effect/Layer"
import type { PlatformError } from "effect/PlatformError"
import { Player } from "./internal/player.ts"
import { readRecording } from "./internal/readRecording.ts"
import { type Event, listen } from "./internal/recorder.ts"
import { redact, withoutProof } from "./internal/redaction.ts"
import type { RecordingError } from "./RecordingError.ts"
import type { ScriptError } from "./ScriptError.ts"

/**
 * What a recording keeps.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** `"full"` keeps parameters, rows and the data of COPY, which a replay needs; `"redacted"` when absent. */
  readonly content?: "redacted" | "full" | undefined
}

/** Lines of this length in all that wait for the disk hold back who reads from the server. */
const backlog = 1024 * 1024

const toBytes = (text: string): Uint8Array => {
  const bytes = new Uint8Array(Utf8.byteLength(text))
  Utf8.writeUnsafe(text, bytes, 0)
  return bytes
}

/** Opens a file to which lines are written behind the back of who writes them. */
const openTape = Effect.fnUntraced(function*(path: string, content: "redacted" | "full") {
  const file = yield* Effect.flatMap(FileSystem.FileSystem, (fs) => fs.open(path, { flag: "w", mode: 0o600 }))
  const clock = yield* Clock.Clock
  const start = clock.currentTimeMillisUnsafe()
  let waiting: Array<string> = []
  let size = 0
  const some = Latch.makeUnsafe(false)
  const room = Latch.makeUnsafe(true)
  const add = (entry: unknown): void => {
    const line = `${JSON.stringify(entry)}\n`
    waiting.push(line)
    size += line.length
    some.openUnsafe()
    if (size > backlog) room.closeUnsafe()
  }
  const flush = Effect.suspend(() => {
    const lines = waiting
    waiting = []
    size = 0
    some.closeUnsafe()
    return lines.length === 0 ? Effect.void : file.writeAll(toBytes(lines.join("")))
  }).pipe(Effect.andThen(room.open), Effect.uninterruptible, Effect.orDie)
  add({ _tag: "Recording", version: 1, content })
  yield* flush
  yield* Effect.addFinalizer(() => flush)
  yield* Effect.forkScoped(Effect.forever(some.whenOpen(flush)))
  return {
    room: room.await,
    write: (connection: number) => ({ _tag, ...event }: Event): void =>
      add({ _tag, at: clock.currentTimeMillisUnsafe() - start, connection, ...event })
  }
})

const codeOf = ({ reason }: TransportError): string =>
  "code" in reason && reason.code !== undefined ? reason.code : reason._tag

/**
 * Records every connection of the transport below into a file, which is made anew.
 *
 * **Details**
 *
 * The lines are on the disk when the layer's scope has closed. A file that cannot be written to is a defect there, or when
 * the layer is built a `PlatformError`; the connections do not suffer. What is said under TLS is recorded in clear text.
 * What cannot be read as messages of the protocol is passed on, and left out of the file.
 *
 * **Gotchas**
 *
 * The text of statements is recorded as it is. A program that writes secrets into it must not be recorded.
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
      const tape = yield* openTape(file, content)
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
                listen({ ...line, pull: Effect.andThen(tape.room, line.pull) }, {
                  write,
                  show: content === "full" ? withoutProof : (_, message) => redact(message)
                })
              )
            )
          })
      })
    })
  )

/**
 * A replay's own account of how it goes.
 *
 * @category services
 * @since 0.1.0
 */
export class Replay extends Context.Service<Replay, {
  /**
   * Succeeds when the client has sent what was recorded, all of it and nothing else.
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
 * As {@link replay}.
 *
 * @category layers
 * @since 0.1.0
 */
export const replayText = (text: string): Layer.Layer<Transport | Replay, RecordingError> =>
  Layer.effectContext(Effect.gen(function*() {
    const player = new Player(yield* readRecording(text))
    let reported: string | undefined
    const verify = Effect.suspend(() => {
      const problem = player.problem()
      return problem === undefined ? Effect.void : Effect.fail(problem)
    })
    yield* Effect.addFinalizer(() =>
      Effect.catch(verify, (error) => (error.report === reported ? Effect.void : Effect.die(error)))
    )
    return Context.make(Transport, Transport.of({ connect: player.connect })).pipe(
      Context.add(
        Replay,
        Replay.of({
          verify: Effect.tapError(verify, ({ report }) =>
            Effect.sync(() => {
              reported = report
            }))
        })
      )
    )
  }))

/**
 * Plays the server's side of a recording, from a file that was recorded with the content `"full"`.
 *
 * **Details**
 *
 * A client that does not send what was recorded has its connections fail, with an error whose cause is the difference.
 * The difference cannot get lost: `verify` of {@link Replay} fails with it, and when nobody has asked for it by then, the end
 * of the layer dies with it. So does a recording that the client has not come to the end of.
 *
 * A TLS handshake is not played: it succeeds where it had succeeded, without a certificate.
 *
 * **Gotchas**
 *
 * A client whose policy wants a password to be asked for refuses to be let in without one.
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
  Layer.unwrap(Effect.map(
    Effect.flatMap(FileSystem.FileSystem, (fs) => fs.readFileString(file)),
    replayText
  ))
