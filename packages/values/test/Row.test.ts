import { assert, describe, it } from "@effect/vitest"
import {
  BuiltIn,
  CalendarDate,
  Interval,
  Numeric,
  Preset,
  Row,
  TimestampTz,
  type Type,
  TypeRegistry
} from "@hyperfect/values"
import { Arbitrary, Context, Effect, Equal, Exit, Result, Schema, SchemaTransformation } from "effect"

const column = (name: string, type: Type.Any): Row.Column => ({ name, type })

const decoder = <A, RD>(schema: Schema.Decoder<A, RD>, columns: ReadonlyArray<Row.Column>): Row.RowDecoder<A, RD> =>
  Result.getOrThrowWith(Row.schema(schema)(columns), (mismatch) => new Error(JSON.stringify(mismatch)))

const mismatch = <A, RD>(schema: Schema.Decoder<A, RD>, columns: ReadonlyArray<Row.Column>): Row.Mismatch => {
  const result = Row.schema(schema)(columns)
  return Result.isFailure(result) ? result.failure : assert.fail("it fits")
}

const id = column("id", BuiltIn.int8)
const name = column("name", BuiltIn.text)

describe("a Schema of rows", () => {
  it.effect("hands rows on as they are when the columns guarantee what it says", () =>
    Effect.gen(function*() {
      const { decode, isFused } = decoder(Schema.Struct({ id: Schema.BigInt, name: Schema.NullOr(Schema.String) }), [
        id,
        name
      ])
      assert.isTrue(isFused)
      const rows = [{ id: BigInt(1), name: null }, { id: BigInt(2), name: "x" }]
      const decoded = yield* decode(rows, 0)
      assert.strictEqual<unknown>(decoded, rows)
    }))

  it.effect("finds NULL where a field does not take it, in its row", () =>
    Effect.gen(function*() {
      const { decode } = decoder(Schema.Struct({ id: Schema.BigInt }), [id])
      const refusal = yield* Effect.flip(decode([{ id: BigInt(1) }, { id: null }], 10))
      assert.strictEqual(refusal.row, 11)
      assert.include(refusal.issue, "id")
      const proto = decoder(Schema.Struct({ ["__proto__"]: Schema.BigInt }), [column("__proto__", BuiltIn.int8)])
      assert.strictEqual((yield* Effect.flip(proto.decode([JSON.parse("{\"__proto__\":null}")], 0))).row, 0)
    }))

  it("says what is missing, what is too much and what is of another type", () => {
    const User = Schema.Struct({ id: Schema.String, name: Schema.String, age: Schema.optionalKey(Schema.Int) })
    assert.deepStrictEqual(mismatch(User, [id, column("x", BuiltIn.bool)]), {
      missing: ["name"],
      unexpected: ["x"],
      mistyped: [{ name: "id", typeName: "int8", wanted: "string", found: "bigint" }]
    })
    const Dated = Schema.Struct({ day: Schema.NullOr(Schema.Date) })
    assert.deepStrictEqual(mismatch(Dated, [column("day", BuiltIn.date)]).mistyped, [
      { name: "day", typeName: "date", wanted: "Date | null", found: "CalendarDate" }
    ])
    assert.deepStrictEqual(
      mismatch(Schema.Struct({ at: Schema.DateTimeUtc }), [column("at", BuiltIn.timestamptz)]).mistyped,
      [{ name: "at", typeName: "timestamptz", wanted: "DateTime.Utc", found: "TimestampTz" }]
    )
    assert.strictEqual(
      mismatch(Schema.Struct({ n: Schema.FiniteFromString }), [column("n", BuiltIn.int4)]).mistyped[0]?.wanted,
      "string"
    )
    // An inherited name is none of a column.
    assert.deepStrictEqual(mismatch(Schema.Struct({ toString: Schema.String }), []).missing, ["toString"])
  })

  it("is fused with what columns usually are", () => {
    const fused: ReadonlyArray<readonly [Schema.Decoder<unknown>, Type.Any]> = [
      [Schema.Int, BuiltIn.int4],
      [Schema.Number, BuiltIn.int2],
      [Schema.Number, BuiltIn.float8],
      [Schema.Number, BuiltIn.float4],
      [Schema.BigInt, BuiltIn.int8],
      [Schema.Boolean, BuiltIn.bool],
      [Schema.String, BuiltIn.text],
      [Schema.NullOr(Schema.String), BuiltIn.uuid],
      [Schema.String, BuiltIn.inet],
      [Schema.Union([Schema.String, Schema.Number]), BuiltIn.varchar],
      [Schema.Uint8Array, BuiltIn.bytea],
      [Numeric.Numeric, BuiltIn.numeric],
      [CalendarDate.CalendarDate, BuiltIn.date],
      [TimestampTz.TimestampTz, BuiltIn.timestamptz],
      [Schema.NullOr(Interval.Interval), BuiltIn.interval],
      [Schema.Unknown, BuiltIn.json],
      [Schema.String, Preset.native(BuiltIn.int8, "c")],
      [Schema.Literals(["a", "b", "c"]), BuiltIn.enumeration(["a", "b"], { name: "e", oid: 1, arrayOid: 0 })],
      [Schema.String, BuiltIn.enumeration(["a", "b"], { name: "e", oid: 1, arrayOid: 0 })]
    ]
    for (const [field, type] of fused) {
      assert.isTrue(decoder(Schema.Struct({ c: field }), [column("c", type)]).isFused, type.name)
    }
    const decoded: ReadonlyArray<readonly [Schema.Decoder<unknown>, Type.Any]> = [
      [Schema.Finite, BuiltIn.float8],
      [Schema.NonEmptyString, BuiltIn.text],
      [Schema.BigDecimal, BuiltIn.numeric],
      [Schema.FiniteFromString, BuiltIn.text],
      [Schema.Struct({ a: Schema.Int }), BuiltIn.jsonb],
      [Schema.Literals(["a"]), BuiltIn.enumeration(["a", "b"], { name: "e", oid: 1, arrayOid: 0 })],
      [Schema.Array(Schema.Int), BuiltIn.array(BuiltIn.int4)]
    ]
    for (const [field, type] of decoded) {
      assert.isFalse(decoder(Schema.Struct({ c: field }), [column("c", type)]).isFused, type.name)
    }
  })

  it.effect("decodes what it checks, transforms or makes instances of", () =>
    Effect.gen(function*() {
      class User extends Schema.Class<User>("User")({ id: Schema.BigInt, name: Schema.String }) {}
      const users = decoder(User, [id, name])
      assert.isFalse(users.isFused)
      assert.isTrue((yield* users.decode([{ id: BigInt(1), name: "x" }], 0))[0] instanceof User)
      const renamed = Schema.Struct({ id: Schema.BigInt, title: Schema.String }).pipe(
        Schema.encodeKeys({ title: "name" })
      )
      assert.deepStrictEqual(yield* decoder(renamed, [id, name]).decode([{ id: BigInt(1), name: "x" }], 0), [
        { id: BigInt(1), title: "x" }
      ])
      const Checked = Schema.Struct({ id: Schema.BigInt }).check(Schema.makeFilter(({ id }) => id > BigInt(5)))
      assert.strictEqual(
        (yield* Effect.flip(decoder(Checked, [id]).decode([{ id: BigInt(6) }, { id: BigInt(1) }], 0))).row,
        1
      )
      const Filled = Schema.Struct({ name: Schema.String.pipe(Schema.withDecodingDefaultType(Effect.succeed("none"))) })
      assert.deepStrictEqual(yield* decoder(Filled, []).decode([{}], 0), [{ name: "none" }])
    }))

  it.effect("decodes by services and by effects that take their time", () =>
    Effect.gen(function*() {
      class Prefix extends Context.Service<Prefix, { readonly text: string }>()("test/Prefix") {}
      const Prefixed = Schema.String.pipe(Schema.decodeTo(
        Schema.String,
        SchemaTransformation.transformEffect({
          decode: (text: string) => Effect.map(Effect.andThen(Effect.yieldNow, Prefix), (prefix) => prefix.text + text),
          encode: Effect.succeed
        }) as never
      )) as unknown as Schema.Decoder<string, Prefix>
      const rows = Array.from({ length: 5 }, (_, i) => ({ name: `${i}` }))
      const decoded = yield* decoder(Schema.Struct({ name: Prefixed }), [name]).decode(rows, 0).pipe(
        Effect.provideService(Prefix, { text: "n" })
      )
      assert.deepStrictEqual(decoded, Array.from({ length: 5 }, (_, i) => ({ name: `n${i}` })))
    }))

  it("takes any columns for a record, and looks at columns once", () => {
    const columns = [id, name]
    const Any = Schema.Record(Schema.String, Schema.Unknown)
    assert.isFalse(decoder(Any, columns).isFused)
    const User = Schema.Struct({ id: Schema.BigInt, name: Schema.String })
    assert.strictEqual(Row.schema(User)(columns), Row.schema(User)(columns))
  })

  it("says nothing of the type of a column that nobody knows", () => {
    const { isFused } = decoder(Schema.Struct({ id: Schema.Boolean }), [{ name: "id", type: undefined }])
    assert.isFalse(isFused)
  })
})

