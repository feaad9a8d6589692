import { assert, layer } from "@effect/vitest"
import * as Pool from "@hyperfect/client/Pool"
import type * as Backend from "@hyperfect/protocol/Backend"
import * as Endpoint from "@hyperfect/transport/Endpoint"
import { Effect, Fiber } from "effect"
import { complete, error, greet, meet, puppet, ready, type Server } from "./puppet.ts"

const fields = (...types: ReadonlyArray<readonly [name: string, typeOid: number]>): Backend.Message => ({
  _tag: "RowDescription",
  fields: types.map(([name, typeOid]) => ({
    name,
    tableOid: 0,
    columnNumber: 0,
    typeOid,
    typeSize: -1,
    typeModifier: -1,
    format: 0
  }))
})

const row = (...values: ReadonlyArray<string | null>): Backend.Message => ({
  _tag: "DataRow",
  columns: values.map((value) => (value === null ? null : new TextEncoder().encode(value)))
})

/** Hears a statement being prepared, and says of what type its only column is. */
const prepares = (server: Server, typeOid: number) =>
  Effect.andThen(
    server.hear("Parse", "Describe", "Sync"),
    server.say(
      { _tag: "ParseComplete" },
      { _tag: "ParameterDescription", parameterTypes: [] },
      fields(["v", typeOid]),
      ready()
    )
  )

/** Hears a statement being run; returns the formats that it asks its results in. */
const runs = (server: Server, text: string) =>
  Effect.gen(function*() {
    const bind = yield* server.hear("Bind")
    yield* server.hear("Execute", "Sync")
    yield* server.say({ _tag: "BindComplete" }, row(text), complete("SELECT 1"), ready())
    return bind._tag === "Bind" ? bind.resultFormats : []
  })

const catalogue: ReadonlyArray<readonly [string, number]> = [
  ["oid", 26],
  ["name", 25],
  ["title", 25],
  ["kind", 25],
  ["arrayOid", 26],
  ["elementOid", 26],
  ["delimiter", 25],
  ["baseOid", 26],
  ["typeModifier", 23],
  ["boundOid", 26],
  ["hasBinary", 16],
  ["labels", 1009],
  ["fieldNames", 1009],
  ["fieldOids", 1028],
  ["fieldTypeModifiers", 1007]
]

const enumRow = row("90000", "mood", "mood", "e", "90001", "0", ",", "0", "-1", "0", "t", "{sad}", "{}", "{}", "{}")
const compositeRow = row("90000", "c", "c", "c", "0", "0", ",", "0", "-1", "0", "t", "{}", "{m}", "{99999}", "{-1}")
const answer = [fields(...catalogue), enumRow, complete("SELECT 1"), ready()] as const

