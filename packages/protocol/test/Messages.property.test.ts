import { assert, describe, it } from "@effect/vitest"
import { Backend, ByteWriter, Frame, Frontend, Wire } from "@hyperfect/protocol"
import { Effect, Equal, Schema } from "effect"
import { kinds } from "./messageKinds.ts"
import { outcome } from "./outcome.ts"

const codegens = ["generated", "interpreted"] as const
const runs = { arbitrary: { seed: "hyperfect" } }

const frameOf = (message: Wire.AnyMessage, value: unknown, codegen: Wire.Codegen): Uint8Array => {
  const out = ByteWriter.make(64)
  Wire.writerUnsafe(message, codegen)(out, value)
  return out.take().slice()
}

describe("Messages with random values", () => {
  for (const { arbitrary, message, name, read } of kinds) {
    const { limit } = message.definition
    const generated = read("generated")
    const closures = read("interpreted")

    it.prop(
      `${name} decodes to the encoded value, identically in both back ends`,
      { value: arbitrary },
      ({ value }) => {
        const bytes = frameOf(message, value, "generated")
        assert.deepStrictEqual(frameOf(message, value, "interpreted"), bytes)
        assert.isAtMost(bytes.length - 1, limit)
        for (const codegen of codegens) {
          const again = read(codegen)(bytes, 0, bytes.length)
          assert.isTrue(Equal.equals(again, value))
          // Also in the middle of other bytes, as in a chunk.
          const padded = new Uint8Array(bytes.length + 7).fill(0xaa)
          padded.set(bytes, 3)
          assert.isTrue(Equal.equals(read(codegen)(padded, 3, 3 + bytes.length), value))
        }
      },
      runs
    )

    it.prop(
      `${name} decodes to a value or fails with a reason when truncated at any byte`,
      { value: arbitrary },
      ({ value }) => {
        const bytes = frameOf(message, value, "generated")
        for (let end = 0; end < bytes.length; end++) {
          const cut = bytes.slice(0, end)
          const a = outcome(() => generated(cut, 0, end))
          const b = outcome(() => closures(cut, 0, end))
          assert.deepStrictEqual(a, b)
          // Only messages that end in free bytes can be truncated and still be complete.
          if ("value" in a) assert.isTrue(message.definition.layout.fields.at(-1)?.layout._tag === "Rest")
        }
      },
      // Each value is cut at all of its bytes.
      { arbitrary: { ...runs.arbitrary, runs: 50 } }
    )

    it.prop(
      `${name} decodes to a value or fails with a reason when any byte is changed`,
      { value: arbitrary, at: Schema.Natural, by: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 255 })) },
      ({ at, by, value }) => {
        const bytes = frameOf(message, value, "generated")
        const start = Math.min(5, bytes.length - 1)
        const index = start + at % (bytes.length - start)
        bytes[index] = (bytes[index]! + by) & 0xff
        const a = outcome(() => generated(bytes, 0, bytes.length))
        assert.deepStrictEqual(outcome(() => closures(bytes, 0, bytes.length)), a)
      },
      runs
    )
  }
})

describe("Streams of random messages", () => {
  const backend = Schema.Array(Backend.Message).check(Schema.isMinLength(1), Schema.isMaxLength(8))
  const cuts = Schema.Array(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 40 }))).check(
    Schema.isMinLength(1),
    Schema.isMaxLength(6)
  )

  it.prop("decode to the same messages for any chunking", { messages: backend, cuts }, ({ cuts, messages }) => {
    const out = ByteWriter.make()
    const write = Backend.writerUnsafe()
    for (const message of messages) write(out, message)
    const bytes = out.take()
    const parsed = (chunks: Iterable<Uint8Array>): ReadonlyArray<Backend.Message> => {
      const read = Backend.readerUnsafe()
      const got: Array<Backend.Message> = []
      const parser = Frame.makeParser(Backend.limits(), (frame, start, end) => got.push(read(frame, start, end)))
      for (const chunk of chunks) parser.push(chunk)
      assert.strictEqual(parser.pending(), 0)
      return got
    }
    const single = Array.from(bytes, (byte) => Uint8Array.of(byte))
    const random: Array<Uint8Array> = []
    for (let at = 0, i = 0; at < bytes.length; i++) {
      const size = cuts[i % cuts.length]!
      random.push(bytes.subarray(at, at + size))
      at += size
    }
    for (const chunks of [[bytes], single, random]) assert.isTrue(Equal.equals(parsed(chunks), messages))
  }, runs)

  it.effect.prop(
    "round-trip through the Schema codecs of both unions",
    { backend: Backend.Message, frontend: Frontend.Message },
    ({ backend, frontend }) =>
      Effect.gen(function*() {
        const bytes = yield* Schema.encodeEffect(Backend.codec)(backend)
        assert.isTrue(Equal.equals(yield* Schema.decodeEffect(Backend.codec)(bytes), backend))
        const sent = yield* Schema.encodeEffect(Frontend.codec)(frontend)
        assert.deepStrictEqual(sent, Frontend.encodeUnsafe(frontend))
      }),
    runs
  )
})
