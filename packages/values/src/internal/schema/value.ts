/**
 * Creates the classes of this package's value types, and their Schemas: for the instances, their text in JSON, and
 * generated values.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import * as Equal from "effect/Equal"
import * as Hash from "effect/Hash"
import * as Inspectable from "effect/Inspectable"
import * as Option from "effect/Option"
import * as Pipeable from "effect/Pipeable"
import { hasProperty } from "effect/Predicate"
import * as Schema from "effect/Schema"
import type * as SchemaAST from "effect/SchemaAST"
import * as SchemaGetter from "effect/SchemaGetter"
import * as SchemaIssue from "effect/SchemaIssue"
import * as SchemaTransformation from "effect/SchemaTransformation"
import * as ValueError from "../../ValueError.ts"

/** The result of `typeof` for the values of a Schema. */
export type Kind = "string" | "number" | "bigint" | "boolean" | "object"

const kinds = new WeakMap<SchemaAST.AST, Kind>()
const classes = new WeakSet<SchemaAST.AST>()

/** Returns the kind of one of this package's Schemas, of which Effect knows only a guard. */
export const kindOf = (ast: SchemaAST.AST): Kind | undefined => kinds.get(ast)

/** True for the Schema of a class, which accepts its instances only. */
export const isClass = (ast: SchemaAST.AST): boolean => classes.has(ast)

/** The methods of the instances of all value types. */
export interface Instance extends Equal.Equal, Pipeable.Pipeable {
  /** Same as `format`. */
  toString(): string
  /** Same as `format`. */
  toJSON(): string
}

/**
 * Adds to a class of fields what the instances of all value types have: equality and hash of the fields, and the text.
 *
 * It extends the prototype in place of being a base class, because a constructor that calls another one slows down the
 * loop over rows.
 */
export const define = <A extends object, Fields extends ReadonlyArray<unknown>>(
  identifier: string,
  typeId: symbol,
  format: (self: A) => string,
  Value: new(...fields: Fields) => Partial<A>
): new(...fields: Fields) => A => {
  const toText = function(this: A): string {
    return format(this)
  }
  Object.assign(Value.prototype as object, Pipeable.Prototype, {
    [typeId]: typeId,
    [Equal.symbol](this: Partial<A>, that: Partial<A>): boolean {
      return hasProperty(that, typeId) && (Object.keys(this) as Array<keyof A>).every((key) => this[key] === that[key])
    },
    [Hash.symbol](this: A): number {
      return Hash.structureKeys(this, Object.keys(this))
    },
    toString: toText,
    toJSON: toText,
    [Inspectable.NodeInspectSymbol](this: A): string {
      return `${identifier}(${format(this)})`
    }
  })
  return Value as new(...fields: Fields) => A
}

/** Returns the annotation of a Schema whose values are generated from those of another one. */
export const generatedBy = <A, G>(arbitrary: Schema.Codec<G, G>, fromArbitrary: (generated: G) => A) => () =>
  Schema.link<A>()(arbitrary, {
    decode: SchemaGetter.transform(fromArbitrary),
    encode: SchemaGetter.forbidden(() => "values cannot be turned back into generated ones")
  })

/** Succeeds with the value of an option, or fails with the issue of an input that is not the expected one. */
export const orInvalid = <A>(
  option: Option.Option<A>,
  expected: string,
  input: unknown,
  options: SchemaAST.ParseOptions
): Effect.Effect<A, SchemaIssue.Issue> =>
  Option.match(option, {
    onNone: () => Effect.fail(new SchemaIssue.InvalidValue({ expected }, input, options)),
    onSome: Effect.succeed
  })

export interface DeclaredSchema<A> {
  readonly instance: Schema.declare<A>
  readonly fromString: Schema.decodeTo<Schema.declare<A>, Schema.String>
}

export const declare = <A, G>(identifier: string, options: {
  readonly is: (u: unknown) => u is A
  readonly parse: (text: string) => Option.Option<A>
  readonly format: (self: A) => string
  readonly arbitrary: Schema.Codec<G, G>
  readonly fromArbitrary: (generated: G) => A
}): DeclaredSchema<A> => {
  const transformation = SchemaTransformation.transformEffect<A, string>({
    decode: (text, parseOptions) => orInvalid(options.parse(text), `the text of a ${identifier}`, text, parseOptions),
    encode: (self) => Effect.succeed(options.format(self))
  })
  const instance = Schema.declare(options.is, {
    identifier,
    expected: identifier,
    toCodecJson: () => Schema.link<A>()(Schema.String, transformation),
    toCodecArbitrary: generatedBy(options.arbitrary, options.fromArbitrary),
    toFormatter: () => options.format
  })
  kinds.set(instance.ast, "object")
  classes.add(instance.ast)
  return { instance, fromString: Schema.String.pipe(Schema.decodeTo(instance, transformation)) }
}

/**
 * Creates the Schema of a subset of a JavaScript type. `is` recognises its values, and `fromArbitrary` generates them.
 */
export const refine = <A, G>(expected: string, options: {
  readonly kind: Kind
  readonly is: (u: unknown) => u is A
  readonly arbitrary: Schema.Codec<G, G>
  readonly fromArbitrary: (generated: G) => A
}): Schema.declare<A> => {
  const instance: Schema.declare<A> = Schema.declare(options.is, {
    expected,
    toCodecArbitrary: generatedBy(options.arbitrary, options.fromArbitrary)
  })
  kinds.set(instance.ast, options.kind)
  return instance
}

/** Returns the value of an option, or throws a `ValueError`, which does not contain the rejected text or number. */
export const getOrThrow = <A>(option: Option.Option<A>, typeName: string, wanted: string): A =>
  Option.getOrThrowWith(
    option,
    () => new ValueError.ValueError({ reason: ValueError.reason("OutOfRange", typeName, undefined, wanted, "another") })
  )
