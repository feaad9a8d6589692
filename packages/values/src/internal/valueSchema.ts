/**
 * The Schema of one of this package's value types: the instances themselves, their text as JSON, and how to make
 * arbitrary ones.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type * as SchemaAST from "effect/SchemaAST"
import * as SchemaGetter from "effect/SchemaGetter"
import * as SchemaIssue from "effect/SchemaIssue"
import * as SchemaTransformation from "effect/SchemaTransformation"
import * as ValueError from "../ValueError.ts"

/** What `typeof` says of the values of a Schema. */
export type Kind = "string" | "number" | "bigint" | "boolean" | "object"

const kinds = new WeakMap<SchemaAST.AST, Kind>()
const classes = new WeakSet<SchemaAST.AST>()

/** The kind of a Schema of this package's own, of which Effect knows only how to tell its values from others. */
export const kindOf = (ast: SchemaAST.AST): Kind | undefined => kinds.get(ast)

/** Whether it is the Schema of a class, whose instances are of no other. */
export const isClass = (ast: SchemaAST.AST): boolean => classes.has(ast)

export interface Declared<A> {
  readonly instance: Schema.declare<A>
  readonly fromString: Schema.decodeTo<Schema.declare<A>, Schema.String>
}

export const declare = <A, G>(identifier: string, options: {
  readonly is: (u: unknown) => u is A
  readonly parse: (text: string) => Option.Option<A>
  readonly format: (self: A) => string
  readonly arbitrary: Schema.Codec<G, G>
  readonly fromArbitrary: (generated: G) => A
}): Declared<A> => {
  const transformation = SchemaTransformation.transformEffect<A, string>({
    decode: (text, parseOptions) =>
      Option.match(options.parse(text), {
        onNone: () =>
          Effect.fail(new SchemaIssue.InvalidValue({ expected: `the text of a ${identifier}` }, text, parseOptions)),
        onSome: Effect.succeed
      }),
    encode: (self) => Effect.succeed(options.format(self))
  })
  const instance = Schema.declare(options.is, {
    identifier,
    expected: identifier,
    toCodecJson: () => Schema.link<A>()(Schema.String, transformation),
    toCodecArbitrary: () =>
      Schema.link<A>()(options.arbitrary, {
        decode: SchemaGetter.transform((generated: G) => options.fromArbitrary(generated)),
        encode: SchemaGetter.forbidden(() => "generated values go one way")
      }),
    toFormatter: () => options.format
  })
  kinds.set(instance.ast, "object")
  classes.add(instance.ast)
  return { instance, fromString: Schema.String.pipe(Schema.decodeTo(instance, transformation)) }
}

/** The Schema of some of the values of a JavaScript type, told apart by `is` and made arbitrarily by `fromArbitrary`. */
export const refine = <A, G>(expected: string, options: {
  readonly kind: Kind
  readonly is: (u: unknown) => u is A
  readonly arbitrary: Schema.Codec<G, G>
  readonly fromArbitrary: (generated: G) => A
}): Schema.declare<A> => {
  const instance: Schema.declare<A> = Schema.declare(options.is, {
    expected,
    toCodecArbitrary: () =>
      Schema.link<A>()(options.arbitrary, {
        decode: SchemaGetter.transform((generated: G) => options.fromArbitrary(generated)),
        encode: SchemaGetter.forbidden(() => "generated values go one way")
      })
  })
  kinds.set(instance.ast, options.kind)
  return instance
}

/** What the throwing twins of constructors do. The text or number that was refused does not get into the error. */
export const getOrThrow = <A>(option: Option.Option<A>, typeName: string, wanted: string): A =>
  Option.getOrThrowWith(
    option,
    () => new ValueError.ValueError({ reason: ValueError.reason("OutOfRange", typeName, undefined, wanted, "another") })
  )
