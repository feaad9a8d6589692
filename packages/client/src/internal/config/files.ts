/**
 * libpq's files, read by libpq's rules: the service, passwords, certificates and keys.
 *
 * @since 0.1.0
 */
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import { parsePassfile, type PassfileEntry } from "./passfile.ts"
import { parseService } from "./serviceFile.ts"
import { addDefaults, configError, type Settings, tryEffect } from "./settings.ts"
import { keywords, settingTable } from "./settingTable.ts"

/**
 * The parts of the environment besides the settings.
 *
 * @internal
 */
export interface Environment {
  readonly settings: Settings
  readonly user: string | undefined
  /** The directory of the user's files: the home directory, on Windows that of PostgreSQL's files. */
  readonly home: { readonly path: string; readonly isWindows: boolean } | undefined
  /** The directory of the files for all users. */
  readonly systemDirectory: string
}

/** Start-up parameters that have environment variables of their own. */
const parameters = { datestyle: "PGDATESTYLE", timezone: "PGTZ", geqo: "PGGEQO" }

const variable = (name: string) => Config.option(Config.String(name))

/** Reads those of some variables that are set, by other keys. */
const variables = (names: ReadonlyArray<readonly [key: string, name: string | undefined]>) =>
  Config.map(
    Config.all(names.flatMap(([key, name]) =>
      name === undefined ? [] : [Config.map(variable(name), Option.map((value) => [key, value] as const))]
    )),
    (options) =>
      options.flatMap(Option.toArray)
  )

type Variables = Environment & { readonly parameters: Readonly<Record<string, string>> }

const makeEnvironment = (): Config.Config<Variables> =>
  Config.map(
    Config.all({
      settings: variables(keywords.map((key) => [key, settingTable[key].variable])),
      parameters: variables(Object.entries(parameters)),
      requireSsl: variable("PGREQUIRESSL"),
      users: Config.all([variable("USER"), variable("LOGNAME"), variable("USERNAME")]),
      home: variable("HOME"),
      appData: variable("APPDATA"),
      system: variable("OS"),
      systemDirectory: variable("PGSYSCONFDIR")
    }),
    (found) => {
      const settings = new Map(found.settings) as Settings
      if (Option.isSome(found.requireSsl) && found.requireSsl.value.startsWith("1") && !settings.has("sslmode")) {
        settings.set("sslmode", "require")
      }
      const home = Option.getOrUndefined(found.home)
      const appData = Option.getOrUndefined(found.appData)
      // Shells such as Git's set HOME on Windows too, where libpq does not use it and files have no permission bits.
      const isWindows = appData !== undefined &&
        (home === undefined || Option.getOrUndefined(found.system) === "Windows_NT")
      return {
        settings,
        parameters: Object.fromEntries(found.parameters),
        user: Option.getOrUndefined(Option.firstSomeOf(found.users)),
        home: isWindows
          ? { path: `${appData}/postgresql`, isWindows }
          : home === undefined
          ? undefined
          : { path: home, isWindows },
        systemDirectory: Option.getOrElse(found.systemDirectory, () => "/etc/postgresql-common")
      }
    }
  )

/** Made when it is read: a program that is given its configuration reads no variables. */
export const environment: Config.Config<Variables> = Config.flatMap(Config.succeed(undefined), makeEnvironment)

const unreadable = (setting: string, path: string) => () =>
  configError(setting, "file", `the file ${path} cannot be read`)

const exists = (path: string) =>
  Effect.flatMap(FileSystem.FileSystem, (fs) => Effect.orElseSucceed(fs.exists(path), () => false))

const readFile = (setting: string, path: string) =>
  Effect.flatMap(FileSystem.FileSystem, (fs) => Effect.mapError(fs.readFileString(path), unreadable(setting, path)))

/**
 * Adds the settings of the service, if there is one: from the file that is named, else the user's own, else the
 * system's.
 *
 * @internal
 */
