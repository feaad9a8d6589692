/** Bulk rows, names of columns, and forms of rows for other code, on real servers. */
import { assert } from "@effect/vitest"
import * as Query from "@hyperfect/client/Query"
import * as Statement from "@hyperfect/client/Statement"
import { BuiltIn, Preset, TimestampTz } from "@hyperfect/values"
import { DateTime, Effect, Schema, String } from "effect"
import { describeServers, openSession } from "./liveServers.ts"

const { sql, unnest, withPreset } = Statement
const camel = Preset.lossless.pipe(Preset.withNames(String.snakeToCamel))
const snake = { names: String.camelToSnake }

describeServers({
  both(it) {
    it.effect("Query.tag runs a statement and succeeds with its rows", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        const run = Query.tag(session)
        assert.deepStrictEqual((yield* run`select ${1}::int as a`).map((row) => ({ ...row })), [{ a: 1 }])
        const error = yield* Effect.flip(run`select 1 / 0`)
        assert.strictEqual(error._tag, "ServerError")
      }))

    it.effect("Preset.withNames renames columns of rows, streams and Schemas", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        const statement = withPreset(sql`select 1 as first_name, 2 as id`, camel)
        const { fields, rows } = yield* session.query(statement)
        assert.deepStrictEqual({ ...rows[0] }, { firstName: 1, id: 2 })
        assert.deepStrictEqual(fields.map(({ name }) => name), ["firstName", "id"])
        const decoded = yield* session.query(statement).pipe(Query.one(Schema.Struct({ firstName: Schema.Int })))
        assert.deepStrictEqual(decoded, { firstName: 1 })
        const duplicate = yield* Effect.flip(
          session.query(withPreset(sql`select 1 as first_name, 2 as "firstName"`, camel))
        )
        assert.strictEqual(duplicate._tag, "ValueError")
        const suffixed = Preset.withDuplicates(camel, "suffix")
        const [row] = (yield* session.query(withPreset(sql`select 1 as a_b, 2 as a_b`, suffixed))).rows
        assert.deepStrictEqual(Object.values(row!), [1, 2])
      }))

    it.effect("TimestampTz.DateTimeUtc decodes an instant of every preset", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        const Row = Schema.Struct({ at: TimestampTz.DateTimeUtc })
        const statement = sql`select cast('2024-02-29 12:30:00.123456+00' as timestamptz) as at`
        for (const preset of [Preset.lossless, Preset.native, Preset.text, Preset.json, Preset.effectSql]) {
          const { at } = yield* session.query(withPreset(statement, preset)).pipe(Query.one(Row))
          assert.strictEqual(DateTime.formatIso(at), "2024-02-29T12:30:00.123Z")
        }
      }))

    it.effect("Preset.json reads rows that JSON.stringify writes without loss", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        const { rows } = yield* session.query(withPreset(
          sql`select cast(9007199254740993 as bigint) as a, cast('12.30' as numeric(10,2)) as b,
            cast('2024-02-29' as date) as c, cast('2024-02-29 12:30:00.123456+00' as timestamptz) as d,
            cast('12:30:00.5' as time) as e, true as f, 1.5e0::double precision as g, 'x' as h,
            array[cast(1 as bigint), null] as i, cast('1 year 2 days' as interval) as j`,
          Preset.json
        ))
        assert.deepStrictEqual(JSON.parse(JSON.stringify(rows)), [{
          a: "9007199254740993",
          b: "12.30",
          c: "2024-02-29",
          d: "2024-02-29T12:30:00.123456Z",
          e: "12:30:00.5",
          f: true,
          g: 1.5,
          h: "x",
          i: ["1", null],
          j: "P1Y2D"
        }])
      }))
  },
  postgres(it) {
    it.effect("Preset.json reads every type of the catalogue's documents and bytes as text", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        const { rows } = yield* session.query(withPreset(
          sql`select '\\x00ff'::bytea as a, '{"n":[1]}'::jsonb as b, 'null'::json as c, '$1.50'::money as d,
            int8range(1, 5) as e, '5'::xid8 as f, '(1,2)'::point as g, row(1::int8, 'a')::text as h`,
          Preset.json
        ))
        const [row] = JSON.parse(JSON.stringify(rows)) as ReadonlyArray<Record<string, unknown>>
        assert.deepStrictEqual([row!["a"], row!["b"], row!["c"], row!["d"], row!["f"]], [
          "\\x00ff",
          { n: [1] },
          null,
          "$1.50",
          "5"
        ])
      }))

    it.effect("Statement.unnest inserts, upserts and updates any number of rows by one text", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        yield* session.query("create temp table people (id int primary key, first_name text, seen timestamptz)")
        const types = { id: BuiltIn.int4, firstName: BuiltIn.text, seen: BuiltIn.timestamptz }
        const write = (people: ReadonlyArray<{ id: number; firstName?: string; seen?: Date }>) =>
          sql`insert into people select * from ${unnest(people, types, snake)}
            on conflict (id) do update set first_name = excluded.first_name`
        const few = write([{ id: 1, firstName: "Ada", seen: new Date(0) }, { id: 2 }])
        const many = write(Array.from({ length: 100_000 }, (_, id) => ({ id, firstName: `p${id}` })))
        assert.strictEqual(few.text, many.text)
        assert.strictEqual((yield* session.execute(few)).rowCount, 2)
        assert.strictEqual((yield* session.execute(many)).rowCount, 100_000)
        const updated = unnest([{ id: 1, firstName: "Eve" }], { id: BuiltIn.int4, firstName: BuiltIn.text }, {
          ...snake,
          name: "data"
        })
        yield* session.execute(
          sql`update people set first_name = data.first_name from ${updated} where data.id = people.id`
        )
        const { rows } = yield* session.values("select first_name from people where id < 3 order by id")
        assert.deepStrictEqual(rows, [["p0"], ["Eve"], ["p2"]])
        assert.strictEqual(
          (yield* session.execute(sql`insert into people select * from ${unnest([], types)}`)).rowCount,
          0
        )
        const refused = yield* Effect.flip(
          session.query(sql`select * from ${unnest([{ id: "x" }], { id: BuiltIn.int4 })}`)
        )
        assert.strictEqual(refused._tag, "ValueError")
        assert.throws(() => unnest([{ a: [1] }], { a: BuiltIn.array(BuiltIn.int4) }), TypeError)
        assert.throws(() => unnest([], {}), TypeError)
      }))

    it.effect("Statement.insert and set rename properties to columns", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        yield* session.query("create temp table people (id int, first_name text)")
        yield* session.query(sql`insert into people ${Statement.insert([{ id: 1, firstName: "Ada" }], snake)}`)
        yield* session.query(sql`update people set ${Statement.set({ firstName: "Eve" }, snake)} where id = 1`)
        const { rows } = yield* session.query(withPreset(sql`select * from people`, camel))
        assert.deepStrictEqual({ ...rows[0] }, { id: 1, firstName: "Eve" })
      }))
  }
})
