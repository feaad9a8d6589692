/**
 * Rows by a caller's Schema.
 *
 * A Schema for rows is held against the columns once, before there is a row: whether they have the names that it wants, and
 * whether the types that they are read by can give what it wants. Where the codecs of the columns already guarantee all that
 * it says, rows are not looked at again.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as SchemaAST from "effect/SchemaAST"
import * as Nulls from "./internal/nulls.ts"
import * as SchemaFit from "./internal/schemaFit.ts"
import type { ObjectRow } from "./RowReader.ts"
import type * as Type from "./Type.ts"

/**
 * What has to be known of a column.
 *
 * @category models
 * @since 0.1.0
 */
export interface Column {
  readonly name: string
  /** The type that it is read by; nothing is said of its values when left out. */
  readonly type?: Type.Any | undefined
}

/**
 * A column of a type that cannot give what the Schema wants.
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
 * Why a Schema does not fit columns.
 *
 * @category errors
 * @since 0.1.0
 */
export interface Mismatch {
  /** Fields of the Schema that there is no column for. */
  readonly missing: ReadonlyArray<string>
  /** Columns that the Schema has no field for. */
  readonly unexpected: ReadonlyArray<string>
  readonly mistyped: ReadonlyArray<Mistyped>
}

/**
 * A row that the Schema refuses.
 *
 * @category errors
 * @since 0.1.0
 */
export interface Refusal {
  /** The row's position from 0. */
  readonly row: number
  readonly issue: string
}

/**
 * A Schema that fits the columns.
 *
 * @category models
 * @since 0.1.0
 */
export interface RowDecoder<out A, out RD = never> {
  /** Whether rows are handed on as they are, because the Schema says nothing that the codecs do not guarantee. */
  readonly isFused: boolean
  /** Decodes rows, the first of which is the one of this index. */
  readonly decode: (rows: ReadonlyArray<ObjectRow>, index: number) => Effect.Effect<ReadonlyArray<A>, Refusal, RD>
}

/**
 * A Schema that is to be held against columns. The same columns, as the same array, are looked at once.
 *
 * @category models
 * @since 0.1.0
 */
export type Fit<A, RD = never> = (columns: ReadonlyArray<Column>) => Result.Result<RowDecoder<A, RD>, Mismatch>

interface Field {
  readonly name: string
  readonly isOptional: boolean
  readonly ast: SchemaAST.AST
  /** Whether the Schema does nothing with the field but what `ast` says. */
  readonly isWhole: boolean
}

/** The fields of a Schema of named ones; `undefined` when it is another. */
const fieldsOf = (ast: SchemaAST.AST): ReadonlyArray<Field> | undefined => {
  const encoded = SchemaAST.toEncoded(ast)
  if (!SchemaAST.isObjects(encoded) || encoded.indexSignatures.length > 0) return undefined
  // Only a struct that has no checks and is not decoded as a whole is all in its fields.
  const isPlain = SchemaAST.isObjects(ast) && ast.encoding === undefined && ast.checks === undefined
  return encoded.propertySignatures.map(({ name, type }): Field => {
    const own = isPlain ? ast.propertySignatures.find((field) => field.name === name) : undefined
    return {
      name: String(name),
      isOptional: SchemaAST.isOptional(type),
      ast: own?.type ?? type,
      isWhole: own !== undefined
    }
  })
}

const checkColumns = (
  fields: ReadonlyArray<Field>,
  columns: ReadonlyArray<Column>
): Mismatch | undefined => {
  const byName = new Map(fields.map((field) => [field.name, field]))
  const names = new Set(columns.map(({ name }) => name))
  const missing = fields.flatMap(({ isOptional, name }) => isOptional || names.has(name) ? [] : [name])
  const unexpected = columns.flatMap(({ name }) => byName.has(name) ? [] : [name])
  const mistyped = columns.flatMap(({ name, type }): ReadonlyArray<Mistyped> => {
    const field = byName.get(name)
    if (field === undefined || type === undefined || SchemaFit.canMeet(field.ast, type.schema.ast)) return []
    const [wanted, found] = [SchemaFit.describe(field.ast), SchemaFit.describe(type.schema.ast)]
    return [{ name, typeName: type.name, wanted, found }]
  })
  return missing.length + unexpected.length + mistyped.length === 0 ? undefined : { missing, unexpected, mistyped }
}

