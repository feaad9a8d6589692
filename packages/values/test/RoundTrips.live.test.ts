/** Checks that a value that was read can be sent back, and is the same value for the server. */
import { assert, layer } from "@effect/vitest"
import { Session, Statement } from "@hyperfect/client"
import { NodePlatform } from "@hyperfect/node"
import { PostgresServer } from "@hyperfect/testing"
import { BuiltIn, Json, Money, Parameter, Preset, TimestampTz, type Type } from "@hyperfect/values"
import { BigDecimal, Effect, Equal, Layer } from "effect"
import * as SqlLiterals from "./sqlLiterals.ts"

const { fromTextUnsafe, sql, withPreset } = Statement

const Server = PostgresServer.layer({ authentication: "trust" }).pipe(Layer.provideMerge(NodePlatform.layer))

const openSession = Effect.fnUntraced(function*(statementCacheSize?: number) {
  const { database, endpoint, user } = yield* PostgresServer.PostgresServer
  return yield* Session.make({ endpoint, user, database, statementCacheSize })
})

let nameCount = 0
const uniqueName = (prefix: string): string => `${prefix}_${++nameCount}`

const quoted = (text: string): string => `'${text.replaceAll("'", "''")}'`

const presets = { lossless: Preset.lossless, native: Preset.native, text: Preset.text }

/** Adds empty vectors, which have no binary encoding that the server accepts. */
const literalsOf = ({ literals, type }: SqlLiterals.TypeLiterals): ReadonlyArray<string> => [
  ...literals.filter((literal) => literal.length < 1000),
  ...(type.name.endsWith("vector") && type.prefersText === true ? [""] : [])
]

const all: ReadonlyArray<SqlLiterals.TypeLiterals> = [
  ...SqlLiterals.common,
  ...SqlLiterals.postgres,
  { type: BuiltIn.money, sql: "money", literals: ["0", "12.34", "-1234567.89"] },
  ...BuiltIn.registeredTypes.slice(0, 2).map((type) => ({
    type,
    sql: type.name,
    literals: type === BuiltIn.regclass ? ["pg_class"] : ["integer", "text[]"]
  }))
]

/** The types that contain a type: the name in SQL, and an expression for a value. */
const containersOf = (sqlType: string, names: { readonly row: string; readonly range: string | undefined }) => [
  { type: sqlType, of: (value: string) => value },
  { type: `${sqlType}[]`, of: (value: string) => `array[${value}, null, ${value}]` },
  { type: names.row, of: (value: string) => `cast(row(${value}, array[${value}, null]) as ${names.row})` },
  ...(names.range === undefined ? [] : [
    { type: names.range, of: (value: string) => `${names.range}(${value}, null)` }
  ])
]

/** True for types whose values a preset does not read losslessly: a `Date` has no microseconds. */
const cannotHold = (type: Type.Any, preset: keyof typeof presets): boolean =>
  preset === "native" && /^(timestamptz|jsonb?)$/.test(type.name)

/** Reads values, sends them back as parameters of their type, and has the server compare the text of both. */
const assertRoundTrips = Effect.fnUntraced(function*(
  session: Session.Session,
  values: ReadonlyArray<string>,
  type: string,
  preset: Preset.Preset,
  toParameter: (value: unknown) => unknown = (value) => value
) {
  const read = yield* session.values(withPreset(`select ${values.join(", ")}`, preset))
  const compared = values.map((value, i) => `($${i + 1}::${type})::text is not distinct from (${value})::text`)
  const { rows } = yield* session.values(
    fromTextUnsafe(`select ${compared.join(", ")}`, read.rows[0]!.map((value) => toParameter(value)))
  ).pipe(Effect.mapError((error) => `${type}: ${error.message}`))
  assert.deepStrictEqual(values.filter((_, i) => rows[0]![i] !== true), [], type)
})

/** Types a string explicitly, because a string parameter is a literal, and `true`, because it is sent as a boolean. */
const jsonParameter = (type: Type.Any) => (value: unknown): unknown =>
  /^jsonb?$/.test(type.name) && (typeof value === "string" || typeof value === "boolean")
    ? Parameter.make(value, type)
    : value

