/** Proxies between a client and a server, in front of both kinds of servers. */
import { NodeSocket } from "@effect/platform-node"
import { assert, describe, it, layer } from "@effect/vitest"
import { Account, ScramVerifier } from "@hyperfect/auth"
import { type ConnectionConfig, Session, Statement } from "@hyperfect/client"
import { Hyperd } from "@hyperfect/hyper"
import { NodePlatform, NodeTransport } from "@hyperfect/node"
import { HyperdServer, PostgresServer, TransportConformance } from "@hyperfect/testing"
import { Endpoint, SocketTransport, type Transport } from "@hyperfect/transport"
import { Context, Effect, Fiber, Layer, Redacted, Stream } from "effect"
import { Socket } from "effect/socket"
import { type ChildProcess, spawn } from "node:child_process"
import { fileURLToPath } from "node:url"
import * as AuditProxy from "../proxy/auditProxy.ts"
import * as WebSocketProxy from "../proxy/webSocketProxy.ts"

/** The server behind the proxies. */
class Target extends Context.Service<Target, {
  readonly config: ConnectionConfig.ConnectionConfig & { readonly password: Redacted.Redacted<string> }
  readonly long: string
}>()("test/Target") {}

const onPostgres = Layer.effect(
  Target,
  Effect.map(PostgresServer.PostgresServer, ({ database, endpoint, password, user }) => ({
    config: { endpoint, user, password: password!, database },
    long: "select pg_sleep(60)"
  }))
).pipe(
  Layer.provide(PostgresServer.layer({ password: Redacted.make("the server's") })),
  Layer.provideMerge(NodePlatform.layer)
)

const onHyper = Layer.effect(
  Target,
  Effect.map(Hyperd.Hyperd, ({ endpoint, password, user }) => ({
    config: { endpoint, user, password: password!, saslPrep: "mapping" as const },
    long: "select count(*) from generate_series(1, 100000000000) as g(n) where n % 7 = 3"
  }))
).pipe(Layer.provide(HyperdServer.layer()), Layer.provideMerge(NodePlatform.layer))

const clientPassword = Redacted.make("a guest's")

/** Opens a session through the audit proxy, and returns it with the log. */
const connectThroughProxy = Effect.fnUntraced(function*(changes: Partial<ConnectionConfig.ConnectionConfig> = {}) {
  const { config } = yield* Target
  const notes: Array<string> = []
  const endpoint = yield* AuditProxy.start({
    listen: Endpoint.tcp("127.0.0.1", 0),
    server: config,
    accounts: new Map([["guest", Account.scramSha256(yield* ScramVerifier.make(clientPassword))]]),
    log: (user, line) => Effect.sync(() => notes.push(`${user} ${line}`))
  })
  const session = yield* Session.make({
    endpoint,
    user: "guest",
    password: clientPassword,
    database: config.database,
    sslMode: "disable",
    ...changes
  })
  return { session, notes }
})

const tests = (name: string, server: Layer.Layer<Target | NodePlatform.NodePlatform, unknown>): void =>
  layer(server, { excludeTestServices: true, timeout: "60 seconds" })(name, (it) => {
    it.effect("answers known users of the audit proxy, whose messages are logged", () =>
      Effect.gen(function*() {
        const { config } = yield* Target
        const direct = yield* Session.make(config)
        const { notes, session } = yield* connectThroughProxy()
        assert.deepStrictEqual(session.server, direct.server)
        assert.strictEqual(session.authentication, "scram-sha-256")
        const { rows } = yield* session.values(Statement.sql`select ${7}::int, 'x'`)
        assert.deepStrictEqual(rows, [[7, "x"]])
        assert.strictEqual(
          yield* Stream.runCount(session.streamValues("select n from generate_series(1, 5000) as g(n)")),
          5000
        )
        const said = notes.join("\n")
        assert.match(said, /guest F\t\d+\tParse\t .*select \$1::int, 'x'/)
        assert.match(said, /generate_series/)
        for (const secret of [clientPassword, config.password]) assert.notInclude(said, Redacted.value(secret))
      }))

    it.effect("is not reached by unknown users of the audit proxy", () =>
      Effect.gen(function*() {
        const { config } = yield* Target
        for (
          const changes of [{ password: Redacted.make("wrong") }, { user: config.user, password: config.password }]
        ) {
          const error = yield* Effect.flip(connectThroughProxy(changes))
          assert(error._tag === "AuthError" && error.reason._tag === "Rejected")
          assert.strictEqual(error.reason.sqlState, "28P01")
        }
      }))

    it.effect("reports through the audit proxy why a session failed", () =>
      Effect.gen(function*() {
        const { session } = yield* connectThroughProxy({ options: "-c no_such_setting=1" })
        const error = yield* Effect.flip(session.query("select 1"))
        assert.include(error.message, "no_such_setting")
      }))

    it.effect("receives cancel requests through the audit proxy", () =>
      Effect.gen(function*() {
        const { session } = yield* connectThroughProxy()
        const running = yield* Effect.forkChild(session.query((yield* Target).long), { startImmediately: true })
        yield* Effect.sleep("50 millis")
        yield* Fiber.interrupt(running)
        assert.deepStrictEqual((yield* session.values("select 1")).rows, [[1]])
      }))

    it.effect("is reachable over WebSockets", () =>
      Effect.gen(function*() {
        const { config } = yield* Target
        const port = yield* WebSocketProxy.start({
          host: "127.0.0.1",
          port: 0,
          server: (path) => path === "/db" ? config.endpoint : undefined
        })
        const by = (path: string) =>
          SocketTransport.layer(() => Socket.makeWebSocket(`ws://127.0.0.1:${port}${path}`)).pipe(
            Layer.provide(NodeSocket.layerWebSocketConstructor)
          )
        yield* Effect.gen(function*() {
          const session = yield* Session.make({ ...config, sslMode: "disable" })
          const rows = yield* Stream.runCollect(session.streamValues("select n from generate_series(1, 50000) as g(n)"))
          assert.deepStrictEqual([rows.length, rows.at(-1)], [50_000, [50_000]])
          const { rows: [row] } = yield* session.values(Statement.sql`select ${"ä"}::text`)
          assert.deepStrictEqual(row, ["ä"])
        }).pipe(Effect.scoped, Effect.provide(by("/db")))
        const error = yield* Effect.flip(Effect.provide(Session.make({ ...config, sslMode: "disable" }), by("/other")))
        assert.strictEqual(error._tag === "AuthError" && error.reason._tag, "ServerClosed")
      }))
  })

