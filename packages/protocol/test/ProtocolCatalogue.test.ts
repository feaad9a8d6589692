import { assert, describe, it } from "@effect/vitest"
import { Backend, type ByteWriter, Frontend, Json, Replication, Trace, type Wire } from "@hyperfect/protocol"
import { newestVersion } from "@hyperfect/protocol/backend/NegotiateProtocolVersion"
import {
  protocolOptionPrefix,
  protocolVersion30,
  protocolVersion32,
  protocolVersion39999
} from "@hyperfect/protocol/frontend/StartupMessage"
import { Schema } from "effect"
import { type Example, examples } from "./examples.ts"
import { kinds, phaseOf } from "./messageKinds.ts"

/** Every message of the section "Message Formats" of PostgreSQL 18, in its order, and its sender. */
const messageFormats: ReadonlyArray<readonly [name: string, by: "F" | "B" | "F & B"]> = [
  ["AuthenticationOk", "B"],
  ["AuthenticationKerberosV5", "B"],
  ["AuthenticationCleartextPassword", "B"],
  ["AuthenticationMD5Password", "B"],
  ["AuthenticationGSS", "B"],
  ["AuthenticationGSSContinue", "B"],
  ["AuthenticationSSPI", "B"],
  ["AuthenticationSASL", "B"],
  ["AuthenticationSASLContinue", "B"],
  ["AuthenticationSASLFinal", "B"],
  ["BackendKeyData", "B"],
  ["Bind", "F"],
  ["BindComplete", "B"],
  ["CancelRequest", "F"],
  ["Close", "F"],
  ["CloseComplete", "B"],
  ["CommandComplete", "B"],
  ["CopyData", "F & B"],
  ["CopyDone", "F & B"],
  ["CopyFail", "F"],
  ["CopyInResponse", "B"],
  ["CopyOutResponse", "B"],
  ["CopyBothResponse", "B"],
  ["DataRow", "B"],
  ["Describe", "F"],
  ["EmptyQueryResponse", "B"],
  ["ErrorResponse", "B"],
  ["Execute", "F"],
  ["Flush", "F"],
  ["FunctionCall", "F"],
  ["FunctionCallResponse", "B"],
  ["GSSENCRequest", "F"],
  ["GSSResponse", "F"],
  ["NegotiateProtocolVersion", "B"],
  ["NoData", "B"],
  ["NoticeResponse", "B"],
  ["NotificationResponse", "B"],
  ["ParameterDescription", "B"],
  ["ParameterStatus", "B"],
  ["Parse", "F"],
  ["ParseComplete", "B"],
  ["PasswordMessage", "F"],
  ["PortalSuspended", "B"],
  ["Query", "F"],
  ["ReadyForQuery", "B"],
  ["RowDescription", "B"],
  ["SASLInitialResponse", "F"],
  ["SASLResponse", "F"],
  ["SSLRequest", "F"],
  ["StartupMessage", "F"],
  ["Sync", "F"],
  ["Terminate", "F"]
]

/**
 * The messages of the section "Streaming Replication Protocol", which CopyData carries while a server streams its log.
 */
const replicationMessages: ReadonlyArray<readonly [name: string, by: "F" | "B"]> = [
  ["XLogData", "B"],
  ["PrimaryKeepalive", "B"],
  ["StandbyStatusUpdate", "F"],
  ["HotStandbyFeedback", "F"]
]

const isCarried = ({ message }: Example) => replicationMessages.some(([name]) => name === message._tag)
const exampleOf = (name: string, from: Trace.Direction) =>
  examples.find((it) => it.message._tag === name && it.from === from)

const bytesOf = ({ hex }: Example) => Uint8Array.from(Buffer.from(hex, "hex"))

const read = (example: Example, codegen: Wire.Codegen): Wire.ReadFrame<Trace.Message> =>
  isCarried(example)
    ? Replication.readerUnsafe(codegen)
    : example.from === "backend"
    ? Backend.readerUnsafe({ codegen: codegen })
    : Frontend.readerUnsafe(phaseOf(example.message._tag), { codegen: codegen })

const encode = (example: Example): Uint8Array =>
  isCarried(example)
    ? Replication.encodeUnsafe(example.message as Replication.Message)
    : example.from === "backend"
    ? Backend.encodeUnsafe(example.message as Backend.Message)
    : Frontend.encodeUnsafe(example.message as Frontend.Message)

