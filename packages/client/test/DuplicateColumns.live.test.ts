/** Columns of the same name, and the results before a failing statement of a simple query. */
import { assert } from "@effect/vitest"
import * as Query from "@hyperfect/client/Query"
import * as Statement from "@hyperfect/client/Statement"
import { Preset } from "@hyperfect/values"
import { Effect, Schema, Stream } from "effect"
import { describeServers, openSession, uniqueName } from "./liveServers.ts"

const { sql, withPreset } = Statement

const twice = "select 1 as id, 'x' as name, 2 as id, 3 as id_2"

const last = Preset.withDuplicates(Preset.lossless, "last")
const suffix = Preset.withDuplicates(Preset.native, "suffix")

describeServers({
  both(it) {
    it.effect("columns of the same name are refused, or read by the preset's rule", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        const error = yield* Effect.flip(session.query(twice))
        assert.isTrue(error._tag === "ValueError" && error.reason._tag === "DuplicateColumn")
        assert.include(error.message, "withDuplicates")
        assert.deepStrictEqual((yield* session.query(withPreset(twice, last))).rows, [{ id: 2, name: "x", id_2: 3 }])
        const suffixed = yield* session.query(withPreset(twice, suffix))
        assert.deepStrictEqual(suffixed.rows, [{ id: 1, name: "x", id_3: 2, id_2: 3 }])
        assert.deepStrictEqual(suffixed.fields.map(({ name }) => name), ["id", "name", "id_3", "id_2"])
        assert.deepStrictEqual(yield* Stream.runCollect(session.stream(withPreset(twice, last))), [
          { id: 2, name: "x", id_2: 3 }
        ])
        assert.deepStrictEqual((yield* session.values(twice)).rows, [[1, "x", 2, 3]])
        // Presets derived from another one keep its rule.
        const typed = Preset.withColumns(Preset.withTypes(last, { int4: Preset.text }), { name: Preset.lossless })
        assert.deepStrictEqual((yield* session.query(withPreset(twice, typed))).rows, [{
          id: "2",
          name: "x",
          id_2: "3"
        }])
      }))

    it.effect("a Schema is checked against the renamed columns", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        const text = "select 'x' as id, 2 as id"
        const ofLast = yield* session.query(withPreset(text, last)).pipe(Query.rows(Schema.Struct({ id: Schema.Int })))
        assert.deepStrictEqual(ofLast, [{ id: 2 }])
        const Both = Schema.Struct({ id: Schema.String, id_2: Schema.Int })
        const ofBoth = yield* session.query(withPreset(text, suffix)).pipe(Query.rows(Both))
        assert.deepStrictEqual(ofBoth, [{ id: "x", id_2: 2 }])
      }))

    it.effect("columns of the same name are read by the preset of the client, in simple queries too", () =>
      Effect.gen(function*() {
        const session = yield* Effect.provideService(openSession(), Preset.Preset, last)
        assert.deepStrictEqual((yield* session.query(twice)).rows, [{ id: 2, name: "x", id_2: 3 }])
        assert.deepStrictEqual((yield* session.simple(twice))[0]?.rows, [{ id: 2, name: "x", id_2: 3 }])
      }))
  },

  postgres(it) {
    for (const statementCacheSize of [0, 100]) {
      it.effect(`columns of the same name are refused before anything runs (statementCacheSize: ${statementCacheSize})`, () =>
        Effect.gen(function*() {
          const session = yield* openSession({ statementCacheSize })
          const table = Statement.identifier(uniqueName("twice"))
          yield* session.query(sql`create table ${table} (a int)`)
          const insert = sql`insert into ${table} values (${1}) returning a, a`
          for (
            const refused of [
              session.query(insert),
              Stream.runDrain(session.stream(insert)),
              session.batch([insert]),
              session.transaction(session.query(insert))
            ] as ReadonlyArray<Effect.Effect<unknown, { readonly _tag: string }>>
          ) {
            const error = yield* Effect.flip(refused)
            assert.strictEqual(error._tag, "ValueError")
          }
          assert.deepStrictEqual((yield* session.values(sql`select count(*)::int from ${table}`)).rows, [[0]])
          const both = yield* session.query(withPreset(insert, suffix))
          assert.deepStrictEqual(both.rows, [{ a: 1, a_2: 1 }])
          assert.deepStrictEqual((yield* session.values(insert)).rows, [[1, 1]])
          assert.deepStrictEqual((yield* session.values(sql`select count(*)::int from ${table}`)).rows, [[2]])
          const wrong = yield* Effect.flip(session.query("insert into nowhere values (1) returning a"))
          assert.isTrue(wrong._tag === "ServerError" && wrong.reason.sqlState === "42P01")
        }))
    }

    it.effect("the error of a statement among several has the results of those before it", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        const error = yield* Effect.flip(
          session.simple("select 1 as a; select 2 as b, 'x' as c; select 1 / 0; select 3")
        )
        assert.isTrue(error._tag === "ServerError" && error.reason._tag === "DivisionByZero")
        assert.deepStrictEqual(error.results?.map(({ rows }) => rows), [[{ a: 1 }], [{ b: 2, c: "x" }]])
        const unreadable = yield* Effect.flip(session.simple("select 1 as a; select 2 as b, 3 as b; select 4 as c"))
        assert.isTrue(unreadable._tag === "ValueError" && unreadable.reason._tag === "DuplicateColumn")
        assert.deepStrictEqual(unreadable.results?.map(({ rows }) => rows), [[{ a: 1 }]])
        assert.deepStrictEqual((yield* Effect.flip(session.simple("select +"))).results, [])
        assert.isUndefined((yield* Effect.flip(session.query("select +"))).results)
      }))
  }
})
