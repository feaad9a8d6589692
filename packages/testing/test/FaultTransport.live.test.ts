import { describe, it } from "@effect/vitest"
import { NodeTransport } from "@hyperfect/node"
import { Certificates, TransportConformance } from "@hyperfect/testing"
import { Effect } from "effect"
import { harmless, listenOptions, over } from "./harmlessFaults.ts"

const tls = await Effect.runPromise(Effect.map(
  Certificates.selfSigned({ name: "server", hosts: ["db.example.org"] }),
  (server) => ({ client: { verification: "none", serverName: "db.example.org" } as const, server })
))

const suites = [
  ["on sockets", TransportConformance.laws(listenOptions)],
  ["under TLS", TransportConformance.tlsLaws({ ...listenOptions, ...tls })]
] as const

// Concurrent, because most of them wait most of the time.
describe.concurrent("Transport laws over FaultTransport", () => {
  for (const [name, options] of Object.entries(harmless)) {
    for (const [below, laws] of suites) {
      for (const law of laws) {
        it.live(`${name} ${below}: ${law.name}`, () => Effect.provide(law.check, over(NodeTransport.layer, options)))
      }
    }
  }
})
