/**
 * Finds programs that come inside npm packages, such as the server binaries of a platform package.
 *
 * It looks where Node's own resolution would: in the `node_modules` folder of each directory upwards from a starting
 * point. It reads no `package.json`, follows no `exports` and downloads nothing.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"

/**
 * Which packages are looked for, and where.
 *
 * @category models
 * @since 0.1.0
 */
export interface Search {
  /** Names of packages that may hold the file, the likeliest first. */
  readonly packages: ReadonlyArray<string>
  /** Where the file lies inside the package; several names when it differs between systems. */
  readonly files: ReadonlyArray<string>
  /** Directories to start from; the working directory is always the first. */
  readonly from?: ReadonlyArray<string | undefined> | undefined
}

/**
 * What a search came to.
 *
 * @category models
 * @since 0.1.0
 */
export interface Found {
  /** The file's absolute path, or `undefined` when it is nowhere. */
  readonly path: string | undefined
  /** The `node_modules` folders that were looked into, for the message that says so. */
  readonly searched: ReadonlyArray<string>
}

/**
 * Chooses among platform packages by the machine this runs on.
 *
 * **Details**
 *
 * Keys are Node's `process.platform` and `process.arch` with a dash between them, such as `linux-x64`. A runtime that
 * has no `process` cannot tell, and gets all of them.
 *
 * @category constructors
 * @since 0.1.0
 */
export const forHost = (packages: Readonly<Record<string, string>>): ReadonlyArray<string> => {
  const host = (globalThis as { readonly process?: { readonly platform?: string; readonly arch?: string } }).process
  if (host?.platform === undefined || host.arch === undefined) return Object.values(packages)
  const name = `${host.platform}-${host.arch}`
  return Object.hasOwn(packages, name) ? [packages[name]!] : []
}

/**
 * Looks for a file inside installed packages.
 *
 * **Details**
 *
 * The nearest folder wins, as in Node. A folder that cannot be read counts as one that does not hold the file.
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
