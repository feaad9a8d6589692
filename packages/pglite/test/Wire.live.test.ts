/** Messages of the extended protocol, COPY and the ends of connections on PGlite, below the client. */
import { assert, it } from "@effect/vitest"
import { PGlite } from "@electric-sql/pglite"
import * as Authenticate from "@hyperfect/auth/Authenticate"
import * as Pglite from "@hyperfect/pglite/Pglite"
import type * as Frontend from "@hyperfect/protocol/Frontend"
import * as Endpoint from "@hyperfect/transport/Endpoint"
import { Transport } from "@hyperfect/transport/Transport"
import { Effect, Layer } from "effect"
import { afterAll, beforeAll, describe } from "vitest"
import { bind, execute, firstColumn, logIn, parse, query, sync } from "./wire.ts"

let db: PGlite
beforeAll(async () => {
  db = await PGlite.create()
  await db.exec("create table copied (n int)")
}, 60_000)
afterAll(() => db.close())

const open = Effect.flatMap(Transport, ({ connect }) => Effect.flatMap(connect(Endpoint.tcp("pglite", 5432)), logIn))

const live = <A, E>(effect: Effect.Effect<A, E, Transport>) =>
  Effect.provide(effect, Layer.provide(Pglite.layer(db), Authenticate.layerCrypto))

const copyData = (text: string): Frontend.Message => ({ _tag: "CopyData", data: new TextEncoder().encode(text) })
const copyDone: Frontend.Message = { _tag: "CopyDone" }

/** The messages by name, but for reports of settings, which PGlite sends before any ReadyForQuery. */
const namesOf = (messages: ReadonlyArray<{ readonly _tag: string }>) =>
  messages.map(({ _tag }) => _tag).filter((tag) => tag !== "ParameterStatus")

const rowsOf = (text: string) => Effect.promise(() => db.query(text).then(({ rows }) => rows))

describe("Pglite > wire", () => {
  it.live("a portal is suspended at its row limit, and continues with the next Execute", () =>
    live(Effect.scoped(Effect.gen(function*() {
      const { send, until } = yield* open
      yield* send(
        parse("s", "select n from generate_series(1, 5) as g(n)"),
        bind("p", "s"),
        execute("p", 2),
        execute("p", 2),
        execute("p", 2),
        sync
      )
      const messages = yield* until("ReadyForQuery")
      assert.deepStrictEqual(namesOf(messages), [
        "ParseComplete",
        "BindComplete",
        "DataRow",
        "DataRow",
        "PortalSuspended",
        "DataRow",
        "DataRow",
        "PortalSuspended",
        "DataRow",
        "CommandComplete",
        "ReadyForQuery"
      ])
    }))))

  it.live("COPY of the extended protocol takes its data, and what follows is answered", () =>
    live(Effect.scoped(Effect.gen(function*() {
      const { send, until } = yield* open
      yield* send(parse("", "copy copied from stdin"), bind("", ""), execute(""))
      const begun = yield* until("CopyInResponse")
      assert.deepStrictEqual(namesOf(begun), ["ParseComplete", "BindComplete", "CopyInResponse"])
      yield* send(copyData("1\n2"), copyData("\n"), copyDone, sync)
      const copied = yield* until("ReadyForQuery")
      assert.deepStrictEqual(namesOf(copied), ["CommandComplete", "ReadyForQuery"])
      yield* send(query("select sum(n) from copied"))
      assert.deepStrictEqual(firstColumn(yield* until("ReadyForQuery")), ["3"])
      yield* send(query("truncate copied"))
      yield* until("ReadyForQuery")
    }))))

  for (
    const [name, begin] of [["simple", [query("copy copied from stdin")]], [
      "extended",
      [parse("", "copy copied from stdin"), bind("", ""), execute("")]
    ]] as const
  ) {
    it.live(`a connection that is closed within a COPY of the ${name} protocol leaves nothing`, () =>
      live(Effect.gen(function*() {
        yield* Effect.scoped(Effect.gen(function*() {
          const { send, until } = yield* open
          yield* send(...begin)
          yield* until("CopyInResponse")
          yield* send(copyData("1\n"))
        }))
        assert.deepStrictEqual(yield* rowsOf("select n from copied"), [])
        yield* Effect.scoped(Effect.gen(function*() {
          const { send, until } = yield* open
          yield* send(query("select 'alive'"))
          assert.deepStrictEqual(firstColumn(yield* until("ReadyForQuery")), ["alive"])
        }))
      })))
  }

  it.live("a connection that is closed without Sync has its statements rolled back", () =>
    live(Effect.gen(function*() {
      yield* Effect.scoped(Effect.gen(function*() {
        const { send, until } = yield* open
        yield* send(parse("", "insert into copied values (1)"), bind("", ""), execute(""), { _tag: "Flush" })
        yield* until("CommandComplete")
      }))
      assert.deepStrictEqual(yield* rowsOf("select n from copied"), [])
    })))

  it.live("after an error, messages are skipped until Sync, also a COPY", () =>
    live(Effect.scoped(Effect.gen(function*() {
      const { send, until } = yield* open
      yield* send(
        parse("", "select 1 / (0 * random())::int"),
        bind("", ""),
        execute(""),
        parse("", "copy copied from stdin"),
        bind("", ""),
        execute(""),
        sync
      )
      const messages = yield* until("ReadyForQuery")
      assert.deepStrictEqual(namesOf(messages), [
        "ParseComplete",
        "BindComplete",
        "ErrorResponse",
        "ReadyForQuery"
      ])
    }))))

  it.live("statements, cursors and settings of a connection are gone after it", () =>
    live(Effect.gen(function*() {
      yield* Effect.scoped(Effect.gen(function*() {
        const { send, until } = yield* open
        yield* send(
          query("prepare left_over as select 1"),
          query("declare left_cursor cursor with hold for select 1"),
          query("listen left_channel"),
          query("select pg_advisory_lock(1)")
        )
        for (let i = 0; i < 4; i++) yield* until("ReadyForQuery")
      }))
      yield* Effect.scoped(Effect.gen(function*() {
        const { send, until } = yield* open
        yield* send(
          query(`select (select count(*) from pg_prepared_statements) + (select count(*) from pg_cursors)
            + (select count(*) from pg_listening_channels()) + (select count(*) from pg_locks where locktype = 'advisory')`)
        )
        assert.deepStrictEqual(firstColumn(yield* until("ReadyForQuery")), ["0"])
      }))
    })))

  it.live("notifications reach the connection that listens, at the end of the transaction", () =>
    live(Effect.scoped(Effect.gen(function*() {
      const { send, until } = yield* open
      yield* send(query("listen news"), query("begin"), query("notify news, 'hi'"), query("commit"))
      const messages = yield* until("NotificationResponse")
      assert.include(messages.at(-1), { channel: "news", payload: "hi" })
      assert.strictEqual(messages.filter(({ _tag }) => _tag === "ReadyForQuery").length, 3)
    }))))
})
