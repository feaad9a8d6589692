/**
 * The error for names that a catalog cannot resolve.
 *
 * @since 0.1.0
 */
import * as ErrorField from "@hyperfect/protocol/ErrorField"
import { TaggedError, TaggedReason } from "@hyperfect/protocol/ProtocolError"
import * as Schema from "effect/Schema"

const list = (names: ReadonlyArray<string>): string =>
  names.length === 0 ? "none" : names.map((name) => JSON.stringify(name)).join(", ")

/**
 * The session has no database of that name attached.
 *
 * @category errors
 * @since 0.1.0
 */
export class DatabaseMissing extends TaggedReason<DatabaseMissing>()("DatabaseMissing", {
  /** `undefined` if none was named and the session has none. */
  database: Schema.UndefinedOr(Schema.String),
  /** The databases that the session has. */
  attached: Schema.Array(Schema.String)
}, ({ attached, database }) =>
  database === undefined
    ? "the session has no database attached"
    : `the session has no database ${JSON.stringify(database)} attached (attached: ${list(attached)})`)
{}

/**
 * The session has several databases attached, and the call names none.
 *
 * @category errors
 * @since 0.1.0
 */
export class DatabaseAmbiguous extends TaggedReason<DatabaseAmbiguous>()("DatabaseAmbiguous", {
  attached: Schema.Array(Schema.String)
}, ({ attached }) => `the session has several databases attached; name one of ${list(attached)}`) {}

/**
 * The database has no such schema.
 *
 * @category errors
 * @since 0.1.0
 */
export class SchemaMissing extends TaggedReason<SchemaMissing>()("SchemaMissing", {
  /** The qualified name in SQL. */
  schema: Schema.String
}, ({ schema }) => `there is no schema ${schema}`) {}

/**
 * The database has no such table.
 *
 * @category errors
 * @since 0.1.0
 */
export class TableMissing extends TaggedReason<TableMissing>()("TableMissing", {
  /** The qualified name in SQL. */
  table: Schema.String
}, ({ table }) => `there is no table ${table}`) {}

/**
 * A column has a type that `HyperTable` has no Schema for.
 *
 * @category errors
 * @since 0.1.0
 */
export class TypeUnsupported extends TaggedReason<TypeUnsupported>()(
  "TypeUnsupported",
  {
    table: Schema.String,
    column: Schema.String,
    type: Schema.String
  },
  ({ column, table, type }) =>
    `the column ${JSON.stringify(column)} of ${table} is of the type ${type}, which is not supported`
) {}

/**
 * The table has no columns, and `HyperTable` has no tables without.
 *
 * @category errors
 * @since 0.1.0
 */
export class TableEmpty extends TaggedReason<TableEmpty>()(
  "TableEmpty",
  { table: Schema.String },
  ({ table }) => `the table ${table} has no columns`
) {}

const Reason = Schema.Union([
  DatabaseMissing,
  DatabaseAmbiguous,
  SchemaMissing,
  TableMissing,
  TypeUnsupported,
  TableEmpty
])

/**
 * The reason for which a name was not resolved, with one tag for each.
 *
 * @category errors
 * @since 0.1.0
 */
export type Reason = typeof Reason.Type

/**
 * A name of a database, schema or table was not resolved.
 *
 * @category errors
 * @since 0.1.0
 */
export class CatalogError extends TaggedError<CatalogError>()(
  "CatalogError",
  { reason: Reason },
  ({ reason }) => ErrorField.printable(reason.message)
) {}

/** @internal */
export const fromReason = (reason: Reason): CatalogError => new CatalogError({ reason })
