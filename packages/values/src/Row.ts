/**
 * Decoding of rows with a caller's Schema.
 *
 * A Schema for rows is checked against the columns once, before the first row: that the columns have the names that it
 * needs, and that their types can produce the values that it accepts. If the columns' codecs already guarantee
 * everything that the Schema requires, rows are not checked again.
 *
 * @since 0.1.0
 */
import { UseCount } from "@hyperfect/protocol/internal/codegen"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { memoize } from "effect/Function"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as SchemaAST from "effect/SchemaAST"
import * as SchemaIssue from "effect/SchemaIssue"
import * as Nulls from "./internal/rows/nulls.ts"
import * as Compatibility from "./internal/schema/compatibility.ts"
import * as Unchanged from "./internal/schema/unchanged.ts"
import type { ObjectRow } from "./RowReader.ts"
import type * as Type from "./Type.ts"

/**
 * The parts of a column's description that a Schema is checked against.
 *
 * @category models
 * @since 0.1.0
 */
export interface Column {
  readonly name: string
  /** The type that reads the column; if it is missing, nothing is assumed about the values. */
  readonly type?: Type.Any | undefined
}

/**
 * A column whose type cannot produce values that the Schema accepts.
 *
 * @category models
 * @since 0.1.0
 */
export interface Mistyped {
  readonly name: string
  /** The type's name, such as `int8`. */
  readonly typeName: string
  readonly wanted: string
  readonly found: string
}

/**
 * The reasons why a Schema does not fit the columns.
 *
 * @category errors
 * @since 0.1.0
 */
export interface Mismatch {
  /** Fields of the Schema without a column. */
  readonly missing: ReadonlyArray<string>
  /** Columns without a field in the Schema. */
  readonly unexpected: ReadonlyArray<string>
  readonly mistyped: ReadonlyArray<Mistyped>
}

/**
 * A row that the Schema rejects.
 *
 * @category errors
 * @since 0.1.0
 */
export interface DecodeFailure {
  /** The row's index, from 0. */
  readonly row: number
  readonly issue: string
}

/**
 * A decoder for the rows of columns that fit the Schema.
 *
 * @category models
 * @since 0.1.0
 */
export interface RowDecoder<out A, out RD = never> {
  /** True if rows are returned unchanged, because the Schema requires nothing that the codecs do not guarantee. */
  readonly isPassThrough: boolean
  /** Decodes rows; `index` is the index of the first one. */
  readonly decode: (rows: ReadonlyArray<ObjectRow>, index: number) => Effect.Effect<ReadonlyArray<A>, DecodeFailure, RD>
}

/**
 * Checks a Schema against columns. The result is cached per array of columns.
 *
 * @category models
 * @since 0.1.0
 */
export type RowSchema<A, RD = never> = (columns: ReadonlyArray<Column>) => Result.Result<RowDecoder<A, RD>, Mismatch>

/**
 * Options for applying a Schema to rows.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** The treatment of columns without a field: `"ignore"`, the default, leaves them out; `"error"` is a mismatch. */
  readonly onExcessColumn?: "ignore" | "error" | undefined
}

interface Field {
  readonly name: string
  readonly isOptional: boolean
  readonly ast: SchemaAST.AST
  /** True if the field's Schema is completely described by `ast`. */
  readonly isUntransformed: boolean
}

/** Returns the fields of a Schema with named fields; `undefined` for any other Schema. */
const fieldsOf = (ast: SchemaAST.AST): ReadonlyArray<Field> | undefined => {
  const encoded = SchemaAST.toEncoded(ast)
  if (!SchemaAST.isObjects(encoded) || encoded.indexSignatures.length > 0) return undefined
  // Only a struct that has no checks and is not decoded as a whole is completely described by its fields.
  const isPlain = SchemaAST.isObjects(ast) && ast.encoding === undefined && ast.checks === undefined &&
    ast.encodingChecks === undefined
  return encoded.propertySignatures.map(({ name, type }): Field => {
    const own = isPlain ? ast.propertySignatures.find((field) => field.name === name) : undefined
    return {
      name: String(name),
      isOptional: SchemaAST.isOptional(type),
      ast: own?.type ?? type,
      isUntransformed: own !== undefined
    }
  })
}

