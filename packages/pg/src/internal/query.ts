/**
 * Queries: the forms in which they are given, and how each is run.
 *
 * @internal
 */
import type { Queries } from "@hyperfect/client/Queries"
import { timeout } from "@hyperfect/client/Query"
import type { QueryError } from "@hyperfect/client/QueryError"
import * as Statement from "@hyperfect/client/Statement"
import * as Preset from "@hyperfect/values/Preset"
import * as Effect from "effect/Effect"
import { EventEmitter } from "node:events"
import type { QueryArrayResult, QueryConfig, QueryResult, TypeParsers } from "./model.ts"
import { type Callback, settle } from "./promises.ts"
import { toArrayRows, toResult } from "./results.ts"
import { toParameter } from "./values.ts"

/** The result of a query; several for a text of several statements. */
export type Result = QueryResult | QueryArrayResult | ReadonlyArray<QueryResult | QueryArrayResult>

/** A query as it is run. */
export interface Request extends Partial<Omit<QueryConfig, "values">> {
  readonly values?: ReadonlyArray<unknown> | undefined
  readonly rowMode?: string | undefined
  readonly callback?: Callback<Result> | undefined
}

/**
 * A query whose rows and result are events: `row`, `end` and `error`.
 *
 * **Gotchas**
 *
 * The rows are emitted when the result is complete: use the client below for streams.
 *
 * @category models
 * @since 0.1.0
 */
export class Query extends EventEmitter {
  readonly request: Request

  constructor(
    config: string | (Omit<QueryConfig, "values"> & Request),
    values?: ReadonlyArray<unknown> | Callback<Result>,
    callback?: Callback<Result>
  ) {
    super()
    this.request = toRequest(config, values, callback)
  }

  /** The method that `pg` would call, with its connection. */
  submit(): never {
    throw new TypeError("a Query is run by client.query or pool.query")
  }

  /** Emits the events of a result. */
  emitResult(result: Result): void {
    for (const each of [result].flat() as ReadonlyArray<QueryResult>) {
      for (const row of each.rows) this.emit("row", row, each)
    }
    this.emit("end", result)
  }
}

const toRequest = (
  config: string | Request,
  values: ReadonlyArray<unknown> | Callback<Result> | null | undefined,
  callback?: Callback<Result>
): Request => {
  const request = typeof config === "string" ? { text: config } : config
  const given = typeof values === "function" ? undefined : values ?? undefined
  const found = callback ?? (typeof values === "function" ? values : undefined)
  return {
    ...request,
    ...given === undefined ? {} : { values: given },
    ...found === undefined ? {} : { callback: found }
  }
}

/** Makes the function `query` of a client or a pool, of the function that runs a query. */
export const makeQueryFunction = (run: (request: Request) => Promise<Result>) =>
(
  config: string | Request | Query,
  values?: ReadonlyArray<unknown> | Callback<Result> | null,
  callback?: Callback<Result>
): unknown => {
  if (config === null || config === undefined) throw new TypeError("query expects a text, or an object with one")
  if (config instanceof Query) {
    const { request } = config
    const given = callback ?? (typeof values === "function" ? values : request.callback)
    void settle(() => run(request), (error, result) => {
      if (given !== undefined) given(error, result)
      else if (error !== null) config.emit("error", error)
      if (result !== undefined) config.emitResult(result)
    })
    return config
  }
  if (typeof config === "object" && "submit" in config) {
    throw new TypeError(
      "query accepts no Submittable but Query: cursors, query streams and COPY streams of pg need its own connection"
    )
  }
  const request = toRequest(config, values, callback)
  return settle(() => run(request), request.callback)
}

const byPosition = Preset.withDuplicates(Preset.text, "suffix")
const byName = Preset.withDuplicates(Preset.text, "last")

/** True if a text may have several statements, which need the simple protocol. */
const mayHaveSeveral = (text: string): boolean => /;\s*\S/.test(text)

/** The texts of the named queries of one client or pool. */
export class NamedTexts {
  private readonly texts = new Map<string, string>()

  /** Returns the text of a query: its own, or that of the query whose name it has. */
  textOf({ name, text }: Request): string {
    const known = name === undefined ? undefined : this.texts.get(name)
    const found = text ?? known ?? (name === undefined ? undefined : "")
    if (typeof found !== "string") throw new TypeError("a query needs a text, or the name of an earlier query")
    if (known !== undefined && known !== found) {
      throw new Error(`Prepared statements must be unique - '${name}' was used for a different statement`)
    }
    if (name !== undefined) this.texts.set(name, found)
    return found
  }
}

/** Runs a query. Throws for a value that cannot be sent. */
export const runQuery = <E>(
  queries: Queries<E>,
  text: string,
  request: Request,
  types: TypeParsers | undefined
): Effect.Effect<Result, QueryError | E> => {
  const { name, query_timeout, rowMode, values = [] } = request
  if (!Array.isArray(values)) throw new TypeError("the values of a query have to be an array")
  const isArray = rowMode === "array"
  const parsers = request.types ?? types
  const statement = Statement.fromTextUnsafe(text, values.map(toParameter))
  const isOne = values.length > 0 || name !== undefined || !mayHaveSeveral(text)
  const run: Effect.Effect<Result, QueryError | E> = isOne
    ? Effect.map(
      queries.values(Statement.withPreset(statement, Preset.text)),
      (result) => toResult(result, isArray, parsers)
    )
    : Effect.map(queries.simple(Statement.withPreset(statement, isArray ? byPosition : byName)), (found) => {
      const results = found.map((result) => toResult(toArrayRows(result), isArray, parsers))
      return results.length === 1 ? results[0]! : results
    })
  return query_timeout ? timeout(run, query_timeout) : run
}
