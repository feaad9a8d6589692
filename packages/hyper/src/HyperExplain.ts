/**
 * Hyper's plan of a query, as a tree of operators.
 *
 * @since 0.1.0
 */
import { Client, type ClientError } from "@hyperfect/client/Client"
import { sql, type Statement } from "@hyperfect/client/Statement"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"

/**
 * An operator of a plan, with those that it reads from.
 *
 * @category models
 * @since 0.1.0
 */
export interface Operator {
  /** The name, such as `scan` or `group-by`. */
  readonly operator: string
  /** Everything that the server reports about the operator; its properties differ between versions of Hyper. */
  readonly properties: Schema.JsonObject
  readonly inputs: ReadonlyArray<Operator>
}

const Plan = Schema.fromJsonString(Schema.Json)

const isObject = (json: Schema.Json | undefined): json is Schema.JsonObject =>
  typeof json === "object" && json !== null && !Array.isArray(json)

const toOperator = (json: Schema.JsonObject): Operator => {
  const { operator, ...properties } = json
  const inputs = [json["inputs"], json["left"], json["right"], json["input"]].flat().filter(isObject)
  return { operator: typeof operator === "string" ? operator : "", properties, inputs: inputs.map(toOperator) }
}

const plan = (
  options: Statement,
  query: Statement
): Effect.Effect<Operator, ClientError | Schema.SchemaError, Client> =>
  Effect.gen(function*() {
    const client = yield* Client
    const { rows } = yield* client.values(sql`EXPLAIN (${options}) ${query}`)
    const json = yield* Schema.decodeUnknownEffect(Plan)(rows.map(([line]) => String(line)).join("\n"))
    return toOperator(isObject(json) ? json : {})
  })

/**
 * Returns the plan of a query without running it. The query cannot have parameters.
 *
 * **Gotchas**
 *
 * Hyper prints no such plan for a query that reads the catalog: it fails with the `ServerError` `FeatureNotSupported`.
 *
 * @see {@link explainAnalyze} for a plan with measurements
 *
 * @category queries
 * @since 0.1.0
 */
export const explain = (query: Statement): Effect.Effect<Operator, ClientError | Schema.SchemaError, Client> =>
  plan(sql`FORMAT JSON`, query)

/**
 * Runs a query, drops its rows, and returns its plan with measurements: the property `statistics` of an operator has
 * the estimated and the actual number of rows, the rows processed and the memory used. The query cannot have
 * parameters.
 *
 * **Gotchas**
 *
 * Hyper prints no such plan for a statement that reads the catalog or changes data: it fails with the `ServerError`
 * `FeatureNotSupported`, and changes nothing.
 *
 * @category queries
 * @since 0.1.0
 */
export const explainAnalyze = (query: Statement): Effect.Effect<Operator, ClientError | Schema.SchemaError, Client> =>
  // The JSON format turns the expansion of views off, which ANALYZE needs (H-62).
  plan(sql`ANALYZE, FORMAT JSON, EXPAND_VIEWS`, query)
