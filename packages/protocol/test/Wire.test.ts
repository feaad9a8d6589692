import { assert, describe, it } from "@effect/vitest"
import { ByteWriter, type Layout, ProtocolError, Wire } from "@hyperfect/protocol"
import { Arbitrary, Effect, Equal, Exit, Schema } from "effect"
import { outcome, reasonOf } from "./outcome.ts"

const codegens = ["generated", "interpreted"] as const
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex")
const bytes = (text: string) => Uint8Array.from(Buffer.from(text.replaceAll(" ", ""), "hex"))

/** A message with every kind of field. */
const Everything = Wire.message("Everything", { from: "backend", tag: "e", code: 7, limit: 4096 }, {
  int8: Wire.Int8,
  uint8: Wire.UInt8,
  int16: Wire.Int16,
  uint16: Wire.UInt16,
  int32: Wire.Int32,
  uint32: Wire.UInt32,
  int64: Wire.Int64,
  char: Wire.Char,
  choice: Wire.CharOf(["a", "b"]),
  text: Wire.CString,
  salt: Wire.Bytes(3),
  nullable: Wire.Nullable,
  items: Wire.Array(Wire.Int16, Schema.Struct({ name: Wire.CString, inner: Wire.Array(Wire.UInt8, Wire.Int16) })),
  list: Wire.Terminated(Schema.Struct({ name: Wire.NonEmptyCString, value: Wire.Int32 })),
  rest: Wire.RestBetween(1, 4)
})

const value: typeof Everything.Type = {
  _tag: "Everything",
  int8: -1,
  uint8: 255,
  int16: -2,
  uint16: 65_535,
  int32: -3,
  uint32: 0xffff_ffff,
  int64: -(BigInt(1) << BigInt(63)),
  char: "ÿ",
  choice: "b",
  text: "é",
  salt: Uint8Array.of(1, 2, 3),
  nullable: null,
  items: [{ name: "x", inner: [1, -1] }, { name: "", inner: [] }],
  list: [{ name: "n", value: 0 }],
  rest: Uint8Array.of(9)
}

const frame = bytes(
  "65 0000003d 00000007 ff ff fffe ffff fffffffd ffffffff 8000000000000000 ff 62 c3a900 010203 ffffffff" +
    "0002 7800 02 0001 ffff 00 00 6e00 00000000 00 09"
)

const write = (codegen: Wire.Codegen, message: unknown): Uint8Array => {
  const out = ByteWriter.make(8)
  try {
    Wire.writerUnsafe(Everything, codegen)(out, message as typeof value)
  } finally {
    // A writer that throws must have written nothing.
    if (out.size > 0) assert.strictEqual(out.bytes[out.position - out.size], 0x65)
  }
  return out.take()
}

