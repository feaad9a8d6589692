import { assert, layer } from "@effect/vitest"
import { NodePlatform } from "@hyperfect/node"
import * as ByteWriter from "@hyperfect/protocol/ByteWriter"
import { PostgresServer } from "@hyperfect/testing"
import {
  BuiltIn,
  CalendarDate,
  Money,
  Parameter,
  PgBinaryCopy,
  Range,
  RowReader,
  type Type,
  TypeRegistry,
  UnknownValue
} from "@hyperfect/values"
import { Effect, Equal, Layer, Result } from "effect"
import { read, reasonOf, write } from "./fixtures.ts"
import { assertRoundTrip, sampleRecords, toArgument } from "./randomRecords.ts"
import { copyIn, openChannel, query, type RawParameter, type RawResult } from "./rawQuery.ts"
import * as SqlLiterals from "./sqlLiterals.ts"

const Server = PostgresServer.layer({ authentication: "trust" }).pipe(Layer.provideMerge(NodePlatform.layer))

const connect = Effect.gen(function*() {
  const { database, endpoint, user } = yield* PostgresServer.PostgresServer
  return yield* openChannel(endpoint, { user, database })
})

const money = (units: number): Money.Money => Money.fromUnitsUnsafe(BigInt(units))

const quoted = (text: string): string => `'${text.replaceAll("'", "''")}'`

const cells = ({ columns, rows }: RawResult, format: Type.Format): ReadonlyArray<unknown> =>
  rows[0]!.map((bytes, i) => {
    const { typeModifier, typeOid } = columns[i]!
    const type = TypeRegistry.builtIn.find(typeOid)
    if (type === undefined) return assert.fail(`no type has OID ${typeOid}`)
    return bytes === null ? null : read(type, format, bytes, typeModifier)
  })

const argument = (type: Type.Any, format: Type.Format, value: unknown): RawParameter => ({
  oid: type.oid,
  format,
  bytes: write(type, format, value)
})

const formatsOf = (type: Type.Any): ReadonlyArray<0 | 1> => (type.binary === undefined ? [0] : [0, 1])

const text = (bytes: Uint8Array | null | undefined): string | null => bytes ? new TextDecoder().decode(bytes) : null

