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
import { servers, Target } from "./servers.ts"

type Config = ConnectionConfig.ConnectionConfig

/** Servers of one kind: with a good certificate, and with those of another host and of another time. */
class Secured extends Context.Service<Secured, {
  readonly good: Config
  /** It takes nobody without TLS. */
  readonly misnamed: Config
  /** Hyper does not start with such a certificate. */
  readonly expired: Config | undefined
  readonly roots: string
  readonly otherRoots: string
}>()("test/Secured") {}

const serverOf = {
  PostgreSQL: (tls: PostgresServer.TlsOptions): Effect.Effect<Config, unknown, Needed> =>
    PostgresServer.make({ tls, databases: ["app"] }),
  Hyper: (tls: Hyperd.TlsOptions): Effect.Effect<Config, unknown, Needed> => HyperdServer.make({ tls })
}

type Needed =
  | Effect.Services<ReturnType<typeof PostgresServer.make>>
  | Effect.Services<ReturnType<typeof HyperdServer.make>>

const secured = (kind: keyof typeof serverOf) =>
  Layer.effect(
    Secured,
    Effect.gen(function*() {
      const authority = yield* Certificates.makeAuthority({ name: "Test Root" })
      const other = yield* Certificates.makeAuthority({ name: "Another Root" })
      const hosts = ["localhost", "127.0.0.1"]
      const start = (options: Partial<Certificates.Options> & { readonly required?: boolean }) =>
        Effect.flatMap(
          authority.issue({ name: "server", hosts, ...options }),
          ({ certificate, key }) => serverOf[kind]({ certificate, key, required: options.required })
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
        connectTimeout: 5000
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

const failure = (config: Config) =>
  Effect.map(Effect.flip(Session.make(config)), (error) => {
    assert.isTrue(error._tag === "TransportError" || error._tag === "AuthError", error._tag)
    return error as Extract<typeof error, { readonly _tag: "TransportError" | "AuthError" }>
  })

for (const kind of ["PostgreSQL", "Hyper"] as const) {
  describe(kind, () => {
    layer(secured(kind), { excludeTestServices: true, timeout: "60 seconds" })((it) => {
      it.effect("speaks TLS with whoever answers when that is required", () =>
        Effect.gen(function*() {
          const { expired, good, misnamed } = yield* Secured
          for (const config of [good, misnamed, ...expired === undefined ? [] : [expired]]) {
            const session = yield* Session.make({ ...config, sslMode: "require" })
            assert.match(session.tls?.protocol ?? "", /^TLSv1\.3$/)
            assert.isAbove(session.tls?.peerCertificate?.length ?? 0, 100)
            assert.deepStrictEqual((yield* session.values("select 1")).rows, [[1]])
          }
        }))

      it.effect("knows the owner of a trusted certificate for the host", () =>
        Effect.gen(function*() {
          const { good, roots } = yield* Secured
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

      it.effect("is not taken for somebody else's, or an old one's, certificate", () =>
        Effect.gen(function*() {
          const { expired, good, misnamed, otherRoots, roots } = yield* Secured
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
            const { reason } = yield* failure(config)
            assert.strictEqual(reason._tag, "TlsFailed")
            assert.match(reason._tag === "TlsFailed" ? reason.code ?? "" : "", code)
          }
        }))

      it.effect("refuses a plain line when it wants TLS", () =>
        Effect.gen(function*() {
          const { good, misnamed } = yield* Secured
          const error = yield* failure({ ...misnamed, sslMode: "disable" })
          assert.strictEqual(error.reason._tag, "Rejected")
          const session = yield* Session.make({ ...good, sslMode: "disable" })
          assert.strictEqual(session.tls, undefined)
        }))

      it.effect("is asked over TLS too when a query is to be cancelled, and carries large data", () =>
        Effect.gen(function*() {
          const { good, roots } = yield* Secured
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

servers({
  both(it) {
    it.effect("says so when it has no TLS", () =>
      Effect.gen(function*() {
        const { config } = yield* Target
        for (const sslMode of ["require", "verify-full"] as const) {
          const { isRetryable, reason } = yield* failure({ ...config, sslMode })
          assert.strictEqual(reason._tag, "TlsRefused")
          assert.isFalse(isRetryable)
        }
      }))
  }
})
