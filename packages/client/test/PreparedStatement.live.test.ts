/** Explicitly prepared statements, descriptions of statements, and function calls. */
import { assert } from "@effect/vitest"
import type * as Session from "@hyperfect/client/Session"
import * as Statement from "@hyperfect/client/Statement"
import * as BuiltIn from "@hyperfect/values/BuiltIn"
import * as Columns from "@hyperfect/values/Columns"
import * as Parameter from "@hyperfect/values/Parameter"
import { Effect, Fiber, Stream } from "effect"
import { forkImmediately } from "./fibers.ts"
import { describeServers, openSession, uniqueName } from "./liveServers.ts"

const { sql } = Statement

const preparedCount = (session: Session.Session) =>
  Effect.map(session.simple("select name from pg_prepared_statements"), ([result]) => result!.rows.length)

describeServers({
  both(it) {
    it.effect("runs a prepared statement with different values, until its scope closes", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        yield* Effect.scoped(Effect.gen(function*() {
          const types = [BuiltIn.int4, BuiltIn.text]
          const prepared = yield* session.prepare("select $1 + 1 as a, $2 || '!' as b", types)
          assert.deepStrictEqual(prepared.parameterTypes, [BuiltIn.int4.oid, BuiltIn.text.oid])
          assert.deepStrictEqual(prepared.fields.map(({ name }) => name), ["a", "b"])
          assert.deepStrictEqual((yield* prepared.query(1, "x")).rows, [{ a: 2, b: "x!" }])
          assert.deepStrictEqual((yield* prepared.values(41, null)).rows, [[42, null]])
          assert.deepStrictEqual(yield* Stream.runCollect(prepared.streamValues(2, "y")), [[3, "y!"]])
          assert.deepStrictEqual(yield* Stream.runCollect(prepared.stream(3, "z")), [{ a: 4, b: "z!" }])
          const { columns } = yield* prepared.columns(4, "c")
          assert.deepStrictEqual(columns.map((column) => Columns.toArray(column)), [[5], ["c!"]])
          assert.strictEqual((yield* prepared.execute(2, "y")).rowCount, 1)
          assert.strictEqual((yield* Effect.flip(prepared.query(1)))._tag, "ValueError")
          assert.oneOf((yield* Effect.flip(prepared.query("one", "x")))._tag, ["ValueError", "ServerError"])
          const inside = session.transaction(Effect.map(prepared.values(5, ""), ({ rows }) => rows))
          assert.deepStrictEqual(yield* inside, [[6, "!"]])
        }))
        assert.deepStrictEqual((yield* session.query("select 1 as a")).rows, [{ a: 1 }])
      }))

    it.effect("survives a statement that the server refuses to prepare", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        const error = yield* Effect.flip(Effect.scoped(session.prepare("select no_such_column")))
        assert.isTrue(error._tag === "ServerError" && error.reason._tag === "UndefinedColumn")
        assert.deepStrictEqual((yield* session.query("select 1 as a")).rows, [{ a: 1 }])
      }))

    it.effect("describes the parameters and columns of a statement without running it", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        const { fields, parameterTypes } = yield* session.describe(sql`select ${true} as a, 1 / 0 as b, 'x'::text as c`)
        assert.deepStrictEqual(parameterTypes, [BuiltIn.bool.oid])
        assert.deepStrictEqual(fields.map(({ name, typeOid }) => [name, typeOid]), [
          ["a", BuiltIn.bool.oid],
          ["b", BuiltIn.int4.oid],
          ["c", BuiltIn.text.oid]
        ])
        assert.deepStrictEqual(yield* session.describe(""), { parameterTypes: [], fields: [] })
        const error = yield* Effect.flip(session.describe("select no_such_column"))
        assert.isTrue(error._tag === "ServerError" && error.reason._tag === "UndefinedColumn")
      }))
  },

  postgres(it) {
    it.effect("leaves no statement behind, even if preparing is interrupted", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        for (let i = 0; i < 10; i++) {
          yield* Effect.scoped(Effect.flatMap(session.prepare("select $1::int"), ({ query }) => query(i)))
          yield* Effect.timeoutOption(Effect.scoped(session.prepare(`select ${i}`)), 0)
          yield* Effect.flip(Effect.scoped(session.prepare("select +")))
        }
        assert.strictEqual(yield* preparedCount(session), 0)
      }))

    it.effect("runs for a fiber that comes while the one that prepares it again is interrupted", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        const other = yield* openSession()
        const name = uniqueName("locked")
        yield* session.simple(`create table ${name} as select 1 as a`)
        const prepared = yield* session.prepare(`select a from ${name}`)
        yield* session.simple(`create table ${uniqueName("unrelated")} ()`)
        yield* other.simple(`begin; lock table ${name}`)
        const first = yield* forkImmediately(prepared.query())
        yield* Effect.sleep(50)
        const interrupting = yield* forkImmediately(Fiber.interrupt(first))
        const second = yield* forkImmediately(prepared.query())
        yield* Fiber.join(interrupting)
        yield* other.simple("rollback")
        assert.deepStrictEqual((yield* Fiber.join(second)).rows, [{ a: 1 }])
      }))

    it.effect("infers the types of parameters, of a prepared statement and of a described one", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        const text = "select $1::int[] as a where $2::date > now()"
        const types = [BuiltIn.int4.arrayOid, BuiltIn.date.oid]
        assert.deepStrictEqual((yield* session.describe(text)).parameterTypes, types)
        assert.deepStrictEqual((yield* Effect.scoped(session.prepare(text))).parameterTypes, types)
      }))

    it.effect("calls a function by its OID", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        const oidOf = (name: string) =>
          Effect.map(session.one(sql`select ${name}::regprocedure::oid as oid`), ({ oid }) => oid as number)
        const sum = yield* oidOf("int4pl(integer, integer)")
        const args = (a: number | null) => [Parameter.make(a, BuiltIn.int4), Parameter.make(2, BuiltIn.int4)]
        assert.strictEqual(yield* session.call(sum, args(40), BuiltIn.int4), 42)
        assert.strictEqual(yield* session.call(sum, args(null), BuiltIn.int4), null)
        const md5 = yield* oidOf("md5(text)")
        const hash = yield* session.call(md5, [Parameter.make("", BuiltIn.text)], BuiltIn.text)
        assert.strictEqual(hash, "d41d8cd98f00b204e9800998ecf8427e")
        const error = yield* Effect.flip(session.call(sum, args(2 ** 31 - 1), BuiltIn.int4))
        assert.isTrue(error._tag === "ServerError" && error.reason._tag === "NumericValueOutOfRange")
        assert.strictEqual((yield* Effect.flip(session.call(1, [], BuiltIn.int4)))._tag, "ServerError")
        assert.deepStrictEqual((yield* session.query("select 1 as a")).rows, [{ a: 1 }])
      }))
  },

  hyper(it) {
    it.effect("refuses a function call, after which the server would disconnect", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        const error = yield* Effect.flip(session.call(1, [], BuiltIn.int4))
        assert.isTrue(error._tag === "UnsupportedError" && error.sent === "nothing")
        assert.deepStrictEqual((yield* session.query("select 1 as a")).rows, [{ a: 1 }])
      }))
  }
})