describe("Wire.message", () => {
  it("returns a Schema of its fields", () => {
    assert.isTrue(Schema.is(Everything)(value))
    assert.isFalse(Schema.is(Everything)({ ...value, uint8: 256 }))
    assert.strictEqual(Everything.make({ ...value, int8: 5 }).int8, 5)
  })

  it("has a definition that can be stored as JSON", () => {
    const definition = Wire.definitionOf(Everything)
    assert.deepStrictEqual(
      [definition.name, definition.from, definition.tag, definition.code, definition.limit],
      ["Everything", "backend", "e", 7, 4096]
    )
    assert.deepStrictEqual(definition.layout.fields.map(({ name }) => name), Object.keys(value).slice(1))
    const items: Layout.Layout = {
      _tag: "Counted",
      count: { _tag: "Int", type: "Int16" },
      item: {
        _tag: "Struct",
        fields: [
          { name: "name", layout: { _tag: "CString" } },
          {
            name: "inner",
            layout: { _tag: "Counted", count: { _tag: "Int", type: "UInt8" }, item: { _tag: "Int", type: "Int16" } }
          }
        ]
      }
    }
    assert.deepStrictEqual(definition.layout.fields[12]!.layout, items)
    assert.deepStrictEqual(
      JSON.parse(JSON.stringify(definition)),
      JSON.parse(JSON.stringify(Wire.definitionOf(Everything)))
    )
  })

  for (const codegen of codegens) {
    it(`reads and writes the exact bytes (${codegen})`, () => {
      assert.strictEqual(hex(write(codegen, value)), hex(frame))
      const read = Wire.readerUnsafe(Everything, codegen)
      assert.deepStrictEqual(read(frame, 0, frame.length), value)
    })

    it(`returns plain Uint8Array views, also of a Buffer (${codegen})`, () => {
      const buffer = Buffer.from(frame)
      const { rest, salt } = Wire.readerUnsafe(Everything, codegen)(buffer, 0, buffer.length)
      for (const view of [rest, salt]) {
        assert.strictEqual(Object.getPrototypeOf(view), Uint8Array.prototype)
        assert.strictEqual(view.buffer, buffer.buffer)
      }
    })

    it(`rejects a frame of another message (${codegen})`, () => {
      const read = Wire.readerUnsafe(Everything, codegen)
      const changed = (at: number, byte: number) => {
        const copy = frame.slice()
        copy[at] = byte
        return reasonOf(() => read(copy, 0, copy.length))
      }
      assert.deepInclude(changed(0, 0x66), { _tag: "TagUnknown", wanted: "\"e\"", found: "\"f\"" })
      assert.deepInclude(changed(4, 0x49), { _tag: "LengthInvalid", offset: 1 })
      assert.deepInclude(changed(8, 8), { _tag: "ValueInvalid", offset: 5, wanted: "the code 7", found: "8" })
      assert.strictEqual(reasonOf(() => read(frame, 0, 8))._tag, "Truncated")
      const long = new Uint8Array(4098)
      long.set(bytes("65 00001001 00000007"))
      assert.deepInclude(reasonOf(() => read(long, 0, 4098)), { _tag: "LengthExceeded", wanted: "at most 4096 bytes" })
    })

    it(`reports the path, offset, expected and found values of an invalid frame (${codegen})`, () => {
      const read = Wire.readerUnsafe(Everything, codegen)
      const wrong = (at: number, ...replacement: ReadonlyArray<number>) => {
        const copy = frame.slice()
        copy.set(replacement, at)
        const { _tag, field, found, offset } = reasonOf(() => read(copy, 0, copy.length))
        return [_tag, field, offset, found]
      }
      assert.deepStrictEqual(wrong(31, 0), ["ValueInvalid", "char", 31, "\"\\u0000\""])
      assert.deepStrictEqual(wrong(32, 0x63), ["ValueInvalid", "choice", 32, "\"c\""])
      assert.deepStrictEqual(wrong(33, 0x41), ["Utf8Invalid", "text", 33, "2 bytes that are not"])
      assert.deepStrictEqual(wrong(39, 0xff, 0xff, 0xff, 0xfe), ["ValueInvalid", "nullable", 39, "-2"])
      assert.deepStrictEqual(wrong(39, 0x7f, 0xff, 0xff, 0xff), ["Truncated", "nullable", 43, "19 bytes"])
      assert.deepStrictEqual(wrong(43, 0x7f, 0xff), ["CountInvalid", "items", 43, "32767"])
      assert.deepStrictEqual(wrong(43, 0xff, 0xff), ["CountInvalid", "items", 43, "-1"])
      assert.deepStrictEqual(wrong(47, 200), ["CountInvalid", "items[0].inner", 47, "200"])
      assert.deepStrictEqual(wrong(55, 0x6e, 1, 1, 1, 1, 1, 1), ["Unterminated", "list[0].name", 54, "8 other bytes"])
    })
  }
})

describe("Wire.writerUnsafe > invalid values", () => {
  const wrong: ReadonlyArray<unknown> = [
    undefined,
    null,
    true,
    0.5,
    NaN,
    Infinity,
    -129,
    256,
    -32_769,
    65_536,
    -2_147_483_649,
    4_294_967_296,
    BigInt(1),
    BigInt(1) << BigInt(63),
    "",
    "a",
    "aa",
    "\0",
    "\ud800",
    "\u0100",
    Symbol("s"),
    () => 1,
    {},
    [],
    [1],
    [undefined],
    [{}],
    [{ name: "", value: 1 }],
    [{ name: "\0", value: 1, inner: [] }],
    Array.from({ length: 70_000 }, () => 1),
    new Uint8Array(0),
    new Uint8Array(5),
    new Int16Array(3),
    "x".repeat(5000)
  ]

  for (const name of Object.keys(value).slice(1)) {
    it(`fails identically in both back ends, with a reason and nothing written: ${name}`, () => {
      let refused = 0
      for (const replacement of wrong) {
        const message = { ...value, [name]: replacement }
        const generated = outcome(() => write("generated", message))
        assert.deepStrictEqual(outcome(() => write("interpreted", message)), generated)
        if ("reason" in generated) {
          refused++
          assert.strictEqual(generated.reason.messageName, "Everything")
        } else {
          assert.isTrue(Schema.is(Everything)(message), String(replacement))
        }
      }
      assert.isAbove(refused, 10)
    })
  }

  it("rejects a value that is not an object", () => {
    for (const message of [null, undefined, 1, "x"]) {
      for (const codegen of codegens) assert.strictEqual(reasonOf(() => write(codegen, message))._tag, "ValueInvalid")
    }
  })

  it("rejects a message over its limit", () => {
    for (const codegen of codegens) {
      const reason = reasonOf(() => write(codegen, { ...value, text: "x".repeat(4096) }))
      assert.deepInclude(reason, { _tag: "LengthExceeded", offset: 1, found: "4155 bytes" })
    }
  })

  it("keeps the bytes written before it", () => {
    for (const codegen of codegens) {
      const out = ByteWriter.make(4)
      const writeOne = Wire.writerUnsafe(Everything, codegen)
      writeOne(out, value)
      reasonOf(() => writeOne(out, { ...value, rest: new Uint8Array(5) }))
      writeOne(out, value)
      assert.strictEqual(hex(out.take()), hex(frame) + hex(frame))
    }
  })
})

