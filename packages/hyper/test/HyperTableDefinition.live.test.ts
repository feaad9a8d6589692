import { assert, describe, layer } from "@effect/vitest"
import * as Client from "@hyperfect/client/Client"
import * as Query from "@hyperfect/client/Query"
import { sql } from "@hyperfect/client/Statement"
import { Hyper, HyperCatalog, HyperGeography, HyperTable } from "@hyperfect/hyper"
import type { CatalogError } from "@hyperfect/hyper/CatalogError"
import type { TableMismatch } from "@hyperfect/hyper/TableMismatch"
import { Effect, type Schema, Stream } from "effect"
import { columns } from "./fixtures/everyType.ts"
import { kinds, servers } from "./servers.ts"

const { geography: _geography, ...types } = columns

const { Array, Char, collate, Int, NullOr, Numeric, Text, Varchar, withDefault } = HyperTable

const elements = {
  bool: [HyperTable.Bool, true],
  int: [Int, -7],
  bigint: [HyperTable.BigInt, BigInt("9007199254740993")],
  double: [HyperTable.Double, 0.1],
  text: [Text, "\u{1f600}"],
  varchar: [Varchar(3), "abc"],
  letter: [Char(1), "é"],
  char: [Char(3), "ab "],
  bytes: [HyperTable.Bytes, Uint8Array.of(0, 1)],
  uuid: [HyperTable.Uuid, "00112233-4455-6677-8899-aabbccddeeff"],
  json: [HyperTable.Json, { a: 1 }]
} as const

