/** Comments on statements, as servers take and show them. */
import { assert } from "@effect/vitest"
import type { ConnectionConfig } from "@hyperfect/client/ConnectionConfig"
import * as Notifications from "@hyperfect/client/Notifications"
import * as Pool from "@hyperfect/client/Pool"
import type { BatchError } from "@hyperfect/client/Queries"
import type { QueryError } from "@hyperfect/client/QueryError"
import type * as Session from "@hyperfect/client/Session"
import * as Statement from "@hyperfect/client/Statement"
import * as Telemetry from "@hyperfect/client/Telemetry"
import * as BuiltIn from "@hyperfect/values/BuiltIn"
import { Effect, Redacted, Stream } from "effect"
import { describeServers, openSession, TestServer, uniqueName } from "./liveServers.ts"

const { identifier, sql, unprepared } = Statement

/** Values that would end the comment, or an open literal, if they were not encoded. */
const comments = { app: "shop", "it's": "*/ drop table t; /* -- '--' \"$$\\ ä\u{1f600}\0" }

const openCommented = (changes: Partial<ConnectionConfig> = {}, options: Telemetry.Options = { comments }) =>
  Effect.provideService(openSession(changes), Telemetry.Telemetry, options)

/** Runs every kind of operation, and returns their results. */
const results = (session: Session.Session, table: string) =>
  Effect.scoped(Effect.gen(function*() {
    const { kind } = yield* TestServer
    const bytes = (text: string) => Stream.make(new TextEncoder().encode(text))
    const name = identifier(table)
    yield* session.execute(sql`create table ${name} (a int, b text)`)
    const prepared = yield* session.prepare(`select b from ${table} where a = $1 -- by its key`, [BuiltIn.int4])
    const copied = yield* session.copyIn(`copy ${table} from stdin with (format csv)`, bytes("1,x\n2,y\n"))
    const batch = yield* session.batch([
      sql`insert into ${name} values (${3}, ${"z"})`,
      sql`select count(*)::int as n from ${name}`
    ])
    const pipeline = yield* session.pipeline([sql`select ${1}::int as n`, "select 1 +", "select 2 as n;"])
    return {
      copied,
      batch: batch.map(({ rows }) => rows),
      pipeline: pipeline.map((result) => result._tag === "Success" ? result.success.rows : result.failure._tag),
      rows: (yield* session.values(sql`select a, b from ${name} where a > ${0} order by a`)).rows,
      unprepared: (yield* session.values(unprepared(sql`select a from ${name} order by a -- up`))).rows,
      columns: (yield* session.columns(`select a from ${table} order by a;`)).rowCount,
      stream: yield* Stream.runCollect(session.streamValues(`select a from ${table} order by a`)),
      portal: yield* Stream.runCollect(session.streamValues(`select a from ${table} order by a`, { fetchSize: 1 })),
      prepared: (yield* prepared.values(2)).rows,
      simple: (yield* session.simple(`select 1 as a;${kind === "hyper" ? "" : " select 2 as a;"}`)).map(({ rows }) =>
        rows
      ),
      described: (yield* session.describe(`select a, b from ${table}`)).fields.length,
      inside: (yield* session.transaction(session.values(sql`select ${7}::int`))).rows,
      out: yield* Stream.mkString(
        Stream.decodeText(session.copyOut(`copy (select a from ${table} order by a) to stdout with (format csv)`))
      )
    }
  }))

