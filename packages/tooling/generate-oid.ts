// Writes packages/protocol/src/Oid.ts from the pg_type of a PostgreSQL 18 that it starts, and formats it.
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
 * The types whose OIDs are the same on every server (those from 10000 on are given out anew in each version), without the
 * row types of the catalogue's own tables and their arrays. An element is what a subscript gives, where all of the value is elements.
 */
const builtIn = sql`
  select typname::text as name, oid::int4 as oid, typarray::int4 as array,
    (case when typsubscript = 'array_subscript_handler'::regproc then typelem else 0 end)::int4 as element,
    typcategory::text as category
  from pg_type where oid < 10000 and typrelid = 0 and typelem not in (select oid from pg_type where typrelid <> 0)
  order by oid
`

/** What Hyper has besides, as its server describes its columns. */
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

const entries = types.map(({ array, category, element, name, oid }) =>
  `  ${name}: { oid: ${oid}, array: ${array}, element: ${element}, category: "${category}" }`
)

const text = `/**
 * The types whose OIDs are known without asking the server.
 *
 * Written by packages/tooling/generate-oid.ts from the pg_type of PostgreSQL 18, with two types of Hyper's. Row types of
 * tables are not in it, nor types whose OIDs differ between servers: those of extensions, of users, and arrays of them.
 *
 * @since 0.1.0
 */

/**
 * What is known of a type.
 *
 * @category models
 * @since 0.1.0
 */
export interface Type {
  readonly oid: number
  /** The type of arrays of it; 0 for none. */
  readonly array: number
  /** What an array, or a vector, consists of; 0 when it is neither. */
  readonly element: number
  readonly category: Category
}

/**
 * The name of each category (\`pg_type.typcategory\`).
 *
 * @category constants
 * @since 0.1.0
 */
export const categories = {
  A: "Array",
  B: "Boolean",
  C: "Composite",
  D: "DateTime",
  E: "Enum",
  G: "Geometric",
  I: "NetworkAddress",
  N: "Numeric",
  P: "Pseudo",
  R: "Range",
  S: "String",
  T: "Timespan",
  U: "User",
  V: "BitString",
  X: "Unknown",
  Z: "Internal"
} as const

/**
 * @category models
 * @since 0.1.0
 */
export type Category = keyof typeof categories

/**
 * Every type, by its name.
 *
 * @category constants
 * @since 0.1.0
 */
export const types = {
${entries.join(",\n")}
} as const satisfies Record<string, Type>

/**
 * The name of a type.
 *
 * @category models
 * @since 0.1.0
 */
export type Name = keyof typeof types

/**
 * The OID of a type that is in the list.
 *
 * @category models
 * @since 0.1.0
 */
export type Oid = (typeof types)[Name]["oid"]

let names: ReadonlyMap<number, Name> | undefined

/**
 * The name of the type with this OID, or \`undefined\` when it is not in the list.
 *
 * **Example** (From the OID of a column to its type)
 *
 * \`\`\`ts
 * import { Oid } from "@hyperfect/protocol"
 * import { strict as assert } from "node:assert"
 *
 * assert.equal(Oid.types.int4.oid, 23)
 * assert.equal(Oid.name(1007), "_int4")
 * assert.equal(Oid.name(Oid.types._int4.element), "int4")
 * assert.equal(Oid.name(100_000), undefined)
 * \`\`\`
 *
 * @category getters
 * @since 0.1.0
 */
export const name = (oid: number): Name | undefined => {
  names ??= new Map(Object.entries(types).map(([name, type]) => [type.oid, name as Name]))
  return names.get(oid)
}

/**
 * Whether a type with this OID is in the list.
 *
 * @category guards
 * @since 0.1.0
 */
export const isOid = (oid: number): oid is Oid => name(oid) !== undefined
`
const root = new URL("../../", import.meta.url)
const path = fileURLToPath(new URL("packages/protocol/src/Oid.ts", root))
writeFileSync(path, text)
execFileSync("npm", ["exec", "--", "dprint", "fmt", "-c", "packages/tooling/dprint.json", path], { cwd: root })
console.log(`${types.length} types`)
