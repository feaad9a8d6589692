/**
 * A short way for rows whose values a Schema accepts unchanged, as generated code (M-16).
 *
 * @internal
 */
import * as Codegen from "@hyperfect/protocol/internal/codegen"
import * as Schema from "effect/Schema"
import * as SchemaAST from "effect/SchemaAST"
import * as Compatibility from "./compatibility.ts"

const { code, join } = Codegen

type AST = SchemaAST.AST
type Row = { readonly [name: string]: unknown }

/** Returns an expression that is true for a value that passes a check. */
const passes = (ast: AST, value: Codegen.Code) => (check: SchemaAST.Check<never>): Codegen.Code => {
  if (check._tag === "FilterGroup") return join(check.checks.map(passes(ast, value)), " && ")
  const isAccepted = (value: never): boolean => check.run(value, ast, {}) === undefined
  return code`${isAccepted}(${value})`
}

const isOfType = (ast: AST, value: Codegen.Code): Codegen.Code | undefined => {
  switch (ast._tag) {
    case "String":
    case "Number":
    case "Boolean":
    case "BigInt":
      return code`typeof ${value} === ${ast._tag.toLowerCase()}`
    case "Null":
      return code`${value} === null`
    case "Declaration": {
      if (!Compatibility.isClass(ast)) return undefined
      const is: (value: never) => boolean = Schema.is(Schema.make(ast))
      return code`${is}(${value})`
    }
    case "Union": {
      const members = ast.types.map((member) => isUnchanged(member, value))
      return ast.options?.mode === "oneOf" || members.includes(undefined)
        ? undefined
        : code`(${join(members as ReadonlyArray<Codegen.Code>, " || ")})`
    }
    default:
      return undefined
  }
}

/** Returns an expression that is true for a value that decoding by a Schema returns as it is. */
const isUnchanged = (ast: AST, value: Codegen.Code): Codegen.Code | undefined => {
  const isOne = ast.encoding === undefined ? isOfType(ast, value) : undefined
  return isOne && code`(${join([isOne, ...(ast.checks ?? []).map(passes(ast, value))], " && ")})`
}

/**
 * Creates a function that returns what decoding a row by a struct of these fields returns, if its values are accepted
 * unchanged. It returns `undefined` for any other row, which may be invalid. There is no such function if a field is
 * optional or might change its value, or if the runtime refuses generated code: the Schema itself then decodes as fast.
 */
export const copier = (
  fields: ReadonlyArray<{ readonly name: string; readonly ast: AST }>
): ((row: Row) => object | undefined) | undefined => {
  const tests = fields.map(({ ast, name }, i) =>
    name === "__proto__" || SchemaAST.isOptional(ast) ? undefined : isUnchanged(ast, code`v${i}`)
  )
  if (tests.length === 0 || tests.includes(undefined)) return undefined
  const declarations = fields.map(({ name }, i) => code`const v${i} = row[${name}]`)
  const properties = fields.map(({ name }, i) => Codegen.property(name, code`v${i}`))
  return Codegen.compile<((row: Row) => object | undefined) | undefined>({
    codegen: undefined,
    fields: fields.length,
    interpreted: undefined,
    generated: () =>
      code`(row) => {
  ${join(declarations)}
  return ${join(tests as ReadonlyArray<Codegen.Code>, " && ")} ? { ${join(properties, ", ")} } : undefined
}`
  })
}
