import { assert, describe, layer } from "@effect/vitest"
import * as Client from "@hyperfect/client/Client"
import { ServerError } from "@hyperfect/client/ServerError"
import { Hyper, HyperCatalog } from "@hyperfect/hyper"
import type { CatalogError } from "@hyperfect/hyper/CatalogError"
import { Effect } from "effect"
import { typed } from "./fixtures/everyType.ts"
import { servers } from "./servers.ts"

let names = 0

/** A name that needs quotes, in a test of its own. */
const fresh = () => `A "${++names}`

/** Attaches a new database to the session for the scope. */
const attached = Effect.fnUntraced(function*(version: Hyper.DatabaseVersion = 3) {
  const path = `other${++names}.hyper`
  const name = fresh()
  yield* Hyper.createDatabase(path, { version })
  yield* Effect.acquireRelease(Hyper.attach(path, name), () => Effect.orDie(Hyper.detach(name)))
  return { name, path }
})

const test = { database: "test.hyper" }

const everyType = ["numeric(38, 0)", "varchar", ...typed.map(([, type]) => type)]

const codeOf = (error: { readonly _tag: string }) => error instanceof ServerError ? error.reason.sqlState : error._tag

const reasonOf = (error: { readonly _tag: string }) => (error as CatalogError).reason

