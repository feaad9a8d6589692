/**
 * Results of queries.
 *
 * @since 0.1.0
 */
import type * as RowDescription from "@hyperfect/protocol/backend/RowDescription"
import type { Column } from "@hyperfect/values/Columns"
import type * as Type from "@hyperfect/values/Type"

/**
 * A column of a result, as the server described it.
 *
 * @category models
 * @since 0.1.0
 */
export interface FieldDescription extends RowDescription.FieldDescription {
  /** The type used to decode its values; `undefined` if the type is not known. */
  readonly type: Type.Any | undefined
}

/**
 * The outcome of a statement that ran to completion.
 *
 * @category models
 * @since 0.1.0
 */
export interface QueryResult<out Row> {
  readonly rows: ReadonlyArray<Row>
  /** The columns, in order; none when the statement returns no rows. */
  readonly fields: ReadonlyArray<FieldDescription>
  /** The server's command tag, such as `INSERT 0 5`; empty for an empty statement. */
  readonly commandTag: string
  /** The number at the end of the command tag: rows returned or affected. */
  readonly rowCount: number | undefined
}

/**
 * The outcome of a statement that ran to completion, with its rows as columns.
 *
 * @see `Columns.get` and `Columns.toArray` for the values in them
 *
 * @category models
 * @since 0.1.0
 */
export interface ColumnsResult extends Omit<QueryResult<never>, "rows"> {
  /** One for each field; none when the statement returns no rows. */
  readonly columns: ReadonlyArray<Column>
}

/**
 * Returns the number at the end of a command tag, if there is one.
 *
 * **Gotchas**
 *
 * For CREATE TABLE AS, PostgreSQL reports the rows written; Hyper reports 0.
 *
 * @internal
 */
export const rowCount = (commandTag: string): number | undefined => {
  let at = commandTag.length
  while (at > 0 && isDigit(commandTag.charCodeAt(at - 1))) at--
  return at === commandTag.length ? undefined : Number(commandTag.slice(at))
}

const isDigit = (unit: number): boolean => unit >= 0x30 && unit <= 0x39
