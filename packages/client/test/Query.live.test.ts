import { assert } from "@effect/vitest"
import * as Query from "@hyperfect/client/Query"
import * as Statement from "@hyperfect/client/Statement"
import { Preset } from "@hyperfect/values"
import { Effect, Option, Schema, SchemaTransformation, Stream } from "effect"
import { describeServers, openSession } from "./liveServers.ts"

const Person = Schema.Struct({ id: Schema.Int, name: Schema.NullOr(Schema.String) })

class Named extends Schema.Class<Named>("Named")({ id: Schema.Int, name: Schema.String }) {
  get greeting() {
    return `hello ${this.name}`
  }
}

const people = "select * from (values (1, 'ada'), (2, null), (3, 'grace')) as people(id, name) order by id"

/** Returns the column mismatch of an error, if it is one. */
const columnMismatch = (error: { readonly _tag: string }) =>
  error._tag === "RowError" && "reason" in error ? { ...(error.reason as object) } : error

describeServers({
  both(it) {
    it.effect("decodes rows by a Schema", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        const rows = yield* session.query(people).pipe(Query.rows(Person))
        assert.deepStrictEqual(rows, [{ id: 1, name: "ada" }, { id: 2, name: null }, { id: 3, name: "grace" }])
        assert.deepStrictEqual(yield* session.query(`${people} limit 0`).pipe(Query.rows(Person)), [])
      }))

    it.effect("decodes rows to instances of a class", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        const rows = yield* session.query("select 1 as id, 'ada' as name").pipe(Query.rows(Named))
        assert.isTrue(rows[0] instanceof Named)
        assert.strictEqual(rows[0]?.greeting, "hello ada")
      }))

    it.effect("applies the Schema's transformations and checks", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        const Flag = Schema.String.pipe(Schema.decodeTo(
          Schema.Boolean,
          SchemaTransformation.transform({ decode: (text) => text === "yes", encode: (flag) => (flag ? "yes" : "no") })
        ))
        const flags = yield* session.query("select 'yes' as flag").pipe(Query.rows(Schema.Struct({ flag: Flag })))
        assert.deepStrictEqual(flags, [{ flag: true }])
        const Small = Schema.Struct({ id: Schema.Int.check(Schema.isLessThan(3)) })
        const error = yield* Effect.flip(
          session.query("select n as id from generate_series(1, 5) as g(n) order by n").pipe(Query.rows(Small))
        )
        assert.isTrue(error._tag === "RowError" && error.reason._tag === "RowInvalid" && error.reason.row === 2)
        assert.match(error.message, /^row 2: /)
        assert.isFalse(error._tag === "RowError" && error.isRetryable)
      }))

    it.effect("checks the columns against the fields before the first row", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        const check = (statement: string) =>
          Effect.map(
            Effect.flip(session.query(statement).pipe(Query.rows(Person, { onExcessColumn: "error" }))),
            columnMismatch
          )
        const wrong = (missing: ReadonlyArray<string>, unexpected: ReadonlyArray<string>) => ({
          _tag: "ColumnsMismatch",
          missing,
          unexpected
        })
        assert.deepInclude(yield* check("select 1 as id"), wrong(["name"], []))
        assert.deepInclude(yield* check("select 1 as id, 'x' as name, 2 as age"), wrong([], ["age"]))
        assert.deepInclude(yield* check("select 'not a number' as \"ID\", 'x' as name"), wrong(["id"], ["ID"]))
        assert.deepInclude(yield* check("select 1 as id where 1 = 2"), wrong(["name"], []))
        const stream = Query.stream(Person)(session.stream("select 1 as id"))
        assert.deepInclude(columnMismatch(yield* Effect.flip(Stream.runDrain(stream))), wrong(["name"], []))
      }))

    it.effect("leaves out columns that the Schema does not have, unless they are an error", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        const wide = "select 1 as id, 'ada' as name, 36 as age"
        const person = { id: 1, name: "ada" }
        assert.deepStrictEqual(yield* session.query(wide).pipe(Query.rows(Person)), [person])
        assert.deepStrictEqual(yield* Query.one(session.query(wide), Person), person)
        assert.deepStrictEqual(yield* Stream.runCollect(Query.stream(session.stream(wide), Person)), [person])
        const strict = { onExcessColumn: "error" } as const
        for (
          const refused of [
            Query.one(session.query(wide), Person, strict),
            session.query(wide).pipe(Query.optional(Person, strict)),
            Stream.runCollect(session.stream(wide).pipe(Query.stream(Person, strict)))
          ]
        ) {
          assert.deepInclude(
            columnMismatch(yield* Effect.flip<unknown, Effect.Error<typeof refused>, never>(refused)),
            { unexpected: ["age"] }
          )
        }
      }))

    it.effect("takes the query or stream as the first argument, too", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        const first = { id: 1, name: "ada" }
        const query = session.query(`${people} limit 1`)
        assert.deepStrictEqual(yield* Query.rows(query, Person), [first])
        assert.deepStrictEqual(yield* Query.one(query, Person), first)
        assert.deepStrictEqual(yield* Query.optional(query, Person), Option.some(first))
        assert.deepStrictEqual(yield* Query.timeout(Query.rows(query, Person), "1 minute"), [first])
        const stream = session.stream(`${people} limit 1`)
        assert.deepStrictEqual(yield* Stream.runCollect(Query.stream(stream, Person)), [first])
      }))

    it.effect("refuses a column of another type before the first row, and does not decode rows whose types fit", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        const Counted = Schema.Struct({ id: Schema.Int, n: Schema.Number })
        const wrong = session.query("select 1 as id, cast(2 as bigint) as n where 1 = 2").pipe(Query.rows(Counted))
        assert.deepInclude(columnMismatch(yield* Effect.flip(wrong)), {
          _tag: "ColumnsMismatch",
          missing: [],
          unexpected: [],
          mistyped: [{ name: "n", typeName: "int8", wanted: "number", found: "bigint" }]
        })
        assert.match((yield* Effect.flip(wrong)).message, /n: wanted number, int8 gives bigint$/)
        // The type that the preset produces counts.
        const text = Statement.withPreset("select 1 as id, cast(2 as bigint) as n", Preset.native)
        const Text = Schema.Struct({ id: Schema.Int, n: Schema.String })
        assert.deepStrictEqual(yield* session.query(text).pipe(Query.rows(Text)), [{ id: 1, n: "2" }])
        // The same rows, not copies of them.
        const result = yield* session.query(people)
        assert.strictEqual<unknown>(yield* Effect.succeed(result).pipe(Query.rows(Person)), result.rows)
        const Strict = Schema.Struct({ id: Schema.Int, name: Schema.String })
        const error = yield* Effect.flip(Effect.succeed(result).pipe(Query.rows(Strict)))
        assert.isTrue(error.reason._tag === "RowInvalid" && error.reason.row === 1)
      }))

    it.effect("allows missing optional fields, and any columns for records", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        const Some = Schema.Struct({ id: Schema.Int, name: Schema.optionalKey(Schema.String) })
        assert.deepStrictEqual(yield* session.query("select 1 as id").pipe(Query.rows(Some)), [{ id: 1 }])
        const Any = Schema.Record(Schema.String, Schema.Int)
        assert.deepStrictEqual(yield* session.query("select 1 as x, 2 as y").pipe(Query.rows(Any)), [{ x: 1, y: 2 }])
      }))

    it.effect("returns the only row, or fails with the number of rows", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        const select = (count: number) => session.query(`${people} limit ${count}`)
        assert.deepStrictEqual(yield* Query.one(Person)(select(1)), { id: 1, name: "ada" })
        assert.deepStrictEqual(yield* Query.optional(Person)(select(1)), Option.some({ id: 1, name: "ada" }))
        assert.deepStrictEqual(yield* Query.optional(Person)(select(0)), Option.none())
        for (const [query, found] of [[Query.one(Person)(select(0)), 0], [Query.one(Person)(select(2)), 2]] as const) {
          const error = yield* Effect.flip(query)
          assert.isTrue(
            error._tag === "RowError" && error.reason._tag === "RowCountMismatch" && error.reason.found === found
          )
        }
        assert.strictEqual((yield* Effect.flip(Query.optional(Person)(select(2))))._tag, "RowError")
      }))

    it.effect("decodes the rows of a stream and names the one that does not fit", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        const rows = yield* Stream.runCollect(Query.stream(Person)(session.stream(people)))
        assert.deepStrictEqual(rows.map(({ id }) => id), [1, 2, 3])
        const Small = Schema.Struct({ n: Schema.Int.check(Schema.isLessThan(40_000)) })
        const stream = session.stream("select n from generate_series(1, 50000) as g(n) order by n")
        let count = 0
        const error = yield* Effect.flip(
          Stream.runForEach(Query.stream(Small)(stream), () => Effect.sync(() => void count++))
        )
        assert.isTrue(error._tag === "RowError" && error.reason._tag === "RowInvalid" && error.reason.row === 39_999)
        assert.isBelow(count, 40_000)
        assert.deepStrictEqual((yield* session.values("select 1")).rows, [[1]])
      }))

    it.effect("passes on failures of the query", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        const error = yield* Effect.flip(Query.rows(Person)(session.query("select 1 +")))
        assert.strictEqual(error._tag, "ServerError")
      }))
  }
})
