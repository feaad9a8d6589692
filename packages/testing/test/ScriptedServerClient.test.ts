/** The client against the scripted server. */
import { assert, describe, it } from "@effect/vitest"
import * as Authenticate from "@hyperfect/auth/Authenticate"
import * as Client from "@hyperfect/client/Client"
import type * as ConnectionConfig from "@hyperfect/client/ConnectionConfig"
import * as Session from "@hyperfect/client/Session"
import { sql } from "@hyperfect/client/Statement"
import * as ScriptedServer from "@hyperfect/testing/ScriptedServer"
import * as Endpoint from "@hyperfect/transport/Endpoint"
import * as BuiltIn from "@hyperfect/values/BuiltIn"
import { Effect, Fiber, Layer, Redacted, Stream } from "effect"

const { accept, complete, copyIn, copyOut, disconnect, error, layer, layerEach, on, repeat, rows, untilCancelled } =
  ScriptedServer

const password = Redacted.make("s3cret")
const config: ConnectionConfig.ConnectionConfig = { endpoint: Endpoint.tcp("db", 5432), user: "app", password }

/** A scripted server, and the settings to log in to it. */
const server = (...script: ReadonlyArray<ScriptedServer.Step>) =>
  Layer.merge(layer(...script), Authenticate.layerCrypto)

/** A client of a scripted server. It closes before the server, as a session that was opened later does. */
const over = (...script: ReadonlyArray<ScriptedServer.Step>) =>
  Client.layer(config).pipe(Layer.provideMerge(server(...script)))

const bytes = (text: string) => Uint8Array.from(Buffer.from(text))

const users = rows({ id: BuiltIn.int8, email: BuiltIn.text }, [
  { id: 1n, email: "a@b.c" },
  { id: 2n, email: null }
])

const commands = repeat(
  on(/^begin/i, complete("BEGIN")),
  on(/^commit/i, complete("COMMIT")),
  on(/^rollback/i, complete("ROLLBACK"))
)

