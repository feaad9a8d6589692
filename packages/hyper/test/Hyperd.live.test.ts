import { assert, describe, it, layer } from "@effect/vitest"
import * as Session from "@hyperfect/client/Session"
import * as Hyperd from "@hyperfect/hyper/Hyperd"
import { HyperdError } from "@hyperfect/hyper/HyperdError"
import * as NodePlatform from "@hyperfect/node/NodePlatform"
import * as Backend from "@hyperfect/protocol/Backend"
import * as ErrorField from "@hyperfect/protocol/ErrorField"
import * as Frontend from "@hyperfect/protocol/Frontend"
import { protocolVersion30 } from "@hyperfect/protocol/frontend/StartupMessage"
import * as Certificates from "@hyperfect/testing/Certificates"
import type { Connection } from "@hyperfect/transport/Connection"
import * as Endpoint from "@hyperfect/transport/Endpoint"
import * as Listener from "@hyperfect/transport/Listener"
import * as MessageChannel from "@hyperfect/transport/MessageChannel"
import * as TlsNegotiation from "@hyperfect/transport/TlsNegotiation"
import * as Transport from "@hyperfect/transport/Transport"
import { Cause, ConfigProvider, Effect, Exit, Fiber, FileSystem, Layer, Redacted, Scope } from "effect"
import { chmodSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { eventually, isAlive, runAndKill } from "../../testing/test/processes.ts"
import { useOwnTemporary } from "../../testing/test/temporary.ts"

const live = NodePlatform.layer

const ownTemporary = useOwnTemporary()

const temporary = (): ReadonlyArray<string> =>
  readdirSync(ownTemporary).filter((name) => name.startsWith("hyperfect-hyperd-"))

/** Sends StartupMessage and returns the server's messages up to the one that ends the login, in success or failure. */
const logIn = Effect.fnUntraced(function*(
  connection: Connection,
  user: string,
  parameters: Record<string, string> = {}
) {
  const channel = MessageChannel.client(connection)
  yield* channel.send(Frontend.StartupMessage.make({
    protocolVersion: protocolVersion30,
    parameters: Object.entries({ user, ...parameters }).map(([name, value]) => ({ name, value }))
  }))
  const answers: Array<Backend.Message> = []
  const last = ["ReadyForQuery", "ErrorResponse", "AuthenticationSASL"]
  do answers.push(yield* channel.receive)
  while (!last.includes(answers.at(-1)!._tag))
  return { channel, answers, last: answers.at(-1)! }
})

const connect = (endpoint: Endpoint.Endpoint) =>
  Effect.flatMap(Transport.Transport, (transport) => transport.connect(endpoint))

/** Runs a statement and returns its rows as text, or the message of its error. */
const query = Effect.fnUntraced(function*(channel: MessageChannel.Client, sql: string) {
  yield* channel.send(Frontend.Query.make({ query: sql }))
  const rows: Array<unknown> = []
  while (true) {
    const message = yield* channel.receive
    if (message._tag === "DataRow") rows.push(message.columns.map((column) => column && Buffer.from(column).toString()))
    if (message._tag === "ErrorResponse") rows.push(ErrorField.get(message.fields, "message"))
    if (message._tag === "ReadyForQuery") return rows
  }
})

/** Returns the reason why a server could not be started, or exited. */
const failure = (options: Hyperd.Options) =>
  Hyperd.make(options).pipe(
    Effect.flatMap((hyperd) => hyperd.exited),
    Effect.scoped,
    Effect.flip,
    Effect.map((error) => error.reason)
  )

const directory = Effect.flatMap(
  FileSystem.FileSystem,
  (fs) => fs.makeTempDirectoryScoped({ prefix: "hyperfect-test-" })
)

describe("Hyperd", () => {
  // With the test clock, which does not advance: start and stop must not depend on a timer.
  layer(Hyperd.layer().pipe(Layer.provideMerge(live)))("with default options", (it) => {
    it.effect("listens on a free port of the loopback interface and trusts its user", () =>
      Effect.gen(function*() {
        const hyperd = yield* Hyperd.Hyperd
        assert.strictEqual(hyperd.authentication, "trust")
        assert.isUndefined(hyperd.password)
        assert.isUndefined(hyperd.tls)
        assert.deepStrictEqual(hyperd.endpoints, [hyperd.endpoint])
        assert.isTrue(
          hyperd.endpoint._tag === "Tcp" && hyperd.endpoint.host === "127.0.0.1" && hyperd.endpoint.port > 0
        )
        const { answers, last } = yield* logIn(yield* connect(hyperd.endpoint), hyperd.user)
        assert.strictEqual(last._tag, "ReadyForQuery")
        assert.isTrue(answers.some((answer) => answer._tag === "ParameterStatus" && answer.name === "hyper_version"))
      }))

    it.effect("has no other users", () =>
      Effect.gen(function*() {
        const { endpoint } = yield* Hyperd.Hyperd
        const { last } = yield* logIn(yield* connect(endpoint), "somebody else")
        assert.strictEqual(last._tag === "ErrorResponse" && ErrorField.get(last.fields, "sqlState"), "42501")
      }))

    it.effect("writes its log into a directory that only the current user can enter", () =>
      Effect.gen(function*() {
        const { logDirectory } = yield* Hyperd.Hyperd
        assert.isTrue(existsSync(join(logDirectory, "hyperd.log")))
        const fs = yield* FileSystem.FileSystem
        assert.strictEqual((yield* fs.stat(logDirectory)).mode & 0o777, 0o700)
      }))

    it.effect("runs with defaults that make it behave the same everywhere", () =>
      Effect.gen(function*() {
        const hyperd = yield* Hyperd.Hyperd
        const { channel } = yield* logIn(yield* connect(hyperd.endpoint), hyperd.user)
        assert.deepStrictEqual(yield* query(channel, "show date_style"), [["ISO, MDY"]])
        assert.deepStrictEqual(yield* query(channel, "show language"), [["en_US"]])
        assert.deepStrictEqual(yield* query(channel, "show global.default_database_version"), [["3"]])
      }))

    it.effect("fails with a hint if another server must use the same port", () =>
      Effect.gen(function*() {
        const { endpoint } = yield* Hyperd.Hyperd
        const reason = yield* failure({ listen: endpoint })
        assert.strictEqual(reason._tag, "Exited")
        if (reason._tag !== "Exited") return
        assert.deepStrictEqual([reason.phase, reason.exitCode], ["starting", 1])
        assert.strictEqual(reason.hint, "the port is taken, or the host is not this machine")
        assert.include(reason.message, "unable to listen")
      }))

    it.effect("runs concurrently with other servers", () =>
      Effect.gen(function*() {
        const first = yield* Hyperd.Hyperd
        const others = yield* Effect.all(Array.from({ length: 3 }, () => Hyperd.make()), { concurrency: "unbounded" })
        const endpoints = new Set([first, ...others].map(({ endpoint }) => Endpoint.format(endpoint)))
        assert.strictEqual(endpoints.size, 4)
        for (const { endpoint, user } of others) {
          assert.strictEqual((yield* logIn(yield* connect(endpoint), user)).last._tag, "ReadyForQuery")
        }
      }))
  })

  describe("with a password", () => {
    const password = Redacted.make("pa55 wörd'\"\\$x ")

    it.live("requests SCRAM-SHA-256 and does not reveal the password anywhere", () =>
      Effect.gen(function*() {
        const hyperd = yield* Hyperd.make({ user: "Me", password })
        assert.strictEqual(hyperd.authentication, "password")
        assert.strictEqual(hyperd.password, password)
        const { last } = yield* logIn(yield* connect(hyperd.endpoint), "Me")
        assert.deepStrictEqual(last, Backend.AuthenticationSASL.make({ mechanisms: ["SCRAM-SHA-256"] }))
        const places = ["cmdline", "environ"].map((name) => `/proc/${hyperd.pid}/${name}`)
        for (const place of [...places, join(hyperd.logDirectory, "hyperd.log")]) {
          assert.notInclude(readFileSync(place, "utf8"), "pa55", place)
        }
        assert.notInclude(JSON.stringify(hyperd), "pa55")
        const waiting = yield* Effect.forkChild(Effect.exit(hyperd.exited), { startImmediately: true })
        process.kill(hyperd.pid, "SIGKILL")
        const exit = yield* Fiber.join(waiting)
        assert.isTrue(Exit.isFailure(exit) && !Cause.pretty(exit.cause).includes("pa55"))
      }).pipe(Effect.provide(live)))

    it.live("opens sessions with the service as their configuration", () =>
      Effect.gen(function*() {
        const passwords = ["pa55 w\u00f6rd'\"\\$x ", " ", "\u2168\ufb01\ud83d\ude00", "x".repeat(1000)]
        for (const password of passwords) {
          const hyperd = yield* Hyperd.make({ password: Redacted.make(password) })
          const session = yield* Session.make(hyperd)
          assert.strictEqual(session.authentication, "scram-sha-256")
          const wrong = { ...hyperd, password: Redacted.make(`${password}x`) }
          const error = yield* Effect.flip(Session.make(wrong))
          assert.strictEqual(error._tag === "AuthError" && error.reason._tag, "Rejected")
        }
      }).pipe(Effect.provide(live)))

    it.live("is rejected before the start if the server could not read it", () =>
      Effect.gen(function*() {
        for (const wrong of ["", "a\nb", "a\rb", "a\0b"]) {
          const reason = yield* failure({ password: Redacted.make(wrong) })
          assert.isTrue(reason._tag === "OptionInvalid" && reason.option === "password")
        }
        for (const user of ["", "a\nb", "a\0b"]) {
          const reason = yield* failure({ user })
          assert.isTrue(reason._tag === "OptionInvalid" && reason.option === "user")
        }
      }).pipe(Effect.provide(live)))
  })

  describe("on a Unix socket", () => {
    it.live("is reachable by the current user only, and leaves nothing behind", () =>
      Effect.gen(function*() {
        const scope = yield* Scope.make()
        const { endpoint, pid, user } = yield* Scope.provide(Hyperd.make({ listen: "unix" }), scope)
        if (endpoint._tag !== "Unix") return assert.fail("not a Unix socket")
        const fs = yield* FileSystem.FileSystem
        assert.strictEqual((yield* fs.stat(dirname(endpoint.path))).mode & 0o777, 0o700)
        assert.strictEqual((yield* logIn(yield* connect(endpoint), user)).last._tag, "ReadyForQuery")
        yield* Scope.close(scope, Exit.void)
        assert.isFalse(isAlive(pid))
        assert.isFalse(existsSync(dirname(endpoint.path)))
      }).pipe(Effect.provide(live)))

    it.live("listens at the given path, in addition to a port", () =>
      Effect.gen(function*() {
        const path = join(yield* directory, ".s.PGSQL.5432")
        const hyperd = yield* Hyperd.make({ listen: [Endpoint.unix(path), "tcp"] })
        assert.deepStrictEqual(hyperd.endpoint, Endpoint.unix(path))
        assert.deepStrictEqual(hyperd.endpoints.map(({ _tag }) => _tag), ["Unix", "Tcp"])
        for (const endpoint of hyperd.endpoints) {
          assert.strictEqual((yield* logIn(yield* connect(endpoint), hyperd.user)).last._tag, "ReadyForQuery")
        }
      }).pipe(Effect.provide(live)))

    it.live("accepts a path as long as the system allows, and no longer", () =>
      Effect.gen(function*() {
        const start = `${yield* directory}/`
        const longest = start + "é".repeat((107 - start.length) >> 1) + "x".repeat((107 - start.length) & 1)
        const hyperd = yield* Hyperd.make({ listen: Endpoint.unix(longest) })
        assert.strictEqual((yield* logIn(yield* connect(hyperd.endpoint), hyperd.user)).last._tag, "ReadyForQuery")
        const reason = yield* failure({ listen: Endpoint.unix(`${longest}x`) })
        assert.strictEqual(reason._tag, "SocketPathTooLong")
        assert.isTrue(reason._tag === "SocketPathTooLong" && reason.bytes === 108 && reason.limit === 107)
      }).pipe(Effect.provide(live)))

    it.live("does not replace a file or the socket of another server", () =>
      Effect.gen(function*() {
        const file = join(yield* directory, "precious")
        writeFileSync(file, "data")
        assert.strictEqual((yield* failure({ listen: Endpoint.unix(file) }))._tag, "EndpointUnusable")
        assert.strictEqual(readFileSync(file, "utf8"), "data")
        assert.strictEqual((yield* failure({ listen: Endpoint.unix(dirname(file)) }))._tag, "EndpointUnusable")

        const { endpoint } = yield* Hyperd.make({ listen: "unix" })
        const reason = yield* failure({ listen: endpoint })
        assert.isTrue(reason._tag === "Exited" && reason.hint === "another server listens on this socket")
      }).pipe(Effect.provide(live)))
  })

  it.live("rejects endpoints that the server would misread", () =>
    Effect.gen(function*() {
      const wrong: ReadonlyArray<Hyperd.Options["listen"]> = [
        Endpoint.tcp("127.0.0.1,tab.tcp://0.0.0.0", 0),
        Endpoint.tcp("a b", 0),
        Endpoint.tcp("", 0),
        Endpoint.unix("/tmp/a,b"),
        Endpoint.unix("/tmp/a\nb")
      ]
      for (const listen of wrong) {
        assert.strictEqual((yield* failure({ listen }))._tag, "EndpointUnusable", JSON.stringify(listen))
      }
      assert.strictEqual((yield* failure({ listen: ["tcp", "tcp"] }))._tag, "OptionInvalid")
    }).pipe(Effect.provide(live)))

  it.live("listens on IPv6, and provides a connectable endpoint for a wildcard address", () =>
    Effect.gen(function*() {
      for (const [asked, expected] of [["::1", "::1"], ["0.0.0.0", "127.0.0.1"]] as const) {
        const { endpoint, user } = yield* Hyperd.make({ listen: Endpoint.tcp(asked, 0) })
        assert.isTrue(endpoint._tag === "Tcp" && endpoint.host === expected)
        assert.strictEqual((yield* logIn(yield* connect(endpoint), user)).last._tag, "ReadyForQuery")
      }
    }).pipe(Effect.provide(live)))

  describe("with TLS", () => {
    const trusted = { verification: "full", serverName: "localhost" } as const

    it.live("secures connections with the given certificate, as text", () =>
      Effect.gen(function*() {
        const authority = yield* Certificates.makeAuthority({ name: "Hyperfect" })
        const { certificate, key } = yield* authority.issue({ name: "localhost", hosts: ["localhost"] })
        const hyperd = yield* Hyperd.make({ tls: { certificate, key } })
        assert.deepStrictEqual(hyperd.tls, { required: false, certificate })
        assert.notInclude(readdirSync(hyperd.logDirectory), "server.key")
        const connection = yield* connect(hyperd.endpoint)
        const info = yield* TlsNegotiation.start(connection, { ...trusted, rootCertificates: authority.certificate })
        assert.strictEqual(info.protocol, "TLSv1.3")
        assert.strictEqual((yield* logIn(connection, hyperd.user)).last._tag, "ReadyForQuery")
        // Plain connections remain possible.
        assert.strictEqual((yield* logIn(yield* connect(hyperd.endpoint), hyperd.user)).last._tag, "ReadyForQuery")
      }).pipe(Effect.provide(live)))

    it.live("rejects plain connections if TLS is required, with the certificate in files", () =>
      Effect.gen(function*() {
        const { certificate, key } = yield* Certificates.selfSigned({ name: "localhost", hosts: ["localhost"] })
        const at = yield* directory
        const [certificateFile, keyFile] = [join(at, "server.crt"), join(at, "server.key")]
        writeFileSync(certificateFile, certificate)
        writeFileSync(keyFile, Redacted.value(key), { mode: 0o600 })
        const hyperd = yield* Hyperd.make({ tls: { certificateFile, keyFile, required: true } })
        assert.deepStrictEqual(hyperd.tls, { required: true, certificate })
        assert.strictEqual((yield* Session.make(hyperd)).tls?.protocol, "TLSv1.3")
        const { last } = yield* logIn(yield* connect(hyperd.endpoint), hyperd.user)
        assert.strictEqual(last._tag === "ErrorResponse" && ErrorField.get(last.fields, "sqlState"), "08000")

        chmodSync(keyFile, 0o644)
        const open = yield* failure({ tls: { certificateFile, keyFile } })
        assert.include(open.message, "have to be 0600")
        const missing = yield* failure({ tls: { certificateFile: join(at, "none"), keyFile } })
        assert.strictEqual(missing._tag, "SystemFailed")
      }).pipe(Effect.provide(live)))

    it.live("fails if the key does not match the certificate", () =>
      Effect.gen(function*() {
        const { certificate } = yield* Certificates.selfSigned({ name: "localhost" })
        const { key } = yield* Certificates.selfSigned({ name: "localhost" })
        const reason = yield* failure({ tls: { certificate, key } })
        assert.isTrue(reason._tag === "Exited" && reason.phase === "starting")
      }).pipe(Effect.provide(live)))
  })

  it.live("passes on settings, arguments, variables and directories", () =>
    Effect.gen(function*() {
      const workingDirectory = yield* directory
      const logDirectory = join(yield* directory, "new", "logs")
      const hyperd = yield* Hyperd.make({
        workingDirectory,
        logDirectory,
        defaultDatabaseVersion: 2,
        settings: { date_style: "DMY", "date-style-lenient": true },
        arguments: ["--language=de_DE"],
        environment: { HYPERFECT_TEST: "yes", HOME: undefined }
      })
      assert.deepStrictEqual([hyperd.workingDirectory, hyperd.logDirectory], [workingDirectory, logDirectory])
      const { channel } = yield* logIn(yield* connect(hyperd.endpoint), hyperd.user)
      assert.deepStrictEqual(yield* query(channel, "show date_style"), [["ISO, DMY"]])
      assert.deepStrictEqual(yield* query(channel, "show date_style_lenient"), [["on"]])
      assert.deepStrictEqual(yield* query(channel, "show language"), [["de_DE"]])
      assert.deepStrictEqual(yield* query(channel, "show global.default_database_version"), [["2"]])
      assert.deepStrictEqual(yield* query(channel, "create database \"relative.hyper\""), [])
      assert.isTrue(existsSync(join(workingDirectory, "relative.hyper")))
      assert.isTrue(existsSync(join(logDirectory, "hyperd.log")))
      const variables = readFileSync(`/proc/${hyperd.pid}/environ`, "utf8").split("\0")
      assert.include(variables, "HYPERFECT_TEST=yes")
      assert.isFalse(variables.some((variable) => variable.startsWith("HOME=")))
    }).pipe(Effect.provide(live)))

  it.live("keeps a given log directory and its contents", () =>
    Effect.gen(function*() {
      const logDirectory = yield* directory
      yield* Effect.scoped(Hyperd.make({ logDirectory }))
      assert.include(readFileSync(join(logDirectory, "hyperd.log"), "utf8"), "server-shutdown")
    }).pipe(Effect.provide(live)))

  describe("start failures", () => {
    it.live("reports an unknown, invalid or misspelt setting", () =>
      Effect.gen(function*() {
        const unknown = yield* failure({ settings: { no_such_setting: 1 } })
        assert.isTrue(unknown._tag === "Exited" && unknown.exitCode === 1)
        assert.include(unknown.message, "No internal setting named 'no_such_setting' exists")
        // The server exits without reading the password that is written to it.
        const unread = yield* failure({ password: Redacted.make("pa55"), settings: { no_such_setting: 1 } })
        assert.isTrue(unread._tag === "Exited" && unread.exitCode === 1)
        const value = yield* failure({ settings: { default_database_version: 99 } })
        assert.include(value.message, "unsupported database version 99")
        for (const settings of [{ "a b": 1 }, { "": 1 }, { "--x": 1 }, { language: "\0" }]) {
          assert.strictEqual((yield* failure({ settings }))._tag, "OptionInvalid")
        }
      }).pipe(Effect.provide(live)))

    it.live("reports a missing licence, which the server itself treats as success", () =>
      Effect.gen(function*() {
        const reason = yield* failure({ arguments: ["--skip-license=0"] })
        assert.strictEqual(reason._tag, "Exited")
        if (reason._tag !== "Exited") return
        assert.strictEqual(reason.exitCode, 0)
        assert.strictEqual(reason.hint, "it wants a licence: it has to be started with --skip-license")
      }).pipe(Effect.provide(live)))

    it.live("reports directories that do not exist", () =>
      Effect.gen(function*() {
        const missing = yield* failure({ workingDirectory: "/nowhere/at/all" })
        assert.isTrue(missing._tag === "SystemFailed" && missing.action === "enter /nowhere/at/all")
        const file = yield* failure({ workingDirectory: import.meta.filename })
        assert.isTrue(file._tag === "OptionInvalid" && file.option === "workingDirectory")
        assert.strictEqual((yield* failure({ logDirectory: import.meta.filename }))._tag, "SystemFailed")
      }).pipe(Effect.provide(live)))

    it.live("reports a missing program, and the searched locations", () =>
      Effect.gen(function*() {
        const explicit = yield* failure({ path: "/nowhere/hyperd" })
        assert.isTrue(explicit._tag === "NotFound" && explicit.searched.join() === "/nowhere/hyperd")
        const empty = yield* directory
        const inside = yield* failure({ path: empty })
        assert.include(inside._tag === "NotFound" ? inside.searched : [], join(empty, "hyperd"))
        const variable = yield* failure({}).pipe(
          Effect.provide(ConfigProvider.layer(ConfigProvider.fromUnknown({ HYPERD_PATH: "/elsewhere/hyperd" })))
        )
        assert.isTrue(variable._tag === "NotFound" && variable.searched.join() === "/elsewhere/hyperd")
        const fs = yield* FileSystem.FileSystem
        const nowhere = yield* failure({}).pipe(
          Effect.provideService(FileSystem.FileSystem, { ...fs, exists: () => Effect.succeed(false) })
        )
        assert.include(nowhere._tag === "NotFound" ? nowhere.searched : [], join(process.cwd(), "node_modules"))
        assert.match(nowhere.message, /HYPERD_PATH, or install the package hyperdb-mcp-/)
      }).pipe(Effect.provide(live)))

    it.live("reports a file that is not a program", () =>
      Effect.gen(function*() {
        const reason = yield* failure({ path: import.meta.filename })
        assert.isTrue(reason._tag === "SpawnFailed" && reason.path === import.meta.filename)
      }).pipe(Effect.provide(live)))
  })

  it.live("finds the program by its directory and by the environment", () =>
    Effect.gen(function*() {
      const { path } = yield* Hyperd.make()
      assert.strictEqual((yield* Hyperd.make({ path: dirname(path) })).path, path)
      const variable = ConfigProvider.layer(ConfigProvider.fromUnknown({ HYPERD_PATH: path }))
      assert.strictEqual((yield* Hyperd.make().pipe(Effect.provide(variable))).path, path)
    }).pipe(Effect.provide(live)))

  describe("stop", () => {
    it.live("happens when the scope closes, whatever clients are doing", () =>
      Effect.gen(function*() {
        const before = temporary()
        const scope = yield* Scope.make()
        const hyperd = yield* Scope.provide(Hyperd.make(), scope)
        const { channel } = yield* logIn(yield* connect(hyperd.endpoint), hyperd.user)
        yield* channel.send(Frontend.Query.make({ query: "select count(*) from generate_series(1, 100000000000)" }))
        assert.isTrue(isAlive(hyperd.pid))
        yield* Scope.close(scope, Exit.void)
        assert.isFalse(isAlive(hyperd.pid))
        assert.isFalse(existsSync(hyperd.logDirectory))
        assert.deepStrictEqual(temporary().filter((name) => !before.includes(name)), [])
        assert.strictEqual((yield* Effect.flip(channel.receive))._tag, "TransportError")
      }).pipe(Effect.provide(live)))

    it.live("happens when its parent process is killed", () =>
      Effect.gen(function*() {
        const { endpoint, pid } = yield* runAndKill(join(import.meta.dirname, "fixtures/holdHyperd.ts"))
        assert.isNumber(pid)
        yield* eventually(() => !isAlive(pid as number))
        // The server stopped in good order: it removed its socket.
        const { path } = endpoint as typeof Endpoint.Unix.Type
        yield* eventually(() => !existsSync(path))
        rmSync(dirname(path), { recursive: true })
      }))

    it.live("is reported as an error with the reason if it was not requested", () =>
      Effect.gen(function*() {
        const hyperd = yield* Hyperd.make()
        const waiting = yield* Effect.forkChild(Effect.flip(hyperd.exited), { startImmediately: true })
        process.kill(hyperd.pid, "SIGKILL")
        const { reason } = yield* Fiber.join(waiting)
        assert.strictEqual(reason._tag, "Exited")
        if (reason._tag !== "Exited") return
        assert.deepStrictEqual([reason.phase, reason.signal, reason.exitCode], ["running", "SIGKILL", undefined])
        assert.include(reason.output, "listening to 127.0.0.1")
      }).pipe(Effect.provide(live)))

    it.live("happens if the start is interrupted, at any moment", () =>
      Effect.gen(function*() {
        const before = temporary()
        const logDirectory = yield* directory
        const started = new Set<number>()
        /** Every server that got far enough to have a log has its process id there. */
        const readLogs = () => {
          for (const name of readdirSync(logDirectory)) {
            // The first line may still be being written.
            const [line, rest] = readFileSync(join(logDirectory, name), "utf8").split("\n", 2)
            if (line !== undefined && rest !== undefined) {
              started.add((JSON.parse(line) as { readonly pid: number }).pid)
            }
          }
        }
        const moments = [0, 1, 2, 4, 8, 12, 16, 20, 25, 30, 40]
        for (let i = 0; i < moments.length; i++) {
          const fiber = yield* Effect.forkChild(
            Effect.scoped(Effect.tap(Hyperd.make({ logDirectory }), ({ pid }) => Effect.sync(() => started.add(pid)))),
            { startImmediately: true }
          )
          yield* Effect.sleep(moments[i]!)
          yield* Fiber.interrupt(fiber)
          readLogs()
          // On a busy machine none of these moments may be late enough for a server to exist.
          if (i === moments.length - 1 && started.size === 0 && moments[i]! < 2000) moments.push(moments[i]! * 2)
        }
        assert.isAbove(started.size, 0)
        for (const pid of started) assert.isFalse(isAlive(pid))
        assert.deepStrictEqual(temporary().filter((name) => !before.includes(name)), [])
      }).pipe(Effect.provide(live)))
  })

  describe("with a program that is not Hyper", () => {
    /** Starts a fake hyperd; returns its process id together with the outcome of the start. */
    const startFakeHyperd = Effect.fnUntraced(function*(fault: string, options: Hyperd.Options = {}) {
      const at = yield* directory
      const path = join(at, "hyperd")
      const script = join(import.meta.dirname, "fixtures/fakeHyperd.ts")
      const commands = fault === "silent"
        // It has to be up within a second, which Node may not be on a busy machine.
        ? `echo $$ > "${at}/pid"; echo an impostor; exec sleep 600`
        : `exec "${process.execPath}" "${script}" "$@" ${fault}`
      writeFileSync(path, `#!/bin/sh\n${commands}\n`, { mode: 0o755 })
      const exit = yield* Effect.exit(Effect.scoped(Hyperd.make({ path, logDirectory: at, ...options })))
      return { exit, pid: Number(readFileSync(join(at, "pid"), "utf8")) }
    })
    const reasonOf = (exit: Exit.Exit<unknown, { readonly reason: unknown }>) =>
      Exit.isFailure(exit)
        ? exit.cause.reasons.map((reason) => reason._tag === "Fail" ? reason.error.reason : reason)[0]
        : exit

    it.live("waits for a report that arrives byte by byte", () =>
      Effect.gen(function*() {
        const { exit, pid } = yield* startFakeHyperd("slow")
        assert.deepStrictEqual(Exit.isSuccess(exit) && exit.value.endpoint, Endpoint.tcp("::1", 7483))
        assert.isFalse(isAlive(pid))
      }).pipe(Effect.provide(live)))

    it.live.each<readonly [fault: string, problem: string]>([
      ["web", "bytes follow the 71 that it announced"],
      ["empty", "it is empty"],
      ["unterminated", "it does not end with a zero byte"],
      ["binary", "it is not text"],
      ["control", "it is not text"]
    ])("rejects an invalid report: %s", ([fault, problem]) =>
      Effect.gen(function*() {
        const { exit, pid } = yield* startFakeHyperd(fault)
        assert.include(reasonOf(exit), { _tag: "CallbackMalformed", problem })
        assert.isFalse(isAlive(pid))
      }).pipe(Effect.provide(live)))

    it.live("fails on an unsupported endpoint", () =>
      Effect.gen(function*() {
        const { exit, pid } = yield* startFakeHyperd("grpc")
        assert.include(reasonOf(exit), { _tag: "EndpointUnusable", endpoint: "tcp.grpc://127.0.0.1:443" })
        assert.isFalse(isAlive(pid))
      }).pipe(Effect.provide(live)))

    it.live("fails with the exit code if the report is cut off", () =>
      Effect.gen(function*() {
        const { exit } = yield* startFakeHyperd("hangup")
        assert.include(reasonOf(exit), { _tag: "Exited", phase: "starting", exitCode: 3 })
      }).pipe(Effect.provide(live)))

    it.live("fails and kills it if it does not report in time", () =>
      Effect.gen(function*() {
        const { exit, pid } = yield* startFakeHyperd("silent", { startTimeout: "1 second" })
        assert.include(reasonOf(exit), { _tag: "StartTimeout", milliseconds: 1000, output: "an impostor\n" })
        assert.isFalse(isAlive(pid))
      }).pipe(Effect.provide(live)))

    it.live("kills a program that ignores every request to stop, and reports the possible data loss", () =>
      Effect.gen(function*() {
        const { exit, pid } = yield* startFakeHyperd("stubborn", { stopTimeout: "100 millis" })
        const defect = Exit.isFailure(exit) ? Cause.squash(exit.cause) : undefined
        assert.isTrue(defect instanceof HyperdError && defect.reason._tag === "Killed")
        assert.include(String(defect), "hyperd did not stop within 100 ms and was killed")
        assert.isFalse(isAlive(pid))
      }).pipe(Effect.provide(live)))

    it.live("reports a crash during the stop", () =>
      Effect.gen(function*() {
        const { exit } = yield* startFakeHyperd("broken")
        const defect = Exit.isFailure(exit) ? Cause.squash(exit.cause) : undefined
        assert.isTrue(defect instanceof HyperdError)
        const { reason } = defect as HyperdError
        assert.include(reason, { _tag: "Exited", phase: "stopping", signal: "SIGABRT" })
      }).pipe(Effect.provide(live)))
  })

  it.live("fails if it cannot listen for the report", () =>
    Effect.gen(function*() {
      const transport = yield* Effect.flip(Effect.scoped(Effect.flatMap(
        Listener.Listener,
        (listener) => listener.listen(Endpoint.unix("/nowhere/at/all"))
      )))
      const reason = yield* failure({}).pipe(
        Effect.provideService(Listener.Listener, { listen: () => Effect.fail(transport) })
      )
      assert.isTrue(reason._tag === "SystemFailed" && reason.action === "listen for the server's report")
    }).pipe(Effect.provide(live)))
})
