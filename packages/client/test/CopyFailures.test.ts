import { assert, layer } from "@effect/vitest"
import { Client } from "@hyperfect/client/Client"
import * as Copy from "@hyperfect/client/Copy"
import { sql } from "@hyperfect/client/Statement"
import type * as Backend from "@hyperfect/protocol/Backend"
import * as ByteWriter from "@hyperfect/protocol/ByteWriter"
import * as BuiltIn from "@hyperfect/values/BuiltIn"
import * as CopyFormat from "@hyperfect/values/CopyFormat"
import { Effect, Fiber, Stream } from "effect"
import { complete, copyIn, error, meet, puppet, ready } from "./puppet.ts"

const columns = [{ name: "id", type: BuiltIn.int4 }, { name: "s", type: BuiltIn.text }]

/** The data of these rows, and where each of its parts ends. */
const data = (rows: ReadonlyArray<CopyFormat.Shapes["object"]>): Uint8Array => {
  const out = ByteWriter.make()
  const writer = CopyFormat.binary.writer("object", columns)
  writer.begin(out)
  for (const [i, row] of rows.entries()) writer.row(out, row, i)
  writer.end(out)
  return out.take()
}

const rows = [{ id: 1, s: "a" }, { id: 2, s: null }]
const whole = data(rows)

const begin: Backend.Message = { _tag: "CopyOutResponse", format: 1, columnFormats: [1, 1] }
const piece = (bytes: Uint8Array): Backend.Message => ({ _tag: "CopyData", data: bytes })
const end: ReadonlyArray<Backend.Message> = [{ _tag: "CopyDone" }, complete("COPY 2"), ready()]

const query = sql`select id, s from t`

layer(puppet(), { excludeTestServices: true, timeout: "20 seconds" })("a COPY whose other end", (it) => {
  const answers: ReadonlyArray<readonly [name: string, pieces: ReadonlyArray<Uint8Array>, tag: string | undefined]> = [
    ["cuts the data into single bytes is read", Array.from(whole, (byte) => Uint8Array.of(byte)), undefined],
    ["sends nothing is truncated", [], "RowTruncated"],
    ["sends text instead is malformed", [new TextEncoder().encode("1\ta\n2\tb\n".repeat(5))], "Malformed"],
    ["leaves the end out is truncated", [whole.subarray(0, -2)], "RowTruncated"],
    ["ends in a row is truncated", [whole.subarray(0, -5)], "RowTruncated"],
    ["goes on behind the end is malformed", [whole, Uint8Array.of(0)], "Malformed"],
    ["begins again behind the end is malformed", [whole, whole], "Malformed"]
  ]
  for (const [name, pieces, tag] of answers) {
    it.effect(name, () =>
      Effect.gen(function*() {
        const { server, session } = yield* meet
        const stream = Copy.fromQuery(query, { columns, format: CopyFormat.binary })
        const reading = yield* Effect.forkChild(
          Effect.result(Effect.provideService(Stream.runCollect(stream), Client, session))
        )
        yield* server.hear("Query")
        yield* server.say(begin, ...pieces.map(piece), ...end)
        const result = yield* Fiber.join(reading)
        if (tag === undefined) assert.deepStrictEqual(result._tag === "Success" && result.success, rows)
        else {
          assert.isTrue(result._tag === "Failure" && result.failure._tag === "ValueError")
          if (result._tag === "Failure" && result.failure._tag === "ValueError") {
            assert.strictEqual(result.failure.reason._tag, tag)
          }
        }
        // Whatever it was, it was of that copy only.
        const asking = yield* Effect.forkChild(session.simple("select 1"))
        yield* server.hear("Query")
        yield* server.say(complete("SELECT 1"), ready())
        assert.lengthOf(yield* Fiber.join(asking), 1)
      }))
  }

  it.effect("hangs up, or fails, in the midst gives what came and then the error", () =>
    Effect.gen(function*() {
      for (const hangsUp of [true, false]) {
        const { server, session } = yield* meet
        const found: Array<unknown> = []
        const stream = Copy.fromQuery(query, { columns, format: CopyFormat.binary })
        const reading = yield* Effect.forkChild(Effect.flip(Effect.provideService(
          Stream.runForEach(stream, (row) => Effect.sync(() => void found.push(row))),
          Client,
          session
        )))
        yield* server.hear("Query")
        yield* server.say(begin, piece(whole.subarray(0, -4)))
        yield* hangsUp ? server.hangUp : server.say(error("22012"), ready())
        const failure = yield* Fiber.join(reading)
        assert.strictEqual(failure._tag, hangsUp ? "TransportError" : "ServerError")
        assert.deepStrictEqual(found, [rows[0]])
      }
    }))

  it.effect("is told why no more data comes, and nothing of the data", () =>
    Effect.gen(function*() {
      class Secret {
        readonly _tag = "SourceBroke"
        readonly password = "hush"
      }
      const sources: ReadonlyArray<readonly [Stream.Stream<CopyFormat.Shapes["object"], Secret>, tag: string]> = [
        [Stream.fail(new Secret()), "SourceBroke"],
        [Stream.fromIterable([{ id: 1, s: "hush" }, { id: "hush", s: "hush" }]), "ValueError"]
      ]
      for (const [source, tag] of sources) {
        const { server, session } = yield* meet
        const copying = yield* Effect.forkChild(
          Effect.flip(Effect.provideService(Copy.into("t", source, { columns }), Client, session))
        )
        yield* server.hear("Query")
        yield* server.say(copyIn)
        const heard = yield* server.hear("CopyFail")
        yield* server.say(error("57014"), ready())
        assert.isTrue(heard._tag === "CopyFail" && heard.message.includes(tag) && !heard.message.includes("hush"))
        const failure = yield* Fiber.join(copying)
        assert.strictEqual(failure._tag, tag)
        if (failure._tag === "ValueError") {
          assert.deepInclude(failure.reason, { row: 1, name: "id" })
          assert.notInclude(failure.message, "hush")
        }
      }
    }))
})
