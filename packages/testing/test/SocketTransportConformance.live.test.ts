import { NodeSocket } from "@effect/platform-node"
import { assert, describe, it, layer } from "@effect/vitest"
import { Session, Statement } from "@hyperfect/client"
import { NodePlatform, NodeTransport } from "@hyperfect/node"
import { Certificates, PostgresServer, TransportConformance } from "@hyperfect/testing"
import { SocketTransport, type Transport } from "@hyperfect/transport"
import { Effect, Layer, Stream } from "effect"
import { listenOptions } from "./harmlessFaults.ts"

/** Connections over TCP sockets of Effect, to a listener of this library. */
const overTcp = SocketTransport.layer((endpoint) =>
  NodeSocket.makeNet(
    endpoint._tag === "Tcp"
      ? { host: endpoint.host, port: endpoint.port, noDelay: true }
      : { path: endpoint.path }
  )
)

/** These connections have no information about the TLS session. */
const withoutTlsInfo = ["a connection is secured in place"]

const suite = (
  name: string,
  laws: ReadonlyArray<TransportConformance.Law>,
  transport: Layer.Layer<Transport.Transport>,
  without: ReadonlyArray<string> = []
) =>
  describe.concurrent(`Transport laws: ${name}`, () => {
    it("excludes existing laws only", () => {
      for (const prefix of without) assert.isTrue(laws.some((law) => law.name.startsWith(prefix)), prefix)
    })
    for (const law of laws.filter((law) => !without.some((prefix) => law.name.startsWith(prefix)))) {
      it.live(law.name, () => Effect.provide(law.check, Layer.provideMerge(transport, NodeTransport.layer)))
    }
  })

const certificate = await Effect.runPromise(Certificates.selfSigned({ name: "server", hosts: ["db.example.org"] }))
const tls = {
  client: { verification: "full", serverName: "db.example.org", rootCertificates: certificate.certificate },
  server: certificate
} as const

suite("sockets of Effect", TransportConformance.laws(listenOptions), overTcp)
suite("securing sockets of Effect", TransportConformance.tlsLaws({ ...listenOptions, ...tls }), overTcp, withoutTlsInfo)

const exerciseSession = Effect.fnUntraced(function*(config: Parameters<typeof Session.make>[0]) {
  const session = yield* Session.make(config)
  const rows = yield* Stream.runCollect(session.streamValues("select n from generate_series(1, 50000) as g(n)"))
  assert.deepStrictEqual([rows.length, rows.at(-1)], [50_000, [50_000]])
  yield* session.simple("create temporary table t (n int)")
  const data = Stream.make(new TextEncoder().encode(rows.map(([n]) => `${String(n)}\n`).join("")))
  assert.strictEqual((yield* session.copyIn("copy t from stdin", data)).rowCount, 50_000)
  const { rows: [sum] } = yield* session.values(Statement.sql`select sum(n), ${"ä"}::text from t where n <= ${10}`)
  assert.deepStrictEqual([Number(sum![0]), sum![1]], [55, "ä"])
  return session.tls
})

layer(PostgresServer.layer({ tls: certificate }).pipe(Layer.provideMerge(NodePlatform.layer)), {
  excludeTestServices: true,
  timeout: "60 seconds"
})("PostgreSQL", (it) => {
  it.effect("is reachable over a socket of Effect, with and without TLS", () =>
    Effect.gen(function*() {
      const server = yield* PostgresServer.PostgresServer
      assert.isUndefined(yield* Effect.provide(exerciseSession({ ...server, sslMode: "disable" }), overTcp))
      const secured = yield* Effect.provide(exerciseSession({ ...server, sslMode: "require" }), overTcp)
      assert.deepStrictEqual(secured?.protocol, "TLS")
      const error = yield* Effect.flip(Effect.provide(Session.make({ ...server, sslMode: "verify-full" }), overTcp))
      assert.isTrue(error._tag === "TransportError" && error.reason._tag === "TlsFailed")
    }))
})
