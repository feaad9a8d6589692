/**
 * What a query gives back.
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
  /** The type that its values were read by; `undefined` when nobody knows the type. */
  readonly type: Type.Any | undefined
}

/**
 * The outcome of a statement that ran to its end.
 *
 * @category models
 * @since 0.1.0
 */
export interface Result<out Row> {
  readonly rows: ReadonlyArray<Row>
  /** The columns, in order; none when the statement returns no rows. */
  readonly fields: ReadonlyArray<FieldDescription>
  /** What the server says it did, such as `INSERT 0 5`; empty when there was nothing to do. */
  readonly commandTag: string
  /** The number at the end of the command tag: rows returned or touched. */
  readonly rowCount: number | undefined
}

/**
 * The outcome of a statement that ran to its end, its rows by columns.
 *
 * @see `Columns.get` and `Columns.toArray` for the values in them
 *
 * @category models
 * @since 0.1.0
 */
export interface ColumnsResult extends Omit<Result<never>, "rows"> {
  /** One for each field; none when the statement returns no rows. */
  readonly columns: ReadonlyArray<Column>
}

/**
 * The number at the end of a command tag, if there is one.
 *
 * **Gotchas**
 *
 * PostgreSQL counts what CREATE TABLE AS wrote; Hyper says 0.
 *
 * @category getters
 * @since 0.1.0
 */
export const rowCount = (commandTag: string): number | undefined => {
  let at = commandTag.length
  while (at > 0 && isDigit(commandTag.charCodeAt(at - 1))) at--
  return at === commandTag.length ? undefined : Number(commandTag.slice(at))
}

const isDigit = (unit: number): boolean => unit >= 0x30 && unit <= 0x39
