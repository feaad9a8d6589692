import { assert, describe, it } from "@effect/vitest"
import * as ByteWriter from "@hyperfect/protocol/ByteWriter"
import * as Frontend from "@hyperfect/protocol/Frontend"
import { BindWriter, BuiltIn, CalendarDate, Parameter, type Type, type ValueError } from "@hyperfect/values"
import { BigDecimal } from "effect"
import { reasonOf, toHex } from "./fixtures.ts"

/** More messages than code generation takes to start. */
const messageCount = 100

const types: ReadonlyArray<Type.Any | undefined> = [
  BuiltIn.bool,
  BuiltIn.int2,
  BuiltIn.int4,
  BuiltIn.int8,
  BuiltIn.float8,
  BuiltIn.numeric,
  BuiltIn.text,
  BuiltIn.varchar,
  BuiltIn.bytea,
  BuiltIn.date,
  BuiltIn.jsonb,
  BuiltIn.array(BuiltIn.int4),
  BuiltIn.uuid,
  undefined
]

const row = (i: number): Array<unknown> => [
  i % 2 === 0,
  i - 50,
  -i * 1000,
  i % 3 === 0 ? i : BigInt(i) * BigInt(1e15),
  i / 3,
  i % 2 === 0 ? i : BigDecimal.make(BigInt(i), 2),
  "é€😀x".repeat(i % 9),
  "plain ascii ".repeat(i % 30),
  new Uint8Array(i * 3).fill(i),
  CalendarDate.makeUnsafe(2024, 2, 1 + i % 28),
  { i },
  [i, i + 1],
  "00112233-4455-6677-8899-aabbccddeeff",
  i
]

const withNulls = (i: number): Array<unknown> =>
  row(i).map((value, column) => ((i >> 2) + column) % 4 === 0 ? null : value)

/** Encodes the same message from parameters that are each written separately. */
const expected = (values: ReadonlyArray<unknown>, formats: ReadonlyArray<number>): Uint8Array =>
  Frontend.encodeUnsafe({
    _tag: "Bind",
    portal: "p",
    statement: "a statement",
    parameterFormats: formats,
    parameters: values.map((value, i) => {
      if (value === null) return null
      const out = ByteWriter.make()
      Parameter.describedEncoder(value, types[i]).write(out, value, -1)
      return out.take()
    }),
    resultFormats: [1, 0, 1]
  })

const decode = (bytes: Uint8Array): Frontend.Bind => {
  const message = Frontend.readerUnsafe("password")(bytes, 0, bytes.length)
  return message._tag === "Bind" ? message : assert.fail(message._tag)
}

const make = (options?: Partial<BindWriter.Options>) =>
  BindWriter.make({ statement: "a statement", portal: "p", types, resultFormats: [1, 0, 1], ...options })

const writeOne = (write: BindWriter.BindWriter, values: ReadonlyArray<unknown>): Uint8Array => {
  const out = ByteWriter.make()
  write(out, values)
  return out.take()
}

