/**
 * What libpq finds in files, by the rules of libpq: the service, the passwords, certificates and keys.
 *
 * @since 0.1.0
 */
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import { ConfigError } from "../ConfigError.ts"
import { type Entry, parsePassfile } from "./passfile.ts"
import { parseService } from "./service.ts"
import { addDefaults, effect, type Settings, variables } from "./settings.ts"

/**
 * What the environment says besides the settings.
 *
 * @internal
 */
export interface Environment {
  readonly settings: Settings
  readonly user: string | undefined
  /** Where the user's own files are: the home directory, and on Windows the directory of PostgreSQL's files. */
  readonly home: { readonly path: string; readonly isWindows: boolean } | undefined
  /** Where the files for all users are. */
  readonly systemDirectory: string
}

/** Start-up parameters that have variables of their own. */
const parameters = { datestyle: "PGDATESTYLE", timezone: "PGTZ", geqo: "PGGEQO" }

const variable = (name: string) => Config.option(Config.String(name))
const first = (...options: ReadonlyArray<Option.Option<string>>) => Option.getOrUndefined(Option.firstSomeOf(options))

/** @internal */
export const environment: Config.Config<Environment & { readonly parameters: Readonly<Record<string, string>> }> =
  Config.map(
    Config.all({
      settings: Config.all(Object.fromEntries(variables.map(([key, name]) => [key, variable(name)]))),
      parameters: Config.all(Object.fromEntries(
        Object.entries(parameters).map(([key, name]) => [key, variable(name)])
      )),
      requireSsl: variable("PGREQUIRESSL"),
      user: variable("USER"),
      logName: variable("LOGNAME"),
      userName: variable("USERNAME"),
      home: variable("HOME"),
      appData: variable("APPDATA"),
      systemDirectory: variable("PGSYSCONFDIR")
    }),
    (found) => {
      const settings: Settings = new Map()
      for (const [key, value] of Object.entries(found.settings)) {
        if (Option.isSome(value)) settings.set(key, value.value)
      }
      if (Option.isSome(found.requireSsl) && found.requireSsl.value.startsWith("1") && !settings.has("sslmode")) {
        settings.set("sslmode", "require")
      }
      const home = Option.getOrUndefined(found.home)
      const appData = Option.getOrUndefined(found.appData)
      return {
        settings,
        parameters: Object.fromEntries(
          Object.entries(found.parameters).flatMap(([key, value]) => (Option.isSome(value) ? [[key, value.value]] : []))
        ),
        user: first(found.user, found.logName, found.userName),
        home: home !== undefined
          ? { path: home, isWindows: false }
          : appData === undefined
          ? undefined
          : { path: `${appData}/postgresql`, isWindows: true },
        systemDirectory: Option.getOrElse(found.systemDirectory, () => "/etc/postgresql-common")
      }
    }
  )

const unreadable = (setting: string, path: string) => () =>
  new ConfigError({ setting, kind: "file", problem: `the file ${path} cannot be read` })

const exists = Effect.fnUntraced(function*(path: string) {
  const fs = yield* FileSystem.FileSystem
  return yield* Effect.orElseSucceed(fs.exists(path), () => false)
})

const read = Effect.fnUntraced(function*(setting: string, path: string) {
  const fs = yield* FileSystem.FileSystem
  return yield* Effect.mapError(fs.readFileString(path), unreadable(setting, path))
})

/**
 * Adds what the service says, if there is one: from the file that is named, else the user's own, else the system's.
 *
 * @internal
 */
export const addService = Effect.fnUntraced(function*(settings: Settings, environment: Environment) {
  const service = settings.get("service") ?? environment.settings.get("service")
  if (service === undefined || service === "") return
  const named = settings.get("servicefile") ?? environment.settings.get("servicefile")
  const { home, systemDirectory } = environment
  const own = home === undefined ? undefined : `${home.path}/${home.isWindows ? "" : "."}pg_service.conf`
  const places = [
    ...(named !== undefined ? [named] : own !== undefined && (yield* exists(own)) ? [own] : []),
    `${systemDirectory}/pg_service.conf`
  ]
  for (const path of places) {
    if (path !== named && !(yield* exists(path))) continue
    const text = yield* read("servicefile", path)
    const found = yield* effect(() => parseService(text, service, path))
    if (found !== undefined) return addDefaults(settings, found)
  }
  return yield* new ConfigError({
    setting: "service",
    kind: "missing",
    problem: `there is no service ${JSON.stringify(service)} in ${places.join(" or ")}`
  })
})

/**
 * The entries of the password file. One that others could read is not used, as in libpq, and a warning says so.
 *
 * @internal
 */
