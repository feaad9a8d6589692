import { assert } from "@effect/vitest"
import * as Pool from "@hyperfect/client/Pool"
import type { Queries } from "@hyperfect/client/Queries"
import type * as Session from "@hyperfect/client/Session"
import { fromTextUnsafe, withPreset } from "@hyperfect/client/Statement"
import { Transport } from "@hyperfect/transport/Transport"
import * as CalendarDate from "@hyperfect/values/CalendarDate"
import * as Columns from "@hyperfect/values/Columns"
import * as PgArray from "@hyperfect/values/PgArray"
import * as Preset from "@hyperfect/values/Preset"
import * as Range from "@hyperfect/values/Range"
import * as TimestampTz from "@hyperfect/values/TimestampTz"
import * as TypeRegistry from "@hyperfect/values/TypeRegistry"
import * as UnknownValue from "@hyperfect/values/UnknownValue"
import { BigDecimal, Effect, Stream } from "effect"
import { heapUsed } from "./heap.ts"
import { describeServers, openSession, TestServer, uniqueName } from "./liveServers.ts"
import { openPool } from "./pools.ts"

const queryValue = Effect.fnUntraced(
  function*(session: Session.Session, text: string, parameters: ReadonlyArray<unknown> = []) {
    return (yield* session.values(fromTextUnsafe(text, parameters))).rows[0]![0]
  }
)

/** Creates types with unique names, and returns these names. */
const createTypes = <E>(
  client: Queries<E>,
  names: ReadonlyArray<string>,
  text: (...names: Array<string>) => string
) => {
  const own = names.map((name) => uniqueName(name))
  return Effect.as(client.simple(text(...own)), own)
}

/** A pool, and the number of times it has queried the catalogue for types. */
const openCountingPool = (options: Pool.Options) =>
  Effect.gen(function*() {
    const { config } = yield* TestServer
    const inner = yield* Transport
    let catalogueQueries = 0
    const transport = Transport.of({
      connect: (endpoint, options) =>
        Effect.map(inner.connect(endpoint, options), ({ pull, remote, startTls, tls, write }) => ({
          pull,
          remote,
          startTls,
          tls,
          write: (bytes: Uint8Array) => {
            catalogueQueries += new TextDecoder().decode(bytes).split("with recursive needed(oid)").length - 1
            return write(bytes)
          }
        }))
    })
    // On a busy machine types would be compared with the catalogue meanwhile.
    const unchecked = { ...config, typeCheckInterval: 3_600_000 }
    const pool = yield* Effect.provideService(Pool.make(unchecked, options), Transport, transport)
    return { pool, catalogueQueries: () => catalogueQueries }
  })

