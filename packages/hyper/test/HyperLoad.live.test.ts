import { assert, describe, layer } from "@effect/vitest"
import * as Client from "@hyperfect/client/Client"
import { type Fragment, sql, type Statement } from "@hyperfect/client/Statement"
import { Hyper, HyperLoad, HyperTable } from "@hyperfect/hyper"
import { BigDecimal, Data, Effect, Option, Schema, Stream } from "effect"
import { kinds, servers } from "./servers.ts"

const { Int, NullOr, Text, withDefault } = HyperTable

class SourceFailed extends Data.TaggedError("SourceFailed") {}

let tables = 0

const makeTable = Effect.gen(function*() {
  const t = HyperTable.make(`Load ${++tables}`, { id: Int, name: NullOr(Text), score: withDefault(Int, sql`5`) })
  yield* t.create
  yield* t.insert([{ id: 1, name: "one", score: 1 }, { id: 2, name: "two", score: 2 }])
  return t
})

const Measured = Schema.Struct({
  id: Int,
  big: Schema.BigInt.check(
    Schema.isBetweenBigInt({ minimum: -(BigInt(2) ** BigInt(63)), maximum: BigInt(2) ** BigInt(63) - BigInt(1) })
  ),
  half: NullOr(Schema.Number),
  name: NullOr(Text),
  ["__proto__"]: HyperTable.Bool
})

const makeMeasured = Effect.gen(function*() {
  const t = HyperTable.make(`Load ${++tables}`, {
    id: Int,
    big: Schema.BigInt,
    half: NullOr(Schema.Number),
    name: NullOr(Text),
    ["__proto__"]: HyperTable.Bool
  })
  yield* t.create
  return t
})

const contents = (t: Fragment) =>
  Effect.flatMap(
    Client.Client,
    (client) => Effect.map(client.values(sql`select * from ${t} order by 1, 2`), ({ rows }) => rows)
  )

