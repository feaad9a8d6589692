/** The choice among several servers, and the error if none is suitable. */
import { assert, describe, it, layer } from "@effect/vitest"
import * as ConnectionConfig from "@hyperfect/client/ConnectionConfig"
import * as Session from "@hyperfect/client/Session"
import * as NodePlatform from "@hyperfect/node/NodePlatform"
import * as PostgresServer from "@hyperfect/testing/PostgresServer"
import * as Endpoint from "@hyperfect/transport/Endpoint"
import { Context, Effect, Fiber, Layer, Random, Redacted } from "effect"
import { TestClock } from "effect/testing"
import { EventLog, type FakeServer, fakeServers, openAndClose } from "./fakeServers.ts"

const reportingServer = (standby: string, readOnly: string): FakeServer => ({
  parameters: { in_hot_standby: standby, default_transaction_read_only: readOnly }
})

const serversByName: Readonly<Record<string, FakeServer>> = {
  plain: {},
  primary: reportingServer("off", "off"),
  standby: reportingServer("on", "off"),
  readonly: reportingServer("off", "on"),
  "old-primary": { answers: { "SHOW transaction_read_only": "off", "SELECT pg_catalog.pg_is_in_recovery()": "f" } },
  "old-standby": { answers: { "SHOW transaction_read_only": "on", "SELECT pg_catalog.pg_is_in_recovery()": "t" } },
  mute: {},
  hyper: { parameters: { hyper_version: "0.0.1" } },
  starting: { rejectWith: () => "57P03" },
  refusing: { rejectWith: () => "28P01" },
  full: { rejectWith: () => "53300" },
  leaving: { disconnectOnStartup: true },
  stopping: { rejectWith: () => "57P01" },
  crashing: { rejectWith: () => "57P02" },
  failing: { tls: "error" },
  cut: { tls: "hang-up" },
  secure: { tls: "yes" },
  down: { unreachable: "down" },
  silent: { unreachable: "silent" }
}

const configure = (text: string) => ConnectionConfig.fromString(`user=app sslmode=disable ${text}`)

/** Opens a session and returns the events and, if any, the error. */
const tryConnect = (text: string, names: Readonly<Record<string, ReadonlyArray<string>>> = {}) =>
  Effect.gen(function*() {
    const error = yield* Effect.flatMap(configure(text), openAndClose).pipe(
      Effect.match({ onFailure: (error) => error, onSuccess: () => undefined })
    )
    return { events: [...(yield* EventLog).all], error }
  }).pipe(Effect.provide(fakeServers(serversByName, names)))

const connectEvents = (...hosts: ReadonlyArray<string>) => hosts.map((host) => `${host}: connect`)
const onlyConnects = (events: ReadonlyArray<string>) => events.filter((event) => event.endsWith(": connect"))