const json = (example: Example): Schema.Codec<Trace.Message, Schema.Json> =>
  (isCarried(example) ? Json.Replication : example.from === "backend" ? Json.Backend : Json.Frontend) as never

describe("Message catalogue", () => {
  for (const [name, by] of [...messageFormats, ...replicationMessages]) {
    const directions = ([["B", "backend"], ["F", "frontend"]] as const).flatMap(([letter, from]) =>
      by.includes(letter) ? [from] : []
    )
    for (const from of directions) {
      it(`${name} of the ${from} is read, written, traced and converted to JSON`, () => {
        const example = exampleOf(name, from)
        assert.isDefined(example)
        const bytes = bytesOf(example)
        for (const codegen of ["generated", "interpreted"] as const) {
          assert.deepStrictEqual(read(example, codegen)(bytes, 0, bytes.length), example.message)
        }
        assert.strictEqual(Buffer.from(encode(example)).toString("hex"), example.hex)

        const tagged = example.message._tag === "StartupMessage" || bytes[0] === 0 ? 0 : 1
        const begin = `${from === "backend" ? "B" : "F"}\t${bytes.length - tagged}\t`
        assert.strictEqual(Trace.formatLine(from, example.message, { redact: false }), begin + example.shown)
        assert.strictEqual(Trace.formatLine(from, example.message), begin + (example.redacted ?? example.shown))

        const text = JSON.stringify(Schema.encodeSync(json(example))(example.message))
        assert.deepStrictEqual(Schema.decodeUnknownSync(json(example))(JSON.parse(text)), example.message)
      })
    }
  }

  it("lists every declared message, with one example each", () => {
    const names = (by: string) => messageFormats.filter(([, who]) => who.includes(by)).map(([name]) => name).toSorted()
    assert.deepStrictEqual(Backend.messages.map(({ definition }) => definition.name).toSorted(), names("B"))
    assert.deepStrictEqual(Frontend.messages.map(({ definition }) => definition.name).toSorted(), names("F"))
    assert.deepStrictEqual(
      Replication.messages.map(({ definition }) => definition.name).toSorted(),
      replicationMessages.map(([name]) => name).toSorted()
    )
    assert.strictEqual(examples.length, names("B").length + names("F").length + replicationMessages.length)
  })

  it("has the sender of each message", () => {
    const by = { backend: "B", frontend: "F", both: "F & B" } as const
    for (const { definition } of [...Backend.messages, ...Frontend.messages, ...Replication.messages]) {
      const [, who] = [...messageFormats, ...replicationMessages].find(([name]) => name === definition.name)!
      assert.strictEqual(by[definition.from], who, definition.name)
    }
  })
})

describe("Trace > redaction", () => {
  it("hides all free bytes of a message, whatever their content", () => {
    const secret = new TextEncoder().encode("hunter2")
    const messages: ReadonlyArray<readonly [Trace.Direction, Trace.Message]> = [
      ["frontend", { _tag: "PasswordMessage", password: "hunter2" }],
      ["frontend", { _tag: "SASLInitialResponse", mechanism: "X", data: secret }],
      ["frontend", { _tag: "SASLResponse", data: secret }],
      ["frontend", { _tag: "GSSResponse", data: secret }],
      ["frontend", { _tag: "CopyData", data: secret }],
      ["frontend", {
        _tag: "Bind",
        portal: "",
        statement: "",
        parameterFormats: [],
        parameters: [secret],
        resultFormats: []
      }],
      ["backend", { _tag: "DataRow", columns: [secret] }],
      ["backend", { _tag: "BackendKeyData", processId: 1, secretKey: secret }],
      ...["D", "W", "q"].map((code) =>
        ["backend", { _tag: "ErrorResponse", fields: [{ code, value: "hunter2" }] }] as const
      )
    ]
    for (const [from, message] of messages) {
      assert.notInclude(Trace.formatLine(from, message), "hunter2")
      assert.include(Trace.formatLine(from, message, { redact: false }), "hunter2")
    }
  })

  it("hides the text of errors that quote values, and of no others", () => {
    const line = (sqlState: string, message: string) =>
      Trace.formatLine("backend", {
        _tag: "ErrorResponse",
        fields: [{ code: "C", value: sqlState }, { code: "M", value: message }]
      })
    assert.strictEqual(
      line("22P02", "invalid: \"hunter2\""),
      `B\t32\tErrorResponse\t C "22P02" M "${"*".repeat(18)}" \\x00`
    )
    assert.include(line("42P01", "relation \"t\" does not exist"), "relation \"t\" does not exist")
  })

  it("hides a parameter that writes its own bytes, and prints the correct length", () => {
    const parameters = [
      { writeTo: (out: { utf8: (text: string) => void }) => out.utf8("hunter2") } as never as Uint8Array
    ]
    const bind = {
      _tag: "Bind",
      portal: "",
      statement: "",
      parameterFormats: [],
      parameters,
      resultFormats: []
    } as const
    assert.strictEqual(Trace.formatLine("frontend", bind), "F\t23\tBind\t \"\" \"\" 0 1 7 0")
    assert.strictEqual(Frontend.encodeUnsafe(bind).length, 24)
    const all = {
      ...bind,
      parameters: {
        writeTo: (out: ByteWriter.ByteWriter) => {
          out.int16(1)
          out.int32(7)
          out.utf8("hunter2")
        }
      } as never
    }
    assert.strictEqual(Trace.formatLine("frontend", all, { redact: false }), "F\t23\tBind\t \"\" \"\" 0 <13 bytes> 0")
    assert.strictEqual(Frontend.encodeUnsafe(all).length, 24)
  })
})

