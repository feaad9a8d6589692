import * as NodePath from "@effect/platform-node/NodePath"
import { assert, describe, it } from "@effect/vitest"
import type { Listen } from "@hyperfect/hyper/HyperdOptions"
import * as InstalledPackage from "@hyperfect/hyper/InstalledPackage"
import * as NodePlatform from "@hyperfect/node/NodePlatform"
import * as Endpoint from "@hyperfect/transport/Endpoint"
import { ConfigProvider, Effect, FileSystem, Layer, type Path, Redacted } from "effect"
import { execFileSync } from "node:child_process"
import { join } from "node:path"
import * as CommandLine from "../src/internal/hyperd/commandLine.ts"
import * as Executable from "../src/internal/hyperd/executable.ts"

const temporary = "C:\\Users\\Jane Doe\\AppData\\Local\\Temp\\hyperfect-hyperd-a1b2c3"

const installed = "C:\\Program Files\\Hyper"
const host = { platform: "win32", arch: "x64" }
const packageName = "hyperdb-mcp-win32-x64-msvc"

/** The paths of Windows, and files of which only those of the given names exist. */
const windows = (...files: ReadonlyArray<string>): Layer.Layer<FileSystem.FileSystem | Path.Path> =>
  Layer.mergeAll(
    NodePath.layerWin32,
    FileSystem.layerNoop({
      stat: (name) => Effect.succeed({ type: name === installed ? "Directory" : "File" } as FileSystem.File.Info),
      exists: (name) => Effect.succeed(files.includes(name)),
      readFileString: (name) => Effect.succeed(`the text of ${name}`),
      writeFileString: () => Effect.void
    })
  )

const resolveOn = (platform: string, listen: Listen, directory: string) =>
  CommandLine.resolveEndpoints({ listen }, directory, platform)

const onWindows = (listen: Listen) => Effect.provide(resolveOn("win32", listen, temporary), windows())

const onMac = (listen: Listen, directory = "/var/folders/zz/a1/T/hyperfect-hyperd-a1b2c3") =>
  Effect.provide(resolveOn("darwin", listen, directory), Layer.merge(NodePath.layerPosix, FileSystem.layerNoop({})))

/** The command line of a server that listens on these endpoints. */
const argumentsOf = (
  endpoints: ReadonlyArray<Endpoint.Endpoint>,
  tls?: Parameters<typeof CommandLine.commandArguments>[1]["tls"]
) =>
  CommandLine.commandArguments({}, {
    user: "me",
    endpoints,
    callback: Endpoint.tcp("127.0.0.1", 5000),
    logDirectory: temporary,
    tls
  })