/** The fields that must not be NULL, when that is all that is left to look at; `undefined` when there is more. */
const notNull = (
  fields: ReadonlyArray<Field>,
  columns: ReadonlyArray<Column>
): ReadonlyArray<string> | undefined => {
  const names: Array<string> = []
  for (const { ast, isWhole, name } of fields) {
    if (!isWhole || ast.encoding !== undefined) return undefined
    const column = columns.find((column) => column.name === name)
    if (column === undefined) continue // an optional field without a column
    if (column.type === undefined || !SchemaFit.guarantees(column.type.schema.ast, ast)) return undefined
    if (!SchemaFit.guarantees(SchemaAST.null, ast)) names.push(name)
  }
  return names
}

/**
 * Holds a Schema against columns, and gives what decodes their rows.
 *
 * **Details**
 *
 * - A Schema of named fields has to have a column for each field that is not optional, and a field for each column.
 * - The type of a column has to be able to give what the field wants: a `Schema.String` for an `int4` is refused before there
 *   is a row. NULL does not count for that, as any column can have it.
 * - A Schema of anything else, such as a record, is applied to each row.
 *
 * Where every field takes whatever its column's codec gives, as `Schema.BigInt` does for `int8`, `Schema.String` for `text` or
 * `uuid`, and `CalendarDate` for `date`, rows are handed on as they are, and only looked at for NULL where a field does not
 * take it. A check, a transformation or a class has each row decoded.
 *
 * **Example** (Before the first row)
 *
 * ```ts
 * import { BuiltIn, Row } from "@hyperfect/values"
 * import { Result, Schema } from "effect"
 * import { strict as assert } from "node:assert"
 *
 * const fit = Row.schema(Schema.Struct({ id: Schema.BigInt, name: Schema.NullOr(Schema.String) }))
 * const decoder = fit([{ name: "id", type: BuiltIn.int8 }, { name: "name", type: BuiltIn.text }])
 * assert.equal(Result.isSuccess(decoder) && decoder.success.isFused, true)
 * const mismatch = fit([{ name: "id", type: BuiltIn.int4 }, { name: "name", type: BuiltIn.text }])
 * assert.deepEqual(Result.isFailure(mismatch) && mismatch.failure.mistyped, [
 *   { name: "id", typeName: "int4", wanted: "bigint", found: "number" }
 * ])
 * ```
 *
 * @category schemas
 * @since 0.1.0
 */
export const schema = <A, RD>(schema: Schema.Decoder<A, RD>): Fit<A, RD> => {
  let fit = fits.get(schema.ast) as Fit<A, RD> | undefined
  if (fit === undefined) {
    fit = make(schema)
    fits.set(schema.ast, fit)
  }
  return fit
}

const fits = new WeakMap<SchemaAST.AST, Fit<unknown, unknown>>()

const make = <A, RD>(schema: Schema.Decoder<A, RD>): Fit<A, RD> => {
  const fields = fieldsOf(schema.ast)
  const decodeRow = Schema.decodeUnknownEffect(schema)

  const refusal = (row: number) => (error: Schema.SchemaError): Refusal => ({ row, issue: error.message })

  /** Without a step of a fiber for each row, as long as the Schema needs none. */
  const decodeAll = (rows: ReadonlyArray<ObjectRow>, index: number): Effect.Effect<ReadonlyArray<A>, Refusal, RD> =>
    Effect.suspend(() => {
      const decoded = new Array<A>(rows.length)
      for (let i = 0; i < rows.length; i++) {
        const outcome = decodeRow(rows[i])
        if (Exit.isExit(outcome) && Exit.isSuccess(outcome)) decoded[i] = outcome.value as A
        else {
          const rest = Effect.forEach(
            rows.slice(i),
            (row, j) => Effect.mapError(j === 0 ? outcome : decodeRow(row), refusal(index + i + j))
          )
          return Effect.map(rest, (rest) => [...decoded.slice(0, i), ...rest])
        }
      }
      return Effect.succeed(decoded)
    })

  const hold = (columns: ReadonlyArray<Column>): Result.Result<RowDecoder<A, RD>, Mismatch> => {
    const mismatch = fields && checkColumns(fields, columns)
    if (mismatch !== undefined) return Result.fail(mismatch)
    const required = fields && notNull(fields, columns)
    if (required === undefined) return Result.succeed({ isFused: false, decode: decodeAll })
    const hasNull = Nulls.anyOf(required)
    return Result.succeed({
      isFused: true,
      decode: (rows, index) =>
        required.length > 0 && rows.some(hasNull)
          ? decodeAll(rows, index)
          : Effect.succeed(rows as ReadonlyArray<unknown> as ReadonlyArray<A>)
    })
  }

  const known = new WeakMap<ReadonlyArray<Column>, Result.Result<RowDecoder<A, RD>, Mismatch>>()
  return (columns) => {
    let held = known.get(columns)
    if (held === undefined) known.set(columns, held = hold(columns))
    return held
  }
}
