import { assert, describe, it, layer } from "@effect/vitest"
import * as Session from "@hyperfect/client/Session"
import { Hyperd } from "@hyperfect/hyper/Hyperd"
import * as NodePlatform from "@hyperfect/node/NodePlatform"
import * as HyperdServer from "@hyperfect/testing/HyperdServer"
import * as Endpoint from "@hyperfect/transport/Endpoint"
import { Effect, Exit, Layer, Redacted, Scope } from "effect"
import { existsSync } from "node:fs"
import { join } from "node:path"

describe("HyperdServer", () => {
  layer(HyperdServer.layer().pipe(Layer.provideMerge(NodePlatform.layer)))("with default options", (it) => {
    it.effect("accepts sessions by SCRAM-SHA-256", () =>
      Effect.gen(function*() {
        const hyperd = yield* Hyperd
        assert.strictEqual(hyperd.authentication, "password")
        const session = yield* Session.make(hyperd)
        assert.strictEqual(session.authentication, "scram-sha-256")
        assert.strictEqual(session.server.kind, "hyper")
      }))
  })

  it.live("removes databases with relative paths when its scope closes", () =>
    Effect.gen(function*() {
      const scope = yield* Scope.make()
      const hyperd = yield* Scope.provide(HyperdServer.make({ authentication: "trust" }), scope)
      const session = yield* Session.make(hyperd)
      assert.strictEqual(session.authentication, "trust")
      yield* session.query("create database \"scratch.hyper\"")
      assert.isTrue(existsSync(join(hyperd.workingDirectory, "scratch.hyper")))
      yield* Scope.close(scope, Exit.void)
      assert.isFalse(existsSync(hyperd.workingDirectory))
    }).pipe(Effect.provide(NodePlatform.layer)))

  it.live("has a certificate that clients can use as a root", () =>
    Effect.gen(function*() {
      const hyperd = yield* HyperdServer.make({ tls: true, password: Redacted.make("another") })
      if (hyperd.endpoint._tag !== "Tcp") return assert.fail("not on TCP")
      for (const host of ["127.0.0.1", "localhost"]) {
        const endpoint = Endpoint.tcp(host, hyperd.endpoint.port)
        const session = yield* Session.make({
          ...hyperd,
          endpoint,
          sslMode: "verify-full",
          rootCertificates: hyperd.tls?.certificate
        })
        assert.strictEqual(session.tls?.protocol, "TLSv1.3")
      }
    }).pipe(Effect.provide(NodePlatform.layer)))
})