export const passwords = Effect.fnUntraced(function*(settings: Settings, environment: Environment) {
  const none: ReadonlyArray<Entry> = []
  const { home } = environment
  const named = settings.get("passfile") ?? ""
  const own = home === undefined ? "" : `${home.path}/${home.isWindows ? "pgpass.conf" : ".pgpass"}`
  const path = named === "" ? own : named
  if (path === "") return none
  const fs = yield* FileSystem.FileSystem
  const info = yield* Effect.option(fs.stat(path))
  if (Option.isNone(info)) return none
  const { mode, type } = info.value
  const flaw = type !== "File"
    ? "is not a plain file"
    : home?.isWindows !== true && (mode & 0o077) !== 0
    ? "can be used by others than its owner; its permissions should be 0600 or less"
    : undefined
  if (flaw !== undefined) {
    yield* Effect.logWarning(`the password file ${path} is not used: it ${flaw}`)
    return none
  }
  return parsePassfile(yield* Effect.orElseSucceed(fs.readFileString(path), () => ""))
})

/** Settings that name files, with the file that stands in when none is named. */
const certificates = [
  ["sslrootcert", "root.crt"],
  ["sslcert", "postgresql.crt"],
  ["sslkey", "postgresql.key"],
  ["sslcrl", "root.crl"]
] as const

/** A key that is root's own may be read by a group; any other by nobody but its owner. */
const checkKey = Effect.fnUntraced(function*(path: string) {
  const fs = yield* FileSystem.FileSystem
  const { mode, uid } = yield* Effect.mapError(fs.stat(path), unreadable("sslkey", path))
  const others = Option.getOrUndefined(uid) === 0 ? 0o037 : 0o077
  if ((mode & others) !== 0) {
    return yield* new ConfigError({
      setting: "sslkey",
      kind: "file",
      problem: `the file ${path} can be used by others than its owner; its permissions should be 0600 or less`
    })
  }
})

/** A text that is, or has in it, a list of revoked certificates. */
const isRevocationList = (text: string): boolean => text.includes("-----BEGIN X509 CRL-----")

/**
 * Adds the lists of a directory to the one of `sslcrl`. OpenSSL finds a list by a file name that is made of its issuer's;
 * here every list of the directory is taken, so that the names do not matter. One may be there under several names.
 */
const readRevocationLists = Effect.fnUntraced(function*(settings: Settings) {
  const directory = settings.get("sslcrldir") ?? ""
  if (directory === "") return
  const fs = yield* FileSystem.FileSystem
  const names = yield* Effect.mapError(
    fs.readDirectory(directory),
    () => new ConfigError({ setting: "sslcrldir", kind: "file", problem: `the directory ${directory} cannot be read` })
  )
  const texts = yield* Effect.forEach(
    names.toSorted(),
    (name) => Effect.orElseSucceed(fs.readFileString(`${directory}/${name}`), () => "")
  )
  const lists = new Set(texts.filter(isRevocationList))
  if (lists.size === 0) {
    return yield* new ConfigError({
      setting: "sslcrldir",
      kind: "file",
      problem: `there is no list of revoked certificates in PEM in ${directory}`
    })
  }
  settings.set("sslcrl", [settings.get("sslcrl") ?? "", ...lists].filter((text) => text !== "").join("\n"))
  settings.delete("sslcrldir")
})

/**
 * Puts the texts of certificates, keys and revocation lists in place of the names of their files.
 *
 * @internal
 */
export const readCertificates = Effect.fnUntraced(function*(settings: Settings, { home }: Environment) {
  const directory = home === undefined ? undefined : home.isWindows ? home.path : `${home.path}/.postgresql`
  for (const [key, name] of certificates) {
    const value = settings.get(key) ?? ""
    if (value === "system" && key === "sslrootcert") continue
    if (value.includes("-----BEGIN ")) continue
    // Without a certificate, a key has no meaning.
    if (key === "sslkey" && (settings.get("sslcert") ?? "") === "") continue
    let path = value
    if (value === "") {
      if (directory === undefined || settings.get("sslmode") === "disable") continue
      path = `${directory}/${name}`
      if (!(yield* exists(path))) continue
    }
    if (key === "sslkey" && home?.isWindows !== true) yield* checkKey(path)
    const text = yield* read(key, path)
    if (!text.includes("-----BEGIN ")) {
      return yield* new ConfigError({ setting: key, kind: "file", problem: `the file ${path} is not in PEM` })
    }
    settings.set(key, text)
  }
  yield* readRevocationLists(settings)
})
