/** All clients that can do the work of this suite. */
import type { Kind } from "../../Workload.ts"
import type { Contender } from "./Driver.ts"

/** Each process loads only its own driver, so that it measures the memory of that one alone. */
const contender = (
  name: string,
  kind: Kind,
  load: () => Promise<{ readonly open: Contender["open"] }>
): Contender => ({
  name,
  kind,
  skipsCheck: kind === "limit",
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

/** Hyperfect with the default settings of its pool. */
export const evenPool: Contender = contender("hyperfect, even", "ours", async () => {
  const { open } = await import("./hyperfect.ts")
  return { open: (options) => open(options, {}) }
})

/** Hyperfect when it derives the keys of its password for each session. */
export const withoutKeyCache: Contender = contender("hyperfect, keys anew", "ours", async () => ({
  open: (await import("./hyperfect.ts")).openWithoutKeyCache
}))

const hyperfect = contender("hyperfect", "ours", () => import("./hyperfect.ts"))
const effectSqlPg = contender("@effect/sql-pg", "peer", () => import("./effectSqlPg.ts"))

/** The drivers of effect/sql, and the pool that one of them runs on. Without a pool, one connection is a session. */
export const sqlClients: ReadonlyArray<Contender> = [
  contender("@hyperfect/sql", "ours", () => import("./hyperSql.ts")),
  contender("hyperfect, pool", "ours", async () => ({ open: (await import("./hyperfect.ts")).openPool })),
  hyperfect,
  effectSqlPg
]

export const drivers: ReadonlyArray<Contender> = [
  hyperfect,
  effectSqlPg,
  contender("postgres", "peer", () => import("./postgres.ts")),
  contender("pg", "peer", () => import("./pg.ts")),
  contender("postgrejs", "peer", () => import("./postgrejs.ts")),
  // It is compiled against libpq, whose headers are not always installed: `npm install --no-save pg-native` where they
  // are.
  ...(isInstalled("pg-native") ? [contender("pg-native", "peer", () => import("./pgNative.ts"))] : []),
  contender("socket", "limit", () => import("./socket.ts"))
]
