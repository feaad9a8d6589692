import { assert, describe, it } from "@effect/vitest"
import { Backend, Frame, Frontend, Header, ProtocolError, Replication, type Wire } from "@hyperfect/protocol"
import { Schema } from "effect"
import { allTranscripts, type RecordedMessage, type Transcript } from "./transcripts.ts"

/** Excluded entries: the callback's own greeting, and deliberately invalid frames. */
const excluded = ["callback-hello: ", "error-malformed-frame: "]
const transcripts = allTranscripts.filter(({ name }) => !excluded.some((prefix) => name.startsWith(prefix)))

const definitions = new Map<string, Wire.Definition>(
  Backend.messages.map(({ definition }) => [definition.name, definition])
)

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex")

const thrownBy = (run: () => unknown): unknown => {
  try {
    run()
  } catch (thrown) {
    return thrown
  }
  return undefined
}

/** True for the single bytes that answer SSLRequest and GSSENCRequest, which are not messages. */
const isNegotiationAnswer = ({ bytes, from }: RecordedMessage) => from === "server" && bytes.length === 1

/** Returns the phase of a client entry, from the entries before it. */
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

describe("Transcripts of real servers", () => {
  it("are complete", () => {
    const count = (server: string) => transcripts.filter((transcript) => transcript.server === server).length
    assert.strictEqual(count("hyper"), 75)
    assert.strictEqual(count("postgres"), 25)
  })

  for (const codegen of ["generated", "interpreted"] as const) {
    for (const transcript of transcripts) {
      it(`${transcript.server}, ${transcript.name} decodes and encodes to the same bytes (${codegen})`, () => {
        const readBackend = Backend.readerUnsafe({ codegen: codegen })
        transcript.messages.forEach((entry, index) => {
          if (isNegotiationAnswer(entry) || entry.bytes.length === 0) return
          const phase = entry.from === "client" ? phaseOf(transcript, index) : undefined
          const read = phase === undefined ? readBackend : Frontend.readerUnsafe(phase, { codegen: codegen })
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

  it("contain every backend message except Kerberos, GSSAPI and SSPI", () => {
    const read = Backend.readerUnsafe()
    const sent = (server: string) => {
      const names = new Set<string>()
      for (const { messages, server: by } of transcripts) {
        if (by !== server) continue
        for (const entry of messages) {
          if (entry.from === "client" || isNegotiationAnswer(entry) || entry.bytes.length === 0) continue
          for (const frame of frames(entry.bytes, true)) names.add(read(frame, 0, frame.length)._tag)
        }
      }
      return names
    }
    const names = Backend.messages.map(({ definition }) => definition.name)
    const never = (server: string) => {
      const seen = sent(server)
      return names.filter((name) => !seen.has(name)).toSorted()
    }
    const single = [
      "AuthenticationGSS",
      "AuthenticationGSSContinue",
      "AuthenticationKerberosV5",
      "AuthenticationSSPI"
    ]
    assert.deepStrictEqual(never("postgres"), single)
    assert.deepStrictEqual(
      never("hyper"),
      [
        ...single,
        // Hyper requests SCRAM or nothing, has no LISTEN, function calls or replication, and supports 3.0 only.
        "AuthenticationCleartextPassword",
        "AuthenticationMD5Password",
        "CopyBothResponse",
        "FunctionCallResponse",
        "NegotiateProtocolVersion",
        "NotificationResponse"
      ].toSorted()
    )
  })

  it("contain keys of 3.2, a negotiation, and messages of replication in both directions", () => {
    const of = (name: string, from: RecordedMessage["from"]) =>
      transcripts.filter((transcript) => transcript.name === `recorded: ${name}`)
        .flatMap(({ messages }) => messages.slice(1).filter((entry) => entry.from === from))
        .flatMap((entry) => frames(entry.bytes, true))
    const read = Backend.readerUnsafe()
    const messages = (name: string) => of(name, "server").map((frame) => read(frame, 0, frame.length))
    const key = messages("protocol 3.2").find((message) => message._tag === "BackendKeyData")
    assert.strictEqual(key?.secretKey.length, 32)
    assert.deepStrictEqual(
      messages("a version and an option that nobody knows").find(({ _tag }) => _tag === "NegotiateProtocolVersion"),
      { _tag: "NegotiateProtocolVersion", newestVersion: 196_610, unrecognizedOptions: ["_pq_.unheard_of"] }
    )
    const carried = (["server", "client"] as const).flatMap((from) => of("replication", from))
      .filter((frame) => frame[0] === 0x64)
      .map((frame) => frame.slice(5))
    const names = carried.map((data) => {
      const message = Schema.decodeSync(Replication.codec)(data)
      assert.strictEqual(hex(Schema.encodeSync(Replication.codec)(message)), hex(data))
      return message._tag
    })
    assert.sameMembers([...new Set(names)], ["PrimaryKeepalive", "StandbyStatusUpdate", "XLogData"])
  })

  it("decode identically through the Schema codecs and the plain readers", () => {
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

  it("contain an error whose fields are found by name", () => {
    const transcript = transcripts.find(({ name }) => name.startsWith("error-syntax: "))!
    const frame = transcript.messages.find(({ bytes }) => bytes[0] === 0x45)!.bytes
    const message = Backend.readerUnsafe()(frame, 0, frame.length)
    assert.strictEqual(message._tag, "ErrorResponse")
    if (message._tag !== "ErrorResponse") return
    assert.deepStrictEqual(message.fields.map(({ code }) => code).join(""), "SCMDPB")
    assert.deepStrictEqual(message.fields.find(({ code }) => code === "B"), { code: "B", value: "User" })
  })

  it("every reader rejects a frame without its last byte", () => {
    const read = Backend.readerUnsafe()
    let refused = 0
    for (const { messages } of transcripts) {
      for (const entry of messages) {
        if (entry.from === "client" || isNegotiationAnswer(entry) || entry.bytes.length === 0) continue
        for (const frame of frames(entry.bytes, true)) {
          // Messages that end in free bytes, above their minimum, are still valid without the last byte.
          const { layout } = definitions.get(read(frame, 0, frame.length)._tag)!
          const last = layout.fields.at(-1)?.layout
          if (last?._tag === "Rest" && (last.minimum === 0 || frame.length > 9 + last.minimum)) continue
          assert.isTrue(ProtocolError.isReason(thrownBy(() => read(frame, 0, frame.length - 1))))
          refused++
        }
      }
    }
    assert.isAbove(refused, 400)
  })
})
