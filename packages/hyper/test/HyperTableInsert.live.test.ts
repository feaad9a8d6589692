import { assert, describe, layer } from "@effect/vitest"
import * as Client from "@hyperfect/client/Client"
import type { Progress } from "@hyperfect/client/Copy"
import * as Query from "@hyperfect/client/Query"
import type { QueryError } from "@hyperfect/client/QueryError"
import * as Session from "@hyperfect/client/Session"
import { type Fragment, fromTextUnsafe, sql } from "@hyperfect/client/Statement"
import { Hyperd } from "@hyperfect/hyper/Hyperd"
import * as HyperTable from "@hyperfect/hyper/HyperTable"
import type { TableMismatch } from "@hyperfect/hyper/TableMismatch"
import { PostgresServer } from "@hyperfect/testing/PostgresServer"
import type * as ValueError from "@hyperfect/values/ValueError"
import {
  BigDecimal,
  Cause,
  Context,
  Data,
  DateTime,
  Deferred,
  Duration,
  Effect,
  Exit,
  Fiber,
  Option,
  Schema,
  Stream
} from "effect"
import { type Kind, kinds, servers } from "./servers.ts"

class SourceFailed extends Data.TaggedError("SourceFailed")<{ readonly at: number }> {}

class Origin extends Context.Service<Origin, { readonly name: string }>()("test/Origin") {}

/** One table for each test, because the tests of a file share the server. */
let tables = 0

const fields = { id: Schema.Int, name: Schema.NullOr(Schema.String) }

/** An existing table of two columns. */
const table = Effect.gen(function*() {
  const made = HyperTable.make(`t${++tables}`, fields)
  yield* made.create
  return made
})

interface Row {
  readonly id: number
  readonly name: string | null
}

const row = (id: number): Row => ({ id, name: `name ${id}` })

function* rows(count: number, at: (i: number) => Row = row): Generator<Row> {
  for (let i = 0; i < count; i++) yield at(i)
}

const count = (table: Fragment) =>
  Effect.gen(function*() {
    const client = yield* Client.Client
    const { rows } = yield* client.values(sql`select count(*) from ${table}`)
    return Number(rows[0]![0])
  })

const anotherSession = (kind: Kind): Effect.Effect<Session.Session, unknown, any> =>
  kind === "hyper"
    ? Effect.flatMap(Hyperd, (hyperd) => Session.make({ ...hyperd, database: "test.hyper" }))
    : Effect.flatMap(PostgresServer, Session.make)