describe("HyperLoad", () => {
  for (const kind of kinds) {
    layer<Client.Client, unknown>(servers[kind], { excludeTestServices: true, timeout: "1 minute" })(kind, (it) => {
      it.effect("upserts: updates rows with the key, inserts the rest, and again", () =>
        Effect.gen(function*() {
          const t = yield* makeTable
          const rows = [{ id: 2, name: null, score: 20 }, { id: 3, name: "three", score: 30 }]
          const upsert = HyperLoad.run([HyperLoad.upsert(t, rows, { key: ["id"] })])
          assert.deepStrictEqual(yield* upsert, [{ inserted: 1, updated: 1 }])
          assert.deepStrictEqual(yield* upsert, [{ inserted: 0, updated: 2 }])
          assert.deepStrictEqual(yield* contents(t), [[1, "one", 1], [2, null, 20], [3, "three", 30]])
          const whole = HyperTable.make("whole", { a: Int, b: Int })
          yield* whole.dropIfExists
          yield* whole.create
          const pairs = HyperLoad.run([HyperLoad.upsert(whole, [{ a: 1, b: 2 }, { a: 1, b: 3 }], { key: ["a", "b"] })])
          assert.deepStrictEqual(yield* pairs, [{ inserted: 2, updated: 0 }])
          assert.deepStrictEqual(yield* pairs, [{ inserted: 0, updated: 0 }])
        }))

      it.effect("inserts through expressions, with defaults for the other columns", () =>
        Effect.gen(function*() {
          const t = yield* makeTable
          const load = HyperLoad.insertMapped(t, { text: Text, "a b": Int }, [{ text: "7", "a b": 1 }], {
            id: sql`cast(text as int) + "a b"`,
            name: sql`upper(${"x"}) || text`
          })
          assert.deepStrictEqual(yield* HyperLoad.run([load]), [{ inserted: 1, updated: 0 }])
          assert.deepStrictEqual((yield* contents(t))[2], [8, "X7", 5])
          const wrong = HyperLoad.insertMapped(t, { text: Text }, [{ text: "x" }], { id: sql`cast(text as int)` })
          const error = yield* Effect.flip(HyperLoad.run([wrong]))
          assert.strictEqual(error._tag === "ServerError" ? error.reason.sqlState : error._tag, "22P02")
          assert.strictEqual((yield* contents(t)).length, 3)
        }))

      it.effect.prop(
        "inserts columns as it inserts the same rows",
        [Schema.Array(Measured).check(Schema.isMaxLength(20))],
        ([rows]) =>
          Effect.gen(function*() {
            const [byRow, byColumn] = [yield* makeMeasured, yield* makeMeasured]
            const outcomeOf = (load: HyperLoad.Load) =>
              Effect.match(HyperLoad.run([load]), {
                onSuccess: (results) => results.map((result) => result.inserted),
                // PostgreSQL stores no U+0000.
                onFailure: ({ message }) => message
              })
            const inserted = yield* outcomeOf(HyperLoad.insert(byRow, rows))
            const columns = HyperLoad.insertColumns(byColumn, {
              id: Int32Array.from(rows, ({ id }) => id),
              big: BigInt64Array.from(rows, ({ big }) => big),
              half: {
                values: Float64Array.from(rows, ({ half }) => half ?? 0),
                validity: Uint8Array.from(
                  { length: Math.ceil(rows.length / 8) },
                  (_, byte) =>
                    rows.slice(byte * 8, byte * 8 + 8).reduce(
                      (bits, { half }, i) => bits | (half === null ? 0 : 1) << i,
                      0
                    )
                )
              },
              name: rows.map(({ name }) => name),
              ["__proto__"]: rows.map((row) => row["__proto__"])
            })
            assert.deepStrictEqual(yield* outcomeOf(columns), inserted)
            assert.deepStrictEqual(yield* contents(byColumn), yield* contents(byRow))
            assert.strictEqual((yield* contents(byRow)).length, Array.isArray(inserted) ? rows.length : 0)
          }),
        { arbitrary: { runs: 15 } }
      )

      it.effect("refuses to upsert into columns of other types, which would round or cut its values", () =>
        Effect.gen(function*() {
          const client = yield* Client.Client
          const name = `Load ${++tables}`
          yield* client.simple(
            `create table "${name}" (id int not null, v varchar(3), n numeric(5,1), w int, d int default 7)`
          )
          const numeric = BigDecimal.fromStringUnsafe("1.256")
          const wider = {
            v: [HyperTable.Varchar(9), "abcdef"],
            n: [HyperTable.Numeric(8, 3), numeric],
            w: [HyperTable.Double, 1.6]
          } as const
          for (const [column, [type, value]] of Object.entries(wider)) {
            const t = HyperTable.make(name, { id: Int, [column]: type }) as HyperTable.HyperTable<HyperTable.Fields>
            const upsert = HyperLoad.upsert(t, [{ id: 1, [column]: value }] as never, { key: ["id"] as never })
            const error = yield* Effect.flip(HyperLoad.run([upsert]))
            assert(error._tag === "TableMismatch", String(error))
            assert.deepStrictEqual(error.columns.map((found) => found.name), [column])
          }
          // Nullability does not matter to it, and a default is used.
          const t = HyperTable.make(name, { id: NullOr(Int), v: HyperTable.Varchar(2) })
          const keyed = HyperTable.make(name, { id: Int, v: HyperTable.Varchar(2) })
          yield* HyperLoad.run([HyperLoad.upsert(t, [{ id: 1, v: "ab" }], { key: ["v"] })])
          yield* HyperLoad.run([HyperLoad.upsert(keyed, [{ id: 2, v: "cd" }], { key: ["id"] })])
          assert.deepStrictEqual(yield* contents(t), [[1, "ab", null, null, 7], [2, "cd", null, null, 7]])
        }))

      it.effect("refuses a mapped text that is longer than its column, and counts characters", () =>
        Effect.gen(function*() {
          const client = yield* Client.Client
          const name = `Load ${++tables}`
          yield* client.simple(`create table "${name}" (id int, v varchar(3), c char(2), e char(1))`)
          const t = HyperTable.make(name, { id: Int, v: Text, c: Text, e: Text })
          const load = (columns: { readonly [Name in "v" | "c" | "e"]?: Statement }, text = "\u{1f600}bcd") =>
            HyperLoad.run([
              HyperLoad.insertMapped(t, { text: Text, n: Int }, [{ text, n: 12 }], { id: sql`n`, ...columns })
            ])
          for (const column of ["v", "c", "e"] as const) {
            const error = yield* Effect.flip(load({ [column]: sql`text` }))
            if (kind === "hyper") {
              assert(error._tag === "ValueError", String(error))
              assert.strictEqual(error.reason.name, column)
              assert.strictEqual(error.reason.found, "more in 1 rows")
            } else assert(error._tag === "ServerError" && error.reason.sqlState === "22001")
          }
          assert.deepStrictEqual(yield* contents(t), [])
          yield* load({ v: sql`substring(text from 1 for 3)`, c: sql`n`, e: sql`NULL` })
          yield* load({ v: sql`text` }, "x     ")
          const found = (yield* contents(t)).map(([, ...texts]) => texts.map((value) => String(value).trimEnd()))
          assert.sameDeepMembers(found, [["x", "null", "null"], ["\u{1f600}bc", "12", "null"]])
          if (kind === "postgres") return
          // The fact behind the check (H-70).
          yield* client.execute(sql`insert into ${t} (v) select ${"abcd"}`)
          assert.deepStrictEqual((yield* client.values(sql`select v from ${t} where v like 'abc%'`)).rows, [["abc"]])
        }))

      it.effect("inserts columns of many rows, and of none", () =>
        Effect.gen(function*() {
          const t = HyperTable.make(`Load ${++tables}`, { id: Int, name: NullOr(Text) })
          yield* t.create
          const length = 10_000
          const load = HyperLoad.insertColumns(t, {
            id: Uint16Array.from({ length }, (_, i) => i),
            name: Array.from({ length }, (_, i) => i % 2 === 0 ? null : String(i))
          })
          assert.deepStrictEqual(yield* HyperLoad.run([load]), [{ inserted: length, updated: 0 }])
          assert.deepStrictEqual(yield* HyperLoad.run([load]), [{ inserted: length, updated: 0 }])
          const { rows } = yield* (yield* Client.Client).values(
            sql`select cast(count(*) as int), cast(count(name) as int), cast(sum(id) as int) from ${t}
              where name is null or name = cast(id as text)`
          )
          assert.deepStrictEqual(rows, [[2 * length, length, length * (length - 1)]])
          assert.deepStrictEqual(yield* HyperLoad.run([HyperLoad.insertColumns(t, { id: [], name: [] })]), [
            { inserted: 0, updated: 0 }
          ])
        }))

      it.effect("refuses columns whose values, lengths or names do not fit, and inserts nothing", () =>
        Effect.gen(function*() {
          const t = HyperTable.make(`Load ${++tables}`, { id: Int, name: NullOr(Text) })
          yield* t.create
          const wrong: ReadonlyArray<readonly [object, string]> = [
            [{ id: Float64Array.of(1, NaN), name: ["a", "b"] }, "id 1"],
            [{ id: [1, 1.5], name: ["a", "b"] }, "id 1"],
            [{ id: Uint32Array.of(1, 2 ** 31), name: ["a", "b"] }, "id 1"],
            [{ id: [1, null], name: ["a", "b"] }, "id 1"],
            [{ id: [1, 2], name: ["a", 2] }, "name 1"],
            [{ id: [1, 2], name: ["a"] }, "name undefined"],
            [{ id: [1, 2], name: { values: ["a", "b"], validity: new Uint8Array(0) } }, "name undefined"],
            [{ id: [1, 2], name: { values: ["a", "b"], validity: [true, false] } }, "name undefined"],
            [{ id: [1, 2], name: "ab" }, "name undefined"],
            [{ id: [1, 2] }, "name undefined"],
            [{ id: [1], name: ["a"], more: [1] }, "more undefined"]
          ]
          for (const [columns, expected] of wrong) {
            const error = yield* Effect.flip(HyperLoad.run([HyperLoad.insertColumns(t, columns as never)]))
            assert(error._tag === "ValueError", String(error))
            assert.strictEqual(`${error.reason.name} ${error.reason.row}`, expected)
          }
          assert.deepStrictEqual(yield* contents(t), [])
        }))

      it.effect("loads several tables, or none of them if one fails", () =>
        Effect.gen(function*() {
          const [a, b] = [yield* makeTable, yield* makeTable]
          const row = { id: 9, name: "nine", score: 9 }
          const both = [HyperLoad.upsert(a, [row], { key: ["id"] }), HyperLoad.upsert(b, [row], { key: ["id"] })]
          assert.deepStrictEqual(yield* HyperLoad.run([...both, HyperLoad.insert(b, [row])]), [
            { inserted: 1, updated: 0 },
            { inserted: 1, updated: 0 },
            { inserted: 1, updated: 0 }
          ])
          const before = [yield* contents(a), yield* contents(b)]
          const failing = Stream.fail(new SourceFailed())
          const changed = HyperLoad.upsert(a, [{ ...row, name: "changed" }], { key: ["id"] })
          const error = yield* Effect.flip(
            HyperLoad.run<SourceFailed, never>([changed, HyperLoad.insert(b, [row]), HyperLoad.insert(b, failing)])
          )
          assert.strictEqual(error._tag, "SourceFailed")
          assert.deepStrictEqual([yield* contents(a), yield* contents(b)], before)
          yield* HyperLoad.run([changed])
          assert.deepStrictEqual((yield* contents(a))[2], [9, "changed", 9])
        }))

      it.effect("changes nothing if rows have the same key, or do not fit", () =>
        Effect.gen(function*() {
          const t = yield* makeTable
          const rows = [{ id: 1, name: "a", score: 0 }, { id: 1, name: "b", score: 0 }]
          const error = yield* Effect.flip(HyperLoad.run([HyperLoad.upsert(t, rows, { key: ["id"] })]))
          assert.deepInclude(error, { _tag: "LoadError", key: ["id"], duplicates: 1 })
          const misfit = [{ id: 1.5, name: "a", score: 0 }]
          const value = yield* Effect.flip(HyperLoad.run([HyperLoad.upsert(t, misfit, { key: ["id"] })]))
          assert.strictEqual(value._tag, "ValueError")
          assert.deepStrictEqual(yield* contents(t), [[1, "one", 1], [2, "two", 2]])
        }))

      it.effect("streams the progress and the outcome, or the error, and undoes what is left early", () =>
        Effect.gen(function*() {
          const t = yield* makeTable
          const rows = Array.from({ length: 3 }, (_, i) => ({ id: i + 10, name: "x", score: 0 }))
          const load = HyperLoad.upsert(t, rows, { key: ["id"], messageSize: 1 })
          const endless = Stream.concat(Stream.fromIterable(rows), Stream.never)
          const first = yield* Stream.runHead(HyperLoad.stream([HyperLoad.insert(t, endless, { messageSize: 1 })]))
          assert.strictEqual(Option.getOrThrow(first)._tag, "Progress")
          assert.strictEqual((yield* contents(t)).length, 2)
          const events = yield* Stream.runCollect(HyperLoad.stream([load]))
          assert.deepStrictEqual(events.at(-1), { _tag: "Loaded", results: [{ inserted: 3, updated: 0 }] })
          const progress = events.flatMap((event) => event._tag === "Progress" ? [[event.load, event.rows]] : [])
          assert.deepStrictEqual(progress.at(-1), [0, 3])
          const failing = HyperLoad.stream([HyperLoad.insert(t, Stream.fail(new SourceFailed()))])
          assert.strictEqual((yield* Effect.flip(Stream.runDrain(failing)))._tag, "SourceFailed")
        }))

      it.effect("rejects keys and columns that the table does not have", () =>
        Effect.gen(function*() {
          const t = yield* makeTable
          assert.throws(() => HyperLoad.upsert(t, [], { key: [] }), TypeError)
          assert.throws(() => HyperLoad.upsert(t, [], { key: ["name"] }), TypeError)
          assert.throws(() => HyperLoad.upsert(t, [], { key: ["no" as "id"] }), TypeError)
          assert.throws(() => HyperLoad.insertMapped(t, { a: Int }, [], {}), TypeError)
          assert.throws(() => HyperLoad.insertMapped(t, { a: Int }, [], { no: sql`a` } as never), TypeError)
        }))
    })
  }

  layer(servers.hyper, { excludeTestServices: true, timeout: "1 minute" })("on Hyper", (it) => {
    it.effect("runs over a pool, and not inside another transaction", () =>
      Effect.gen(function*() {
        const t = yield* makeTable
        const rows = [{ id: 2, name: "new", score: 0 }, { id: 3, name: "new", score: 0 }]
        const upsert = HyperLoad.run([HyperLoad.upsert(t, rows, { key: ["id"] })])
        const pool = yield* Hyper.makePool({ database: "test.hyper", pool: { max: 2 } })
        const results = yield* Effect.provideService(upsert, Client.Client, pool)
        assert.deepStrictEqual(results, [{ inserted: 1, updated: 1 }])
        const client = yield* Client.Client
        const nested = yield* Effect.flip(client.transaction(upsert))
        assert.strictEqual(nested._tag, "UnsupportedError")
        assert.deepStrictEqual(yield* contents(t), [[1, "one", 1], [2, "new", 0], [3, "new", 0]])
      }))
  })
})