layer(Server, { excludeTestServices: true, timeout: "60 seconds" })("round trips on PostgreSQL", (it) => {
  it.effect("JSON null is distinct from NULL, as a value, in arrays and in composites", () =>
    Effect.gen(function*() {
      const session = yield* openSession()
      for (const type of ["json", "jsonb"]) {
        const pair = uniqueName("pair")
        yield* session.query(`create type ${pair} as (a ${type}, b ${type})`)
        const text = `select 'null'::${type} as j, null::${type} as n, array['null', null, '[null]']::${type}[] as list,
            ('null', null)::${pair} as pair, '{"a": null}'::${type} as nested`
        const wanted = { j: Json.Null, n: null, list: [Json.Null, null, [null]], pair: { a: Json.Null, b: null } }
        const [row] = (yield* session.query(text)).rows
        assert.deepStrictEqual(row, { ...wanted, nested: { a: null } })
        const [simple] =
          (yield* session.simple(`select 'null'::${type} as j, '{"null",NULL}'::${type}[] as list`))[0]!.rows
        assert.deepStrictEqual(simple, { j: Json.Null, list: [Json.Null, null] })
        const back = yield* session.values(
          fromTextUnsafe(
            `select ($1::${type})::text, $2::${type} is null, ($3::${type}[])::text, ($4::${pair})::text`,
            [Json.Null, null, wanted.list, wanted.pair]
          )
        )
        assert.deepStrictEqual(back.rows, [[
          "null",
          true,
          "{\"null\",NULL,[null]}",
          "(null,)"
        ]])
        const native = yield* session.values(withPreset(text, Preset.native))
        assert.deepStrictEqual(native.rows[0]!.slice(0, 3), [null, null, [null, null, [null]]])
      }
    }))

  it.effect("money is written as it was read, with and without cached statements", () =>
    Effect.gen(function*() {
      for (const statementCacheSize of [0, 10]) {
        const session = yield* openSession(statementCacheSize)
        const { m } = yield* session.one("select '12.34'::money as m")
        assert.isTrue(Equal.equals(m, Money.fromUnitsUnsafe(BigInt(1234))))
        const { back } = yield* session.one(sql`select (${m}::money)::text as back`)
        assert.strictEqual(back, "$12.34")
        const many = Parameter.make([m as Money.Money, null], BuiltIn.array(BuiltIn.money))
        const { list } = yield* session.one(sql`select (${many}::money[])::text as list`)
        assert.strictEqual(list, "{$12.34,NULL}")
      }
      const session = yield* openSession()
      // A number could be cents or dollars.
      for (const value of [12, BigInt(1234), BigDecimal.make(BigInt(1234), 2), [12]]) {
        const type = Array.isArray(value) ? "money[]" : "money"
        const error = yield* Effect.flip(session.query(fromTextUnsafe(`select $1::${type}`, [value])))
        assert.isTrue(error._tag === "ValueError" && error.reason.wanted === "Money", error.message)
      }
    }))

  it.effect("decimals keep their scale if they are sent as text", () =>
    Effect.gen(function*() {
      for (const statementCacheSize of [0, 10]) {
        const session = yield* openSession(statementCacheSize)
        for (const text of ["100.00", "-0.50", "0.00", "100", "1234567890123456789.10"]) {
          const [, digits, scale] = /^(.*?)(?:\.(.*))?$/.exec(text)!
          const value = BigDecimal.make(BigInt(`${digits}${scale ?? ""}`), scale?.length ?? 0)
          const { v } = yield* session.one(sql`select ${value}::text as v`)
          assert.strictEqual(v, text === "-0.50" ? "-0.50" : text)
        }
      }
    }))

  it.effect("numerics accept NaN and the infinities as numbers, also in arrays", () =>
    Effect.gen(function*() {
      const session = yield* openSession()
      const { a, b, c } = yield* session.one(
        sql`select (${NaN}::numeric)::text as a, (${-Infinity}::numeric)::text as b, (${[
          NaN,
          Infinity,
          1.5
        ]}::numeric[])::text as c`
      )
      assert.deepStrictEqual([a, b, c], ["NaN", "-Infinity", "{NaN,Infinity,1.5}"])
    }))

  it.effect("infinities that a preset reads as numbers are sent back as instants", () =>
    Effect.gen(function*() {
      const session = yield* openSession()
      const [row] = (yield* session.values(
        withPreset("select array['infinity', '-infinity']::timestamptz[]", Preset.native)
      )).rows
      assert.deepStrictEqual(row, [[Infinity, -Infinity]])
      const { back, list } = yield* session.one(
        sql`select (${-Infinity}::timestamptz)::text as back, ${row![0]}::timestamptz[] as list`
      )
      assert.strictEqual(back, "-infinity")
      assert.deepStrictEqual(list, [TimestampTz.infinity, TimestampTz.negativeInfinity])
    }))

  it.effect("strings in arrays, ranges and composites are read by the server as literals", () =>
    Effect.gen(function*() {
      const session = yield* openSession()
      const row = uniqueName("row")
      const between = { _tag: "Between", lower: "1.50", upper: "2", includesLower: true, includesUpper: false }
      yield* session.query(`create type ${row} as (id bigint, name text, price numeric, at date, raw bytea)`)
      const { a, b, c, d } = yield* session.one(
        sql`select ${["1", 2, null]}::int8[] as a, (${[{
          id: "7",
          name: "1\"",
          price: "1.50",
          at: "2024-02-29",
          raw: Uint8Array.of(1)
        }]}::${Statement.identifier(row)}[])::text as b,
          (${between}::numrange)::text as c, ${["pg_class"]}::regclass[] as d`
      )
      assert.deepStrictEqual(a, [BigInt(1), BigInt(2), null])
      assert.strictEqual(b, "{\"(7,\\\"1\\\"\\\"\\\",1.50,2024-02-29,\\\"\\\\\\\\x01\\\")\"}")
      assert.strictEqual(c, "[1.50,2)")
      assert.deepStrictEqual(d, [1259])
      for (const values of [["x"], ["1", {}], [1, "1.5"]]) {
        const error = yield* Effect.flip(session.query(sql`select ${values}::int8[]`))
        assert.isTrue(error._tag === "ValueError" && error.reason._tag === "TypeMismatch" && error.reason.index === 1)
      }
      const error = yield* Effect.flip(session.query(sql`select ${["x"]}::date[]`))
      assert.isTrue(error._tag === "ServerError" && error.reason.sqlState === "22007")
    }))

  for (const preset of ["lossless", "native", "text"] as const) {
    it.effect(
      `values read with the preset ${preset} are sent back unchanged, in arrays, composites and ranges`,
      () =>
        Effect.gen(function*() {
          const session = yield* openSession()
          yield* session.query("create schema if not exists trips")
          for (const found of all) {
            const { sql: sqlType, type } = found
            const [row, range] = [`trips.${uniqueName("row")}`, `trips.${uniqueName("range")}`]
            yield* session.query(`create type ${row} as (one ${sqlType}, many ${sqlType}[])`)
            const ordered = yield* Effect.result(
              session.query(`create type ${range} as range (subtype = ${sqlType})`)
            )
            const names = { row, range: ordered._tag === "Success" ? range : undefined }
            // Digits that a `Date` truncates cannot be sent back, nor can JSON null, which is read as NULL.
            const literals = literalsOf(found).filter((literal) =>
              !cannotHold(type, preset) || !/^null$|\.\d{4}|294276/.test(literal)
            )
            for (const container of containersOf(sqlType, names)) {
              const values = literals.map((literal) => container.of(`cast(${quoted(literal)} as ${sqlType})`))
              const isJson = preset !== "text" && container.type === sqlType
              yield* assertRoundTrips(
                session,
                values,
                container.type,
                presets[preset],
                isJson ? jsonParameter(type) : undefined
              )
            }
          }
        }),
      120_000
    )
  }

  it.effect(
    "scalars are sent back as they were read without cached statements",
    () =>
      Effect.gen(function*() {
        const session = yield* openSession(0)
        for (const [name, preset] of Object.entries(presets)) {
          for (const found of all) {
            const { sql: sqlType, type } = found
            if (type.hasArrayValues === true && !type.name.startsWith("json")) continue
            if (cannotHold(type, name as keyof typeof presets)) continue
            const values = literalsOf(found).map((literal) => `cast(${quoted(literal)} as ${sqlType})`)
            // Ranges, geometry and similar types are plain objects, and an LSN is a number, so neither has a type of
            // its own.
            yield* assertRoundTrips(session, values, sqlType, preset, (v) => {
              if (preset === Preset.text || type.name.startsWith("json")) {
                return preset === Preset.text
                  ? v
                  : jsonParameter(type)(v)
              }
              const isPlain = typeof v === "object" && v !== null && Object.getPrototypeOf(v) === Object.prototype
              return isPlain || type === BuiltIn.pgLsn && typeof v === "bigint" ? Parameter.make(v as never, type) : v
            })
          }
        }
      }),
    120_000
  )
})
