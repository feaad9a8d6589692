/**
 * A session as a connection of Kysely.
 *
 * @internal
 */
import type { QueryError } from "@hyperfect/client/QueryError"
import type { QueryResult as Result } from "@hyperfect/client/QueryResult"
import * as QueryText from "@hyperfect/client/QueryText"
import { ServerError } from "@hyperfect/client/ServerError"
import type { Session } from "@hyperfect/client/Session"
import * as Statement from "@hyperfect/client/Statement"
import type * as Preset from "@hyperfect/values/Preset"
import type { ObjectRow } from "@hyperfect/values/RowReader"
import * as Cause from "effect/Cause"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { CompiledQuery, type ControlConnectionProvider, type DatabaseConnection, type QueryResult } from "kysely"

/** Returns the result of a fiber. The promise is rejected with the error of the effect itself. */
export const promiseOf = async <A, E>(fiber: Fiber.Fiber<A, E>): Promise<A> => {
  const exit = await new Promise<Exit.Exit<A, E>>((resolve) => fiber.addObserver(resolve))
  if (Exit.isSuccess(exit)) return exit.value
  throw toDriverError(Cause.squash(exit.cause))
}

/** Runs an effect, as {@link promiseOf}. */
export const runPromise = <A, E>(effect: Effect.Effect<A, E>): Promise<A> => promiseOf(Effect.runFork(effect))

/** The names by which programs written for `pg` read the fields of a server's error. */
const fieldsOf = ({ reason }: ServerError) => ({
  code: reason.sqlState,
  severity: reason.severity,
  detail: reason.detail,
  hint: reason.hint,
  position: reason.position?.toString(),
  schema: reason.schema,
  table: reason.table,
  column: reason.column,
  dataType: reason.dataType,
  constraint: reason.constraint
})

/**
 * Adds the stack of the caller, which an error made by a fiber lacks, and the fields of a server's error. These are not
 * enumerable, as they may quote rows.
 */
const toDriverError = (error: unknown): unknown => {
  if (!(error instanceof Error)) return error
  const stack = `${error.stack}\n${new Error().stack?.split("\n").slice(1).join("\n")}`
  const properties = error instanceof ServerError ? { stack, ...fieldsOf(error) } : { stack }
  for (const [name, value] of Object.entries(properties)) {
    Object.defineProperty(error, name, { value, configurable: true, writable: true })
  }
  return error
}

const several = /;\s*\S/

/** Kysely's builders make one statement each; a raw text may have several, which need the simple protocol. */
const mayHaveSeveral = ({ parameters, query, sql }: CompiledQuery): boolean =>
  query.kind === "RawNode" && parameters.length === 0 && several.test(sql) &&
  several.test(QueryText.withoutLiterals(sql))

const writes = /^(?:INSERT|UPDATE|DELETE|MERGE) /

const endsTransaction = /^(?:COMMIT|ROLLBACK)$/

/** Kysely's own driver tells the end of a transaction by a row, too. */
const toQueryResult = <R>({ commandTag, rowCount, rows }: Result<ObjectRow>): QueryResult<R> => ({
  rows: (endsTransaction.test(commandTag) ? [{ command: commandTag }] : rows) as Array<R>,
  ...writes.test(commandTag) ? { numAffectedRows: BigInt(rowCount ?? 0) } : {}
})

const hasUndefined = (value: unknown): boolean =>
  value === undefined || (Array.isArray(value) && value.some(hasUndefined))

/** `undefined` is NULL, as in `pg`, also in arrays. */
const toParameters = (values: ReadonlyArray<unknown>): ReadonlyArray<unknown> =>
  hasUndefined(values)
    ? values.map((value) => Array.isArray(value) ? toParameters(value) : value ?? null)
    : values

export class SessionConnection implements DatabaseConnection {
  readonly session: Session
  /** The scope of the lease. */
  readonly scope: Scope.Closeable
  private readonly context: Context.Context<never>
  private readonly preset: Preset.Preset
  /** The fiber of the running statement. */
  private running: Fiber.Fiber<unknown, unknown> | undefined

  constructor(session: Session, scope: Scope.Closeable, context: Context.Context<never>, preset: Preset.Preset) {
    this.session = session
    this.scope = scope
    this.context = context
    this.preset = preset
  }

  private statementOf({ parameters, sql }: CompiledQuery): Statement.Statement {
    return Statement.withPreset(Statement.fromTextUnsafe(sql, toParameters(parameters)), this.preset)
  }

  private async run<A>(effect: Effect.Effect<A, QueryError>): Promise<A> {
    const fiber = this.running = Effect.runForkWith(this.context)(effect)
    try {
      return await promiseOf(fiber)
    } finally {
      if (this.running === fiber) this.running = undefined
    }
  }

  async executeQuery<R>(query: CompiledQuery): Promise<QueryResult<R>> {
    const statement = this.statementOf(query)
    if (!mayHaveSeveral(query)) return toQueryResult(await this.run(this.session.query(statement)))
    const results = await this.run(this.session.simple(statement))
    return results.length === 1 ? toQueryResult(results[0]!) : { rows: [] }
  }

  async *streamQuery<R>(query: CompiledQuery, chunkSize: number): AsyncIterableIterator<QueryResult<R>> {
    const rows = this.session.stream(this.statementOf(query), { fetchSize: chunkSize })
    try {
      for await (const chunk of Stream.toAsyncIterableWith(Stream.grouped(rows, chunkSize), this.context)) {
        yield { rows: chunk as ReadonlyArray<unknown> as Array<R> }
      }
    } catch (error) {
      throw toDriverError(error)
    }
  }

  /** Cancels the statement that this connection runs. Kysely's control connection is not needed for it. */
  cancelQuery(): Promise<void> {
    this.running?.interruptUnsafe()
    return Promise.resolve()
  }

  async killSession(controlConnectionProvider: ControlConnectionProvider): Promise<void> {
    const { processId } = this.session
    if (this.running === undefined || processId === undefined) return
    await controlConnectionProvider(async (control) => {
      await control.executeQuery(CompiledQuery.raw("select pg_terminate_backend($1::int4)", [processId]))
    })
  }
}