describe("Wire.asBytes", () => {
  const Row = Wire.message("Row", { from: "backend", tag: "r", limit: 100 }, {
    columns: Wire.Array(Wire.UInt16, Wire.Nullable)
  })
  type Columns = { readonly _tag: "Row"; readonly columns: ReadonlyArray<Uint8Array | null> }
  const row = (...columns: ReadonlyArray<unknown>) => ({ _tag: "Row", columns }) as unknown as Columns

  for (const codegen of codegens) {
    it(`writes the length first, however far the buffer grows (${codegen})`, () => {
      const out = ByteWriter.make(1)
      Wire.writerUnsafe(Row, codegen)(
        out,
        row({ writeTo: (to: ByteWriter.ByteWriter) => to.utf8("abc") }, null, { writeTo: () => {} })
      )
      assert.strictEqual(hex(out.take()), "72" + "00000015" + "0003" + "00000003616263" + "ffffffff" + "00000000")
    })

    it(`can replace all items, including the count (${codegen})`, () => {
      const out = ByteWriter.make(1)
      const columns = {
        writeTo: (to: ByteWriter.ByteWriter) => {
          to.int16(1)
          to.int32(-1)
        }
      }
      Wire.writerUnsafe(Row, codegen)(out, { _tag: "Row", columns } as never)
      assert.strictEqual(hex(out.take()), "72" + "0000000a" + "0001" + "ffffffff")
    })

    it(`rolls the frame back if the value throws (${codegen})`, () => {
      const out = ByteWriter.make(1)
      const boom = new Error("boom")
      const failing = {
        writeTo: (to: ByteWriter.ByteWriter) => {
          to.utf8("abc")
          throw boom
        }
      }
      assert.throws(() => Wire.writerUnsafe(Row, codegen)(out, row(failing)), "boom")
      assert.strictEqual(out.size, 0)
    })
  }
})

describe("Wire.message > a field without a layout", () => {
  it("is rejected at declaration", () => {
    assert.throws(
      () => Wire.message("Bad", { from: "backend", tag: "x", limit: 10 }, { field: Schema.String }),
      /String has no layout on the wire/
    )
    assert.throws(() => Wire.Array(Wire.Int16, Schema.Number), /no layout/)
  })
})

describe("Wire.codec", () => {
  for (const codegen of codegens) {
    const codec = Wire.codec(Everything, codegen)

    it.effect(`round-trips (${codegen})`, () =>
      Effect.gen(function*() {
        assert.deepStrictEqual(yield* Schema.decodeUnknownEffect(codec)(frame), value)
        assert.strictEqual(hex(yield* Schema.encodeEffect(codec)(value)), hex(frame))
      }))

    it(`explains each rejection, through every entry point of Schema (${codegen})`, () => {
      const cut = frame.slice(0, 20)
      cut[4] = 19
      const wanted = "Everything.int32 at byte 15: Truncated: wanted 4 bytes, found 5 bytes"
      const failure = Schema.decodeUnknownExit(codec)(cut)
      assert.isTrue(Exit.isFailure(failure))
      try {
        Schema.decodeUnknownSync(codec)(cut)
        assert.fail("decoded")
      } catch (error) {
        assert.instanceOf(error, Schema.SchemaError)
        assert.match((error as Error).message, /^Everything\.\w+ at byte \d+: Truncated/)
        assert.notStrictEqual((error as Error).message, wanted)
      }
      for (const input of [undefined, null, "text", [1, 2], {}]) {
        assert.isTrue(Exit.isFailure(Schema.decodeUnknownExit(codec)(input)))
      }
    })

    it(`does not write a value that its Schema rejects (${codegen})`, () => {
      assert.isTrue(Exit.isFailure(Schema.encodeUnknownExit(codec)({ ...value, text: "a\0b" })))
      assert.isTrue(Exit.isFailure(Schema.encodeUnknownExit(codec)({ ...value, text: "x".repeat(4096) })))
      assert.isTrue(Exit.isFailure(Schema.encodeUnknownExit(codec)(null)))
    })
  }

  it.prop("round-trips random values", { message: Arbitrary.schema(Everything) }, ({ message }) => {
    const codec = Wire.codec(Everything)
    return Equal.equals(Schema.decodeSync(codec)(Schema.encodeSync(codec)(message)), message)
  }, { arbitrary: { runs: 200, seed: "hyperfect" } })
})

describe("ProtocolError", () => {
  it("consists of only a reason", () => {
    const reason = ProtocolError.reason("Truncated", "DataRow", "columns[1]", 12, "4 bytes", "2 bytes")
    const error = ProtocolError.fromThrown(reason)
    assert.strictEqual(error._tag, "ProtocolError")
    assert.strictEqual(error.message, "DataRow.columns[1] at byte 12: Truncated: wanted 4 bytes, found 2 bytes")
    const bug = new TypeError("a bug")
    for (const other of [bug, undefined, null, "text", { _tag: "Truncated" }]) {
      try {
        ProtocolError.fromThrown(other)
        assert.fail("wrapped")
      } catch (thrown) {
        assert.strictEqual(thrown, other)
      }
    }
  })
})
