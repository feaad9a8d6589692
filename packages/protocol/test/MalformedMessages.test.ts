/**
 * Messages of malicious or broken peers, by the names under which pgx 5.9 and 5.10 list them, as far as they concern
 * messages (those of values and login are tested in `values` and `auth`).
 */
import { assert, describe, it } from "@effect/vitest"
import { Backend, ByteWriter, Frame, Frontend, Layout, Wire } from "@hyperfect/protocol"
import { columnRangesUnsafe } from "@hyperfect/protocol/backend/DataRow"
import { reasonOf } from "./outcome.ts"

const codegens = ["generated", "interpreted"] as const
const bytes = (text: string) => Uint8Array.from(Buffer.from(text.replaceAll(" ", ""), "hex"))

/** Builds a frame around a body, with the correct length. */
const framed = (tag: string, body: string): Uint8Array => {
  const content = bytes(body)
  const frame = new Uint8Array(5 + content.length)
  frame[0] = tag.charCodeAt(0)
  new DataView(frame.buffer).setInt32(1, 4 + content.length)
  frame.set(content, 5)
  return frame
}

const backend = (tag: string, body: string) => {
  const frame = framed(tag, body)
  const [a, b] = codegens.map((codegen) =>
    reasonOf(() => Backend.readerUnsafe({ codegen: codegen })(frame, 0, frame.length))
  )
  assert.deepStrictEqual(a, b)
  return a!
}

const frontend = (phase: Frontend.Phase, frame: Uint8Array) => {
  const [a, b] = codegens.map((codegen) =>
    reasonOf(() => Frontend.readerUnsafe(phase, { codegen: codegen })(frame, 0, frame.length))
  )
  assert.deepStrictEqual(a, b)
  return a!
}

describe("Malformed messages listed by pgx 5.9", () => {
  it("message length parsing on 32-bit platforms: rejects lengths at and above 2^31", () => {
    for (const length of ["7fffffff", "80000000", "80000003", "ffffffff", "fffffffb"]) {
      const parser = Frame.makeParser(Backend.limits(), () => assert.fail("a frame"))
      assert.include(["LengthInvalid", "LengthExceeded"], reasonOf(() => parser.push(bytes("44" + length)))._tag)
      assert.strictEqual(parser.pending(), 0)
    }
  })

  it("FunctionCallResponse with a signed result size is rejected", () => {
    assert.deepInclude(backend("V", "80000000"), { _tag: "ValueInvalid", field: "value", found: "-2147483648" })
    assert.deepInclude(backend("V", "fffffffe"), { _tag: "ValueInvalid", field: "value", found: "-2" })
    assert.deepInclude(backend("V", "7fffffff 00"), { _tag: "Truncated", field: "value" })
    const frame = framed("V", "ffffffff")
    assert.deepStrictEqual(Backend.readerUnsafe()(frame, 0, frame.length), {
      _tag: "FunctionCallResponse",
      value: null
    })
  })

  it("DataRow with a column length below -1 or beyond the remaining bytes is rejected", () => {
    const into = new Int32Array(4)
    for (
      const body of [
        "0001 fffffffe",
        "0001 80000000",
        "0001 7fffffff",
        "0001 00000002 61",
        "0002 ffffffff",
        "0001 0000"
      ]
    ) {
      backend("D", body)
      const frame = framed("D", body)
      reasonOf(() => columnRangesUnsafe(frame, 0, frame.length, into))
    }
  })

  it("element counts that exceed the bytes are rejected: DataRow, RowDescription, ParameterDescription, Bind, Parse, FunctionCall, COPY", () => {
    assert.deepInclude(backend("D", "ffff"), { _tag: "CountInvalid", field: "columns", found: "65535" })
    assert.deepInclude(backend("T", "ffff"), { _tag: "CountInvalid", field: "fields" })
    assert.deepInclude(backend("t", "ffff 00000017"), { _tag: "CountInvalid", field: "parameterTypes" })
    for (const tag of ["G", "H", "W"]) assert.deepInclude(backend(tag, "00 ffff 0000"), { _tag: "CountInvalid" })
    assert.deepInclude(backend("v", "00030002 7fffffff"), { _tag: "CountInvalid", field: "unrecognizedOptions" })
    assert.deepInclude(backend("v", "00030002 ffffffff"), { _tag: "CountInvalid", found: "-1" })
    assert.deepInclude(frontend("password", framed("B", "00 00 ffff 0000 0000")), {
      _tag: "CountInvalid",
      field: "parameterFormats"
    })
    assert.deepInclude(frontend("password", framed("B", "00 00 0000 ffff 0000")), {
      _tag: "CountInvalid",
      field: "parameters"
    })
    assert.deepInclude(frontend("password", framed("B", "00 00 0000 0000 ffff")), {
      _tag: "CountInvalid",
      field: "resultFormats"
    })
    assert.deepInclude(frontend("password", framed("P", "00 00 ffff 00000017")), {
      _tag: "CountInvalid",
      field: "parameterTypes"
    })
    assert.deepInclude(frontend("password", framed("F", "00000001 0000 ffff 0000")), {
      _tag: "CountInvalid",
      field: "arguments"
    })
  })

  it("Bind with a parameter length below -1 or beyond the remaining bytes is rejected", () => {
    assert.deepInclude(frontend("password", framed("B", "00 00 0000 0001 fffffffe 0000")), {
      _tag: "ValueInvalid",
      field: "parameters[0]",
      found: "-2"
    })
    assert.deepInclude(frontend("password", framed("B", "00 00 0000 0001 7fffffff 0000")), { _tag: "Truncated" })
  })

  it("strings and lists without a terminator are rejected", () => {
    assert.deepInclude(backend("C", "53454c454354"), { _tag: "Unterminated", field: "commandTag" })
    assert.deepInclude(backend("S", "6100 62"), { _tag: "Unterminated", field: "value" })
    assert.deepInclude(backend("A", "00000001 6100"), { _tag: "Unterminated", field: "payload" })
    assert.deepInclude(backend("E", "53 4552524f5200"), { _tag: "Unterminated", field: "fields[1]" })
    assert.deepInclude(backend("E", "53 45"), { _tag: "Unterminated", field: "fields[0].value" })
    assert.deepInclude(backend("E", ""), { _tag: "Unterminated", field: "fields[0]" })
    assert.deepInclude(backend("R", "0000000a 534352414d00"), { _tag: "Unterminated" })
  })

  it("short bodies are rejected: BackendKeyData, AuthenticationMD5Password, ReadyForQuery, an authentication without a code", () => {
    assert.deepInclude(backend("K", "00000001 000000"), { _tag: "ValueInvalid", field: "secretKey", found: "3 bytes" })
    assert.deepInclude(backend("K", "0000"), { _tag: "Truncated", field: "processId" })
    assert.deepInclude(backend("K", "00000001" + "00".repeat(257)), { _tag: "ValueInvalid", found: "257 bytes" })
    assert.deepInclude(backend("R", "00000005 010203"), { _tag: "Truncated", field: "salt" })
    assert.deepInclude(backend("R", "0000"), { _tag: "Truncated", field: "code" })
    assert.deepInclude(backend("R", "000000ff"), { _tag: "ValueInvalid", field: "code", found: "255" })
    assert.strictEqual(backend("Z", "")._tag, "Truncated")
  })

  it("bytes after the end of a message are rejected", () => {
    for (
      const [tag, body] of [["1", "00"], ["Z", "4949"], ["C", "00 00"], ["K", "00000001" + "00".repeat(257)], [
        "R",
        "00000000 00"
      ]]
    ) {
      assert.include(["TrailingBytes", "ValueInvalid"], backend(tag!, body!)._tag)
    }
  })
})