const checkColumns = (
  fields: ReadonlyArray<Field>,
  columns: ReadonlyArray<Column>,
  onExcessColumn: "ignore" | "error"
): Mismatch | undefined => {
  const byName = new Map(fields.map((field) => [field.name, field]))
  const names = new Set(columns.map(({ name }) => name))
  const missing = fields.flatMap(({ isOptional, name }) => isOptional || names.has(name) ? [] : [name])
  const unexpected = columns.flatMap(({ name }) => byName.has(name) ? [] : [name])
  const mistyped = columns.flatMap(({ name, type }): ReadonlyArray<Mistyped> => {
    const field = byName.get(name)
    if (field === undefined || type === undefined || Compatibility.mayAccept(field.ast, type.schema.ast)) return []
    const [wanted, found] = [Compatibility.describe(field.ast), Compatibility.describe(type.schema.ast)]
    return [{ name, typeName: type.name, wanted, found }]
  })
  const refused = onExcessColumn === "error" ? unexpected.length : 0
  return missing.length + mistyped.length + refused === 0 ? undefined : { missing, unexpected, mistyped }
}

/** Returns the fields that must not be NULL, if nothing else needs to be checked per row; `undefined` otherwise. */
const requiredFields = (
  fields: ReadonlyArray<Field>,
  columns: ReadonlyArray<Column>
): ReadonlyArray<string> | undefined => {
  // Columns without a field have to be left out of each row.
  if (columns.some(({ name }) => !fields.some((field) => field.name === name))) return undefined
  const names: Array<string> = []
  for (const { ast, isUntransformed, name } of fields) {
    if (!isUntransformed || ast.encoding !== undefined) return undefined
    const column = columns.find((column) => column.name === name)
    if (column === undefined) continue // an optional field without a column
    if (column.type === undefined || !Compatibility.guarantees(column.type.schema.ast, ast)) return undefined
    if (!Compatibility.guarantees(SchemaAST.null, ast)) names.push(name)
  }
  return names
}

/**
 * Checks a Schema against columns, and returns a decoder of their rows.
 *
 * **Details**
 *
 * - A Schema with named fields needs a column for each field that is not optional. Columns without a field are left out
 *   of the rows, or refused; see {@link Options}.
 * - The type of a column must be able to produce values that the field accepts: a `Schema.String` for an `int4` is
 *   rejected before the first row. NULL is not considered here, because any column can be NULL.
 * - A Schema of any other kind, such as a record, is applied to each row.
 *
 * If every field accepts all values of its column's codec, as `Schema.BigInt` does for `int8`, `Schema.String` for
 * `text` or `uuid`, and `CalendarDate` for `date`, rows are returned unchanged, and checked only for NULL in fields
 * that do not accept it. With a check, a transformation or a class, each row is decoded.
 *
 * **Example** (Checking before the first row)
 *
 * ```ts
 * import { BuiltIn, Row } from "@hyperfect/values"
 * import { Result, Schema } from "effect"
 * import { strict as assert } from "node:assert"
 *
 * const fit = Row.schema(Schema.Struct({ id: Schema.BigInt, name: Schema.NullOr(Schema.String) }))
 * const decoder = fit([{ name: "id", type: BuiltIn.int8 }, { name: "name", type: BuiltIn.text }])
 * assert.equal(Result.isSuccess(decoder) && decoder.success.isPassThrough, true)
 * const mismatch = fit([{ name: "id", type: BuiltIn.int4 }, { name: "name", type: BuiltIn.text }])
 * assert.deepEqual(Result.isFailure(mismatch) && mismatch.failure.mistyped, [
 *   { name: "id", typeName: "int4", wanted: "bigint", found: "number" }
 * ])
 * ```
 *
 * @category schemas
 * @since 0.1.0
 */