/** Starts the program for the scope and returns the endpoint that it prints. */
const program = (args: ReadonlyArray<string>, environment: NodeJS.ProcessEnv = {}) =>
  Effect.acquireRelease(
    Effect.callback<{ readonly child: ChildProcess; readonly where: string }>((resume) => {
      const path = fileURLToPath(new URL("../proxy.ts", import.meta.url))
      const child = spawn(process.execPath, ["--conditions=@hyperfect/source", path, ...args], {
        env: { ...process.env, ...environment },
        stdio: ["ignore", "pipe", "inherit"]
      })
      let output = ""
      child.stdout.on("data", (chunk) => {
        output += chunk
        const where = /listening on (\S+)/.exec(output)?.[1]
        if (where !== undefined) resume(Effect.succeed({ child, where }))
      })
    }),
    ({ child }) => Effect.sync(() => child.kill("SIGKILL"))
  ).pipe(Effect.map(({ where }) => where))

layer(onPostgres, { excludeTestServices: true, timeout: "60 seconds" })("proxy program", (it) => {
  it.effect("runs either kind of proxy", () =>
    Effect.gen(function*() {
      const { config } = yield* Target
      const server = Endpoint.format(config.endpoint)
      const where = yield* program(["audit", "--server", server, "--server-user", config.user, "--user", "guest"], {
        PROXY_PASSWORD: Redacted.value(clientPassword),
        PROXY_SERVER_PASSWORD: Redacted.value(config.password)
      })
      const session = yield* Session.make({
        endpoint: Endpoint.tcp("127.0.0.1", Number(where.split(":")[1])),
        user: "guest",
        password: clientPassword,
        database: config.database
      })
      assert.deepStrictEqual((yield* session.values("select current_user")).rows, [[config.user]])
      const address = yield* program(["websockets", "--server", server])
      const by = SocketTransport.layer(() => Socket.makeWebSocket(address)).pipe(
        Layer.provide(NodeSocket.layerWebSocketConstructor)
      )
      const other = yield* Effect.provide(Session.make({ ...config, sslMode: "disable" }), by)
      assert.deepStrictEqual((yield* other.values("select 1")).rows, [[1]])
    }), 60_000)
})

tests("PostgreSQL", onPostgres)
tests("Hyper", onHyper)

/** WebSocket connections to the endpoint in their path. */
const overWebSockets: Layer.Layer<Transport.Transport> = Layer.unwrap(
  Effect.map(
    Effect.orDie(WebSocketProxy.start({
      host: "127.0.0.1",
      port: 0,
      server: (path) => {
        const [, host, port] = path.split("/")
        return Endpoint.tcp(host!, Number(port))
      }
    })),
    (proxy) =>
      SocketTransport.layer((endpoint) =>
        Socket.makeWebSocket(
          endpoint._tag === "Tcp" ? `ws://127.0.0.1:${proxy}/${endpoint.host}/${endpoint.port}` : "ws://127.0.0.1:1"
        )
      ).pipe(Layer.provide(NodeSocket.layerWebSocketConstructor))
  )
).pipe(Layer.provide(NodeTransport.layer))

/**
 * Laws that cannot hold over a WebSocket: it accepts writes immediately, and the proxy accepts connections even if the
 * server cannot be reached.
 */
const without = [
  "an interrupted write is still sent completely",
  "unread data is held back",
  "closing fails a suspended write",
  "the peer's close eventually fails writes",
  "connecting to an endpoint without a listener"
]

describe("Transport laws: WebSockets", () => {
  const laws = TransportConformance.laws({
    endpoint: Effect.succeed(Endpoint.tcp("127.0.0.1", 0)),
    maxWriteSize: 1_000_000,
    timeout: "3 minutes"
  })
  it("excludes existing laws only", () => {
    for (const prefix of without) assert.isTrue(laws.some((law) => law.name.startsWith(prefix)), prefix)
  })
  for (const law of laws.filter((law) => !without.some((prefix) => law.name.startsWith(prefix)))) {
    it.live(law.name, () => Effect.provide(law.check, Layer.provideMerge(overWebSockets, NodeTransport.layer)))
  }
})
