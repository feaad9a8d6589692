import { assert, describe, it } from "@effect/vitest"
import * as ByteWriter from "@hyperfect/protocol/ByteWriter"
import { BuiltIn, CopyFormat, type RowWriter, ValueError } from "@hyperfect/values"
import { Effect, Equal, Schema } from "effect"
import { fromHex, reasonOf, utf8 } from "./fixtures.ts"

const { binary, csv, hyperBinary, text } = CopyFormat

type Row = ReadonlyArray<unknown>

const write = (format: CopyFormat.CopyFormat, columns: ReadonlyArray<RowWriter.Column>, rows: ReadonlyArray<Row>) => {
  const out = ByteWriter.make()
  const writer = format.writer("array", columns)
  writer.begin(out)
  for (const [i, row] of rows.entries()) writer.row(out, row, i)
  writer.end(out)
  return out.take()
}

/** Reads data in chunks of this size, each surrounded by other bytes and overwritten afterwards. */
const read = (
  format: CopyFormat.CopyFormat,
  columns: ReadonlyArray<RowWriter.Column>,
  bytes: Uint8Array,
  pieceSize = bytes.length
): ReadonlyArray<Row> => {
  const reader = format.reader("array", columns)
  const rows: Array<Row> = []
  for (let at = 0; at < bytes.length; at += pieceSize) {
    const piece = bytes.subarray(at, at + pieceSize)
    const around = new Uint8Array(piece.length + 9).fill(0x5a)
    around.set(piece, 4)
    reader.push(around, 4, 4 + piece.length, rows)
    around.fill(0xa5)
  }
  reader.end(rows)
  return rows
}

const print = (bytes: Uint8Array): string => new TextDecoder().decode(bytes)

const formats: ReadonlyArray<readonly [name: string, format: CopyFormat.CopyFormat]> = [
  ["binary", binary],
  ["HyperBinary", hyperBinary],
  ["text", text()],
  ["text with a header, | and NULL", text({ delimiter: "|", null: "NULL", header: true })],
  ["CSV", csv()],
  ["CSV with ; and a header", csv({ delimiter: ";", null: "NULL", header: true })],
  ["CSV with apostrophes and backslashes", csv({ quote: "'", escape: "\\", delimiter: "\t", null: "\\N" })]
]

const columns: ReadonlyArray<RowWriter.Column> = [
  { name: "id", type: BuiltIn.int4, nullable: false },
  { name: "a \"text\"; 'of', | lines\n\\.", type: BuiltIn.text },
  { name: "__proto__", type: BuiltIn.array(BuiltIn.text) },
  { name: "bytes", type: BuiltIn.bytea },
  { name: "f", type: BuiltIn.float8, nullable: false }
]

const special = [
  "",
  "\\N",
  "NULL",
  "\\.",
  "a\tb",
  "a\nb",
  "\r\n",
  "\\",
  "\"",
  "\"\"",
  "'",
  "a,b",
  ";",
  "|",
  "n",
  "\\x41",
  "😀"
]

const Text = Schema.Union([Schema.Literals(special), Schema.String.check(Schema.isPattern(/^[^\0]*$/u))])
const isWellFormed = Schema.makeFilter((value: string) => value.isWellFormed())

const Rows = Schema.Array(Schema.Tuple([
  Schema.Int.check(Schema.isInt32()),
  Schema.NullOr(Text.check(isWellFormed)),
  Schema.NullOr(Schema.Array(Schema.NullOr(Text.check(isWellFormed)))),
  Schema.NullOr(Schema.Uint8Array),
  Schema.Number
])).check(Schema.isMaxLength(6))

describe("CopyFormat > round trips", () => {
  for (const [name, format] of formats) {
    it.effect.prop(
      `${name}, in chunks of any size`,
      { rows: Rows, pieceSize: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 40 })) },
      ({ pieceSize, rows }) =>
        Effect.sync(() => {
          const bytes = write(format, columns, rows)
          assert.isTrue(Equal.equals(read(format, columns, bytes), rows))
          assert.isTrue(Equal.equals(read(format, columns, bytes, pieceSize), rows))
        }),
      { arbitrary: { runs: 150 } }
    )

    it(`${name}, with texts that need escaping, also as objects`, () => {
      const one = [{ name: "__proto__", type: BuiltIn.text }]
      for (const value of [...special, null]) {
        assert.deepStrictEqual(read(format, one, write(format, one, [[value], [value]])), [[value], [value]])
        const out = ByteWriter.make()
        const writer = format.writer("object", one)
        const row = JSON.parse(`{"__proto__":${JSON.stringify(value)}}`) as CopyFormat.RowShapes["object"]
        writer.begin(out)
        writer.row(out, row, 0)
        writer.end(out)
        const bytes = out.take()
        const rows: Array<unknown> = []
        const reader = format.reader("object", one)
        reader.push(bytes, 0, bytes.length, rows as Array<CopyFormat.RowShapes["object"]>)
        reader.end(rows as Array<CopyFormat.RowShapes["object"]>)
        assert.deepStrictEqual(rows, [row])
      }
    })
  }
})

