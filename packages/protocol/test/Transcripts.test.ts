import { assert, describe, it } from "@effect/vitest"
import { Backend, Frame, Frontend, Header, ProtocolError } from "@hyperfect/protocol"
import { Schema } from "effect"
import { all, type Recorded, type Transcript } from "./transcripts.ts"

/** Not conversations of messages: the callback's own hello, and frames that are wrong on purpose. */
const excluded = ["callback-hello: ", "error-malformed-frame: "]
const transcripts = all.filter(({ name }) => !excluded.some((prefix) => name.startsWith(prefix)))

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex")

const thrownBy = (run: () => unknown): unknown => {
  try {
    run()
  } catch (thrown) {
    return thrown
  }
  return undefined
}

/** The single bytes that answer SSLRequest and GSSENCRequest are no messages. */
const isNegotiationAnswer = ({ bytes, from }: Recorded) => from === "server" && bytes.length === 1

/** The phase of each client entry, from what was said before. */
const phaseOf = (transcript: Transcript, index: number): Frontend.Phase => {
  if (transcript.messages[index]!.bytes[0] === 0) return "startup"
  const asked = transcript.messages.slice(0, index).findLast(({ bytes, from }) =>
    from === "server" && bytes[0] === 0x52
  )
  const code = asked === undefined ? undefined : new DataView(asked.bytes.buffer).getInt32(5)
  return code === 10 ? "sasl-initial" : code === 11 ? "sasl" : "password"
}

const frames = (bytes: Uint8Array, tagged: boolean): ReadonlyArray<Uint8Array> => {
  const out: Array<Uint8Array> = []
  const limits = tagged
    ? Backend.limits().map((limit, tag) => Math.max(limit, Frontend.limits()[tag]!))
    : Frontend.limits()
  const parser = Frame.makeParser(limits, (chunk, start, end) => out.push(chunk.slice(start, end)))
  parser.tagged = tagged
  parser.push(bytes)
  assert.strictEqual(parser.pending(), 0)
  return out
}

describe("transcripts of a Hyper server", () => {
  it("are all there", () => {
    assert.strictEqual(transcripts.length, 72)
  })

  for (const backEnd of ["generated", "closures"] as const) {
    for (const transcript of transcripts) {
      it(`${transcript.name} decodes and encodes to the same bytes (${backEnd})`, () => {
        const readBackend = Backend.readerUnsafe({ backEnd })
        transcript.messages.forEach((entry, index) => {
          if (isNegotiationAnswer(entry) || entry.bytes.length === 0) return
          const phase = entry.from === "client" ? phaseOf(transcript, index) : undefined
          const read = phase === undefined ? readBackend : Frontend.readerUnsafe(phase, { backEnd })
          for (const frame of frames(entry.bytes, phase !== "startup")) {
            const message = read(frame, 0, frame.length)
            const again = phase === undefined
              ? Backend.encodeUnsafe(message as Backend.Message)
              : Frontend.encodeUnsafe(message as Frontend.Message)
            assert.strictEqual(hex(again), hex(frame))
          }
        })
      })
    }
  }

  it("decode through the Schema codecs to what the plain readers give", () => {
    const read = Backend.readerUnsafe()
    for (const { messages } of transcripts) {
      for (const entry of messages) {
        if (entry.from === "client" || isNegotiationAnswer(entry) || entry.bytes.length === 0) continue
        for (const frame of frames(entry.bytes, true)) {
          const message = Schema.decodeSync(Backend.codec)(frame)
          assert.deepStrictEqual(message, read(frame, 0, frame.length))
          assert.strictEqual(hex(Schema.encodeSync(Backend.codec)(message)), hex(frame))
          assert.strictEqual(Header.parse(frame)?.length, frame.length - 1)
        }
      }
    }
  })

  it("hold an error whose fields are found by name", () => {
    const transcript = transcripts.find(({ name }) => name.startsWith("error-syntax"))!
    const frame = transcript.messages.find(({ bytes }) => bytes[0] === 0x45)!.bytes
    const message = Backend.readerUnsafe()(frame, 0, frame.length)
    assert.strictEqual(message._tag, "ErrorResponse")
    if (message._tag !== "ErrorResponse") return
    assert.deepStrictEqual(message.fields.map(({ code }) => code).join(""), "SCMDPB")
    assert.deepStrictEqual(message.fields.find(({ code }) => code === "B"), { code: "B", value: "User" })
  })

  it("a frame cut short by its last byte is refused by every reader", () => {
    const read = Backend.readerUnsafe()
    let refused = 0
    for (const { messages } of transcripts) {
      for (const entry of messages) {
        if (entry.from === "client" || isNegotiationAnswer(entry) || entry.bytes.length === 0) continue
        for (const frame of frames(entry.bytes, true)) {
          // Messages that end in free bytes have nothing that the last byte would complete.
          if (
            ["CopyData", "AuthenticationSASLContinue", "AuthenticationSASLFinal"].includes(
              read(frame, 0, frame.length)._tag
            )
          ) continue
          assert.isTrue(ProtocolError.isReason(thrownBy(() => read(frame, 0, frame.length - 1))))
          refused++
        }
      }
    }
    assert.isAbove(refused, 400)
  })
})
