import { assert, describe, it } from "@effect/vitest"
import * as ByteWriter from "@hyperfect/protocol/ByteWriter"
import { BuiltIn, CopyFormat, HyperBinaryCopy, type Type, TypeRegistry } from "@hyperfect/values"
import { Equal } from "effect"
import { readFileSync } from "node:fs"
import { fromHex, read, toHex, utf8, write } from "./fixtures.ts"

/** Bytes and texts that a real hyperd sent, one row a value. */
interface Vector {
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

const rows: ReadonlyArray<Vector> = JSON.parse(readFileSync(new URL("vectors/types.json", import.meta.url), "utf8"))

/** Texts that hyperd writes another way than this package, which are read but not expected back. */
const textDiffers = (row: Vector): boolean =>
  row.oid === BuiltIn.float4.oid || row.oid === BuiltIn.float8.oid || row.oid === BuiltIn.interval.oid || isArray(row)

const isArray = (row: Vector): boolean => row.sqlType.startsWith("array(")

/**
 * hyperd keeps digits 0000 at the ends, which PostgreSQL strips and so do we, and gives an empty array one dimension, of
 * which PostgreSQL gives it none.
 */
const binaryDiffers = (row: Vector): boolean =>
  (row.oid === BuiltIn.numeric.oid && /^.{16}(0000|.*0000$)/.test(row.pgBinaryHex!)) ||
  row.oid === BuiltIn.numeric.arrayOid || (isArray(row) && row.text === "[]")

/** Whether an array holds NULL: PostgreSQL says so in front, and so do we; hyperd says 0 whatever it holds. */
const withoutFlag = (row: Vector, hex: string): string => (isArray(row) ? hex.slice(0, 8) + hex.slice(16) : hex)

/** JSON is compared as the text that it is: the parsed value cannot know how its text was spaced. */
const typeOf = (row: Vector): Type.Any | undefined =>
  row.oid === BuiltIn.json.oid ? BuiltIn.jsonText : TypeRegistry.builtIn.find(row.oid)

describe("values that hyperd sent", () => {
  it("are all of types that the registry knows", () => {
    assert.strictEqual(rows.length, 228)
    assert.deepStrictEqual(rows.filter((row) => TypeRegistry.builtIn.find(row.oid) === undefined), [])
  })

  for (const row of rows) {
    const type = typeOf(row)
    if (type === undefined || row.text === null) continue
    it(`${row.sqlType}: ${row.sqlLiteral}`, () => {
      const hyper = fromHex(row.hyperBinaryHex!)
      const text = utf8(row.text!)
      const value = read(type, 2, hyper, row.typmod)

      assert.strictEqual(toHex(write(type, 2, value, row.typmod)), toHex(hyper))

      if (row.pgBinaryHex === null) {
        // Only geography has no such form, and its text is another value than its bytes.
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
        // 15 digits round the largest double up to a number that is none.
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

describe("rows that hyperd took by COPY", () => {
  const columnOf = (row: Vector, nullable: boolean) => {
    // The element type of an array of NOT NULL is another one to COPY.
    const type = row.sqlType.endsWith(" not null)")
      ? BuiltIn.arrayNotNull(TypeRegistry.builtIn.types.find(({ arrayOid }) => arrayOid === row.oid)!)
      : typeOf(row)!
    return { name: "c", type, typeModifier: row.typmod, nullable }
  }

  /** Reads a row as COPY would give it, byte by byte. */
  const readBack = (row: Vector, nullable: boolean, hex: string): unknown => {
    const out = ByteWriter.make()
    HyperBinaryCopy.writeHeader(out)
    out.copy(fromHex(hex))
    const bytes = out.take()
    const rows: Array<ReadonlyArray<unknown>> = []
    const reader = CopyFormat.hyperBinary.reader("array", [columnOf(row, nullable)])
    for (let at = 0; at < bytes.length; at++) reader.push(bytes, at, at + 1, rows)
    reader.end(rows)
    assert.lengthOf(rows, 1)
    return rows[0]![0]
  }

  const written = (row: Vector, nullable: boolean, value: unknown): string => {
    const column = columnOf(row, nullable)
    const rows = (["closures", "generated"] as const).map((backEnd) => {
      const out = ByteWriter.make()
      HyperBinaryCopy.objectsUnsafe({ columns: [column], backEnd })(out, { c: value }, 0)
      return toHex(out.take())
    })
    assert.strictEqual(rows[0], rows[1])
    return rows[0]!
  }

  for (const row of rows) {
    const type = typeOf(row)
    if (type === undefined) continue
    it(`${row.sqlType}: ${row.sqlLiteral}`, () => {
      const value = row.text === null ? null : read(type, 2, fromHex(row.hyperBinaryHex!), row.typmod)
      // COPY TO trims what COPY FROM takes either way.
      const sent = row.oid === BuiltIn.bpchar.oid && value !== null ? (value as string).trimEnd() : value
      assert.strictEqual(written(row, true, sent), row.copyNullableHex)
      if (sent !== null) assert.strictEqual(written(row, false, sent), row.copyNotNullHex)
      assert.isTrue(Equal.equals(readBack(row, true, row.copyNullableHex!), value))
      if (sent !== null) assert.isTrue(Equal.equals(readBack(row, false, row.copyNotNullHex!), value))
    })
  }
})
