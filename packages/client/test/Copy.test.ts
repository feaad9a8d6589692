import { assert } from "@effect/vitest"
import { Client } from "@hyperfect/client/Client"
import * as Copy from "@hyperfect/client/Copy"
import * as Query from "@hyperfect/client/Query"
import type * as Session from "@hyperfect/client/Session"
import { fromTextUnsafe, identifier, sql } from "@hyperfect/client/Statement"
import * as BuiltIn from "@hyperfect/values/BuiltIn"
import * as CalendarDate from "@hyperfect/values/CalendarDate"
import * as CopyFormat from "@hyperfect/values/CopyFormat"
import * as Preset from "@hyperfect/values/Preset"
import * as Range from "@hyperfect/values/Range"
import { Arbitrary, BigDecimal, Cause, Deferred, Effect, Equal, Exit, Fiber, Schema, Stream } from "effect"
import { openPool, until } from "./pools.ts"
import { fresh, open, servers } from "./servers.ts"

const { csv, text } = CopyFormat

/** A session that the functions of the module find as their client. */
const connect = Effect.map(open(), (session) => ({
  session,
  on: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.provideService(effect, Client, session)
}))

const collect = <A, E, R>(stream: Stream.Stream<A, E, R>) => Stream.runCollect(stream)

const create = (session: Session.Session, columns: string) => {
  const table = fresh("Copy")
  return Effect.as(session.simple(`create table "${table}" (${columns})`), table)
}

/** What the server itself says of the rows of a table. */
const printed = (session: Session.Session, table: string, columns: ReadonlyArray<string>) =>
  Effect.map(
    session.values(
      fromTextUnsafe(
        `select ${columns.map((name) => `"${name}"::text`).join()} from "${table}" order by "${columns[0]}"`
      )
    ),
    ({ rows }) => rows
  )

const formats: ReadonlyArray<readonly [name: string, format: CopyFormat.CopyFormat | undefined]> = [
  ["the format of the server", undefined],
  ["text", text()],
  ["text with | and another NULL", text({ delimiter: "|", null: "\\NIL" })],
  ["CSV", csv()],
  ["CSV with a header, ; and '", csv({ delimiter: ";", header: true, quote: "'", null: "\\N" })]
]

const day = (literal: string) => CalendarDate.fromStringUnsafe(literal)

const rows = [
  { id: 1, "a \"text": "one", n: BigInt(1), d: 1.5, on: day("2026-02-28"), b: Uint8Array.of(0, 255) },
  { id: 2, "a \"text": null, n: null, d: null, on: null, b: null },
  { id: 3, "a \"text": "", n: BigInt("-9223372036854775808"), d: -0.5, on: day("0001-01-01"), b: new Uint8Array() },
  { id: 4, "a \"text": "a\tb\nc\rd\\e\"f'g;h|i,j\\.\\N", n: BigInt(7), d: 1e300, on: day("9999-12-31"), b: null },
  { id: 5, "a \"text": "\\.", n: BigInt(7), d: 0.25, on: null, b: null },
  { id: 6, "a \"text": "NULL", n: BigInt(7), d: 0.25, on: null, b: null },
  { id: 7, "a \"text": "\\N", n: BigInt(7), d: 0.25, on: null, b: null },
  { id: 8, "a \"text": "ä😀 \u2028", n: BigInt(7), d: 0.25, on: null, b: null }
]

const definition = `id int not null, "a ""text" text, n bigint, d double precision, "on" date, b bytea`

