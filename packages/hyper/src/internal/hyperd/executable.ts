/** Locates the server program. */
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"
import { fromReason, NotFound, OptionInvalid } from "../../HyperdError.ts"
import * as InstalledPackage from "../../InstalledPackage.ts"
import type { Host } from "../host.ts"

/** The npm packages that contain Hyper, for the platforms that have one. */
const packages = {
  "darwin-arm64": "hyperdb-mcp-darwin-arm64",
  "linux-x64": "hyperdb-mcp-linux-x64-gnu",
  "win32-x64": "hyperdb-mcp-win32-x64-msvc"
}

const executableNames = ({ platform }: Host): ReadonlyArray<string> =>
  platform === undefined ? ["hyperd", "hyperd.exe"] : [platform === "win32" ? "hyperd.exe" : "hyperd"]

/** Resolves a path given by the caller: the program, or the directory that contains it. */
const resolveExplicit = Effect.fnUntraced(function*(file: string, host: Host) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const at = path.resolve(file)
  const kind = yield* Effect.option(fs.stat(at))
  const candidates = kind._tag === "Some" && kind.value.type === "Directory"
    ? executableNames(host).map((name) => path.join(at, name))
    : [at]
  for (const candidate of candidates) {
    if (yield* Effect.orElseSucceed(fs.exists(candidate), () => false)) return candidate
  }
  return yield* fromReason(new NotFound({ searched: candidates, packages: InstalledPackage.forHost(packages, host) }))
})

/**
 * Tries the explicit path, then `HYPERD_PATH`, then an installed package. A given path that does not exist is an error;
 * there is no fallback to another one.
 */
export const find = Effect.fnUntraced(function*(explicit: string | undefined, host: Host) {
  if (explicit !== undefined) return yield* resolveExplicit(explicit, host)
  const variable = yield* Config.String("HYPERD_PATH").pipe(
    Config.withDefault(""),
    Effect.mapError((cause) => fromReason(new OptionInvalid({ option: "HYPERD_PATH", problem: cause.message })))
  )
  if (variable !== "") return yield* resolveExplicit(variable, host)
  const wanted = InstalledPackage.forHost(packages, host)
  const found = yield* InstalledPackage.find({
    packages: wanted,
    files: executableNames(host),
    from: [(import.meta as { readonly dirname?: string }).dirname]
  })
  return found.path ?? (yield* fromReason(new NotFound({ searched: found.searched, packages: wanted })))
})
