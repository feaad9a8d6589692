/**
 * Bulk loads of one or more tables in one transaction: inserts, by row or by column, inserts through SQL expressions,
 * and upserts.
 *
 * A load is a value; {@link run} runs one or more. Rows of {@link insertMapped} and {@link upsert} are first copied into
 * a temporary staging table of the session. Hyper refuses DDL after other statements of a transaction, so all staging
 * tables are created at its start, and {@link run} cannot be part of another transaction there (it has no savepoints).
 * Staging tables are emptied at the end, and dropped with the session or by its next load.
 *
 * Loads are as durable as other statements: Hyper writes the file when the database is saved.
 *
 * @since 0.1.0
 */
import { Client, type ClientError } from "@hyperfect/client/Client"
import type { TransactionRolledBack } from "@hyperfect/client/QueryError"
import { identifier, list, literal, sql, type Statement } from "@hyperfect/client/Statement"
import * as ValueError from "@hyperfect/values/ValueError"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import * as Stream from "effect/Stream"
import type { DatabaseVersionError } from "./DatabaseVersionError.ts"
import * as HyperTable from "./HyperTable.ts"
import { rowsOf } from "./internal/columnRows.ts"
import * as ColumnType from "./internal/columnType.ts"
import * as TableColumn from "./internal/tableColumn.ts"
import * as TableName from "./internal/tableName.ts"
import * as VerifyTable from "./internal/verifyTable.ts"
import { LoadError } from "./LoadError.ts"

/**
 * The outcome of a load.
 *
 * @category models
 * @since 0.1.0
 */
export interface Result {
  readonly inserted: number
  /** 0 for loads that do not update. */
  readonly updated: number
}

/**
 * A failure of a load other than one of its source.
 *
 * @category errors
 * @since 0.1.0
 */
export type RunError = HyperTable.InsertError | DatabaseVersionError | LoadError | TransactionRolledBack

/** A step in the transaction of a load. */
type Step<A, E, R> = Effect.Effect<A, RunError | E, Client | R>

/**
 * An event of {@link stream}: rows of a load, given by its position, that the connection has accepted, or the outcome.
 *
 * @category models
 * @since 0.1.0
 */
export type Event =
  | { readonly _tag: "Progress"; readonly load: number; readonly rows: number; readonly bytes: number }
  | { readonly _tag: "Loaded"; readonly results: ReadonlyArray<Result> }

type Report = (event: Event) => Effect.Effect<unknown>

const reporting = <E, R>(
  options: HyperTable.InsertOptions<E, R> | undefined,
  load: number,
  report: Report
): HyperTable.InsertOptions<E, R> => ({
  messageSize: options?.messageSize,
  onProgress: (progress) =>
    Effect.andThen(report({ _tag: "Progress", load, ...progress }), options?.onProgress?.(progress) ?? Effect.void)
})

/**
 * A load that can be run.
 *
 * @category models
 * @since 0.1.0
 */
export interface Load<out E = never, out R = never> {
  /** @internal */
  readonly start: (
    index: number,
    report: Report
  ) => { readonly prepare: Step<void, never, never>; readonly apply: Step<Result, E, R> }
}

type Rows<F extends HyperTable.Fields, E, R> =
  | Iterable<HyperTable.RowInput<F>>
  | Stream.Stream<HyperTable.RowInput<F>, E, R>

const change = (statement: Statement): Effect.Effect<number, ClientError, Client> =>
  Effect.flatMap(Client, (client) => Effect.map(client.execute(statement), ({ rowCount }) => rowCount ?? 0))

/**
 * Inserts rows, as `HyperTable.insert` does.
 *
 * @category constructors
 * @since 0.1.0
 */
export const insert = <F extends HyperTable.Fields, E = never, R = never, E2 = never, R2 = never>(
  table: HyperTable.HyperTable<F>,
  rows: Rows<F, E, R>,
  options?: HyperTable.InsertOptions<E2, R2>
): Load<E | E2, R | R2> => ({
  start: (index, report) => ({
    prepare: Effect.void,
    apply: Effect.map(
      table.insert(rows, reporting(options, index, report)),
      (result) => ({ inserted: result.rows, updated: 0 })
    )
  })
})