layer(puppet(), { excludeTestServices: true, timeout: "20 seconds" })("a catalogue that", (it) => {
  it.effect("refuses is asked once, and the values stay texts", () =>
    Effect.gen(function*() {
      const { server, session } = yield* meet
      for (const text of ["select 1", "select 2"]) {
        const asking = yield* Effect.forkChild(session.values(text))
        yield* prepares(server, 90000)
        if (text === "select 1") {
          yield* server.hear("Query")
          yield* server.say(error("42501"), ready())
        }
        assert.deepStrictEqual(yield* runs(server, "sad"), [0])
        assert.deepStrictEqual((yield* Fiber.join(asking)).rows, [["sad"]])
      }
    }))

  it.effect("cannot answer now is asked again by the next statement", () =>
    Effect.gen(function*() {
      const { server, session } = yield* meet
      for (const isBusy of [true, false]) {
        const asking = yield* Effect.forkChild(session.values(`select ${isBusy}`))
        yield* prepares(server, 90000)
        yield* server.hear("Query")
        yield* isBusy ? server.say(error("57014"), ready()) : server.say(...answer)
        assert.deepStrictEqual(yield* runs(server, "sad"), [isBusy ? 0 : 1])
        assert.deepStrictEqual((yield* Fiber.join(asking)).rows, [["sad"]])
      }
    }))

  it.effect("is asked by a fiber that is interrupted is asked by the one that waited for it", () =>
    Effect.gen(function*() {
      const config = { endpoint: Endpoint.tcp("db", 5432), user: "app", sslMode: "disable" } as const
      const opening = yield* Effect.forkChild(Pool.make(config, { min: 2, max: 2, warmUp: true }))
      const servers = [yield* greet, yield* greet] as const
      const pool = yield* Fiber.join(opening)
      const sessions = [yield* pool.session, yield* pool.session] as const
      // Which line of which session is at which end is the pool's affair.
      const probing = yield* Effect.forkChild(sessions[0].simple("probe"))
      const isFirst = yield* Effect.raceFirst(
        Effect.as(servers[0].hear("Query"), true),
        Effect.as(servers[1].hear("Query"), false)
      )
      const [one, two] = [
        { session: sessions[0], server: servers[isFirst ? 0 : 1] },
        { session: sessions[1], server: servers[isFirst ? 1 : 0] }
      ]
      yield* one.server.say(complete("PROBE"), ready())
      yield* Fiber.join(probing)
      const first = yield* Effect.forkChild(one.session.values("select 1"))
      yield* prepares(one.server, 90000)
      yield* one.server.hear("Query")
      const second = yield* Effect.forkChild(two.session.values("select 1"))
      yield* prepares(two.server, 90000)
      // It waits for the other session, and asks nothing. Then that one is cancelled.
      const interrupting = yield* Effect.forkChild(Fiber.interrupt(first))
      yield* Effect.yieldNow
      yield* one.server.say(error("57014"), ready())
      yield* Fiber.join(interrupting)
      yield* two.server.hear("Query")
      yield* two.server.say(...answer)
      assert.deepStrictEqual(yield* runs(two.server, "sad"), [1])
      assert.deepStrictEqual((yield* Fiber.join(second)).rows, [["sad"]])
      // The first session knows it now, too.
      const third = yield* Effect.forkChild(one.session.values("select 1"))
      assert.deepStrictEqual(yield* runs(one.server, "sad"), [1])
      assert.deepStrictEqual((yield* Fiber.join(third)).rows, [["sad"]])
    }))

  it.effect("may be another one after all sessions of a pool have ended is asked anew", () =>
    Effect.gen(function*() {
      const config = { endpoint: Endpoint.tcp("db", 5432), user: "app", sslMode: "disable" } as const
      const opening = yield* Effect.forkChild(Pool.make(config, { min: 1, max: 1 }))
      let server = yield* greet
      const pool = yield* Fiber.join(opening)
      for (
        const [answered, value, text] of [
          [answer, "(sad)", "(sad)"],
          [[fields(...catalogue), compositeRow, complete("SELECT 1"), ready()], { m: "sad" }, "(sad)"]
        ] as const
      ) {
        const asking = yield* Effect.forkChild(pool.values("select 1"))
        yield* prepares(server, 90000)
        yield* server.hear("Query")
        yield* server.say(...answered)
        yield* runs(server, text)
        assert.deepStrictEqual((yield* Fiber.join(asking)).rows, [[value]])
        yield* server.hangUp
        server = yield* greet
      }
    }))

  it.effect("talks nonsense is not believed", () =>
    Effect.gen(function*() {
      const composite = (oid: number, part: number) =>
        row(`${oid}`, "c", "c", "c", "0", "0", ",", "0", "-1", "0", "t", "{}", "{a}", `{${part}}`, "{-1}")
      const domain = (oid: number, base: number) =>
        row(`${oid}`, "d", "d", "d", "0", "0", ",", `${base}`, "-1", "0", "t", "{}", "{}", "{}", "{}")
      const nonsense: ReadonlyArray<
        readonly [rows: ReadonlyArray<Backend.Message>, value: unknown, text?: string]
      > = [
        // Types that contain themselves.
        [[composite(90000, 90000)], { a: "1" }],
        [[composite(90000, 90001), composite(90001, 90000)], { a: { a: "1" } }, `("(1)")`],
        // Deeper than anybody nests them.
        [Array.from({ length: 1_000 }, (_, i) => domain(90000 + i, 90001 + i)), "(1)"],
        // Rows that are none, of other types, or without what they should have.
        [[row("90000", null, "c", "c", "0", "0", ",", "0", "-1", "0", "t", "{}", "{}", "{}", "{}")], "(1)"],
        [[row("90000", "c", "c", "?", "0", "0", "", "0", "-1", "0", "t", "{}", "{}", "{}", "{}")], "(1)"],
        [[row("90000", "c", "c", "c", "0", "0", ",", "0", "-1", "0", "t", "{}", "{a}", "{}", "{NULL}")], "(1)"],
        [[row("90000", "c", "c", "c", "0", "0", ",", "0", "-1", "0", "t", "{}", "{a}", "{}", "{}")], { a: "1" }],
        [[], "(1)"]
      ]
      for (const [rows, value, text = "(1)"] of nonsense) {
        const { server, session } = yield* meet
        const asking = yield* Effect.forkChild(session.values("select 1"))
        yield* prepares(server, 90000)
        yield* server.hear("Query")
        yield* server.say(fields(...catalogue), ...rows, complete(`SELECT ${rows.length}`), ready())
        assert.deepStrictEqual(yield* runs(server, text), [0])
        assert.deepStrictEqual((yield* Fiber.join(asking)).rows, [[value]])
      }
    }))
})