describe("CopyFormat > invalid data", () => {
  const rows: ReadonlyArray<Row> = [
    [1, "one", ["a", null], Uint8Array.of(1, 2), 1.5],
    [2, null, null, null, -0],
    [3, "\\.\r\n\"'", ["", "NULL"], new Uint8Array(), NaN]
  ]

  for (const [name, format] of formats) {
    it(`${name}: truncated data is rejected, or consists of complete rows`, () => {
      const bytes = write(format, columns, rows)
      for (let length = 0; length < bytes.length; length++) {
        let found: ReadonlyArray<Row>
        try {
          found = read(format, columns, bytes.subarray(0, length))
        } catch (thrown) {
          if (!ValueError.isReason(thrown)) assert.fail(String(thrown))
          continue
        }
        // Text formats do not contain the number of rows, HyperBinary has no end marker, and a truncated last number
        // may be valid.
        assert.notStrictEqual(name, "binary")
        assert.isAtMost(found.length, rows.length)
        for (const [i, row] of found.slice(0, -1).entries()) assert.isTrue(Equal.equals(row, rows[i]))
      }
    })

    it(`${name}: data with any changed byte returns rows or throws a reason`, () => {
      const bytes = write(format, columns, rows)
      for (let at = 0; at < bytes.length; at++) {
        for (const change of [0x01, 0x20, 0x80, 0xff]) {
          const changed = Uint8Array.from(bytes)
          changed[at]! ^= change
          try {
            read(format, columns, changed, 7)
          } catch (thrown) {
            if (!ValueError.isReason(thrown)) assert.fail(String(thrown))
          }
        }
      }
    })
  }

  it("errors name the row and the column", () => {
    const two = [{ name: "n", type: BuiltIn.int4 }, { name: "s", type: BuiltIn.text }]
    for (const [name, format] of formats) {
      const writing = reasonOf(() => write(format, two, [[1, "a"], [2, "b"], [3, 4]]))
      assert.deepInclude(writing, { _tag: "TypeMismatch", row: 2, index: 1, name: "s" }, name)
      const missing = reasonOf(() => write(format, two, [[1, "a"], [undefined, "b"]]))
      assert.deepInclude(missing, { _tag: "TypeMismatch", row: 1, index: 0, name: "n" }, name)
    }
    assert.deepInclude(reasonOf(() => read(csv(), two, utf8("1,a\nx,b\n"))), { row: 1, index: 0, name: "n" })
    assert.deepInclude(reasonOf(() => read(text(), two, utf8("1\ta\n2\n"))), { _tag: "ColumnCountMismatch", row: 1 })
    assert.deepInclude(reasonOf(() => read(csv(), two, utf8("1,a\n2,b,c\n"))), { _tag: "ColumnCountMismatch", row: 1 })
    const bytes = write(binary, two, [[1, "a"], [2, "b"]])
    bytes[bytes.length - 3] = 0xff // the text of the second row
    assert.deepInclude(reasonOf(() => read(binary, two, bytes, 3)), { _tag: "Malformed", row: 1, index: 1, name: "s" })
    const refused = reasonOf(() => write(binary, [{ name: "n", type: BuiltIn.int4, nullable: false }], [[null]]))
    assert.deepInclude(refused, { _tag: "NullNotAllowed", row: 0, name: "n" })
  })

  it("text format: escapes, the end marker, and data after it", () => {
    const one = [{ name: "s", type: BuiltIn.text }]
    const of = (data: string, format = text()) => read(format, one, utf8(data)).map(([value]) => value)
    assert.deepStrictEqual(of("\\b\\f\\n\\r\\t\\v\\\\\n"), ["\b\f\n\r\t\v\\"])
    assert.deepStrictEqual(of("\\101\\1018\\x41\\x4a4\\xg\\q\\\n\n"), ["AA8AJ4xgq\n"])
    assert.deepStrictEqual(of("a\r\nb\n\\N\n\nlast"), ["a", "b", null, "", "last"])
    assert.deepStrictEqual(of("a\n\\.\n"), ["a"])
    assert.deepStrictEqual(of("a\n\\."), ["a"])
    assert.deepInclude(reasonOf(() => of("a\n\\.\nb\n")), { _tag: "Malformed", row: 1 })
    assert.deepInclude(reasonOf(() => of("a\\")), { _tag: "RowTruncated" })
    assert.deepInclude(reasonOf(() => of("\\xff\n")), { _tag: "Malformed", name: "s", row: 0 })
    assert.strictEqual(
      print(write(text({ null: "NULL" }), one, [["NULL"], [null], ["\\N"]])),
      "\\x4eULL\nNULL\n\\\\N\n"
    )
    assert.strictEqual(reasonOf(() => write(text({ null: "" }), one, [[""]]))._tag, "NotRepresentable")
  })

  it("CSV: quotes inside values, line ends, and texts similar to NULL", () => {
    const two = [{ name: "a", type: BuiltIn.text }, { name: "b", type: BuiltIn.text }]
    const of = (data: string, format = csv()) => read(format, two, utf8(data))
    assert.deepStrictEqual(of("x\"y,\"\"z\",\"\"\n"), [["xy,\"z", ""]])
    assert.deepStrictEqual(of("\"a\nb\r\n\",\r\n,\"\"\n"), [["a\nb\r\n", null], [null, ""]])
    assert.deepStrictEqual(of("a,b"), [["a", "b"]])
    assert.deepStrictEqual(of("'it\\'s','\\\\n'\n", csv({ quote: "'", escape: "\\" })), [["it's", "\\n"]])
    assert.strictEqual(reasonOf(() => of("a,\"b\n"))._tag, "RowTruncated")
    // This takes time linear in the line's length.
    assert.strictEqual(reasonOf(() => of("\"\",".repeat(1_000_000) + "\n"))._tag, "ColumnCountMismatch")
    assert.strictEqual(print(write(csv(), two, [["", null], ["a,b", "\\."]])), "\"\",\n\"a,b\",\"\\.\"\n")
  })

  it("rejects a header line with other names", () => {
    const one = [{ name: "s", type: BuiltIn.text }]
    for (const format of [text({ header: true }), csv({ header: true })]) {
      assert.deepStrictEqual(read(format, one, utf8("s\nx\n")), [["x"]])
      for (const data of ["S\nx\n", "s,t\nx\n", "\nx\n", ""]) {
        assert.isTrue(ValueError.isReason(reasonOf(() => read(format, one, utf8(data)))), data)
      }
    }
  })

  it("binary header: signature, flags, OIDs, extension, and data after the end", () => {
    const one = [{ name: "n", type: BuiltIn.int4 }]
    const signature = "5047434f50590aff0d0a00"
    const row = "0001" + "00000004" + "00000007"
    const of = (hex: string, pieceSize?: number) => read(binary, one, fromHex(hex), pieceSize)
    assert.deepStrictEqual(of(`${signature}0000000000000000${row}ffff`), [[7]])
    assert.deepStrictEqual(of(`${signature}0000000000000000ffff`), [])
    // Flags that may be ignored, and an extension that is skipped.
    assert.deepStrictEqual(of(`${signature}0000ffff00000003aabbcc${row}ffff`), [[7]])
    assert.deepStrictEqual(of(`${signature}0000000000000003aabbcc${row}ffff`, 1), [[7]])
    const wrong: ReadonlyArray<readonly [hex: string, tag: ValueError.Reason["_tag"]]> = [
      [`${signature.replace("0d0a", "0a0a")}0000000000000000ffff`, "Malformed"],
      [`${signature}0001000000000000ffff`, "Malformed"], // OIDs
      [`${signature}0002000000000000ffff`, "Malformed"], // an unknown flag
      [`${signature}00000000ffffffffffff`, "Malformed"], // an extension of negative length
      [`${signature}0000000000000003aabb`, "RowTruncated"],
      [`${signature}0000000000000000${row}`, "RowTruncated"],
      [`${signature}0000000000000000${row}ff`, "RowTruncated"],
      [`${signature}0000000000000000${row}ffff00`, "Malformed"],
      [`${signature}0000000000000000fffe`, "Malformed"],
      [`${signature}00000000000000000001fffffffe`, "Malformed"],
      [`${signature}00000000000000000002ffffffffffffffffffff`, "ColumnCountMismatch"],
      [`${signature}000000000000000000017fffffff00`, "RowTruncated"],
      ["", "RowTruncated"],
      [signature, "RowTruncated"]
    ]
    for (const [hex, tag] of wrong) {
      assert.strictEqual(reasonOf(() => of(hex))._tag, tag, hex)
      assert.strictEqual(reasonOf(() => of(hex, 1))._tag, tag, hex)
    }
  })

  it("reads a long value in small chunks in time linear in its length", () => {
    const one = [{ name: "s", type: BuiltIn.text }]
    const value = "x\ty".repeat(400_000)
    for (const [name, format] of formats) {
      assert.deepStrictEqual(read(format, one, write(format, one, [[value], ["y"]]), 100), [[value], ["y"]], name)
    }
  })
})

it("CopyFormat rejects options that the servers would reject", () => {
  const wrong = [
    () => text({ delimiter: "\n" }),
    () => text({ delimiter: "" }),
    () => text({ delimiter: "ab" }),
    () => text({ delimiter: "ä" }),
    () => text({ delimiter: "n" }),
    () => text({ delimiter: "\\" }),
    () => text({ null: "a\nb" }),
    () => text({ null: "a\tb" }),
    () => csv({ delimiter: "\"" }),
    () => csv({ quote: "''" }),
    () => csv({ quote: "\n" }),
    () => csv({ escape: "" }),
    () => csv({ null: "\"" })
  ]
  for (const make of wrong) assert.strictEqual(reasonOf(make)._tag, "OutOfRange", String(make))
  assert.strictEqual(
    csv({ delimiter: ";", null: "it's", header: true, quote: "^", escape: "\\" }).options,
    "FORMAT csv, DELIMITER ';', NULL 'it''s', HEADER, QUOTE '^', ESCAPE  E'\\\\'"
  )
  assert.strictEqual(text().options, "FORMAT text")
})
