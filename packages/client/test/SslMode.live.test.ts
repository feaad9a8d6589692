/** Encryption of connections: the attempts, their order, and the outcome. */
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
import { revocationList } from "./certificateRevocationList.ts"
import { EventLog, type FakeServer, fakeServers, openAndClose } from "./fakeServers.ts"

type SslMode = ConnectionConfig.SslMode

const config = (sslMode: SslMode, endpoint = Endpoint.tcp("server", 5432)): ConnectionConfig.ConnectionConfig => ({
  endpoint,
  user: "app",
  sslMode
})

/** Runs a login in a mode against a fake server; returns the events, and whether a session was opened. */
const negotiate = (part: FakeServer, sslMode: SslMode) =>
  Effect.gen(function*() {
    const ended = yield* Effect.result(openAndClose(config(sslMode)))
    const events = (yield* EventLog).all.map((event) => event.slice("server: ".length)).filter((event) =>
      event !== "bye"
    )
    return `${events.join(", ")} -> ${ended._tag === "Success" ? "session" : ended.failure._tag}`
  }).pipe(Effect.provide(fakeServers({ server: part })))

const rejectPlain = (secured: boolean) => (secured ? undefined : "28000")
const rejectTls = (secured: boolean) => (secured ? "28000" : undefined)
const rejectAll = () => "28P01"

