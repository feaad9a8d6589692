import { assert, describe, it } from "@effect/vitest"
import { Statement } from "@hyperfect/client"
import { HyperTable } from "@hyperfect/hyper"
import { Schema, SchemaRepresentation } from "effect"
import { typed } from "./fixtures/everyType.ts"

const { sql } = Statement

const definitions = (fields: HyperTable.Fields): string =>
  /\((.*)\)$/.exec(HyperTable.make("t", fields).createTable().text)![1]!

describe("HyperTable.make", () => {
  it("infers the types of plain Schemas, and makes a column with null nullable", () => {
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

  it("has a column for each type", () => {
    for (const [schema, type] of typed) {
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

  it("rejects a field without a database type", () => {
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
      // Whether to store these as text is for the program to decide.
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

  it("rejects optional columns, tables without columns, and a schema or database for a temporary table", () => {
    const annotated = (databaseType: unknown) =>
      SchemaRepresentation.fromRepresentation(
        SchemaRepresentation.fromJson(JSON.parse(JSON.stringify(SchemaRepresentation.toJson(
          SchemaRepresentation.toRepresentation(Schema.String.annotate({ databaseType } as never).ast)
        ))) as Schema.Json),
        { revivers: [] }
      ) as Schema.Codec<string>
    const injected = { name: "text); drop table t; --", typeModifier: -1 }
    for (const forged of [injected, { type: injected, isExact: true }, "text", null]) {
      assert.strictEqual(definitions({ a: annotated(forged) }), "\"a\" text NOT NULL")
      const direct = Schema.Unknown.annotate({ databaseType: forged } as never) as never
      assert.throws(() => HyperTable.make("t", { a: direct }), TypeError, "has no database type")
    }
    assert.throws(() => HyperTable.make("t", { a: Schema.optionalKey(Schema.Int) }), TypeError, "may be missing")
    assert.throws(() => HyperTable.make("t", { a: Schema.optional(Schema.Int) }), TypeError, "may be missing")
    assert.throws(() => HyperTable.make("t", {}), TypeError, "the table \"t\" has no columns")
    for (const options of [{ schema: "s" }, { database: "d" }]) {
      assert.throws(() => HyperTable.make("t", { a: Schema.Int }, { temporary: true, ...options }), TypeError)
    }
  })

  it("rejects sizes that the type does not have", () => {
    for (const [precision, scale] of [[0, 0], [39, 0], [5, 6], [5, -1], [1.5, 0], [NaN, 0]] as const) {
      assert.throws(() => HyperTable.Numeric(precision, scale), RangeError)
    }
    for (const length of [0, -1, 1.5, NaN, 10_485_761]) {
      assert.throws(() => HyperTable.Varchar(length), RangeError)
      assert.throws(() => HyperTable.Char(length), RangeError)
    }
    assert.throws(() => HyperTable.column(Schema.Date, Schema.Date), TypeError)
  })

  it("has collations and defaults, beneath NULL, checks and transformations too", () => {
    const { Int, NullOr, Text, collate, withDefault } = HyperTable
    const name = Text.pipe(collate("a\"b"), withDefault(sql`'x'`))
    assert.strictEqual(
      definitions({
        name,
        nullable: NullOr(name),
        outside: NullOr(Text).pipe(collate("de")),
        checked: name.check(Schema.isMinLength(1)),
        option: Schema.OptionFromNullOr(withDefault(Int, sql`(1 + 1)`)),
        column: HyperTable.column(Text, Schema.Literals(["a", "b"])).pipe(withDefault(sql`'a'`)),
        array: HyperTable.Array(NullOr(HyperTable.Numeric(5, 1)))
      }),
      [
        `"name" text COLLATE "a""b" DEFAULT 'x' NOT NULL`,
        `"nullable" text COLLATE "a""b" DEFAULT 'x'`,
        `"outside" text COLLATE "de"`,
        `"checked" text COLLATE "a""b" DEFAULT 'x' NOT NULL`,
        `"option" integer DEFAULT (1 + 1)`,
        `"column" text DEFAULT 'a' NOT NULL`,
        `"array" numeric(5, 1)[] NOT NULL`
      ].join(", ")
    )
  })

  it("rejects collations, defaults, arrays and keys that no table can have", () => {
    const { Array, Int, Text, collate, withDefault } = HyperTable
    assert.throws(() => collate(Int, "de"), TypeError, "the type integer has no collation")
    assert.throws(() => collate(Array(Text), "de"), TypeError, "has no collation")
    assert.throws(() => withDefault(Int, sql`${1}`), TypeError, "Statement.literal")
    assert.throws(() => withDefault(Int, "1" as never), TypeError, "Statement.literal")
    assert.throws(() => withDefault(Schema.Date, sql`1`), TypeError, "is not a column")
    assert.throws(() => Array(Array(Int)), TypeError, "an array of arrays")
    assert.throws(() => Array(Schema.Date), TypeError, "is not a column")
    const options = { primaryKey: ["b"] } as never
    assert.throws(() => HyperTable.make("t", { a: Int }, options), TypeError, "no column \"b\" for its key")
  })

  it("quotes every name", () => {
    const table = HyperTable.make("a\"b; drop table c --", { "x\"y": Schema.Int, "select": Schema.Int })
    assert.strictEqual(
      table.createTable().text,
      "CREATE TABLE \"a\"\"b; drop table c --\" (\"x\"\"y\" integer NOT NULL, \"select\" integer NOT NULL)"
    )
    assert.strictEqual(sql`select * from ${table}`.text, "select * from \"a\"\"b; drop table c --\"")
  })

  it("qualifies the name with schema and database", () => {
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

  it("has the Schema of its rows, and isHyperTable recognizes tables", () => {
    const table = HyperTable.make("t", { a: HyperTable.Numeric(3, 1), b: Schema.OptionFromNullOr(Schema.String) })
    assert.isTrue(HyperTable.isHyperTable(table))
    assert.strictEqual(table.pipe(({ name }) => name), table.name)
    for (const other of [null, undefined, "t", table.Row, { name: "t" }]) assert.isFalse(HyperTable.isHyperTable(other))
    assert.isTrue(Schema.isSchema(table.Row))
    assert.deepStrictEqual(Object.keys(table.Row.fields), ["a", "b"])
  })
})