servers({
  both(it) {
    for (const [name, format] of formats) {
      it.effect(`rows go into a table and come back in ${name}, and the server has what was sent`, () =>
        Effect.gen(function*() {
          const { on, session } = yield* connect
          const table = yield* create(session, definition)
          const copied = yield* on(Copy.into(table, rows, { format }))
          assert.strictEqual(copied.rowCount, rows.length)
          assert.deepStrictEqual(
            (yield* session.query(fromTextUnsafe(`select * from "${table}" order by id`))).rows,
            rows
          )
          const back = yield* on(collect(Copy.from(table, { format })))
          assert.deepStrictEqual([...back].sort((a, b) => Number(a["id"]) - Number(b["id"])), rows)

          // Some of the columns, as arrays, in another order; the others are NULL.
          yield* on(Copy.intoValues(table, [["x", 9]], { format, columns: ["a \"text", "id"] }))
          const some = sql`select id, ${identifier("a \"text")} from ${identifier(table)} where id = 9`
          assert.deepStrictEqual(yield* on(collect(Copy.fromQueryValues(some, { format }))), [[9, "x"]])
          const columns = { format, columns: ["a \"text"] }
          assert.include((yield* on(collect(Copy.fromValues(table, columns)))).map(([value]) => value), "x")
          assert.deepStrictEqual(yield* on(collect(Copy.fromQuery(sql`${some} and id < 0`, { format }))), [])
        }))
    }

    it.effect("rows of a Schema are encoded by it, and come back by it", () =>
      Effect.gen(function*() {
        const { on, session } = yield* connect
        const table = yield* create(session, "id int, tags text, on_off boolean")
        const Row = Schema.Struct({
          id: Schema.Int,
          tags: Schema.fromJsonString(Schema.Array(Schema.String)),
          on_off: Schema.NullOr(Schema.Boolean)
        })
        const values = [{ id: 1, tags: ["a", "b"], on_off: true }, { id: 2, tags: [], on_off: null }]
        yield* on(Copy.intoSchema(table, Row, Stream.fromIterable(values)))
        const { rows } = yield* session.values(fromTextUnsafe(`select tags from "${table}" order by id`))
        assert.deepStrictEqual(rows, [["[\"a\",\"b\"]"], ["[]"]])
        assert.deepStrictEqual(yield* on(collect(Query.stream(Row)(Copy.from(table)))), values)
        const wrong = yield* Effect.flip(on(Copy.intoSchema(table, Row, [values[0]!, { ...values[1]!, id: 0.5 }])))
        assert.isTrue(wrong._tag === "ValueError" && wrong.reason.row === 1)
      }))

    it.effect("rows are read by the preset of the client, and written as they are", () =>
      Effect.gen(function*() {
        const session = yield* Effect.provideService(open(), Preset.Preset, Preset.native)
        const table = yield* create(session, "id int not null, n bigint")
        yield* Effect.provideService(Copy.into(table, [{ id: 1, n: BigInt(5) }]), Client, session)
        const rows = yield* Effect.provideService(collect(Copy.from(table)), Client, session)
        assert.deepStrictEqual(rows, [{ id: 1, n: "5" }])
      }))

    it.effect("a pool copies, alone and in a transaction, and has its session back", () =>
      Effect.gen(function*() {
        const { pool } = yield* openPool({ max: 1 })
        const on = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.provideService(effect, Client, pool)
        const table = fresh("Pooled")
        yield* pool.simple(`create table "${table}" (id int, s text)`)
        const rows = [{ id: 1, s: "a" }]
        yield* on(Copy.into(table, rows))
        yield* pool.transaction(on(Effect.gen(function*() {
          yield* Copy.into(table, rows)
          assert.deepStrictEqual(yield* collect(Copy.from(table)), [...rows, ...rows])
        })))
        assert.strictEqual((yield* Effect.flip(on(Copy.into(table, [{ id: "x", s: "" }]))))._tag, "ValueError")
        assert.lengthOf(yield* on(collect(Stream.take(Copy.from(table), 1))), 1)
        assert.lengthOf(yield* on(collect(Copy.from(table, { format: csv() }))), 2)
      }))

    it.effect("a row that does not fit is named, and nothing of the copy stays", () =>
      Effect.gen(function*() {
        const { on, session } = yield* connect
        const table = yield* create(session, "id int not null, s text")
        const many = function*(last: unknown) {
          for (let id = 0; id < 20_000; id++) yield { id, s: "a text that takes some room" }
          yield last as { readonly id: number; readonly s: string }
        }
        const wrong: ReadonlyArray<readonly [unknown, index: number | undefined, name: string]> = [
          [{ id: 1, s: 5 }, 1, "s"],
          [{ id: 1 }, 1, "s"],
          [{ id: 2 ** 31, s: "" }, 0, "id"],
          [{ id: 1, s: "\ud800" }, 1, "s"],
          [null, undefined, ""]
        ]
        for (const [, format] of formats) {
          for (const [last, index, name] of wrong) {
            const error = yield* Effect.flip(on(Copy.into(table, many(last), { format })))
            assert.strictEqual(error._tag, "ValueError")
            if (error._tag === "ValueError") assert.deepInclude(error.reason, { row: 20_000, index, name })
          }
        }
        assert.deepStrictEqual(yield* printed(session, table, ["id"]), [])
        yield* on(Copy.into(table, [{ id: 1, s: null }]))
        assert.deepStrictEqual(yield* printed(session, table, ["id", "s"]), [["1", null]])
      }))

    it.effect("a source that fails, is a defect or is interrupted ends the copy, and nothing of it stays", () =>
      Effect.gen(function*() {
        const { on, session } = yield* connect
        const table = yield* create(session, "id int")
        const some = Stream.fromIterable(Array.from({ length: 50_000 }, (_, id) => ({ id })))
        const failed = yield* Effect.exit(on(Copy.into(table, Stream.concat(some, Stream.fail("no more" as const)))))
        assert.isTrue(Exit.isFailure(failed) && Equal.equals(Cause.squash(failed.cause), "no more"))
        const died = yield* Effect.exit(on(Copy.into(table, Stream.concat(some, Stream.die(new Error("a bug"))))))
        assert.isTrue(Exit.isFailure(died) && Cause.hasDies(died.cause))
        const begun = yield* Deferred.make<void>()
        const waiting = Stream.fromEffect(Effect.andThen(Deferred.succeed(begun, undefined), Effect.never))
        const copying = yield* Effect.forkChild(on(Copy.into(table, Stream.concat(some, waiting))))
        yield* Deferred.await(begun)
        yield* Fiber.interrupt(copying)
        assert.deepStrictEqual(yield* printed(session, table, ["id"]), [])
      }))

    it.effect("the error of the server is the error of the copy: no such table, no such column, a table that refuses", () =>
      Effect.gen(function*() {
        const { on, session } = yield* connect
        const table = yield* create(session, "id int not null, s text")
        for (const effect of [Copy.into("no such table", rows), collect(Copy.from("no such table"))]) {
          const error: { readonly _tag: string } = yield* Effect.flip(
            on(effect as Effect.Effect<unknown, Copy.CopyError, Client>)
          )
          assert.strictEqual(error._tag, "ServerError")
        }
        const column = yield* Effect.flip(on(Copy.into(table, rows, { columns: ["id", "t"] })))
        assert.isTrue(column._tag === "ServerError" && column.reason._tag === "UndefinedColumn")
        const refused = yield* Effect.flip(on(Copy.into(table, [{ s: "x" }], { columns: ["s"] })))
        assert.strictEqual(refused._tag, "ServerError")
        assert.deepStrictEqual(yield* printed(session, table, ["id"]), [])
      }))

    it.effect("is part of the transaction that it is in, and tells how far it is", () =>
      Effect.gen(function*() {
        const { on, session } = yield* connect
        const table = yield* create(session, "id int")
        const rows = Array.from({ length: 100_000 }, (_, id) => ({ id }))
        const progress: Array<Copy.Progress> = []
        const options = {
          messageSize: 100_000,
          onProgress: (reached: Copy.Progress) => Effect.sync(() => void progress.push(reached))
        }
        yield* Effect.flip(session.transaction(Effect.andThen(on(Copy.into(table, rows, options)), Effect.fail("no"))))
        assert.deepStrictEqual(yield* printed(session, table, ["id"]), [])
        assert.isAbove(progress.length, 3)
        assert.strictEqual(progress.at(-1)!.rows, rows.length)
        assert.deepStrictEqual(progress.map(({ rows }) => rows), progress.map(({ rows }) => rows).sort((a, b) => a - b))
        const count = yield* session.transaction(Effect.andThen(
          on(Copy.into(table, rows)),
          on(Stream.runCount(Copy.from(table)))
        ))
        assert.strictEqual(count, rows.length)
      }))
  },

  postgres(it) {
    it.effect("the source is not run ahead of a server that does not read", () =>
      Effect.gen(function*() {
        const { on, session } = yield* connect
        const other = yield* open()
        const table = yield* create(session, "id int, s text")
        // The first row waits for a lock that the other session has.
        yield* session.simple(`create function "${table}_wait"() returns trigger language plpgsql as
          $$ begin perform pg_advisory_xact_lock(4711); return new; end $$;
          create trigger wait before insert on "${table}" for each row execute function "${table}_wait"()`)
        yield* other.simple("select pg_advisory_lock(4711)")
        let taken = 0
        const endless = function*() {
          for (;;) yield { id: taken++, s: "a text that fills the line, again and again and again" }
        }
        const copying = yield* Effect.forkChild(on(Copy.into(table, endless())))
        yield* until(() => taken > 0)
        let before = 0
        while (before !== taken) {
          before = taken
          yield* Effect.sleep("300 millis")
        }
        assert.isBelow(taken, 500_000)
        yield* other.simple("select pg_advisory_unlock(4711)")
        yield* until(() => taken > before)
        yield* Fiber.interrupt(copying)
        assert.deepStrictEqual(yield* printed(session, table, ["id"]), [])
      }))

    it.effect("generated and dropped columns are left out, and a view is copied from", () =>
      Effect.gen(function*() {
        const { on, session } = yield* connect
        const table = yield* create(
          session,
          "id int generated always as identity, gone int, s text, twice text generated always as (s || s) stored"
        )
        yield* session.simple(
          `alter table "${table}" drop column gone; create view "${table}_v" as select s from "${table}"`
        )
        yield* on(Copy.into(table, [{ id: 5, s: "a" }]))
        assert.deepStrictEqual(yield* on(collect(Copy.from(table))), [{ id: 5, s: "a", twice: "aa" }])
        assert.deepStrictEqual(yield* on(collect(Copy.from(identifier("public", `${table}_v`)))), [{ s: "a" }])
      }))

    it.effect("a header of text is written, read and compared", () =>
      Effect.gen(function*() {
        const { on, session } = yield* connect
        const table = yield* create(session, `"a\tb" int, "c\\" text`)
        const format = text({ header: true })
        yield* on(Copy.into(table, [{ "a\tb": 1, "c\\": "x" }], { format }))
        assert.deepStrictEqual(yield* on(collect(Copy.from(table, { format }))), [{ "a\tb": 1, "c\\": "x" }])
        const columns = [{ name: "other", type: BuiltIn.int4 }, { name: "c\\", type: BuiltIn.text }]
        const query = sql`select * from ${identifier(table)}`
        const error = yield* Effect.flip(on(collect(Copy.fromQuery(query, { format, columns }))))
        assert.isTrue(error._tag === "ValueError" && error.reason._tag === "Malformed")
      }))

    it.effect("types without a binary form go as text, and are what they are in the other formats", () =>
      Effect.gen(function*() {
        const { on, session } = yield* connect
        const table = yield* create(session, "id int, v tsvector")
        const rows = [{ id: 1, v: "'a':1 'b':2" }, { id: 2, v: null }]
        yield* on(Copy.into(table, rows))
        assert.deepStrictEqual(yield* on(collect(Copy.from(table))), rows)
        const refused = yield* Effect.flip(on(Copy.into(table, rows, { format: CopyFormat.binary })))
        assert.isTrue(refused._tag === "ValueError" && refused.reason._tag === "FormatUnsupported")
      }))

    it.effect("a row that cannot be read ends the copy, however much is to come, and leaves the session", () =>
      Effect.gen(function*() {
        const { on, session } = yield* connect
        const endless = sql`select generate_series(1, 2147483647)`
        const columns = [{ name: "n", type: BuiltIn.int8 }]
        const error = yield* Effect.flip(on(Stream.runDrain(Copy.fromQueryValues(endless, { columns }))))
        assert.isTrue(error._tag === "ValueError" && error.reason.row === 0)
        const few = yield* on(collect(Stream.take(Copy.fromQueryValues(endless), 3)))
        assert.deepStrictEqual(few, [[1], [2], [3]])
        const late = sql`select 100 / (50000 - n) from generate_series(1, 60000) as g(n)`
        const divided = yield* Effect.flip(on(Stream.runDrain(Copy.fromQueryValues(late))))
        assert.isTrue(divided._tag === "ServerError" && divided.reason._tag === "DivisionByZero")
        assert.deepStrictEqual((yield* session.values("select 1")).rows, [[1]])
      }))

    it.effect("columns whose types are given are not asked for", () =>
      Effect.gen(function*() {
        const { on, session } = yield* connect
        const table = yield* create(session, "id int, s text")
        const columns = [{ name: "id", type: BuiltIn.int4 }, { name: "s", type: BuiltIn.text }]
        yield* on(Copy.intoValues(table, [[1, "a"]], { columns }))
        assert.deepStrictEqual(yield* on(collect(Copy.fromValues(table, { columns }))), [[1, "a"]])
        const wrong = [{ name: "id", type: BuiltIn.int8 }, { name: "s", type: BuiltIn.text }]
        const error = yield* Effect.flip(on(Copy.intoValues(table, [[BigInt(1), "a"]], { columns: wrong })))
        assert.strictEqual(error._tag, "ServerError")
        const other = yield* Effect.flip(on(collect(Copy.fromValues(table, { columns: wrong }))))
        assert.isTrue(other._tag === "ValueError" && other.reason.row === 0 && other.reason.name === "id")
        assert.deepStrictEqual((yield* session.values("select 1")).rows, [[1]])
      }))

    it.effect(
      "random records of enums, composite types, domains, ranges and arrays come back by query and by every format",
      () =>
        Effect.gen(function*() {
          const { on, session } = yield* connect
          const [mood, price, pair, span] = [fresh("mood"), fresh("price"), fresh("pair"), fresh("span")]
          yield* session.simple(`
          create type ${mood} as enum ('sad', 'ok', 'a "b", {c}', '\\N');
          create domain ${price} as numeric check (value is distinct from 'NaN');
          create type ${pair} as ("a,b" ${mood}, n ${price}[], t text);
          create type ${span} as range (subtype = text)`)
          const Mood = Schema.Literals(["sad", "ok", "a \"b\", {c}", "\\N"])
          const Text = Schema.Union([
            Schema.Literals(["", "NULL", "\\N", "\\.", ",", "\"", "\t", "\r\n", "\\", "{}", "()", " a ", "empty"]),
            Schema.String.check(Schema.makeFilter((value: string) => value.isWellFormed() && !value.includes("\0")))
          ])
          const Price = Schema.Int.check(Schema.isInt32())
          const Record = Schema.Tuple([
            Schema.NullOr(Mood),
            Schema.NullOr(Schema.Array(Schema.NullOr(Mood))),
            Schema.NullOr(Price),
            Schema.NullOr(Schema.Struct({
              "a,b": Schema.NullOr(Mood),
              n: Schema.NullOr(Schema.Array(Schema.NullOr(Price))),
              t: Schema.NullOr(Text)
            })),
            Schema.NullOr(Text),
            Schema.NullOr(Schema.Array(Schema.NullOr(Text)))
          ])
          const decimal = (value: number | null) => (value === null ? null : BigDecimal.make(BigInt(value), 2))
          const records = (yield* Arbitrary.sampleEffect(Arbitrary.schema(Record), { count: 150 }))
            .map(([a, b, c, d, e, f], id) => {
              const pair = d === null ? null : { ...d, n: d.n === null ? null : d.n.map(decimal) }
              const bound = e === null || e > "\uffff" ? null : e
              const span = f === null ? null : Range.between(bound, null)
              return { id, a, b, c: decimal(c), d: pair, e, f, g: pair === null ? null : [pair, null], h: span }
            })
          const create_ = () =>
            create(
              session,
              `id int, a ${mood}, b ${mood}[], c ${price}, d ${pair}, e text, f text[], g ${pair}[], h ${span}`
            )
          const names = ["id", "a", "b", "c", "d", "e", "f", "g", "h"]
          const first = yield* create_()
          for (const record of records) {
            yield* session.query(
              fromTextUnsafe(
                `insert into "${first}" values ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
                Object.values(record)
              )
            )
          }
          const asPrinted = yield* printed(session, first, names)
          const read = (yield* session.query(fromTextUnsafe(`select * from "${first}" order by id`))).rows
          assert.deepStrictEqual(read, records)
          for (const [name, format] of formats) {
            const table = yield* create_()
            yield* on(Copy.into(table, records, { format }))
            assert.deepStrictEqual(yield* printed(session, table, names), asPrinted, name)
            const ordered = sql`select * from ${identifier(table)} order by id`
            assert.deepStrictEqual(yield* on(collect(Copy.fromQuery(ordered, { format }))), records, name)
          }
        }),
      60_000
    )
  },

  hyper(it) {
    it.effect("HyperBinary comes out of a table whose columns are given, with NULL or without", () =>
      Effect.gen(function*() {
        const { on, session } = yield* connect
        const table = fresh("Arrays")
        // Hyper keeps arrays in temporary tables only.
        yield* session.simple(`create temporary table "${table}" (id int not null, n numeric(20, 3), s text, c char(5),
          l array(int not null), m array(text))`)
        const rows = [
          { id: 1, n: BigDecimal.fromStringUnsafe("1.500"), s: "a", c: "x    ", l: [1, 2, 3], m: ["x", null] },
          { id: 2, n: null, s: null, c: null, l: null, m: null }
        ]
        const columns = [
          { name: "id", type: BuiltIn.int4, nullable: false },
          { name: "n", type: BuiltIn.numeric, typeModifier: ((20 << 16) | 3) + 4 },
          { name: "s", type: BuiltIn.text },
          { name: "c", type: BuiltIn.bpchar, typeModifier: 9 },
          { name: "l", type: BuiltIn.arrayNotNull(BuiltIn.int4) },
          { name: "m", type: BuiltIn.array(BuiltIn.text) }
        ]
        const refused = yield* Effect.flip(on(Copy.into(table, rows)))
        assert.isTrue(refused._tag === "UnsupportedError" && refused.feature.includes("\"l\""))
        yield* on(Copy.into(table, rows, { columns }))
        const ordered = `select * from "${table}" order by id`
        assert.deepStrictEqual((yield* session.query(ordered)).rows, rows)
        const back = yield* on(collect(Copy.from(table, { columns, format: CopyFormat.hyperBinary })))
        assert.deepStrictEqual(back, rows)
      }))
  }
})