describe("ScriptedServer > client", () => {
  it.effect("authenticates, and reads the rows of the script", () =>
    Effect.gen(function*() {
      const client = yield* Session.make(config)
      assert.strictEqual(client.authentication, "scram-sha-256")
      assert.strictEqual(client.server.kind, "postgres")
      const result = yield* client.query(sql`select id, email from users where id > ${0}`)
      assert.deepStrictEqual(result.rows.map((row) => ({ ...row })), [{ id: 1n, email: "a@b.c" }, {
        id: 2n,
        email: null
      }])
      yield* (yield* ScriptedServer.ScriptedServer).verify
    }).pipe(Effect.scoped, Effect.provide(server(accept({ user: "app", password }), on(/from users/, users)))))

  it.effect("detects a simulated Hyper server", () =>
    Effect.gen(function*() {
      const client = yield* Client.Client
      assert.strictEqual(client.server.kind, "hyper")
      const { rows } = yield* client.query(sql`select id, email from users where id > ${0}`)
      assert.deepStrictEqual(rows.map(({ id }) => id), [1n, 2n])
    }).pipe(Effect.provide(over(accept({ password, dialect: "hyper" }), on(/from users/, users)))))

  it.effect("reruns a prepared statement without preparing it again", () =>
    Effect.gen(function*() {
      const client = yield* Client.Client
      for (let i = 0; i < 3; i++) assert.strictEqual((yield* client.query(sql`select * from users`)).rows.length, 2)
      const [played] = yield* (yield* ScriptedServer.ScriptedServer).sessions
      assert.strictEqual(played!.received.filter(({ _tag }) => _tag === "Parse").length, 1)
      assert.strictEqual(played!.received.filter(({ _tag }) => _tag === "Execute").length, 3)
    }).pipe(Effect.provide(over(accept({ password }), on(/users/, users), on(/users/, users), on(/users/, users)))))

  it.effect("distinguishes errors by their condition", () =>
    Effect.gen(function*() {
      const client = yield* Client.Client
      const constraint = yield* client.query(sql`insert into users values (${1})`).pipe(
        Effect.catchReason("ServerError", "UniqueViolation", (reason) => Effect.succeed(reason.constraint))
      )
      assert.strictEqual(constraint, "users_pkey")
      const failed = yield* Effect.flip(client.query("selct"))
      assert(failed._tag === "ServerError")
      assert.strictEqual(failed.reason._tag, "SyntaxError")
      assert.strictEqual((yield* client.query(sql`select * from users`)).rows.length, 2)
    }).pipe(Effect.provide(over(
      accept({ password }),
      on(/^insert/, error({ code: "23505", constraint: "users_pkey" })),
      on("selct", error({ code: "42601" })),
      on(/from users/, users)
    ))))

  it.effect("fails a query if an error follows its rows", () =>
    Effect.gen(function*() {
      const client = yield* Client.Client
      const failed = yield* Effect.flip(client.query("select 1 / n from numbers"))
      assert(failed._tag === "ServerError")
      assert.strictEqual(failed.reason._tag, "DivisionByZero")
    }).pipe(Effect.provide(over(
      accept({ password }),
      on(/numbers/, rows({ n: BuiltIn.int4 }, [{ n: 1 }, { n: 2 }], error({ code: "22012" })))
    ))))

  it.effect("commits and rolls back", () =>
    Effect.gen(function*() {
      const client = yield* Session.make(config)
      yield* client.transaction(client.query(sql`select * from users`))
      assert.strictEqual(client.transactionStatus(), "I")
      const failed = yield* Effect.flip(client.transaction(client.query("selct")))
      assert.strictEqual(failed._tag, "ServerError")
      assert.strictEqual(client.transactionStatus(), "I")
    }).pipe(
      Effect.scoped,
      Effect.provide(server(
        accept({ password }),
        commands,
        on(/from users/, users),
        commands,
        on("selct", error({ code: "42601" })),
        commands
      ))
    ))

  it.effect("streams rows", () =>
    Effect.gen(function*() {
      const client = yield* Client.Client
      const emails = yield* client.stream(sql`select * from users`).pipe(
        Stream.map(({ email }) => email),
        Stream.runCollect
      )
      assert.deepStrictEqual(emails, ["a@b.c", null])
    }).pipe(Effect.provide(over(accept({ password }), on(/from users/, users)))))

  it.effect("copies in and out", () =>
    Effect.gen(function*() {
      const client = yield* Client.Client
      const copied = yield* client.copyIn("copy users from stdin", Stream.make(bytes("1\ta\n"), bytes("2\tb\n")))
      assert.strictEqual(copied.rowCount, 2)
      const chunks = yield* Stream.runCollect(client.copyOut("copy users to stdout"))
      assert.strictEqual(Buffer.concat(chunks).toString(), "1\ta\n2\tb\n")
      const [played] = yield* (yield* ScriptedServer.ScriptedServer).sessions
      const sent = played!.received.flatMap((message) => message._tag === "CopyData" ? [message.data] : [])
      assert.strictEqual(Buffer.concat(sent).toString(), "1\ta\n2\tb\n")
    }).pipe(Effect.provide(over(
      accept({ password }),
      on("copy users from stdin", copyIn({ columns: 2, commandTag: "COPY 2" })),
      on("copy users to stdout", copyOut([bytes("1\ta\n"), bytes("2\tb\n")], { columns: 2, commandTag: "COPY 2" }))
    ))))

  it.effect("sends CopyFail if the source of a COPY fails", () =>
    Effect.gen(function*() {
      const client = yield* Client.Client
      const data = Stream.concat(Stream.make(bytes("1\n")), Stream.fail("no more" as const))
      assert.strictEqual(yield* Effect.flip(client.copyIn("copy users from stdin", data)), "no more")
      assert.strictEqual((yield* client.query(sql`select * from users`)).rows.length, 2)
      const [played] = yield* (yield* ScriptedServer.ScriptedServer).sessions
      assert.isTrue(played!.received.some(({ _tag }) => _tag === "CopyFail"))
    }).pipe(Effect.provide(over(accept({ password }), on(/^copy/, copyIn()), on(/from users/, users)))))

  it.effect("cancels an interrupted query on the server, and continues", () =>
    Effect.gen(function*() {
      const client = yield* Client.Client
      const running = yield* Effect.forkChild(client.query(sql`select pg_sleep(60)`), { startImmediately: true })
      const server = yield* ScriptedServer.ScriptedServer
      // The script is not complete, so this waits until the query has arrived.
      yield* Effect.flip(server.verify)
      yield* Fiber.interrupt(running)
      assert.strictEqual((yield* client.query(sql`select * from users`)).rows.length, 2)
      yield* server.verify
    }).pipe(Effect.provide(over(accept({ password }), on(/pg_sleep/, untilCancelled), on(/from users/, users)))))

  it.effect("fails when the server disconnects, and can reconnect", () =>
    Effect.gen(function*() {
      const attempt = Effect.scoped(
        Effect.flatMap(Session.make(config), (session) => session.query(sql`select * from users`))
      )
      const failed = yield* Effect.flip(attempt)
      assert.isTrue(failed._tag === "TransportError" && failed.reason._tag === "Closed")
      assert.strictEqual((yield* attempt).rows.length, 2)
    }).pipe(
      Effect.provide(Authenticate.layerCrypto),
      Effect.provide(layerEach([
        [accept({ password }), on(/users/, disconnect)],
        [accept({ password }), on(/users/, users)]
      ], { capacity: 1 }))
    ))

  it.effect("cannot hide a deviation from the script", () =>
    Effect.gen(function*() {
      const exit = yield* Effect.flatMap(Client.Client, (client) => Effect.ignore(client.query("select 2"))).pipe(
        Effect.provide(over(accept({ password }), on("select 1", users))),
        Effect.exit
      )
      assert(exit._tag === "Failure")
      assert.include(String(exit.cause), "ScriptError")
    }))
})
