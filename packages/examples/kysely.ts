/**
 * Queries of Kysely on a pool: of the server that DATABASE_URL names or, when absent, of PGlite in this process.
 *
 * Run: node --conditions=@hyperfect/source packages/examples/kysely.ts
 */
import { PGlite } from "@electric-sql/pglite"
import { Authenticate } from "@hyperfect/auth"
import { Pool } from "@hyperfect/client"
import { HyperDialect } from "@hyperfect/kysely"
import { NodePlatform } from "@hyperfect/node"
import { Pglite } from "@hyperfect/pglite"
import { Effect, Layer } from "effect"
import { type Generated, Kysely } from "kysely"

interface Database {
  readonly product: { readonly id: Generated<number>; readonly name: string; readonly stock: number }
}

const inProcess = Layer.unwrap(Effect.map(
  Effect.acquireRelease(Effect.promise(() => PGlite.create()), (db) => Effect.promise(() => db.close())),
  (db) =>
    Layer.provide(Pool.layer(Pglite.config, { max: 1 }), Layer.provideMerge(Pglite.layer(db), Authenticate.layerCrypto))
))

const uri = process.env["DATABASE_URL"]
const pool = uri === undefined ? inProcess : Layer.provide(Pool.layerUri(uri), NodePlatform.layer)

const db = new Kysely<Database>({ dialect: HyperDialect.fromLayer(pool) })

const rows = await db.transaction().execute(async (trx) => {
  await trx.schema.createTable("product").temporary().onCommit("drop")
    .addColumn("id", "integer", (column) => column.generatedAlwaysAsIdentity().primaryKey())
    .addColumn("name", "text", (column) => column.notNull().unique())
    .addColumn("stock", "integer", (column) => column.notNull())
    .execute()
  await trx.insertInto("product").values([{ name: "pen", stock: 10 }, { name: "ink", stock: 1 }]).execute()
  await trx.updateTable("product").set("stock", (eb) => eb("stock", "-", 4)).where("name", "=", "pen").execute()
  return trx.selectFrom("product").selectAll().orderBy("name").execute()
})
for (const { id, name, stock } of rows) console.log(`${id} ${name}: ${stock}`)

await db.destroy()