describe("several servers", () => {
  it.effect.each<readonly [text: string, ...hosts: ReadonlyArray<string>]>([
    ["host=plain,primary load_balance_hosts=disable", "plain"],
    ["host=down,plain,primary", "down", "plain"],
    ["host=down,/tmp,starting,primary", "down", "socket", "starting", "primary"],
    ["host=starting,primary", "starting", "primary"],
    ["host=stopping,crashing,plain", "stopping", "crashing", "plain"],
    ["host=failing,plain sslmode=prefer", "failing", "plain"],
    ["host=leaving,plain", "leaving", "plain"],
    ["host=leaving,standby,primary target_session_attrs=primary", "leaving", "standby", "primary"],
    ["host=cut,secure sslmode=require", "cut", "secure"],
    // The required role of the server.
    ["host=standby,primary target_session_attrs=any", "standby"],
    ["host=standby,readonly,primary target_session_attrs=read-write", "standby", "readonly", "primary"],
    ["host=primary,standby target_session_attrs=read-only", "primary", "standby"],
    ["host=primary,readonly target_session_attrs=read-only", "primary", "readonly"],
    ["host=standby,readonly target_session_attrs=primary", "standby", "readonly"],
    ["host=primary,readonly,standby target_session_attrs=standby", "primary", "readonly", "standby"],
    ["host=primary,standby target_session_attrs=prefer-standby", "primary", "standby"],
    ["host=down,primary target_session_attrs=prefer-standby", "down", "primary", "down", "primary"],
    // Servers that have to be queried for their role.
    ["host=old-standby,old-primary target_session_attrs=read-write", "old-standby", "old-primary"],
    ["host=old-primary,old-standby target_session_attrs=read-only", "old-primary", "old-standby"],
    ["host=old-standby,old-primary target_session_attrs=primary", "old-standby", "old-primary"],
    ["host=old-primary,old-standby target_session_attrs=standby", "old-primary", "old-standby"],
    ["host=mute,primary target_session_attrs=read-write", "mute", "primary"],
    ["host=mute,standby target_session_attrs=standby", "mute", "standby"],
    ["host=hyper,primary target_session_attrs=read-write", "hyper"],
    ["host=hyper,primary target_session_attrs=primary", "hyper"],
    ["host=hyper,standby target_session_attrs=standby", "hyper", "standby"]
  ])("are tried in turn: %s", ([text, ...hosts]) =>
    Effect.gen(function*() {
      const { error, events } = yield* tryConnect(text)
      assert.isUndefined(error)
      assert.deepStrictEqual(onlyConnects(events), connectEvents(...hosts))
    }))

  it.effect("receive Terminate if they have the wrong role", () =>
    Effect.gen(function*() {
      const { events } = yield* tryConnect("host=standby,primary target_session_attrs=primary")
      assert.include(events, "standby: bye")
    }))

  it.effect.each<readonly [text: string, tag: string, ...hosts: ReadonlyArray<string>]>([
    ["host=refusing,plain", "AuthError", "refusing"],
    ["host=full,plain", "AuthError", "full"],
    ["host=down,refusing,plain", "AuthError", "down", "refusing"],
    ["host=primary,refusing,standby target_session_attrs=standby", "AuthError", "primary", "refusing"],
    ["host=refusing,standby target_session_attrs=prefer-standby", "AuthError", "refusing"],
    ["host=plain,standby sslmode=require", "TransportError", "plain"]
  ])("are not tried after an error that would recur on them: %s", ([text, tag, ...hosts]) =>
    Effect.gen(function*() {
      const { error, events } = yield* tryConnect(text)
      assert.strictEqual(error?._tag, tag)
      assert.deepStrictEqual(onlyConnects(events), connectEvents(...hosts))
    }))

  it.effect("each get their own timeout", () =>
    Effect.gen(function*() {
      const config = yield* configure("host=silent,silent,plain connect_timeout=3")
      const session = yield* Effect.forkChild(Effect.exit(openAndClose(config)), { startImmediately: true })
      const { all } = yield* EventLog
      yield* TestClock.adjust("2999 millis")
      assert.deepStrictEqual(onlyConnects(all), connectEvents("silent"))
      yield* TestClock.adjust("1 millis")
      assert.deepStrictEqual(onlyConnects(all), connectEvents("silent", "silent"))
      yield* TestClock.adjust("3 seconds")
      assert.strictEqual((yield* Fiber.join(session))._tag, "Success")
      assert.deepStrictEqual(onlyConnects(all), connectEvents("silent", "silent", "plain"))
    }).pipe(Effect.provide(fakeServers(serversByName))))

  it.effect("have no timeout if connect_timeout is 0", () =>
    Effect.gen(function*() {
      const config = yield* configure("host=silent,plain connect_timeout=0")
      const session = yield* Effect.forkChild(openAndClose(config), { startImmediately: true })
      yield* TestClock.adjust("100 days")
      assert.deepStrictEqual((yield* EventLog).all, connectEvents("silent"))
      yield* Fiber.interrupt(session)
    }).pipe(Effect.provide(fakeServers(serversByName))))

  it.effect("are shuffled, by the seed, for load balancing", () =>
    Effect.gen(function*() {
      const hosts = ["plain", "primary", "standby"]
      const first = new Map<string, number>()
      for (let seed = 0; seed < 60; seed++) {
        const { events } = yield* tryConnect(`host=${hosts.join(",")} load_balance_hosts=random`).pipe(
          Random.withSeed(seed)
        )
        const host = events[0]!.slice(0, -": connect".length)
        first.set(host, (first.get(host) ?? 0) + 1)
      }
      for (const host of hosts) assert.isAbove(first.get(host) ?? 0, 5)
      const down = "host=down,plain,starting load_balance_hosts=random"
      for (let seed = 0; seed < 10; seed++) {
        const { error } = yield* tryConnect(down).pipe(Random.withSeed(seed))
        assert.isUndefined(error)
      }
    }))

  const names = { cluster: ["standby", "primary"], sick: ["down", "starting", "old-primary"], nowhere: [] }

  it.effect.each<readonly [text: string, ...hosts: ReadonlyArray<string>]>([
    ["host=cluster,plain target_session_attrs=primary", "standby", "primary"],
    ["host=cluster target_session_attrs=standby", "standby"],
    ["host=nowhere,cluster target_session_attrs=read-write", "standby", "primary"],
    ["host=sick target_session_attrs=primary", "down", "starting", "old-primary"],
    [
      "host=sick,plain target_session_attrs=prefer-standby",
      "down",
      "starting",
      "old-primary",
      "plain",
      "down",
      "starting",
      "old-primary"
    ],
    // A host with an address is not looked up.
    ["host=sick hostaddr=primary target_session_attrs=primary", "primary"]
  ])("with several addresses are tried at each: %s", ([text, ...hosts]) =>
    Effect.gen(function*() {
      const { error, events } = yield* tryConnect(text, names)
      assert.isUndefined(error)
      assert.deepStrictEqual(onlyConnects(events), connectEvents(...hosts))
    }))

  it.effect("with several addresses report why each is unsuitable", () =>
    Effect.gen(function*() {
      const { error } = yield* tryConnect("host=nowhere,cluster target_session_attrs=read-only password=s3cret", {
        ...names,
        cluster: ["primary", "down"]
      })
      assert.strictEqual(
        error?.message,
        "none of 3 servers could be used: cannot connect to nowhere:5432 (ENOTFOUND); " +
          "cluster:5432 (primary) is not read-only: the session is not read-only; " +
          "cluster:5432 (down): cannot connect to cluster:5432 (ECONNREFUSED)"
      )
    }))

  it.effect("with several addresses are shuffled for load balancing", () =>
    Effect.gen(function*() {
      const first = new Set<string>()
      for (let seed = 0; seed < 40; seed++) {
        const { events } = yield* tryConnect("host=cluster load_balance_hosts=random", names).pipe(
          Random.withSeed(seed)
        )
        first.add(events[0]!)
      }
      assert.deepStrictEqual(first, new Set(connectEvents("standby", "primary")))
    }))

  it.effect("report why each of them is unsuitable", () =>
    Effect.gen(function*() {
      const { error } = yield* tryConnect(
        "host=down,standby,starting,mute target_session_attrs=read-write password=s3cret"
      )
      assert.strictEqual(error?._tag, "NoServerFound")
      if (error?._tag !== "NoServerFound") return
      assert.deepStrictEqual(error.failures.map(({ cause, endpoint }) => [endpoint, cause._tag]), [
        ["down:5432", "TransportError"],
        ["standby:5432", "ServerUnsuitable"],
        ["starting:5432", "AuthError"],
        ["mute:5432", "ServerUnsuitable"]
      ])
      assert.strictEqual(
        error.message,
        "none of 4 servers could be used: cannot connect to down:5432 (ECONNREFUSED); " +
          "standby:5432 is not read-write: the session is read-only; " +
          "starting:5432: the server refused \"app\": go away (57P03); it is starting or stopping; try again; " +
          "mute:5432 is not read-write: it does not say whether the session is read-only"
      )
      assert.isTrue(error.isRetryable)
    }))

  it.effect("report a plain error if there is only one", () =>
    Effect.gen(function*() {
      assert.strictEqual((yield* tryConnect("host=down")).error?._tag, "TransportError")
      assert.strictEqual((yield* tryConnect("host=starting")).error?._tag, "AuthError")
      const { error } = yield* tryConnect("host=standby target_session_attrs=primary")
      assert.strictEqual(error?.message, "standby:5432 is not primary: the server is in hot standby")
      assert.strictEqual((yield* tryConnect("host=standby target_session_attrs=prefer-standby")).error, undefined)
    }))

  it.effect("may have different passwords", () =>
    Effect.gen(function*() {
      const asked: Array<string> = []
      yield* openAndClose({
        ...yield* configure("host=starting,plain,primary"),
        passwordOf: (endpoint) => {
          asked.push(Endpoint.format(endpoint))
          return undefined
        }
      })
      assert.deepStrictEqual(asked, ["starting:5432", "plain:5432"])
    }).pipe(Effect.provide(fakeServers(serversByName))))
})