describe("HyperTable definitions", () => {
  for (const kind of kinds) {
    layer<Client.Client, unknown>(servers[kind], { excludeTestServices: true, timeout: "1 minute" })(kind, (it) => {
      it.effect("writes and reads arrays of every length and with NULLs", () =>
        Effect.gen(function*() {
          const client = yield* Client.Client
          for (const [name, [element, value]] of Object.entries(elements)) {
            const column = element as Schema.Codec<unknown>
            const t = HyperTable.make(
              `arrays_${name}`,
              { n: Int, a: Array(NullOr(column)), b: NullOr(Array(column)) },
              {
                temporary: true
              }
            )
            yield* t.create
            const lengths = [0, 1, 7, 8, 9, 32, 33]
            const rows = lengths.map((length, n) => ({
              n,
              a: globalThis.Array.from({ length }, (_, i) => i % 3 === 1 ? null : value),
              b: n === 0 ? null : globalThis.Array.from({ length }, () => value)
            }))
            yield* t.insert(rows)
            const found = yield* client.query(sql`select * from ${t} order by n`).pipe(Query.rows(t.Row))
            assert.deepStrictEqual(found, rows)
          }
        }))

      it.effect("rejects elements that do not fit, with row and column", () =>
        Effect.gen(function*() {
          const t = HyperTable.make("elements", { a: Array(Varchar(2)), b: Array(Int) }, { temporary: true })
          yield* t.create
          const bad = [
            { a: ["abc"], b: [] },
            { a: [null], b: [] },
            { a: [], b: [[1]] },
            { a: [], b: [1.5] },
            { a: "x", b: [] }
          ]
          for (const row of bad) {
            const error = yield* Effect.flip(t.insert([{ a: [], b: [] }, row as never]))
            assert.strictEqual(error._tag, "ValueError")
            if (error._tag === "ValueError") assert.strictEqual(error.reason.row, 1)
          }
        }))

      it.effect("creates columns with defaults and collations", () =>
        Effect.gen(function*() {
          const client = yield* Client.Client
          const t = HyperTable.make("defaults", {
            id: Int,
            name: Text.pipe(collate("C"), withDefault(sql`'it''s'`)),
            score: NullOr(withDefault(Int, sql`(1 + 2)`))
          })
          yield* t.create
          yield* client.query(sql`insert into ${t} (id) values (1)`)
          yield* t.insert([{ id: 2, name: "x", score: null }])
          const { rows } = yield* client.query(sql`select * from ${t} order by id`)
          assert.deepStrictEqual(rows, [{ id: 1, name: "it's", score: 3 }, { id: 2, name: "x", score: null }])
        }))

      it.effect("H9: accepts a shorter length than the column's, but no longer one and no other precision", () =>
        Effect.gen(function*() {
          const client = yield* Client.Client
          yield* client.simple("create table lengths (v varchar(5), c char(5), n numeric(10, 2))")
          const shorter = HyperTable.make("lengths", { v: NullOr(Varchar(3)), c: NullOr(Char(2)) })
          yield* shorter.insert([{ v: "abc", c: "ab" }])
          const other = { v: NullOr(Varchar(6)), c: NullOr(Char(7)), n: NullOr(Numeric(9, 2)) }
          const error = yield* Effect.flip(HyperTable.make("lengths", other).insert([]))
          assert.deepStrictEqual((error as TableMismatch).columns, [
            { name: "v", declared: "varchar(6)", found: "character varying(5)" },
            { name: "c", declared: "char(7)", found: "character(5)" },
            { name: "n", declared: "numeric(9, 2)", found: "numeric(10,2)" }
          ])
        }))

      it.effect("H9: refuses to leave out a column with a default where COPY would store NULL", () =>
        Effect.gen(function*() {
          const client = yield* Client.Client
          yield* client.simple("create table omitted (a int not null, b int default 7, c text)")
          const t = HyperTable.make("omitted", { a: Int })
          if (kind === "postgres") {
            yield* t.insert([{ a: 1 }])
            assert.deepStrictEqual((yield* client.values("select * from omitted")).rows, [[1, 7, null]])
            return
          }
          const error = yield* Effect.flip(t.insert([{ a: 1 }]))
          assert.deepInclude(error, { columns: [{ name: "b", declared: undefined, found: "integer" }] })
          assert.strictEqual(
            error.message,
            `the table "omitted" is not as declared: "b" has a default, which COPY would replace by NULL, and must be ` +
              "declared as integer"
          )
          // The fact behind the refusal (H-41).
          const row = HyperTable.make("omitted", { a: Int, b: NullOr(Int) })
          yield* row.insert([{ a: 1, b: 2 }])
          yield* client.copyIn(
            "COPY omitted (a) FROM STDIN WITH (FORMAT csv)",
            Stream.succeed(new TextEncoder().encode("2\n"))
          )
          assert.deepStrictEqual((yield* client.values("select * from omitted order by a")).rows, [
            [1, 2, null],
            [2, null, null]
          ])
        }))
    })
  }

  layer(servers.hyper, { excludeTestServices: true, timeout: "1 minute" })("on Hyper", (it) => {
    it.effect("has an assumed primary key", () =>
      Effect.gen(function*() {
        const t = HyperTable.make("keyed", { a: Int, "b c": Text, d: Int }, { primaryKey: ["b c", "a"] })
        assert.match(t.createTable().text, /, ASSUMED PRIMARY KEY \("b c", "a"\)\)$/)
        yield* t.create
        assert.deepStrictEqual((yield* HyperCatalog.table("keyed")).primaryKey, ["b c", "a"])
        assert.deepStrictEqual(t.primaryKey, ["b c", "a"])
      }))

    it.effect("makes a table of every type from the server's definition, and fills it", () =>
      Effect.gen(function*() {
        const client = yield* Client.Client
        const declared = HyperTable.make("original", {
          id: Int,
          ...types,
          text: withDefault(collate(Text, "de"), sql`'x'`),
          varchar: NullOr(Varchar(5)),
          place: NullOr(HyperTable.GeographyText),
          ["__proto__"]: NullOr(Int)
        }, { primaryKey: ["id"] })
        yield* declared.create
        yield* client.simple(
          `insert into original values (1, true, 2, 3, 4, 1.5, 2.5, 12.34, 1.0000, 'a', null, 'c', 'b', '\\x00', '2020-01-01',
            '10:00', '2020-01-01 10:00', '2020-01-01 10:00+00', interval '1 day', '00112233-4455-6677-8899-aabbccddeeff',
            '{}', 7, 'point(1 2)', 5)`
        )
        const found = yield* HyperTable.fromServer("original")
        assert.strictEqual(
          found.createTable().text,
          declared.createTable().text.replace(/(?<=numeric\()(\d+),\s?/g, "$1, ")
        )
        const place = HyperGeography.asText("place")
        const select =
          sql`select id, bool, "smallint", "int", "bigint", "real", double, "numeric", wide, "text", "varchar", "char", letter,
          bytes, date, "time", "timestamp", timestamptz, "interval", uuid, json, oid, ${place}, "__proto__"`
        const rows = yield* client.query(sql`${select} from ${found}`).pipe(Query.rows(found.Row))
        yield* found.insert(rows.map((row) => ({ ...row, id: 2 })))
        const { rows: counts } = yield* client.values(
          sql`select count(*) from (select ${sql`"text", "varchar", "wide", "char", "__proto__"`}, count(*) from ${found}
            group by 1, 2, 3, 4, 5 having count(*) = 2) t`
        )
        assert.strictEqual(Number(counts[0]![0]), 1)
      }))

    it.effect("makes tables from temporary ones with arrays, and from other databases", () =>
      Effect.gen(function*() {
        const client = yield* Client.Client
        yield* client.simple("create temporary table sent (a numeric(5, 1)[], b char(1) array, c int[] not null)")
        const sent = yield* HyperTable.fromServer("sent", { temporary: true })
        assert.match(
          sent.createTable().text,
          /\("a" numeric\(5, 1\)\[\], "b" char\(1\)\[\], "c" integer\[\] NOT NULL\)/
        )
        yield* sent.insert([{ a: null, b: ["x", null], c: [1, 2] }])
        assert.deepStrictEqual((yield* client.values(sql`select b, c from ${sent}`)).rows, [[["x", null], [1, 2]]])

        yield* Hyper.createDatabase("elsewhere.hyper")
        yield* Hyper.attach("elsewhere.hyper", "else")
        yield* HyperCatalog.createSchema("S", { database: "else" })
        const place = { database: "else", schema: "S" }
        const away = HyperTable.make("away", { a: Int, b: withDefault(Text, sql`'z'`) }, place)
        yield* away.create
        const again = yield* HyperTable.fromServer("away", place)
        assert.strictEqual(again.createTable().text, away.createTable().text)
        yield* again.insert([{ a: 1, b: "b" }])
        const omitted = yield* Effect.flip(HyperTable.make("away", { a: Int }, place).insert([{ a: 1 }]))
        assert.strictEqual(omitted._tag, "TableMismatch")
        assert.strictEqual(yield* HyperCatalog.rowCount("away", place), 1)
        yield* Hyper.detach("else")
      }))

    it.effect("fails for tables that are missing, empty, or have a type without a Schema", () =>
      Effect.gen(function*() {
        const client = yield* Client.Client
        yield* client.simple("create table nothing ()")
        yield* client.simple("create temporary table odd (a int, b regclass)")
        const reason = (name: string, options?: HyperTable.Options) =>
          Effect.map(Effect.flip(HyperTable.fromServer(name, options)), (error) => (error as CatalogError).reason)
        assert.deepInclude(yield* reason("nope"), { _tag: "TableMissing" })
        assert.deepInclude(yield* reason("nothing"), { _tag: "TableEmpty" })
        assert.deepInclude(yield* reason("odd", { temporary: true }), {
          _tag: "TypeUnsupported",
          table: `"pg_temp"."odd"`,
          column: "b",
          type: "regclass"
        })
      }))
  })
})
