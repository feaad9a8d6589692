import { assert } from "@effect/vitest"
import { Client } from "@hyperfect/client/Client"
import * as Copy from "@hyperfect/client/Copy"
import * as Query from "@hyperfect/client/Query"
import type * as Session from "@hyperfect/client/Session"
import { fromTextUnsafe, identifier, insert, sql } from "@hyperfect/client/Statement"
import * as BuiltIn from "@hyperfect/values/BuiltIn"
import * as CalendarDate from "@hyperfect/values/CalendarDate"
import * as CopyFormat from "@hyperfect/values/CopyFormat"
import * as Money from "@hyperfect/values/Money"
import * as Preset from "@hyperfect/values/Preset"
import * as Range from "@hyperfect/values/Range"
import { Arbitrary, BigDecimal, Cause, Deferred, Effect, Equal, Exit, Fiber, pipe, Schema, Stream } from "effect"
import { describeServers, openSession, uniqueName } from "./liveServers.ts"
import { openPool, waitUntil } from "./pools.ts"

const { csv, text } = CopyFormat

/** A session, and a function that provides it as the `Client` of the module's functions. */
const openWithClient = Effect.map(openSession(), (session) => ({
  session,
  provideClient: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.provideService(effect, Client, session)
}))

const collect = <A, E, R>(stream: Stream.Stream<A, E, R>) => Stream.runCollect(stream)

const createTable = (session: Session.Session, columns: string) => {
  const table = uniqueName("Copy")
  return Effect.as(session.simple(`create table "${table}" (${columns})`), table)
}

/** The rows of a table as the server converts them to text. */
const selectAsText = (session: Session.Session, table: string, columns: ReadonlyArray<string>) =>
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

const date = (literal: string) => CalendarDate.fromStringUnsafe(literal)

const rows = [
  { id: 1, "a \"text": "one", n: BigInt(1), d: 1.5, on: date("2026-02-28"), b: Uint8Array.of(0, 255) },
  { id: 2, "a \"text": null, n: null, d: null, on: null, b: null },
  { id: 3, "a \"text": "", n: BigInt("-9223372036854775808"), d: -0.5, on: date("0001-01-01"), b: new Uint8Array() },
  { id: 4, "a \"text": "a\tb\nc\rd\\e\"f'g;h|i,j\\.\\N", n: BigInt(7), d: 1e300, on: date("9999-12-31"), b: null },
  { id: 5, "a \"text": "\\.", n: BigInt(7), d: 0.25, on: null, b: null },
  { id: 6, "a \"text": "NULL", n: BigInt(7), d: 0.25, on: null, b: null },
  { id: 7, "a \"text": "\\N", n: BigInt(7), d: 0.25, on: null, b: null },
  { id: 8, "a \"text": "ä😀 \u2028", n: BigInt(7), d: 0.25, on: null, b: null }
]

const columnDefinitions = `id int not null, "a ""text" text, n bigint, d double precision, "on" date, b bytea`