describeServers({
  postgres(it) {
    it.effect("every kind of user-defined type round-trips as its own values", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        const [mood, money, pair, span, spans] = (yield* createTypes(
          session,
          ["mood", "money", "pair", "span", "spans"],
          (mood, money, pair, span, spans) => `
            create type ${mood} as enum ('sad', 'ok', 'ha, "p{p}y');
            create domain ${money} as numeric(10, 2);
            create type ${pair} as (a ${mood}, b ${money}[], "the ""date""" date);
            create type ${span} as range (subtype = ${mood}, multirange_type_name = ${spans})`
        )) as [string, string, string, string, string]
        const pairValue = {
          a: "ha, \"p{p}y",
          b: [BigDecimal.fromStringUnsafe("1.50"), null],
          "the \"date\"": CalendarDate.fromStringUnsafe("2026-02-28")
        }
        const cases: ReadonlyArray<readonly [type: string, literal: string, value: unknown]> = [
          [mood, "ha, \"p{p}y", "ha, \"p{p}y"],
          [`${mood}[]`, `{sad,NULL,"ha, \\"p{p}y"}`, ["sad", null, "ha, \"p{p}y"]],
          [`${money}[]`, "{1.5,2}", [BigDecimal.fromStringUnsafe("1.50"), BigDecimal.fromStringUnsafe("2.00")]],
          [pair, `("ha, ""p{p}y","{1.50,NULL}",2026-02-28)`, pairValue],
          [pair, "(,,)", { a: null, b: null, "the \"date\"": null }],
          [`${pair}[]`, `{"(sad,,)",NULL}`, [{ a: "sad", b: null, "the \"date\"": null }, null]],
          [span, "[sad,ok)", Range.between("sad", "ok")],
          [span, "empty", Range.empty],
          [spans, "{[sad,ok)}", { ranges: [Range.between("sad", "ok")] }],
          [`${span}[]`, `{"[sad,ok)"}`, [Range.between("sad", "ok")]],
          [`${spans}[]`, `{"{[sad,ok)}"}`, [{ ranges: [Range.between("sad", "ok")] }]],
          [`${mood}[]`, "[0:1]={sad,ok}", PgArray.makeUnsafe([{ length: 2, lowerBound: 0 }], ["sad", "ok"])]
        ]
        for (const [type, literal, value] of cases) {
          assert.deepStrictEqual(yield* queryValue(session, `select cast($1::text as ${type})`, [literal]), value, type)
          const printed = yield* queryValue(session, `select ($1::text::${type})::text`, [literal])
          assert.strictEqual(yield* queryValue(session, `select ($1::${type})::text`, [value]), printed, type)
        }
      }))

    it.effect("types nest: domains over domains, over arrays, over composite types, and all of them in others", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        const [, short, list, point, place, outer] = (yield* createTypes(
          session,
          ["code", "short", "list", "point", "place", "outer"],
          (code, short, list, point, place, outer) => `
            create domain ${code} as varchar(10);
            create domain ${short} as ${code} check (length(value) < 4);
            create domain ${list} as int[];
            create type ${point} as (x int, y ${short});
            create domain ${place} as ${point};
            create table ${outer} (a ${place}[], gone int, b ${list}, c ${short}, "__proto__" ${list}[]);
            alter table ${outer} drop column gone`
        )) as [string, string, string, string, string, string]
        const value = {
          a: [{ x: 1, y: "abc" }, null],
          b: [1, null],
          c: "x",
          ["__proto__"]: [[1, 2], [3, 4]]
        }
        const made = `row(array[row(1, 'abc')::${point}, null]::${place}[], '{1,NULL}'::${list}, 'x'::${short},
          '{"{1,2}","{3,4}"}'::${list}[])::${outer}`
        assert.deepStrictEqual(yield* queryValue(session, `select ${made}`), value)
        const printed = yield* queryValue(session, `select (${made})::text`)
        assert.strictEqual(yield* queryValue(session, `select ($1::${outer})::text`, [value]), printed)
        yield* session.query(fromTextUnsafe(`insert into ${outer} values ($1, $2, $3, $4)`, Object.values(value)))
        assert.deepStrictEqual((yield* session.query(`select * from ${outer}`)).rows, [value])
        assert.deepStrictEqual(yield* queryValue(session, `select array_agg(o) from ${outer} o`), [value])
        const tooLong = yield* Effect.flip(queryValue(session, `select $1::${short}`, ["abcd"]))
        assert.isTrue(tooLong._tag === "ServerError" && tooLong.reason._tag === "CheckViolation")
        // A number into a domain over a text, a bigint into one over an integer.
        const [whole] = yield* createTypes(session, ["whole"], (whole) => `create domain ${whole} as int`)
        assert.strictEqual(yield* queryValue(session, `select ($1::${short})::text`, [12]), "12")
        assert.strictEqual(yield* queryValue(session, `select $1::${whole}`, [BigInt(12)]), 12)
      }))

    it.effect("two types with the same name in two schemas are distinct", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        const [left, right, type] = (yield* createTypes(
          session,
          ["left", "right", "Type"],
          (left, right, type) => `
            create schema ${left}; create schema ${right};
            create type ${left}."${type}" as enum ('a'); create type ${right}."${type}" as (a int)`
        )) as [string, string, string]
        const { rows } = yield* session.values(
          `select 'a'::${left}."${type}", row(1)::${right}."${type}", array['a']::${left}."${type}"[]`
        )
        assert.deepStrictEqual(rows, [["a", { a: 1 }, ["a"]]])
        yield* session.query(`set search_path = ${right}`)
        assert.deepStrictEqual(yield* queryValue(session, `select $1::"${type}"`, [{ a: 2 }]), { a: 2 })
        const error = yield* Effect.flip(queryValue(session, `select $1::"${type}"`, [{ a: "two" }]))
        assert.include(error.message, "parameter $1")
      }))

    it.effect("a type that is dropped and created again, or altered, is read by its current definition", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        const [type, table] = (yield* createTypes(
          session,
          ["type", "table"],
          (type, table) => `create type ${type} as (a int); create table ${table} (id int, v ${type})`
        )) as [string, string]
        const read = `select v from ${table} order by id`
        yield* session.query(fromTextUnsafe(`insert into ${table} values (1, $1)`, [{ a: 1 }]))
        assert.deepStrictEqual(yield* queryValue(session, read), { a: 1 })

        yield* session.simple(`alter type ${type} add attribute b text cascade`)
        yield* session.query(fromTextUnsafe(`insert into ${table} values (0, $1)`, [{ a: 2, b: "x" }]))
        assert.deepStrictEqual(yield* queryValue(session, read), { a: 2, b: "x" })

        yield* session.simple(`alter type ${type} drop attribute a cascade`)
        assert.deepStrictEqual(yield* queryValue(session, read), { b: "x" })

        yield* session.simple(`drop type ${type} cascade; create type ${type} as enum ('n');
          alter table ${table} add column v ${type} default 'n'`)
        assert.strictEqual(yield* queryValue(session, read), "n")
        yield* session.simple(`alter type ${type} add value 'm'`)
        yield* session.query(fromTextUnsafe(`update ${table} set v = $1`, ["m"]))
        assert.deepStrictEqual(yield* queryValue(session, `select array_agg(v) from ${table}`), ["m", "m"])
        const error = yield* Effect.flip(session.query(fromTextUnsafe(`update ${table} set v = $1`, ["o"])))
        assert.isTrue(error._tag === "ServerError" && error.reason._tag === "InvalidTextRepresentation")
      }))

    it.effect("a type is looked up in the transaction that creates it, invisibly to other sessions", () =>
      Effect.gen(function*() {
        const { pool } = yield* openPool({ max: 3 })
        const type = uniqueName("type")
        const seen = yield* Effect.flip(pool.transaction(Effect.gen(function*() {
          yield* pool.query(`create type ${type} as enum ('a')`)
          const { rows } = yield* pool.values(`select array['a']::${type}[]`)
          return yield* Effect.fail(rows)
        })))
        assert.deepStrictEqual(seen as unknown, [[["a"]]])
        yield* pool.query(`create type ${type} as (b int)`)
        assert.deepStrictEqual((yield* pool.values(`select array[row(1)::${type}]`)).rows, [[[{ b: 1 }]]])
      }))

    it.effect("a type is looked up once for all sessions of a pool, and known types not at all", () =>
      Effect.gen(function*() {
        const { pool, catalogueQueries } = yield* openCountingPool({ min: 4, max: 4, depth: 1 })
        const [mood, pair] = (yield* createTypes(
          pool,
          ["mood", "pair"],
          (mood, pair) => `create type ${mood} as enum ('sad'); create type ${pair} as (m ${mood})`
        )) as [string, string]
        yield* pool.values("select 1, '{a}'::text[], row(1), now(), '[1,2]'::int4range")
        assert.strictEqual(catalogueQueries(), 0)
        const all = yield* Effect.forEach(
          Array.from({ length: 40 }, (_, i) => i),
          (i) => pool.values(`select ${i}, row('sad')::${pair}, 'sad'::${mood} as m${i % 20}`),
          { concurrency: "unbounded" }
        )
        assert.deepStrictEqual(all.map(({ rows }) => rows[0]), all.map((_, i) => [i, { m: "sad" }, "sad"]))
        assert.strictEqual(catalogueQueries(), 1)
        // Array types come with their element types.
        assert.deepStrictEqual((yield* pool.values(`select array[array['sad']::${mood}[]]`)).rows, [[[["sad"]]]])
        assert.strictEqual(catalogueQueries(), 1)
        // The catalogue cannot explain a pseudo-type.
        const { rows } = yield* pool.values("select null::anyarray, null::pg_catalog.pg_ddl_command")
        assert.deepStrictEqual(rows, [[null, null]])
        const asked = catalogueQueries()
        yield* pool.values("select 'x', null::anyarray, null::pg_catalog.pg_ddl_command")
        assert.strictEqual(catalogueQueries(), asked)
      }))

    it.effect("values in anonymous records are decoded the first time too, by every query method", () =>
      Effect.gen(function*() {
        const shapes: ReadonlyArray<(session: Session.Session, text: string) => Effect.Effect<unknown, unknown>> = [
          (session, text) => Effect.map(session.query(text), ({ rows }) => rows[0]!["r"]),
          (session, text) => Effect.map(session.values(text), ({ rows }) => rows[0]![0]),
          (session, text) => Effect.map(session.columns(text), ({ columns }) => Columns.get(columns[0]!, 0)),
          (session, text) =>
            Effect.map(session.batch(["select 1 as one", text]), (results) => results[1]!.rows[0]!["r"]),
          (session, text) =>
            Effect.flatMap(
              session.pipeline([text]),
              ([outcome]) => Effect.map(Effect.fromResult(outcome!), ({ rows }) => rows[0]!["r"])
            ),
          (session, text) =>
            Effect.flatMap(
              session.prepare(text),
              (statement) => Effect.map(statement.query(), ({ rows }) => rows[0]!["r"])
            ).pipe(Effect.scoped)
        ]
        for (const ask of shapes) {
          const session = yield* openSession()
          const [color, pair] = yield* createTypes(
            session,
            ["color", "pair"],
            (color, pair) => `create type ${color} as enum ('red'); create type ${pair} as (x int, c ${color})`
          )
          const text = `select row(1, 'red'::${color}, array[row(2, (3, 'red')::${pair})]) as r`
          const wanted = [1, "red", [[2, { x: 3, c: "red" }]]]
          assert.deepStrictEqual(yield* ask(session, text), wanted)
          assert.deepStrictEqual(yield* ask(session, text), wanted)
        }
      }))

    it.effect("values in the anonymous records of a stream are decoded by the next stream", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        const [color] = yield* createTypes(session, ["color"], (color) => `create type ${color} as enum ('red')`)
        const stream = Stream.runCollect(session.streamValues(`select row(1, 'red'::${color})`))
        const [[[, first]]] = (yield* stream) as unknown as [[[number, unknown]]]
        assert.isTrue(UnknownValue.isUnknownValue(first))
        assert.deepStrictEqual(yield* stream, [[[1, "red"]]])
      }))

    it.effect("streamed rows are decoded by type too, and so are the rows of the catalogue itself", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        const [mood] = yield* createTypes(session, ["mood"], (mood) => `create type ${mood} as enum ('sad')`)
        const rows = yield* Stream.runCollect(
          session.streamValues(`select array['sad'::${mood}] from generate_series(1, 3)`)
        )
        assert.deepStrictEqual(rows, [[["sad"]], [["sad"]], [["sad"]]])
        const [row] = (yield* session.values("select c from pg_namespace c where nspname = 'pg_catalog'")).rows
        assert.strictEqual((row![0] as { readonly nspname: string }).nspname, "pg_catalog")
        const described = yield* session.describe(`select array['sad']::${mood}[] as m, 1 as n`)
        assert.deepStrictEqual(described.fields.map(({ type }) => type?.name), [`${mood}[]`, "int4"])
        // Results of the simple protocol are not described in advance.
        const [simple] = yield* session.simple(`select array['sad'::${mood}] as m`)
        assert.deepStrictEqual(simple!.rows, [{ m: "{sad}" }])
      }))

    it.effect("hundreds of types are decoded in little memory", () =>
      Effect.gen(function*() {
        const pool = (yield* openPool({ max: 2 })).pool
        const [name] = yield* createTypes(pool, ["t"], (name) => `
          create function pg_temp.make(i int) returns void language plpgsql as
            $$ begin execute format('create type ${name}_%s as (a int, b text)', i); end $$;
          select count(pg_temp.make(i)) from generate_series(0, 899) i`)
        const ask = (first: number) => {
          const columns = Array.from({ length: 3 }, (_, i) => `row(${first + i}, 'x')::${name}_${first + i}`)
          return Effect.map(pool.values(`select ${columns.join()}, row(1)`), ({ rows }) =>
            assert.deepStrictEqual(rows[0], [...columns.map((_, i) => ({ a: first + i, b: "x" })), [1]]))
        }
        const before = heapUsed()
        for (let first = 0; first < 900; first += 3) {
          yield* ask(first)
        }
        assert.isBelow(heapUsed() - before, 24e6)
        yield* ask(0)
      }), 60_000)

    it.effect("the fields of composite types are read by the preset of the query too", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        const [, pair] = (yield* createTypes(
          session,
          ["big", "pair"],
          (big, pair) => `create domain ${big} as bigint; create type ${pair} as (n ${big}, t timestamptz)`
        )) as [string, string]
        const text = `select array[row(1, '2026-01-01Z')::${pair}]`
        const { rows } = yield* session.values(withPreset(fromTextUnsafe(text), Preset.native))
        assert.deepStrictEqual(rows, [[[{ n: "1", t: new Date("2026-01-01") }]]])
        assert.deepStrictEqual((yield* session.values(text)).rows, [
          [[{ n: BigInt(1), t: TimestampTz.fromStringUnsafe("2026-01-01 00:00:00+00") }]]
        ])
      }))

    it.effect("a type known only by its text form is read as text, also inside other types", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        yield* session.simple("create extension if not exists seg")
        const [pair] = yield* createTypes(session, ["pair"], (pair) => `create type ${pair} as (s seg, n int)`)
        const { rows } = yield* session.values(
          `select '1 .. 2'::seg, array['1 .. 2'::seg, null], row('1 .. 2', 3)::${pair}`
        )
        assert.deepStrictEqual(rows, [["1 .. 2", ["1 .. 2", null], { s: "1 .. 2", n: 3 }]])
        const back = yield* session.values(
          fromTextUnsafe(`select ($1::seg)::text, ($2::seg[])::text, ($3::${pair})::text`, rows[0]!)
        )
        assert.deepStrictEqual(back.rows, [["1 .. 2", "{\"1 .. 2\",NULL}", "(\"1 .. 2\",3)"]])
      }))
  },

  hyper(it) {
    it.effect("the built-in registry knows every type in the catalogue", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        const { rows } = yield* session.values("select oid, typname from pg_catalog.pg_type")
        assert.isAbove(rows.length, 50)
        assert.deepStrictEqual(rows.filter(([oid]) => TypeRegistry.builtIn.find(oid as number) === undefined), [])
        const error = yield* Effect.flip(session.query("create type mood as enum ('sad')"))
        assert.isTrue(error._tag === "ServerError" && error.reason._tag === "FeatureNotSupported")
      }))
  }
})
