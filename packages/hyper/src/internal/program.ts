/** Where the server program is. */
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"
import { fromReason, NotFound, OptionInvalid } from "../HyperdError.ts"
import * as InstalledPackage from "../InstalledPackage.ts"

/** The packages that bring Hyper along, as far as they exist. */
const packages = {
  "darwin-arm64": "hyperdb-mcp-darwin-arm64",
  "linux-x64": "hyperdb-mcp-linux-x64-gnu",
  "win32-x64": "hyperdb-mcp-win32-x64-msvc"
}

const names = ["hyperd", "hyperd.exe"]

/** A path that somebody gave: the program, or the directory that it is in. */
const given = Effect.fnUntraced(function*(file: string) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const at = path.resolve(file)
  const kind = yield* Effect.option(fs.stat(at))
  const candidates = kind._tag === "Some" && kind.value.type === "Directory"
    ? names.map((name) => path.join(at, name))
    : [at]
  for (const candidate of candidates) {
    if (yield* Effect.orElseSucceed(fs.exists(candidate), () => false)) return candidate
  }
  return yield* fromReason(new NotFound({ searched: candidates, packages: InstalledPackage.forHost(packages) }))
})

/**
 * The explicit path, then `HYPERD_PATH`, then an installed package. What was asked for and is not there is an error, and
 * not a reason to take another one.
 */
export const find = Effect.fnUntraced(function*(explicit: string | undefined) {
  if (explicit !== undefined) return yield* given(explicit)
  const variable = yield* Config.String("HYPERD_PATH").pipe(
    Config.withDefault(""),
    Effect.mapError((cause) => fromReason(new OptionInvalid({ option: "HYPERD_PATH", problem: cause.message })))
  )
  if (variable !== "") return yield* given(variable)
  const wanted = InstalledPackage.forHost(packages)
  const found = yield* InstalledPackage.find({
    packages: wanted,
    files: names,
    from: [(import.meta as { readonly dirname?: string }).dirname]
  })
  return found.path ?? (yield* fromReason(new NotFound({ searched: found.searched, packages: wanted })))
})
