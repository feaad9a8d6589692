/** Capabilities of a server that a configuration overrides, on a server that has all of them. */
import { assert } from "@effect/vitest"
import { Client } from "@hyperfect/client/Client"
import type { ConnectionConfig } from "@hyperfect/client/ConnectionConfig"
import * as Copy from "@hyperfect/client/Copy"
import * as Dialect from "@hyperfect/client/Dialect"
import * as Notifications from "@hyperfect/client/Notifications"
import * as Pool from "@hyperfect/client/Pool"
import * as Session from "@hyperfect/client/Session"
import { fromTextUnsafe, sql } from "@hyperfect/client/Statement"
import * as ProtocolTrace from "@hyperfect/transport/ProtocolTrace"
import { Transport } from "@hyperfect/transport/Transport"
import * as BuiltIn from "@hyperfect/values/BuiltIn"
import { Effect, Fiber, Layer, Stream } from "effect"
import { forkImmediately } from "./fibers.ts"
import { describeServers, openSession, TestServer, uniqueName } from "./liveServers.ts"

/** Opens a session with these capabilities, and returns it with what it has sent. */
const openTraced = Effect.fnUntraced(function*(dialect: Dialect.Overrides, changes: Partial<ConnectionConfig> = {}) {
  const { config } = yield* TestServer
  const sent: Array<string> = []
  const sink = ({ text }: ProtocolTrace.Entry) => {
    if (text.startsWith("F\t")) sent.push(text)
  }
  const traced = yield* Layer.build(
    Layer.provide(ProtocolTrace.layer({ sink, redact: false }), Layer.succeed(Transport, yield* Transport))
  )
  const session = yield* Effect.provide(Session.make({ ...config, ...changes, dialect }), traced)
  sent.length = 0
  return { session, sent }
})

const messages = (sent: ReadonlyArray<string>, tag: string): ReadonlyArray<string> =>
  sent.filter((text) => text.split("\t")[2] === tag)

