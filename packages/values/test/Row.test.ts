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
import type { ObjectRow } from "@hyperfect/values/RowReader"
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

describe("Row.schema", () => {
  it.effect("returns rows unchanged if the columns guarantee what the Schema requires", () =>
    Effect.gen(function*() {
      const { decode, isPassThrough } = decoder(
        Schema.Struct({ id: Schema.BigInt, name: Schema.NullOr(Schema.String) }),
        [
          id,
          name
        ]
      )
      assert.isTrue(isPassThrough)
      const rows = [{ id: BigInt(1), name: null }, { id: BigInt(2), name: "x" }]
      const decoded = yield* decode(rows, 0)
      assert.strictEqual<unknown>(decoded, rows)
    }))

  it.effect("leaves out columns without a field", () =>
    Effect.gen(function*() {
      const { decode, isPassThrough } = decoder(Schema.Struct({ id: Schema.BigInt }), [id, name])
      assert.isFalse(isPassThrough)
      assert.deepStrictEqual(yield* decode([{ id: BigInt(1), name: "x" }], 0), [{ id: BigInt(1) }])
    }))

  it.effect("reports the row with a NULL in a field that does not accept it", () =>
    Effect.gen(function*() {
      const { decode } = decoder(Schema.Struct({ id: Schema.BigInt }), [id])
      const refusal = yield* Effect.flip(decode([{ id: BigInt(1) }, { id: null }], 10))
      assert.strictEqual(refusal.row, 11)
      assert.include(refusal.issue, "id")
      const proto = decoder(Schema.Struct({ ["__proto__"]: Schema.BigInt }), [column("__proto__", BuiltIn.int8)])
      assert.strictEqual((yield* Effect.flip(proto.decode([JSON.parse("{\"__proto__\":null}")], 0))).row, 0)
    }))

  it("reports missing, unexpected and mistyped columns", () => {
    const User = Schema.Struct({ id: Schema.String, name: Schema.String, age: Schema.optionalKey(Schema.Int) })
    assert.deepStrictEqual(mismatch(User, [id, column("x", BuiltIn.bool)]), {
      missing: ["name"],
      unexpected: ["x"],
      mistyped: [{ name: "id", typeName: "int8", wanted: "string", found: "bigint" }]
    })
    const Id = Schema.Struct({ id: Schema.BigInt })
    const strict = Row.schema(Id, { onExcessColumn: "error" })([id, name])
    assert.deepStrictEqual(Result.isFailure(strict) && strict.failure.unexpected, ["name"])
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
    // An inherited property name is not a column.
    assert.deepStrictEqual(mismatch(Schema.Struct({ toString: Schema.String }), []).missing, ["toString"])
  })

  it("needs no decoding for the usual column types", () => {
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
      assert.isTrue(decoder(Schema.Struct({ c: field }), [column("c", type)]).isPassThrough, type.name)
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
      assert.isFalse(decoder(Schema.Struct({ c: field }), [column("c", type)]).isPassThrough, type.name)
    }
  })

  it.effect("decodes rows for checks, transformations and classes", () =>
    Effect.gen(function*() {
      class User extends Schema.Class<User>("User")({ id: Schema.BigInt, name: Schema.String }) {}
      const users = decoder(User, [id, name])
      assert.isFalse(users.isPassThrough)
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

  it.effect("decodes many rows as the Schema does, with its errors", () =>
    Effect.gen(function*() {
      const Even = Schema.Int.check(
        Schema.makeFilter((n) => n % 2 === 0),
        Schema.isBetween({ minimum: 0, maximum: 1e6 })
      )
      const fields = [
        Schema.String,
        Schema.NonEmptyString.check(Schema.isMaxLength(3)),
        Even,
        Schema.NullOr(Even),
        Schema.Finite,
        Schema.Boolean,
        Schema.Union([Schema.BigInt, Schema.String, Schema.Null]),
        Schema.Union([Schema.Number, Schema.Int, Schema.String], { mode: "oneOf" }),
        Schema.Date,
        Schema.Uint8Array,
        CalendarDate.CalendarDate,
        Schema.FiniteFromString,
        Schema.Unknown,
        Schema.Struct({ a: Schema.Int }),
        Schema.optionalKey(Schema.Int)
      ] as ReadonlyArray<Schema.Codec<unknown>>
      const values: ReadonlyArray<unknown> = [
        "abc",
        "",
        "12",
        7,
        8,
        2e6,
        NaN,
        true,
        BigInt(3),
        null,
        undefined,
        new Date(0),
        new Uint8Array(2),
        CalendarDate.fromDayUnsafe(1),
        { a: 1, b: 2 }
      ]
      for (const field of fields) {
        // An inherited name, a name that needs quotes, and a name that an object literal does not define.
        for (const key of ["c", "toString", "a \"b\"", "__proto__"]) {
          const struct = Schema.Struct({ first: Schema.Int, [key]: field }) as unknown as Schema.Codec<unknown>
          const { decode } = decoder(struct, [{ name: "first" }, { name: key }])
          const wanted = Schema.decodeUnknownExit(struct)
          const row = (value: unknown): ObjectRow =>
            JSON.parse(`{"extra":1,"first":1}`, function(name, parsed: object) {
              return name === "" ? Object.defineProperty(parsed, key, { value, enumerable: true }) : parsed
            }) as ObjectRow
          for (const value of values) {
            const expected = wanted(row(value))
            // Enough rows to use generated code, if there is any.
            if (Exit.isSuccess(expected)) yield* decode(Array.from({ length: 600 }, () => row(value)), 0)
          }
          for (const candidate of [...values.map(row), { first: 1 } as ObjectRow, { [key]: "abc" } as ObjectRow]) {
            const expected = wanted(candidate)
            const decoded = yield* Effect.exit(decode([candidate], 0))
            assert.strictEqual(Exit.isSuccess(decoded), Exit.isSuccess(expected), `${field.ast._tag} ${key}`)
            if (!Exit.isSuccess(decoded) || !Exit.isSuccess(expected)) continue
            assert.deepStrictEqual<unknown>(decoded.value, [expected.value])
            assert.deepStrictEqual(Object.keys(decoded.value[0] as object), Object.keys(expected.value as object))
          }
        }
      }
      const { decode } = decoder(Schema.Struct({ id: Schema.Int, name: Schema.String }), [{ name: "id" }, {
        name: "name"
      }])
      const rows: Array<ObjectRow> = Array.from({ length: 700 }, (_, id) => ({ id, name: "x" }))
      yield* decode(rows, 0)
      rows[650] = { id: 1.5, name: "x" }
      const refusal = yield* Effect.flip(decode(rows, 1000))
      assert.strictEqual(refusal.row, 1650)
      assert.include(refusal.issue, "an integer")
      rows[650] = { id: 1, name: null }
      assert.include((yield* Effect.flip(decode(rows, 0))).issue, "column \"name\" is NULL")
    }))

  it.effect("decodes with services and asynchronous effects", () =>
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

  it("accepts any columns for a record, and caches the result per columns", () => {
    const columns = [id, name]
    const Any = Schema.Record(Schema.String, Schema.Unknown)
    assert.isFalse(decoder(Any, columns).isPassThrough)
    const User = Schema.Struct({ id: Schema.BigInt, name: Schema.String })
    assert.strictEqual(Row.schema(User)(columns), Row.schema(User)(columns))
  })

  it("accepts a column of unknown type", () => {
    const { isPassThrough } = decoder(Schema.Struct({ id: Schema.Boolean }), [{ name: "id", type: undefined }])
    assert.isFalse(isPassThrough)
  })
})

describe("Row.schema > compatibility of fields and types", () => {
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

  // Every type, and its replacements in the presets. All arrays behave alike.
  const arrays = ["int4[]", "text[]", "timestamptz[]"]
  const own = TypeRegistry.builtIn.types.filter(({ name }) => !name.endsWith("[]") || arrays.includes(name))
  const types = own.flatMap((type) =>
    Array.from(new Set([Preset.lossless, Preset.native, Preset.text].map((preset) => preset(type, "c"))))
  )

  it.effect("agrees with decoding their values", () =>
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
            // A mismatch means that no value decodes, and pass-through that every value decodes to itself.
            if (Result.isFailure(fit)) assert.isTrue(Exit.isFailure(decoded), what)
            else if (fit.success.isPassThrough) {
              assert.isTrue(Exit.isSuccess(decoded) && Equal.equals(decoded.value, value), what)
            }
          }
        }
      }
    }))
})
