/** The texts of errors that mistakes with values lead to. */
import { assert, describe, it } from "@effect/vitest"
import * as ByteWriter from "@hyperfect/protocol/ByteWriter"
import {
  BuiltIn,
  HyperBinaryCopy,
  Parameter,
  PgBinaryCopy,
  RowReader,
  type RowWriter,
  type Type,
  ValueError
} from "@hyperfect/values"
import { inspect } from "node:util"
import { dataRow, fromHex, reasonOf, utf8 } from "./fixtures.ts"

const messageOf = (run: () => unknown): string => new ValueError.ValueError({ reason: reasonOf(run) }).message

const writeWith = (writer: RowWriter.RowWriter<RowReader.ArrayRow>, row: RowReader.ArrayRow) => () =>
  writer(ByteWriter.make(), row, 0)

const columns = (...types: ReadonlyArray<Type.Any>): RowWriter.Options => ({
  columns: types.map((type, i) => ({ name: `c${i}`, type }))
})

const bind = (values: ReadonlyArray<unknown>) => () => Parameter.encoders(values, "postgres")

const readRow = (type: Type.Any, format: Type.Format, bytes: Uint8Array, name = "c0") => () => {
  const row = dataRow([bytes])
  const read = RowReader.arraysUnsafe({ columns: [{ name, typeOid: 0, typeModifier: -1, type }], formats: format })
  return read(row, 0, row.length)
}

const mistakes: Readonly<Record<string, readonly [run: () => unknown, text: string]>> = {
  "a parameter that is a symbol": [
    bind([1, Symbol("s3cret")]),
    "parameter $2, parameter: TypeMismatch: wanted a value that a type can be inferred from, " +
    "or a type given with Parameter.make, found symbol"
  ],
  "an undefined parameter": [bind([undefined]), "parameter $1 is undefined; use null for NULL"],
  "a boolean for a number": [
    writeWith(PgBinaryCopy.arraysUnsafe(columns(BuiltIn.int4)), [true]),
    "row 0, column 0 \"c0\", int4 (binary): TypeMismatch: wanted an integer from -2147483648 to 2147483647, found boolean"
  ],
  "a bytea that is a string": [
    writeWith(HyperBinaryCopy.arraysUnsafe(columns(BuiltIn.bytea)), ["s3cret"]),
    "row 0, column 0 \"c0\", bytea (HyperBinary): TypeMismatch: wanted Uint8Array, found string"
  ],
  "a uuid that is none": [
    writeWith(PgBinaryCopy.arraysUnsafe(columns(BuiltIn.uuid)), ["s3cret"]),
    "row 0, column 0 \"c0\", uuid (binary): OutOfRange: wanted 8-4-4-4-12 hexadecimal digits, found another string"
  ],
  "an int4 of three bytes": [
    readRow(BuiltIn.int4, 1, fromHex("010203")),
    "column 0 \"c0\", int4 (binary): Malformed: wanted 4 bytes, found 3 bytes"
  ],
  "a text that is not a date": [
    readRow(BuiltIn.date, 0, utf8("s3cret")),
    "column 0 \"c0\", date (text): Malformed: wanted YYYY-MM-DD (DateStyle ISO), infinity or -infinity, found 6 other bytes"
  ],
  "a column whose name has an escape sequence": [
    readRow(BuiltIn.int4, 1, fromHex("01"), "\u001b[31m"),
    "column 0 \"\\u001b[31m\", int4 (binary): Malformed: wanted 4 bytes, found 1 bytes"
  ]
}

describe("Mistakes", () => {
  for (const [title, [run, text]] of Object.entries(mistakes)) {
    it(`the error for ${title} names its place`, () => {
      assert.strictEqual(messageOf(run), text)
      assert.notInclude(messageOf(run), "s3cret")
    })
  }

  it("are printed with reason and message, and with control characters escaped", () => {
    const reason = ValueError.reason("Malformed", "\u009b31m", 0, "a value", "\u001b]0;title\u0007")
    const error = new ValueError.ValueError({ reason })
    assert.strictEqual(error.message, "\\u009b31m (text): Malformed: wanted a value, found \\u001b]0;title\\u0007")
    assert.strictEqual(inspect(error).split("\n")[0], `ValueError (Malformed): ${error.message}`)
  })
})