describeServers({
  both(it) {
    it.effect("change no result", () =>
      Effect.gen(function*() {
        const table = uniqueName("commented")
        const plain = yield* results(yield* openSession(), table)
        assert.deepStrictEqual(yield* results(yield* openCommented(), uniqueName("commented")), plain)
        const unnamed = yield* openCommented({ statementCacheSize: 0 })
        const { rows } = yield* unnamed.values(sql`select a from ${identifier(table)} where a > ${1} order by a`)
        assert.deepStrictEqual(rows, [[2], [3]])
      }))

    it.effect("complete no text that is open at its end", () =>
      Effect.gen(function*() {
        const session = yield* openCommented()
        for (const value of ["--", "*/", "'", " -- ", "x"]) {
          for (
            const text of [
              "select 'a",
              "select \"a",
              "select 1 /* a",
              "select 1 /*/",
              "select e'a\\",
              "select $$a"
            ]
          ) {
            for (const run of [session.execute(text), Effect.asVoid(session.simple(text))]) {
              const error = yield* Effect.flip(
                Telemetry.withComment<unknown, QueryError, never>(run, { app: value, "it's": undefined, [value]: "x" })
              )
              assert(error._tag === "ServerError", text)
              assert.strictEqual(error.reason.sqlState, "42601", text)
              assert.isAtMost(error.reason.position ?? 0, text.length + 1)
              assert.strictEqual(Redacted.value(error.statement), text)
            }
          }
        }
      }))

    it.effect("leave the position of an error as it is", () =>
      Effect.gen(function*() {
        const texts = ["select (", "select 1 +", "select nothing_like_it", "select 1 where ä = 1 -- x", "seleckt"]
        const errorsOf = (session: Session.Session) =>
          Effect.forEach(
            texts.flatMap((text): ReadonlyArray<Effect.Effect<unknown, BatchError>> => [
              session.execute(text),
              session.simple(text),
              session.batch(["select 1", text])
            ]),
            (run) =>
              Effect.map(Effect.flip(run), ({ message, stack }) => ({
                message,
                excerpt: stack?.split("\n").filter((line) => line.includes(" | "))
              }))
          )
        assert.deepStrictEqual(yield* errorsOf(yield* openCommented()), yield* errorsOf(yield* openSession()))
      }))
  },

  hyper(it) {
    it.effect("do not nest (H-67)", () =>
      Effect.gen(function*() {
        const session = yield* openCommented()
        assert.deepStrictEqual((yield* session.values("select 1 /* a /* b */")).rows, [[1]])
      }))
  },

  postgres(it) {
    it.effect("show in pg_stat_activity", () =>
      Effect.gen(function*() {
        const session = yield* openCommented({}, { comments: { app: "shop" } })
        const watcher = yield* openSession()
        const shown = Effect.map(
          watcher.values(sql`select query from pg_stat_activity where pid = ${session.processId}`),
          ({ rows }) => rows[0]?.[0]
        )
        const statement = yield* session.prepare("select 5", [])
        const operations: ReadonlyArray<readonly [string, Effect.Effect<unknown, unknown>]> = [
          ["select 1::int", session.query("select 1::int")],
          ["select $1::int", session.values(sql`select ${2}::int`)],
          ["select 3", session.simple("select 3")],
          ["select 4", session.query(unprepared("select 4"))],
          ["select 5", statement.values()],
          ["select 7", session.batch(["select 6", "select 7"])],
          ["select 9", session.pipeline(["select 8", "select 9"])],
          ["select 10", Stream.runDrain(session.stream("select 10"))],
          ["select 11", Stream.runDrain(session.stream("select 11", { fetchSize: 1 }))],
          ["copy (select 12) to stdout", Stream.runDrain(session.copyOut("copy (select 12) to stdout"))]
        ]
        for (const [text, run] of operations) {
          yield* Telemetry.withComment(run, { route: "/orders" })
          // A statement that is prepared explicitly keeps the comment that it was prepared with.
          const comment = text === "select 5" ? "/*app='shop'*/" : "/*app='shop',route='%2Forders'*/"
          assert.strictEqual(yield* shown, `${text}\n${comment}`)
        }
        yield* Telemetry.withComment(session.transaction(session.query("select 1")), { route: "/orders" })
        assert.strictEqual(yield* shown, "COMMIT")
      }))

    it.effect("are each prepared once by a pool", () =>
      Effect.gen(function*() {
        const { config } = yield* TestServer
        const pool = yield* Effect.provideService(Pool.make(config, { max: 1 }), Telemetry.Telemetry, {
          comments: { app: "shop" }
        })
        const routes = ["a", "b", "a", "b", "a"]
        yield* Effect.forEach(routes, (route) => Telemetry.withComment(pool.query(sql`select ${1}::int`), { route }))
        const [result] = yield* pool.simple("select statement from pg_prepared_statements order by 1")
        assert.deepStrictEqual(
          result!.rows.map(({ statement }) => statement),
          ["a", "b"].map((route) => `select $1::int\n/*app='shop',route='${route}'*/`)
        )
      }))

    it.effect("are not behind LISTEN", () =>
      Effect.gen(function*() {
        const { config } = yield* TestServer
        const watcher = yield* openSession()
        const channel = uniqueName("quiet")
        const notifications = yield* Effect.provideService(Notifications.make(config), Telemetry.Telemetry, {
          comments
        })
        yield* notifications.subscribe(channel)
        const { rows } = yield* watcher.values(
          sql`select query from pg_stat_activity where query like ${`LISTEN "${channel}%`}`
        )
        assert.deepStrictEqual(rows, [[`LISTEN "${channel}"`]])
      }))
  }
})
