/** How a line is encrypted: what is tried, in which order, and what it comes to. */
import { assert, describe, it, layer } from "@effect/vitest"
import type * as ConnectionConfig from "@hyperfect/client/ConnectionConfig"
import * as Session from "@hyperfect/client/Session"
import * as NodePlatform from "@hyperfect/node/NodePlatform"
import * as Certificates from "@hyperfect/testing/Certificates"
import * as PostgresServer from "@hyperfect/testing/PostgresServer"
import * as Endpoint from "@hyperfect/transport/Endpoint"
import { Context, Effect, Fiber, FileSystem, Layer, Redacted } from "effect"
import { TestClock } from "effect/testing"
import { createPrivateKey } from "node:crypto"
import { revocationList } from "./revocationList.ts"
import { Events, type Part, scene, visit } from "./scene.ts"

type SslMode = ConnectionConfig.SslMode

const config = (sslMode: SslMode, endpoint = Endpoint.tcp("server", 5432)): ConnectionConfig.ConnectionConfig => ({
  endpoint,
  user: "app",
  sslMode
})

/** What happens with a server in a mode, and whether it ends in a session. */
const negotiate = (part: Part, sslMode: SslMode) =>
  Effect.gen(function*() {
    const ended = yield* Effect.result(visit(config(sslMode)))
    const events = (yield* Events).all.map((event) => event.slice("server: ".length)).filter((event) => event !== "bye")
    return `${events.join(", ")} -> ${ended._tag === "Success" ? "session" : ended.failure._tag}`
  }).pipe(Effect.provide(scene({ server: part })))

const sslUser = (secured: boolean) => (secured ? undefined : "28000")
const noSslUser = (secured: boolean) => (secured ? "28000" : undefined)
const nobody = () => "28P01"