describe("Malformed messages listed by pgx 5.10", () => {
  it("the default limit of a message body is about 1 GiB", () => {
    const limits = Backend.limits()
    assert.strictEqual(Math.max(...limits), Wire.longLimit)
    const parser = Frame.makeParser(limits, () => assert.fail("a frame"))
    assert.strictEqual(reasonOf(() => parser.push(bytes("64 40000000")))._tag, "LengthExceeded")
  })

  it("errors, notices and descriptions above 64 MiB are rejected before they are read", () => {
    for (const tag of ["E", "N", "T", "t"]) {
      const header = (length: number) =>
        Uint8Array.of(tag.charCodeAt(0), length >> 24, length >> 16, length >> 8, length)
      const parser = () => Frame.makeParser(Backend.limits(), () => assert.fail("a frame"))
      parser().push(header(Wire.mediumLimit))
      const refused = reasonOf(() => parser().push(header(0x2160_0000)))
      assert.deepInclude(refused, { _tag: "LengthExceeded", wanted: "at most 67108864" })
      const early = Frame.makeParser(Backend.limits({ longLimit: 30_000 }), () => assert.fail("a frame"))
      assert.strictEqual(reasonOf(() => early.push(header(30_001)))._tag, "LengthExceeded")
    }
  })

  it("more fields than an error can have are rejected, however short they are", () => {
    const fields = (count: number) => Array.from({ length: count }, () => ({ code: "M", value: "" }))
    const { maxTerminatedItems } = Layout
    assert.deepInclude(backend("E", "4d00".repeat(maxTerminatedItems + 1) + "00"), { _tag: "CountInvalid" })
    const most = { _tag: "ErrorResponse", fields: fields(maxTerminatedItems) } as const
    assert.lengthOf(Backend.encodeUnsafe(most), 6 + 2 * maxTerminatedItems)
    const tooMany = reasonOf(() => Backend.encodeUnsafe({ ...most, fields: fields(maxTerminatedItems + 1) }))
    assert.strictEqual(tooMany._tag, "CountInvalid")
  })

  it("a claimed length of a gigabyte does not allocate memory before the bytes arrive", () => {
    const before = process.memoryUsage().rss
    const parsers = Array.from({ length: 4 }, () => {
      const parser = Frame.makeParser(Backend.limits(), () => assert.fail("a frame"))
      parser.push(bytes("64 3fffffff 00"))
      return parser
    })
    assert.isBelow(process.memoryUsage().rss - before, 256 * 1024 * 1024)
    for (const parser of parsers) assert.strictEqual(parser.pending(), 6)
  })
})