export const applyService = Effect.fnUntraced(function*(settings: Settings, environment: Environment) {
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
    const text = yield* readFile("servicefile", path)
    const found = yield* tryEffect(() => parseService(text, service, path))
    if (found !== undefined) return addDefaults(settings, found)
  }
  const problem = `there is no service ${JSON.stringify(service)} in ${places.join(" or ")}`
  return yield* configError("service", "missing", problem)
})

const usableByOthers = "is accessible to users other than its owner; its permissions should be 0600 or less"

/**
 * Reads the entries of the password file. As in libpq, a file that other users can access is ignored with a warning.
 *
 * @internal
 */
export const readPassfile = Effect.fnUntraced(function*(settings: Settings, environment: Environment) {
  const none: ReadonlyArray<PassfileEntry> = []
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
    ? usableByOthers
    : undefined
  if (flaw !== undefined) {
    yield* Effect.logWarning(`the password file ${path} is not used: it ${flaw}`)
    return none
  }
  const bytes = yield* Effect.orElseSucceed(fs.readFile(path), () => new Uint8Array(0))
  return parsePassfile(bytes, path)
})

/** Checks the permissions of a key file: root's may be readable by a group, any other by its owner only. */
const checkKeyPermissions = Effect.fnUntraced(function*(path: string) {
  const fs = yield* FileSystem.FileSystem
  const { mode, uid } = yield* Effect.mapError(fs.stat(path), unreadable("sslkey", path))
  const others = Option.getOrUndefined(uid) === 0 ? 0o037 : 0o077
  if ((mode & others) !== 0) return yield* configError("sslkey", "file", `the file ${path} ${usableByOthers}`)
})

/** True if a text is or contains a certificate revocation list. */
const isRevocationList = (text: string): boolean => text.includes("-----BEGIN X509 CRL-----")

/**
 * Adds the revocation lists of a directory to the one of `sslcrl`. OpenSSL finds a list by a file name that is the hash
 * of its issuer; here every list of the directory is read, whatever its name. The same list may be there under several
 * names.
 */
const readRevocationLists = Effect.fnUntraced(function*(settings: Settings) {
  const directory = settings.get("sslcrldir") ?? ""
  if (directory === "") return
  const fs = yield* FileSystem.FileSystem
  const names = yield* Effect.mapError(
    fs.readDirectory(directory),
    () => configError("sslcrldir", "file", `the directory ${directory} cannot be read`)
  )
  const texts = yield* Effect.forEach(
    names.toSorted(),
    (name) => Effect.orElseSucceed(fs.readFileString(`${directory}/${name}`), () => "")
  )
  const lists = new Set(texts.filter(isRevocationList))
  if (lists.size === 0) {
    return yield* configError("sslcrldir", "file", `there is no list of revoked certificates in PEM in ${directory}`)
  }
  settings.set("sslcrl", [settings.get("sslcrl") ?? "", ...lists].filter((text) => text !== "").join("\n"))
  settings.delete("sslcrldir")
})

/**
 * Replaces the names of files with certificates, keys and revocation lists by their contents.
 *
 * @internal
 */
export const readCertificates = Effect.fnUntraced(function*(settings: Settings, { home }: Environment) {
  const directory = home === undefined ? undefined : home.isWindows ? home.path : `${home.path}/.postgresql`
  for (const key of keywords) {
    const name = settingTable[key].defaultFile
    if (name === undefined) continue
    const value = settings.get(key) ?? ""
    if (value === "system" && key === "sslrootcert") continue
    if (value.includes("-----BEGIN ")) continue
    // A key is used only together with a certificate.
    if (key === "sslkey" && (settings.get("sslcert") ?? "") === "") continue
    let path = value
    if (value === "") {
      if (directory === undefined || settings.get("sslmode") === "disable") continue
      path = `${directory}/${name}`
      if (!(yield* exists(path))) continue
    }
    if (key === "sslkey" && home?.isWindows !== true) yield* checkKeyPermissions(path)
    const text = yield* readFile(key, path)
    if (!text.includes("-----BEGIN ")) return yield* configError(key, "file", `the file ${path} is not in PEM`)
    settings.set(key, text)
  }
  yield* readRevocationLists(settings)
})