describe("sslmode", () => {
  it.effect.each<readonly [what: string, part: FakeServer, mode: SslMode, events: string]>([
    // libpq's table: a server without TLS,
    ["no TLS", {}, "disable", "connect, authok -> session"],
    ["no TLS", {}, "allow", "connect, authok -> session"],
    ["no TLS", {}, "prefer", "connect, sslreject, authok -> session"],
    ["no TLS", {}, "require", "connect, sslreject -> TransportError"],
    // one with TLS,
    ["TLS", { tls: "yes" }, "disable", "connect, authok -> session"],
    ["TLS", { tls: "yes" }, "allow", "connect, authok -> session"],
    ["TLS", { tls: "yes" }, "prefer", "connect, sslaccept, authok -> session"],
    ["TLS", { tls: "yes" }, "require", "connect, sslaccept, authok -> session"],
    // one that requires TLS of this user,
    ["required TLS", { tls: "yes", rejectWith: rejectPlain }, "disable", "connect, authfail -> AuthError"],
    [
      "required TLS",
      { tls: "yes", rejectWith: rejectPlain },
      "allow",
      "connect, authfail, connect, sslaccept, authok -> session"
    ],
    ["required TLS", { tls: "yes", rejectWith: rejectPlain }, "prefer", "connect, sslaccept, authok -> session"],
    ["required TLS", { tls: "yes", rejectWith: rejectPlain }, "require", "connect, sslaccept, authok -> session"],
    // one that refuses TLS for this user,
    ["refused TLS", { tls: "yes", rejectWith: rejectTls }, "disable", "connect, authok -> session"],
    ["refused TLS", { tls: "yes", rejectWith: rejectTls }, "allow", "connect, authok -> session"],
    [
      "refused TLS",
      { tls: "yes", rejectWith: rejectTls },
      "prefer",
      "connect, sslaccept, authfail, connect, authok -> session"
    ],
    ["refused TLS", { tls: "yes", rejectWith: rejectTls }, "require", "connect, sslaccept, authfail -> AuthError"],
    // and servers that fail before, and during, the handshake.
    ["an error", { tls: "error" }, "prefer", "connect, error -> TransportError"],
    ["an error", { tls: "error" }, "require", "connect, error -> TransportError"],
    ["a lost handshake", { tls: "hang-up" }, "prefer", "connect, sslaccept, connect, authok -> session"],
    ["a lost handshake", { tls: "hang-up" }, "require", "connect, sslaccept -> TransportError"],
    // Further cases.
    ["a broken handshake", { tls: "broken" }, "prefer", "connect, sslaccept, connect, authok -> session"],
    ["a broken handshake", { tls: "broken" }, "require", "connect, sslaccept -> TransportError"],
    ["an unknown byte", { tls: "garbage" }, "prefer", "connect, garbage -> TransportError"],
    [
      "required TLS that is not offered",
      { rejectWith: rejectPlain },
      "allow",
      "connect, authfail, connect, sslreject -> AuthError"
    ],
    ["a refused user", { rejectWith: rejectAll }, "disable", "connect, authfail -> AuthError"],
    ["a refused user", { rejectWith: rejectAll }, "prefer", "connect, sslreject, authfail -> AuthError"],
    [
      "a refused user",
      { tls: "yes", rejectWith: rejectAll },
      "prefer",
      "connect, sslaccept, authfail, connect, authfail -> AuthError"
    ],
    [
      "a refused user",
      { tls: "yes", rejectWith: rejectAll },
      "allow",
      "connect, authfail, connect, sslaccept, authfail -> AuthError"
    ],
    [
      "a server that is starting",
      { tls: "yes", rejectWith: () => "57P03" },
      "prefer",
      "connect, sslaccept, authfail -> AuthError"
    ],
    ["a server that is starting", { tls: "yes", rejectWith: () => "57P03" }, "allow", "connect, authfail -> AuthError"],
    [
      "a server that disconnects",
      { tls: "yes", disconnectOnStartup: true },
      "prefer",
      "connect, sslaccept -> AuthError"
    ]
  ])("with %s: %o, %s: %s", ([, part, mode, events]) =>
    Effect.gen(function*() {
      assert.strictEqual(yield* negotiate(part, mode), events)
    }))

  it.effect.each<readonly [mode: SslMode, onTls: string, inClear: string, told: string]>([
    // A refusal by `pg_hba.conf` for the one kind of connection is less informative than the error on the other.
    ["prefer", "28000", "28P01", "28P01"],
    ["prefer", "28P01", "28000", "28P01"],
    ["allow", "28P01", "28000", "28P01"],
    ["allow", "28000", "28P01", "28P01"],
    ["prefer", "28000", "28000", "28000"]
  ])(
    "reports the more informative error: %s, %s with TLS, %s without",
    ([mode, onTls, inClear, told]) =>
      Effect.gen(function*() {
        const part: FakeServer = { tls: "yes", rejectWith: (secured) => (secured ? onTls : inClear) }
        const error = yield* Effect.provide(Effect.flip(openAndClose(config(mode))), fakeServers({ server: part }))
        assert.strictEqual(
          error._tag === "AuthError" && error.reason._tag === "Rejected" && error.reason.sqlState,
          told
        )
      })
  )

  it.effect("does not fall back to plain text after a failure of channel binding", () =>
    Effect.gen(function*() {
      const part: FakeServer = {
        tls: "yes",
        rejectWith: (secured) => (secured ? "28000" : undefined),
        rejectText: "SCRAM channel binding check failed"
      }
      const error = yield* Effect.provide(Effect.flip(openAndClose(config("prefer"))), fakeServers({ server: part }))
      assert.strictEqual(error._tag === "AuthError" && error.reason._tag, "ChannelBindingMismatch")
    }))

  it.effect.each<SslMode>(["disable", "allow", "prefer", "require", "verify-full"])(
    "never uses TLS on a Unix socket, also with %s",
    (mode) =>
      Effect.gen(function*() {
        yield* openAndClose(config(mode, Endpoint.unix("/tmp/.s.PGSQL.5432")))
        assert.deepStrictEqual((yield* EventLog).all, ["socket: connect", "socket: authok", "socket: bye"])
      }).pipe(Effect.provide(fakeServers({ socket: { tls: "yes" } })))
  )

  it.effect.each<readonly [mode: SslMode, part: FakeServer, event: string]>([
    ["prefer", { tls: "yes" }, "server: cancel with TLS"],
    ["prefer", { tls: "yes", rejectWith: rejectTls }, "server: cancel in clear"],
    ["prefer", {}, "server: cancel in clear"],
    ["allow", { tls: "yes", rejectWith: rejectPlain }, "server: cancel with TLS"],
    ["allow", { tls: "yes" }, "server: cancel in clear"],
    ["require", { tls: "yes" }, "server: cancel with TLS"]
  ])("encrypts a cancel request as its session: %s, %o", ([mode, part, event]) =>
    Effect.gen(function*() {
      const { all } = yield* EventLog
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
    }).pipe(Effect.provide(fakeServers({ server: part }))))

  it.effect("refuses conflicting settings before connecting", () =>
    Effect.gen(function*() {
      const direct = yield* Effect.flip(openAndClose({ ...config("prefer"), sslNegotiation: "direct" }))
      assert.strictEqual(direct._tag === "ConnectionConfigError" && direct.setting, "sslnegotiation")
      const rootless = yield* Effect.flip(openAndClose(config("verify-ca")))
      assert.strictEqual(rootless._tag === "ConnectionConfigError" && rootless.setting, "sslmode")
      const versions = { minTlsVersion: "TLSv1.3", maxTlsVersion: "TLSv1.2" } as const
      const impossible = yield* Effect.flip(openAndClose({ ...config("require"), ...versions }))
      assert.strictEqual(impossible._tag === "ConnectionConfigError" && impossible.setting, "ssl_max_protocol_version")
      assert.deepStrictEqual((yield* EventLog).all, [])
    }).pipe(Effect.provide(fakeServers({ server: { tls: "yes" } }))))

  it.effect("refuses unknown values of settings that security depends on", () =>
    Effect.gen(function*() {
      for (
        const [setting, wrong] of [
          ["sslmode", { sslMode: "verify_full" }],
          ["sslnegotiation", { sslNegotiation: "Direct" }],
          ["channel_binding", { policy: { channelBinding: "required" } }]
        ] as const
      ) {
        const error = yield* Effect.flip(openAndClose({ ...config("require"), ...wrong as object }))
        assert.strictEqual(error._tag === "ConnectionConfigError" && error.setting, setting)
      }
      assert.deepStrictEqual((yield* EventLog).all, [])
    }).pipe(Effect.provide(fakeServers({ server: { tls: "yes" } }))))
})

