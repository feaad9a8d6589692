import { assert, describe, it } from "@effect/vitest"
import * as ByteWriter from "@hyperfect/protocol/ByteWriter"
import { BuiltIn, CopyFormat, HyperBinaryCopy, type Type, TypeRegistry } from "@hyperfect/values"
import { Equal } from "effect"
import { readFileSync } from "node:fs"
import { fromHex, read, toHex, utf8, write } from "./fixtures.ts"

/** Bytes and texts recorded from a real hyperd, one row per value. */
interface TestVector {
  readonly sqlType: string
  readonly oid: number
  readonly typmod: number
  readonly sqlLiteral: string
  readonly text: string | null
  readonly pgBinaryHex: string | null
  readonly hyperBinaryHex: string | null
  readonly copyNullableHex: string | null
  readonly copyNotNullHex: string | null
}

const testVectors: ReadonlyArray<TestVector> = JSON.parse(
  readFileSync(new URL("vectors/types.json", import.meta.url), "utf8")
)

/** True if hyperd's text differs from this package's: it is read, but not written. */
const textDiffers = (row: TestVector): boolean =>
  row.oid === BuiltIn.float4.oid || row.oid === BuiltIn.float8.oid || row.oid === BuiltIn.interval.oid || isArray(row)

const isArray = (row: TestVector): boolean => row.sqlType.startsWith("array(")

/**
 * True if hyperd's binary format differs: it keeps leading and trailing digits 0000, which PostgreSQL and this package
 * strip, and sends an empty array with one dimension, where PostgreSQL has none.
 */
const binaryDiffers = (row: TestVector): boolean =>
  (row.oid === BuiltIn.numeric.oid && /^.{16}(0000|.*0000$)/.test(row.pgBinaryHex!)) ||
  row.oid === BuiltIn.numeric.arrayOid || (isArray(row) && row.text === "[]")

/** Removes the flag for NULL elements of an array, which PostgreSQL and this package set; hyperd always sends 0. */
const withoutFlag = (row: TestVector, hex: string): string => (isArray(row) ? hex.slice(0, 8) + hex.slice(16) : hex)

/** Compares JSON as text, because the parsed value does not contain the whitespace. */
const typeOf = (row: TestVector): Type.Any | undefined =>
  row.oid === BuiltIn.json.oid ? BuiltIn.jsonText : TypeRegistry.builtIn.find(row.oid)

describe("values recorded from hyperd", () => {
  it("have types that the registry knows", () => {
    assert.strictEqual(testVectors.length, 228)
    assert.deepStrictEqual(testVectors.filter((row) => TypeRegistry.builtIn.find(row.oid) === undefined), [])
  })

  for (const row of testVectors) {
    const type = typeOf(row)
    if (type === undefined || row.text === null) continue
    it(`${row.sqlType}: ${row.sqlLiteral}`, () => {
      const hyper = fromHex(row.hyperBinaryHex!)
      const text = utf8(row.text!)
      const value = read(type, 2, hyper, row.typmod)

      assert.strictEqual(toHex(write(type, 2, value, row.typmod)), toHex(hyper))

      if (row.pgBinaryHex === null) {
        // Only geography has no binary format, and its text and its bytes are different values.
        assert.strictEqual(type, BuiltIn.geography)
        assert.strictEqual(read(type, 0, text), row.text)
        assert.strictEqual(new TextDecoder().decode(write(type, 0, row.text)), row.text)
        return
      }
      const binary = fromHex(row.pgBinaryHex)
      assert.deepStrictEqual(read(type, 1, binary, row.typmod), value)
      const ownBinary = write(type, 1, value, row.typmod)
      if (binaryDiffers(row)) assert.deepStrictEqual(read(type, 1, ownBinary, row.typmod), value)
      else assert.strictEqual(withoutFlag(row, toHex(ownBinary)), withoutFlag(row, toHex(binary)))

      if (row.text === "1.79769313486232e+308") {
        // 15 digits round the largest double up to infinity.
        assert.throws(() => read(type, 0, text, row.typmod))
        return
      }
      const ofText = read(type, 0, text, row.typmod)
      // hyperd prints floats with 6 and 15 digits.
      if (typeof value === "number" && Number.isFinite(value)) {
        assert.closeTo(ofText as number, value, Math.abs(value) * 1e-5)
      } else assert.deepStrictEqual(ofText, value)
      const ownText = write(type, 0, value, row.typmod)
      if (textDiffers(row)) assert.deepStrictEqual(read(type, 0, ownText, row.typmod), value)
      else assert.strictEqual(new TextDecoder().decode(ownText), row.text)
    })
  }
})

describe("rows that hyperd accepted by COPY", () => {
  const columnOf = (row: TestVector, nullable: boolean) => {
    // For COPY, an array of NOT NULL elements has another element type.
    const type = row.sqlType.endsWith(" not null)")
      ? BuiltIn.arrayNotNull(TypeRegistry.builtIn.types.find(({ arrayOid }) => arrayOid === row.oid)!)
      : typeOf(row)!
    return { name: "c", type, typeModifier: row.typmod, nullable }
  }

  /** Reads a row of COPY data byte by byte. */
  const readBack = (row: TestVector, nullable: boolean, hex: string): unknown => {
    const out = ByteWriter.make()
    HyperBinaryCopy.writeHeader(out)
    out.copy(fromHex(hex))
    const bytes = out.take()
    const testVectors: Array<ReadonlyArray<unknown>> = []
    const reader = CopyFormat.hyperBinary.reader("array", [columnOf(row, nullable)])
    for (let at = 0; at < bytes.length; at++) reader.push(bytes, at, at + 1, testVectors)
    reader.end(testVectors)
    assert.lengthOf(testVectors, 1)
    return testVectors[0]![0]
  }

  const written = (row: TestVector, nullable: boolean, value: unknown): string => {
    const column = columnOf(row, nullable)
    const testVectors = (["interpreted", "generated"] as const).map((codegen) => {
      const out = ByteWriter.make()
      HyperBinaryCopy.objectsUnsafe({ columns: [column], codegen: codegen })(out, { c: value }, 0)
      return toHex(out.take())
    })
    assert.strictEqual(testVectors[0], testVectors[1])
    return testVectors[0]!
  }

  for (const row of testVectors) {
    const type = typeOf(row)
    if (type === undefined) continue
    it(`${row.sqlType}: ${row.sqlLiteral}`, () => {
      const value = row.text === null ? null : read(type, 2, fromHex(row.hyperBinaryHex!), row.typmod)
      // COPY TO removes trailing spaces, which COPY FROM accepts with or without.
      const sent = row.oid === BuiltIn.bpchar.oid && value !== null ? (value as string).trimEnd() : value
      assert.strictEqual(written(row, true, sent), row.copyNullableHex)
      if (sent !== null) assert.strictEqual(written(row, false, sent), row.copyNotNullHex)
      assert.isTrue(Equal.equals(readBack(row, true, row.copyNullableHex!), value))
      if (sent !== null) assert.isTrue(Equal.equals(readBack(row, false, row.copyNotNullHex!), value))
    })
  }
})
