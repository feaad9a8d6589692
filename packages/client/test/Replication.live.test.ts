import { assert, describe, it, layer } from "@effect/vitest"
import type { ConnectionConfig } from "@hyperfect/client/ConnectionConfig"
import * as Replication from "@hyperfect/client/Replication"
import * as Session from "@hyperfect/client/Session"
import * as NodePlatform from "@hyperfect/node/NodePlatform"
import type * as Backend from "@hyperfect/protocol/Backend"
import type * as Frontend from "@hyperfect/protocol/Frontend"
import * as Messages from "@hyperfect/protocol/Replication"
import * as PostgresServer from "@hyperfect/testing/PostgresServer"
import * as Endpoint from "@hyperfect/transport/Endpoint"
import { Deferred, Effect, Fiber, Layer, Schedule, Schema, Stream } from "effect"
import { describeServers, openSession, TestServer, uniqueName } from "./liveServers.ts"
import { acceptSession, complete, connect, error, manualServer, type Server } from "./manualServer.ts"

const layerLogical = Layer.effect(
  TestServer,
  Effect.map(PostgresServer.PostgresServer, ({ database, endpoint, password, user }) => ({
    kind: "postgres" as const,
    config: { endpoint, user, password, database }
  }))
).pipe(
  Layer.provideMerge(
    PostgresServer.layer({ databases: ["app"], settings: { wal_level: "logical", max_replication_slots: 20 } })
  ),
  Layer.provideMerge(NodePlatform.layer)
)

const decodeLatin1 = (data: Uint8Array) => new TextDecoder("latin1").decode(data)

const isData = (event: Replication.Event): event is Replication.Data => event._tag === "Data"

/** Selects the data events, with the kind of message in each. */
const dataEvents = <E, R>(changes: Stream.Stream<Replication.Event, E, R>) => Stream.filter(changes, isData)

const messageTypes = (all: ReadonlyArray<Replication.Data>) => all.map((one) => decodeLatin1(one.data)[0]).join("")

/** Creates a published table, a session that changes it, and a slot. */
const setUpPublication = Effect.gen(function*() {
  const { config } = yield* TestServer
  const session = yield* openSession()
  const name = uniqueName("changes")
  yield* session.simple(
    `create table ${name} (a int primary key, b text); create publication ${name} for table ${name}`
  )
  const options: Replication.Options = { slot: name, options: { proto_version: "1", publication_names: name } }
  return {
    config,
    options,
    name,
    session,
    insert: (a: number, b: string) => session.simple(`insert into ${name} values (${a}, '${b}')`),
    /** Returns the server's state of the slot, once it fits. */
    slot: (column: string, fits: (value: unknown) => boolean) =>
      session.simple(`select ${column}::text as found from pg_replication_slots where slot_name = '${name}'`).pipe(
        Effect.map(([result]) => result!.rows[0]?.["found"]),
        Effect.repeat({ until: fits, schedule: Schedule.spaced("20 millis") })
      )
  }
})

const parseLsn = (value: unknown): bigint => {
  const [high, low] = String(value).split("/")
  return (BigInt(`0x${high}`) << BigInt(32)) + BigInt(`0x${low}`)
}