/** A PostgreSQL server with certificates, and users that require or refuse TLS. */
class TlsServer extends Context.Service<TlsServer, {
  readonly port: number
  readonly authority: Certificates.Authority
  readonly otherAuthority: Certificates.Authority
  /** The server's certificate. */
  readonly serverCertificate: Certificates.Certificate
}>()("test/Secured") {}

const users = ["testuser", "ssluser", "nossluser", "certuser"]

const hba = [
  "host all testuser 127.0.0.1/32 trust",
  "hostssl all ssluser 127.0.0.1/32 trust",
  "hostnossl all nossluser 127.0.0.1/32 trust",
  "hostssl all certuser 127.0.0.1/32 cert",
  "host all ssluser,nossluser,certuser 127.0.0.1/32 reject"
]

/**
 * A server with a certificate for `localhost` and `127.0.0.1` that accepts clients with a certificate of the same root,
 * or without.
 */
const layerServer = (withTls: boolean) =>
  Layer.effect(
    TlsServer,
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const authority = yield* Certificates.makeAuthority({ name: "Root" })
      const serverCertificate = yield* authority.issue({ name: "server", hosts: ["localhost", "127.0.0.1"] })
      const directory = yield* fs.makeTempDirectoryScoped()
      const roots = `${directory}/roots.crt`
      yield* fs.writeFileString(roots, authority.certificate)
      // PostgreSQL may run as another user.
      yield* fs.chmod(directory, 0o755)
      const { endpoint } = yield* PostgresServer.make({
        hba,
        setup: users.map((name) => `create role ${name} login`),
        ...(withTls ? { tls: serverCertificate, settings: { ssl_ca_file: roots } } : {})
      })
      return TlsServer.of({
        port: endpoint.port,
        authority,
        otherAuthority: yield* Certificates.makeAuthority({ name: "Other" }),
        serverCertificate
      })
    })
  ).pipe(Layer.provideMerge(NodePlatform.layer))

const options = { excludeTestServices: true, timeout: "60 seconds" } as const

type Overrides = Partial<ConnectionConfig.ConnectionConfig> & { readonly host?: string }

/** Opens a session on the server; returns the TLS version, `plain`, or the error. */
const connect = (user: string, { host = "127.0.0.1", ...changes }: Overrides) =>
  Effect.gen(function*() {
    const { port } = yield* TlsServer
    const endpoint = Endpoint.Tcp.make({ host, port, address: "127.0.0.1" })
    const session = yield* Session.make({ endpoint, user, database: "postgres", ...changes })
    const { rows } = yield* session.query("select ssl, version from pg_stat_ssl where pid = pg_backend_pid()")
    assert.strictEqual(rows[0]?.["ssl"], session.tls !== undefined)
    return session.tls === undefined ? "plain" : "ssl"
  }).pipe(Effect.scoped, Effect.catch((error) => Effect.succeed(error)))

/** The outcome of a login, for tables. */
const outcome = (user: string, changes: Overrides) =>
  Effect.map(connect(user, changes), (result) => {
    if (typeof result === "string") return result
    const { _tag } = result
    return _tag === "AuthError" || _tag === "TransportError" ? result.reason._tag : _tag
  })

const sslModes: ReadonlyArray<SslMode> = ["disable", "allow", "prefer", "require"]