describe.each(["interpreted", "generated"] as const)("BindWriter, %s", (codegen) => {
  it("writes complete frames with each value in the encoding of its type, for any number of messages", () => {
    const write = make({ codegen: codegen })
    const out = ByteWriter.make(64)
    for (let i = 0; i < messageCount; i++) {
      const values = i < messageCount / 2 ? row(i) : withNulls(i)
      write(out, values)
      const bytes = out.take()
      const { parameterFormats } = decode(bytes)
      assert.strictEqual(toHex(bytes), toHex(expected(values, parameterFormats)))
      values.forEach((value, column) => {
        // The format of a NULL has no meaning.
        if (value !== null) {
          assert.strictEqual(parameterFormats[column], Parameter.describedEncoder(value, types[column]).format)
        }
      })
    }
  })

  it("writes a single format if all values have the same one, and none without values", () => {
    const write = make({ codegen: codegen, types: [BuiltIn.int4, BuiltIn.bool] })
    const empty = make({ codegen: codegen, types: [] })
    for (let i = 0; i < messageCount; i++) {
      assert.deepStrictEqual(decode(writeOne(write, [i, true])).parameterFormats, [1])
      const { parameterFormats, parameters, resultFormats } = decode(writeOne(empty, []))
      assert.deepStrictEqual([parameterFormats, parameters, resultFormats], [[], [], [1, 0, 1]])
    }
  })

  it("adapts to values that change their kind", () => {
    const write = make({ codegen: codegen, types: [BuiltIn.int4, BuiltIn.text, BuiltIn.int8] })
    const kinds: ReadonlyArray<ReadonlyArray<unknown>> = [
      [1, "text", BigInt(1)],
      ["2", "text", 5],
      [BigInt(3), 1.5, "7"],
      [Parameter.make(4, BuiltIn.int2), Parameter.make(4, BuiltIn.int4), null],
      [Parameter.make(null, BuiltIn.int2), { a: 1 }, Parameter.make(BigInt(7), BuiltIn.int8)]
    ]
    const reference = kinds.map((values) =>
      toHex(writeOne(make({ types: [BuiltIn.int4, BuiltIn.text, BuiltIn.int8] }), values))
    )
    for (let round = 0; round < 3; round++) {
      kinds.forEach((values, kind) => {
        for (let i = 0; i < messageCount; i++) assert.strictEqual(toHex(writeOne(write, values)), reference[kind])
      })
    }
    for (let i = 0; i < 5 * messageCount; i++) {
      assert.strictEqual(toHex(writeOne(write, kinds[i % kinds.length]!)), reference[i % kinds.length])
    }
  })

  it("writes the limits of a range, and names the parameter that exceeds them", () => {
    const write = make({
      codegen: codegen,
      types: [BuiltIn.int4, BuiltIn.int8, BuiltIn.int8, BuiltIn.text, BuiltIn.int2]
    })
    const out = ByteWriter.make()
    const most = BigInt("9223372036854775807")
    const good = [0x7fffffff, most, Number.MIN_SAFE_INTEGER, "a", -0x8000]
    const wrong: ReadonlyArray<readonly [index: number, value: unknown, tag: ValueError.Reason["_tag"]]> = [
      [1, 0x80000000, "OutOfRange"],
      [1, 1.5, "OutOfRange"],
      [1, NaN, "TypeMismatch"],
      [2, most + BigInt(1), "OutOfRange"],
      [2, 0.5, "OutOfRange"],
      [3, 2 ** 53, "OutOfRange"],
      [4, "a\0b", "NotRepresentable"],
      [4, "a".repeat(30) + "\0", "NotRepresentable"],
      [4, "\ud800", "NotRepresentable"],
      [4, "a".repeat(30) + "\udfff", "NotRepresentable"],
      [4, undefined, "TypeMismatch"],
      [4, () => 1, "TypeMismatch"],
      [5, 0x8000, "OutOfRange"]
    ]
    for (let i = 0; i < messageCount; i++) {
      write(out, good)
      const [index, value, tag] = wrong[i % wrong.length]!
      const before = toHex(out.bytes.subarray(0, out.position))
      const reason = reasonOf(() => write(out, good.with(index - 1, value as never)))
      assert.deepInclude(reason, { _tag: tag, location: "parameter", index })
      assert.strictEqual(toHex(out.bytes.subarray(0, out.position)), before)
      out.take()
    }
  })

  it("requires one value per type", () => {
    const write = make({ codegen: codegen, types: [BuiltIn.int4] })
    for (let i = 0; i < messageCount; i++) {
      for (const values of [[], [1, 2]]) {
        assert.strictEqual(reasonOf(() => writeOne(write, values)).wanted, "1 parameters")
      }
      writeOne(write, [1])
    }
  })

  it("writes nothing if encoding a value throws", () => {
    const write = make({ codegen: codegen, types: [BuiltIn.jsonb] })
    const throws = {
      toJSON: () => {
        throw new Error("on purpose")
      }
    }
    for (let i = 0; i < messageCount; i++) {
      writeOne(write, [{ i }])
      assert.deepInclude(reasonOf(() => writeOne(write, [throws])), { location: "parameter", index: 1 })
    }
  })

  it("writes a message while the code of a value writes another one", () => {
    const write = make({ codegen: codegen, types: [BuiltIn.jsonb] })
    const other = ByteWriter.make()
    const nested = {
      toJSON: () => {
        write(other, [{ a: 1 }])
        return { b: 2 }
      }
    }
    for (let i = 0; i < messageCount; i++) {
      assert.strictEqual(toHex(writeOne(write, [nested])), toHex(writeOne(write, [{ b: 2 }])))
    }
  })
})

describe("BindWriter.writeUnsafe", () => {
  it("writes a message with the given encoders", () => {
    const values = [1, null, "two"]
    const encoders = Parameter.encoders(values, "hyper")
    const out = ByteWriter.make()
    BindWriter.writeUnsafe(out, { statement: "", encoders, values, resultFormats: [2] })
    const { parameterFormats, parameters, portal, resultFormats, statement } = decode(out.take())
    assert.deepStrictEqual({ portal, statement, parameterFormats, resultFormats }, {
      portal: "",
      statement: "",
      parameterFormats: [2, 0, 0],
      resultFormats: [2]
    })
    assert.deepStrictEqual(parameters.map((bytes) => bytes && toHex(bytes)), ["01000000", null, "74776f"])
  })
})
