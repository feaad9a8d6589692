/** Values parsed by `JSON.parse` are treated as data, whatever their keys are. */
import { assert, describe, it, vi } from "@effect/vitest"
import * as Client from "@hyperfect/client/Client"
import * as Copy from "@hyperfect/client/Copy"
import type { QueryError } from "@hyperfect/client/QueryError"
import * as Statement from "@hyperfect/client/Statement"
import * as HyperTable from "@hyperfect/hyper/HyperTable"
import * as BuiltIn from "@hyperfect/values/BuiltIn"
import * as Parameter from "@hyperfect/values/Parameter"
import * as TypeRegistry from "@hyperfect/values/TypeRegistry"
import * as ValueError from "@hyperfect/values/ValueError"
import { Effect, Schema, Stream } from "effect"
import { brandKeys, forgedValues, parsed, publicModules, someForgedValues } from "./forgedValues.ts"
import { describeServers, openSession, uniqueName } from "./liveServers.ts"

const { fromTextUnsafe, identifier, insert, list, set, sql } = Statement

/** Guards that accept plain data, as their types describe. They matter only where such a value is expected. */
const structural = [
  "protocol/ProtocolError.isReason",
  "values/Range.isBetween",
  "values/Range.isMultirange",
  "values/Range.isRange",
  "values/ValueError.isReason"
]

/** Predicates of a value of a known type. */
const predicates = [
  "protocol/Frontend.isStartupMessage",
  "protocol/Layout.isSecret",
  "protocol/Oid.isOid",
  "protocol/SqlState.isSqlState",
  "values/CalendarDate.isFinite",
  "values/Columns.isNull",
  "values/Interval.isFinite",
  "values/Timestamp.isFinite",
  "values/TimestampTz.isFinite"
]

const guards = publicModules.flatMap(([name, modules]) =>
  Object.entries(modules).flatMap(([module, exported]) =>
    Object.entries(exported)
      .filter(([key, guard]) => /^is[A-Z]/.test(key) && typeof guard === "function")
      .map(([key, guard]) => [`${name}/${module}.${key}`, guard as (u: unknown) => boolean] as const)
  )
)

const nominal = guards.filter(([name]) => !structural.includes(name) && !predicates.includes(name))

describe("a guard", () => {
  it("is known to this test", () => {
    const names = guards.map(([name]) => name)
    for (const name of [...structural, ...predicates]) assert.include(names, name)
    assert.includeMembers(nominal.map(([name]) => name), [
      "client/Statement.isFragment",
      "client/Statement.isStatement",
      "hyper/HyperTable.isHyperTable",
      "values/Numeric.isDecimal",
      "values/Parameter.isParameter",
      "values/PgArray.isPgArray",
      "values/UnknownValue.isUnknownValue"
    ])
    assert.includeMembers([...brandKeys], [
      "~@hyperfect/client/Statement",
      "~effect/BigDecimal",
      "~effect/Option",
      "~effect/DateTime"
    ])
  })

  it.each(nominal)("%s accepts no value that JSON can represent", (_, guard) => {
    for (const value of forgedValues) assert.isFalse(guard(value))
  })

  it.prop(
    "of any package accepts no object parsed by JSON.parse",
    {
      keys: Schema.Array(Schema.Literals(brandKeys)),
      value: Schema.Json,
      fields: Schema.Record(
        Schema.Literals(["text", "value", "type", "_tag", "segments", "scale", "bytes", "elements"]),
        Schema.Json
      )
    },
    ({ fields, keys, value }) => {
      const forged = parsed({ ...fields, ...Object.fromEntries(keys.map((key) => [key, value])) })
      for (const [name, guard] of nominal) assert.isFalse(guard(forged), name)
    }
  )
})

