/** Programs on PGlite, which runs in this process: no server is started. */
import { assert, it } from "@effect/vitest"
import { PGlite } from "@electric-sql/pglite"
import { Authenticate } from "@hyperfect/auth"
import { Pglite } from "@hyperfect/pglite"
import { HyperSql } from "@hyperfect/sql"
import { Effect, Layer } from "effect"
import { spawnSync } from "node:child_process"
import { fileURLToPath } from "node:url"
import { program } from "../sql/orders.ts"

/** The database of a test: empty, and gone with the scope. */
const layerDatabase = Layer.unwrap(Effect.map(
  Effect.acquireRelease(Effect.promise(() => PGlite.create()), (db) => Effect.promise(() => db.close())),
  (db) =>
    HyperSql.layer(Pglite.config, { max: 1, driver: "pglite" }).pipe(
      Layer.provide(Pglite.layer(db)),
      Layer.provide(Authenticate.layerCrypto)
    )
))

it.live("the application on effect/sql prints its report on PGlite", () =>
  Effect.gen(function*() {
    assert.deepStrictEqual(yield* program, [
      "migrations: products, orders",
      "names: ink, pen",
      "refused: ConstraintError",
      "ink: 1 sold for 7.50",
      "pen: 4 sold for 4.80"
    ])
  }).pipe(Effect.provide(layerDatabase)))

it("the example of Kysely prints its products", () => {
  const { status, stderr, stdout } = spawnSync(
    process.execPath,
    ["--conditions=@hyperfect/source", fileURLToPath(new URL("../kysely.ts", import.meta.url))],
    { encoding: "utf8", env: { ...process.env, DATABASE_URL: undefined } }
  )
  assert.deepStrictEqual([status, stderr, stdout], [0, "", "2 ink: 1\n1 pen: 6\n"])
})
