import { assert, layer } from "@effect/vitest"
import { Client, Session, Statement } from "@hyperfect/client"
import { Hyper, Hyperd, HyperExternal } from "@hyperfect/hyper"
import { NodePlatform } from "@hyperfect/node"
import { HyperdServer, PostgresServer } from "@hyperfect/testing"
import { CalendarDate } from "@hyperfect/values"
import { Console, Effect, FileSystem, Layer } from "effect"
import { spawnSync } from "node:child_process"
import { readdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { arrowChart, monthlyTotals } from "../hyper/arrowChart.ts"
import { csvToExtract } from "../hyper/csvToExtract.ts"
import { distancesFrom } from "../hyper/geodata.ts"
import { hyperToParquet } from "../hyper/hyperToParquet.ts"
import { incrementalRefresh } from "../hyper/incrementalRefresh.ts"
import { Order } from "../hyper/orders.ts"
import { postgresToHyper } from "../hyper/postgresToHyper.ts"
import { createTables, loadTables } from "../hyper/severalTables.ts"
import { explainErrors, explainOpening } from "../hyper/typedErrors.ts"

const { sql } = Statement

const server = HyperdServer.layer().pipe(Layer.provideMerge(NodePlatform.layer))

const folder = Effect.flatMap(FileSystem.FileSystem, (fs) => fs.makeTempDirectoryScoped())

const day = (text: string) => CalendarDate.fromStringUnsafe(text)

const csvText = `id,region,total,placed
1,north,10.5,2026-01-31
2,"a ""south"", far",20,2026-02-01
3,,0.25,2026-02-28
`

/** The rows of an extract, as text. */
const rowsIn = (extract: string) =>
  Effect.flatMap(Client.Client, (client) => client.values(sql`select * from ${Order} order by id`)).pipe(
    Hyper.withDatabase({ database: extract }),
    Effect.map(({ rows }) => rows.map((row) => row.join("|")))
  )

const csvExtract = Effect.gen(function*() {
  const directory = yield* folder
  const [csv, extract] = [join(directory, "orders.csv"), join(directory, "orders.hyper")]
  writeFileSync(csv, csvText)
  assert.strictEqual(yield* csvToExtract(csv, extract), 3)
  return { directory, csv, extract }
})

layer(server, { excludeTestServices: true, timeout: "60 seconds" })("the examples for Hyper", (it) => {
  it.effect("CSV to extract: loads the file, and keeps the old extract if it does not fit", () =>
    Effect.gen(function*() {
      const { csv, directory, extract } = yield* csvExtract
      const rows = ["1|north|10.5|2026-01-31", "2|a \"south\", far|20|2026-02-01", "3||0.25|2026-02-28"]
      assert.deepStrictEqual(yield* rowsIn(extract), rows)
      const before = readFileSync(extract)
      writeFileSync(csv, `${csvText}4,x,not a number,2026-01-01\n`)
      const error = yield* Effect.flip(csvToExtract(csv, extract))
      assert(error._tag === "ServerError")
      assert.match(error.reason.detail!, /orders\.csv.* line:5 column:\d/)
      assert.isTrue(before.equals(readFileSync(extract)))
      assert.deepStrictEqual(readdirSync(directory).sort(), ["orders.csv", "orders.hyper"])
    }))

  it.effect("PostgreSQL to Hyper: copies NULL, quotes and empty text, and reports the bytes", () =>
    Effect.gen(function*() {
      const extract = join(yield* folder, "orders.hyper")
      const source = yield* Session.make(yield* PostgresServer.make())
      yield* source.simple("create table orders (id int, region text, total float8, placed date)")
      yield* source.simple(`insert into orders values
        (1, 'a "b", c', 0.1, '2026-01-31'), (2, null, 1e-300, '2026-02-01'), (3, '', 3, '2026-02-02')`)
      yield* source.simple(`insert into orders
        select i, 'region ' || i % 10, i / 7.0::float8, date '2020-01-01' + i % 1000 from generate_series(4, 20000) i`)
      const progress: Array<number> = []
      const copied = postgresToHyper(source, extract, (bytes) => Effect.sync(() => progress.push(bytes)))
      assert.strictEqual(yield* copied, 20_000)
      assert.isAbove(progress.length, 1)
      assert.deepStrictEqual(progress, progress.toSorted((a, b) => a - b))
      const all = sql`select id, region, total, placed from ${Order} order by id`
      const found = yield* Effect.flatMap(Client.Client, (client) => client.values(all)).pipe(
        Hyper.withDatabase({ database: extract })
      )
      assert.deepStrictEqual(found.rows, (yield* source.values(all)).rows)
      yield* source.simple("alter table orders drop column region")
      const error = yield* Effect.flip(copied)
      assert(error._tag === "ServerError")
      assert.strictEqual(error.reason._tag, "UndefinedColumn")
    }))

  it.effect("Hyper to Parquet: writes the result of a query", () =>
    Effect.gen(function*() {
      const { directory, extract } = yield* csvExtract
      const parquet = join(directory, "regions.parquet")
      assert.strictEqual(yield* hyperToParquet(extract, parquet), 3)
      const client = yield* Hyper.make()
      const regions = HyperExternal.scan(parquet, { format: "parquet" })
      const { rows } = yield* client.query(sql`select region from ${regions} where total = ${10.5}`)
      assert.deepStrictEqual(rows, [{ region: "north" }])
    }))

  it.effect("incremental refresh: updates, inserts and deletes, and publishes all or nothing", () =>
    Effect.gen(function*() {
      const { directory, extract } = yield* csvExtract
      const changed = { id: 1, region: "west", total: 11, placed: day("2026-03-01") }
      const added = { id: 4, region: null, total: 4, placed: day("2026-03-02") }
      assert.deepStrictEqual(yield* incrementalRefresh(extract, { rows: [changed, added], deleted: [2] }), {
        inserted: 1,
        updated: 1,
        deleted: 1
      })
      const rows = ["1|west|11|2026-03-01", "3||0.25|2026-02-28", "4||4|2026-03-02"]
      assert.deepStrictEqual(yield* rowsIn(extract), rows)
      const error = yield* Effect.flip(incrementalRefresh(extract, { rows: [added, added], deleted: [] }))
      assert.strictEqual(error._tag, "LoadError")
      assert.deepStrictEqual(yield* rowsIn(extract), rows)
      assert.deepStrictEqual(readdirSync(directory).sort(), ["orders.csv", "orders.hyper"])
    }))

  it.effect("several tables: loads all of them or none, with progress", () =>
    Effect.gen(function*() {
      const client = yield* Client.Client
      const tables: Array<string> = []
      const load = (orders: ReadonlyArray<typeof Order.Row.Type>) =>
        loadTables([{ name: "north", manager: "Ada" }], orders, (table) => Effect.sync(() => tables.push(table)))
      const order = { id: 1, region: "north", total: 1, placed: day("2026-03-01") }
      yield* createTables
      const error = yield* Effect.flip(load([order, { ...order, id: 2 ** 40 }]))
      assert.strictEqual(error._tag, "ValueError")
      const counts = client.values("select (select count(*) from regions), (select count(*) from orders)")
      assert.deepStrictEqual((yield* counts).rows, [[0n, 0n]])
      tables.length = 0
      assert.deepStrictEqual(yield* load([order, { ...order, id: 2 }]), [1, 2])
      assert.deepStrictEqual([...new Set(tables)], ["regions", "orders"])
      assert.deepStrictEqual((yield* counts).rows, [[1n, 2n]])
    }).pipe(Effect.provide(Hyper.layer({ database: "tables.hyper", create: "replace" }))))

  it.effect("geodata: returns the nearest places first, and refuses what is no geography", () =>
    Effect.gen(function*() {
      const zurich = { name: "Zurich", at: "POINT (8.54 47.37)" }
      const geneva = { name: "Geneva", at: "POINT (6.14 46.2)" }
      const found = yield* Effect.provide(distancesFrom([8.3, 47.05], [geneva, zurich]), Hyper.layer())
      assert.deepStrictEqual(found.map(({ name }) => name), ["Zurich", "Geneva"])
      assert.closeTo(found[0]!.kilometres, 40, 2)
      const nowhere = { name: "Nowhere", at: "POINT (8.54 147.37)" }
      const error = yield* Effect.flip(Effect.provide(distancesFrom([0, 0], [nowhere]), Hyper.layer()))
      assert.strictEqual(error._tag, "ValueError")
    }))

  it.effect("Arrow analytics: returns columns, and prints a bar for each", () =>
    Effect.gen(function*() {
      const { extract } = yield* csvExtract
      const run = <A, E, R>(effect: Effect.Effect<A, E, R>) => Hyper.withDatabase(effect, { database: extract })
      const { months, totals } = yield* run(monthlyTotals)
      assert.deepStrictEqual([...months], [1, 2])
      assert.deepStrictEqual([...totals], [10.5, 20.25])
      const printed: Array<unknown> = []
      const console = { ...globalThis.console, log: (...line: ReadonlyArray<unknown>) => void printed.push(...line) }
      yield* Effect.provideService(run(arrowChart), Console.Console, console)
      assert.match(String(printed[0]), /month 1 █+ 10\.5\n +month 2 █{48} 20\.3/)
    }))

  it.effect("typed errors: names the reason of each, and what to do", () =>
    Effect.gen(function*() {
      const { directory, extract } = yield* csvExtract
      const text = join(directory, "text.hyper")
      writeFileSync(text, "no database")
      assert.strictEqual(yield* explainOpening(join(directory, "none.hyper")), "missing: import it first")
      assert.strictEqual(yield* explainOpening(text), "damaged: restore it")
      assert.strictEqual(yield* explainOpening(extract), "opened")
      const other = yield* HyperdServer.make()
      const locked = Effect.provideService(explainOpening(extract), Hyperd.Hyperd, other)
      assert.strictEqual(
        yield* Hyper.withDatabase(locked, { database: extract }),
        "in use: retry is true"
      )
      assert.deepStrictEqual(yield* Hyper.withDatabase(explainErrors, { database: extract }), [
        "no such column: 42703",
        "wrong value: OutOfRange in row 1",
        "keys more than once: 1",
        "needs a file of version 4"
      ])
    }))

  it.effect("run as commands", () =>
    Effect.gen(function*() {
      const { directory, extract } = yield* csvExtract
      const program = fileURLToPath(new URL("../hyper.ts", import.meta.url))
      const { status, stderr, stdout } = spawnSync(
        process.execPath,
        ["--conditions=@hyperfect/source", program, "chart", extract],
        { encoding: "utf8", cwd: directory }
      )
      assert.deepStrictEqual([status, stderr], [0, ""])
      assert.match(stdout, /month 1 █+ 10\.5\n +month 2 █{48} 20\.3/)
    }))
})