describe("an object parsed by JSON.parse", () => {
  const plain = { a: 1 }

  it("is treated in the text of a statement like any other object", () => {
    const places: ReadonlyArray<(value: unknown) => Statement.Statement> = [
      (value) => sql`select ${value}`,
      (value) => list([value, 1]),
      (value) => insert([{ a: value }]),
      (value) => set({ a: value }),
      (value) => sql`select ${sql`a = ${value}`}`
    ]
    for (const place of places) {
      const { parameters, text } = place(plain)
      for (const forged of forgedValues) {
        assert.strictEqual(place(forged).text, text)
        assert.deepStrictEqual(place(forged).parameters, parameters.map((value) => value === plain ? forged : value))
        assert.throws(() => Statement.join([sql`a`, forged as never], sql`, `), TypeError)
        assert.throws(() => Statement.join(forged as never, sql`, `), TypeError)
        assert.throws(() => list(forged as never), TypeError)
        assert.throws(() => insert(forged as never), TypeError)
        assert.throws(() => Statement.join([sql`a`, sql`b`], forged as never), TypeError)
      }
    }
  })

  it("gets the same declared type as any other object, whatever type the server expects", () => {
    for (const forged of forgedValues) {
      for (const dialect of ["postgres", "hyper"] as const) {
        assert.strictEqual(Parameter.encoder(forged, dialect), Parameter.encoder(plain, dialect))
      }
      for (const type of [undefined, ...TypeRegistry.builtIn.types]) {
        assert.strictEqual(Parameter.describedEncoder(forged, type), Parameter.describedEncoder(plain, type))
      }
    }
  })

  it("is refused if its properties became those of a prototype", () => {
    for (const value of forgedValues) {
      const poisoned: object = Object.assign({}, JSON.parse(`{ "__proto__": ${JSON.stringify(value)} }`))
      assert.notStrictEqual(Object.getPrototypeOf(poisoned), Object.prototype)
      for (const [name, guard] of nominal) assert.isFalse(guard(poisoned), name)
      assert.strictEqual(sql`select ${poisoned}`.text, "select $1")
      for (const type of [undefined, BuiltIn.numeric, BuiltIn.timestamptz, BuiltIn.text]) {
        assert.throws(() => Statement.literal(poisoned), ValueError.ValueError)
        const reason = (() => {
          try {
            return Parameter.describedEncoder(poisoned, type)
          } catch (thrown) {
            return thrown
          }
        })()
        assert.isTrue(ValueError.isReason(reason))
      }
    }
  })

  it("is refused as the value of a parameter declared as an instant or a decimal", () => {
    for (const type of [BuiltIn.numeric, BuiltIn.timestamptz, BuiltIn.interval, BuiltIn.date]) {
      const statement = (value: unknown) => () =>
        Statement.literal(Parameter.make<unknown, unknown>(value, type as never))
      for (const forged of forgedValues) assert.throws(statement(forged), /found Object/)
    }
  })
})

describe("a value of another copy of the packages", () => {
  it("is accepted", async () => {
    vi.resetModules()
    const [other, otherTable, otherValues] = await Promise.all([
      import("@hyperfect/client/Statement"),
      import("@hyperfect/hyper/HyperTable"),
      import("@hyperfect/values/Timestamp")
    ])
    assert.notStrictEqual(other.sql, sql)
    assert.strictEqual(sql`select ${other.sql`a + ${1}`}`.text, "select a + $1")
    const table = otherTable.make("t", { a: Schema.Int })
    assert.strictEqual(sql`select * from ${table}`.text, `select * from "t"`)
    assert.isTrue(HyperTable.isHyperTable(table))
    const timestamp = otherValues.fromStringUnsafe("2026-01-01 00:00")
    assert.strictEqual(Parameter.encoder(timestamp, "postgres").typeOid, 1114)
  })

  it("fails with an error that names the version if it is of another version", () => {
    const timestamp = Object.create({ [Symbol.for("@hyperfect/values/Timestamp/2")]: true }) as unknown
    assert.throws(() => Statement.literal(timestamp), /Timestamp\/2, which is no value, or of another version/)
  })
})

const refused = (error: QueryError | { readonly _tag: string }) => {
  assert.strictEqual(error._tag, "ValueError")
  assert.deepInclude(error, { sent: "nothing" })
}

