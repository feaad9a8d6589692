/** Servers that omit, repeat or reorder the messages of a result: no query accepts them as a result. */
import { assert, describe, it } from "@effect/vitest"
import type { Session } from "@hyperfect/client/Session"
import type * as Backend from "@hyperfect/protocol/Backend"
import { Effect, Fiber, Stream } from "effect"
import { forkImmediately } from "./fibers.ts"
import { complete, connect, connectWith, manualServer, ready, type Server } from "./manualServer.ts"

const row: Backend.Message = { _tag: "DataRow", columns: [new TextEncoder().encode("a")] }
const noData: Backend.Message = { _tag: "NoData" }
const empty: Backend.Message = { _tag: "EmptyQueryResponse" }
const bound: ReadonlyArray<Backend.Message> = [{ _tag: "ParseComplete" }, { _tag: "BindComplete" }]
const selected = complete("SELECT 1")

const describeColumn = (format: number): Backend.Message => ({
  _tag: "RowDescription",
  fields: [{ name: "x", tableOid: 0, columnNumber: 0, typeOid: 25, typeSize: -1, typeModifier: -1, format }]
})
const described = describeColumn(0)

type Messages = ReadonlyArray<Backend.Message>

/** Invalid responses in both the simple and the extended protocol. */
const both: ReadonlyArray<readonly [name: string, messages: Messages]> = [
  ["rows without a command tag", [described, row]],
  ["a second description in the middle of a result", [described, row, described, row, selected]],
  ["nothing but ReadyForQuery", []],
  ["rows followed by EmptyQueryResponse", [described, row, empty]],
  ["a description followed by EmptyQueryResponse", [described, empty]],
  ["columns in another format than requested", [describeColumn(1), row, selected]]
]

const simple: typeof both = [
  ...both,
  ["rows without a description", [row, selected]],
  ["rows after the end of a result", [described, row, selected, row, selected]],
  ["EmptyQueryResponse after a result", [described, row, selected, empty]],
  ["a result followed by one without a command tag", [described, row, selected, described, row]]
]

const extended: typeof both = [
  ...both,
  ["rows without a description", [row, selected]],
  ["rows of a statement without columns", [noData, row, selected]],
  ["a command tag without a description", [selected]],
  ["two command tags", [described, row, selected, selected]]
]

type Run = (session: Session) => Effect.Effect<unknown, { readonly _tag: string }>

/** Runs a query that gets this response, and checks that it fails and the session is closed. */
const expectRefusal = Effect.fnUntraced(function*(
  { server, session }: { readonly server: Server; readonly session: Session },
  run: Run,
  respond: Effect.Effect<unknown>,
  answer: Messages
) {
  const running = yield* forkImmediately(run(session))
  yield* respond
  yield* server.send(...answer, ready())
  assert.strictEqual((yield* Effect.flip(Fiber.join(running)))._tag, "ProtocolError")
  assert.strictEqual((yield* Effect.flip(session.query("select 1")))._tag, "ProtocolError")
})

describe("ProtocolError", () => {
  it.effect.each(simple)("closes the session on %s to a simple query", ([, messages]) =>
    Effect.gen(function*() {
      const ends = yield* connect
      yield* expectRefusal(ends, (session) => session.simple("select 1"), ends.server.expect("Query"), messages)
    }).pipe(Effect.provide(manualServer())))

  it.effect.each(extended)(
    "closes the session on %s to an uncached statement",
    ([, messages]) =>
      Effect.gen(function*() {
        const shapes: ReadonlyArray<Run> = [
          (session) => session.query("select 1"),
          (session) => session.values("select 1"),
          (session) => session.columns("select 1"),
          (session) => session.batch(["select 1"]),
          (session) => Stream.runDrain(session.stream("select 1"))
        ]
        for (const run of shapes) {
          const ends = yield* connectWith({ statementCacheSize: 0 })
          const group = ends.server.expect("Parse", "Bind", "Describe", "Execute", "Sync")
          yield* expectRefusal(ends, run, group, [...bound, ...messages])
        }
      }).pipe(Effect.provide(manualServer()))
  )

  it.effect.each<readonly [name: string, messages: Messages]>([
    ["rows without a command tag", [row]],
    ["a description in the middle of a result", [row, described, row, selected]],
    ["rows followed by EmptyQueryResponse", [row, empty]],
    ["EmptyQueryResponse", [empty]]
  ])("closes the session on %s to a cached statement", ([, messages]) =>
    Effect.gen(function*() {
      const ends = yield* connect
      const { server } = ends
      const prepared: Messages = [
        { _tag: "ParseComplete" },
        { _tag: "ParameterDescription", parameterTypes: [] },
        described,
        ready()
      ]
      const respond = Effect.gen(function*() {
        yield* server.expect("Parse", "Describe", "Sync")
        yield* server.send(...prepared)
        yield* server.expect("Bind", "Execute", "Sync")
      })
      const run: Run = (session) => session.query("select 1")
      yield* expectRefusal(ends, run, respond, [{ _tag: "BindComplete" }, ...messages])
    }).pipe(Effect.provide(manualServer())))
})

describe("session", () => {
  it.effect("accepts a statement without text, and results of all kinds in sequence", () =>
    Effect.gen(function*() {
      const { server, session } = yield* connect
      const running = yield* forkImmediately(Effect.all([session.simple(""), session.simple("several")], {
        concurrency: "unbounded"
      }))
      yield* server.expect("Query", "Query")
      yield* server.send(empty, ready(), complete("SET"), described, row, selected, described, selected, ready())
      const [none, several] = yield* Fiber.join(running)
      assert.deepStrictEqual(none.map(({ rows }) => rows.length), [0])
      assert.deepStrictEqual(several.map(({ rows }) => rows.length), [0, 1, 0])
    }).pipe(Effect.provide(manualServer())))
})
