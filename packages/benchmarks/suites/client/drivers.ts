/** Everybody who can do the work of this suite. */
import type { Kind } from "../../Workload.ts"
import type { Contender } from "./Driver.ts"

/** Each process loads its own alone, so that its memory is its own too. */
const contender = (
  name: string,
  kind: Kind,
  load: () => Promise<{ readonly open: Contender["open"] }>
): Contender => ({
  name,
  kind,
  isBlind: kind === "limit",
  open: async (options) => (await load()).open(options)
})

const isInstalled = (name: string): boolean => {
  try {
    import.meta.resolve(name)
    return true
  } catch {
    return false
  }
}

/** Ours as its pool is when nothing is said of it. */
export const spread: Contender = contender("hyperfect, even", "ours", async () => {
  const { open } = await import("./hyperfect.ts")
  return { open: (options) => open(options, {}) }
})

/** Ours when it derives the keys of its password for each session. */
export const anew: Contender = contender("hyperfect, keys anew", "ours", async () => ({
  open: (await import("./hyperfect.ts")).openAnew
}))

export const drivers: ReadonlyArray<Contender> = [
  contender("hyperfect", "ours", () => import("./hyperfect.ts")),
  contender("@effect/sql-pg", "peer", () => import("./effectSqlPg.ts")),
  contender("postgres", "peer", () => import("./postgres.ts")),
  contender("pg", "peer", () => import("./pg.ts")),
  contender("postgrejs", "peer", () => import("./postgrejs.ts")),
  // It is compiled against libpq, whose headers are not everywhere: `npm install --no-save pg-native` where they are.
  ...(isInstalled("pg-native") ? [contender("pg-native", "peer", () => import("./pgNative.ts"))] : []),
  contender("socket", "limit", () => import("./socket.ts"))
]
