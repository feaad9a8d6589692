/** Validates and completes the options of a server, and turns them into its command line. */
import * as Utf8 from "@hyperfect/protocol/Utf8"
import * as Endpoint from "@hyperfect/transport/Endpoint"
import type { NonEmptyReadonlyArray } from "effect/Array"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"
import * as Redacted from "effect/Redacted"
import {
  EndpointUnusable,
  fromReason,
  type HyperdError,
  OptionInvalid,
  SocketPathTooLong,
  SystemFailed
} from "../../HyperdError.ts"
import type { Listen, Options, TlsOptions } from "../../HyperdOptions.ts"
import * as HyperEndpoint from "../../HyperEndpoint.ts"
import * as FileVersion from "../fileVersion.ts"
import type { Host } from "../host.ts"

const defaultSettings: Readonly<Record<string, string | number | boolean>> = {
  language: "en_US",
  date_style: "MDY",
  date_style_lenient: false
}

type Platform = Host["platform"]

/** `sun_path` of `struct sockaddr_un` without its terminating zero: 108 bytes on Linux, 104 on the BSDs and macOS. */
const socketPathLimit = (platform: Platform): number => platform === "linux" ? 107 : 103

/**
 * Returns the command that runs the program. If this process is killed, no reader is left for the server's output, and
 * the server prints on exit: `SIGPIPE` would kill it during an orderly stop, and its socket file would remain and block
 * the next server. An ignored signal stays ignored across `exec`.
 */
export const spawnCommand = (program: string, platform: Platform): readonly [string, ...ReadonlyArray<string>] =>
  platform === "win32" ? [program] : ["/bin/sh", "-c", "trap '' PIPE; exec \"$0\" \"$@\"", program]

/**
 * Returns the endpoint to connect to for a server's listen endpoint: a wildcard address becomes the loopback address.
 */
export const connectableEndpoint = (endpoint: Endpoint.Endpoint): Endpoint.Endpoint =>
  endpoint._tag === "Unix" ? endpoint : Endpoint.tcp(
    endpoint.host === "0.0.0.0" ? "127.0.0.1" : endpoint.host === "::" ? "::1" : endpoint.host,
    endpoint.port
  )

export const mapSystemError = (action: string) => <A, E extends Error, R>(self: Effect.Effect<A, E, R>) =>
  Effect.mapError(self, (cause) => fromReason(new SystemFailed({ action, cause })))

export const optionInvalid = (option: string, problem: string) =>
  Effect.fail(fromReason(new OptionInvalid({ option, problem })))

export const checkOptions = (options: Options) =>
  Effect.suspend((): Effect.Effect<void, HyperdError> => {
    if (options.user !== undefined && !/^[^\0\r\n]+$/.test(options.user)) {
      return optionInvalid("user", "must be a name without line breaks and zero bytes")
    }
    // The server reads the password as a line of its input, and rejects an empty one.
    if (options.password !== undefined && !/^[^\0\r\n]+$/.test(Redacted.value(options.password))) {
      return optionInvalid("password", "must not be empty and not contain line breaks and zero bytes")
    }
    for (const [name, value] of Object.entries(options.settings ?? {})) {
      if (!/^[A-Za-z][A-Za-z0-9_.-]*$/.test(name) || String(value).includes("\0")) {
        return optionInvalid(`settings.${name}`, "is not a setting's name and value")
      }
    }
    return Effect.void
  })