describe("a Hyper server on Windows", () => {
  it.effect("listens on a pipe with the name of its directory, or on the pipe that is given", () =>
    Effect.gen(function*() {
      const endpoints = [
        ["unix", "\\\\.\\pipe\\hyperfect-hyperd-a1b2c3", "tab.pipe://./pipe/hyperfect-hyperd-a1b2c3"],
        [Endpoint.unix("\\\\.\\pipe\\my 'pipe'"), "\\\\.\\pipe\\my 'pipe'", "tab.pipe://./pipe/my 'pipe'"],
        [Endpoint.unix("\\\\?\\pipe\\mine"), "\\\\?\\pipe\\mine", "tab.pipe://./pipe/mine"],
        [Endpoint.unix("//./pipe/mine"), "\\\\.\\pipe\\mine", "tab.pipe://./pipe/mine"]
      ] as const
      for (const [listen, path, argument] of endpoints) {
        const resolved = yield* onWindows(listen)
        assert.deepStrictEqual(resolved, [Endpoint.unix(path)])
        assert.deepStrictEqual(CommandLine.connectableEndpoint(resolved[0]), Endpoint.unix(path))
        assert.include(argumentsOf(resolved), `--listen-connection=${argument}`)
      }
      assert.deepStrictEqual(yield* onWindows("tcp"), [Endpoint.tcp("127.0.0.1", 0)])
    }))

  it.effect("refuses the path of a file, and the name of a pipe that the command line cannot have", () =>
    Effect.gen(function*() {
      const paths = ["C:\\Temp\\hyper.sock", "hyper.sock", "\\\\.\\pipe\\a\\b", "\\\\.\\pipe\\", "\\\\server\\share\\a"]
      for (const path of paths) {
        const { reason } = yield* Effect.flip(onWindows(Endpoint.unix(path)))
        assert.strictEqual(reason._tag, "EndpointUnusable", path)
        assert.include(reason.message, "named pipes, \\\\.\\pipe\\name")
      }
      const { reason } = yield* Effect.flip(onWindows(Endpoint.unix("\\\\.\\pipe\\a,b")))
      assert.include(reason.message, "contains a comma")
    }))

  it.effect("gets paths with drive letters, backslashes and spaces as they are, each in one argument", () =>
    Effect.gen(function*() {
      const key = Redacted.make("key")
      const folder = "D:\\My Keys"
      const files = { certificateFile: `${folder}\\server.crt`, keyFile: `${folder}/server.key` }
      const given = yield* CommandLine.prepareTls(files, temporary)
      assert.strictEqual(given?.certificate, `the text of ${folder}\\server.crt`)
      assert.includeMembers([...argumentsOf([Endpoint.tcp("::1", 1)], given)], [
        "--listen-connection=tab.tcp://[::1]:1",
        `--log-dir=${temporary}`,
        `--ssl-certificate=${folder}\\server.crt`,
        `--ssl-key=${folder}\\server.key`
      ])
      const written = yield* CommandLine.prepareTls({ certificate: "certificate", key }, temporary)
      assert.deepStrictEqual(written?.temporaryFiles, [`${temporary}\\server.crt`, `${temporary}\\server.key`])
    }).pipe(Effect.provide(windows())))

  it("runs without a shell", () => {
    const program = `${installed}\\hyperd.exe`
    assert.deepStrictEqual(CommandLine.spawnCommand(program, "win32"), [program])
  })

  it.effect("is hyperd.exe, in a given folder or as a given program", () =>
    Effect.gen(function*() {
      const program = `${installed}\\hyperd.exe`
      const find = (given: string) => Effect.provide(Executable.find(given, host), windows(program))
      assert.strictEqual(yield* find(installed), program)
      assert.strictEqual(yield* find("C:/Program Files/Hyper/"), program)
      assert.strictEqual(yield* find(program), program)
      const { reason } = yield* Effect.flip(find("D:\\Hyper"))
      assert.deepInclude(reason, { _tag: "NotFound", searched: ["D:\\Hyper"], packages: [packageName] })
      const empty = yield* Effect.flip(Effect.provide(Executable.find(installed, host), windows()))
      assert.deepInclude(empty.reason, { _tag: "NotFound", searched: [program] })
      const variable = yield* Effect.provide(
        Executable.find(undefined, host),
        Layer.merge(windows(program), ConfigProvider.layer(ConfigProvider.fromUnknown({ HYPERD_PATH: installed })))
      )
      assert.strictEqual(variable, program)
    }))

  it.effect("is hyperd.exe of the package for Windows, when no path is given", () =>
    Effect.gen(function*() {
      const nothing = ConfigProvider.layer(ConfigProvider.fromUnknown({}))
      const { reason } = yield* Effect.flip(
        Effect.provide(Executable.find(undefined, host), Layer.merge(windows(), nothing))
      )
      assert.deepInclude(reason, { _tag: "NotFound", packages: [packageName] })
      const [folder] = reason._tag === "NotFound" ? reason.searched : []
      const program = `${folder}\\${packageName}\\hyperd.exe`
      // Of the two, only the one with the extension can be run there.
      const files = windows(program, `${folder}\\${packageName}\\hyperd`)
      const found = yield* Effect.provide(Executable.find(undefined, host), Layer.merge(files, nothing))
      assert.strictEqual(found, program)
    }))

  it.effect("is looked for in the folders up to the root of its drive or share", () =>
    Effect.gen(function*() {
      for (const root of ["D:\\", "\\\\server\\share\\"]) {
        const program = `${root}node_modules\\${packageName}\\hyperd.exe`
        const search = { packages: [packageName], files: ["hyperd.exe"], from: [`${root}app\\src`] }
        const { path, searched } = yield* Effect.provide(InstalledPackage.find(search), windows(program))
        assert.strictEqual(path, program)
        assert.deepStrictEqual(searched.slice(-3), [
          `${root}app\\src\\node_modules`,
          `${root}app\\node_modules`,
          `${root}node_modules`
        ])
      }
    }))
})