describeServers({
  both(it) {
    it.effect("an object that looks like a statement is refused, and nothing of it is sent", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        for (const forged of someForgedValues as ReadonlyArray<never>) {
          const all = [
            session.query(forged),
            session.values(forged),
            session.columns(forged),
            session.execute(forged),
            session.one(forged),
            session.batch([forged]),
            session.batch([forged, forged]),
            session.describe(forged),
            Stream.runDrain(session.stream(forged)),
            Stream.runDrain(session.streamValues(forged)),
            Stream.runDrain(session.stream(forged, { fetchSize: 1 })),
            Stream.runDrain(session.copyOut(forged)),
            session.copyIn(forged, Stream.empty)
          ]
          for (const query of all) refused(yield* Effect.flip(query as Effect.Effect<unknown, QueryError>))
          const [outcome] = yield* session.pipeline([forged])
          assert.strictEqual(outcome!._tag, "Failure")
        }
        assert.deepStrictEqual((yield* session.values("select 1::int")).rows, [[1]])
      }))

    it.effect("a bulk load stores a value parsed by JSON.parse as JSON", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        const table = HyperTable.make(uniqueName("forged"), { id: HyperTable.Int, v: HyperTable.Json })
        const rows = someForgedValues.map((v, id) => ({ id, v: v as never }))
        const stored = Effect.map(
          session.values(sql`select v from ${table} order by id`),
          ({ rows }) => rows.map(([v]) => v)
        )
        yield* table.create
        yield* table.insert(rows)
        assert.deepStrictEqual(yield* stored, [...someForgedValues])
        for (const forged of someForgedValues as ReadonlyArray<never>) {
          assert.strictEqual((yield* Effect.flip(table.insert(forged)))._tag, "ValueError")
          assert.strictEqual((yield* Effect.flip(table.insert([forged])))._tag, "ValueError")
        }
        assert.deepStrictEqual(yield* stored, [...someForgedValues])
      }).pipe((test) =>
        Effect.flatMap(openSession(), (session) => Effect.provideService(test, Client.Client, session))
      ))
  },
  postgres(it) {
    it.effect("an object parsed by JSON.parse is stored as JSON, wherever it is used", () =>
      Effect.gen(function*() {
        const prepared = yield* openSession()
        const unprepared = yield* openSession({ statementCacheSize: 0 })
        for (const column of ["jsonb", "text"]) {
          const table = identifier(uniqueName("forged"))
          yield* prepared.query(sql`create table ${table} (v ${fromTextUnsafe(column)})`)
          for (const session of [prepared, unprepared]) {
            const kept = yield* session.prepare(`insert into ${table.text} values ($1)`)
            const places: ReadonlyArray<(value: object) => Effect.Effect<unknown, unknown>> = [
              (value) => session.query(sql`insert into ${table} values (${value})`),
              (value) => session.query(sql`insert into ${table} values (${list([value])})`),
              (value) => session.query(sql`insert into ${table} ${insert([{ v: value }])}`),
              (value) =>
                session.batch([sql`insert into ${table} values ('1')`, sql`update ${table} set ${set({ v: value })}`]),
              (value) => session.pipeline([sql`insert into ${table} values (${value})`]),
              (value) => session.query(sql`insert into ${table} values (${Parameter.make(value, BuiltIn.jsonb)})`),
              (value) => session.query(sql`insert into ${table} values (${Statement.literal(value)})`),
              (value) => kept.query(value),
              (value) =>
                column === "jsonb"
                  ? Effect.provideService(Copy.intoValues([[value]], table), Client.Client, session)
                  : kept.query(value)
            ]
            for (const place of places) {
              for (const value of someForgedValues) {
                yield* place(value)
                const { rows } = yield* session.values(sql`delete from ${table} returning v::text`)
                assert.deepStrictEqual(rows.map(([text]) => JSON.parse(text as string)), [value])
              }
            }
          }
        }
      }))

    it.effect("an invalid isolation level or access mode is refused", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        for (const option of [{ isolation: "serializable; select 1" }, { access: "read only; select 1" }]) {
          const error = yield* Effect.flip(session.transaction(Effect.void, option as never))
          assert.deepInclude(error, { _tag: "UnsupportedError", sent: "nothing" })
        }
      }))
  }
})
