import { assert, describe, it } from "@effect/vitest"
import * as Authenticate from "@hyperfect/auth/Authenticate"
import * as ScriptedServer from "@hyperfect/testing/ScriptedServer"
import type * as Transport from "@hyperfect/transport/Transport"
import * as BuiltIn from "@hyperfect/values/BuiltIn"
import { Cause, Effect, Exit, type Scope } from "effect"
import {
  bind,
  connect,
  exchange,
  execute,
  login,
  oneRow,
  parse,
  password,
  query,
  ready,
  sync
} from "./scriptedClient.ts"

const { accept, disconnect, expect, layer, layerEach, on, repeat, rows, send, sendBytes, stall } = ScriptedServer

/** Returns the report of a violated script as a user of the layer sees it. */
const report = (
  script: ReturnType<typeof layer>,
  client: Effect.Effect<unknown, unknown, Transport.Transport | ScriptedServer.ScriptedServer | Scope.Scope>
) =>
  Effect.gen(function*() {
    // The client ignores every failure.
    const exit = yield* Effect.ignore(Effect.scoped(client)).pipe(Effect.provide(script), Effect.exit)
    assert(Exit.isFailure(exit), "the layer's end reports it")
    const defect = exit.cause.reasons.find((reason) => reason._tag === "Die")?.defect
    assert(defect instanceof Error && "_tag" in defect && defect._tag === "ScriptError", Cause.pretty(exit.cause))
    return defect.message
  })