describe("the encryption of a line", () => {
  it.effect.each<readonly [what: string, part: Part, mode: SslMode, events: string]>([
    // The table of libpq: a server without TLS,
    ["no TLS", {}, "disable", "connect, authok -> session"],
    ["no TLS", {}, "allow", "connect, authok -> session"],
    ["no TLS", {}, "prefer", "connect, sslreject, authok -> session"],
    ["no TLS", {}, "require", "connect, sslreject -> TransportError"],
    // one with TLS,
    ["TLS", { tls: "yes" }, "disable", "connect, authok -> session"],
    ["TLS", { tls: "yes" }, "allow", "connect, authok -> session"],
    ["TLS", { tls: "yes" }, "prefer", "connect, sslaccept, authok -> session"],
    ["TLS", { tls: "yes" }, "require", "connect, sslaccept, authok -> session"],
    // one that wants TLS of this user,
    ["forced TLS", { tls: "yes", refuse: sslUser }, "disable", "connect, authfail -> AuthError"],
    [
      "forced TLS",
      { tls: "yes", refuse: sslUser },
      "allow",
      "connect, authfail, connect, sslaccept, authok -> session"
    ],
    ["forced TLS", { tls: "yes", refuse: sslUser }, "prefer", "connect, sslaccept, authok -> session"],
    ["forced TLS", { tls: "yes", refuse: sslUser }, "require", "connect, sslaccept, authok -> session"],
    // one that does not want it,
    ["unwanted TLS", { tls: "yes", refuse: noSslUser }, "disable", "connect, authok -> session"],
    ["unwanted TLS", { tls: "yes", refuse: noSslUser }, "allow", "connect, authok -> session"],
    [
      "unwanted TLS",
      { tls: "yes", refuse: noSslUser },
      "prefer",
      "connect, sslaccept, authfail, connect, authok -> session"
    ],
    ["unwanted TLS", { tls: "yes", refuse: noSslUser }, "require", "connect, sslaccept, authfail -> AuthError"],
    // and servers that fail before, and in the middle of, the handshake.
    ["an error", { tls: "error" }, "prefer", "connect, error -> TransportError"],
    ["an error", { tls: "error" }, "require", "connect, error -> TransportError"],
    ["a lost handshake", { tls: "hang-up" }, "prefer", "connect, sslaccept, connect, authok -> session"],
    ["a lost handshake", { tls: "hang-up" }, "require", "connect, sslaccept -> TransportError"],
    // More.
    ["a broken handshake", { tls: "broken" }, "prefer", "connect, sslaccept, connect, authok -> session"],
    ["a broken handshake", { tls: "broken" }, "require", "connect, sslaccept -> TransportError"],
    ["an unknown byte", { tls: "garbage" }, "prefer", "connect, garbage -> TransportError"],
    [
      "forced TLS that is not there",
      { refuse: sslUser },
      "allow",
      "connect, authfail, connect, sslreject -> AuthError"
    ],
    ["a stranger", { refuse: nobody }, "disable", "connect, authfail -> AuthError"],
    ["a stranger", { refuse: nobody }, "prefer", "connect, sslreject, authfail -> AuthError"],
    [
      "a stranger",
      { tls: "yes", refuse: nobody },
      "prefer",
      "connect, sslaccept, authfail, connect, authfail -> AuthError"
    ],
    [
      "a stranger",
      { tls: "yes", refuse: nobody },
      "allow",
      "connect, authfail, connect, sslaccept, authfail -> AuthError"
    ],
    [
      "a server that starts",
      { tls: "yes", refuse: () => "57P03" },
      "prefer",
      "connect, sslaccept, authfail -> AuthError"
    ],
    ["a server that starts", { tls: "yes", refuse: () => "57P03" }, "allow", "connect, authfail -> AuthError"],
    ["a server that leaves", { tls: "yes", leave: true }, "prefer", "connect, sslaccept -> AuthError"]
  ])("with %s: %o, %s: %s", ([, part, mode, events]) =>
    Effect.gen(function*() {
      assert.strictEqual(yield* negotiate(part, mode), events)
    }))

  it.effect.each<readonly [mode: SslMode, onTls: string, inClear: string, told: string]>([
    // The refusal by the rules for such a line says less than what happened on the other one.
    ["prefer", "28000", "28P01", "28P01"],
    ["prefer", "28P01", "28000", "28P01"],
    ["allow", "28P01", "28000", "28P01"],
    ["allow", "28000", "28P01", "28P01"],
    ["prefer", "28000", "28000", "28000"]
  ])(
    "tells the error that helps: %s, %s with TLS, %s without",
    ([mode, onTls, inClear, told]) =>
      Effect.gen(function*() {
        const part: Part = { tls: "yes", refuse: (secured) => (secured ? onTls : inClear) }
        const error = yield* Effect.provide(Effect.flip(visit(config(mode))), scene({ server: part }))
        assert.strictEqual(
          error._tag === "AuthError" && error.reason._tag === "Rejected" && error.reason.sqlState,
          told
        )
      })
  )

  it.effect.each<SslMode>(["disable", "allow", "prefer", "require", "verify-full"])(
    "is never there on a Unix socket, also with %s",
    (mode) =>
      Effect.gen(function*() {
        yield* visit(config(mode, Endpoint.unix("/tmp/.s.PGSQL.5432")))
        assert.deepStrictEqual((yield* Events).all, ["socket: connect", "socket: authok", "socket: bye"])
      }).pipe(Effect.provide(scene({ socket: { tls: "yes" } })))
  )

  it.effect.each<readonly [mode: SslMode, part: Part, event: string]>([
    ["prefer", { tls: "yes" }, "server: cancel with TLS"],
    ["prefer", { tls: "yes", refuse: noSslUser }, "server: cancel in clear"],
    ["prefer", {}, "server: cancel in clear"],
    ["allow", { tls: "yes", refuse: sslUser }, "server: cancel with TLS"],
    ["allow", { tls: "yes" }, "server: cancel in clear"],
    ["require", { tls: "yes" }, "server: cancel with TLS"]
  ])("is kept when a query is cancelled: %s, %o", ([mode, part, event]) =>
    Effect.gen(function*() {
      const { all } = yield* Events
      yield* Effect.scoped(Effect.gen(function*() {
        const session = yield* Session.make(config(mode))
        const query = yield* Effect.forkChild(session.simple("wait"), { startImmediately: true })
        while (!all.includes("server: wait")) yield* Effect.yieldNow
        const ended = yield* Effect.forkChild(Fiber.interrupt(query), { startImmediately: true })
        while (!all.some((event) => event.includes("cancel"))) yield* Effect.yieldNow
        yield* TestClock.adjust("1 minute")
        yield* Fiber.join(ended)
      }))
      assert.deepStrictEqual(Array.from(new Set(all.filter((one) => one.includes("cancel")))), [event])
    }).pipe(Effect.provide(scene({ server: part }))))

  it.effect("is not begun when the settings do not go together", () =>
    Effect.gen(function*() {
      const direct = yield* Effect.flip(visit({ ...config("prefer"), sslNegotiation: "direct" }))
      assert.strictEqual(direct._tag === "ConfigError" && direct.setting, "sslnegotiation")
      const rootless = yield* Effect.flip(visit(config("verify-ca")))
      assert.strictEqual(rootless._tag === "ConfigError" && rootless.setting, "sslmode")
      const versions = { minTlsVersion: "TLSv1.3", maxTlsVersion: "TLSv1.2" } as const
      const impossible = yield* Effect.flip(visit({ ...config("require"), ...versions }))
      assert.strictEqual(impossible._tag === "ConfigError" && impossible.setting, "ssl_max_protocol_version")
      assert.deepStrictEqual((yield* Events).all, [])
    }).pipe(Effect.provide(scene({ server: { tls: "yes" } }))))
})