describeServers({
  both(it) {
    it.effect("a session has the dialect of its server", () =>
      Effect.gen(function*() {
        const { kind } = yield* TestServer
        const { server } = yield* openSession()
        assert.deepStrictEqual(server.dialect, kind === "hyper" ? Dialect.hyper : Dialect.postgres)
        assert.strictEqual(server.kind, server.dialect.name)
      }))

    it.effect("without cancel requests, an interrupted statement ends in its own time", () =>
      Effect.gen(function*() {
        const { kind } = yield* TestServer
        const { sent, session } = yield* openTraced({ cancel: false })
        const text = kind === "postgres"
          ? "select pg_sleep(1)"
          : "select count(*) from generate_series(1, 100000000) as g(n) where n % 7 = 3"
        const query = yield* forkImmediately(session.query(text))
        yield* Effect.sleep("100 millis")
        yield* Fiber.interrupt(query)
        assert.strictEqual((yield* session.values("select 1")).rows.length, 1)
        assert.lengthOf(messages(sent, "CancelRequest"), 0)
      }))
  },
  postgres(it) {
    it.effect("without named statements, none is parsed under a name, and `prepare` is refused", () =>
      Effect.gen(function*() {
        const { sent, session } = yield* openTraced({ namedStatements: false })
        for (let i = 0; i < 3; i++) {
          assert.deepStrictEqual((yield* session.values(sql`select ${i}::int, ${"a"}::text`)).rows, [[i, "a"]])
        }
        yield* session.batch([sql`select ${1}::int`, sql`select ${2}::int`])
        yield* session.describe(sql`select ${1}::int`)
        const rows = yield* Stream.runCollect(session.streamValues(sql`select generate_series(1, ${5}::int)`, {
          fetchSize: 2
        }))
        assert.lengthOf(rows, 5)
        const parsed = messages(sent, "Parse")
        assert.isAtLeast(parsed.length, 7)
        assert.isTrue(parsed.every((text) => text.split("\t")[3]!.trim().startsWith(`""`)), parsed.join("\n"))

        const before = sent.length
        const refused = yield* Effect.flip(Effect.scoped(session.prepare("select 1")))
        assert.strictEqual(refused.message, "a prepared statement: not supported with the dialect of the configuration")
        assert.strictEqual(refused.sent, "nothing")
        assert.strictEqual(sent.length, before)
      }))

    it.effect("without savepoints, a transaction in a transaction is refused, and the outer one survives", () =>
      Effect.gen(function*() {
        const { sent, session } = yield* openTraced({ savepoints: false })
        const table = fromTextUnsafe(uniqueName("unnested"))
        yield* session.query(sql`create table ${table} (a int)`)
        const refused = yield* session.transaction(Effect.gen(function*() {
          yield* session.query(sql`insert into ${table} values (${1})`)
          const refused = yield* Effect.flip(session.transaction(Effect.void))
          yield* session.query(sql`insert into ${table} values (${2})`)
          return refused
        }))
        assert.strictEqual(refused._tag, "UnsupportedError")
        assert.deepStrictEqual((yield* session.values(sql`select a from ${table} order by a`)).rows, [[1], [2]])
        assert.isFalse(sent.some((text) => /savepoint/i.test(text)))
      }))

    it.effect("without savepoints, an unknown type in a transaction is read as text, and looked up outside", () =>
      Effect.gen(function*() {
        const { sent, session } = yield* openTraced({ savepoints: false })
        const mood = fromTextUnsafe(uniqueName("mood"))
        yield* session.simple(`create type ${mood.text} as enum ('sad', 'ok')`)
        const read = session.values(sql`select array['sad', 'ok']::${mood}[]`)
        const inside = yield* session.transaction(Effect.andThen(read, read))
        assert.deepStrictEqual(inside.rows, [["{sad,ok}"]])
        assert.isFalse(sent.some((text) => /savepoint/i.test(text)))
        assert.notDeepEqual((yield* read).rows, [["{sad,ok}"]])
      }))

    it.effect("without catalogue look-ups, no catalogue is queried, and unknown types are read as text", () =>
      Effect.gen(function*() {
        const { sent, session } = yield* openTraced({ catalogueLookups: false })
        const mood = fromTextUnsafe(uniqueName("mood"))
        yield* session.simple(`create type ${mood.text} as enum ('sad', 'ok')`)
        for (let i = 0; i < 3; i++) {
          const { rows } = yield* session.values(sql`select 'sad'::${mood}, array['ok']::${mood}[], ${"ok"}::${mood}`)
          assert.deepStrictEqual(rows, [["sad", "{ok}", "ok"]])
        }
        const { rows } = yield* session.transaction(session.values(sql`select array['sad']::${mood}[] as again`))
        assert.deepStrictEqual(rows, [["{sad}"]])

        const table = uniqueName("moods")
        yield* session.simple(`create table ${table} (a int, b text)`)
        yield* Effect.provideService(Copy.into([{ a: 1, b: "x" }], table), Client, session)
        assert.deepStrictEqual((yield* session.values(`select * from ${table}`)).rows, [[1, "x"]])
        assert.isFalse(sent.some((text) => text.includes("pg_catalog") || text.includes("pg_attribute")))
      }))

    it.effect("without row limits, a stream with a fetch size gets all rows at once", () =>
      Effect.gen(function*() {
        for (const rowLimits of [true, false]) {
          const { sent, session } = yield* openTraced({ rowLimits })
          const rows = yield* Stream.runCollect(
            session.streamValues("select generate_series(1, 1000)", { fetchSize: 100 })
          )
          assert.lengthOf(rows, 1000)
          const limits = messages(sent, "Execute").map((text) => text.includes(" 100"))
          assert.deepStrictEqual([...new Set(limits)], [rowLimits])
        }
      }))

    it.effect("without batches, a batch is a transaction", () =>
      Effect.gen(function*() {
        const { sent, session } = yield* openTraced({ batches: false })
        const table = fromTextUnsafe(uniqueName("batched"))
        yield* session.query(sql`create table ${table} (a int)`)
        const error = yield* Effect.flip(
          session.batch([sql`insert into ${table} values (${1})`, sql`select 1 / ${0}::int`])
        )
        assert.strictEqual(error._tag, "ServerError")
        assert.deepStrictEqual((yield* session.values(sql`select a from ${table}`)).rows, [])
        assert.isTrue(messages(sent, "Query").some((text) => text.includes("BEGIN")))
      }))

    it.effect("function calls, isolation levels and access modes that are overridden are refused", () =>
      Effect.gen(function*() {
        const { sent, session } = yield* openTraced({
          functionCalls: false,
          isolations: ["read committed"],
          accessModes: ["read write"]
        })
        const refusals = yield* Effect.all([
          Effect.flip(session.transaction(Effect.void, { isolation: "serializable" })),
          Effect.flip(session.transaction(Effect.void, { access: "read only" })),
          Effect.flip(session.transaction(Effect.void, { deferrable: true })),
          Effect.flip(session.call(1598, [], BuiltIn.float8))
        ])
        assert.deepStrictEqual(
          refusals.map(({ message }) => message.split(":")[0]),
          ["a serializable transaction", "a read-only transaction", "a deferrable transaction", "a function call"]
        )
        assert.lengthOf(sent, 0)
        yield* session.transaction(Effect.void, { isolation: "read committed", access: "read write" })
      }))

    it.effect("without inferred types, those of the values are declared, and no statement is kept", () =>
      Effect.gen(function*() {
        const { sent, session } = yield* openTraced({ inferredTypes: false })
        for (let i = 0; i < 2; i++) {
          assert.deepStrictEqual((yield* session.values(sql`select ${1}, ${"a"}, ${true}`)).rows, [[1, "a", true]])
        }
        // A number is declared as well, which is otherwise left to the server. A text is read from its place.
        const parse = `F\t37\tParse\t "" "select $1, $2, $3" 3 23 0 16`
        assert.deepStrictEqual(messages(sent, "Parse"), [parse, parse])
        const prepared = yield* session.prepare("select $1 + 1 as n", [BuiltIn.int4])
        assert.deepStrictEqual((yield* prepared.query(41)).rows, [{ n: 42 }])
      }))

    it.effect("rows are copied in the format of the dialect", () =>
      Effect.gen(function*() {
        const { sent, session } = yield* openTraced({ copyFormat: "text", copyEncoding: false })
        const table = uniqueName("copied")
        yield* session.simple(`create table ${table} (a int, b text)`)
        const rows = [{ a: 1, b: "x\ty" }]
        yield* Effect.provideService(Copy.into(rows, table), Client, session)
        assert.deepStrictEqual(
          yield* Stream.runCollect(Stream.provideService(Copy.from(table), Client, session)),
          rows
        )
        const copies = messages(sent, "Query").filter((text) => text.includes("COPY"))
        assert.lengthOf(copies, 2)
        assert.isTrue(copies.every((text) => !/binary|encoding/i.test(text)), copies.join("\n"))
      }))

    it.effect("a pool resets sessions by the dialect's statements, and closes them if there are none", () =>
      Effect.gen(function*() {
        const { config } = yield* TestServer
        for (const reset of ["DISCARD ALL", undefined]) {
          const pool = yield* Pool.make({ ...config, dialect: { reset } }, { max: 1 })
          for (let i = 0; i < 3; i++) {
            assert.deepStrictEqual((yield* pool.values(sql`show application_name`)).rows, [["hyperfect"]])
            assert.deepStrictEqual((yield* pool.values(sql`select ${i}::int`)).rows, [[i]])
            yield* Effect.scoped(Effect.flatMap(pool.session, (own) => own.simple("set application_name = 'changed'")))
          }
          assert.deepStrictEqual((yield* pool.values(sql`show application_name`)).rows, [["hyperfect"]])
          assert.strictEqual(pool.stats().closed, reset === undefined ? 3 : 0)
        }
      }))

    it.effect("without notifications, NOTIFY and LISTEN are refused", () =>
      Effect.gen(function*() {
        const { config } = yield* TestServer
        const pool = yield* Pool.make({ ...config, dialect: { notifications: false } }, { max: 1 })
        const notifying = Effect.provideService(Notifications.notify("a"), Client, pool)
        assert.strictEqual((yield* Effect.flip(notifying))._tag, "UnsupportedError")
        assert.strictEqual((yield* Effect.flip(Stream.runDrain(pool.listen("a"))))._tag, "UnsupportedError")
      }))

    it.effect("an unknown capability, and one of another type, are errors of the configuration", () =>
      Effect.gen(function*() {
        for (const dialect of [{ savepoint: false }, { savepoints: "no" }, { name: "hyper" }, { isOverridden: true }]) {
          const error = yield* Effect.flip(Effect.scoped(openSession({ dialect: dialect as never })))
          assert.strictEqual(error._tag, "ConnectionConfigError")
          assert.include(error.message, `dialect.${Object.keys(dialect)[0]}`)
        }
      }))
  }
})
