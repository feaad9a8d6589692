import { assert, layer } from "@effect/vitest"
import { Hyperd } from "@hyperfect/hyper"
import { NodePlatform } from "@hyperfect/node"
import * as ByteWriter from "@hyperfect/protocol/ByteWriter"
import { HyperdServer } from "@hyperfect/testing"
import {
  BuiltIn,
  CalendarDate,
  HyperBinaryCopy,
  Parameter,
  TimestampTz,
  type Type,
  TypeRegistry
} from "@hyperfect/values"
import { BigDecimal, Effect, Equal, Layer } from "effect"
import { read, write } from "./fixtures.ts"
import { assertRoundTrip, sampleRecords, toArgument } from "./randomRecords.ts"
import { copyIn, openChannel, query, type RawParameter, type RawResult } from "./rawQuery.ts"
import * as SqlLiterals from "./sqlLiterals.ts"

const Server = HyperdServer.layer({ authentication: "trust", defaultDatabaseVersion: 4 }).pipe(
  Layer.provideMerge(NodePlatform.layer)
)

const connect = Effect.gen(function*() {
  const { endpoint, user } = yield* Hyperd.Hyperd
  return yield* openChannel(endpoint, { user })
})

const quoted = (text: string): string => `'${text.replaceAll("'", "''")}'`

const cells = ({ columns, rows }: RawResult, format: Type.Format): ReadonlyArray<unknown> =>
  rows[0]!.map((bytes, i) => {
    const { typeModifier, typeOid } = columns[i]!
    const type = TypeRegistry.builtIn.find(typeOid)
    if (type === undefined) return assert.fail(`no type has OID ${typeOid}`)
    return bytes === null ? null : read(type, format, bytes, typeModifier)
  })

const text = (bytes: Uint8Array | null | undefined): string | null => bytes ? new TextDecoder().decode(bytes) : null

/** Hyper's name of the type, if it differs. */
const sqlOf = ({ sql, type }: SqlLiterals.TypeLiterals): string =>
  type === BuiltIn.float4 ? "real" : type === BuiltIn.float8 ? "double precision" : sql

const formats = [0, 1, 2] as const

