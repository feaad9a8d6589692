import { assert, layer } from "@effect/vitest"
import { Client } from "@hyperfect/client/Client"
import { Hyper, HyperCatalog, Hyperd, HyperTable } from "@hyperfect/hyper"
import * as NodePlatform from "@hyperfect/node/NodePlatform"
import * as HyperdServer from "@hyperfect/testing/HyperdServer"
import { Effect, Exit, Fiber, FileSystem, Layer } from "effect"
import { fullDisk } from "./fullDisk.ts"

const setUp = [
  `create schema "Extract"`,
  `create schema "empty"`,
  `create table "Extract"."Ex ""tract" (a int not null default 7, b text collate "en_US_CI" default 'it''s',
    d numeric(18, 2), g geography not null, t timestamptz default now(), assumed primary key (d, a))`,
  `insert into "Extract"."Ex ""tract" (select i, 'x' || i, i, 'POINT (1 2)'::geography, now()
    from generate_series(1, 1000) s(i))`,
  `create table plain (n int)`
]

/** A folder with a database, and the reading of it: definitions and a digest of the rows. */
const folder = Effect.fnUntraced(function*(version: Hyper.DatabaseVersion = 4, more: ReadonlyArray<string> = []) {
  const fs = yield* FileSystem.FileSystem
  const directory = yield* fs.makeTempDirectoryScoped({ prefix: "hyperfect-file-" })
  const from = `${directory}/from.hyper`
  const to = `${directory}/to.hyper`
  yield* Effect.flatMap(
    Client,
    (client) => Effect.forEach([...setUp, ...more], (statement) => client.simple(statement), { discard: true })
  ).pipe(Hyper.withDatabase({ database: from, create: "always", version }))
  return { from, to, bytes: fs.readFile(from), files: fs.readDirectory(directory) }
})

const content = (database: string) =>
  Effect.gen(function*() {
    const client = yield* Client
    const schemas = yield* HyperCatalog.schemas()
    const tables = yield* Effect.forEach(
      yield* HyperCatalog.tables(),
      ({ name, schema }) => HyperCatalog.table(name, { schema })
    )
    const { rows } = yield* client.values(
      `select count(*), sum(a), min(b), max(b), sum(d), min(t), max(t), max(g::text) from "Extract"."Ex ""tract"`
    )
    const { rows: versions } = yield* client.values(
      `select database_version from pg_catalog.hyper_database where datname = '${database}'`
    )
    return { schemas, tables, rows: rows.map((row) => row.map(String)), version: Number(versions[0]![0]) }
  }).pipe(Hyper.withDatabase({ database }))

const reasonOf = (error: unknown) => {
  const { _tag, reason } = error as { readonly _tag: string; readonly reason?: { readonly _tag: string } }
  return reason === undefined ? _tag : `${_tag} ${reason._tag}`
}

