/**
 * Rows as fragments of statements: INSERT, UPDATE and `unnest`.
 *
 * @internal
 */
import * as BuiltIn from "@hyperfect/values/BuiltIn"
import * as Parameter from "@hyperfect/values/Parameter"
import type * as Type from "@hyperfect/values/Type"
import { identifier, list, sql, type Statement } from "./sql.ts"

type Row = Readonly<Record<string, unknown>>

/**
 * The properties of a row that are columns.
 *
 * @category models
 * @since 0.1.0
 */
export interface ColumnOptions {
  /** The names of the columns; all properties of the row when absent. */
  readonly columns?: ReadonlyArray<string> | undefined
  /** Returns the name of the column of a property, for example in snake_case; the same name when absent. */
  readonly names?: ((property: string) => string) | undefined
}

const unchanged = (name: string): string => name

/**
 * The columns and rows of an INSERT.
 *
 * **Details**
 *
 * The columns are the keys of the first row; a row with other keys throws a `TypeError`. With `columns`, those are used
 * and other properties of the rows are ignored. A value may be a statement, such as `default`.
 *
 * **Gotchas**
 *
 * - Without `columns`, rows from an untrusted source, such as a request's body, choose the columns that they write.
 * - A server accepts at most 65,535 parameters, Hyper half of that: use COPY for many rows.
 *
 * **Example** (Two rows)
 *
 * ```ts
 * import { Statement } from "@hyperfect/client"
 * import { strict as assert } from "node:assert"
 *
 * const { insert, sql } = Statement
 * const statement = sql`insert into users ${insert([{ id: 1, name: "Ada" }, { id: 2, name: sql`default` }])}`
 * assert.equal(statement.text, "insert into users (\"id\", \"name\") values ($1, $2), ($3, default)")
 * assert.deepEqual(statement.parameters, [1, "Ada", 2])
 * ```
 *
 * @category combinators
 * @since 0.1.0
 */
export const insert = (rows: Iterable<Row>, options: ColumnOptions = {}): Statement => {
  const all = [...rows]
  const columns = options.columns ?? Object.keys(all[0] ?? {})
  if (all.length === 0 || columns.length === 0) {
    throw new TypeError("an INSERT needs at least one row with at least one column")
  }
  const tuples = all.map((row, i) => {
    const missing = columns.find((column) => !Object.hasOwn(row, column))
    if (missing !== undefined) throw new TypeError(`row ${i} has no column ${JSON.stringify(missing)}`)
    if (options.columns === undefined && Object.keys(row).length !== columns.length) {
      throw new TypeError(`row ${i} has other columns than row 0`)
    }
    return sql`(${list(columns.map((column) => row[column]))})`
  })
  const { names = unchanged } = options
  return sql`(${list(columns.map((column) => identifier(names(column))))}) values ${list(tuples)}`
}

/**
 * The assignments of an UPDATE.
 *
 * **Details**
 *
 * The columns are the keys of the row. With `columns`, those of them that the row has are used, and its other
 * properties are ignored. Throws a `TypeError` if there are none.
 *
 * **Gotchas**
 *
 * Without `columns`, a row from an untrusted source, such as a request's body, chooses the columns that it writes.
 *
 * **Example** (Two columns)
 *
 * ```ts
 * import { Statement } from "@hyperfect/client"
 * import { strict as assert } from "node:assert"
 *
 * const { set, sql } = Statement
 * const statement = sql`update users set ${set({ name: "Ada", visits: sql`visits + ${1}` })} where id = ${7}`
 * assert.equal(statement.text, "update users set \"name\" = $1, \"visits\" = visits + $2 where id = $3")
 * assert.deepEqual(statement.parameters, ["Ada", 1, 7])
 * ```
 *
 * @category combinators
 * @since 0.1.0
 */
export const set = (row: Row, options: ColumnOptions = {}): Statement => {
  const columns = options.columns?.filter((column) => Object.hasOwn(row, column)) ?? Object.keys(row)
  if (columns.length === 0) throw new TypeError("an UPDATE needs at least one column")
  const { names = unchanged } = options
  return list(columns.map((column) => sql`${identifier(names(column))} = ${row[column]}`))
}

/**
 * Rows as one table expression of any number of rows: one array for each column, as one parameter.
 *
 * **When to use**
 *
 * Use for bulk inserts, upserts and updates in one statement whose text is the same for every number of rows, so that a
 * server prepares it once. For the largest loads use `Copy.into`.
 *
 * **Details**
 *
 * `types` has the columns, in order, and their types. `name` is the name of the table expression, `rows` when absent. A
 * row without one of the columns has NULL there. PostgreSQL only.
 *
 * **Gotchas**
 *
 * Throws a `TypeError` for a column of an array type, which `unnest` would take apart, as it does composites: pass such
 * columns as `jsonb`.
 *
 * **Example** (An upsert)
 *
 * ```ts
 * import { Statement } from "@hyperfect/client"
 * import { BuiltIn } from "@hyperfect/values"
 * import { strict as assert } from "node:assert"
 *
 * const { sql, unnest } = Statement
 * const users = unnest([{ id: 1, name: "Ada" }, { id: 2, name: "Bob" }], { id: BuiltIn.int4, name: BuiltIn.text })
 * const statement = sql`insert into users select * from ${users} on conflict (id) do update set name = excluded.name`
 * assert.equal(
 *   statement.text,
 *   "insert into users select * from unnest($1, $2) as \"rows\" (\"id\", \"name\") " +
 *     "on conflict (id) do update set name = excluded.name"
 * )
 * ```
 *
 * @category combinators
 * @since 0.1.0
 */
export const unnest = <const Columns extends Readonly<Record<string, Type.Any>>>(
  rows: Iterable<{ readonly [Name in keyof Columns]?: unknown }>,
  types: Columns,
  options: { readonly name?: string | undefined; readonly names?: ColumnOptions["names"] } = {}
): Statement => {
  const { name = "rows", names = unchanged } = options
  const all = [...rows]
  const columns = Object.entries(types)
  if (columns.length === 0) throw new TypeError("unnest needs at least one column")
  const arrays = columns.map(([column, type]) => {
    if (type.arrayOid === 0) {
      throw new TypeError(`unnest does not support arrays: pass the column ${JSON.stringify(column)} as jsonb`)
    }
    return Parameter.make(all.map((row) => row[column] ?? null), BuiltIn.array(type))
  })
  const aliases = list(columns.map(([column]) => identifier(names(column))))
  return sql`unnest(${list(arrays)}) as ${identifier(name)} (${aliases})`
}