describe("Malformed messages of earlier advisories", () => {
  const encode = (message: Frontend.Message) => reasonOf(() => Frontend.encodeUnsafe(message))

  it("NUL in start-up parameters, which would inject others, is rejected", () => {
    const startup = (name: string, value: string) =>
      encode({ _tag: "StartupMessage", protocolVersion: 196_608, parameters: [{ name, value }] })
    assert.deepInclude(startup("user", "alice\0database\0secrets"), {
      _tag: "ValueInvalid",
      field: "parameters[0].value"
    })
    assert.deepInclude(startup("us\0er", "alice"), { _tag: "ValueInvalid", field: "parameters[0].name" })
    assert.deepInclude(startup("", "alice"), { _tag: "ValueInvalid", field: "parameters[0]" })
  })

  it("NUL in every other string that a client sends is rejected", () => {
    const nul = "a\0b"
    const messages: ReadonlyArray<Frontend.Message> = [
      { _tag: "Query", query: nul },
      { _tag: "Parse", name: nul, query: "", parameterTypes: [] },
      { _tag: "Parse", name: "", query: nul, parameterTypes: [] },
      { _tag: "Bind", portal: nul, statement: "", parameterFormats: [], parameters: [], resultFormats: [] },
      { _tag: "Bind", portal: "", statement: nul, parameterFormats: [], parameters: [], resultFormats: [] },
      { _tag: "Describe", kind: "S", name: nul },
      { _tag: "Close", kind: "S", name: nul },
      { _tag: "Execute", portal: nul, maxRows: 0 },
      { _tag: "CopyFail", message: nul },
      { _tag: "PasswordMessage", password: nul },
      { _tag: "SASLInitialResponse", mechanism: nul, data: null }
    ]
    for (const message of messages) {
      assert.deepInclude(encode(message), { _tag: "ValueInvalid", found: "one" }, message._tag)
    }
  })

  it("more parameters than a count can represent are rejected (compare CVE-2024-27304)", () => {
    const parameters = Array.from({ length: 65_536 }, () => null)
    const bind = {
      _tag: "Bind",
      portal: "",
      statement: "",
      parameterFormats: [],
      parameters,
      resultFormats: []
    } as const
    assert.deepInclude(encode(bind), { _tag: "CountInvalid", field: "parameters", found: "65536" })
    const parameterTypes = parameters.map(() => 0)
    assert.strictEqual(encode({ _tag: "Parse", name: "", query: "", parameterTypes })._tag, "CountInvalid")
    const most = { ...bind, parameters: parameters.slice(1) }
    assert.isAbove(Frontend.encodeUnsafe(most).length, 65_535 * 4)
  })

  it("a message longer than its length word can express is rejected", () => {
    const out = ByteWriter.make()
    const write = Frontend.writerUnsafe()
    const huge = { writeTo: (to: ByteWriter.ByteWriter) => to.ensure(0x7fff_ffff) } as unknown as Uint8Array
    const bind = {
      _tag: "Bind",
      portal: "",
      statement: "",
      parameterFormats: [],
      parameters: [huge],
      resultFormats: []
    } as const
    assert.strictEqual(reasonOf(() => write(out, bind))._tag, "LengthExceeded")
    assert.strictEqual(out.size, 0)
  })

  it("a start-up packet on an established session, which reads as a tag of zero, is rejected", () => {
    const parser = Frame.makeParser(Frontend.limits(), () => assert.fail("a frame"))
    assert.deepInclude(reasonOf(() => parser.push(bytes("00000008 04d2162f"))), {
      _tag: "TagUnknown",
      found: "\"\\u0000\""
    })
  })

  it("packets that open a connection are rejected if too long or too short, or without a valid list", () => {
    assert.deepInclude(frontend("startup", bytes("0000000a 04d2162f 0000")), { _tag: "TrailingBytes" })
    assert.deepInclude(frontend("startup", bytes("0000000b 04d2162e 000000")), { _tag: "Truncated" })
    assert.deepInclude(frontend("startup", bytes("0000000a 00030000 7573")), { _tag: "Unterminated" })
    assert.deepInclude(frontend("startup", bytes("00000006 0003")), { _tag: "Truncated" })
  })
})