layer(HyperdServer.layer().pipe(Layer.provideMerge(NodePlatform.layer)), { excludeTestServices: true })(
  "copies of files",
  (it) => {
    it.effect("convert keeps definitions and rows in each version, and the source as it is", () =>
      Effect.gen(function*() {
        const { bytes, files, from, to } = yield* folder()
        const [expected, before] = [yield* content(from), yield* bytes]
        for (const version of [2, 3, 4] as const) {
          const copied = yield* Hyper.convert(from, to, { version })
          assert.deepStrictEqual(copied, [
            { schema: "Extract", name: `Ex "tract`, rows: 1000 },
            { schema: "public", name: "plain", rows: 0 }
          ])
          assert.deepStrictEqual(yield* content(to), { ...expected, version })
        }
        assert.deepStrictEqual(yield* bytes, before)
        assert.deepStrictEqual(yield* files, ["from.hyper", "to.hyper"])
      }))

    it.effect("copies assumed keys of every kind, of tables that refer to each other", () =>
      Effect.gen(function*() {
        const { from, to } = yield* folder(2, [
          `create table "Extract".p (b int not null, a int not null, c int, assumed primary key (a, b), assumed unique (c))`,
          `create table "q ""1""" (x int, y int, z int not null assumed primary key, assumed unique (z, y), assumed unique (x),
            assumed foreign key (x, y) references "Extract".p (b, a))`,
          `alter table "Extract".p add assumed foreign key (c) references "q ""1"""`,
          `alter table "q ""1""" add assumed foreign key (y) references "q ""1"""`
        ])
        const expected = yield* content(from)
        yield* Hyper.convert(from, to, { version: 3 })
        assert.deepStrictEqual(yield* content(to), { ...expected, version: 3 })
        const [q] = expected.tables.filter(({ name }) => name === "q \"1\"")
        assert.deepStrictEqual(q!.uniqueKeys, [["x"], ["z", "y"]])
        const toQ = { schema: "public", table: "q \"1\"", columns: ["z"] }
        assert.sameDeepMembers([...q!.foreignKeys!], [
          { columns: ["y", "x"], references: { schema: "Extract", table: "p", columns: ["a", "b"] } },
          { columns: ["y"], references: toQ }
        ])
        const [p] = expected.tables.filter(({ name }) => name === "p")
        assert.deepStrictEqual([p!.uniqueKeys, p!.foreignKeys], [[["c"]], [{ columns: ["c"], references: toQ }]])
        yield* Effect.gen(function*() {
          // A key to a table that is not copied is left out; one to a table that exists can be created with its table.
          const tables = [{ name: "q \"1\"" }]
          yield* Hyper.copyTables({ from: "source", to: "part.hyper", tables })
          const copied = yield* HyperCatalog.table("q \"1\"", { database: "part.hyper" })
          assert.deepStrictEqual(copied.foreignKeys, [{ columns: ["y"], references: toQ }])
          yield* HyperCatalog.createTable({ ...copied, name: "r" })
          assert.deepStrictEqual(yield* HyperCatalog.table("r", { database: "part.hyper" }), { ...copied, name: "r" })
          // What a failure leaves: nothing, although the tables refer to each other.
          const failing = [{ name: "p", schema: "Extract" }, { name: "q \"1\"" }]
          const error = yield* Effect.flip(Hyper.copyTables({ from: "source", to: "part.hyper", tables: failing }))
          assert.strictEqual(reasonOf(error), "ServerError DuplicateTable")
          yield* HyperCatalog.dropTable("r", { database: "part.hyper" })
          yield* HyperCatalog.dropTable("q \"1\"", { database: "part.hyper" })
          const client = yield* Client
          const broken = Object.create(client, {
            transaction: { value: () => Effect.fail(new Error("broken")) }
          }) as typeof client
          yield* Effect.flip(Effect.provideService(
            Hyper.copyTables({ from: "source", to: "part.hyper", tables: failing }),
            Client,
            broken
          ))
          assert.deepStrictEqual(yield* HyperCatalog.tables({ database: "part.hyper" }), [])
          assert.deepStrictEqual(yield* HyperCatalog.schemas({ database: "part.hyper" }), ["public"])
        }).pipe(Hyper.withDatabase({ database: "part.hyper", create: "replace", attach: { source: from } }))
      }))

    it.effect("copyDatabase keeps the version, and convert can replace its own source", () =>
      Effect.gen(function*() {
        const { files, from, to } = yield* folder(2)
        const expected = yield* content(from)
        yield* Hyper.copyDatabase(from, to)
        assert.deepStrictEqual(yield* content(to), expected)
        yield* Hyper.convert(to, to, { version: 4 })
        assert.deepStrictEqual(yield* content(to), { ...expected, version: 4 })
        assert.deepStrictEqual(yield* files, ["from.hyper", "to.hyper"])
      }))

    it.effect("defragment makes a file smaller from which most rows were deleted", () =>
      Effect.gen(function*() {
        const { bytes, from } = yield* folder(3, [
          `insert into plain (select random() * 1000000000 from generate_series(1, 500000) s(i))`
        ])
        yield* Effect.flatMap(Client, (client) => client.simple("delete from plain")).pipe(
          Hyper.withDatabase({ database: from })
        )
        const [before, expected] = [(yield* bytes).length, yield* content(from)]
        yield* Hyper.defragment(from)
        assert.isBelow((yield* bytes).length, before / 2)
        assert.deepStrictEqual(yield* content(from), expected)
      }))

    it.effect("a type that the version cannot store is refused with the version that can", () =>
      Effect.gen(function*() {
        const { bytes, files, from, to } = yield* folder(4, ["create table r (x real, y numeric(38, 2), n int)"])
        const before = yield* bytes
        for (const path of [from, to]) {
          const error = yield* Effect.flip(Hyper.convert(from, path, { version: 2 }))
          assert.deepInclude(error, {
            _tag: "DatabaseVersionError",
            requiredVersion: 4,
            columns: [{ name: "x", type: "real", version: 4 }, { name: "y", type: "numeric(38,2)", version: 3 }]
          })
        }
        // The source is detached: it can be opened exclusively.
        assert.deepStrictEqual(yield* bytes, before)
        assert.deepStrictEqual(yield* files, ["from.hyper"])
        yield* Effect.scoped(
          Effect.flatMap(Hyper.make(), (client) => Effect.provideService(Hyper.dropDatabase(from), Client, client))
        )
      }))

    it.effect("a missing, damaged or used file is an error, and nothing is left", () =>
      Effect.gen(function*() {
        const fs = yield* FileSystem.FileSystem
        const { bytes, files, from, to } = yield* folder()
        const expected = yield* content(from)
        const before = yield* bytes
        assert.strictEqual(reasonOf(yield* Effect.flip(Hyper.copyDatabase(`${from}x`, to))), "DatabaseError Missing")
        yield* fs.writeFileString(to, "no database")
        assert.strictEqual(reasonOf(yield* Effect.flip(Hyper.defragment(to))), "DatabaseError Corrupt")
        yield* fs.remove(to)
        assert.deepStrictEqual(yield* bytes, before)
        yield* Effect.scoped(Effect.gen(function*() {
          yield* Hyper.make({ database: from })
          assert.strictEqual(reasonOf(yield* Effect.flip(Hyper.defragment(from))), "DatabaseError InUse")
        }))
        assert.deepStrictEqual(yield* content(from), expected)
        assert.deepStrictEqual(yield* files, ["from.hyper"])
      }))

    for (const how of ["an interruption", "a killed server", "a full disk"] as const) {
      it.effect(`${how} in the middle leaves the files as they were`, () =>
        Effect.gen(function*() {
          const { bytes, files, from, to } = yield* folder(3, [
            `insert into plain (select random() * 1000000000 from generate_series(1, 3000000) s(i))`
          ])
          const expected = yield* content(from)
          const exit = yield* Effect.gen(function*() {
            const { pid } = yield* Hyperd.Hyperd
            const before = yield* bytes
            const copying = yield* Effect.forkChild(Hyper.convert(from, to, { version: 4 }))
            while ((yield* files).length === 1) yield* Effect.promise(() => new Promise(setImmediate))
            if (how === "a killed server") process.kill(pid, "SIGKILL")
            if (how === "an interruption") yield* Fiber.interrupt(copying)
            const exit = yield* Fiber.await(copying)
            assert.deepStrictEqual(yield* bytes, before)
            return exit
          }).pipe(
            Effect.provide(how === "a full disk" ? Hyperd.layer(yield* fullDisk) : HyperdServer.layer(), {
              local: true
            })
          )
          assert.isTrue(Exit.isFailure(exit))
          assert.deepStrictEqual((yield* files).filter((file) => file.endsWith("to.hyper")), [])
          assert.deepStrictEqual(yield* content(from), expected)
          yield* Hyper.convert(from, to, { version: 4 })
          assert.deepStrictEqual(yield* content(to), { ...expected, version: 4 })
          assert.deepStrictEqual(yield* files, ["from.hyper", "to.hyper"])
        }), 60_000)
    }

    it.effect("copyTables copies chosen tables, and drops what it has created if one exists", () =>
      Effect.gen(function*() {
        const { from, to } = yield* folder()
        yield* Effect.gen(function*() {
          const client = yield* Client
          const chosen = { name: `Ex "tract`, schema: "Extract" }
          const copied = yield* Hyper.copyTables({ from: "other", to, tables: [chosen] })
          assert.deepStrictEqual(copied, [{ ...chosen, rows: 1000 }])
          yield* client.simple(`drop table "${to}"."Extract"."Ex ""tract"`)
          yield* HyperTable.make("plain", { n: HyperTable.Int }, { database: to }).create
          const exists = yield* Effect.flip(Hyper.copyTables({ from: "other", to }))
          assert.strictEqual(reasonOf(exists), "ServerError DuplicateTable")
          assert.deepStrictEqual((yield* HyperCatalog.tables({ database: to })).map(({ name }) => name), ["plain"])
          assert.deepStrictEqual(yield* HyperCatalog.schemas({ database: to }), ["Extract", "public"])
          const missing = yield* Effect.flip(Hyper.copyTables({ from: "other", to, tables: [{ name: "none" }] }))
          assert.strictEqual(reasonOf(missing), "CatalogError TableMissing")
          const unattached = yield* Effect.flip(Hyper.copyTables({ from: "other", to: "none" }))
          assert.strictEqual(reasonOf(unattached), "CatalogError DatabaseMissing")
        }).pipe(Hyper.withDatabase({ database: to, create: "always", attach: { other: from } }))
      }))
  }
)
