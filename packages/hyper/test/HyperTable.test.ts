import { assert, describe, it } from "@effect/vitest"
import { Statement } from "@hyperfect/client"
import { HyperTable } from "@hyperfect/hyper"
import { Schema } from "effect"

const { sql } = Statement

const definitions = (fields: HyperTable.Fields): string =>
  /\((.*)\)$/.exec(HyperTable.make("t", fields).createTable().text)![1]!

describe("HyperTable.make", () => {
  it("takes the types of plain Schemas, and null as what makes a column take NULL", () => {
    assert.strictEqual(
      definitions({
        a: Schema.Boolean,
        b: Schema.Int,
        c: Schema.BigInt,
        d: Schema.Number,
        e: Schema.String,
        f: Schema.Uint8Array,
        g: Schema.NullOr(Schema.Int),
        h: Schema.OptionFromNullOr(Schema.String)
      }),
      "\"a\" boolean NOT NULL, \"b\" integer NOT NULL, \"c\" bigint NOT NULL, \"d\" double precision NOT NULL, " +
        "\"e\" text NOT NULL, \"f\" bytea NOT NULL, \"g\" integer, \"h\" text"
    )
  })

  it("knows a column for each type", () => {
    const types: ReadonlyArray<readonly [Schema.Codec<unknown>, string]> = [
      [HyperTable.Bool, "boolean"],
      [HyperTable.SmallInt, "smallint"],
      [HyperTable.Int, "integer"],
      [HyperTable.BigInt, "bigint"],
      [HyperTable.Real, "real"],
      [HyperTable.Double, "double precision"],
      [HyperTable.Numeric(20, 3), "numeric(20, 3)"],
      [HyperTable.Text, "text"],
      [HyperTable.Varchar(12), "varchar(12)"],
      [HyperTable.Char(3), "char(3)"],
      [HyperTable.Bytes, "bytea"],
      [HyperTable.Date, "date"],
      [HyperTable.Time, "time"],
      [HyperTable.Timestamp, "timestamp"],
      [HyperTable.TimestampTz, "timestamptz"],
      [HyperTable.Interval, "interval"],
      [HyperTable.Uuid, "uuid"],
      [HyperTable.Json, "json"],
      [HyperTable.Oid, "oid"],
      [HyperTable.Geography, "geography"]
    ]
    for (const [schema, type] of types) {
      assert.strictEqual(definitions({ a: schema }), `"a" ${type} NOT NULL`)
      assert.strictEqual(definitions({ a: HyperTable.NullOr(schema) }), `"a" ${type}`)
    }
  })

  it("finds the type beneath checks, brands, descriptions and transformations", () => {
    const Name = HyperTable.Varchar(9)
    assert.strictEqual(
      definitions({
        checked: Name.check(Schema.isMinLength(1)),
        branded: HyperTable.SmallInt.pipe(Schema.brand("Level")),
        described: HyperTable.Date.annotate({ description: "the day" }),
        natural: Schema.Int.check(Schema.isGreaterThan(0)),
        positive: Schema.Number.check(Schema.isGreaterThan(0)),
        option: Schema.OptionFromNullOr(Name),
        parsed: Name.pipe(Schema.decodeTo(Schema.FiniteFromString)),
        enumeration: HyperTable.column(HyperTable.Char(1), Schema.Literals(["a", "b"])),
        nullable: HyperTable.column(Name, Schema.NullOr(Schema.Literals(["a", "b"])))
      }),
      [
        "\"checked\" varchar(9) NOT NULL",
        "\"branded\" smallint NOT NULL",
        "\"described\" date NOT NULL",
        "\"natural\" integer NOT NULL",
        "\"positive\" double precision NOT NULL",
        "\"option\" varchar(9)",
        "\"parsed\" varchar(9) NOT NULL",
        "\"enumeration\" char(1) NOT NULL",
        "\"nullable\" varchar(9)"
      ].join(", ")
    )
  })

  it("refuses a field whose type nobody has said", () => {
    const fields: ReadonlyArray<Schema.Constraint> = [
      Schema.Date,
      Schema.BigDecimal,
      Schema.Literals(["a", "b"]),
      Schema.Literal(1),
      Schema.Struct({ a: Schema.Int }),
      Schema.Array(Schema.Int),
      Schema.UndefinedOr(Schema.Int),
      Schema.Union([Schema.Int, Schema.String]),
      Schema.Union([Schema.Int, Schema.String, Schema.Null]),
      Schema.Null,
      Schema.Unknown,
      // Whether these shall be texts is for the program to say.
      Schema.DateFromString,
      Schema.FiniteFromString
    ]
    for (const field of fields) {
      assert.throws(
        () => HyperTable.make("t", { wrong: field as HyperTable.Fields[string] }),
        TypeError,
        "the field \"wrong\" of the table \"t\" has no database type"
      )
    }
  })

  it("refuses columns that may be missing, tables without columns, and a place for what is temporary", () => {
    assert.throws(() => HyperTable.make("t", { a: Schema.optionalKey(Schema.Int) }), TypeError, "may be missing")
    assert.throws(() => HyperTable.make("t", { a: Schema.optional(Schema.Int) }), TypeError, "may be missing")
    assert.throws(() => HyperTable.make("t", {}), TypeError, "the table \"t\" has no columns")
    for (const options of [{ schema: "s" }, { database: "d" }]) {
      assert.throws(() => HyperTable.make("t", { a: Schema.Int }, { temporary: true, ...options }), TypeError)
    }
  })

  it("refuses sizes that no type has", () => {
    for (const [precision, scale] of [[0, 0], [39, 0], [5, 6], [5, -1], [1.5, 0], [NaN, 0]] as const) {
      assert.throws(() => HyperTable.Numeric(precision, scale), RangeError)
    }
    for (const length of [0, -1, 1.5, NaN, 10_485_761]) {
      assert.throws(() => HyperTable.Varchar(length), RangeError)
      assert.throws(() => HyperTable.Char(length), RangeError)
    }
    assert.throws(() => HyperTable.column(Schema.Date, Schema.Date), TypeError)
  })

  it("quotes every name", () => {
    const table = HyperTable.make("a\"b; drop table c --", { "x\"y": Schema.Int, "select": Schema.Int })
    assert.strictEqual(
      table.createTable().text,
      "CREATE TABLE \"a\"\"b; drop table c --\" (\"x\"\"y\" integer NOT NULL, \"select\" integer NOT NULL)"
    )
    assert.strictEqual(sql`select * from ${table}`.text, "select * from \"a\"\"b; drop table c --\"")
  })

  it("names the place of a table", () => {
    const fields = { a: Schema.Int }
    const names = (options: HyperTable.Options) => {
      const table = HyperTable.make("t", fields, options)
      return [table.createTable({ ifNotExists: true }).text, sql`${table}`.text]
    }
    const columns = "(\"a\" integer NOT NULL)"
    assert.deepStrictEqual(names({}), [`CREATE TABLE IF NOT EXISTS "t" ${columns}`, "\"t\""])
    assert.deepStrictEqual(names({ schema: "s" }), [`CREATE TABLE IF NOT EXISTS "s"."t" ${columns}`, "\"s\".\"t\""])
    assert.deepStrictEqual(names({ database: "d" }), [
      `CREATE TABLE IF NOT EXISTS "d"."public"."t" ${columns}`,
      "\"d\".\"public\".\"t\""
    ])
    assert.deepStrictEqual(names({ database: "d", schema: "s" })[1], "\"d\".\"s\".\"t\"")
    assert.deepStrictEqual(names({ temporary: true }), [
      `CREATE TEMPORARY TABLE IF NOT EXISTS "t" ${columns}`,
      "\"pg_temp\".\"t\""
    ])
  })

  it("gives the Schema of its rows, and tells its tables from other things", () => {
    const table = HyperTable.make("t", { a: HyperTable.Numeric(3, 1), b: Schema.OptionFromNullOr(Schema.String) })
    assert.isTrue(HyperTable.isHyperTable(table))
    for (const other of [null, undefined, "t", table.Row, { name: "t" }]) assert.isFalse(HyperTable.isHyperTable(other))
    assert.isTrue(Schema.isSchema(table.Row))
    assert.deepStrictEqual(Object.keys(table.Row.fields), ["a", "b"])
  })
})