describe("cancellation among several servers", () => {
  it.effect("connects to the session's own address, whatever else the name resolves to", () => {
    const names = { cluster: ["plain", "primary"] }
    return Effect.gen(function*() {
      const config = yield* configure("host=cluster")
      const { all } = yield* EventLog
      const session = yield* Session.make(config)
      // A lookup of the name would now find another server first.
      names.cluster.reverse()
      const query = yield* Effect.forkChild(session.simple("wait"), { startImmediately: true })
      while (!all.includes("plain: wait")) yield* Effect.yieldNow
      const ended = yield* Effect.forkChild(Fiber.interrupt(query), { startImmediately: true })
      while (!all.includes("plain: cancel in clear")) yield* Effect.yieldNow
      yield* TestClock.adjust("1 minute")
      yield* Fiber.join(ended)
      assert.notInclude(all, "primary: connect")
    }).pipe(Effect.scoped, Effect.provide(fakeServers(serversByName, names)))
  })

  it.effect("connects to the session's own server", () =>
    Effect.gen(function*() {
      const config = yield* configure("host=down,plain,primary")
      const { all } = yield* EventLog
      yield* Effect.scoped(Effect.gen(function*() {
        const session = yield* Session.make(config)
        const query = yield* Effect.forkChild(session.simple("wait"), { startImmediately: true })
        while (!all.includes("plain: wait")) yield* Effect.yieldNow
        const ended = yield* Effect.forkChild(Fiber.interrupt(query), { startImmediately: true })
        while (!all.includes("plain: cancel in clear")) yield* Effect.yieldNow
        yield* TestClock.adjust("1 minute")
        yield* Fiber.join(ended)
      }))
      // The request is repeated until the query has ended.
      assert.deepStrictEqual(Array.from(new Set(onlyConnects(all))), connectEvents("down", "plain"))
      assert.isAbove(onlyConnects(all).length, 2)
    }).pipe(Effect.provide(fakeServers(serversByName))))
})