describe("HyperCatalog", () => {
  layer(servers.hyper, { excludeTestServices: true, timeout: "1 minute" })((it) => {
    it.effect("lists the databases of the session, not those of others", () =>
      Effect.gen(function*() {
        yield* Hyper.createDatabase("unattached.hyper")
        const { name, path } = yield* attached()
        assert.deepStrictEqual(yield* HyperCatalog.databases, [
          { name, path },
          { name: "test.hyper", path: "test.hyper" }
        ])
      }))

    it.effect("creates, lists and drops schemas in any attached database", () =>
      Effect.gen(function*() {
        const other = { database: (yield* attached()).name }
        const schema = fresh()
        yield* HyperCatalog.createSchema(schema, other)
        yield* HyperCatalog.createSchema(schema, { ...other, ifNotExists: true })
        assert.deepStrictEqual(yield* HyperCatalog.schemas(other), [schema, "public"])
        assert.isTrue(yield* HyperCatalog.hasSchema(schema, other))
        assert.isFalse(yield* HyperCatalog.hasSchema(schema, test))
        assert.isFalse(yield* HyperCatalog.hasSchema(schema.toLowerCase(), other))
        const again = yield* Effect.flip(HyperCatalog.createSchema(schema, other))
        assert.strictEqual(codeOf(again), "42710")
        yield* HyperCatalog.dropSchema(schema, other)
        assert.isFalse(yield* HyperCatalog.hasSchema(schema, other))
        yield* HyperCatalog.dropSchema(schema, { ...other, ifExists: true })
        const missing = yield* Effect.flip(HyperCatalog.dropSchema(schema, other))
        assert.strictEqual(codeOf(missing), "3F000")
      }))

    it.effect("drops a schema with tables only with cascade", () =>
      Effect.gen(function*() {
        const schema = fresh()
        yield* HyperCatalog.createSchema(schema)
        yield* HyperCatalog.createTable({ name: "t", schema, columns: [], primaryKey: [] })
        const refused = yield* Effect.flip(HyperCatalog.dropSchema(schema))
        assert.strictEqual(codeOf(refused), "2BP01")
        assert.isTrue(yield* HyperCatalog.hasTable("t", { schema }))
        yield* HyperCatalog.dropSchema(schema, { cascade: true })
        assert.isFalse(yield* HyperCatalog.hasSchema(schema))
      }))

    it.effect("H10: reads the columns of a table: type, nullability, collation, default and key", () =>
      Effect.gen(function*() {
        const client = yield* Client.Client
        yield* client.simple(
          `create table described (a int not null default 7, b text collate "en_US_CI" default 'it''s', c varchar(5),
            d numeric(10, 2), g geography, "__proto__" timestamptz default now(), assumed primary key (d, a))`
        )
        const found = yield* HyperCatalog.table("described")
        const rows = found.columns.map((column) => [
          column.name,
          column.type,
          column.typeOid,
          column.typeModifier,
          column.nullable,
          column.collation,
          column.default
        ])
        assert.deepStrictEqual(rows, [
          ["a", "integer", 23, -1, false, undefined, "7"],
          ["b", "text", 25, -1, true, "en_US_CI", "'it''s'"],
          ["c", "character varying(5)", 1043, 9, true, undefined, undefined],
          ["d", "numeric(10,2)", 1700, ((10 << 16) | 2) + 4, true, undefined, undefined],
          ["g", "geography", 5003, -1, true, undefined, undefined],
          ["__proto__", "timestamptz", 1184, -1, true, undefined, `"pg_catalog"."now"()`]
        ])
        assert.deepStrictEqual(found.primaryKey, ["d", "a"])
      }))

    it.effect("creates a table of every type anew from its definition, in another database", () =>
      Effect.gen(function*() {
        const client = yield* Client.Client
        const columns = everyType.flatMap((type, i) => [`c${i} ${type}`, `n${i} ${type} not null`])
        yield* client.simple(
          `create table every (${columns.join(", ")}, d1 text collate "de" default '"x"."pg_catalog".y' not null,
            d2 double precision default random(), d3 int default (1 + 2), d4 date default date '2020-01-01')`
        )
        const every = yield* HyperCatalog.table("every")
        const { name: database } = yield* attached(4)
        yield* HyperCatalog.createTable({ ...every, database })
        assert.deepStrictEqual(yield* HyperCatalog.table("every", { database }), { ...every, database })
        yield* HyperCatalog.createTable({ ...every, database }, { ifNotExists: true })
        const again = yield* Effect.flip(HyperCatalog.createTable({ ...every, database }))
        assert.strictEqual(codeOf(again), "42P07")

        const old = (yield* attached()).name
        const refused = yield* Effect.flip(HyperCatalog.createTable({ ...every, database: old }))
        assert.deepInclude(refused, { _tag: "DatabaseVersionError", requiredVersion: 4 })
      }))

    it.effect("describes and creates temporary tables, with arrays of every type", () =>
      Effect.gen(function*() {
        const client = yield* Client.Client
        const temporary = { temporary: true }
        const columns = everyType.map((type, i) => `c${i} array(${type})`)
        yield* client.simple(`create temporary table arrays (${columns.join(", ")})`)
        const arrays = yield* HyperCatalog.table("arrays", temporary)
        assert.strictEqual(arrays.columns.at(-1)!.type, "array(geography)")
        yield* HyperCatalog.createTable({ ...arrays, name: "again" })
        assert.deepStrictEqual((yield* HyperCatalog.table("again", temporary)).columns, arrays.columns)
        assert.deepStrictEqual(yield* HyperCatalog.tables(temporary), [
          { name: "again", temporary: true },
          { name: "arrays", temporary: true }
        ])
        assert.isFalse(yield* HyperCatalog.hasTable("arrays"))
        yield* HyperCatalog.dropTable("again", temporary)
        assert.isFalse(yield* HyperCatalog.hasTable("again", temporary))
        yield* HyperCatalog.dropTable("arrays", temporary)
      }))

    it.effect("lists tables of a schema, or of all, and counts their rows", () =>
      Effect.gen(function*() {
        const client = yield* Client.Client
        const { name: database } = yield* attached()
        const schema = fresh()
        const name = fresh()
        yield* HyperCatalog.createSchema(schema, { database })
        const table = { columns: [], primaryKey: [] }
        yield* HyperCatalog.createTable({ ...table, name, database, schema })
        yield* HyperCatalog.createTable({ ...table, name, database })
        yield* HyperCatalog.createTable({ ...table, name: "kept", temporary: true })
        const entries = [{ name, database, schema }, { name, database, schema: "public" }]
        assert.deepStrictEqual(yield* HyperCatalog.tables({ database }), entries)
        assert.deepStrictEqual(yield* HyperCatalog.tables({ database, schema }), entries.slice(0, 1))
        assert.deepStrictEqual((yield* HyperCatalog.table(name, { database })).columns, [])
        yield* HyperCatalog.dropTable(name, { database })
        yield* HyperCatalog.dropTable(name, { database, ifExists: true })
        assert.isFalse(yield* HyperCatalog.hasTable(name, { database }))
        assert.isTrue(yield* HyperCatalog.hasTable(name, { database, schema }))
        yield* HyperCatalog.dropTable("kept", { temporary: true })
        yield* client.simple(`create table "test.hyper".public.counted as (select * from generate_series(1, 7))`)
        assert.strictEqual(yield* HyperCatalog.rowCount("counted", test), 7)
      }))

    it.effect("fails for names that do not exist, and for a database left open among several", () =>
      Effect.gen(function*() {
        const missing = { table: `"test.hyper"."public"."nope"` }
        assert.deepInclude(reasonOf(yield* Effect.flip(HyperCatalog.table("nope"))), {
          _tag: "TableMissing",
          ...missing
        })
        assert.deepInclude(reasonOf(yield* Effect.flip(HyperCatalog.rowCount("nope"))), {
          _tag: "TableMissing",
          ...missing
        })
        const schema = yield* Effect.flip(HyperCatalog.tables({ schema: "nope" }))
        assert.deepInclude(reasonOf(schema), { _tag: "SchemaMissing" })
        assert.strictEqual(codeOf(yield* Effect.flip(HyperCatalog.dropTable("nope"))), "42P01")

        const { name } = yield* attached()
        const databaseCalls = (options: HyperCatalog.TableOptions) => [
          HyperCatalog.schemas(options),
          HyperCatalog.hasSchema("s", options),
          HyperCatalog.createSchema("s", options),
          HyperCatalog.dropSchema("s", { ...options, ifExists: true }),
          HyperCatalog.tables(options),
          HyperCatalog.table("t", options),
          HyperCatalog.hasTable("t", options),
          HyperCatalog.rowCount("t", options),
          HyperCatalog.createTable({ ...options, name: "t", columns: [], primaryKey: [] }),
          HyperCatalog.dropTable("t", { ...options, ifExists: true })
        ]
        for (const call of databaseCalls({})) {
          const error = yield* Effect.flip(call as Effect.Effect<unknown, CatalogError, Client.Client>)
          assert.strictEqual(error._tag, "CatalogError")
          assert.deepInclude(error.reason, { _tag: "DatabaseAmbiguous", attached: [name, "test.hyper"] })
          assert.isFalse(error.isRetryable)
        }
        for (const call of databaseCalls({ database: "gone" })) {
          const error = yield* Effect.flip(call as Effect.Effect<unknown, CatalogError, Client.Client>)
          assert.strictEqual(
            error.message,
            `the session has no database "gone" attached (attached: ${JSON.stringify(name)}, "test.hyper")`
          )
        }
      }))

    it.effect("finds no database in a session without one, but its temporary tables", () =>
      Effect.gen(function*() {
        const session = yield* Hyper.make()
        const bare = <A, E>(self: Effect.Effect<A, E, Client.Client>) =>
          Effect.provideService(self, Client.Client, session)
        assert.deepStrictEqual(yield* bare(HyperCatalog.databases), [])
        const error = yield* Effect.flip(bare(HyperCatalog.tables()))
        assert.strictEqual(error.message, "the session has no database attached")
        yield* session.simple("create temporary table mine (a int)")
        assert.deepStrictEqual(yield* bare(HyperCatalog.tables({ temporary: true })), [{
          name: "mine",
          temporary: true
        }])
        assert.strictEqual(yield* bare(HyperCatalog.rowCount("mine", { temporary: true })), 0)
      }))
  })
})