/** Resolves the option `listen` to endpoints, and checks them as far as is possible before the server starts. */
export const resolveEndpoints = Effect.fnUntraced(function*(options: Options, directory: string, platform: Platform) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const asked = options.listen ?? "tcp"
  const list = Array.isArray(asked) ? asked as ReadonlyArray<Listen> : [asked as Listen]
  const endpoints = list.map((listen) =>
    listen === "tcp"
      ? Endpoint.tcp("127.0.0.1", 0)
      : listen === "unix"
      ? HyperEndpoint.local(directory, platform)
      : listen._tag === "Unix" && !HyperEndpoint.isNamedPipe(listen.path)
      ? Endpoint.unix(path.resolve(listen.path))
      : listen
  )
  for (const endpoint of endpoints) {
    const unusable = (problem: string) =>
      fromReason(new EndpointUnusable({ endpoint: Endpoint.format(endpoint), problem }))
    if (endpoint._tag === "Tcp") {
      if (!/^[^\s,/]+$/.test(endpoint.host)) return yield* unusable("that is not the name or address of a host")
      continue
    }
    // The server takes its endpoints as one comma-separated list.
    if (/[\p{Cc},]/u.test(endpoint.path)) return yield* unusable("the path contains a comma or a control character")
    const isNamedPipe = HyperEndpoint.isNamedPipe(endpoint.path)
    if (platform === "win32" && !isNamedPipe) {
      return yield* unusable("on Windows the server has no sockets with a path but named pipes, \\\\.\\pipe\\name")
    }
    if (platform !== "win32" && isNamedPipe) return yield* unusable("only Windows has named pipes")
    // A pipe has neither a file nor the limits of one.
    if (isNamedPipe) continue
    const bytes = Utf8.byteLength(endpoint.path)
    const limit = socketPathLimit(platform)
    if (bytes > limit) return yield* fromReason(new SocketPathTooLong({ path: endpoint.path, bytes, limit }))
    // The server replaces any file at that path with its socket.
    const existing = yield* Effect.option(fs.stat(endpoint.path))
    if (existing._tag === "Some" && existing.value.type !== "Socket") {
      return yield* unusable(`a ${existing.value.type === "Directory" ? "directory" : "file"} is there`)
    }
  }
  // The server reports only one endpoint, its first one over TCP, so only one free port can be learnt.
  if (endpoints.filter((endpoint) => endpoint._tag === "Tcp" && endpoint.port === 0).length > 1) {
    return yield* optionInvalid("listen", "asks for more than one free port")
  }
  return endpoints as unknown as NonEmptyReadonlyArray<Endpoint.Endpoint>
})

/** Returns the certificate, and the files from which the server reads it and its key. */
export const prepareTls = Effect.fnUntraced(function*(options: TlsOptions | undefined, directory: string) {
  if (options === undefined) return undefined
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const required = options.required ?? false
  if ("certificateFile" in options) {
    const certificateFile = path.resolve(options.certificateFile)
    const certificate = yield* mapSystemError(`read ${certificateFile}`)(fs.readFileString(certificateFile))
    return { required, certificate, certificateFile, keyFile: path.resolve(options.keyFile), temporaryFiles: [] }
  }
  const { certificate, key } = options
  const [certificateFile, keyFile] = [path.join(directory, "server.crt"), path.join(directory, "server.key")]
  yield* mapSystemError(`write ${certificateFile}`)(fs.writeFileString(certificateFile, certificate))
  yield* mapSystemError(`write ${keyFile}`)(fs.writeFileString(keyFile, Redacted.value(key), { mode: 0o600 }))
  return { required, certificate, certificateFile, keyFile, temporaryFiles: [certificateFile, keyFile] }
})

/**
 * Formats settings as `--name=value`, with dashes for the underscores of their SQL names. A later value replaces an
 * earlier one.
 */
const flags = (...settings: ReadonlyArray<Readonly<Record<string, string | number | boolean>>>): Array<string> => {
  const merged = new Map<string, string | number | boolean>()
  for (const [name, value] of settings.flatMap((some) => Object.entries(some))) {
    merged.set(name.replaceAll("_", "-"), value)
  }
  return Array.from(merged, ([name, value]) => `--${name}=${value}`)
}

/** Returns the server's command line. It does not contain the password. */
export const commandArguments = (options: Options, completed: {
  readonly user: string
  readonly endpoints: ReadonlyArray<Endpoint.Endpoint>
  readonly callback: Endpoint.Endpoint
  readonly logDirectory: string
  readonly tls: Effect.Success<ReturnType<typeof prepareTls>>
}): ReadonlyArray<string> => {
  const { callback, endpoints, logDirectory, tls, user } = completed
  return [
    "run",
    "--skip-license",
    `--init-user=${user}`,
    ...options.password === undefined ? ["--no-password"] : [],
    `--listen-connection=${endpoints.map(HyperEndpoint.format).join(",")}`,
    `--callback-connection=${HyperEndpoint.format(callback)}`,
    `--log-dir=${logDirectory}`,
    ...tls === undefined ? [] : [`--ssl-certificate=${tls.certificateFile}`, `--ssl-key=${tls.keyFile}`],
    ...tls?.required === true ? ["--ssl-force=1"] : [],
    ...flags(
      defaultSettings,
      { default_database_version: options.defaultDatabaseVersion ?? FileVersion.defaultVersion },
      options.settings ?? {}
    ),
    ...options.arguments ?? []
  ]
}
