import { assert, layer } from "@effect/vitest"
import { Client } from "@hyperfect/client/Client"
import * as Copy from "@hyperfect/client/Copy"
import { sql } from "@hyperfect/client/Statement"
import type * as Backend from "@hyperfect/protocol/Backend"
import * as ByteWriter from "@hyperfect/protocol/ByteWriter"
import * as BuiltIn from "@hyperfect/values/BuiltIn"
import * as CopyFormat from "@hyperfect/values/CopyFormat"
import { Effect, Fiber, Stream } from "effect"
import { complete, connect, copyIn, error, manualServer, ready } from "./manualServer.ts"

const columns = [{ name: "id", type: BuiltIn.int4 }, { name: "s", type: BuiltIn.text }]

/** Encodes rows as COPY data. */
const encodeRows = (rows: ReadonlyArray<CopyFormat.RowShapes["object"]>): Uint8Array => {
  const out = ByteWriter.make()
  const writer = CopyFormat.binary.writer("object", columns)
  writer.begin(out)
  for (const [i, row] of rows.entries()) writer.row(out, row, i)
  writer.end(out)
  return out.take()
}

const rows = [{ id: 1, s: "a" }, { id: 2, s: null }]
const encodedRows = encodeRows(rows)

const copyOutResponse: Backend.Message = { _tag: "CopyOutResponse", format: 1, columnFormats: [1, 1] }
const copyData = (bytes: Uint8Array): Backend.Message => ({ _tag: "CopyData", data: bytes })
const copyOutEnd: ReadonlyArray<Backend.Message> = [{ _tag: "CopyDone" }, complete("COPY 2"), ready()]

const query = sql`select id, s from t`

layer(manualServer(), { excludeTestServices: true, timeout: "20 seconds" })("COPY failures", (it) => {
  const answers: ReadonlyArray<readonly [name: string, pieces: ReadonlyArray<Uint8Array>, tag: string | undefined]> = [
    ["data split into single bytes is read", Array.from(encodedRows, (byte) => Uint8Array.of(byte)), undefined],
    ["no data is truncated", [], "RowTruncated"],
    ["text instead of binary data is malformed", [new TextEncoder().encode("1\ta\n2\tb\n".repeat(5))], "Malformed"],
    ["data without its trailer is truncated", [encodedRows.subarray(0, -2)], "RowTruncated"],
    ["data that ends within a row is truncated", [encodedRows.subarray(0, -5)], "RowTruncated"],
    ["data after the trailer is malformed", [encodedRows, Uint8Array.of(0)], "Malformed"],
    ["a second header after the trailer is malformed", [encodedRows, encodedRows], "Malformed"]
  ]
  for (const [name, pieces, tag] of answers) {
    it.effect(name, () =>
      Effect.gen(function*() {
        const { server, session } = yield* connect
        const stream = Copy.fromQuery(query, { columns, format: CopyFormat.binary })
        const reading = yield* Effect.forkChild(
          Effect.result(Effect.provideService(Stream.runCollect(stream), Client, session))
        )
        yield* server.expect("Query")
        yield* server.send(copyOutResponse, ...pieces.map(copyData), ...copyOutEnd)
        const result = yield* Fiber.join(reading)
        if (tag === undefined) assert.deepStrictEqual(result._tag === "Success" && result.success, rows)
        else {
          assert.isTrue(result._tag === "Failure" && result.failure._tag === "ValueError")
          if (result._tag === "Failure" && result.failure._tag === "ValueError") {
            assert.strictEqual(result.failure.reason._tag, tag)
          }
        }
        // The failure affects only that copy.
        const asking = yield* Effect.forkChild(session.simple("select 1"))
        yield* server.expect("Query")
        yield* server.send(complete("SELECT 1"), ready())
        assert.lengthOf(yield* Fiber.join(asking), 1)
      }))
  }

  it.effect("rows that arrived before the server disconnects or fails are emitted before the error", () =>
    Effect.gen(function*() {
      for (const hangsUp of [true, false]) {
        const { server, session } = yield* connect
        const found: Array<unknown> = []
        const stream = Copy.fromQuery(query, { columns, format: CopyFormat.binary })
        const reading = yield* Effect.forkChild(Effect.flip(Effect.provideService(
          Stream.runForEach(stream, (row) => Effect.sync(() => void found.push(row))),
          Client,
          session
        )))
        yield* server.expect("Query")
        yield* server.send(copyOutResponse, copyData(encodedRows.subarray(0, -4)))
        yield* hangsUp ? server.disconnect : server.send(error("22012"), ready())
        const failure = yield* Fiber.join(reading)
        assert.strictEqual(failure._tag, hangsUp ? "TransportError" : "ServerError")
        assert.deepStrictEqual(found, [rows[0]])
      }
    }))

  it.effect("CopyFail tells the server the cause of a failure, and none of the data", () =>
    Effect.gen(function*() {
      class Secret {
        readonly _tag = "SourceBroke"
        readonly password = "hush"
      }
      const sources: ReadonlyArray<readonly [Stream.Stream<CopyFormat.RowShapes["object"], Secret>, tag: string]> = [
        [Stream.fail(new Secret()), "SourceBroke"],
        [Stream.fromIterable([{ id: 1, s: "hush" }, { id: "hush", s: "hush" }]), "ValueError"]
      ]
      for (const [source, tag] of sources) {
        const { server, session } = yield* connect
        const copying = yield* Effect.forkChild(
          Effect.flip(Effect.provideService(Copy.into(source, "t", { columns }), Client, session))
        )
        yield* server.expect("Query")
        yield* server.send(copyIn)
        const heard = yield* server.expect("CopyFail")
        yield* server.send(error("57014"), ready())
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
