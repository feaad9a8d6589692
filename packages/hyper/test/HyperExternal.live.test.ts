import { assert, describe, it, layer } from "@effect/vitest"
import { Client } from "@hyperfect/client/Client"
import { fromTextUnsafe, identifier, list, literal, sql, type Statement } from "@hyperfect/client/Statement"
import * as Hyper from "@hyperfect/hyper/Hyper"
import * as HyperExternal from "@hyperfect/hyper/HyperExternal"
import * as HyperTable from "@hyperfect/hyper/HyperTable"
import * as NodePlatform from "@hyperfect/node/NodePlatform"
import * as HyperdServer from "@hyperfect/testing/HyperdServer"
import * as Json from "@hyperfect/values/Json"
import { BigDecimal, Effect, FileSystem, Layer, Schema } from "effect"
import { gzipSync } from "node:zlib"

const Server = Hyper.layer({ database: "external.hyper", create: "always", version: 4 }).pipe(
  Layer.provide(HyperdServer.layer()),
  Layer.provideMerge(NodePlatform.layer)
)

const columns = {
  id: Schema.Int,
  name: HyperTable.NullOr(HyperTable.Text),
  price: HyperTable.NullOr(HyperTable.Numeric(6, 2)),
  "Größe \"x\"": HyperTable.NullOr(HyperTable.Double)
}

let tables = 0

const emptyTable = Effect.gen(function*() {
  const table = HyperTable.make(`t${++tables}`, columns)
  yield* table.create
  return table
})

/** A new table with three rows, with special characters and NULL. */
const filledTable = Effect.gen(function*() {
  const client = yield* Client
  const table = yield* emptyTable
  yield* client.query(sql`insert into ${table} values (1, ${"a, \"b\" 'c' | \n"}, 1.25, 0.5)`)
  yield* client.query(sql`insert into ${table} values (2, '', null, -1e300)`)
  yield* client.query(sql`insert into ${table} values (3, null, -9999.99, null)`)
  return table
})

const decimal = (value: unknown) => BigDecimal.isBigDecimal(value) ? BigDecimal.format(value) : value

const rowsOf = (source: unknown) =>
  Effect.gen(function*() {
    const client = yield* Client
    const names = list(Object.keys(columns).map((name) => identifier(name)))
    const { rows } = yield* client.values(sql`select ${names} from ${source} order by id`)
    return rows.map(([id, name, price, size]) => [id, name, decimal(price), size])
  })

/** A new directory, whose name needs quotes. */
const directory = Effect.flatMap(
  FileSystem.FileSystem,
  (fs) => fs.makeTempDirectoryScoped({ prefix: "it's \"odd\" \\ ü; --" })
)

const failure = <E>(effect: Effect.Effect<unknown, E, Client>) =>
  Effect.map(Effect.flip(effect), (error) => {
    const { _tag, reason } = error as { readonly _tag?: string; readonly reason?: { readonly _tag: string } }
    return `${_tag} ${reason?._tag}`
  })

const count = (from: Statement) =>
  Effect.flatMap(
    Client,
    (client) => Effect.map(client.values(sql`select count(*)::int from ${from}`), ({ rows }) => rows[0]![0])
  )

const formats: ReadonlyArray<HyperExternal.WriteOptions & HyperExternal.ReadOptions> = [
  { format: "csv" },
  { format: "csv", header: true, delimiter: "|", null: "(none)", quote: "'", escape: "'" },
  { format: "csv", header: false, delimiter: "\t", escape: "\\" },
  { format: "parquet" },
  { format: "arrowfile" },
  { format: "arrowstream" }
]