layer(layerServer(true), options)("sslmode > PostgreSQL with TLS", (it) => {
  it.effect.each<readonly [user: string, outcomes: ReadonlyArray<string>]>([
    ["testuser", ["plain", "plain", "ssl", "ssl"]],
    ["ssluser", ["Rejected", "ssl", "ssl", "ssl"]],
    ["nossluser", ["plain", "plain", "plain", "Rejected"]]
  ])("accepts or refuses %s as in libpq's table", ([user, outcomes]) =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* Effect.forEach(sslModes, (sslMode) => outcome(user, { sslMode })), outcomes)
      const direct = yield* outcome(user, { sslMode: "require", sslNegotiation: "direct" })
      assert.strictEqual(direct, outcomes[3])
    }))

  it.effect("verifies the server as the mode requires", () =>
    Effect.gen(function*() {
      const { authority, otherAuthority } = yield* TlsServer
      const [root, otherRoot] = [authority.certificate, otherAuthority.certificate]
      const table: ReadonlyArray<readonly [Overrides, string]> = [
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

  it.effect("accepts a client certificate", () =>
    Effect.gen(function*() {
      const { authority, otherAuthority } = yield* TlsServer
      const { certificate, key } = yield* authority.issue({ name: "certuser" })
      const stranger = yield* otherAuthority.issue({ name: "certuser" })
      const keyPassword = Redacted.make("s3cret")
      const encrypted = Redacted.make(
        createPrivateKey(Redacted.value(key)).export({
          format: "pem",
          type: "pkcs8",
          cipher: "aes-256-cbc",
          passphrase: Redacted.value(keyPassword)
        }).toString()
      )
      const open = (changes: Overrides) => outcome("certuser", { sslMode: "require", certificate, ...changes })
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

  it.effect("refuses revoked certificates if there is a revocation list", () =>
    Effect.gen(function*() {
      const { authority, serverCertificate, otherAuthority } = yield* TlsServer
      const trusted = { sslMode: "verify-full", rootCertificates: authority.certificate } as const
      const none = revocationList(authority, [])
      assert.strictEqual(yield* outcome("testuser", { ...trusted, revocationList: none }), "ssl")
      // Without a list of the authority, the state of its certificates is unknown.
      const others = revocationList(otherAuthority, [])
      assert.strictEqual(yield* outcome("testuser", { ...trusted, revocationList: others }), "TlsFailed")
      assert.strictEqual(yield* outcome("testuser", { ...trusted, revocationList: "no list" }), "TlsFailed")
      assert.strictEqual(yield* outcome("testuser", { ...trusted, revocationList: `${others}\n${none}` }), "ssl")
      const revoked = revocationList(authority, [serverCertificate])
      for (const lists of [revoked, `${others}\n${revoked}`]) {
        const error = yield* connect("testuser", { ...trusted, revocationList: lists })
        assert.strictEqual(
          typeof error !== "string" && error._tag === "TransportError" && error.reason._tag === "TlsFailed"
            ? error.reason.code
            : error,
          "CERT_REVOKED"
        )
      }
    }))

  it.effect("negotiates the allowed versions of TLS only", () =>
    Effect.gen(function*() {
      const { port } = yield* TlsServer
      const endpoint = Endpoint.tcp("127.0.0.1", port)
      for (const version of ["TLSv1.2", "TLSv1.3"] as const) {
        const limits = { minTlsVersion: version, maxTlsVersion: version }
        const session = yield* Session.make({ endpoint, user: "testuser", database: "postgres", ...limits })
        assert.strictEqual(session.tls?.protocol, version)
      }
    }))

  it.effect("negotiates the ALPN protocol with direct TLS", () =>
    Effect.gen(function*() {
      const { port } = yield* TlsServer
      const endpoint = Endpoint.tcp("127.0.0.1", port)
      const direct = { sslMode: "require", sslNegotiation: "direct" } as const
      const session = yield* Session.make({ endpoint, user: "testuser", database: "postgres", ...direct })
      assert.strictEqual(session.tls?.applicationProtocol, "postgresql")
      // A cancelled query ends only if the cancel request reached the server.
      const query = yield* Effect.forkChild(session.query("select pg_sleep(60)"))
      yield* Effect.sleep("100 millis")
      yield* Fiber.interrupt(query)
      assert.strictEqual((yield* session.query("select 1 as n")).rowCount, 1)
    }))
})

layer(layerServer(false), options)("sslmode > PostgreSQL without TLS", (it) => {
  it.effect("accepts or refuses as in libpq's table", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* Effect.forEach(sslModes, (sslMode) => outcome("testuser", { sslMode })), [
        "plain",
        "plain",
        "plain",
        "TlsRefused"
      ])
      assert.strictEqual(yield* outcome("testuser", { sslMode: "require", sslNegotiation: "direct" }), "TlsFailed")
      assert.strictEqual(yield* outcome("ssluser", { sslMode: "allow" }), "Rejected")
    }))
})
