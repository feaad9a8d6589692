/**
 * A database that is built in a temporary file beside its own, and replaces it only if all went well.
 *
 * @internal
 */
import type * as Authenticate from "@hyperfect/auth/Authenticate"
import * as Session from "@hyperfect/client/Session"
import type { Transport } from "@hyperfect/transport/Transport"
import * as SecureRandom from "effect/crypto/SecureRandom"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"
import { Hyperd } from "../../Hyperd.ts"
import { connectionConfig, type Options } from "../../HyperOptions.ts"
import { SaveError } from "../../SaveError.ts"
import { defaultSaveTimeout } from "./release.ts"
import * as Databases from "./statements.ts"

/** @internal */
export type Services = Hyperd | Transport | Authenticate.Services | FileSystem.FileSystem | Path.Path

/** @internal */
export interface Draft {
  /** The database that it replaces, as the program names it. */
  readonly database: string
  /** The path of the temporary file. */
  readonly file: string
  /** Replaces the database. The temporary file must have been saved. */
  readonly publish: Effect.Effect<void, SaveError>
  /** Removes the temporary file if it exists. */
  readonly discard: Effect.Effect<void>
}

const hex = (bytes: Uint8Array): string => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("")

/** @internal */
export const make = Effect.fnUntraced(function*(
  database: string,
  options: Options
): Effect.fn.Return<Draft, never, Services> {
  const context = yield* Effect.context<Services>()
  const hyperd = yield* Hyperd
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const named = path.resolve(hyperd.workingDirectory, database)
  // A symbolic link remains one, and the file behind it is replaced.
  const target = yield* Effect.orElseSucceed(fs.realPath(named), () => named)
  const file = `${target}.${hex(yield* (yield* SecureRandom.SecureRandom).randomBytes(6))}.tmp`

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
    database,
    file,
    publish: Effect.provideContext(publish, context),
    discard: fs.remove(file, { force: true }).pipe(
      Effect.catch((cause) => Effect.logWarning(`the temporary file ${file} could not be removed`, cause))
    )
  }
})
