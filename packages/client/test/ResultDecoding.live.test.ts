import { assert } from "@effect/vitest"
import type * as Session from "@hyperfect/client/Session"
import * as Statement from "@hyperfect/client/Statement"
import { BuiltIn, Columns, Preset } from "@hyperfect/values"
import { Effect, Stream } from "effect"
import { describeServers, openSession } from "./liveServers.ts"

const { identifier, withPreset } = Statement

const presets = { lossless: Preset.lossless, native: Preset.native, text: Preset.text }

/** Reads a table in every shape and by every preset; false if the server itself refuses. */
const readInEveryShape = (session: Session.Session, table: string) =>
  Effect.forEach(Object.values(presets), (preset) =>
    Effect.gen(function*() {
      const statement = withPreset(`select * from ${table} limit 5`, preset)
      const { fields, rows } = yield* session.values(statement)
      for (const row of rows) assert.strictEqual(row.length, fields.length)
      const { columns } = yield* session.columns(statement)
      assert.strictEqual(columns.length, fields.length)
      for (const column of columns) assert.strictEqual(Columns.toArray(column).length, columns[0]!.length)
    })).pipe(
      Effect.as(true),
      Effect.catchTag("ServerError", () => Effect.succeed(false))
    )

/** The tables and views of the server's catalogue. */
const systemTables = (session: Session.Session, schemas: ReadonlyArray<string>) =>
  Effect.map(
    session.values(
      `select n.nspname, c.relname from pg_catalog.pg_class c, pg_catalog.pg_namespace n
       where c.relnamespace = n.oid and c.relkind in ('r', 'v') and n.nspname in (${
        schemas.map((s) => `'${s}'`).join(", ")
      })
       order by 1, 2`
    ),
    ({ rows }) => rows.map(([schema, name]) => identifier(schema as string, name as string).text)
  )

describeServers({
  postgres(it) {
    it.effect(
      "of PostgreSQL's catalogue succeeds in every shape and by every preset",
      () =>
        Effect.gen(function*() {
          const session = yield* openSession()
          const all = yield* systemTables(session, ["pg_catalog", "information_schema"])
          assert.isAbove(all.length, 150)
          const read = yield* Effect.filter(all, (table) => readInEveryShape(session, table))
          assert.isAbove(read.length, all.length * 0.9)
          assert.deepStrictEqual((yield* session.values("select 1")).rows, [[1]])
        }),
      60_000
    )

    it.effect("that fails affects its own query only, in every shape", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        yield* session.query("set datestyle = 'German'")
        // A date in another style than ISO is refused in text, because it could be misread.
        const asText = yield* Effect.flip(session.simple("select 1 as a, date '2003-02-01' as day"))
        assert.isTrue(
          asText._tag === "ValueError" && asText.reason._tag === "Malformed" && asText.reason.name === "day"
        )

        const preset = Preset.withTypes(Preset.lossless, { int8: BuiltIn.int8Number })
        const numbers = withPreset(
          "select n, 9007199254740000 + n as big from generate_series(1, 2000) as g(n)",
          preset
        )
        const all = yield* Effect.all([
          Effect.flip(session.query(numbers)),
          Effect.flip(session.values(numbers)),
          Effect.flip(session.columns(numbers)),
          session.values("select 1")
        ], { concurrency: "unbounded" })
        for (const error of all.slice(0, 3)) {
          assert.deepInclude({ ...(error as { readonly reason: object }).reason }, {
            _tag: "OutOfRange",
            name: "big",
            index: 1
          })
        }
        assert.deepStrictEqual(all[3].rows, [[1]])
        // The rows before the one that cannot be decoded have been delivered.
        let count = 0
        const error = yield* Effect.flip(
          Stream.runForEach(session.streamValues(numbers), () => Effect.sync(() => void count++))
        )
        assert.strictEqual(error._tag, "ValueError")
        assert.isBelow(count, 1000)
        const inTransaction = session.transaction(
          Effect.andThen(Effect.flip(session.columns(numbers)), session.values("select 2"))
        )
        assert.deepStrictEqual((yield* inTransaction).rows, [[2]])
      }))
  },

  hyper(it) {
    it.effect("of Hyper's catalogue succeeds in every shape and by every preset", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        const all = yield* systemTables(session, ["pg_catalog"])
        assert.isAbove(all.length, 5)
        const read = yield* Effect.filter(all, (table) => readInEveryShape(session, table))
        assert.isAbove(read.length, all.length / 2)
        assert.deepStrictEqual((yield* session.values("select 1")).rows, [[1]])
      }))
  }
})
