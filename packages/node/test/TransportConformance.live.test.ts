import { describe, it } from "@effect/vitest"
import { NodePlatform, NodeTransport } from "@hyperfect/node"
import { Certificates, TransportConformance } from "@hyperfect/testing"
import { type Connection, Endpoint, FastPath, Transport } from "@hyperfect/transport"
import { Effect, FileSystem, Layer } from "effect"

const timeout = "3 minutes"

const tcp = { endpoint: Effect.succeed(Endpoint.tcp("127.0.0.1", 0)), timeout } as const

const unix = {
  endpoint: Effect.gen(function*() {
    const fileSystem = yield* FileSystem.FileSystem
    const directory = yield* fileSystem.makeTempDirectoryScoped({ prefix: "hyperfect-" })
    return Endpoint.unix(`${directory}/.s.PGSQL.5432`)
  }).pipe(Effect.orDie, Effect.provide(NodePlatform.layer)),
  timeout
} as const

const tls = await Effect.runPromise(Effect.gen(function*() {
  const authority = yield* Certificates.makeAuthority({ name: "Root" })
  const server = yield* authority.issue({ name: "server", hosts: ["db.example.org"] })
  return {
    client: { verification: "full", serverName: "db.example.org", rootCertificates: authority.certificate } as const,
    server
  }
}))

const secured = TransportConformance.layerSecured(tls).pipe(Layer.provide(NodeTransport.layer))

/** Uses the fast path for pulls and writes wherever it applies. */
const overFastPath = (line: Connection.Connection): Connection.Connection => {
  const send = FastPath.sender(line)
  return {
    ...line,
    pull: Effect.suspend(() => {
      let taken: Effect.Success<Connection.Connection["pull"]> | undefined
      const take: FastPath.OnChunks = (chunks) => {
        taken = chunks
        return false
      }
      return Effect.map(FastPath.pullWhile(line, take), () => taken!)
    }),
    write: (bytes) => Effect.suspend(() => (send(bytes) ? Effect.void : line.write(bytes)))
  }
}

const fastPath = Layer.effect(
  Transport.Transport,
  Effect.map(Transport.Transport, (transport) =>
    Transport.Transport.of({
      connect: (endpoint, options) => Effect.map(transport.connect(endpoint, options), overFastPath)
    }))
).pipe(Layer.provideMerge(NodeTransport.layer))

const suites = [
  ["TCP", TransportConformance.laws(tcp), NodeTransport.layer],
  ["Unix sockets", TransportConformance.laws(unix), NodeTransport.layer],
  ["TCP, directly", TransportConformance.laws(tcp), fastPath],
  ["TLS over TCP", TransportConformance.laws(tcp), secured],
  ["TLS over Unix sockets", TransportConformance.laws(unix), secured],
  ["securing TCP", TransportConformance.tlsLaws({ ...tcp, ...tls }), NodeTransport.layer],
  ["securing Unix sockets", TransportConformance.tlsLaws({ ...unix, ...tls }), NodeTransport.layer]
] as const

for (const [name, laws, layer] of suites) {
  describe(`Transport laws: ${name}`, () => {
    for (const law of laws) it.live(law.name, () => law.check.pipe(Effect.provide(layer)))
  })
}