/** A PostgreSQL with users whose lines must, or must not, be encrypted, and certificates. */
class Secured extends Context.Service<Secured, {
  readonly port: number
  readonly authority: Certificates.Authority
  readonly other: Certificates.Authority
  /** The server's own. */
  readonly issued: Certificates.Certificate
}>()("test/Secured") {}

const users = ["testuser", "ssluser", "nossluser", "certuser"]

const hba = [
  "host all testuser 127.0.0.1/32 trust",
  "hostssl all ssluser 127.0.0.1/32 trust",
  "hostnossl all nossluser 127.0.0.1/32 trust",
  "hostssl all certuser 127.0.0.1/32 cert",
  "host all ssluser,nossluser,certuser 127.0.0.1/32 reject"
]

/** A server with a certificate for `localhost` and `127.0.0.1` that lets in who has one of the same root, or without. */
const server = (withTls: boolean) =>
  Layer.effect(
    Secured,
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const authority = yield* Certificates.makeAuthority({ name: "Root" })
      const issued = yield* authority.issue({ name: "server", hosts: ["localhost", "127.0.0.1"] })
      const directory = yield* fs.makeTempDirectoryScoped()
      const roots = `${directory}/roots.crt`
      yield* fs.writeFileString(roots, authority.certificate)
      // PostgreSQL may run as another user.
      yield* fs.chmod(directory, 0o755)
      const { endpoint } = yield* PostgresServer.make({
        hba,
        setup: users.map((name) => `create role ${name} login`),
        ...(withTls ? { tls: issued, settings: { ssl_ca_file: roots } } : {})
      })
      return Secured.of({
        port: endpoint.port,
        authority,
        other: yield* Certificates.makeAuthority({ name: "Other" }),
        issued
      })
    })
  ).pipe(Layer.provideMerge(NodePlatform.layer))

const options = { excludeTestServices: true, timeout: "60 seconds" } as const

type Changes = Partial<ConnectionConfig.ConnectionConfig> & { readonly host?: string }

/** Opens a session on the server; gives the TLS version or `plain`, or the error. */
const reach = (user: string, { host = "127.0.0.1", ...changes }: Changes) =>
  Effect.gen(function*() {
    const { port } = yield* Secured
    const endpoint = Endpoint.Tcp.make({ host, port, address: "127.0.0.1" })
    const session = yield* Session.make({ endpoint, user, database: "postgres", ...changes })
    const { rows } = yield* session.query("select ssl, version from pg_stat_ssl where pid = pg_backend_pid()")
    assert.strictEqual(rows[0]?.["ssl"], session.tls !== undefined)
    return session.tls === undefined ? "plain" : "ssl"
  }).pipe(Effect.scoped, Effect.catch((error) => Effect.succeed(error)))

