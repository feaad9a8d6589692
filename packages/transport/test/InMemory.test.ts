import { assert, describe, it } from "@effect/vitest"
import { Certificates, TransportConformance } from "@hyperfect/testing"
import { type Connection, Endpoint, InMemory, Transport } from "@hyperfect/transport"
import { Deferred, Effect, Exit, Fiber, Layer, Redacted, Ref, Scope } from "effect"

const listenOptions = { endpoint: Effect.succeed(Endpoint.tcp("server", 0)), timeout: "3 minutes" } as const

/** Many times the capacity of the network in small pieces. */
const smaller = { ...listenOptions, maxWriteSize: 1_000_000 }

const certificate = await Effect.runPromise(Certificates.selfSigned({ name: "server" }))

const tls = {
  client: { verification: "full", serverName: "server" },
  server: certificate
} as const

const suites = [
  ["in memory", TransportConformance.laws(listenOptions), InMemory.layerNetwork()],
  ["in memory, in small pieces", TransportConformance.laws(smaller), InMemory.layerNetwork({ capacity: 1000 })],
  ["securing lines in memory", TransportConformance.tlsLaws({ ...listenOptions, ...tls }), InMemory.layerNetwork()],
  [
    "secured lines in memory",
    TransportConformance.laws(smaller),
    TransportConformance.layerSecured(tls).pipe(Layer.provide(InMemory.layerNetwork()))
  ]
] as const

for (const [name, laws, layer] of suites) {
  describe(`Transport laws: ${name}`, () => {
    for (const law of laws) it.live(law.name, () => law.check.pipe(Effect.provide(layer)))
  })
}

const bytes = (...values: Array<number>): Uint8Array => Uint8Array.from(values)

const take = (connection: Connection.Connection, size: number) =>
  Effect.gen(function*() {
    const taken: Array<number> = []
    while (taken.length < size) for (const chunk of yield* connection.pull) taken.push(...chunk)
    return taken
  })

describe("InMemory.pair", () => {
  it.effect("transfers one byte at a time with a capacity of one", () =>
    Effect.gen(function*() {
      const { client, server } = yield* InMemory.pair({ capacity: 1 })
      const writing = yield* Effect.forkChild(client.write(bytes(1, 2, 3)), { startImmediately: true })
      for (const byte of [1, 2, 3]) {
        assert.deepStrictEqual(yield* server.pull, [bytes(byte)])
      }
      yield* Fiber.join(writing)
    }))

  it.effect("returns the data of several writes in one pull", () =>
    Effect.gen(function*() {
      const { client, server } = yield* InMemory.pair()
      yield* client.write(bytes(1, 2))
      yield* client.write(bytes(3))
      assert.deepStrictEqual(yield* server.pull, [bytes(1, 2), bytes(3)])
    }))

  it.effect("suspends a write until all but the capacity of it has been read", () =>
    Effect.gen(function*() {
      const { client, server } = yield* InMemory.pair({ capacity: 4 })
      yield* client.write(bytes(1, 2, 3, 4))
      const writing = yield* Effect.forkChild(client.write(bytes(5, 6, 7, 8, 9)), { startImmediately: true })
      assert.deepStrictEqual(yield* server.pull, [bytes(1, 2, 3, 4)])
      yield* Effect.yieldNow
      assert.isUndefined(writing.pollUnsafe())
      assert.deepStrictEqual(yield* server.pull, [bytes(5, 6, 7, 8)])
      yield* Fiber.join(writing)
      assert.deepStrictEqual(yield* server.pull, [bytes(9)])
    }))

  it.effect("does not show the reader later changes to the writer's array", () =>
    Effect.gen(function*() {
      const { client, server } = yield* InMemory.pair()
      const array = bytes(1, 2, 3)
      yield* client.write(array)
      const [chunk] = yield* server.pull
      array.fill(0)
      assert.deepStrictEqual(chunk, bytes(1, 2, 3))
    }))

  it.effect("dies on two concurrent pulls, and affects neither the first pull nor the connection", () =>
    Effect.gen(function*() {
      const { client, server } = yield* InMemory.pair()
      const first = yield* Effect.forkChild(client.pull, { startImmediately: true })
      assert.isTrue(Exit.hasDies(yield* Effect.exit(client.pull)))
      yield* server.write(bytes(1))
      assert.deepStrictEqual(yield* Fiber.join(first), [bytes(1)])
    }))

  it.effect("closes both ends with its scope", () =>
    Effect.gen(function*() {
      const scope = yield* Scope.make()
      const { client, server } = yield* Scope.provide(InMemory.pair(), scope)
      yield* Scope.close(scope, Exit.void)
      assert.strictEqual((yield* Effect.flip(client.pull)).reason._tag, "Closed")
      assert.strictEqual((yield* Effect.flip(server.write(bytes(1)))).reason._tag, "Closed")
    }))

  it.effect("reports that TLS in memory is not encrypted, and exchanges the certificates", () =>
    Effect.gen(function*() {
      const own = yield* Certificates.selfSigned({ name: "client" })
      for (const clientRoots of [undefined, own.certificate]) {
        const { client, server } = yield* InMemory.pair()
        const [clientInfo, serverInfo] = yield* Effect.all([
          client.startTls({ ...tls.client, certificate: own.certificate, key: own.key }),
          server.acceptTls({ ...tls.server, clientRoots })
        ], { concurrency: 2 })
        assert.deepStrictEqual(clientInfo, {
          protocol: InMemory.tlsProtocol,
          cipher: "NULL",
          peerCertificate: certificate.der
        })
        // The client's certificate is sent only if requested.
        assert.deepStrictEqual(serverInfo.peerCertificate, clientRoots === undefined ? undefined : own.der)
      }
    }))

  it.effect("fails for an invalid certificate", () =>
    Effect.gen(function*() {
      const codes: Array<string | undefined> = []
      for (const pem of ["nonsense", "-----BEGIN CERTIFICATE-----\n?\n-----END CERTIFICATE-----"]) {
        const { client, server } = yield* InMemory.pair()
        yield* Effect.forkChild(Effect.ignore(client.startTls(tls.client)))
        const { reason } = yield* Effect.flip(server.acceptTls({ certificate: pem, key: Redacted.make("") }))
        codes.push(reason._tag === "TlsFailed" ? reason.code : reason._tag)
      }
      assert.deepStrictEqual(codes, ["ERR_OSSL_PEM_NO_START_LINE", "ERR_OSSL_PEM_BAD_BASE64_DECODE"])
    }))
})