for (const kind of kinds) {
  describe(`HyperTable.insert on ${kind}`, () => {
    layer(servers[kind] as typeof servers.hyper & typeof servers.postgres, { excludeTestServices: true })((it) => {
      it.effect("accepts arrays, iterables and streams, and returns the number of rows and bytes", () =>
        Effect.gen(function*() {
          const client = yield* Client.Client
          const t = yield* table
          const sources = [
            [...rows(3)],
            rows(3),
            new Set(rows(3)),
            Stream.fromIterable(rows(3)),
            Stream.fromIterable([...rows(3)], { chunkSize: 1 }),
            Stream.fromEffect(Effect.delay(Effect.succeed(row(0)), "5 millis")).pipe(
              Stream.concat(Stream.fromIterable([row(1), row(2)]))
            )
          ]
          // A header of 19 bytes; three rows of an integer and a text of 6 bytes with its overhead; a trailer.
          const bytes = kind === "hyper" ? 19 + 3 * (4 + 1 + 4 + 6) : 19 + 3 * (2 + 8 + 4 + 6) + 2
          for (const source of sources) {
            const inserted = yield* t.insert(source)
            assert.strictEqual(inserted.rows, 3)
            assert.strictEqual(inserted.bytes, bytes)
            assert.isAbove(Duration.toMillis(inserted.elapsed), 0)
            assert.strictEqual(inserted.rowsPerSecond, Math.round(3 / Duration.toSeconds(inserted.elapsed)))
          }
          const found = yield* client.query(sql`select id, name, count(*) as n from ${t} group by id, name order by id`)
          assert.deepStrictEqual(found.rows, [0, 1, 2].map((i) => ({ ...row(i), n: BigInt(sources.length) })))
        }))

      it.effect("accepts an empty source", () =>
        Effect.gen(function*() {
          const t = yield* table
          for (const source of [[], rows(0), new Set<Row>(), Stream.empty, Stream.fromIterable<Row>([])]) {
            const { rows } = yield* t.insert(source)
            assert.strictEqual(rows, 0)
          }
          assert.strictEqual(yield* count(t), 0)
        }))

      it.effect("sends many rows in messages of one mebibyte, and reports the progress", () =>
        Effect.gen(function*() {
          const t = yield* table
          const seen: Array<Progress> = []
          const inserted = yield* t.insert(rows(150_000), {
            onProgress: (progress) => Effect.sync(() => seen.push(progress))
          })
          assert.strictEqual(inserted.rows, 150_000)
          assert.strictEqual(yield* count(t), 150_000)
          assert.isAtLeast(seen.length, 3)
          const sizes = seen.map(({ bytes }, i) => bytes - (seen[i - 1]?.bytes ?? 0))
          // A message ends with the row that fills it.
          for (const size of sizes.slice(0, -1)) assert.isTrue(size >= 1024 * 1024 && size < 1024 * 1024 + 100)
          assert.deepStrictEqual(seen.at(-1), { rows: 150_000, bytes: inserted.bytes })
          assert.deepStrictEqual(seen.map(({ rows }) => rows), seen.map(({ rows }) => rows).sort((a, b) => a - b))
        }))

      it.effect("sends messages of the given size, and rows that are larger than that", () =>
        Effect.gen(function*() {
          const client = yield* Client.Client
          const t = yield* table
          const long = "x".repeat(3_000_000)
          let messages = 0
          yield* t.insert([row(0), { id: 1, name: long }, row(2)], {
            messageSize: 1,
            onProgress: () => Effect.sync(() => messages++)
          })
          const found = yield* client.query(sql`select id, length(name) as n from ${t} order by id`)
          assert.deepStrictEqual(found.rows.map(({ n }) => Number(n)), [6, 3_000_000, 6])
          // The header alone is a message of that size.
          assert.isAtLeast(messages, 4)
        }))

      it.effect("rejects invalid message sizes", () =>
        Effect.gen(function*() {
          const t = yield* table
          for (const messageSize of [0, -1, 0.5, NaN, Infinity, 2 ** 31]) {
            const exit = yield* Effect.exit(t.insert([row(1)], { messageSize }))
            assert.isTrue(Exit.isFailure(exit) && Cause.squash(exit.cause) instanceof RangeError)
          }
          assert.strictEqual(yield* count(t), 0)
        }))

      it.effect("pulls rows only as fast as they are sent", () =>
        Effect.gen(function*() {
          const t = yield* table
          let asked = 0
          let isReturned = false
          const endless = (function*() {
            try {
              while (true) yield row(asked++)
            } finally {
              isReturned = true
            }
          })()
          const sent = yield* Deferred.make<void>()
          const onProgress = () => Effect.andThen(Deferred.succeed(sent, undefined), Effect.never)
          const fiber = yield* Effect.forkChild(t.insert(endless, { onProgress }))
          yield* Deferred.await(sent)
          for (let before = -1; before !== asked && asked < 1_000_000;) {
            before = asked
            yield* Effect.sleep("50 millis")
          }
          // A mebibyte holds about 60,000 of these rows; one more batch may have been pulled.
          assert.isBelow(asked, 100_000)
          yield* Fiber.interrupt(fiber)
          assert.isTrue(isReturned)
          assert.strictEqual(yield* count(t), 0)
        }))

      it.effect("inserts nothing if a row does not fit, and names the row and column", () =>
        Effect.gen(function*() {
          const t = yield* table
          const bad: ReadonlyArray<readonly [wrong: unknown, tag: ValueError.Reason["_tag"], column: string]> = [
            [{ id: null, name: "x" }, "NullNotAllowed", "id"],
            [{ name: "x" }, "TypeMismatch", "id"],
            [{ id: undefined, name: "x" }, "TypeMismatch", "id"],
            [{ id: "7", name: "x" }, "TypeMismatch", "id"],
            [{ id: 1.5, name: "x" }, "OutOfRange", "id"],
            [{ id: 2 ** 31, name: "x" }, "OutOfRange", "id"],
            [{ id: 1, name: 2 }, "TypeMismatch", "name"],
            [{ id: 1, name: "\ud800" }, "NotRepresentable", "name"],
            [7, "TypeMismatch", ""],
            [null, "TypeMismatch", ""],
            [undefined, "TypeMismatch", ""]
          ]
          for (const [wrong, tag, column] of bad) {
            // The first row, one in the first message, and one after several messages that were already sent.
            for (const at of [0, 10, 130_000]) {
              if (at > 10 && wrong !== bad[0]![0]) continue
              const source = rows(at + 3, (i) => i === at ? wrong as Row : row(i))
              const error = yield* Effect.flip(t.insert(source))
              assert.strictEqual(error._tag, "ValueError")
              if (error._tag !== "ValueError") return
              assert.deepInclude(error.reason, { _tag: tag, row: at, name: column })
            }
          }
          assert.strictEqual(yield* count(t), 0)
          yield* t.insert([row(1)])
          assert.strictEqual(yield* count(t), 1)
        }))

      it.effect("releases the table for other sessions if it fails", () =>
        Effect.gen(function*() {
          const t = yield* table
          const other = yield* anotherSession(kind)
          yield* Effect.flip(t.insert(rows(100_000, (i) => i === 99_999 ? { id: 0.5, name: "" } : row(i))))
          const { rows: found } = yield* other.values(sql`select count(*) from ${t}`).pipe(Effect.timeout("20 seconds"))
          assert.strictEqual(Number(found[0]![0]), 0)
        }))

      it.effect("fails with the error of its stream, and inserts nothing", () =>
        Effect.gen(function*() {
          const t = yield* table
          const failing = Stream.fromIterable(rows(130_000)).pipe(
            Stream.concat(Stream.fail(new SourceFailed({ at: 130_000 })))
          )
          const error = yield* Effect.flip(t.insert(failing))
          assert.deepInclude(error, { _tag: "SourceFailed", at: 130_000 })
          assert.strictEqual(yield* count(t), 0)
        }))

      it.effect("supports streams that need services", () =>
        Effect.gen(function*() {
          const client = yield* Client.Client
          const t = yield* table
          const needing = Stream.fromEffect(Effect.map(Origin, ({ name }): Row => ({ id: 1, name })))
          yield* t.insert(needing).pipe(Effect.provideService(Origin, { name: "SFO" }))
          const { rows } = yield* client.query(sql`select name from ${t}`)
          assert.deepStrictEqual(rows, [{ name: "SFO" }])
        }))

      it.effect("fails with the error of onProgress, and inserts nothing", () =>
        Effect.gen(function*() {
          const t = yield* table
          const error = yield* Effect.flip(
            t.insert(rows(130_000), { onProgress: ({ rows }) => Effect.fail(new SourceFailed({ at: rows })) })
          )
          assert.strictEqual(error._tag, "SourceFailed")
          assert.strictEqual(yield* count(t), 0)
        }))

      it.effect("inserts nothing if it is interrupted", () =>
        Effect.gen(function*() {
          const t = yield* table
          const slow = Stream.fromIterable(rows(130_000)).pipe(Stream.concat(Stream.fromEffect(Effect.never)))
          const fiber = yield* Effect.forkChild(t.insert(slow))
          yield* Effect.sleep("200 millis")
          yield* Fiber.interrupt(fiber)
          assert.strictEqual(yield* count(t), 0)
          yield* t.insert([row(1)])
          assert.strictEqual(yield* count(t), 1)
        }))

      it.effect("is part of the transaction that it runs in", () =>
        Effect.gen(function*() {
          const client = yield* Client.Client
          const t = yield* table
          const rolledBack = client.transaction(
            Effect.gen(function*() {
              yield* t.insert(rows(10))
              assert.strictEqual(yield* count(t), 10)
              return yield* new SourceFailed({ at: 0 })
            })
          )
          assert.strictEqual((yield* Effect.flip(rolledBack))._tag, "SourceFailed")
          assert.strictEqual(yield* count(t), 0)
          yield* client.transaction(t.insert(rows(10)))
          assert.strictEqual(yield* count(t), 10)
        }))

      it.effect("rejects a table whose columns differ from the declared ones, before any row", () =>
        Effect.gen(function*() {
          const client = yield* Client.Client
          const name = `t${++tables}`
          yield* client.simple(
            `create table ${name} (a integer not null, b numeric(10,2) not null, c varchar(5), d bigint not null)`
          )
          const mismatch = Effect.fnUntraced(function*(declared: HyperTable.Fields) {
            let asked = 0
            const t = HyperTable.make(name, declared)
            const source = Stream.sync(() => ({ asked: ++asked }))
            const error = yield* Effect.flip(t.insert(source as never))
            assert.strictEqual(asked, 0)
            assert.strictEqual(error._tag, "TableMismatch")
            return (error as TableMismatch)
          })
          const number = yield* mismatch({ a: Schema.Number })
          assert.deepStrictEqual(number.columns, [
            { name: "a", declared: "double precision NOT NULL", found: "integer NOT NULL" }
          ])
          assert.strictEqual(
            number.message,
            `the table "${name}" is not as declared: "a" is declared as double precision NOT NULL but is integer NOT NULL`
          )
          const scale = yield* mismatch({ b: HyperTable.Numeric(10, 3) })
          assert.deepStrictEqual(scale.columns.map(({ name }) => name), ["b"])
          const missing = yield* mismatch({ a: Schema.Int, missing: Schema.Int })
          assert.deepStrictEqual(missing.columns, [
            { name: "missing", declared: "integer NOT NULL", found: undefined }
          ])
          if (kind === "hyper") {
            const nullable = yield* mismatch({ a: Schema.NullOr(Schema.Int), c: HyperTable.Varchar(5) })
            assert.deepStrictEqual(
              nullable.columns.map(({ declared, found }) => [declared, found?.includes("NOT NULL")]),
              [
                ["integer", true],
                ["varchar(5) NOT NULL", false]
              ]
            )
          }
        }))

      it.effect("inserts into some of a table's columns, in any order", () =>
        Effect.gen(function*() {
          const client = yield* Client.Client
          const name = `t${++tables}`
          yield* client.simple(`create table ${name} (a integer not null, b text, c bigint not null)`)
          const t = HyperTable.make(name, { c: HyperTable.BigInt, a: HyperTable.Int })
          yield* t.insert([{ a: 1, c: BigInt(2) }])
          const { rows } = yield* client.query(sql`select * from ${t}`)
          assert.deepStrictEqual(rows, [{ a: 1, b: null, c: BigInt(2) }])
        }))

      it.effect("reports a missing table", () =>
        Effect.gen(function*() {
          const t = HyperTable.make("no such table", fields)
          for (const effect of [t.insert([row(1)]), t.drop]) {
            const caught = Effect.catchReason(
              Effect.asVoid(effect) as Effect.Effect<void, QueryError, Client.Client>,
              "ServerError",
              "UndefinedTable",
              () => Effect.succeed("missing")
            )
            assert.strictEqual(yield* caught, "missing")
          }
          yield* t.dropIfExists
        }))

      it.effect("accepts the additional inputs of its columns", () =>
        Effect.gen(function*() {
          const client = yield* Client.Client
          const t = HyperTable.make(`t${++tables}`, {
            at: HyperTable.TimestampTz,
            maybe: HyperTable.NullOr(HyperTable.TimestampTz),
            big: HyperTable.BigInt,
            price: HyperTable.Numeric(10, 2),
            uuid: HyperTable.Uuid,
            real: HyperTable.Real
          })
          yield* t.create
          const date = new Date("2026-03-01T12:00:00.123Z")
          const uuid = "00112233-4455-6677-8899-AABBCCDDEEFF"
          yield* t.insert([
            { at: date, maybe: date, big: 7, price: BigInt(3), uuid, real: 0.1 },
            {
              at: DateTime.fromDateUnsafe(date),
              maybe: null,
              big: BigInt(7),
              price: BigDecimal.make(BigInt(3), 0),
              uuid,
              real: 0.1
            }
          ])
          const found = yield* client.query(sql`select * from ${t}`).pipe(Query.rows(t.Row))
          for (const row of found) {
            assert.strictEqual(row.at.toJSON(), "2026-03-01T12:00:00.123Z")
            assert.strictEqual(row.big, BigInt(7))
            assert.strictEqual(BigDecimal.format(row.price), "3")
            assert.strictEqual(row.uuid, uuid.toLowerCase())
            assert.strictEqual(row.real, Math.fround(0.1))
          }
          assert.deepStrictEqual(found.map(({ maybe }) => maybe === null), [false, true])
        }))

      it.effect("encodes values by custom Schemas", () =>
        Effect.gen(function*() {
          const client = yield* Client.Client
          const t = HyperTable.make(`t${++tables}`, {
            id: Schema.Int,
            option: Schema.OptionFromNullOr(HyperTable.Varchar(3)),
            size: HyperTable.column(HyperTable.SmallInt, Schema.Literals([1, 2])),
            day: HyperTable.column(HyperTable.Text, Schema.DateFromString),
            positive: Schema.NullOr(Schema.Number.check(Schema.isGreaterThan(0)))
          })
          yield* t.create
          const day = new Date("2026-03-01T00:00:00.000Z")
          const good = [
            { id: 1, option: Option.some("abc"), size: 1 as const, day, positive: 0.5 },
            { id: 2, option: Option.none(), size: 2 as const, day, positive: null }
          ]
          yield* t.insert(good)
          const stored = yield* client.query(sql`select * from ${t} order by id`)
          assert.deepStrictEqual(stored.rows, [
            { id: 1, option: "abc", size: 1, day: "2026-03-01T00:00:00.000Z", positive: 0.5 },
            { id: 2, option: null, size: 2, day: "2026-03-01T00:00:00.000Z", positive: null }
          ])
          const read = yield* client.query(sql`select * from ${t} order by id`).pipe(Query.rows(t.Row))
          assert.deepStrictEqual(read, good)
          const wrong: ReadonlyArray<readonly [column: string, value: unknown]> = [
            ["option", Option.some("abcd")],
            ["option", "abc"],
            ["option", null],
            ["size", 3],
            ["day", "2026-03-01"],
            ["positive", 0],
            ["positive", undefined]
          ]
          for (const [column, value] of wrong) {
            const error = yield* Effect.flip(t.insert([good[0]!, { ...good[1]!, [column]: value }]))
            assert.strictEqual(error._tag, "ValueError")
            if (error._tag === "ValueError") assert.deepInclude(error.reason, { name: column, row: 1 })
          }
          assert.strictEqual(yield* count(t), 2)
        }))

      it.effect("rejects values that the server would silently truncate, round or fill in", () =>
        Effect.gen(function*() {
          const t = HyperTable.make(`t${++tables}`, {
            price: HyperTable.Numeric(5, 2),
            code: HyperTable.Char(2),
            name: HyperTable.Varchar(3)
          })
          yield* t.create
          const good = { price: BigDecimal.fromStringUnsafe("-999.99"), code: "ab", name: "abc" }
          const wrong = [
            ["price", BigDecimal.fromStringUnsafe("0.001")],
            ["price", BigDecimal.fromStringUnsafe("1000")],
            ["code", "abc"],
            ["code", "ab "],
            ["name", "\u{1f600}\u{1f600}\u{1f600}\u{1f600}"]
          ] as const
          for (const [column, value] of wrong) {
            const error = yield* Effect.flip(t.insert([good, { ...good, [column]: value }]))
            assert.strictEqual(error._tag, "ValueError")
            if (error._tag === "ValueError") {
              assert.deepInclude(error.reason, { _tag: "OutOfRange", name: column, row: 1 })
            }
          }
          const nul = yield* Effect.flip(t.insert([{ ...good, code: "\0" }]))
          assert.strictEqual(nul._tag === "ValueError" && nul.reason._tag, "NotRepresentable")
          const { rows } = yield* t.insert([good, { ...good, name: "\u{1f600}\u{1f600}\u{1f600}" }])
          assert.strictEqual(rows, 2)
        }))

      it.effect("supports names that need quotes", () =>
        Effect.gen(function*() {
          const client = yield* Client.Client
          const names = ["a\"b", "it's", "back\\slash", "select", "Upper", "__proto__", "constructor", "ü.x", "$1"]
          for (const name of names) {
            const t = HyperTable.make(
              name,
              Object.fromEntries(names.map((column) => [column, Schema.Int])) as HyperTable.Fields
            )
            yield* t.create
            const row = Object.fromEntries(names.map((column, i) => [column, i]))
            yield* t.insert([row])
            const { rows } = yield* client.values(sql`select * from ${t}`)
            assert.deepStrictEqual(rows, [names.map((_, i) => i)])
            yield* t.drop
          }
        }))

      it.effect("keeps temporary tables apart from others of the same name", () =>
        Effect.gen(function*() {
          const permanent = yield* table
          const temporary = HyperTable.make(permanent.name, fields, { temporary: true })
          yield* permanent.insert(rows(2))
          yield* temporary.dropIfExists
          assert.strictEqual(yield* count(permanent), 2)
          yield* temporary.create
          yield* temporary.createIfNotExists
          yield* temporary.insert(rows(5))
          assert.strictEqual(yield* count(temporary), 5)
          const other = yield* anotherSession(kind)
          const { rows: found } = yield* other.values(sql`select count(*) from ${permanent}`)
          assert.strictEqual(Number(found[0]![0]), 2)
          yield* temporary.drop
          assert.strictEqual(yield* count(permanent), 2)
        }))

      it.effect("finds tables by their schema and database", () =>
        Effect.gen(function*() {
          const client = yield* Client.Client
          const database = kind === "hyper" ? "test.hyper" : "postgres"
          yield* client.simple("create schema \"my schema\"")
          const places: ReadonlyArray<HyperTable.Options> = [
            { schema: "my schema" },
            { schema: "my schema", database },
            { database }
          ]
          for (const options of places) {
            const t = HyperTable.make("it's \\ placed", fields, options)
            yield* t.create
            const { rows: inserted } = yield* t.insert(rows(3))
            assert.strictEqual(inserted, 3)
            const wrong = HyperTable.make("it's \\ placed", { id: Schema.String }, options)
            assert.strictEqual((yield* Effect.flip(wrong.insert([{ id: "x" }])))._tag, "TableMismatch")
            yield* t.drop
            assert.strictEqual((yield* Effect.flip(t.insert(rows(3))))._tag, "ServerError")
          }
        }))

      if (kind === "hyper") {
        it.effect("preserves the bytes of a geography", () =>
          Effect.gen(function*() {
            const client = yield* Client.Client
            const t = HyperTable.make(`t${++tables}`, { place: HyperTable.NullOr(HyperTable.GeographyUnsafe) })
            yield* t.create
            const { rows } = yield* client.query("select cast('POINT(8.5 47.4)' as geography) as place")
            const place = rows[0]!["place"]
            assert.instanceOf(place, Uint8Array)
            yield* t.insert([{ place: place as Uint8Array }, { place: null }])
            const found = yield* client.values(sql`select cast(place as text) from ${t} order by place is null`)
            assert.deepStrictEqual(found.rows.map(([text]) => text), ["POINT(8.5000000 47.4000000)", null])
          }))
      }

      if (kind === "postgres") {
        it.effect("rejects types that only Hyper has", () =>
          Effect.gen(function*() {
            const client = yield* Client.Client
            const name = `t${++tables}`
            // A type of the same name exists, so that only the insert can reject it.
            yield* client.simple(`create type geography as (x integer); create table ${name} (place geography)`)
            const t = HyperTable.make(name, { place: HyperTable.NullOr(HyperTable.GeographyUnsafe) })
            const error = yield* Effect.flip(t.insert([{ place: new Uint8Array(1) }]))
            assert.strictEqual(error._tag, "TableMismatch")
          }))

        it.effect("leaves checks that only the server can make to the server", () =>
          Effect.gen(function*() {
            const client = yield* Client.Client
            const name = `t${++tables}`
            yield* client.simple(`create table ${name} (id integer not null check (id > 0), name text not null)`)
            const t = HyperTable.make(name, fields)
            const condition = (source: ReadonlyArray<Row>) =>
              Effect.map(Effect.flip(t.insert(source)), (error) => error._tag === "ServerError" && error.reason._tag)
            assert.strictEqual(yield* condition([row(1), { id: 1, name: null }]), "NotNullViolation")
            assert.strictEqual(yield* condition([row(1), row(0)]), "CheckViolation")
            assert.strictEqual(yield* count(t), 0)
          }))
      }

      it.effect("runs concurrently with queries of other fibers on the same session", () =>
        Effect.gen(function*() {
          const client = yield* Client.Client
          const t = yield* table
          const [inserted, ...answers] = yield* Effect.all([
            t.insert(rows(20_000)),
            ...Array.from({ length: 20 }, (_, i) => client.values(fromTextUnsafe(`select ${i}`)))
          ], { concurrency: "unbounded" })
          assert.strictEqual(inserted.rows, 20_000)
          assert.deepStrictEqual(answers.map(({ rows }) => rows[0]![0]), Array.from({ length: 20 }, (_, i) => i))
        }))
    })
  })
}