describe("ScriptedServer > report", () => {
  it.effect("closes the connection, and compares expected and received fields", () =>
    Effect.gen(function*() {
      const client = Effect.gen(function*() {
        const channel = yield* login
        yield* channel.send(parse("select id from orders", "", [20]))
        const closed = yield* Effect.flip(channel.receive)
        assert(closed._tag === "TransportError" && closed.reason._tag === "Closed")
      })
      const script = layer(accept(), expect({ _tag: "Parse", name: "", query: "select id from users" }))
      assert.strictEqual(
        yield* report(script, client),
        [
          "connection 1, at step 2 of 2 (expect Parse name: \"\" query: \"select id from users\"): something else came",
          "  Parse",
          "    name: \"\"",
          "-   query: \"select id from users\"",
          "+   query: \"select id from orders\"",
          "    parameterTypes: [20]"
        ].join("\n")
      )
    }))

  it.effect("shows both messages if they have nothing in common", () =>
    Effect.gen(function*() {
      const client = Effect.flatMap(login, (channel) => query(channel, "select 1"))
      const script = layer(accept(), expect({ _tag: "Bind", parameters: [Uint8Array.of(0x31), null] }))
      assert.strictEqual(
        yield* report(script, client),
        [
          "connection 1, at step 2 of 2 (expect Bind parameters: [<31>, null]): something else came",
          "- Bind",
          "-   parameters: [<31>, null]",
          "+ Query",
          "+   query: \"select 1\""
        ].join("\n")
      )
    }))

  it.effect("describes steps of every kind, and truncates long values", () =>
    Effect.gen(function*() {
      const client = Effect.gen(function*() {
        const channel = yield* login
        yield* query(channel, "x".repeat(1000))
      })
      const script = layer(
        accept(),
        expect({
          _tag: "Bind",
          portal: /^p/,
          parameters: (parameters) => parameters.length === 1,
          resultFormats: [1, 0]
        }),
        send({ _tag: "BindComplete" }, ready),
        sendBytes(new Uint8Array(40)),
        stall
      )
      assert.strictEqual(
        yield* report(script, client),
        [
          "connection 1, at step 2 of 5 (expect Bind portal: /^p/ parameters: a value that fits the predicate"
          + " resultFormats: [1, 0]): something else came",
          "- Bind",
          "-   portal: /^p/",
          "-   parameters: a value that fits the predicate",
          "-   resultFormats: [1, 0]",
          "+ Query",
          `+   query: "${"x".repeat(200)}... (1000 characters)"`
        ].join("\n")
      )
    }))

  it.effect("shows the beginning of long bytes", () =>
    Effect.gen(function*() {
      const client = Effect.gen(function*() {
        const channel = yield* login
        yield* channel.send({ _tag: "CopyData", data: new Uint8Array(33) }, { _tag: "CopyDone" })
        yield* channel.receive
      })
      const script = layer(accept(), expect({ _tag: "CopyData", data: Uint8Array.of(1) }))
      assert.include(yield* report(script, client), `+   data: <${"00 ".repeat(31)}00 ... (33 bytes)>`)
    }))

  it.effect("lists the queries that were due and the earlier messages", () =>
    Effect.gen(function*() {
      const client = Effect.gen(function*() {
        const channel = yield* login
        yield* query(channel, "select 1")
        yield* query(channel, "select 3")
      })
      const script = layer(accept(), on("select 1", oneRow("1")), on(/2$/, oneRow("2")))
      assert.strictEqual(
        yield* report(script, client),
        [
          "connection 1, at step 3 of 3 (answer the query /2$/): something else came",
          "- a query: /2$/",
          "+ Query",
          "+   query: \"select 3\"",
          "received before:",
          "  Query query: \"select 1\""
        ].join("\n")
      )
    }))

  it.effect("contains the query of a named statement", () =>
    Effect.gen(function*() {
      const client = Effect.gen(function*() {
        const channel = yield* login
        yield* exchange(channel, parse("select 1", "s"), bind("s"), execute, sync)
        yield* exchange(channel, bind("s"), execute, sync)
      })
      const script = layer(accept(), on("select 1", oneRow("1")), on("select 2", oneRow("2")))
      assert.include(yield* report(script, client), "- a query: \"select 2\"\n+ Bind\n+   of the query: \"select 1\"\n")
    }))

  it.effect("says that nothing more was due", () =>
    Effect.gen(function*() {
      const client = Effect.flatMap(login, (channel) => query(channel, "select 1"))
      assert.strictEqual(
        yield* report(layer(accept()), client),
        [
          "connection 1, behind the last of 1 steps: something else came",
          "- nothing more",
          "+ Query",
          "+   query: \"select 1\""
        ].join("\n")
      )
    }))

  it.effect("lists the missing steps if the client disconnects early", () =>
    Effect.gen(function*() {
      const client = Effect.flatMap(login, (channel) => channel.send({ _tag: "Terminate" }))
      const script = layer(
        accept(),
        repeat(on("a", oneRow("a"))),
        on("b", oneRow("b")),
        expect({ _tag: "Sync" }),
        disconnect
      )
      assert.strictEqual(
        yield* report(script, client),
        [
          "connection 1, at step 2 of 5 (answer any of the queries \"a\"): it is not over; the client has left",
          "- answer the query \"b\"",
          "- expect Sync",
          "received before:",
          "  Terminate"
        ].join("\n")
      )
    }))

  it.effect("lists the missing steps if the client stays connected but idle", () =>
    Effect.gen(function*() {
      const server = yield* ScriptedServer.ScriptedServer
      yield* login
      const error = yield* Effect.flip(server.verify)
      assert.strictEqual(error.problem, "unfinished")
      assert.deepStrictEqual([error.connection, error.step], [1, 2])
    }).pipe(Effect.provide(layer(accept(), on("a", oneRow("a"))))))

  it.effect("says that the client was rejected", () =>
    Effect.gen(function*() {
      const client = Effect.flatMap(connect, (channel) => Authenticate.client(channel, { user: "root", password }))
        .pipe(
          Effect.provide(Authenticate.layerCrypto)
        )
      assert.include(
        yield* report(layer(accept({ user: "app" }), on("a", oneRow("a"))), client),
        "it is not over; the client was refused: the server refused \"root\": password authentication failed"
      )
    }))

  it.effect("says that no client has connected", () =>
    Effect.gen(function*() {
      assert.strictEqual(yield* report(layer(accept()), Effect.void), "no client has connected")
      assert.strictEqual(
        yield* report(layerEach([[accept()], [accept()], [accept()]]), login),
        "2 more connections were expected"
      )
    }))

  it.effect("says that there was one connection too many", () =>
    Effect.gen(function*() {
      const client = Effect.andThen(login, Effect.flip(login))
      assert.strictEqual(yield* report(layerEach([[accept()]]), client), "connection 2: there is no script for it")
    }))

  it.effect("says that the received data is not the protocol", () =>
    Effect.gen(function*() {
      const client = Effect.gen(function*() {
        const channel = yield* login
        yield* channel.connection.write(Uint8Array.of(0xff, 0, 0, 0, 4))
      })
      assert.match(
        yield* report(layer(accept(), expect({ _tag: "Sync" })), client),
        /\+ bytes that are not the protocol: /
      )
    }))

  it.effect("is a defect if a value does not fit its type", () =>
    Effect.gen(function*() {
      const script = layer(accept(), on("a", rows({ n: BuiltIn.int4 }, [{ n: 2 ** 40 }])))
      const client = Effect.flatMap(login, (channel) => query(channel, "a"))
      const exit = yield* Effect.ignore(Effect.scoped(client)).pipe(Effect.provide(script), Effect.exit)
      assert(Exit.isFailure(exit))
      assert.include(Cause.pretty(exit.cause), "ValueError")
    }))

  it.effect("is not repeated when the layer closes", () =>
    Effect.gen(function*() {
      const exit = yield* Effect.gen(function*() {
        const server = yield* ScriptedServer.ScriptedServer
        return yield* Effect.flip(server.verify)
      }).pipe(Effect.provide(layer(accept())), Effect.exit)
      assert.isTrue(Exit.isSuccess(exit))
    }))

  it.effect("is given when the layer closes even if another report came before", () =>
    Effect.gen(function*() {
      const client = Effect.gen(function*() {
        const channel = yield* login
        const error = yield* Effect.flip((yield* ScriptedServer.ScriptedServer).verify)
        assert.strictEqual(error.problem, "unfinished")
        yield* query(channel, "b")
      })
      assert.include(yield* report(layer(accept(), on("a", oneRow("a"))), client), "something else came")
    }))

  it.effect("is also given if the test fails for another reason", () =>
    Effect.gen(function*() {
      const exit = yield* Effect.fail("the test's own reason").pipe(Effect.provide(layer(accept())), Effect.exit)
      assert(Exit.isFailure(exit))
      assert.include(Cause.pretty(exit.cause), "the test's own reason")
      assert.include(Cause.pretty(exit.cause), "no client has connected")
    }))
})
