import { assert, layer } from "@effect/vitest"
import * as Pool from "@hyperfect/client/Pool"
import type * as Backend from "@hyperfect/protocol/Backend"
import * as Endpoint from "@hyperfect/transport/Endpoint"
import { Effect, Fiber } from "effect"
import { acceptSession, complete, connect, error, manualServer, ready, type Server } from "./manualServer.ts"

const rowDescription = (...types: ReadonlyArray<readonly [name: string, typeOid: number]>): Backend.Message => ({
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

const dataRow = (...values: ReadonlyArray<string | null>): Backend.Message => ({
  _tag: "DataRow",
  columns: values.map((value) => (value === null ? null : new TextEncoder().encode(value)))
})

/** Answers the preparation of a statement, with a single column of this type. */
const answerPrepare = (server: Server, typeOid: number, status: "I" | "T" = "I") =>
  Effect.andThen(
    server.expect("Parse", "Describe", "Sync"),
    server.send(
      { _tag: "ParseComplete" },
      { _tag: "ParameterDescription", parameterTypes: [] },
      rowDescription(["v", typeOid]),
      ready(status)
    )
  )

/** Answers the execution of a statement, and returns the result formats that it requested. */
const answerExecute = (server: Server, text: string, status: "I" | "T" = "I") =>
  Effect.gen(function*() {
    const bind = yield* server.expect("Bind")
    yield* server.expect("Execute", "Sync")
    yield* server.send({ _tag: "BindComplete" }, dataRow(text), complete("SELECT 1"), ready(status))
    return bind._tag === "Bind" ? bind.resultFormats : []
  })

const catalogueColumns: ReadonlyArray<readonly [string, number]> = [
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

const enumRowOf = (oid: number, ...labels: ReadonlyArray<string>) =>
  dataRow(`${oid}`, "mood", "mood", "e", "0", "0", ",", "0", "-1", "0", "t", `{${labels.join()}}`, "{}", "{}", "{}")
const enumRow = enumRowOf(90000, "sad")
const compositeRow = dataRow("90000", "c", "c", "c", "0", "0", ",", "0", "-1", "0", "t", "{}", "{m}", "{99999}", "{-1}")
const catalogueResponse = [rowDescription(...catalogueColumns), enumRow, complete("SELECT 1"), ready()] as const

layer(manualServer(), { excludeTestServices: true, timeout: "20 seconds" })("type lookup", (it) => {
  it.effect("is done once if the catalogue refuses it, and the values stay text", () =>
    Effect.gen(function*() {
      const { server, session } = yield* connect
      for (const text of ["select 1", "select 2"]) {
        const asking = yield* Effect.forkChild(session.values(text))
        yield* answerPrepare(server, 90000)
        if (text === "select 1") {
          yield* server.expect("Query")
          yield* server.send(error("42501"), ready())
        }
        assert.deepStrictEqual(yield* answerExecute(server, "sad"), [0])
        assert.deepStrictEqual((yield* Fiber.join(asking)).rows, [["sad"]])
      }
    }))

  it.effect("is repeated by the next statement if the catalogue cannot answer now", () =>
    Effect.gen(function*() {
      const { server, session } = yield* connect
      for (const isBusy of [true, false]) {
        const asking = yield* Effect.forkChild(session.values(`select ${isBusy}`))
        yield* answerPrepare(server, 90000)
        yield* server.expect("Query")
        yield* isBusy ? server.send(error("57014"), ready()) : server.send(...catalogueResponse)
        assert.deepStrictEqual(yield* answerExecute(server, "sad"), [isBusy ? 0 : 1])
        assert.deepStrictEqual((yield* Fiber.join(asking)).rows, [["sad"]])
      }
    }))

  it.effect("is done after the transaction, not in it, on a server without savepoints", () =>
    Effect.gen(function*() {
      const { server, session } = yield* connect
      const ask = Effect.map(session.values("select v"), ({ rows }) => rows)
      const transaction = yield* Effect.forkChild(session.transaction(ask))
      yield* server.expect("Query")
      yield* server.send(complete("BEGIN"), ready("T"))
      yield* answerPrepare(server, 90000, "T")
      assert.deepStrictEqual(yield* answerExecute(server, "sad", "T"), [0])
      yield* server.expect("Query")
      yield* server.send(complete("COMMIT"), ready())
      assert.deepStrictEqual(yield* Fiber.join(transaction), [["sad"]])
      const asking = yield* Effect.forkChild(ask)
      yield* server.expect("Query")
      yield* server.send(...catalogueResponse)
      assert.deepStrictEqual(yield* answerExecute(server, "sad"), [1])
      assert.deepStrictEqual(yield* Fiber.join(asking), [["sad"]])
    }))

  it.effect("is taken over by a waiting fiber if the first one is interrupted", () =>
    Effect.gen(function*() {
      const config = { endpoint: Endpoint.tcp("db", 5432), user: "app", sslMode: "disable" } as const
      const opening = yield* Effect.forkChild(Pool.make(config, { min: 2, max: 2, warmUp: true }))
      const servers = [yield* acceptSession, yield* acceptSession] as const
      const pool = yield* Fiber.join(opening)
      const sessions = [yield* pool.session, yield* pool.session] as const
      // Any of the sessions may be on any of the connections.
      const probing = yield* Effect.forkChild(sessions[0].simple("probe"))
      const isFirst = yield* Effect.raceFirst(
        Effect.as(servers[0].expect("Query"), true),
        Effect.as(servers[1].expect("Query"), false)
      )
      const [one, two] = [
        { session: sessions[0], server: servers[isFirst ? 0 : 1] },
        { session: sessions[1], server: servers[isFirst ? 1 : 0] }
      ]
      yield* one.server.send(complete("PROBE"), ready())
      yield* Fiber.join(probing)
      const first = yield* Effect.forkChild(one.session.values("select 1"))
      yield* answerPrepare(one.server, 90000)
      yield* one.server.expect("Query")
      const second = yield* Effect.forkChild(two.session.values("select 1"))
      yield* answerPrepare(two.server, 90000)
      // It waits for the other session without a query of its own. Then the other one is cancelled.
      const interrupting = yield* Effect.forkChild(Fiber.interrupt(first))
      yield* Effect.yieldNow
      yield* one.server.send(error("57014"), ready())
      yield* Fiber.join(interrupting)
      yield* two.server.expect("Query")
      yield* two.server.send(...catalogueResponse)
      assert.deepStrictEqual(yield* answerExecute(two.server, "sad"), [1])
      assert.deepStrictEqual((yield* Fiber.join(second)).rows, [["sad"]])
      // The first session knows the type now, too.
      const third = yield* Effect.forkChild(one.session.values("select 1"))
      assert.deepStrictEqual(yield* answerExecute(one.server, "sad"), [1])
      assert.deepStrictEqual((yield* Fiber.join(third)).rows, [["sad"]])
    }))

  it.effect("is repeated for types that were evicted", () =>
    Effect.gen(function*() {
      const { server, session } = yield* connect
      const ask = (text: string, oid: number, row?: Backend.Message) =>
        Effect.gen(function*() {
          const asking = yield* Effect.forkChild(session.values(text))
          if (!prepared.has(text)) yield* answerPrepare(server, oid)
          prepared.add(text)
          if (row !== undefined) {
            yield* server.expect("Query")
            yield* server.send(rowDescription(...catalogueColumns), row, complete("SELECT 1"), ready())
          }
          assert.deepStrictEqual(yield* answerExecute(server, "sad"), [1])
          assert.deepStrictEqual((yield* Fiber.join(asking)).rows, [["sad"]])
        })
      const prepared = new Set<string>()
      const big = enumRowOf(90001, ...Array.from({ length: 65_536 }, (_, i) => `label ${i}`))
      yield* ask("select 1", 90000, enumRow)
      yield* ask("select 2", 90001, big)
      yield* ask("select 2", 90001)
      yield* ask("select 1", 90000, enumRow)
      yield* ask("select 1", 90000)
      yield* ask("select 2", 90001, big)
    }))

  it.effect("is repeated once all sessions of a pool have ended, because the server may be another one", () =>
    Effect.gen(function*() {
      const config = { endpoint: Endpoint.tcp("db", 5432), user: "app", sslMode: "disable" } as const
      const opening = yield* Effect.forkChild(Pool.make(config, { min: 1, max: 1 }))
      let server = yield* acceptSession
      const pool = yield* Fiber.join(opening)
      for (
        const [answered, value, text] of [
          [catalogueResponse, "(sad)", "(sad)"],
          [[rowDescription(...catalogueColumns), compositeRow, complete("SELECT 1"), ready()], { m: "sad" }, "(sad)"]
        ] as const
      ) {
        const asking = yield* Effect.forkChild(pool.values("select 1"))
        yield* answerPrepare(server, 90000)
        yield* server.expect("Query")
        yield* server.send(...answered)
        yield* answerExecute(server, text)
        assert.deepStrictEqual((yield* Fiber.join(asking)).rows, [[value]])
        yield* server.disconnect
        server = yield* acceptSession
      }
    }))

  it.effect("ignores definitions that make no sense", () =>
    Effect.gen(function*() {
      const composite = (oid: number, part: number) =>
        dataRow(`${oid}`, "c", "c", "c", "0", "0", ",", "0", "-1", "0", "t", "{}", "{a}", `{${part}}`, "{-1}")
      const domain = (oid: number, base: number) =>
        dataRow(`${oid}`, "d", "d", "d", "0", "0", ",", `${base}`, "-1", "0", "t", "{}", "{}", "{}", "{}")
      const nonsense: ReadonlyArray<
        readonly [rows: ReadonlyArray<Backend.Message>, value: unknown, text?: string]
      > = [
        // Types that contain themselves.
        [[composite(90000, 90000)], { a: "1" }],
        [[composite(90000, 90001), composite(90001, 90000)], { a: { a: "1" } }, `("(1)")`],
        // Nested deeper than any real type.
        [Array.from({ length: 1_000 }, (_, i) => domain(90000 + i, 90001 + i)), "(1)"],
        // Rows that are invalid, of other types, or incomplete.
        [[dataRow("90000", null, "c", "c", "0", "0", ",", "0", "-1", "0", "t", "{}", "{}", "{}", "{}")], "(1)"],
        [[dataRow("90000", "c", "c", "?", "0", "0", "", "0", "-1", "0", "t", "{}", "{}", "{}", "{}")], "(1)"],
        [[dataRow("90000", "c", "c", "c", "0", "0", ",", "0", "-1", "0", "t", "{}", "{a}", "{}", "{NULL}")], "(1)"],
        [[dataRow("90000", "c", "c", "c", "0", "0", ",", "0", "-1", "0", "t", "{}", "{a}", "{}", "{}")], { a: "1" }],
        [[], "(1)"]
      ]
      for (const [rows, value, text = "(1)"] of nonsense) {
        const { server, session } = yield* connect
        const asking = yield* Effect.forkChild(session.values("select 1"))
        yield* answerPrepare(server, 90000)
        yield* server.expect("Query")
        yield* server.send(rowDescription(...catalogueColumns), ...rows, complete(`SELECT ${rows.length}`), ready())
        assert.deepStrictEqual(yield* answerExecute(server, text), [0])
        assert.deepStrictEqual((yield* Fiber.join(asking)).rows, [[value]])
      }
    }))
})