layer(Server, { excludeTestServices: true, timeout: "60 seconds" })("types on Hyper", (it) => {
  for (const entry of [...SqlLiterals.common, ...SqlLiterals.hyper]) {
    const { literals, type } = entry
    const sql = sqlOf(entry)
    it.effect(`${sql} agrees in every format and both directions: ${literals.length} values`, () =>
      Effect.gen(function*() {
        const channel = yield* connect
        yield* query(channel, "set extra_float_digits = 3")
        yield* query(channel, "set time_zone = 'UTC'")
        const array = TypeRegistry.builtIn.find(type.arrayOid)!
        for (const literal of literals) {
          const value = `cast(${quoted(literal)} as ${sql})`
          const select = `select ${value}, array[${value}, null, ${value}]`
          const { columns, rows } = yield* query(channel, select)
          const printed = rows[0]!.map(text)
          const [first, ...others] = yield* Effect.forEach(
            formats,
            (format) => Effect.map(query(channel, select, format), (found) => cells(found, format))
          )
          for (const other of others) {
            assert.isTrue(Equal.equals(other, first), `${sql} ${literal}`)
          }
          assert.isTrue(Equal.equals(first![1], [first![0], null, first![0]]))

          // Parse cannot declare a scale; numerics with their own scale are tested below.
          if (type === BuiltIn.numeric) continue
          const typeModifier = columns[0]!.typeModifier
          for (const format of formats) {
            const argument = { oid: type.oid, format, bytes: write(type, format, first![0], typeModifier) }
            const back = yield* query(channel, "select $1", 0, [argument])
            // A parameter has no length to be padded to.
            assert.strictEqual(text(back.rows[0]![0])?.trimEnd(), printed[0]?.trimEnd())
          }
          const elements = (first![1] as ReadonlyArray<unknown>).map((element) =>
            type === BuiltIn.bpchar && element !== null ? (element as string).trimEnd() : element
          )
          const argument = { oid: array.oid, format: 2, bytes: write(array, 2, elements, typeModifier) } as const
          const back = yield* query(channel, "select $1", 0, [argument])
          const expected = type === BuiltIn.bpchar ? printed[1]?.replaceAll(/ *"(?=[,\]])/g, "\"") : printed[1]
          assert.strictEqual(text(back.rows[0]![0]), expected)
        }
      }))
  }

  it.effect("rows written by HyperBinary COPY are read back: scalars and arrays, NULL and NOT NULL", () =>
    Effect.gen(function*() {
      const channel = yield* connect
      const scalars = [...SqlLiterals.common, ...SqlLiterals.hyper].map((entry) => ({ ...entry, sql: sqlOf(entry) }))
      const columns = scalars.flatMap(({ literals, sql, type }) => {
        const value = (i: number) => `cast(${quoted(literals[i % literals.length]!)} as ${sql})`
        const array = (i: number) => `array[${value(i)}, null, ${value(i + 1)}]`
        const notNull = (i: number) => `array[${value(i)}, ${value(i + 1)}]`
        return [
          { type, sql, value, nullable: true },
          { type, sql: `${sql} not null`, value, nullable: false },
          { type: BuiltIn.array(type), sql: `array(${sql})`, value: array, nullable: true },
          { type: BuiltIn.arrayNotNull(type), sql: `array(${sql} not null) not null`, value: notNull, nullable: false }
        ]
      })
      const names = columns.map((_, i) => `c${i}`)
      const thereAndBack = (table: string) =>
        Effect.gen(function*() {
          yield* query(
            channel,
            `create temp table ${table} (id int not null, ${columns.map(({ sql }, i) => `c${i} ${sql}`).join(", ")})`
          )
          const modifiers = (yield* query(channel, `select * from ${table}`)).columns.slice(1)
          const rows = yield* Effect.forEach(
            [0, 1, 2],
            (i) =>
              Effect.map(
                query(channel, `select ${columns.map(({ value }) => value(i)).join(", ")}`, 2),
                (found) => cells(found, 2)
              )
          )
          const all = [...rows, rows[0]!.map((value, i) => (columns[i]!.nullable ? null : value))]

          const out = ByteWriter.make()
          HyperBinaryCopy.writeHeader(out)
          const writeRow = HyperBinaryCopy.arraysUnsafe({
            columns: [
              { name: "id", type: BuiltIn.int4, nullable: false },
              ...columns.map(({ nullable, type }, i) => {
                const { typeModifier } = modifiers[i]!
                return { name: names[i]!, type, typeModifier, nullable }
              })
            ]
          })
          for (const [i, row] of all.entries()) writeRow(out, [i, ...row], i)
          const statement = `copy ${table} from stdin with (format hyperbinary)`
          assert.strictEqual(yield* copyIn(channel, statement, out.take()), "COPY 4")

          for (const format of [1, 2] as const) {
            const back = yield* query(channel, `select * from ${table} order by id`, format)
            for (const [i, row] of all.entries()) {
              const found = cells({ columns: back.columns, rows: [back.rows[i]!] }, format).slice(1)
              for (const [j, value] of row.entries()) {
                assert.isTrue(Equal.equals(found[j], value), `row ${i}, ${columns[j]!.sql}`)
              }
            }
          }
        })
      // On a busy machine hyperd sometimes fails to sample a table that was just filled, about once in hundreds of
      // runs, and keeps failing for that table.
      let tables = 0
      yield* Effect.retry(Effect.suspend(() => thereAndBack(`copied_${tables++}`)), {
        times: 3,
        while: (error) => String(error).startsWith("58030 ")
      })
    }))

  it.effect("random records are read back unchanged", () =>
    Effect.gen(function*() {
      const channel = yield* connect
      // A numeric has its scale, and a char its length, only in the statement.
      const without: ReadonlyArray<Type.Any> = [BuiltIn.numeric, BuiltIn.bpchar, BuiltIn.json]
      const scalars = SqlLiterals.common.flatMap(({ type }) => without.includes(type) ? [] : [type])
      const types = [...scalars, ...scalars.map(({ arrayOid }) => TypeRegistry.builtIn.find(arrayOid)!)]
      let held = 0
      const records = yield* sampleRecords(types, [2], 150, "hyper")
      for (const record of records) {
        const parameters = record.map(toArgument)
        if (parameters.includes(undefined)) continue
        held++
        const select = `select ${record.map((_, i) => `$${i + 1}`).join(", ")}`
        for (const format of [1, 2] as const) {
          assertRoundTrip(
            yield* query(channel, select, format, parameters as ReadonlyArray<RawParameter>),
            format,
            record
          )
        }
      }
      assert.isAbove(held, records.length / 3)
    }))

  it.effect("parameters of inferred types keep their values", () =>
    Effect.gen(function*() {
      const channel = yield* connect
      const values = [
        [1, "int", 1],
        [3_000_000_000, "bigint", BigInt(3_000_000_000)],
        [0.5, "double precision", 0.5],
        [-0, "double precision", -0],
        [true, "boolean", true],
        ["it's \0", "text", "it's \0"],
        [BigInt(7), "bigint", BigInt(7)],
        [Uint8Array.of(0, 255), "bytea", Uint8Array.of(0, 255)],
        [new Date(0), "timestamptz", TimestampTz.fromStringUnsafe("1970-01-01T00:00:00Z")],
        [{ a: [1] }, "json", { a: [1] }],
        [null, "date", null],
        [CalendarDate.makeUnsafe(2024, 2, 29), "date", CalendarDate.makeUnsafe(2024, 2, 29)],
        [BigDecimal.make(BigInt(12345), 3), "numeric(10,3)", BigDecimal.make(BigInt(12345), 3)],
        [BigInt("9223372036854775808"), "numeric(38,0)", BigDecimal.make(BigInt("9223372036854775808"), 0)]
      ] as const
      const sql = `select ${values.map(([, type], i) => `cast($${i + 1} as ${type})`).join(", ")}`
      const parameters = values.map(([value]): RawParameter => {
        const encoder = Parameter.encoder(value, "hyper")
        const out = ByteWriter.make()
        Parameter.write(out, encoder, value)
        const bytes = out.take()
        return { oid: encoder.typeOid, format: encoder.format, bytes: value === null ? null : bytes.subarray(4) }
      })
      const found = cells(yield* query(channel, sql, 2, parameters), 2)
      for (const [i, [, type, value]] of values.entries()) assert.isTrue(Equal.equals(found[i], value), type)
    }))

  it.effect("regclass is a name in text and an OID in binary", () =>
    Effect.gen(function*() {
      const channel = yield* connect
      const select = "select 'pg_catalog.pg_class'::regclass, 'pg_catalog.pg_class'::regclass::oid"
      const [name] = cells(yield* query(channel, select, 0), 0)
      assert.include(String(name), "pg_class")
      for (const format of [1, 2] as const) {
        const [ofClass, ofOid] = cells(yield* query(channel, select, format), format)
        assert.strictEqual(ofClass, ofOid)
        assert.isNumber(ofOid)
      }
    }))

  it.effect("geography is bytes in HyperBinary and well-known text in text", () =>
    Effect.gen(function*() {
      const channel = yield* connect
      const sql = "select cast('point(1 2)' as geography)"
      assert.deepStrictEqual(cells(yield* query(channel, sql, 0), 0), ["POINT(1.0000000 2.0000000)"])
      const [bytes] = cells(yield* query(channel, sql, 2), 2)
      assert.instanceOf(bytes, Uint8Array)
      const argument = { oid: BuiltIn.geography.oid, format: 2, bytes: write(BuiltIn.geography, 2, bytes) } as const
      assert.deepStrictEqual(cells(yield* query(channel, "select $1", 0, [argument]), 0), [
        "POINT(1.0000000 2.0000000)"
      ])
    }))
})