describe("a Hyper server on macOS", () => {
  it.effect("listens on a socket in its directory, whose path is shorter than on Linux", () =>
    Effect.gen(function*() {
      const folder = "/var/folders/zz/a1/T/hyperfect-hyperd-a1b2c3"
      const [endpoint] = yield* onMac("unix")
      assert.deepStrictEqual(endpoint, Endpoint.unix(`${folder}/.s.PGSQL.7483`))
      assert.include(argumentsOf([endpoint]), `--listen-connection=tab.domain://${folder}/domain/.s.PGSQL.7483`)
      const longest = `/${"s".repeat(102)}`
      assert.deepStrictEqual(yield* onMac(Endpoint.unix(longest)), [Endpoint.unix(longest)])
      const { reason } = yield* Effect.flip(onMac(Endpoint.unix(`${longest}s`)))
      assert.deepInclude(reason, { _tag: "SocketPathTooLong", bytes: 104, limit: 103 })
      const long = yield* Effect.flip(onMac("unix", `/${"d".repeat(90)}`))
      assert.strictEqual(long.reason._tag, "SocketPathTooLong")
    }))

  it.effect("refuses a named pipe, as every system but Windows does", () =>
    Effect.gen(function*() {
      const { reason } = yield* Effect.flip(onMac(Endpoint.unix("\\\\.\\pipe\\mine")))
      assert.strictEqual(reason._tag, "EndpointUnusable")
      assert.include(reason.message, "only Windows has named pipes")
    }))

  it.effect("is the program of the package for Apple's processors, and there is none for Intel's", () =>
    Effect.gen(function*() {
      const find = (arch: string) =>
        Effect.flip(Executable.find(undefined, { platform: "darwin", arch })).pipe(
          Effect.provide(Layer.mergeAll(
            NodePath.layerPosix,
            FileSystem.layerNoop({}),
            ConfigProvider.layer(ConfigProvider.fromUnknown({}))
          ))
        )
      assert.deepInclude((yield* find("arm64")).reason, { _tag: "NotFound", packages: ["hyperdb-mcp-darwin-arm64"] })
      const none = yield* find("x64")
      assert.deepInclude(none.reason, { _tag: "NotFound", packages: [] })
      assert.notInclude(none.message, "install the package")
    }))

  it.live("runs behind a shell that passes every character of paths and arguments on", () =>
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const folder = join(yield* fs.makeTempDirectoryScoped({ prefix: "hyperfect-test-" }), `a "b" 'c' $d \\e`)
      yield* fs.makeDirectory(folder)
      const program = join(folder, "hyperd")
      yield* fs.symlink(process.execPath, program)
      const [command, ...before] = CommandLine.spawnCommand(program, "darwin")
      const print = ["-e", "console.log(JSON.stringify(process.argv.slice(1)))", "--"]
      const given = ["run", `--log-dir=${folder}`, "", "*", "--", `$(exit 1) \`exit 1\` "`]
      const printed = execFileSync(command, [...before, ...print, ...given], { encoding: "utf8" })
      assert.deepStrictEqual(JSON.parse(printed), given)
    }).pipe(Effect.provide(NodePlatform.layer)))
})