/**
 * The values of a column: an array or a typed array, with `null` for NULL, or values with a bitmap in which a bit is 0
 * for NULL, the least significant bit first, as Arrow and `client.columns` have it.
 *
 * @category models
 * @since 0.1.0
 */
export type Column<A> =
  | ArrayLike<A>
  | (null extends A ? { readonly values: ArrayLike<Exclude<A, null>>; readonly validity: Uint8Array | undefined }
    : never)

/**
 * Inserts rows that are given by column: for each column of the table an array or a typed array.
 *
 * **Details**
 *
 * It stores what {@link insert} does for the same rows, and checks each value as that does: a number that is no integer,
 * or out of range, fails the load with a `ValueError` that names the column and the row. So do columns of different
 * lengths, and columns that are missing or that the table does not have. The arrays are read as the load runs.
 *
 * **Example** (Measurements in typed arrays)
 *
 * ```ts
 * import { HyperLoad, HyperTable } from "@hyperfect/hyper"
 * import { Schema } from "effect"
 *
 * const Measurement = HyperTable.make("measurements", { sensor: Schema.Int, value: Schema.NullOr(Schema.Number) })
 *
 * export const program = HyperLoad.run([
 *   HyperLoad.insertColumns(Measurement, {
 *     sensor: Int32Array.of(1, 2, 3),
 *     value: { values: Float64Array.of(0.5, 0, 1.5), validity: Uint8Array.of(0b101) }
 *   })
 * ])
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const insertColumns = <F extends HyperTable.Fields, E2 = never, R2 = never>(
  table: HyperTable.HyperTable<F>,
  columns: { readonly [Name in keyof F]: Column<HyperTable.Input<F[Name]>> },
  options?: HyperTable.InsertOptions<E2, R2>
): Load<E2, R2> =>
  insert(table, rowsOf(Object.keys(table.fields), columns) as Stream.Stream<HyperTable.RowInput<F>>, options)

/** Copies rows into a staging table, before the statements that use it. */
const staged = <F extends HyperTable.Fields, E, R, E2, R2>(
  fields: F,
  rows: Rows<F, E, R>,
  options: HyperTable.InsertOptions<E2, R2> | undefined,
  apply: (staging: Statement) => Step<Result, never, never>
): Load<E | E2, R | R2> => ({
  start: (index, report) => {
    const staging = HyperTable.make(`hyperfect_staging_${index}`, fields, { temporary: true })
    return {
      // One of an earlier load may be there: Hyper does not roll DDL back.
      prepare: Effect.andThen(staging.dropIfExists, staging.create),
      apply: staging.insert(rows, reporting(options, index, report)).pipe(
        Effect.andThen(apply(sql`${staging}`)),
        Effect.tap(Effect.flatMap(Client, (client) => client.simple(sql`TRUNCATE TABLE ${staging}`.text)))
      )
    }
  }
})

/** Fails if a text that is to be inserted from a staging table is too long for its column, which would cut it. */
const checkLengths = Effect.fnUntraced(function*(
  table: Pick<HyperTable.HyperTable<HyperTable.Fields>, "fields" | "name" | "options">,
  staging: Statement,
  mapped: ReadonlyArray<readonly [name: string, expression: Statement]>
): Effect.fn.Return<void, ClientError | ValueError.ValueError, Client> {
  const client = yield* Client
  const limited = yield* VerifyTable.limitedColumns(client, TableName.make(table.name, table.options))
  const checked = mapped.flatMap(([name, expression]) => {
    const limit = limited.get(name)
    return limit === undefined ? [] : [{ name, expression, ...limit }]
  })
  if (checked.length === 0) return
  const counts = checked.map(({ expression, length }) =>
    sql`sum(CASE WHEN char_length(rtrim(CAST(${expression} AS text))) > ${literal(length)} THEN 1 ELSE 0 END)`
  )
  const { rows } = yield* client.values(sql`SELECT ${list(counts)} FROM ${staging}`)
  const at = rows[0]!.findIndex((count) => Number(count) > 0)
  if (at === -1) return
  const { length, name, type } = checked[at]!
  const [wanted, found] = [`at most ${length} characters`, `more in ${String(rows[0]![at])} rows`]
  const reason = ValueError.reason("OutOfRange", type, undefined, wanted, found)
  return yield* ValueError.fromThrown(ValueError.atColumn(reason, name, Object.keys(table.fields).indexOf(name)))
})