export const schema = <A, RD>(
  schema: Schema.Decoder<A, RD>,
  { onExcessColumn = "ignore" }: Options = {}
): RowSchema<A, RD> => {
  const cache = rowSchemas[onExcessColumn]
  let fit = cache.get(schema.ast) as RowSchema<A, RD> | undefined
  if (fit === undefined) {
    fit = make(schema, onExcessColumn)
    cache.set(schema.ast, fit)
  }
  return fit
}

const formatIssue = SchemaIssue.makeFormatterStandardSchemaV1()

/** Describes an issue whose cause is NULL in a column that the Schema requires a value for. */
const nullIssue = ({ issue }: Schema.SchemaError, row: ObjectRow): string | undefined => {
  const key = formatIssue(issue).issues[0]?.path?.[0]
  return typeof key === "string" && row[key] === null
    ? `column ${JSON.stringify(key)} is NULL; use Schema.NullOr`
    : undefined
}

const rowSchemas = {
  ignore: new WeakMap<SchemaAST.AST, RowSchema<unknown, unknown>>(),
  error: new WeakMap<SchemaAST.AST, RowSchema<unknown, unknown>>()
}

/** About the number of rows after which generating code pays (M-11). */
const rowsBeforeGenerating = 512

const make = <A, RD>(schema: Schema.Decoder<A, RD>, onExcessColumn: "ignore" | "error"): RowSchema<A, RD> => {
  const fields = fieldsOf(schema.ast)
  const decodeRow = Schema.decodeUnknownEffect(schema)
  const uses = new UseCount(rowsBeforeGenerating)
  let copy: ReturnType<typeof Unchanged.copier>

  const refusal = (row: number, values: ObjectRow) => (error: Schema.SchemaError): DecodeFailure => ({
    row,
    issue: nullIssue(error, values) ?? error.message
  })

  /** Decodes synchronously, without a fiber step per row, for as long as the Schema allows it. */
  const decodeAll = (
    rows: ReadonlyArray<ObjectRow>,
    index: number
  ): Effect.Effect<ReadonlyArray<A>, DecodeFailure, RD> =>
    Effect.suspend(() => {
      const decoded = new Array<A>(rows.length)
      for (let i = 0; i < rows.length; i++) {
        if (uses.reaches() && fields?.every(({ isUntransformed }) => isUntransformed)) copy = Unchanged.copier(fields)
        const unchanged = copy?.(rows[i]!)
        if (unchanged !== undefined) {
          decoded[i] = unchanged as A
          continue
        }
        const outcome = decodeRow(rows[i])
        if (Exit.isExit(outcome) && Exit.isSuccess(outcome)) decoded[i] = outcome.value as A
        else {
          const rest = Effect.forEach(
            rows.slice(i),
            (row, j) => Effect.mapError(j === 0 ? outcome : decodeRow(row), refusal(index + i + j, row))
          )
          return Effect.map(rest, (rest) => [...decoded.slice(0, i), ...rest])
        }
      }
      return Effect.succeed(decoded)
    })

  const checkFit = (all: ReadonlyArray<Column>): Result.Result<RowDecoder<A, RD>, Mismatch> => {
    // If duplicate column names are allowed, rows contain the last column of each name.
    const columns = Array.from(new Map(all.map((column) => [column.name, column])).values())
    const mismatch = fields && checkColumns(fields, columns, onExcessColumn)
    if (mismatch !== undefined) return Result.fail(mismatch)
    const required = fields && requiredFields(fields, columns)
    if (required === undefined) return Result.succeed({ isPassThrough: false, decode: decodeAll })
    const hasNull = Nulls.anyOf(required)
    return Result.succeed({
      isPassThrough: true,
      decode: (rows, index) =>
        required.length > 0 && rows.some(hasNull)
          ? decodeAll(rows, index)
          : Effect.succeed(rows as ReadonlyArray<unknown> as ReadonlyArray<A>)
    })
  }

  return memoize(checkFit)
}