describeServers({
  both(it) {
    for (const [name, format] of formats) {
      it.effect(`rows round-trip through a table in ${name}, and the server has the values sent`, () =>
        Effect.gen(function*() {
          const { provideClient, session } = yield* openWithClient
          const table = yield* createTable(session, columnDefinitions)
          const copied = yield* provideClient(Copy.into(rows, table, { format }))
          assert.strictEqual(copied.rowCount, rows.length)
          assert.deepStrictEqual(
            (yield* session.query(fromTextUnsafe(`select * from "${table}" order by id`))).rows,
            rows
          )
          const back = yield* provideClient(collect(Copy.from(table, { format })))
          assert.deepStrictEqual([...back].sort((a, b) => Number(a["id"]) - Number(b["id"])), rows)

          // Some of the columns, as arrays, in another order; the others are NULL.
          yield* provideClient(Copy.intoValues([["x", 9]], table, { format, columns: ["a \"text", "id"] }))
          const some = sql`select id, ${identifier("a \"text")} from ${identifier(table)} where id = 9`
          assert.deepStrictEqual(yield* provideClient(collect(Copy.fromQueryValues(some, { format }))), [[9, "x"]])
          const columns = { format, columns: ["a \"text"] }
          assert.include((yield* provideClient(collect(Copy.fromValues(table, columns)))).map(([value]) => value), "x")
          assert.deepStrictEqual(yield* provideClient(collect(Copy.fromQuery(sql`${some} and id < 0`, { format }))), [])
        }))
    }

    it.effect("rows are encoded and decoded by a Schema", () =>
      Effect.gen(function*() {
        const { provideClient, session } = yield* openWithClient
        const table = yield* createTable(session, "id int, tags text, on_off boolean")
        const Row = Schema.Struct({
          id: Schema.Int,
          tags: Schema.fromJsonString(Schema.Array(Schema.String)),
          on_off: Schema.NullOr(Schema.Boolean)
        })
        const values = [{ id: 1, tags: ["a", "b"], on_off: true }, { id: 2, tags: [], on_off: null }]
        yield* provideClient(Copy.intoSchema(Stream.fromIterable(values), table, Row))
        const { rows } = yield* session.values(fromTextUnsafe(`select tags from "${table}" order by id`))
        assert.deepStrictEqual(rows, [["[\"a\",\"b\"]"], ["[]"]])
        assert.deepStrictEqual(yield* provideClient(collect(Query.stream(Row)(Copy.from(table)))), values)
        const wrong = yield* Effect.flip(
          provideClient(Copy.intoSchema([values[0]!, { ...values[1]!, id: 0.5 }], table, Row))
        )
        assert.isTrue(wrong._tag === "ValueError" && wrong.reason.row === 1)
      }))

    it.effect("rows can be piped into a table, and through a format", () =>
      Effect.gen(function*() {
        const { provideClient, session } = yield* openWithClient
        const table = yield* createTable(session, "id int, s text")
        const rows = [{ id: 1, s: "a" }, { id: 2, s: "b" }]
        const Row = Schema.Struct({ id: Schema.Int, s: Schema.String })
        yield* provideClient(Stream.fromIterable(rows).pipe(Copy.into(table)))
        yield* provideClient(Stream.make([3, "c"]).pipe(Copy.intoValues(identifier(table), { messageSize: 1 })))
        yield* provideClient(pipe([{ id: 4, s: "d" }], Copy.intoSchema(table, Row)))
        assert.strictEqual((yield* provideClient(collect(Copy.from(table)))).length, 4)
        const { reader, writer } = CopyFormat.csv()
        const columns = [{ name: "id", type: BuiltIn.int4 }, { name: "s", type: BuiltIn.text }]
        const encoded = pipe(rows, Copy.encode(writer("object", columns), { messageSize: 1 }))
        assert.deepStrictEqual(yield* collect(encoded.pipe(Copy.decode(() => reader("object", columns)))), rows)
        assert.deepStrictEqual(
          yield* collect(Copy.decode(Copy.encode(rows, writer("object", columns)), () => reader("object", columns))),
          rows
        )
      }))

    it.effect("rows are read by the preset of the client, and written unchanged", () =>
      Effect.gen(function*() {
        const session = yield* Effect.provideService(openSession(), Preset.Preset, Preset.native)
        const table = yield* createTable(session, "id int not null, n bigint")
        yield* Effect.provideService(Copy.into([{ id: 1, n: BigInt(5) }], table), Client, session)
        const rows = yield* Effect.provideService(collect(Copy.from(table)), Client, session)
        assert.deepStrictEqual(rows, [{ id: 1, n: "5" }])
      }))

    it.effect("a pool copies, alone and in a transaction, and gets its session back", () =>
      Effect.gen(function*() {
        const { pool } = yield* openPool({ max: 1 })
        const on = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.provideService(effect, Client, pool)
        const table = uniqueName("Pooled")
        yield* pool.simple(`create table "${table}" (id int, s text)`)
        const rows = [{ id: 1, s: "a" }]
        yield* on(Copy.into(rows, table))
        yield* pool.transaction(on(Effect.gen(function*() {
          yield* Copy.into(rows, table)
          assert.deepStrictEqual(yield* collect(Copy.from(table)), [...rows, ...rows])
        })))
        assert.strictEqual((yield* Effect.flip(on(Copy.into([{ id: "x", s: "" }], table))))._tag, "ValueError")
        assert.lengthOf(yield* on(collect(Stream.take(Copy.from(table), 1))), 1)
        assert.lengthOf(yield* on(collect(Copy.from(table, { format: csv() }))), 2)
      }))

    it.effect("an invalid row is named in the error, and the copy has no effect", () =>
      Effect.gen(function*() {
        const { provideClient, session } = yield* openWithClient
        const table = yield* createTable(session, "id int not null, s text")
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
            const error = yield* Effect.flip(provideClient(Copy.into(many(last), table, { format })))
            assert.strictEqual(error._tag, "ValueError")
            if (error._tag === "ValueError") assert.deepInclude(error.reason, { row: 20_000, index, name })
          }
        }
        assert.deepStrictEqual(yield* selectAsText(session, table, ["id"]), [])
        yield* provideClient(Copy.into([{ id: 1, s: null }], table))
        assert.deepStrictEqual(yield* selectAsText(session, table, ["id", "s"]), [["1", null]])
      }))

    it.effect("a source that fails, dies or is interrupted ends the copy, which has no effect", () =>
      Effect.gen(function*() {
        const { provideClient, session } = yield* openWithClient
        const table = yield* createTable(session, "id int")
        const some = Stream.fromIterable(Array.from({ length: 50_000 }, (_, id) => ({ id })))
        const failed = yield* Effect.exit(
          provideClient(Copy.into(Stream.concat(some, Stream.fail("no more" as const)), table))
        )
        assert.isTrue(Exit.isFailure(failed) && Equal.equals(Cause.squash(failed.cause), "no more"))
        const died = yield* Effect.exit(
          provideClient(Copy.into(Stream.concat(some, Stream.die(new Error("a bug"))), table))
        )
        assert.isTrue(Exit.isFailure(died) && Cause.hasDies(died.cause))
        const begun = yield* Deferred.make<void>()
        const waiting = Stream.fromEffect(Effect.andThen(Deferred.succeed(begun, undefined), Effect.never))
        const copying = yield* Effect.forkChild(provideClient(Copy.into(Stream.concat(some, waiting), table)))
        yield* Deferred.await(begun)
        yield* Fiber.interrupt(copying)
        assert.deepStrictEqual(yield* selectAsText(session, table, ["id"]), [])
      }))

    it.effect("a copy fails with the server's error: no such table, no such column, a table that refuses", () =>
      Effect.gen(function*() {
        const { provideClient, session } = yield* openWithClient
        const table = yield* createTable(session, "id int not null, s text")
        for (const effect of [Copy.into(rows, "no such table"), collect(Copy.from("no such table"))]) {
          const error: { readonly _tag: string } = yield* Effect.flip(
            provideClient(effect as Effect.Effect<unknown, Copy.CopyError, Client>)
          )
          assert.strictEqual(error._tag, "ServerError")
        }
        const column = yield* Effect.flip(provideClient(Copy.into(rows, table, { columns: ["id", "t"] })))
        assert.isTrue(column._tag === "ServerError" && column.reason._tag === "UndefinedColumn")
        const refused = yield* Effect.flip(provideClient(Copy.into([{ s: "x" }], table, { columns: ["s"] })))
        assert.strictEqual(refused._tag, "ServerError")
        assert.deepStrictEqual(yield* selectAsText(session, table, ["id"]), [])
      }))

    it.effect("a copy is part of its transaction, and reports its progress", () =>
      Effect.gen(function*() {
        const { provideClient, session } = yield* openWithClient
        const table = yield* createTable(session, "id int")
        const rows = Array.from({ length: 100_000 }, (_, id) => ({ id }))
        const progress: Array<Copy.Progress> = []
        const options = {
          messageSize: 100_000,
          onProgress: (reached: Copy.Progress) => Effect.sync(() => void progress.push(reached))
        }
        yield* Effect.flip(
          session.transaction(Effect.andThen(provideClient(Copy.into(rows, table, options)), Effect.fail("no")))
        )
        assert.deepStrictEqual(yield* selectAsText(session, table, ["id"]), [])
        assert.isAbove(progress.length, 3)
        assert.strictEqual(progress.at(-1)!.rows, rows.length)
        assert.deepStrictEqual(progress.map(({ rows }) => rows), progress.map(({ rows }) => rows).sort((a, b) => a - b))
        const count = yield* session.transaction(Effect.andThen(
          provideClient(Copy.into(rows, table)),
          provideClient(Stream.runCount(Copy.from(table)))
        ))
        assert.strictEqual(count, rows.length)
      }))
  },

  postgres(it) {
    it.effect("the source is not read ahead of a server that does not read", () =>
      Effect.gen(function*() {
        const { provideClient, session } = yield* openWithClient
        const other = yield* openSession()
        const table = yield* createTable(session, "id int, s text")
        // The first row waits for a lock that the other session holds.
        yield* session.simple(`create function "${table}_wait"() returns trigger language plpgsql as
          $$ begin perform pg_advisory_xact_lock(4711); return new; end $$;
          create trigger wait before insert on "${table}" for each row execute function "${table}_wait"()`)
        yield* other.simple("select pg_advisory_lock(4711)")
        let taken = 0
        const endless = function*() {
          for (;;) yield { id: taken++, s: "a text that fills the line, again and again and again" }
        }
        const copying = yield* Effect.forkChild(provideClient(Copy.into(endless(), table)))
        yield* waitUntil(() => taken > 0)
        let before = 0
        while (before !== taken) {
          before = taken
          yield* Effect.sleep("300 millis")
        }
        assert.isBelow(taken, 500_000)
        yield* other.simple("select pg_advisory_unlock(4711)")
        yield* waitUntil(() => taken > before)
        yield* Fiber.interrupt(copying)
        assert.deepStrictEqual(yield* selectAsText(session, table, ["id"]), [])
      }))

    it.effect("generated and dropped columns are omitted, and a view can be copied from", () =>
      Effect.gen(function*() {
        const { provideClient, session } = yield* openWithClient
        const table = yield* createTable(
          session,
          "id int generated always as identity, gone int, s text, twice text generated always as (s || s) stored"
        )
        yield* session.simple(
          `alter table "${table}" drop column gone; create view "${table}_v" as select s from "${table}"`
        )
        yield* provideClient(Copy.into([{ id: 5, s: "a" }], table))
        assert.deepStrictEqual(yield* provideClient(collect(Copy.from(table))), [{ id: 5, s: "a", twice: "aa" }])
        assert.deepStrictEqual(yield* provideClient(collect(Copy.from(identifier("public", `${table}_v`)))), [{
          s: "a"
        }])
      }))

    it.effect("a header of text is written, read and compared", () =>
      Effect.gen(function*() {
        const { provideClient, session } = yield* openWithClient
        const table = yield* createTable(session, `"a\tb" int, "c\\" text`)
        const format = text({ header: true })
        yield* provideClient(Copy.into([{ "a\tb": 1, "c\\": "x" }], table, { format }))
        assert.deepStrictEqual(yield* provideClient(collect(Copy.from(table, { format }))), [{ "a\tb": 1, "c\\": "x" }])
        const columns = [{ name: "other", type: BuiltIn.int4 }, { name: "c\\", type: BuiltIn.text }]
        const query = sql`select * from ${identifier(table)}`
        const error = yield* Effect.flip(provideClient(collect(Copy.fromQuery(query, { format, columns }))))
        assert.isTrue(error._tag === "ValueError" && error.reason._tag === "Malformed")
      }))

    it.effect("money is copied in binary, and refused with a workaround beside a type that has only a text form", () =>
      Effect.gen(function*() {
        const { provideClient, session } = yield* openWithClient
        const price = Money.fromUnitsUnsafe(BigInt(1234))
        const priced = yield* createTable(session, "id int, m money, many money[]")
        yield* provideClient(
          Copy.into([{ id: 1, m: price, many: [price, null] }, { id: 2, m: null, many: [] }], priced)
        )
        const found = yield* session.values(sql`select m::text, many::text from ${identifier(priced)} order by id`)
        assert.deepStrictEqual(found.rows, [["$12.34", "{$12.34,NULL}"], [null, "{}"]])
        const mixed = yield* createTable(session, "id int, m money, v tsvector")
        const error = yield* Effect.flip(provideClient(Copy.into([{ id: 1, m: price, v: "a" }], mixed)))
        assert.isTrue(error._tag === "UnsupportedError" && error.sent === "nothing")
        for (const part of ["\"m\" of money", "\"v\" of tsvector", "INSERT"]) assert.include(error.message, part)
        yield* session.query(sql`insert into ${identifier(mixed)} ${insert([{ id: 1, m: price, v: "a" }])}`)
        assert.deepStrictEqual((yield* session.values(sql`select m::text, v from ${identifier(mixed)}`)).rows, [[
          "$12.34",
          "'a'"
        ]])
      }))

    it.effect("types without a binary form are copied as text, and have their own values in the other formats", () =>
      Effect.gen(function*() {
        const { provideClient, session } = yield* openWithClient
        const table = yield* createTable(session, "id int, v tsvector")
        const rows = [{ id: 1, v: "'a':1 'b':2" }, { id: 2, v: null }]
        yield* provideClient(Copy.into(rows, table))
        assert.deepStrictEqual(yield* provideClient(collect(Copy.from(table))), rows)
        const refused = yield* Effect.flip(provideClient(Copy.into(rows, table, { format: CopyFormat.binary })))
        assert.isTrue(refused._tag === "ValueError" && refused.reason._tag === "FormatUnsupported")
      }))

    it.effect("empty vectors of the catalogue, which have no binary form, are copied", () =>
      Effect.gen(function*() {
        const { provideClient, session } = yield* openWithClient
        const table = yield* createTable(session, "i int2vector, o oidvector, many oidvector[]")
        const rows = [{ i: [], o: [7], many: [[], null] }, { i: [1, 2], o: [], many: null }]
        yield* provideClient(Copy.into(rows, table))
        assert.deepStrictEqual(yield* provideClient(collect(Copy.from(table))), rows)
      }))

    it.effect("a row that cannot be decoded ends the copy, however much is to come, and the session stays usable", () =>
      Effect.gen(function*() {
        const { provideClient, session } = yield* openWithClient
        const endless = sql`select generate_series(1, 2147483647)`
        const columns = [{ name: "n", type: BuiltIn.int8 }]
        const error = yield* Effect.flip(provideClient(Stream.runDrain(Copy.fromQueryValues(endless, { columns }))))
        assert.isTrue(error._tag === "ValueError" && error.reason.row === 0)
        const few = yield* provideClient(collect(Stream.take(Copy.fromQueryValues(endless), 3)))
        assert.deepStrictEqual(few, [[1], [2], [3]])
        const late = sql`select 100 / (50000 - n) from generate_series(1, 60000) as g(n)`
        const divided = yield* Effect.flip(provideClient(Stream.runDrain(Copy.fromQueryValues(late))))
        assert.isTrue(divided._tag === "ServerError" && divided.reason._tag === "DivisionByZero")
        assert.deepStrictEqual((yield* session.values("select 1")).rows, [[1]])
      }))

    it.effect("the types of columns are not looked up if they are given", () =>
      Effect.gen(function*() {
        const { provideClient, session } = yield* openWithClient
        const table = yield* createTable(session, "id int, s text")
        const columns = [{ name: "id", type: BuiltIn.int4 }, { name: "s", type: BuiltIn.text }]
        yield* provideClient(Copy.intoValues([[1, "a"]], table, { columns }))
        assert.deepStrictEqual(yield* provideClient(collect(Copy.fromValues(table, { columns }))), [[1, "a"]])
        const wrong = [{ name: "id", type: BuiltIn.int8 }, { name: "s", type: BuiltIn.text }]
        const error = yield* Effect.flip(provideClient(Copy.intoValues([[BigInt(1), "a"]], table, { columns: wrong })))
        assert.strictEqual(error._tag, "ServerError")
        const other = yield* Effect.flip(provideClient(collect(Copy.fromValues(table, { columns: wrong }))))
        assert.isTrue(other._tag === "ValueError" && other.reason.row === 0 && other.reason.name === "id")
        assert.deepStrictEqual((yield* session.values("select 1")).rows, [[1]])
      }))

    it.effect(
      "random records of enums, composite types, domains, ranges and arrays round-trip by query and by every format",
      () =>
        Effect.gen(function*() {
          const { provideClient, session } = yield* openWithClient
          const [mood, price, pair, span] = [
            uniqueName("mood"),
            uniqueName("price"),
            uniqueName("pair"),
            uniqueName("span")
          ]
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
            createTable(
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
          const asPrinted = yield* selectAsText(session, first, names)
          const read = (yield* session.query(fromTextUnsafe(`select * from "${first}" order by id`))).rows
          assert.deepStrictEqual(read, records)
          for (const [name, format] of formats) {
            const table = yield* create_()
            yield* provideClient(Copy.into(records, table, { format }))
            assert.deepStrictEqual(yield* selectAsText(session, table, names), asPrinted, name)
            const ordered = sql`select * from ${identifier(table)} order by id`
            assert.deepStrictEqual(yield* provideClient(collect(Copy.fromQuery(ordered, { format }))), records, name)
          }
        }),
      60_000
    )
  },

  hyper(it) {
    it.effect("H4: rows are copied into tables of databases that are attached by name", () =>
      Effect.gen(function*() {
        const { provideClient, session } = yield* openWithClient
        for (const name of ["na\"me.d", "plain"]) {
          const [file, attached] = [uniqueName("copied"), identifier(name)]
          yield* session.simple(`create database ${file}`)
          yield* session.simple(sql`attach database ${identifier(file)} as ${attached}`.text)
          yield* Effect.addFinalizer(() => Effect.ignore(session.simple(sql`detach database ${attached}`.text)))
        }
        const database = identifier("na\"me.d")
        yield* session.simple(sql`create schema ${database}."odd ""schema"""`.text)
        const columns = fromTextUnsafe("(id int not null, s text, n int)")
        const rows = [{ id: 1, s: "a", n: 2 }, { id: 2, s: null, n: null }]
        for (const [schema, table] of [["public", "t"], ["odd \"schema\"", "T. \"1\""]] as const) {
          const name = identifier("na\"me.d", schema, table)
          yield* session.simple(sql`create table ${name} ${columns}`.text)
          assert.strictEqual((yield* provideClient(Copy.into(rows, name))).rowCount, 2)
          yield* provideClient(Copy.intoValues([[3, 4]], name, { columns: ["id", "n"] }))
          const { rows: found } = yield* session.query(sql`select * from ${name} order by id`)
          assert.deepStrictEqual(found, [...rows, { id: 3, s: null, n: 4 }])
        }
        yield* session.simple(`create table plain.public.t ${columns.text}`)
        yield* provideClient(Copy.into(rows, fromTextUnsafe("Plain.public.T")))
        assert.deepStrictEqual((yield* session.query("select * from plain.public.t order by id")).rows, rows)
        const missing = yield* Effect.flip(provideClient(Copy.into(rows, identifier("plain", "public", "none"))))
        assert.isTrue(missing._tag === "ServerError" && missing.reason._tag === "UndefinedTable")
      }))

    it.effect("H9: a column with a default that is left out is refused, where COPY would store NULL", () =>
      Effect.gen(function*() {
        const { provideClient, session } = yield* openWithClient
        const table = uniqueName("Omitted")
        yield* session.simple(`create temporary table "${table}" (a int not null, b int default 7, c text)`)
        const ofSchema = Copy.intoSchema([{ a: 1 }], table, Schema.Struct({ a: Schema.Int }))
        const columns = ["a", "c"]
        const csv = Copy.into([{ a: 1, c: "x" }], table, { columns, format: CopyFormat.csv() })
        for (const copied of [Copy.into([{ a: 1, c: "x" }], table, { columns }), csv, ofSchema]) {
          const error = yield* Effect.flip(provideClient(copied))
          assert(error._tag === "UnsupportedError")
          assert.include(error.feature, `copying without the column "b", whose default`)
        }
        yield* provideClient(Copy.into([{ a: 1, b: null }], table, { columns: ["a", "b"] }))
        assert.deepStrictEqual((yield* session.values(`select * from "${table}"`)).rows, [[1, null, null]])
      }))

    it.effect("HyperBinary is copied from a table with given columns, nullable or not", () =>
      Effect.gen(function*() {
        const { provideClient, session } = yield* openWithClient
        const table = uniqueName("Arrays")
        // Hyper supports arrays in temporary tables only.
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
        const refused = yield* Effect.flip(provideClient(Copy.into(rows, table)))
        assert.isTrue(refused._tag === "UnsupportedError" && refused.feature.includes("\"l\""))
        yield* provideClient(Copy.into(rows, table, { columns }))
        const ordered = `select * from "${table}" order by id`
        assert.deepStrictEqual((yield* session.query(ordered)).rows, rows)
        const back = yield* provideClient(collect(Copy.from(table, { columns, format: CopyFormat.hyperBinary })))
        assert.deepStrictEqual(back, rows)
      }))
  }
})
