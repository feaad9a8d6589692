/**
 * From the Schema of a column to its database type: the name in CREATE TABLE, and the codecs that write it.
 *
 * @internal
 */
import * as BuiltIn from "@hyperfect/values/BuiltIn"
import type * as Type from "@hyperfect/values/Type"
import type * as Schema from "effect/Schema"
import * as SchemaAST from "effect/SchemaAST"
import * as StrictTypes from "./strictTypes.ts"

/** What a database type is to a table. Both servers know it by the same name. */
export interface ColumnType {
  readonly name: string
  /** As the catalog has it; -1 for types that take none. */
  readonly typeModifier: number
  /** The type with the codecs for each server. */
  readonly hyper: Type.Any
  readonly postgres: Type.Any
}

export interface ColumnDeclaration {
  readonly type: ColumnType
  /** Whether the type's codecs refuse everything that the Schema refuses, so that the Schema need not be asked. */
  readonly isExact: boolean
}

declare module "effect/Schema" {
  namespace Annotations {
    interface Annotations {
      /** The database type of a column. */
      readonly databaseType?: ColumnDeclaration | undefined
    }
  }
}

const make = (name: string, type: Type.Any): ColumnType => ({ name, typeModifier: -1, hyper: type, postgres: type })

export const bool = make("boolean", BuiltIn.bool)
export const int2 = make("smallint", BuiltIn.int2)
export const int4 = make("integer", BuiltIn.int4)
export const int8 = make("bigint", BuiltIn.int8)
export const float4 = make("real", BuiltIn.float4)
export const float8 = make("double precision", BuiltIn.float8)
export const text = make("text", BuiltIn.text)
export const bytea = make("bytea", BuiltIn.bytea)
export const date = make("date", BuiltIn.date)
export const time = make("time", BuiltIn.time)
export const timestamp = make("timestamp", BuiltIn.timestamp)
export const timestamptz = make("timestamptz", BuiltIn.timestamptz)
export const interval = make("interval", BuiltIn.interval)
export const uuid = make("uuid", BuiltIn.uuid)
export const json = make("json", BuiltIn.json)
export const oid = make("oid", BuiltIn.oid)
export const geography = make("geography", BuiltIn.geography)

export const numeric = (precision: number, scale: number): ColumnType => ({
  name: `numeric(${precision}, ${scale})`,
  typeModifier: ((precision << 16) | scale) + 4,
  hyper: BuiltIn.numeric,
  postgres: StrictTypes.numeric(precision, scale)
})

export const varchar = (length: number): ColumnType => ({
  ...make(`varchar(${length})`, StrictTypes.limited(BuiltIn.varchar, length)),
  typeModifier: length + 4
})

export const char = (length: number): ColumnType => {
  const type = StrictTypes.withoutNul(StrictTypes.limited(BuiltIn.bpchar, length))
  return {
    name: `char(${length})`,
    typeModifier: length + 4,
    // Hyper gives a single character a type of its own (measured).
    hyper: length === 1 ? { ...type, oid: BuiltIn.char.oid } : type,
    postgres: type
  }
}

/** What the Schema of a column says of it. */
export interface Resolved {
  readonly type: ColumnType
  readonly nullable: boolean
  /** Whether values must go through the Schema before they can be written. */
  readonly isEncoded: boolean
}

/** An annotation of the node, of any of its checks too: a check that is added later does not hide it. */
const declarationOf = (ast: SchemaAST.AST): ColumnDeclaration | undefined => {
  const last = SchemaAST.resolveAt<ColumnDeclaration>("databaseType")(ast)
  if (last !== undefined) return last
  const hidden = [ast, ...ast.checks ?? []]
    .map(({ annotations }) => annotations?.["databaseType"] as ColumnDeclaration | undefined)
    .findLast((declaration) => declaration !== undefined)
  return hidden === undefined ? undefined : { type: hidden.type, isExact: false }
}

const admitsNull = (ast: SchemaAST.AST): boolean =>
  SchemaAST.isNull(ast) || (SchemaAST.isUnion(ast) && ast.types.some(admitsNull))

const isOption = (ast: SchemaAST.AST): boolean => representation(ast.annotations) === "effect/schema/Option"

const representation = (annotations: object | undefined): string | undefined =>
  (annotations as { readonly representation?: { readonly id?: string } } | undefined)?.representation?.id

const isIntegerCheck = (check: SchemaAST.Check<never>): boolean =>
  representation(check.annotations) === "effect/schema/isInt" ||
  (check._tag === "FilterGroup" && check.checks.some(isIntegerCheck))

/** The types that plain Schemas stand for. */
const plain = (ast: SchemaAST.AST): ColumnDeclaration | undefined => {
  const checks = ast.checks ?? []
  const as = (type: ColumnType, isExact = checks.length === 0): ColumnDeclaration => ({ type, isExact })
  if (SchemaAST.isBoolean(ast)) return as(bool)
  if (SchemaAST.isString(ast)) return as(text)
  if (SchemaAST.isBigInt(ast)) return as(int8)
  if (SchemaAST.isNumber(ast)) {
    return checks.some(isIntegerCheck) ? as(int4, checks.length === 1) : as(float8)
  }
  if (SchemaAST.isDeclaration(ast) && representation(ast.annotations) === "effect/schema/Uint8Array") return as(bytea)
  return undefined
}

/** The database type of a column's Schema, or `undefined` when nobody has said it. */
export const resolve = (schema: Schema.Constraint): Resolved | undefined => resolveAst(schema.ast)

const resolveAst = (ast: SchemaAST.AST): Resolved | undefined => {
  const declared = declarationOf(ast)
  const encoded = SchemaAST.toEncoded(ast)
  if (declared !== undefined) {
    return {
      type: declared.type,
      nullable: admitsNull(encoded),
      isEncoded: !declared.isExact || ast.encoding !== undefined
    }
  }
  if (ast.encoding !== undefined) {
    const inner = isOption(ast) || declarationOf(encoded) !== undefined ? resolveAst(encoded) : undefined
    return inner && { ...inner, isEncoded: true }
  }
  if (SchemaAST.isUnion(ast)) {
    const others = ast.types.filter((type) => !SchemaAST.isNull(type))
    const inner = others.length === 1 && others.length < ast.types.length ? resolveAst(others[0]!) : undefined
    return inner && { ...inner, nullable: true, isEncoded: inner.isEncoded || ast.checks !== undefined }
  }
  const type = plain(ast)
  return type && { type: type.type, nullable: false, isEncoded: !type.isExact }
}
