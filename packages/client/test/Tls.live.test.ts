import { assert, describe, layer } from "@effect/vitest"
import type * as ConnectionConfig from "@hyperfect/client/ConnectionConfig"
import * as Session from "@hyperfect/client/Session"
import type * as Hyperd from "@hyperfect/hyper/Hyperd"
import * as NodePlatform from "@hyperfect/node/NodePlatform"
import * as Certificates from "@hyperfect/testing/Certificates"
import * as HyperdServer from "@hyperfect/testing/HyperdServer"
import * as PostgresServer from "@hyperfect/testing/PostgresServer"
import * as Endpoint from "@hyperfect/transport/Endpoint"
import { Context, Effect, Layer, Stream } from "effect"
import { describeServers, TestServer } from "./liveServers.ts"

type Config = ConnectionConfig.ConnectionConfig

/** Servers of one kind: with a valid certificate, with one for another host, and with an expired one. */
class TlsServers extends Context.Service<TlsServers, {
  readonly good: Config
  /** It refuses connections without TLS. */
  readonly misnamed: Config
  /** Hyper does not start with such a certificate. */
  readonly expired: Config | undefined
  readonly roots: string
  readonly otherRoots: string
}>()("test/Secured") {}

const makeServer = {
  PostgreSQL: (tls: PostgresServer.TlsOptions): Effect.Effect<Config, unknown, ServerRequirements> =>
    PostgresServer.make({ tls, databases: ["app"] }),
  Hyper: (tls: Hyperd.TlsOptions): Effect.Effect<Config, unknown, ServerRequirements> => HyperdServer.make({ tls })
}

type ServerRequirements =
  | Effect.Services<ReturnType<typeof PostgresServer.make>>
  | Effect.Services<ReturnType<typeof HyperdServer.make>>

const layerServers = (kind: keyof typeof makeServer) =>
  Layer.effect(
    TlsServers,
    Effect.gen(function*() {
      const authority = yield* Certificates.makeAuthority({ name: "Test Root" })
      const other = yield* Certificates.makeAuthority({ name: "Another Root" })
      const hosts = ["localhost", "127.0.0.1"]
      const start = (options: Partial<Certificates.Options> & { readonly required?: boolean }) =>
        Effect.flatMap(
          authority.issue({ name: "server", hosts, ...options }),
          ({ certificate, key }) => makeServer[kind]({ certificate, key, required: options.required })
        )
      const [good, misnamed, expired] = yield* Effect.all([
        start({}),
        start({ hosts: ["db.example"], required: true }),
        kind === "Hyper" ? Effect.undefined : start({ notAfter: new Date("2001-01-01T00:00:00Z") })
      ], { concurrency: "unbounded" })
      const config = ({ endpoint, password, user }: Config): Config => ({
        endpoint,
        user,
        password,
        connectTimeout: 20_000
      })
      return {
        good: config(good),
        misnamed: config(misnamed),
        expired: expired && config(expired),
        roots: authority.certificate,
        otherRoots: other.certificate
      }
    })
  ).pipe(Layer.provideMerge(NodePlatform.layer))

const connectError = (config: Config) =>
  Effect.map(Effect.flip(Session.make(config)), (error) => {
    assert.isTrue(error._tag === "TransportError" || error._tag === "AuthError", error._tag)
    return error as Extract<typeof error, { readonly _tag: "TransportError" | "AuthError" }>
  })

for (const kind of ["PostgreSQL", "Hyper"] as const) {
  describe(kind, () => {
    layer(layerServers(kind), { excludeTestServices: true, timeout: "60 seconds" })((it) => {
      it.effect("accepts any server certificate with sslmode require", () =>
        Effect.gen(function*() {
          const { expired, good, misnamed } = yield* TlsServers
          for (const config of [good, misnamed, ...expired === undefined ? [] : [expired]]) {
            const session = yield* Session.make({ ...config, sslMode: "require" })
            assert.match(session.tls?.protocol ?? "", /^TLSv1\.3$/)
            assert.isAbove(session.tls?.peerCertificate?.length ?? 0, 100)
            assert.deepStrictEqual((yield* session.values("select 1")).rows, [[1]])
          }
        }))

      it.effect("accepts a trusted certificate for the host", () =>
        Effect.gen(function*() {
          const { good, roots } = yield* TlsServers
          const port = good.endpoint._tag === "Tcp" ? good.endpoint.port : 0
          for (const endpoint of [good.endpoint, Endpoint.tcp("localhost", port)]) {
            const session = yield* Session.make({
              ...good,
              endpoint,
              sslMode: "verify-full",
              rootCertificates: roots
            })
            assert.deepStrictEqual((yield* session.values("select 1")).rows, [[1]])
          }
        }))

      it.effect("refuses a certificate of another host or an expired one", () =>
        Effect.gen(function*() {
          const { expired, good, misnamed, otherRoots, roots } = yield* TlsServers
          const mode = { sslMode: "verify-full" } as const
          const cases: ReadonlyArray<readonly [config: Config, code: RegExp]> = [
            [{ ...misnamed, ...mode, rootCertificates: roots }, /^ERR_TLS_CERT_ALTNAME_INVALID$/],
            ...expired === undefined
              ? []
              : [[{ ...expired, ...mode, rootCertificates: roots }, /^CERT_HAS_EXPIRED$/] as const],
            [{ ...good, ...mode, rootCertificates: otherRoots }, /^(UNABLE_TO|SELF_SIGNED|CERT_SIGNATURE)/],
            [{ ...good, ...mode }, /^(UNABLE_TO|SELF_SIGNED)/]
          ]
          for (const [config, code] of cases) {
            const { reason } = yield* connectError(config)
            assert.strictEqual(reason._tag, "TlsFailed")
            assert.match(reason._tag === "TlsFailed" ? reason.code ?? "" : "", code)
          }
        }))

      it.effect("refuses a plain connection if it requires TLS", () =>
        Effect.gen(function*() {
          const { good, misnamed } = yield* TlsServers
          const error = yield* connectError({ ...misnamed, sslMode: "disable" })
          assert.strictEqual(error.reason._tag, "Rejected")
          const session = yield* Session.make({ ...good, sslMode: "disable" })
          assert.strictEqual(session.tls, undefined)
        }))

      it.effect("is used for cancel requests, and carries large data", () =>
        Effect.gen(function*() {
          const { good, roots } = yield* TlsServers
          const session = yield* Session.make({ ...good, sslMode: "verify-full", rootCertificates: roots })
          const rows = session.streamValues("select n, 'some text' from generate_series(1, 200000) as g(n)")
          assert.strictEqual(yield* Stream.runCount(rows), 200_000)
          for (const take of [1, 1000]) assert.strictEqual(yield* Stream.runCount(Stream.take(rows, take)), take)
          const long = kind === "Hyper"
            ? "select count(*) from generate_series(1, 100000000000) as g(n) where n % 7 = 3"
            : "select pg_sleep(60)"
          assert.strictEqual((yield* Effect.timeoutOption(session.query(long), "50 millis"))._tag, "None")
          assert.deepStrictEqual((yield* session.values("select 1")).rows, [[1]])
        }))
    })
  })
}

describeServers({
  both(it) {
    it.effect("fails if the server does not offer it", () =>
      Effect.gen(function*() {
        const { config } = yield* TestServer
        for (const sslMode of ["require", "verify-full"] as const) {
          const { isRetryable, reason } = yield* connectError({ ...config, sslMode })
          assert.strictEqual(reason._tag, "TlsRefused")
          assert.isFalse(isRetryable)
        }
      }))
  }
})