layer(layerLogical, { excludeTestServices: true, timeout: "60 seconds" })("PostgreSQL", (it) => {
  it.effect("sends the plugin options with quotes and backslashes, and refuses a zero character", () =>
    Effect.gen(function*() {
      const { config, options } = yield* setUpPublication
      const odd = { ...options, temporary: true, options: { ...options.options, "it's odd": "'\\''" } }
      // The plugin has parsed the option, and rejects it as unknown.
      const unknown = yield* Effect.flip(Stream.runDrain(Replication.stream(config, odd)))
      assert.include(unknown.message, "it's odd")
      const refused = { ...options, options: { proto_version: "1\0" } }
      assert.deepInclude(yield* Effect.flip(Effect.scoped(Replication.open(config, refused))), {
        _tag: "ValueError",
        sent: "nothing"
      })
    }))

  it.effect("delivers the changes in the order of the transactions", () =>
    Effect.gen(function*() {
      const { config, insert, options } = yield* setUpPublication
      const { changes } = yield* Replication.open(config, { ...options, temporary: true })
      yield* insert(1, "the first value")
      yield* insert(2, "the second value")
      const all = yield* Stream.runCollect(Stream.take(dataEvents(changes), 7))
      assert.strictEqual(messageTypes(all), "BRICBIC")
      assert.include(decodeLatin1(all[2]!.data), "the first value")
      assert.include(decodeLatin1(all[5]!.data), "the second value")
      const [, , , commit, , , last] = all
      assert.isTrue(commit!.end > all[0]!.start && last!.end > commit!.end)
      assert.match(String(commit!.sentAt), /^20\d\d-/)
    }))

  it.effect("confirms what the consumer has confirmed, and continues after it", () =>
    Effect.gen(function*() {
      const { config, insert, options, session, slot } = yield* setUpPublication
      const consistent = yield* Replication.createSlot(config, options)
      const { changes, confirm } = yield* Replication.open(config, options)
      const commits = Stream.filter(dataEvents(changes), ({ data }) => decodeLatin1(data).startsWith("C"))
      yield* insert(1, "one")
      yield* insert(2, "two")
      yield* insert(3, "three")
      const first = yield* Deferred.make<bigint>()
      const go = yield* Deferred.make<void>()
      const consumer = yield* Effect.forkChild(
        Stream.runForEach(Stream.take(commits, 2), ({ end }) =>
          Effect.gen(function*() {
            if (!(yield* Deferred.succeed(first, end))) return
            assert.isTrue(end > consistent)
            yield* confirm(end)
            yield* Deferred.await(go)
          }))
      )
      const end = yield* Deferred.await(first)
      yield* slot("confirmed_flush_lsn", (value) => parseLsn(value) === end)
      yield* Deferred.succeed(go, undefined)
      yield* Fiber.join(consumer)
      // The slot is free as soon as the stream has been left, which confirms nothing more.
      yield* slot("active", (value) => value === "false")
      assert.strictEqual(parseLsn(yield* slot("confirmed_flush_lsn", () => true)), end)

      // Nothing can be confirmed beyond what has been received.
      const second = yield* Replication.open(config, options)
      const again = yield* Stream.runCollect(
        Stream.take(Stream.tap(dataEvents(second.changes), () => second.confirm(BigInt(2) ** BigInt(63))), 4)
      )
      assert.include(decodeLatin1(again.find((one) => decodeLatin1(one.data).startsWith("I"))!.data), "two")
      yield* slot("active", (value) => value === "false")
      const [now] = yield* session.simple("select pg_current_wal_lsn()::text as now")
      const confirmed = parseLsn(yield* slot("confirmed_flush_lsn", () => true))
      assert.isTrue(confirmed > end && confirmed <= parseLsn(now!.rows[0]!["now"]))
      yield* Replication.dropSlot(config, options.slot)
      assert.isUndefined(yield* slot("active", () => true))
    }))

  it.effect("ends in order when the consumer stops early, in the middle of many changes", () =>
    Effect.gen(function*() {
      const { config, name, options, session, slot } = yield* setUpPublication
      yield* Replication.createSlot(config, options)
      for (let i = 0; i < 20; i++) {
        yield* session.simple(`insert into ${name} select ${i} * 500 + n, 'x' from generate_series(1, 500) as g(n)`)
      }
      for (const count of [1, 3, 2000]) {
        const changes = dataEvents(Replication.stream(config, options))
        assert.lengthOf(yield* Stream.runCollect(Stream.take(changes, count)), count)
        yield* slot("active", (value) => value === "false")
      }
      const { changes } = yield* Replication.open(config, options)
      assert.lengthOf(yield* Stream.runCollect(Stream.take(changes, 1)), 1)
      assert.strictEqual((yield* Effect.flip(Stream.runDrain(changes)))._tag, "UnsupportedError")
      yield* slot("active", (value) => value === "false")
      yield* Replication.dropSlot(config, name)
    }))

  it.effect("ends with its scope, and by interruption", () =>
    Effect.gen(function*() {
      const { config, insert, options, slot } = yield* setUpPublication
      yield* Replication.createSlot(config, options)
      const consumer = yield* Effect.forkChild(Stream.runDrain(Replication.stream(config, options)))
      yield* slot("active", (value) => value === "true")
      yield* insert(1, "one")
      yield* Fiber.interrupt(consumer)
      yield* slot("active", (value) => value === "false")
      yield* Replication.dropSlot(config, options.slot)
    }))

  it.effect("fails with the error of a server that ends it", () =>
    Effect.gen(function*() {
      const { config, options, session, slot } = yield* setUpPublication
      const consumer = yield* Effect.forkChild(
        Effect.flip(Stream.runDrain(Replication.stream(config, { ...options, temporary: true })))
      )
      const pid = yield* slot("case when active then active_pid end", (value) => typeof value === "string")
      // Before START_REPLICATION, the slot is active in the session that created it.
      yield* session.simple(`select state from pg_stat_replication where pid = ${Number(pid)}`).pipe(
        Effect.repeat({
          until: ([result]) => result!.rows[0]?.["state"] === "streaming",
          schedule: Schedule.spaced("20 millis")
        })
      )
      yield* session.simple(`select pg_terminate_backend(${Number(pid)})`)
      const failure = yield* Fiber.join(consumer)
      assert.isTrue(failure._tag === "ServerError" && failure.reason._tag === "AdminShutdown", String(failure))
    }))

  it.effect("fails with the error of a server that refuses it", () =>
    Effect.gen(function*() {
      const { config, options } = yield* setUpPublication
      const missing = yield* Effect.flip(Stream.runDrain(Replication.stream(config, options)))
      assert.isTrue(missing._tag === "ServerError" && missing.reason.sqlState === "42704", String(missing))
      const plugin = yield* Effect.flip(Replication.createSlot(config, { slot: "x", plugin: "no \"such' plugin" }))
      assert.strictEqual(plugin._tag, "ServerError")
      const dropped = yield* Effect.flip(Replication.dropSlot(config, "no_such_slot"))
      assert.isTrue(dropped._tag === "ServerError" && dropped.reason.sqlState === "42704", String(dropped))
      const nonsense = { ...options, options: { nonsense: "it's" }, temporary: true }
      const refused = yield* Effect.flip(Stream.runDrain(Replication.stream(config, nonsense)))
      assert.isTrue(refused._tag === "ServerError" && refused.message.includes("nonsense"), String(refused))
    }))

  it.effect("sends status updates while the consumer is busy", () =>
    Effect.gen(function*() {
      const { config, name, options, session } = yield* setUpPublication
      const { changes } = yield* Replication.open(
        { ...config, applicationName: name, parameters: { wal_sender_timeout: "3s" } },
        { ...options, temporary: true }
      )
      yield* session.simple(`insert into ${name} select n, repeat('x', 1000) from generate_series(1, 20000) as g(n)`)
      const [first, go] = [yield* Deferred.make<void>(), yield* Deferred.make<void>()]
      const consumer = yield* Effect.forkChild(
        Stream.runCollect(
          dataEvents(changes).pipe(
            Stream.tap(() => Effect.andThen(Deferred.succeed(first, undefined), Deferred.await(go))),
            Stream.map((one) => decodeLatin1(one.data)[0]),
            Stream.takeUntil((kind) => kind === "C")
          )
        )
      )
      yield* Deferred.await(first)
      // The server disconnects a client that sends nothing for that time.
      const replies = new Set<string>()
      const look = `select reply_time::text as replied from pg_stat_replication where application_name = '${name}'`
      yield* session.simple(look).pipe(
        Effect.tap(([result]) => Effect.sync(() => replies.add(String(result!.rows[0]?.["replied"])))),
        Effect.repeat({
          until: () => replies.size >= 4 || replies.has("undefined"),
          schedule: Schedule.spaced("50 millis")
        })
      )
      assert.isFalse(replies.has("undefined"))
      yield* Deferred.succeed(go, undefined)
      assert.lengthOf(yield* Fiber.join(consumer), 20_003)
    }))

  it.effect("cannot be started by a query, which fails and leaves the session intact", () =>
    Effect.gen(function*() {
      const { config, options } = yield* setUpPublication
      const session = yield* Session.make({ ...config, parameters: { replication: "database" } })
      const slot = uniqueName("query")
      yield* session.simple(`CREATE_REPLICATION_SLOT ${slot} TEMPORARY LOGICAL pgoutput`)
      const told = `(proto_version '1', publication_names '${options.slot}')`
      const refused = yield* Effect.flip(session.simple(`START_REPLICATION SLOT ${slot} LOGICAL 0/0 ${told}`))
      assert.strictEqual(refused._tag, "UnsupportedError")
      const [result] = yield* session.simple("select 1 as a")
      assert.deepStrictEqual(result!.rows, [{ a: 1 }])
    }))
})

