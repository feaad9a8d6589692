/** This library on PGlite in the same process, beside PGlite's own interface. */
import { PGlite } from "@electric-sql/pglite"
import { Authenticate } from "@hyperfect/auth"
import { Session, Statement } from "@hyperfect/client"
import { Pglite } from "@hyperfect/pglite"
import { Effect, Exit, Layer, Scope } from "effect"
import type { Entry, Workload } from "../Workload.ts"

type Rows = ReadonlyArray<object>

interface Queries {
  /** Runs queries with one parameter, one after the other, and returns the rows of all. */
  readonly sequential: (count: number) => Promise<Rows>
  readonly rows: (text: string) => Promise<Rows>
}

const ours = async (db: PGlite): Promise<readonly [Queries, () => Promise<void>]> => {
  const scope = Scope.makeUnsafe()
  const live = Layer.provideMerge(Pglite.layer(db), Authenticate.layerCrypto)
  const session = await Effect.runPromise(
    Effect.flatMap(Layer.build(live), (services) => Effect.provide(Session.make(Pglite.config), services)).pipe(
      Scope.provide(scope)
    )
  )
  const one = (n: number) => Effect.map(session.query(Statement.sql`select ${n}::int as n`), ({ rows }) => rows[0]!)
  return [{
    sequential: (count) => Effect.runPromise(Effect.forEach(Array.from({ length: count }, (_, i) => i), one)),
    rows: (text) => Effect.runPromise(Effect.map(session.query(text), ({ rows }) => rows))
  }, () => Effect.runPromise(Scope.close(scope, Exit.void))]
}

const theirs = (db: PGlite): Promise<readonly [Queries, () => Promise<void>]> =>
  Promise.resolve([{
    sequential: async (count) => {
      const all: Array<object> = []
      for (let n = 0; n < count; n++) all.push((await db.query<object>("select $1::int as n", [n])).rows[0]!)
      return all
    },
    rows: async (text) => (await db.query<object>(text)).rows
  }, () => Promise.resolve()])

const entries = (work: (queries: Queries) => Promise<Rows>): ReadonlyArray<Entry> =>
  ([["Hyperfect", "ours", ours], ["PGlite's own interface", "peer", theirs]] as const).map(([name, kind, make]) => ({
    name,
    kind,
    setup: async () => {
      const db = await PGlite.create()
      const [queries, end] = await make(db)
      return {
        run: () => work(queries),
        check: async () => JSON.stringify(await work(queries)),
        close: async () => {
          await end()
          await db.close()
        }
      }
    }
  }))

export const workloads: ReadonlyArray<Workload> = [
  {
    id: "G1",
    title: "1,000 queries with a parameter, one after the other",
    entries: entries(({ sequential }) => sequential(1_000))
  },
  {
    id: "G2",
    title: "50,000 rows of three columns, collected",
    entries: entries(({ rows }) =>
      rows("select n, n::text as t, n::float8 / 3 as f from generate_series(1, 50000) as g(n)")
    )
  }
]
