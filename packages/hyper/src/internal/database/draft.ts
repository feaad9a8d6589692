/**
 * A database that is built in a temporary file beside its own, and replaces it only if all went well.
 *
 * @internal
 */
import type * as Authenticate from "@hyperfect/auth/Authenticate"
import * as Session from "@hyperfect/client/Session"
import * as Utf8 from "@hyperfect/protocol/Utf8"
import type { Transport } from "@hyperfect/transport/Transport"
import * as SecureRandom from "effect/crypto/SecureRandom"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import * as Path from "effect/Path"
import * as DatabaseError from "../../DatabaseError.ts"
import { Hyperd } from "../../Hyperd.ts"
import { connectionConfig, type Options } from "../../HyperOptions.ts"
import { SaveError } from "../../SaveError.ts"
import { defaultSaveTimeout } from "./release.ts"
import * as Databases from "./statements.ts"

/** @internal */
export type Services = Hyperd | Transport | Authenticate.Services | FileSystem.FileSystem | Path.Path

/** @internal */
export interface Draft {
  /** The path of the temporary file. */
  readonly file: string
  /** Replaces the database. The temporary file must have been saved. */
  readonly publish: Effect.Effect<void, SaveError>
  /** Removes the temporary file if it exists. */
  readonly discard: Effect.Effect<void>
}

/** The path of a database, in a form that the server also accepts. */
const resolve = (path: Path.Path, hyperd: Hyperd["Service"], database: string): string =>
  path.resolve(hyperd.workingDirectory, database.replace(/^hyper\.file:/, ""))

/**
 * Fails for what a rename would replace although it is no file, and for a symbolic link to nothing: the server would end
 * when it saves a database there (H-69).
 */
export const checkPath = Effect.fnUntraced(function*(
  database: string
): Effect.fn.Return<void, DatabaseError.DatabaseError, Services> {
  const fs = yield* FileSystem.FileSystem
  const named = resolve(yield* Path.Path, yield* Hyperd, database)
  const missing = (text: string) =>
    new DatabaseError.DatabaseError({ reason: new DatabaseError.Missing({ database, sqlState: "58S01", text }) })
  const found = yield* Effect.option(fs.stat(named))
  if (Option.isSome(found)) {
    return found.value.type === "File" ? undefined : yield* missing("the path does not refer to a file")
  }
  const linked = yield* Effect.option(fs.readLink(named))
  if (Option.isSome(linked)) {
    return yield* missing(`the symbolic link to ${JSON.stringify(linked.value)} leads to no file`)
  }
})

const hex = (bytes: Uint8Array): string => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("")

/** Returns as much of a name of a file as leaves room for the ending of a temporary one, which no system cuts. */
const shortened = (name: string): string => {
  let short = Array.from(name)
  while (Utf8.byteLength(short.join("")) > 230) short = short.slice(0, -1)
  return short.join("")
}

/** @internal */
export const make = Effect.fnUntraced(function*(
  database: string,
  options: Options
): Effect.fn.Return<Draft, never, Services> {
  const context = yield* Effect.context<Services>()
  const hyperd = yield* Hyperd
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const named = resolve(path, hyperd, database)
  // A symbolic link remains one, and the file behind it is replaced.
  const target = yield* Effect.orElseSucceed(fs.realPath(named), () => named)
  const random = yield* (yield* SecureRandom.SecureRandom).randomBytes(6)
  const file = path.join(path.dirname(target), `${shortened(path.basename(target))}.${hex(random)}.tmp`)

  /** Writes a file's data to the disk (fsync(2)). */
  const sync = (name: string) => Effect.scoped(Effect.flatMap(fs.open(name, { flag: "r+" }), (opened) => opened.sync))

  /** Writes the names in a folder to the disk. Windows cannot open a folder, and needs none of this. */
  const syncFolder = (name: string) =>
    Effect.scoped(Effect.matchEffect(fs.open(name, { flag: "r" }), {
      onSuccess: (folder) => folder.sync,
      onFailure: () => Effect.void
    }))

  const checkUnused = Session.make(connectionConfig(hyperd, { ...options, database: undefined })).pipe(
    Effect.flatMap((session) => Databases.checkUnused(session, database)),
    Effect.scoped
  )

  const publish = Effect.suspend(() => {
    let isRenamed = false
    return Effect.gen(function*() {
      yield* Effect.timeout(Effect.interruptible(checkUnused), options.saveTimeout ?? defaultSaveTimeout)
      const replaced = yield* Effect.catchReason(fs.stat(target), "PlatformError", "NotFound", () => Effect.undefined)
      if (replaced !== undefined) yield* fs.chmod(file, replaced.mode & 0o777)
      yield* sync(file)
      yield* fs.rename(file, target)
      isRenamed = true
      yield* syncFolder(path.dirname(target))
    }).pipe(
      Effect.mapError((cause) =>
        new SaveError({ databases: [database], outcome: isRenamed ? "unknown" : "lost", cause })
      )
    )
  })

  return {
    file,
    publish: Effect.provideContext(publish, context),
    discard: fs.remove(file, { force: true }).pipe(
      Effect.catch((cause) =>
        // A path that cannot exist has nothing to remove.
        Effect.flatMap(Effect.isSuccess(fs.stat(file)), (exists) =>
          exists ? Effect.logWarning(`the temporary file ${file} could not be removed`, cause) : Effect.void)
      )
    )
  }
})