layer(Server, { excludeTestServices: true, timeout: "60 seconds" })("types on PostgreSQL", (it) => {
  for (const { literals, sql, type } of [...SqlLiterals.common, ...SqlLiterals.postgres]) {
    it.effect(`${sql} agrees in every format and both directions: ${literals.length} values`, () =>
      Effect.gen(function*() {
        const channel = yield* connect
        const array = type.arrayOid === 0 ? undefined : TypeRegistry.builtIn.find(type.arrayOid)
        for (const literal of literals) {
          const value = `cast(${quoted(literal)} as ${sql})`
          const select = array === undefined ? `select ${value}` : `select ${value}, array[${value}, null, ${value}]`
          const printed = (yield* query(channel, select.replaceAll(value, `(${value})`))).rows[0]!.map(text)
          const [first, ...others] = yield* Effect.forEach(
            formatsOf(type),
            (format) => Effect.map(query(channel, select, format), (rows) => cells(rows, format))
          )
          for (const other of others) assert.isTrue(Equal.equals(other, first), `${sql} ${literal}: ${String(other)}`)
          if (array !== undefined) assert.isTrue(Equal.equals(first![1], [first![0], null, first![0]]))

          for (const format of formatsOf(type)) {
            const back = yield* query(channel, "select $1, $2", 0, [
              argument(type, format, first![0]),
              array === undefined ? argument(type, format, first![0]) : argument(array, format, first![1])
            ])
            assert.strictEqual(text(back.rows[0]![0]), printed[0])
            if (array !== undefined) assert.strictEqual(text(back.rows[0]![1]), printed[1])
          }
        }
      }))
  }

  it.effect("composites and ranges of every type agree in every format and both directions", () =>
    Effect.gen(function*() {
      const channel = yield* connect
      const found = [...SqlLiterals.common, ...SqlLiterals.postgres]
      const made = yield* Effect.forEach(found, ({ sql }, i) =>
        Effect.gen(function*() {
          yield* query(channel, `create type pg_temp.row_${i} as (one ${sql}, many ${sql}[])`)
          // Not every type has an order.
          const range = yield* Effect.result(
            query(channel, `create type pg_temp.range_${i} as range (subtype = ${sql})`)
          )
          return Result.isSuccess(range)
        }))
      const { rows } = yield* query(
        channel,
        "select typname, oid, typarray from pg_type where typnamespace = pg_my_temp_schema()"
      )
      const oids = new Map(
        rows.map((row) => [text(row[0])!, { oid: Number(text(row[1])), arrayOid: Number(text(row[2])) }])
      )
      const identity = (name: string) => ({ name, ...(oids.get(name) ?? assert.fail(name)) })
      assert.isAbove(made.filter(Boolean).length, 30)

      for (const [i, { literals, sql, type }] of found.entries()) {
        const row = BuiltIn.composite(
          [{ name: "one", type }, { name: "many", type: BuiltIn.array(type) }],
          identity(`row_${i}`)
        )
        const types: ReadonlyArray<readonly [Type.Any, (value: string) => string]> = [
          [row, (value) => `cast(row(${value}, array[${value}, null]) as pg_temp.row_${i})`],
          ...(made[i]
            ? [
              [
                BuiltIn.range(type, identity(`range_${i}`)),
                (value: string) => `pg_temp.range_${i}(${value}, null)`
              ] as const
            ]
            : [])
        ]
        // All values of a type in one row: one query per format instead of one per value.
        const values = literals.filter((literal) => literal.length < 1000).map((literal) =>
          `cast(${quoted(literal)} as ${sql})`
        )
        for (const [whole, expression] of types) {
          const select = `select ${values.map(expression).join(", ")}`
          const printed = (yield* query(channel, select)).rows[0]!.map(text)
          const [first, ...others] = yield* Effect.forEach(
            formatsOf(whole),
            (format) =>
              Effect.map(
                query(channel, select, format),
                ({ rows }) => rows[0]!.map((bytes) => read(whole, format, bytes!))
              )
          )
          for (const other of others) assert.isTrue(Equal.equals(other, first), `${whole.name} ${sql}`)
          for (const format of formatsOf(whole)) {
            const parameters = first!.map((value) => argument(whole, format, value))
            const back = yield* query(
              channel,
              `select ${parameters.map((_, i) => `$${i + 1}`).join(", ")}`,
              0,
              parameters
            )
            assert.deepStrictEqual(back.rows[0]!.map(text), printed)
          }
        }
      }
    }))

  it.effect("random records are read back unchanged", () =>
    Effect.gen(function*() {
      const channel = yield* connect
      const scalars: ReadonlyArray<Type.Any> = [
        BuiltIn.bool,
        BuiltIn.bytea,
        BuiltIn.cidr,
        BuiltIn.date,
        BuiltIn.float4,
        BuiltIn.float8,
        BuiltIn.inet,
        BuiltIn.int2,
        BuiltIn.int4,
        BuiltIn.int8,
        BuiltIn.interval,
        BuiltIn.macaddr,
        BuiltIn.numeric,
        BuiltIn.oid,
        BuiltIn.text,
        BuiltIn.time,
        BuiltIn.timestamp,
        BuiltIn.timestamptz,
        BuiltIn.timetz,
        BuiltIn.uuid,
        BuiltIn.varchar,
        BuiltIn.xid8
      ]
      const types = [...scalars, ...scalars.map(({ arrayOid }) => TypeRegistry.builtIn.find(arrayOid)!), BuiltIn.point]
      let held = 0
      const records = yield* sampleRecords(types, [0, 1], 150, "postgres")
      for (const record of records) {
        const parameters = record.map(toArgument)
        if (parameters.includes(undefined)) continue
        held++
        const select = `select ${record.map((_, i) => `$${i + 1}`).join(", ")}`
        for (const format of [0, 1] as const) {
          assertRoundTrip(
            yield* query(channel, select, format, parameters as ReadonlyArray<RawParameter>),
            format,
            record
          )
        }
      }
      assert.isAbove(held, records.length / 3)
    }))

  it.effect("instants are read in every time zone, and intervals in every style", () =>
    Effect.gen(function*() {
      const channel = yield* connect
      for (const { literals, type } of SqlLiterals.common.concat(SqlLiterals.postgres)) {
        if (type !== BuiltIn.timestamptz) continue
        for (
          const zone of ["UTC", "America/New_York", "Europe/Amsterdam", "Asia/Kathmandu", "Pacific/Apia", "-13:37"]
        ) {
          yield* query(channel, `set timezone = ${quoted(zone)}`)
          for (const literal of literals) {
            const select = `select cast(${quoted(literal)} as timestamptz)`
            const [ofText] = cells(yield* query(channel, select, 0), 0)
            const [ofBinary] = cells(yield* query(channel, select, 1), 1)
            assert.isTrue(Equal.equals(ofText, ofBinary), `${zone} ${literal}`)
          }
        }
      }
      for (const { literals, type } of SqlLiterals.common.concat(SqlLiterals.postgres)) {
        if (type !== BuiltIn.interval) continue
        for (const style of ["postgres", "postgres_verbose", "sql_standard", "iso_8601"]) {
          yield* query(channel, `set intervalstyle = ${quoted(style)}`)
          for (const literal of literals) {
            const select = `select cast(${quoted(literal)} as interval)`
            const printed = text((yield* query(channel, select, 0)).rows[0]![0])
            const [ofText] = cells(yield* query(channel, select, 0), 0)
            const [ofBinary] = cells(yield* query(channel, select, 1), 1)
            assert.isTrue(Equal.equals(ofText, ofBinary), `${style} ${printed}`)
          }
        }
      }
    }))

  it.effect("money is its amount in the smallest unit", () =>
    Effect.gen(function*() {
      const channel = yield* connect
      for (const [literal, amount] of [["0", 0], ["12.34", 1234], ["-1234567.89", -123456789]] as const) {
        for (const format of [0, 1] as const) {
          const rows = yield* query(
            channel,
            `select cast(${quoted(literal)} as money), array[cast(1 as money)]`,
            format
          )
          assert.deepStrictEqual(cells(rows, format), [money(amount), [money(100)]])
        }
        const back = yield* query(channel, "select $1 = cast($2 as money)", 0, [
          argument(BuiltIn.money, 1, money(amount)),
          argument(BuiltIn.text, 0, literal)
        ])
        assert.strictEqual(text(back.rows[0]![0]), "t")
      }
    }))

  it.effect("objects of the catalogue are names in text and OIDs in binary", () =>
    Effect.gen(function*() {
      const channel = yield* connect
      const names = [
        [BuiltIn.regclass, "pg_class", 1259],
        [BuiltIn.regtype, "integer", 23],
        ...BuiltIn.registeredTypes.filter(({ name }) => name === "regnamespace").map((type) =>
          [type, "pg_catalog", 11] as const
        )
      ] as const
      for (const [type, name, oid] of names) {
        const select = `select cast(${quoted(name)} as ${type.name})`
        assert.deepStrictEqual(cells(yield* query(channel, select, 0), 0), [name])
        assert.deepStrictEqual(cells(yield* query(channel, select, 1), 1), [oid])
        for (const parameter of [argument(type, 0, name), argument(type, 0, oid), argument(type, 1, oid)]) {
          assert.strictEqual(text((yield* query(channel, "select $1", 0, [parameter])).rows[0]![0]), name)
        }
      }
    }))

  it.effect("nested rows are read, and composite types, enums and domains written", () =>
    Effect.gen(function*() {
      const channel = yield* connect
      yield* query(channel, "create type pg_temp.mood as enum ('sad', 'it''s, \"ok\"')")
      yield* query(channel, "create type pg_temp.inner_row as (\"__proto__\" int4, note text)")
      yield* query(
        channel,
        "create type pg_temp.outer_row as (id int8, inside pg_temp.inner_row, list int4[], feeling pg_temp.mood, span daterange)"
      )
      const oids = new Map(
        (yield* query(channel, "select typname, oid, typarray from pg_type where typnamespace = pg_my_temp_schema()"))
          .rows
          .map((row) => [text(row[0])!, { oid: Number(text(row[1])), arrayOid: Number(text(row[2])) }])
      )
      const identity = (name: string) => ({ name, ...oids.get(name)! })
      const mood = BuiltIn.enumeration(["sad", "it's, \"ok\""], identity("mood"))
      const inner = BuiltIn.composite(
        [{ name: "__proto__", type: BuiltIn.int4 }, { name: "note", type: BuiltIn.text }],
        identity("inner_row")
      )
      const outer = BuiltIn.composite([
        { name: "id", type: BuiltIn.int8 },
        { name: "inside", type: inner },
        { name: "list", type: BuiltIn.array(BuiltIn.int4) },
        { name: "feeling", type: mood },
        { name: "span", type: BuiltIn.daterange }
      ], identity("outer_row"))
      const note = "a \"b\" \\ (c,d) \u{1f600}"
      const value = {
        id: BigInt(1),
        inside: JSON.parse(`{ "__proto__": 7, "note": ${JSON.stringify(note)} }`),
        list: [1, null, 3],
        feeling: "it's, \"ok\"",
        span: Range.between(CalendarDate.makeUnsafe(2024, 1, 1), null)
      }
      const empty = {
        id: null,
        inside: JSON.parse("{ \"__proto__\": null, \"note\": \"\" }"),
        list: [],
        feeling: null,
        span: Range.empty
      }
      const outers = BuiltIn.array(outer)
      for (const row of [value, empty]) {
        for (const format of [0, 1] as const) {
          const parameters = [argument(outer, format, row), argument(outers, format, [row, null])]
          const back = yield* query(channel, "select $1, $2", format, parameters)
          assert.isTrue(Equal.equals(read(outer, format, back.rows[0]![0]!), row))
          assert.isTrue(Equal.equals(read(outers, format, back.rows[0]![1]!), [row, null]))
          assert.deepStrictEqual(back.columns.map(({ typeOid }) => typeOid), [outer.oid, outers.oid])
        }
      }
      const select = "select row(1, null, 'x', row(true), array[1]), array[row(1), row(null)]"
      assert.deepStrictEqual(cells(yield* query(channel, select, 1), 1), [[1, null, "x", [true], [1]], [[1], [null]]])
      assert.deepStrictEqual(cells(yield* query(channel, select, 0), 0), [
        ["1", null, "x", "(t)", "{1}"],
        [["1"], [null]]
      ])
      const unknown = yield* query(channel, "select row(cast('sad' as pg_temp.mood))", 1)
      assert.isTrue(UnknownValue.isUnknownValue((cells(unknown, 1)[0] as ReadonlyArray<unknown>)[0]))
    }))

  it.effect("int2vector and oidvector may be empty, but not as a binary parameter", () =>
    Effect.gen(function*() {
      const channel = yield* connect
      for (const type of [BuiltIn.int2vector, BuiltIn.oidvector]) {
        for (const format of [0, 1] as const) {
          assert.deepStrictEqual(cells(yield* query(channel, `select cast('' as ${type.name})`, format), format), [[]])
        }
        assert.strictEqual(text((yield* query(channel, "select $1", 0, [argument(type, 0, [])])).rows[0]![0]), "")
        assert.strictEqual(reasonOf(() => write(type, 1, []))._tag, "NotRepresentable")
      }
    }))

  it.effect("void is read as undefined", () =>
    Effect.gen(function*() {
      const channel = yield* connect
      for (const format of [0, 1] as const) {
        assert.deepStrictEqual(cells(yield* query(channel, "select pg_sleep(0)", format), format), [undefined])
      }
    }))

  it.effect("dates in a style other than ISO are rejected", () =>
    Effect.gen(function*() {
      const channel = yield* connect
      for (const style of ["SQL, DMY", "German", "Postgres, MDY"]) {
        yield* query(channel, `set datestyle = ${quoted(style)}`)
        for (const type of ["date", "timestamp", "timestamptz"]) {
          const rows = yield* query(channel, `select cast('2003-02-01 00:00' as ${type})`, 0)
          assert.throws(() => cells(rows, 0))
        }
      }
    }))

  it.effect("bytea is read in both of its text formats", () =>
    Effect.gen(function*() {
      const channel = yield* connect
      const all = Uint8Array.from({ length: 256 }, (_, byte) => byte)
      for (const output of ["hex", "escape"]) {
        yield* query(channel, `set bytea_output = ${output}`)
        const rows = yield* query(channel, "select $1", 0, [argument(BuiltIn.bytea, 1, all)])
        assert.deepStrictEqual(cells(rows, 0), [all])
      }
    }))

  it.effect("arrays keep their bounds and dimensions", () =>
    Effect.gen(function*() {
      const channel = yield* connect
      const int4s = BuiltIn.array(BuiltIn.int4)
      for (
        const literal of ["{}", "{1,NULL}", "{{1,2},{3,4}}", "[0:2]={1,2,3}", "[-1:0][5:6]={{1,NULL},{3,4}}", "{{{1}}}"]
      ) {
        const select = `select cast(${quoted(literal)} as int4[])`
        const [ofText] = cells(yield* query(channel, select, 0), 0)
        const [ofBinary] = cells(yield* query(channel, select, 1), 1)
        assert.isTrue(Equal.equals(ofText, ofBinary))
        for (const format of [0, 1] as const) {
          const rows = yield* query(channel, "select $1", 0, [argument(int4s, format, ofBinary)])
          assert.strictEqual(text(rows.rows[0]![0]), literal)
        }
      }
    }))

  it.effect("parameters of inferred types keep their values", () =>
    Effect.gen(function*() {
      const channel = yield* connect
      const values = [1, 3_000_000_000, 0.5, -0, true, "it's", BigInt(7), Uint8Array.of(0, 255), new Date(0), {
        a: [1]
      }, null]
      const sql = `select ${
        ["int4", "int8", "float8", "float8", "bool", "text", "int8", "bytea", "timestamptz", "jsonb", "date"].map((
          type,
          i
        ) => `cast($${i + 1} as ${type})`).join(", ")
      }`
      const parameters = values.map((value): RawParameter => {
        const encoder = Parameter.encoder(value, "postgres")
        const out = ByteWriter.make()
        Parameter.write(out, encoder, value)
        const bytes = out.take()
        return { oid: encoder.typeOid, format: encoder.format, bytes: value === null ? null : bytes.subarray(4) }
      })
      const found = cells(yield* query(channel, sql, 1, parameters), 1)
      assert.deepStrictEqual(found.slice(0, 8), [
        1,
        BigInt(3_000_000_000),
        0.5,
        -0,
        true,
        "it's",
        BigInt(7),
        Uint8Array.of(0, 255)
      ])
      assert.strictEqual(String(found[8]), "1970-01-01T00:00:00Z")
      assert.deepStrictEqual(found.slice(9), [{ a: [1] }, null])
    }))

  it.effect("rows written by binary COPY are read back", () =>
    Effect.gen(function*() {
      const channel = yield* connect
      const columns = SqlLiterals.common.map(({ literals, sql, type }, i) => ({ name: `c${i}`, literals, sql, type }))
      yield* query(
        channel,
        `create temp table copied (id int4, ${columns.map(({ name, sql }) => `${name} ${sql}`).join(", ")})`
      )
      const values = yield* Effect.forEach([0, 1], (row) =>
        Effect.map(
          query(
            channel,
            `select ${columns.map(({ literals, sql }) => `cast(${quoted(literals[row]!)} as ${sql})`).join(", ")}`,
            1
          ),
          (rows) => cells(rows, 1)
        ))
      const all = [...values, columns.map(() => null)]
      const out = ByteWriter.make()
      PgBinaryCopy.writeHeader(out)
      const writeRow = PgBinaryCopy.arraysUnsafe({
        columns: [{ name: "id", type: BuiltIn.int4, nullable: false }, ...columns]
      })
      for (const [i, row] of all.entries()) writeRow(out, [i, ...row], i)
      PgBinaryCopy.writeTrailer(out)
      assert.strictEqual(yield* copyIn(channel, "copy copied from stdin (format binary)", out.take()), "COPY 3")
      const back = yield* query(channel, "select * from copied order by id", 1)
      const reader = RowReader.arraysUnsafe({ columns: back.columns, formats: 1 })
      const found = back.rows.map((row) => {
        const body = ByteWriter.make()
        body.int16(row.length)
        for (const bytes of row) {
          body.int32(bytes === null ? -1 : bytes.length)
          if (bytes !== null) body.copy(bytes)
        }
        const bytes = body.take()
        return reader(bytes, 0, bytes.length)
      })
      for (const [i, row] of all.entries()) assert.isTrue(Equal.equals(found[i], [i, ...row]))
    }))

  it.effect("types have the names, OIDs and array types of the catalogue", () =>
    Effect.gen(function*() {
      const channel = yield* connect
      const { rows } = yield* query(channel, "select oid, typname, typarray, typdelim from pg_type")
      const catalogue = new Map(rows.map((row) => [Number(text(row[0])), row.slice(1).map(text)]))
      for (const { arrayOid, delimiter = 0x2c, name, oid } of TypeRegistry.builtIn.types) {
        if (name.startsWith("geography") || oid === 0) continue
        const [typname, typarray, typdelim] = catalogue.get(oid) ?? assert.fail(`${name} is not in the catalogue`)
        if (name.endsWith("[]")) assert.strictEqual(typname, `_${name.slice(0, -2)}`)
        else {assert.deepStrictEqual([typname, typarray, typdelim], [
            name,
            `${arrayOid}`,
            String.fromCharCode(delimiter)
          ])}
      }
    }))
})