/** What it came to, for tables. */
const outcome = (user: string, changes: Changes) =>
  Effect.map(reach(user, changes), (result) => {
    if (typeof result === "string") return result
    const { _tag } = result
    return _tag === "AuthError" || _tag === "TransportError" ? result.reason._tag : _tag
  })

const all: ReadonlyArray<SslMode> = ["disable", "allow", "prefer", "require"]

layer(server(true), options)("PostgreSQL with TLS", (it) => {
  it.effect.each<readonly [user: string, outcomes: ReadonlyArray<string>]>([
    ["testuser", ["plain", "plain", "ssl", "ssl"]],
    ["ssluser", ["Rejected", "ssl", "ssl", "ssl"]],
    ["nossluser", ["plain", "plain", "plain", "Rejected"]]
  ])("lets %s in as libpq's table has it", ([user, outcomes]) =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* Effect.forEach(all, (sslMode) => outcome(user, { sslMode })), outcomes)
      const direct = yield* outcome(user, { sslMode: "require", sslNegotiation: "direct" })
      assert.strictEqual(direct, outcomes[3])
    }))

  it.effect("is verified as far as the mode has it", () =>
    Effect.gen(function*() {
      const { authority, other } = yield* Secured
      const [root, otherRoot] = [authority.certificate, other.certificate]
      const table: ReadonlyArray<readonly [Changes, string]> = [
        [{ sslMode: "verify-full", rootCertificates: root }, "ssl"],
        [{ sslMode: "verify-full", rootCertificates: root, host: "localhost" }, "ssl"],
        [{ sslMode: "verify-full", rootCertificates: root, host: "db.example" }, "TlsFailed"],
        [{ sslMode: "verify-full", rootCertificates: otherRoot }, "TlsFailed"],
        [{ sslMode: "verify-full" }, "TlsFailed"],
        [{ sslMode: "verify-ca", rootCertificates: root, host: "db.example" }, "ssl"],
        [{ sslMode: "verify-ca", rootCertificates: otherRoot }, "TlsFailed"],
        [{ sslMode: "require", host: "db.example" }, "ssl"],
        // A root certificate is used in every mode.
        [{ sslMode: "require", rootCertificates: root, host: "db.example" }, "ssl"],
        [{ sslMode: "require", rootCertificates: otherRoot }, "TlsFailed"],
        [{ sslMode: "prefer", rootCertificates: otherRoot }, "plain"],
        [{ sslMode: "verify-full", sslNegotiation: "direct", rootCertificates: root }, "ssl"],
        [{ sslMode: "verify-full", sslNegotiation: "direct", rootCertificates: otherRoot }, "TlsFailed"],
        [{ sslMode: "require", sslSni: false, host: "localhost" }, "ssl"]
      ]
      for (const [changes, wanted] of table) {
        const { rootCertificates, ...shown } = changes
        const trusted = rootCertificates === root ? "root" : rootCertificates === undefined ? "none" : "other"
        assert.strictEqual(yield* outcome("testuser", changes), wanted, `${JSON.stringify(shown)}, ${trusted}`)
      }
    }))

  it.effect("lets in who has a certificate", () =>
    Effect.gen(function*() {
      const { authority, other } = yield* Secured
      const { certificate, key } = yield* authority.issue({ name: "certuser" })
      const stranger = yield* other.issue({ name: "certuser" })
      const keyPassword = Redacted.make("s3cret")
      const encrypted = Redacted.make(
        createPrivateKey(Redacted.value(key)).export({
          format: "pem",
          type: "pkcs8",
          cipher: "aes-256-cbc",
          passphrase: Redacted.value(keyPassword)
        }).toString()
      )
      const open = (changes: Changes) => outcome("certuser", { sslMode: "require", certificate, ...changes })
      assert.strictEqual(yield* open({ key }), "ssl")
      assert.strictEqual(yield* open({ key: encrypted, keyPassword }), "ssl")
      assert.strictEqual(yield* open({ key: encrypted, keyPassword: Redacted.make("wrong") }), "TlsFailed")
      assert.strictEqual(yield* open({ key: encrypted }), "TlsFailed")
      assert.strictEqual(yield* open({ certificate: undefined }), "Rejected")
      const policy = { methods: ["scram-sha-256"] } as const
      assert.strictEqual(yield* open({ key, policy }), "MethodRefused")
      // In TLS 1.3, the server refuses a certificate after the client's part of the handshake is over.
      const refused = yield* open({ ...stranger, maxTlsVersion: "TLSv1.2" })
      assert.strictEqual(refused, "TlsFailed")
      assert.include(["ReadFailed", "Closed", "ServerClosed"], yield* open({ ...stranger, minTlsVersion: "TLSv1.3" }))
    }))

  it.effect("knows revoked certificates when told", () =>
    Effect.gen(function*() {
      const { authority, issued, other } = yield* Secured
      const trusted = { sslMode: "verify-full", rootCertificates: authority.certificate } as const
      const none = revocationList(authority, [])
      assert.strictEqual(yield* outcome("testuser", { ...trusted, revocationList: none }), "ssl")
      // Without a list of the authority, nobody knows.
      const others = revocationList(other, [])
      assert.strictEqual(yield* outcome("testuser", { ...trusted, revocationList: others }), "TlsFailed")
      assert.strictEqual(yield* outcome("testuser", { ...trusted, revocationList: "no list" }), "TlsFailed")
      assert.strictEqual(yield* outcome("testuser", { ...trusted, revocationList: `${others}\n${none}` }), "ssl")
      const revoked = revocationList(authority, [issued])
      for (const lists of [revoked, `${others}\n${revoked}`]) {
        const error = yield* reach("testuser", { ...trusted, revocationList: lists })
        assert.strictEqual(
          typeof error !== "string" && error._tag === "TransportError" && error.reason._tag === "TlsFailed"
            ? error.reason.code
            : error,
          "CERT_REVOKED"
        )
      }
    }))

  it.effect("speaks the versions of TLS that are allowed", () =>
    Effect.gen(function*() {
      const { port } = yield* Secured
      const endpoint = Endpoint.tcp("127.0.0.1", port)
      for (const version of ["TLSv1.2", "TLSv1.3"] as const) {
        const limits = { minTlsVersion: version, maxTlsVersion: version }
        const session = yield* Session.make({ endpoint, user: "testuser", database: "postgres", ...limits })
        assert.strictEqual(session.tls?.protocol, version)
      }
    }))

  it.effect("agrees on the protocol when TLS begins at once", () =>
    Effect.gen(function*() {
      const { port } = yield* Secured
      const endpoint = Endpoint.tcp("127.0.0.1", port)
      const direct = { sslMode: "require", sslNegotiation: "direct" } as const
      const session = yield* Session.make({ endpoint, user: "testuser", database: "postgres", ...direct })
      assert.strictEqual(session.tls?.applicationProtocol, "postgresql")
      // A query that is cancelled comes to its end only if the request got through.
      const query = yield* Effect.forkChild(session.query("select pg_sleep(60)"))
      yield* Effect.sleep("100 millis")
      yield* Fiber.interrupt(query)
      assert.strictEqual((yield* session.query("select 1 as n")).rowCount, 1)
    }))
})

layer(server(false), options)("PostgreSQL without TLS", (it) => {
  it.effect("lets in as libpq's table has it", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* Effect.forEach(all, (sslMode) => outcome("testuser", { sslMode })), [
        "plain",
        "plain",
        "plain",
        "TlsRefused"
      ])
      assert.strictEqual(yield* outcome("testuser", { sslMode: "require", sslNegotiation: "direct" }), "TlsFailed")
      assert.strictEqual(yield* outcome("ssluser", { sslMode: "allow" }), "Rejected")
    }))
})