describe("InMemory.layer", () => {
  const endpoint = Endpoint.tcp("db.example.org", 5432)
  const connect = Effect.flatMap(Transport.Transport, (transport) => transport.connect(endpoint))

  it.effect("runs the handler once per connection, with the endpoint", () => {
    const seen: Array<string> = []
    const layer = InMemory.layer((line, to) =>
      Effect.gen(function*() {
        seen.push(Endpoint.format(to))
        yield* line.write(bytes(seen.length))
      })
    )
    return Effect.gen(function*() {
      const one = yield* connect
      const two = yield* connect
      assert.deepStrictEqual(yield* take(two, 1), [2])
      assert.deepStrictEqual(yield* take(one, 1), [1])
      assert.deepStrictEqual(seen, ["db.example.org:5432", "db.example.org:5432"])
      assert.strictEqual(one.remote, "db.example.org:5432")
    }).pipe(Effect.provide(layer))
  })

  it.effect("closes the connection when the handler returns", () =>
    Effect.gen(function*() {
      const line = yield* connect
      assert.deepStrictEqual(yield* take(line, 2), [1, 2])
      const { reason } = yield* Effect.flip(line.pull)
      assert.isTrue(reason._tag === "Closed" && reason.by === "peer")
    }).pipe(Effect.provide(InMemory.layer((line) => line.write(bytes(1, 2))))))

  it.effect("lets the handler continue after the client has disconnected, with the end of the stream", () =>
    Effect.gen(function*() {
      const end = yield* Deferred.make<string>()
      const layer = InMemory.layer((line) =>
        Effect.flatMap(Effect.flip(Effect.forever(line.pull)), (error) => Deferred.succeed(end, error.reason._tag))
      )
      yield* Effect.gen(function*() {
        yield* Effect.scoped(Effect.flatMap(connect, (line) => line.write(bytes(1))))
        assert.strictEqual(yield* Deferred.await(end), "Closed")
      }).pipe(Effect.provide(layer))
    }))

  it.effect("interrupts its handlers with its scope", () =>
    Effect.gen(function*() {
      const interrupted = yield* Ref.make(false)
      const layer = InMemory.layer(() => Effect.onInterrupt(Effect.never, () => Ref.set(interrupted, true)))
      yield* Effect.provide(connect, layer)
      assert.isTrue(yield* Ref.get(interrupted))
    }))

  it.effect("closes the connection when the handler dies", () =>
    Effect.gen(function*() {
      const line = yield* connect
      assert.strictEqual((yield* Effect.flip(line.pull)).reason._tag, "Closed")
    }).pipe(Effect.provide(InMemory.layer(() => Effect.die(new Error("a bug in the handler"))))))
})

describe("InMemory.layerNetwork", () => {
  it.effect("isolates networks from each other", () =>
    Effect.gen(function*() {
      const endpoint = Effect.succeed(Endpoint.unix("/run/server"))
      const [law] = TransportConformance.laws({ ...listenOptions, endpoint })
      yield* Effect.all([law!.check, law!.check].map(Effect.provide(InMemory.layerNetwork(), { local: true })), {
        concurrency: 2
      })
    }))
})