describeServers({
  hyper(it) {
    it.effect("fails as unsupported", () =>
      Effect.gen(function*() {
        const { config } = yield* TestServer
        const slot = "s"
        const attempts = [
          Stream.runDrain(Replication.stream(config, { slot })),
          Replication.createSlot(config, { slot }),
          Replication.dropSlot(config, slot)
        ]
        for (const attempt of attempts) {
          const refused = yield* Effect.flip(attempt)
          assert.strictEqual(refused._tag, "UnsupportedError")
          assert.strictEqual(refused.message, "logical replication: not supported by Hyper")
        }
      }))
  }
})

describe("Replication > scripted server", () => {
  const config: ConnectionConfig = { endpoint: Endpoint.tcp("db", 5432), user: "app", sslMode: "disable" }

  const both = { _tag: "CopyBothResponse", format: 0, columnFormats: [] } as const
  const copyData = (...bytes: ReadonlyArray<number>) => ({ _tag: "CopyData", data: Uint8Array.from(bytes) }) as const
  const message = (value: Messages.Message) =>
    ({ _tag: "CopyData", data: Schema.encodeSync(Messages.codec)(value) }) as const
  const keepalive = (walEnd: number, replyRequested: number) =>
    message({ _tag: "PrimaryKeepalive", walEnd: BigInt(walEnd), serverTime: BigInt(0), replyRequested })
  const status = (heard: Frontend.Message) => {
    assert.strictEqual(heard._tag, "CopyData")
    const said = Schema.decodeSync(Messages.codec)((heard as Frontend.CopyData).data)
    assert.strictEqual(said._tag, "StandbyStatusUpdate")
    return said as Messages.StandbyStatusUpdate
  }

  /** Opens a replication, and returns both of its ends. */
  const begin = Effect.gen(function*() {
    const opening = yield* Effect.forkChild(Replication.open(config, { slot: "s" }))
    const server = yield* acceptSession
    yield* server.expect("Query")
    yield* server.send(complete("SELECT 0"), { _tag: "ReadyForQuery", status: "I" })
    return { replication: yield* Fiber.join(opening), server }
  })

  const start = Effect.fnUntraced(function*(server: Server) {
    const asked = yield* server.expect("Query")
    assert.deepStrictEqual(asked, { _tag: "Query", query: "START_REPLICATION SLOT \"s\" LOGICAL 0/0" })
    yield* server.send(both)
    assert.strictEqual(status(yield* server.expect("CopyData")).walFlushed, BigInt(0))
  })

  it.effect("answers requests for a reply at once, and ends in order", () =>
    Effect.gen(function*() {
      const { replication: { changes, confirm }, server } = yield* begin
      const consumer = yield* Effect.forkChild(
        Stream.runCollect(Stream.take(Stream.tap(changes, ({ end }) => confirm(end - BigInt(1))), 2))
      )
      yield* start(server)
      yield* server.send(keepalive(10, 1))
      assert.isTrue(status(yield* server.expect("CopyData")).walFlushed <= BigInt(9))
      yield* server.send(keepalive(20, 0))
      let heard = yield* server.channel.receive
      let last = BigInt(0)
      while (heard._tag === "CopyData") {
        last = status(heard).walFlushed
        heard = yield* server.channel.receive
      }
      assert.strictEqual(heard._tag, "CopyDone")
      assert.strictEqual(last, BigInt(19))
      yield* server.send({ _tag: "CopyDone" }, complete("COPY 0"), complete("START_REPLICATION"))
      yield* server.send({ _tag: "ReadyForQuery", status: "I" })
      const events = yield* Fiber.join(consumer)
      assert.deepStrictEqual(events.map(({ _tag, end }) => [_tag, end]), [
        ["Keepalive", BigInt(10)],
        ["Keepalive", BigInt(20)]
      ])
    }).pipe(Effect.scoped, Effect.provide(manualServer())))

  it.effect("responds to a server that ends the replication", () =>
    Effect.gen(function*() {
      const { replication: { changes }, server } = yield* begin
      const consumer = yield* Effect.forkChild(Stream.runCollect(changes))
      yield* start(server)
      yield* server.send(keepalive(10, 0), { _tag: "CopyDone" })
      yield* server.expect("CopyData", "CopyDone")
      yield* server.send(complete("COPY 0"), { _tag: "ReadyForQuery", status: "I" })
      assert.lengthOf(yield* Fiber.join(consumer), 1)
    }).pipe(Effect.scoped, Effect.provide(manualServer())))

  it.effect("fails when the server shuts down", () =>
    Effect.gen(function*() {
      const { replication: { changes }, server } = yield* begin
      const consumer = yield* Effect.forkChild(Effect.flip(Stream.runCollect(changes)))
      yield* start(server)
      yield* server.send(complete("COPY 0"))
      yield* server.disconnect
      assert.strictEqual((yield* Fiber.join(consumer))._tag, "TransportError")
    }).pipe(Effect.scoped, Effect.provide(manualServer())))

  const nonsense: ReadonlyArray<[string, Backend.Message]> = [
    ["an empty message", copyData()],
    ["an unknown message", copyData(0x7a, 1, 2, 3)],
    ["an incomplete message", copyData(0x77, 0, 0, 0)],
    ["a keepalive with trailing bytes", copyData(0x6b, ...Array.from({ length: 18 }, () => 0))],
    [
      "a message that only clients send",
      message({
        _tag: "StandbyStatusUpdate",
        walWritten: BigInt(0),
        walFlushed: BigInt(0),
        walApplied: BigInt(0),
        clientTime: BigInt(0),
        replyRequested: 0
      })
    ],
    ["a row", { _tag: "DataRow", columns: [] }]
  ]
  for (const [name, said] of nonsense) {
    it.effect(`fails the session on an invalid message: ${name}`, () =>
      Effect.gen(function*() {
        const { replication: { changes, confirm }, server } = yield* begin
        const consumer = yield* Effect.forkChild(Effect.flip(Stream.runDrain(changes)))
        yield* start(server)
        yield* server.send(said)
        assert.strictEqual((yield* Fiber.join(consumer))._tag, "ProtocolError")
        yield* confirm(BigInt(1))
        assert.strictEqual((yield* Effect.flip(Stream.runDrain(changes)))._tag, "ProtocolError")
      }).pipe(Effect.scoped, Effect.provide(manualServer())))
  }

  it.effect("fails a query that the server answers with CopyBothResponse", () =>
    Effect.gen(function*() {
      const { server, session } = yield* connect
      const query = yield* Effect.forkChild(Effect.flip(session.simple("select 1")))
      yield* server.expect("Query")
      yield* server.send(both, keepalive(1, 1))
      yield* server.expect("CopyDone")
      yield* server.send({ _tag: "CopyDone" }, error("57014"), { _tag: "ReadyForQuery", status: "I" })
      assert.strictEqual((yield* Fiber.join(query))._tag, "UnsupportedError")
    }).pipe(Effect.scoped, Effect.provide(manualServer())))
})