describe("HyperExternal", () => {
  layer(Server, { excludeTestServices: true })((it) => {
    for (const format of formats) {
      it.effect(`exports, scans and imports ${JSON.stringify(format)} without loss`, () =>
        Effect.gen(function*() {
          const table = yield* filledTable
          const rows = yield* rowsOf(table)
          const path = `${yield* directory}/a 'file' "x"\\.data`
          assert.strictEqual(yield* HyperExternal.exportTo(table, path, format), 3)
          assert.deepStrictEqual(yield* rowsOf(HyperExternal.scan(path, { ...format, columns })), rows)
          const copy = yield* emptyTable
          assert.strictEqual(yield* HyperExternal.importInto(copy, path, format), 3)
          assert.deepStrictEqual(yield* rowsOf(copy), rows)
          if (format.format.startsWith("arrow")) {
            const several = HyperExternal.importInto(copy, [path, path], format)
            return assert.strictEqual(yield* failure(several), "ServerError FeatureNotSupported")
          }
          assert.strictEqual(yield* HyperExternal.importInto(copy, [path, path], format), 6)
          assert.strictEqual(yield* count(HyperExternal.scan([path, path], { ...format, columns })), 6)
        }))
    }

    for (const codec of ["snappy", "gzip", "zstd"] as const) {
      it.effect(`exports the result of a query to Parquet with ${codec}`, () =>
        Effect.gen(function*() {
          const path = `${yield* directory}/squares.parquet`
          const query = sql`select i, i * i as square from generate_series(1, 1000) s(i)`
          assert.strictEqual(
            yield* HyperExternal.exportTo(query, path, { format: "parquet", codec, rowsPerRowGroup: 100 }),
            1000
          )
          const client = yield* Client
          const squares = HyperExternal.scan(path, { format: "parquet" })
          const { rows } = yield* client.query(sql`select square from ${squares} where i = ${12}`)
          assert.deepStrictEqual(rows, [{ square: 144 }])
        }))
    }

    it.effect("H10: reads the files that the program lists by a pattern as one table", () =>
      Effect.gen(function*() {
        const fs = yield* FileSystem.FileSystem
        const folder = yield* directory
        const write = (name: string, rows: string) => fs.writeFileString(`${folder}/${name}`, rows)
        yield* Effect.all([write("a1.csv", "1\n2\n"), write("a2.csv", "3\n"), write("b.csv", "4\n")])
        const names = yield* fs.readDirectory(folder)
        const files = names.filter((name) => /^a.*\.csv$/.test(name)).map((name) => `${folder}/${name}`)
        const numbers = HyperExternal.scan(files, { format: "csv", columns: { n: HyperTable.Int } })
        const { rows } = yield* (yield* Client).values(sql`select n from ${numbers} order by n`)
        assert.deepStrictEqual(rows, [[1], [2], [3]])
        const pattern = HyperExternal.scan(`${folder}/a*.csv`, { format: "csv", columns: { n: HyperTable.Int } })
        assert.strictEqual(yield* failure(count(pattern)), "ServerError UndefinedFile")
      }))

    it.effect("matches columns of Parquet and Arrow by name, of CSV by position", () =>
      Effect.gen(function*() {
        const table = yield* filledTable
        const client = yield* Client
        const path = `${yield* directory}/file`
        for (const format of ["parquet", "arrowfile"] as const) {
          yield* HyperExternal.exportTo(table, path, { format })
          const some = HyperExternal.scan(path, { format, columns: { price: columns.price, id: columns.id } })
          const { rows } = yield* client.values(sql`select * from ${some} order by id`)
          assert.deepStrictEqual(rows.map(([price, id]) => [decimal(price), id]), [
            ["1.25", 1],
            [null, 2],
            ["-9999.99", 3]
          ])
          const copy = yield* emptyTable
          yield* HyperExternal.importInto(copy, path, { format, columns: ["name", "id"] })
          assert.deepStrictEqual((yield* rowsOf(copy))[0], [1, "a, \"b\" 'c' | \n", null, null])
        }
        yield* HyperExternal.exportTo(sql`select name, id from ${table}`, path, { format: "csv" })
        const copy = yield* emptyTable
        yield* HyperExternal.importInto(copy, path, { format: "csv", columns: ["name", "id"] })
        assert.deepStrictEqual((yield* rowsOf(copy))[0], [1, "a, \"b\" 'c' | \n", null, null])
      }))

    it.effect("exports a table by its name, and stores a text of Parquet whole that is longer than its column", () =>
      Effect.gen(function*() {
        const client = yield* Client
        const path = `${yield* directory}/file`
        yield* client.simple(`create temporary table "l.o""ng" as (select 'abcdef' as a)`)
        for (
          const name of [
            identifier("l.o\"ng"),
            identifier("pg_temp", "l.o\"ng"),
            sql`select * from ${identifier("l.o\"ng")}`
          ]
        ) {
          assert.strictEqual(yield* HyperExternal.exportTo(name, path, { format: "parquet" }), 1)
        }
        yield* client.simple("create temporary table short (a varchar(3))")
        yield* HyperExternal.importInto(identifier("short"), path, { format: "parquet" })
        assert.deepStrictEqual((yield* client.values("select a from short")).rows, [["abcdef"]])
      }))

    it.effect("H9: refuses to leave out a column with a default where the server would store NULL", () =>
      Effect.gen(function*() {
        const client = yield* Client
        const path = `${yield* directory}/file`
        for (const format of ["csv", "parquet", "arrowfile"] as const) {
          yield* HyperExternal.exportTo(sql`select 1 as a, 'x' as c`, path, { format })
          for (const [table, created] of [["omitted", `pg_temp."omitted"`], ["Om it", `"Om it"`]] as const) {
            yield* client.simple(`drop table if exists ${created}`)
            const persistence = table === "omitted" ? "create temporary table omitted" : `create table ${created}`
            yield* client.simple(`${persistence} (a int, b int default 7, c text)`)
            const importColumns = (...columns: ReadonlyArray<string>) =>
              HyperExternal.importInto(sql`${identifier(table)}`, path, { format, columns })
            const refused = yield* Effect.flip(importColumns("a", "c"))
            assert(refused._tag === "UnsupportedError")
            assert.include(refused.feature, `without the column "b"`)
          }
          // All columns are required without a list, so that no default is lost.
          const all = HyperExternal.importInto(identifier("omitted"), path, { format })
          assert.match(yield* failure(all), /^ServerError /)
        }
      }))

    it.effect("reads lines of JSON as a column, from several files, and imports them", () =>
      Effect.gen(function*() {
        const fs = yield* FileSystem.FileSystem
        const client = yield* Client
        const path = `${yield* directory}/lines`
        yield* fs.writeFileString(path, "{\"a\": 1.50}\n[1, \"x\"]\nnull\n")
        const documents = [{ a: 1.5 }, [1, "x"], Json.Null]
        const one = HyperExternal.scan(path, { format: "json" })
        assert.deepStrictEqual(
          (yield* client.query(sql`select json from ${one}`)).rows.map(({ json }) => json),
          documents
        )
        const named = HyperExternal.scan([path, path], { format: "json", columns: { doc: HyperTable.Json } })
        assert.strictEqual(yield* count(named), 6)
        yield* client.simple("create temporary table documents (doc json, n int)")
        const imported = HyperExternal.importInto(identifier("documents"), path, { format: "json", columns: ["doc"] })
        assert.strictEqual(yield* imported, 3)
        assert.deepStrictEqual((yield* client.values("select doc from documents")).rows.flat(), documents)
        const wrong = HyperExternal.scan(path, { format: "json", columns: { a: HyperTable.Double } })
        assert.match(yield* failure(client.query(sql`select * from ${wrong}`)), /^ServerError /)
      }))

    it.effect("exports a table of Iceberg and reads it, and refuses to export over one", () =>
      Effect.gen(function*() {
        const fs = yield* FileSystem.FileSystem
        const client = yield* Client
        const table = yield* filledTable
        const folder = yield* directory
        const path = `${folder}/ice`
        const format = { format: "iceberg" } as const
        assert.strictEqual(yield* HyperExternal.exportTo(table, path, format), 3)
        assert.deepStrictEqual(yield* rowsOf(HyperExternal.scan(path, format)), yield* rowsOf(table))
        const some = HyperExternal.scan(path, { ...format, columns: { price: columns.price } })
        assert.strictEqual(yield* count(some), 3)
        const files = yield* fs.readDirectory(path, { recursive: true })
        const again = yield* Effect.flip(HyperExternal.exportTo(sql`select 1 as a`, path, format))
        assert.strictEqual(again._tag, "UnsupportedError")
        assert.sameMembers(yield* fs.readDirectory(path, { recursive: true }), files)
        // The fact behind the refusal (H-73).
        yield* client.simple(sql`copy (select 1 as a) to ${literal(path)} with (format iceberg)`.text)
        const read = client.query(sql`select * from ${HyperExternal.scan(path, format)}`)
        assert.strictEqual(yield* failure(read), "ServerError DataCorrupted")
        assert.strictEqual(yield* failure(HyperExternal.exportTo(table, path, format)), "ServerError DataCorrupted")
        yield* fs.makeDirectory(`${folder}/empty`)
        yield* HyperExternal.exportTo(table, `${folder}/empty`, format)
        const none = HyperExternal.scan(`${folder}/none`, format)
        assert.match(yield* failure(client.query(sql`select * from ${none}`)), /^ServerError /)
        assert.match(yield* failure(HyperExternal.exportTo(table, "\0", format)), /^ValueError /)
        const unsupported = HyperExternal.exportTo(sql`select null::uuid as a`, `${folder}/uuid`, format)
        assert.strictEqual(yield* failure(unsupported), "ServerError FeatureNotSupported")
      }))

    it.effect("reads compressed and encoded CSV, and NULL for what does not fit", () =>
      Effect.gen(function*() {
        const fs = yield* FileSystem.FileSystem
        const client = yield* Client
        const folder = yield* directory
        const text = "1,a\nx,ü\n"
        yield* fs.writeFile(`${folder}/a.gz`, gzipSync(text))
        yield* fs.writeFile(`${folder}/b.csv`, Buffer.from(text, "utf16le"))
        const table = { id: HyperTable.NullOr(HyperTable.Int), name: HyperTable.Text }
        const options = { format: "csv", columns: table, onCastFailure: "set_null" } as const
        for (
          const scan of [
            HyperExternal.scan(`${folder}/a.gz`, { ...options, compression: "gzip" }),
            HyperExternal.scan(`${folder}/b.csv`, { ...options, encoding: "utf-16-le" })
          ]
        ) {
          const { rows } = yield* client.values(sql`select * from ${scan}`)
          assert.deepStrictEqual(rows, [[1, "a"], [null, "ü"]])
        }
      }))

    it.effect("fails with the server's error for files and values that do not fit, and imports nothing", () =>
      Effect.gen(function*() {
        const fs = yield* FileSystem.FileSystem
        const client = yield* Client
        const folder = yield* directory
        const path = `${folder}/a.csv`
        yield* fs.writeFileString(path, "1,a,1.5,2\n2,b,x,2\n")
        const table = yield* emptyTable
        const into = (file: string, options: HyperExternal.ReadOptions) =>
          failure(HyperExternal.importInto(table, file, options))
        assert.strictEqual(yield* into(path, { format: "csv" }), "ServerError InvalidTextRepresentation")
        assert.strictEqual(yield* into(`${folder}/none.csv`, { format: "csv" }), "ServerError UndefinedFile")
        assert.strictEqual(yield* into(path, { format: "parquet" }), "ServerError DataCorrupted")
        assert.match(yield* into(path, { format: "arrowfile" }), /^ServerError /)
        assert.match(yield* into(folder, { format: "csv" }), /^ServerError /)
        yield* HyperExternal.exportTo(sql`select 'x' as id`, `${folder}/a.parquet`, { format: "parquet" })
        const scanned = HyperExternal.scan(`${folder}/a.parquet`, { format: "parquet", columns: { id: columns.id } })
        assert.strictEqual(yield* failure(client.query(sql`select * from ${scanned}`)), "ServerError DatatypeMismatch")
        const missing = HyperExternal.scan(`${folder}/a.parquet`, { format: "parquet", columns: { no: columns.id } })
        assert.strictEqual(yield* failure(client.query(sql`select * from ${missing}`)), "ServerError UndefinedColumn")
        assert.deepStrictEqual(yield* rowsOf(table), [])
      }))

    it.effect("removes the file of an export that fails, and refuses types that the format does not have", () =>
      Effect.gen(function*() {
        const fs = yield* FileSystem.FileSystem
        const folder = yield* directory
        const path = `${folder}/a.csv`
        yield* HyperExternal.exportTo(sql`select 1 as a`, path, { format: "csv" })
        assert.strictEqual(yield* fs.readFileString(path), "1\n")
        const fails = sql`select 100 / (i - 500000) as a from generate_series(1, 1000000) s(i)`
        assert.strictEqual(
          yield* failure(HyperExternal.exportTo(fails, path, { format: "csv" })),
          "ServerError DivisionByZero"
        )
        assert.isFalse(yield* fs.exists(path))
        assert.match(yield* failure(HyperExternal.exportTo(sql`select 1`, folder, { format: "csv" })), /^ServerError /)
        for (const type of ["uuid", "oid", "interval", "char(1)", "geography"]) {
          const exported = HyperExternal.exportTo(fromTextUnsafe(`select null::${type} as a`), path, {
            format: "parquet"
          })
          assert.strictEqual(yield* failure(exported), "ServerError DatatypeMismatch", type)
        }
        assert.strictEqual(
          yield* failure(HyperExternal.exportTo(sql`select null::uuid as a`, path, { format: "arrowfile" })),
          "ServerError FeatureNotSupported"
        )
      }))

    it.effect("refuses paths and values that cannot be sent with a ValueError", () =>
      Effect.gen(function*() {
        const table = yield* emptyTable
        for (const path of ["a\0.csv", "a\ud800.csv"]) {
          assert.throws(() => HyperExternal.scan(path, { format: "parquet" }), /U\+0000|surrogate|UTF-8|zero/i)
          assert.match(yield* failure(HyperExternal.importInto(table, path, { format: "csv" })), /^ValueError /)
          assert.match(yield* failure(HyperExternal.exportTo(table, path, { format: "csv" })), /^ValueError /)
        }
        assert.match(
          yield* failure(HyperExternal.importInto(table, "a.csv", { format: "csv", null: "\0" })),
          /^ValueError /
        )
      }))
  })

  it("throws a TypeError for options and arguments that are mistakes of the program", () => {
    const scan = (options: unknown, paths: string | ReadonlyArray<string> = "a") => () =>
      HyperExternal.scan(paths, options as HyperExternal.ScanOptions)
    assert.throws(
      scan({ format: "orc" }),
      /format must be one of csv, parquet, arrowfile, arrowstream, json, iceberg, not "orc"/
    )
    assert.throws(scan({ format: "__proto__" }), TypeError)
    assert.throws(scan({ format: "csv" }), /pass columns/)
    assert.throws(scan({ format: "parquet" }, ""), /no file/)
    assert.throws(scan({ format: "parquet" }, []), /no file/)
    assert.throws(scan({ format: "parquet", header: true }), /header is not an option of parquet/)
    assert.throws(scan({ format: "csv", columns, constructor: true }), /constructor is not an option/)
    assert.throws(scan({ format: "csv", columns, delimiter: "||" }), /delimiter must be a character, not "\|\|"/)
    assert.throws(scan({ format: "csv", columns, encoding: "latin1" }), /encoding must be one of/)
    assert.throws(scan({ format: "csv", columns: { a: Schema.Date } }), /has no database type/)
    assert.strictEqual(
      HyperExternal.scan(["a'", "b\\"], { format: "csv", columns, header: true, null: undefined }).text,
      "external(ARRAY['a''',  E'b\\\\'], format => 'csv', \"header\" => true, columns => DESCRIPTOR(\"id\" integer NOT NULL, " +
        "\"name\" text, \"price\" numeric(6, 2), \"Größe \"\"x\"\"\" double precision))"
    )
  })

  it.live("refuses an unknown codec of Parquet, which ends the server", () =>
    Effect.gen(function*() {
      const outcomes: Array<string> = []
      yield* Effect.gen(function*() {
        const client = yield* Client
        const options = { format: "parquet", codec: "lz4" as "zstd" } as const
        outcomes.push(String(yield* Effect.exit(HyperExternal.exportTo(sql`select 1 as a`, "a.parquet", options))))
        outcomes.push((yield* client.simple("select 1"))[0]!.commandTag)
        const unchecked = client.simple("COPY (select 1 as a) TO 'a.parquet' WITH (FORMAT parquet, codec 'lz4')")
        outcomes.push((yield* Effect.flip(unchecked))._tag)
      }).pipe(
        Effect.provide(Hyper.layer().pipe(Layer.provide(HyperdServer.layer()), Layer.provide(NodePlatform.layer))),
        // The scope of the server dies, because the server has ended.
        Effect.exit
      )
      assert.match(outcomes[0]!, /codec must be one of snappy, gzip, zstd, not \\?"lz4/)
      assert.deepStrictEqual(outcomes.slice(1), ["SELECT 1", "TransportError"])
    }))
})