describe("Trace.formatLine and Json > random messages", () => {
  const runs = { arbitrary: { runs: 60, seed: "hyperfect" } }
  const codecs = { backend: Json.Backend, frontend: Json.Frontend, replication: Json.Replication } as const

  for (const { arbitrary, family, message, name } of kinds) {
    it.prop(name, { value: arbitrary }, ({ value }) => {
      const from = family === "replication" ? message.definition.from as Trace.Direction : family
      const out = Trace.formatLine(from, value as Trace.Message, { redact: false })
      assert.notMatch(out, /[\n\r\u2028\u2029]/)
      const codec = codecs[family] as Schema.Codec<unknown, Schema.Json>
      const text = JSON.stringify(Schema.encodeSync(codec)(value))
      assert.deepStrictEqual(Schema.decodeUnknownSync(codec)(JSON.parse(text)), value)
    }, runs)
  }
})

describe("Protocol versions", () => {
  it("have the expected numbers", () => {
    const version = (major: number, minor: number) => (major << 16) | minor
    assert.strictEqual(protocolVersion30, version(3, 0))
    assert.strictEqual(protocolVersion32, version(3, 2))
    assert.strictEqual(protocolVersion39999, version(3, 9999))
  })

  it("are read from both forms of NegotiateProtocolVersion", () => {
    const message = (newestVersion: number) =>
      Backend.NegotiateProtocolVersion.make({ newestVersion, unrecognizedOptions: [] })
    assert.strictEqual(newestVersion(message(protocolVersion32)), protocolVersion32)
    assert.strictEqual(newestVersion(message(2)), protocolVersion32)
    assert.strictEqual(newestVersion(message(0)), protocolVersion30)
  })

  it("have options, which a StartupMessage carries like any other parameter", () => {
    const parameters = [{ name: "user", value: "a" }, { name: `${protocolOptionPrefix}command_tag`, value: "1" }]
    const startup = Frontend.StartupMessage.make({ protocolVersion: protocolVersion39999, parameters })
    const bytes = Frontend.encodeUnsafe(startup)
    assert.deepStrictEqual(Frontend.readerUnsafe("startup")(bytes, 0, bytes.length), startup)
  })

  it("3.2 supports keys of up to 256 bytes in both directions", () => {
    for (const length of [4, 32, 256]) {
      const secretKey = new Uint8Array(length).fill(length)
      const key = Backend.BackendKeyData.make({ processId: 1, secretKey })
      const bytes = Backend.encodeUnsafe(key)
      assert.deepStrictEqual(Backend.readerUnsafe()(bytes, 0, bytes.length), key)
      const cancel = Frontend.CancelRequest.make({ processId: 1, secretKey })
      const sent = Frontend.encodeUnsafe(cancel)
      assert.deepStrictEqual(Frontend.readerUnsafe("startup")(sent, 0, sent.length), cancel)
    }
  })
})
