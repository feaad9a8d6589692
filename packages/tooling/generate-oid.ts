// Writes packages/protocol/src/internal/oids.ts from the pg_type of a PostgreSQL 18 that it starts, and formats it.
// Run: npm exec -- node --conditions=@hyperfect/source packages/tooling/generate-oid.ts
import { NodeServices } from "@effect/platform-node"
import * as Query from "@hyperfect/client/Query"
import * as Session from "@hyperfect/client/Session"
import { sql } from "@hyperfect/client/Statement"
import * as NodePlatform from "@hyperfect/node/NodePlatform"
import * as PostgresServer from "@hyperfect/testing/PostgresServer"
import { Effect, Layer, Schema } from "effect"
import { execFileSync } from "node:child_process"
import { writeFileSync } from "node:fs"
import { fileURLToPath } from "node:url"

const Type = Schema.Struct({
  name: Schema.String,
  oid: Schema.Int,
  array: Schema.Int,
  element: Schema.Int,
  category: Schema.String
})

/**
 * The types whose OIDs are the same on every server (those from 10000 on are reassigned in each version), without the
 * row types of the catalog's own tables and their arrays. An element type is the type of a subscript, for values that
 * consist entirely of elements.
 */
const builtIn = sql`
  select typname::text as name, oid::int4 as oid, typarray::int4 as array,
    (case when typsubscript = 'array_subscript_handler'::regproc then typelem else 0 end)::int4 as element,
    typcategory::text as category
  from pg_type where oid < 10000 and typrelid = 0 and typelem not in (select oid from pg_type where typrelid <> 0)
  order by oid
`

/** Types that only Hyper has, as its server describes its columns. */
const ofHyper: ReadonlyArray<typeof Type.Type> = [
  { name: "tabgeography", oid: 5003, array: 5004, element: 0, category: "U" },
  { name: "_tabgeography", oid: 5004, array: 0, element: 5003, category: "A" }
]

const program = Effect.gen(function*() {
  const server = yield* PostgresServer.PostgresServer
  const session = yield* Session.make(server)
  return yield* session.query(builtIn).pipe(Query.rows(Type))
})

const Live = Layer.mergeAll(
  PostgresServer.layer().pipe(Layer.provide(NodeServices.layer)),
  NodePlatform.layer
)
const types = [...await Effect.runPromise(Effect.scoped(program).pipe(Effect.provide(Live))), ...ofHyper]
  .toSorted((a, b) => a.oid - b.oid)
if (new Set(types.map(({ name }) => name)).size !== types.length) throw new Error("names are not unique")

// What Oid.ts derives from the element is not listed.
const elements = new Map(types.map((type) => [`_${type.name}`, type.oid]))
const listed = types.filter(({ category, element, name }) => category !== "A" || elements.get(name) !== element)

const entries = listed.map(({ array, category, element, name, oid }) =>
  `  ${name}: { oid: ${oid}, array: ${array}, element: ${element}, category: "${category}" }`
)

const text = `/**
 * Written by packages/tooling/generate-oid.ts; see Oid.ts.
 *
 * @internal
 */

/**
 * Every type but those whose name, OID and element follow from their element, by its name.
 *
 * @category constants
 * @since 0.1.0
 */
export const types = {
${entries.join(",\n")}
} as const
`
const root = new URL("../../", import.meta.url)
const path = fileURLToPath(new URL("packages/protocol/src/internal/oids.ts", root))
writeFileSync(path, text)
execFileSync("npm", ["exec", "--", "dprint", "fmt", "-c", "packages/tooling/dprint.json", path], { cwd: root })
console.log(`${types.length} types`)
