/**
 * Finds programs inside npm packages, such as the server binaries of a platform package.
 *
 * It searches as Node's own resolution does: in the `node_modules` folder of each directory upwards from a starting
 * point. It does not read `package.json`, follow `exports` or download anything.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"
import * as Host from "./internal/host.ts"

/**
 * The packages to search for, and the directories to search in.
 *
 * @category models
 * @since 0.1.0
 */
export interface Search {
  /** Names of packages that may contain the file, the likeliest first. */
  readonly packages: ReadonlyArray<string>
  /** The path of the file inside the package; several if it differs between systems. */
  readonly files: ReadonlyArray<string>
  /** Directories to start from; the working directory is always the first. */
  readonly from?: ReadonlyArray<string | undefined> | undefined
}

/**
 * The result of a search.
 *
 * @category models
 * @since 0.1.0
 */
export interface Found {
  /** The file's absolute path, or `undefined` if it was not found. */
  readonly path: string | undefined
  /** The `node_modules` folders that were searched, for the error message. */
  readonly searched: ReadonlyArray<string>
}

/**
 * Selects the platform packages for a machine, this one when absent.
 *
 * **Details**
 *
 * Keys are Node's `process.platform` and `process.arch` joined by a dash, such as `linux-x64`. On a runtime without
 * `process`, all of them are returned.
 *
 * @category constructors
 * @since 0.1.0
 */
export const forHost = (
  packages: Readonly<Record<string, string>>,
  host: { readonly platform?: string | undefined; readonly arch?: string | undefined } = Host.current
): ReadonlyArray<string> => {
  if (host.platform === undefined || host.arch === undefined) return Object.values(packages)
  const name = `${host.platform}-${host.arch}`
  return Object.hasOwn(packages, name) ? [packages[name]!] : []
}

/**
 * Finds a file inside installed packages.
 *
 * **Details**
 *
 * The nearest folder wins, as in Node. An unreadable folder counts as one that does not contain the file.
 *
 * @category constructors
 * @since 0.1.0
 */
export const find = Effect.fnUntraced(function*(search: Search) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const searched: Array<string> = []
  for (const start of [".", ...search.from ?? []]) {
    if (start === undefined) continue
    let directory = path.resolve(start)
    while (true) {
      const folder = path.join(directory, "node_modules")
      if (!searched.includes(folder)) {
        searched.push(folder)
        for (const name of search.packages) {
          for (const file of search.files) {
            const candidate = path.join(folder, name, file)
            if (yield* Effect.orElseSucceed(fs.exists(candidate), () => false)) {
              return { path: candidate, searched } satisfies Found as Found
            }
          }
        }
      }
      const parent = path.dirname(directory)
      if (parent === directory) break
      directory = parent
    }
  }
  return { path: undefined, searched } satisfies Found as Found
})