/** Two servers of which one is read-only, each with its own password. */
class ReaderWriterPair extends Context.Service<ReaderWriterPair, {
  readonly config: ConnectionConfig.ConnectionConfig
}>()("test/Pair") {}

const layerPair = Layer.effect(
  ReaderWriterPair,
  Effect.gen(function*() {
    const password = { reader: Redacted.make("reader's"), writer: Redacted.make("writer's") }
    const reader = yield* PostgresServer.make({
      password: password.reader,
      setup: ["alter role postgres set default_transaction_read_only = on"]
    })
    const writer = yield* PostgresServer.make({ password: password.writer })
    return ReaderWriterPair.of({
      config: {
        endpoint: reader.endpoint,
        alternatives: [writer.endpoint],
        user: "postgres",
        passwordOf: (endpoint) => (endpoint === reader.endpoint ? password.reader : password.writer)
      }
    })
  })
).pipe(Layer.provideMerge(NodePlatform.layer))

layer(layerPair, { excludeTestServices: true, timeout: "60 seconds" })("two PostgreSQL servers", (it) => {
  it.effect.each<readonly [wanted: ConnectionConfig.TargetSessionAttrs, readOnly: string | undefined]>([
    ["any", "on"],
    ["read-only", "on"],
    ["read-write", "off"],
    ["primary", "on"],
    ["prefer-standby", "on"],
    ["standby", undefined]
  ])("are distinguished by %s", ([targetSessionAttrs, readOnly]) =>
    Effect.gen(function*() {
      const { config } = yield* ReaderWriterPair
      const result = yield* Effect.result(Session.make({ ...config, targetSessionAttrs }))
      if (readOnly === undefined) {
        assert.strictEqual(result._tag === "Failure" && result.failure._tag, "NoServerFound")
        return
      }
      if (result._tag === "Failure") return yield* result.failure
      const { rows } = yield* result.success.query("show transaction_read_only")
      assert.deepStrictEqual(rows, [{ transaction_read_only: readOnly }])
    }))

  it.effect("are found past closed ports and names with several addresses", () =>
    Effect.gen(function*() {
      const { config } = yield* ReaderWriterPair
      // No server listens on port 1. `localhost` may also resolve to ::1, where the server does not listen.
      const { port } = config.endpoint as { readonly port: number }
      const session = yield* Session.make({
        ...config,
        endpoint: Endpoint.tcp("127.0.0.1", 1),
        alternatives: [Endpoint.tcp("no-such-host.invalid", port), Endpoint.tcp("localhost", port)],
        passwordOf: undefined,
        password: Redacted.make("reader's")
      })
      assert.strictEqual(session.server.kind, "postgres")
    }))
})