/**
 * Inserts rows through SQL: each column of the table is an expression of the columns of the rows. Columns without an
 * expression get their default.
 *
 * **Details**
 *
 * The value of an expression is converted to the type of its column as by INSERT: numbers are rounded, but a text that is
 * longer than its column fails the load with a `ValueError`, also on Hyper, which would cut it.
 *
 * **Example** (Text to dates)
 *
 * ```ts
 * import { Statement } from "@hyperfect/client"
 * import { HyperLoad, HyperTable } from "@hyperfect/hyper"
 *
 * const { sql } = Statement
 * const Flight = HyperTable.make("flights", { day: HyperTable.Date, origin: HyperTable.Text })
 *
 * const load = HyperLoad.insertMapped(
 *   Flight,
 *   { date: HyperTable.Text, airport: HyperTable.Text },
 *   [{ date: "2026-03-01", airport: "sfo" }],
 *   { day: sql`cast(date as date)`, origin: sql`upper(airport)` }
 * )
 *
 * export const program = HyperLoad.run([load])
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const insertMapped = <
  F extends HyperTable.Fields,
  const S extends HyperTable.Fields,
  E = never,
  R = never,
  E2 = never,
  R2 = never
>(
  table: HyperTable.HyperTable<F>,
  fields: S,
  rows: Rows<S, E, R>,
  columns: { readonly [Name in keyof F]?: Statement },
  options?: HyperTable.InsertOptions<E2, R2>
): Load<E | E2, R | R2> => {
  const mapped = Object.entries<Statement | undefined>(columns).flatMap(([name, expression]) => {
    if (!Object.hasOwn(table.fields, name)) throw new TypeError(`the table has no column ${JSON.stringify(name)}`)
    return expression === undefined ? [] : [[name, expression] as const]
  })
  if (mapped.length === 0) throw new TypeError("a mapped insert needs an expression for at least one column")
  return staged(fields, rows, options, (staging) => {
    const names = list(mapped.map(([name]) => identifier(name)))
    const expressions = list(mapped.map(([, expression]) => expression))
    return Effect.andThen(
      checkLengths(table, staging, mapped),
      Effect.map(
        change(sql`INSERT INTO ${table} (${names}) SELECT ${expressions} FROM ${staging}`),
        (inserted) => ({ inserted, updated: 0 })
      )
    )
  })
}

/**
 * Updates the rows of the table whose key is that of a given row, and inserts the rest. It fails with a `LoadError` if
 * rows have the same key, and with a `TableMismatch` if columns have other types on the server than declared.
 *
 * **Gotchas**
 *
 * The server does not enforce the key: two upserts at the same time can both insert it.
 *
 * **Example** (An incremental refresh of two tables)
 *
 * ```ts
 * import { HyperLoad, HyperTable } from "@hyperfect/hyper"
 *
 * const Bird = HyperTable.make("birds", { id: HyperTable.Int, name: HyperTable.Text })
 * const Log = HyperTable.make("log", { text: HyperTable.Text })
 *
 * export const refresh = HyperLoad.run([
 *   HyperLoad.upsert(Bird, [{ id: 1, name: "crow" }], { key: ["id"] }),
 *   HyperLoad.insert(Log, [{ text: "refreshed" }])
 * ])
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const upsert = <F extends HyperTable.Fields, E = never, R = never, E2 = never, R2 = never>(
  table: HyperTable.HyperTable<F>,
  rows: Rows<F, E, R>,
  options: HyperTable.InsertOptions<E2, R2> & { readonly key: ReadonlyArray<Extract<keyof F, string>> }
): Load<E | E2, R | R2> => {
  const { key } = options
  const isKey = (name: string): boolean => (key as ReadonlyArray<string>).includes(name)
  const wrong = key.find((name) =>
    !Object.hasOwn(table.fields, name) || ColumnType.resolve(table.fields[name]!)?.nullable !== false
  )
  if (key.length === 0 || wrong !== undefined) {
    throw new TypeError("the key of an upsert is one or more columns of the table that are NOT NULL")
  }
  const names = Object.keys(table.fields)
  return staged(table.fields, rows, options, (staging) =>
    Effect.gen(function*() {
      const client = yield* Client
      const columns = names.map((name) => TableColumn.make(table.name, name, table.fields[name]!))
      yield* VerifyTable.verifyTable(client, TableName.make(table.name, table.options), columns, "insert")
      const keys = list(key.map((name) => identifier(name)))
      const { rows: counted } = yield* client.values(
        sql`SELECT count(*) FROM (SELECT 1 AS one FROM ${staging} GROUP BY ${keys} HAVING count(*) > 1) d`
      )
      const duplicates = Number(counted[0]![0])
      if (duplicates > 0) return yield* new LoadError({ table: sql`${table}`.text, key, duplicates })
      const [first, ...others] = key.map((name) => sql`${identifier("t", name)} = ${identifier("s", name)}`)
      const isSame = others.reduce((all, next) => sql`${all} AND ${next}`, first!)
      const assignments = names.filter((name) => !isKey(name))
        .map((name) => sql`${identifier(name)} = ${identifier("s", name)}`)
      const updated = assignments.length === 0
        ? 0
        : yield* change(sql`UPDATE ${table} AS t SET ${list(assignments)} FROM ${staging} s WHERE ${isSame}`)
      const inserted = yield* change(
        sql`INSERT INTO ${table} (${list(names.map((name) => identifier(name)))}) SELECT ${
          list(names.map((name) => identifier("s", name)))
        }
          FROM ${staging} s WHERE NOT EXISTS (SELECT 1 FROM ${table} t WHERE ${isSame})`
      )
      return { inserted, updated }
    }))
}

const runWith = <E, R>(
  loads: ReadonlyArray<Load<E, R>>,
  report: Report
): Effect.Effect<ReadonlyArray<Result>, RunError | E, Client | R> =>
  Effect.flatMap(Client, (client) => {
    const started = loads.map((load, index) => load.start(index, report))
    return client.transaction(
      Effect.andThen(
        Effect.forEach(started, ({ prepare }) => prepare, { discard: true }),
        Effect.forEach(started, ({ apply }) => apply)
      )
    )
  })

/**
 * Runs loads in one transaction, in their order: all of them take effect, or none if anything fails.
 *
 * @category running
 * @since 0.1.0
 */
export const run = <E = never, R = never>(
  loads: ReadonlyArray<Load<E, R>>
): Effect.Effect<ReadonlyArray<Result>, RunError | E, Client | R> => runWith(loads, () => Effect.void)

/**
 * Runs loads as {@link run} does, and streams their progress, and at last the outcome. Leaving the stream earlier
 * interrupts the loads, which undoes them unless they are committed already.
 *
 * @category running
 * @since 0.1.0
 */
export const stream = <E = never, R = never>(
  loads: ReadonlyArray<Load<E, R>>
): Stream.Stream<Event, RunError | E, Client | R> =>
  Stream.callback<Event, RunError | E, Client | R>((queue) =>
    runWith(loads, (event) => Queue.offer(queue, event)).pipe(
      Effect.flatMap((results) => Queue.offer(queue, { _tag: "Loaded", results })),
      Effect.andThen(Queue.end(queue)),
      Effect.catchCause((cause) => Queue.failCause(queue, cause))
    )
  )
