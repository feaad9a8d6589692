/**
 * Maps the Schema of a column to its database type: the name in CREATE TABLE, and the codecs that write it.
 *
 * @internal
 */
import type { Statement } from "@hyperfect/client/Statement"
import * as BuiltIn from "@hyperfect/values/BuiltIn"
import type * as Type from "@hyperfect/values/Type"
import { hasProperty } from "effect/Predicate"
import type * as Schema from "effect/Schema"
import * as SchemaAST from "effect/SchemaAST"
import * as StrictTypes from "./strictTypes.ts"

/** A Schema's annotations can come from data, such as a JSON document; a symbol cannot. */
const TypeId: unique symbol = Symbol.for("@hyperfect/hyper/ColumnType")

/** A database type as used in a table. Both servers use the same name for it. */
export interface ColumnType {
  readonly [TypeId]: typeof TypeId
  readonly name: string
  /** The modifier in the catalog; -1 for types without one. */
  readonly typeModifier: number
  /** The type with the codecs for each server. */
  readonly hyper: Type.Any
  readonly postgres: Type.Any
}

export interface ColumnDeclaration {
  readonly type: ColumnType
  /** True if the type's codecs reject everything that the Schema rejects, so that the Schema need not run. */
  readonly isExact: boolean
  readonly collation?: string | undefined
  readonly default?: Statement | undefined
}

declare module "effect/Schema" {
  namespace Annotations {
    interface Annotations {
      /** The database type of a column. */
      readonly databaseType?: ColumnDeclaration | undefined
    }
  }
}

/** Makes a type that has one name on both servers. */
export const make = (name: string, type: Type.Any): ColumnType => ({
  [TypeId]: TypeId,
  name,
  typeModifier: -1,
  hyper: type,
  postgres: type
})

// The types that plain Schemas stand for; other columns declare theirs.
export const bool = make("boolean", BuiltIn.bool)
export const int4 = make("integer", BuiltIn.int4)
export const int8 = make("bigint", BuiltIn.int8)
export const float8 = make("double precision", BuiltIn.float8)
export const text = make("text", BuiltIn.text)
export const bytea = make("bytea", BuiltIn.bytea)

export const numeric = (precision: number, scale: number): ColumnType => ({
  ...make(`numeric(${precision}, ${scale})`, BuiltIn.numeric),
  typeModifier: ((precision << 16) | scale) + 4,
  postgres: StrictTypes.numeric(precision, scale)
})

export const varchar = (length: number): ColumnType => ({
  ...make(`varchar(${length})`, StrictTypes.withMaxLength(BuiltIn.varchar, length)),
  typeModifier: length + 4
})

export const char = (length: number): ColumnType => {
  const type = StrictTypes.withoutNul(StrictTypes.withMaxLength(BuiltIn.bpchar, length))
  return {
    ...make(`char(${length})`, type),
    typeModifier: length + 4,
    // Hyper uses a separate type for a single character (H-22).
    hyper: length === 1 ? { ...type, oid: BuiltIn.char.oid } : type
  }
}

/** Without the checks of a column, which do not apply to elements: the Schema of an array checks them. */
const elementType = (type: Type.Any): Type.Any =>
  type.oid === BuiltIn.char.oid ? BuiltIn.char : type.oid === BuiltIn.bpchar.oid ? BuiltIn.bpchar : type

export const array = ({ hyper, name, postgres, typeModifier }: ColumnType): ColumnType => ({
  ...make(`${name}[]`, BuiltIn.array(elementType(hyper))),
  typeModifier,
  postgres: BuiltIn.array(elementType(postgres))
})

/** The properties of a column that its Schema determines. */
export interface ResolvedColumn extends Omit<ColumnDeclaration, "isExact"> {
  readonly nullable: boolean
  /** True if values must be encoded by the Schema before they are written. */
  readonly isEncoded: boolean
}

const isDeclaration = (u: unknown): u is ColumnDeclaration => hasProperty(u, "type") && hasProperty(u.type, TypeId)

/** Finds an annotation of the node or of any of its checks: a check that is added later does not hide it. */
const declarationOf = (ast: SchemaAST.AST): ColumnDeclaration | undefined => {
  const last = SchemaAST.resolveAt<unknown>("databaseType")(ast)
  if (isDeclaration(last)) return last
  const hidden = [ast, ...ast.checks ?? []]
    .map(({ annotations }) => annotations?.["databaseType"] as unknown)
    .findLast(isDeclaration)
  return hidden && { ...hidden, isExact: false }
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
const inferType = (ast: SchemaAST.AST): ColumnDeclaration | undefined => {
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

/** Returns the database type of a column's Schema, or `undefined` if none is declared or implied. */
export const resolve = (schema: Schema.Constraint): ResolvedColumn | undefined => resolveAst(schema.ast)

const resolveAst = (ast: SchemaAST.AST): ResolvedColumn | undefined => {
  const declared = declarationOf(ast)
  const encoded = SchemaAST.toEncoded(ast)
  if (declared !== undefined) {
    const { isExact, ...declaration } = declared
    return { ...declaration, nullable: admitsNull(encoded), isEncoded: !isExact || ast.encoding !== undefined }
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
  const type = inferType(ast)
  return type && { type: type.type, nullable: false, isEncoded: !type.isExact }
}
