/**
 * Checks if a Schema accepts the values that a codec returns, certainly or possibly, by comparing the two Schemas.
 *
 * @internal
 */
import * as Schema from "effect/Schema"
import * as SchemaAST from "effect/SchemaAST"
import * as ValueSchema from "./value.ts"

type AST = SchemaAST.AST

/** True if a field accepts every value of a type unchanged. False if that cannot be determined. */
export const guarantees = (value: AST, field: AST): boolean => {
  if (field.encoding !== undefined) return false
  if (value === field) return true
  if (SchemaAST.isUnion(value)) return value.types.every((member) => guarantees(member, field))
  if (!isSubset(field.checks, value.checks)) return false
  if (SchemaAST.isUnknown(field) || SchemaAST.isAny(field)) return true
  if (SchemaAST.isUnion(field)) return field.types.some((member) => guarantees(value, member))
  switch (field._tag) {
    case "String":
    case "Number":
    case "Boolean":
    case "BigInt": {
      const kinds = kindsOf(value)
      return kinds?.size === 1 && kinds.has(field._tag.toLowerCase())
    }
    case "Null":
    case "Undefined":
      return value._tag === field._tag
    case "Literal":
      return SchemaAST.isLiteral(value) && value.literal === field.literal
    default:
      return false
  }
}

/** Compares checks by identity, which they keep if one Schema is derived from the other. */
const isSubset = (checks: SchemaAST.Checks | undefined, of: SchemaAST.Checks | undefined): boolean =>
  checks === undefined || (of !== undefined && checks.every((check) => (of as ReadonlyArray<unknown>).includes(check)))

/** True if a field may accept a value of a type other than NULL. True also if that cannot be determined. */
export const mayAccept = (ast: AST, value: AST): boolean => {
  const field = encodedOf(ast)
  if (SchemaAST.isUnion(field)) {
    const members = field.types.filter((member) => !isNull(member))
    return members.length === 0 || members.some((member) => mayAccept(member, value))
  }
  if (SchemaAST.isUnion(value)) return value.types.some((member) => mayAccept(field, member))
  if (isClass(field) && isClass(value)) return field === value
  const [wanted, given] = [kindsOf(field), kindsOf(value)]
  if (wanted === undefined || given === undefined || wanted.has("null")) return true
  for (const kind of given) if (wanted.has(kind)) return true
  return false
}

/**
 * Returns the Schema of a field's input. A declaration without an encoding is returned as it is, because Effect would
 * create a new one, which would not be recognised.
 */
const encodedOf = (ast: AST): AST => ast.encoding === undefined ? ast : SchemaAST.toEncoded(ast)

const isNull = (ast: AST): boolean => SchemaAST.isNull(ast) || SchemaAST.isUndefined(ast)

/** Effect's own classes among the types' values. */
const classes = new Map<AST, string>([
  [Schema.Date.ast, "Date"],
  [Schema.Uint8Array.ast, "Uint8Array"],
  [Schema.BigDecimal.ast, "BigDecimal"],
  [Schema.DateTimeUtc.ast, "DateTime.Utc"]
])

/** True for a Schema that accepts the instances of one class, unchanged. */
export const isClass = (ast: AST): boolean => classes.has(ast) || ValueSchema.isClass(ast)

/** Returns the results of `typeof` for the values of a Schema, and `null`; `undefined` if they can be anything. */
const kindsOf = (ast: AST): ReadonlySet<string> | undefined => {
  switch (ast._tag) {
    case "String":
    case "TemplateLiteral":
      return new Set(["string"])
    case "Number":
    case "Boolean":
    case "BigInt":
    case "Null":
    case "Undefined":
    case "Symbol":
      return new Set([ast._tag.toLowerCase()])
    case "UniqueSymbol":
      return new Set(["symbol"])
    case "Literal":
      return new Set([typeof ast.literal])
    case "Arrays":
      return new Set(["object"])
    case "Objects":
      // A struct without fields accepts everything except null and undefined.
      return ast.propertySignatures.length + ast.indexSignatures.length === 0 ? undefined : new Set(["object"])
    case "Union": {
      const members = ast.types.map(kindsOf)
      return members.includes(undefined) ? undefined : new Set(members.flatMap((kinds) => [...kinds!]))
    }
    case "Declaration": {
      const kind = classes.has(ast) ? "object" : ValueSchema.kindOf(ast)
      return kind && new Set([kind])
    }
    default:
      return undefined
  }
}

/** Describes the values that a Schema accepts, in a few words. */
export const describe = (schema: AST): string => {
  const ast = encodedOf(schema)
  if (SchemaAST.isUnion(ast)) return Array.from(new Set(ast.types.map(describe))).join(" | ")
  const name = [ast.annotations?.identifier, ast.annotations?.expected].find((name) => typeof name === "string")
  const kinds = kindsOf(ast)
  return classes.get(ast) ?? (kinds === undefined || isClass(ast) ? name ?? ast._tag : Array.from(kinds).join(" | "))
}