describe("what is said of Schemas and types by themselves", () => {
  const fields = [
    Schema.String,
    Schema.NonEmptyString,
    Schema.Number,
    Schema.Int,
    Schema.Finite,
    Schema.BigInt,
    Schema.Boolean,
    Schema.Date,
    Schema.Uint8Array,
    Schema.BigDecimal,
    Schema.DateTimeUtc,
    Schema.Unknown,
    Schema.Array(Schema.Number),
    Schema.Array(Schema.NullOr(Schema.Int)),
    Schema.Struct({ x: Schema.Number, y: Schema.Number }),
    Schema.Struct({}),
    Schema.ObjectKeyword,
    Schema.NullOr(Schema.Int),
    Schema.Union([Schema.String, Schema.BigInt]),
    Schema.TemplateLiteral(["a", Schema.String]),
    Schema.Null,
    Schema.Undefined,
    Numeric.Numeric,
    CalendarDate.CalendarDate,
    TimestampTz.TimestampTz,
    Interval.Interval
  ] as ReadonlyArray<Schema.Codec<unknown>>

  // Every type by itself, and as the presets have it. Arrays are all alike.
  const arrays = ["int4[]", "text[]", "timestamptz[]"]
  const own = TypeRegistry.builtIn.types.filter(({ name }) => !name.endsWith("[]") || arrays.includes(name))
  const types = own.flatMap((type) =>
    Array.from(new Set([Preset.lossless, Preset.native, Preset.text].map((preset) => preset(type, "c"))))
  )

  it.effect("holds for their values", () =>
    Effect.gen(function*() {
      for (const type of types) {
        const sampled = yield* Effect.exit(
          Arbitrary.sampleEffect(Arbitrary.schema(type.schema as Schema.Codec<unknown>), {
            count: 6,
            seed: type.name
          })
        )
        if (!Exit.isSuccess(sampled)) continue
        const values = sampled.value.filter((value) => value !== null)
        for (const field of fields) {
          const fit = Row.schema(Schema.Struct({ c: field }))([column("c", type)])
          const decode = Schema.decodeUnknownExit(field)
          for (const value of values) {
            const decoded = decode(value)
            const what = `${type.name} ${typeof value} by ${field.ast._tag}`
            // What does not fit takes no value at all, and what is fused takes every value as it is.
            if (Result.isFailure(fit)) assert.isTrue(Exit.isFailure(decoded), what)
            else if (fit.success.isFused) {
              assert.isTrue(Exit.isSuccess(decoded) && Equal.equals(decoded.value, value), what)
            }
          }
        }
      }
    }))
})
