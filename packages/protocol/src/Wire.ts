/**
 * Schemas annotated with their wire layout, and the compiler of their readers and writers.
 *
 * A message is declared once, with {@link message}. The declaration is an ordinary `Schema.TaggedStruct` from which its
 * decoder, encoder, byte codec, limits and reference are derived. Two back ends compile a declaration: generated code,
 * and closures for environments that forbid code generation. Both produce the same values, bytes and errors.
 *
 * Byte fields (`Bytes`, `Rest`, `Nullable`) returned by a reader are views of the frame: they are not copied and keep
 * its buffer alive. Copy those that are kept for a long time. This module does not split streams into frames; see
 * `Frame`.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as SchemaCompiler from "effect/schema/SchemaCompiler"
import * as SchemaAST from "effect/SchemaAST"
import * as SchemaGetter from "effect/SchemaGetter"
import * as SchemaIssue from "effect/SchemaIssue"
import * as SchemaParser from "effect/SchemaParser"
import * as SchemaTransformation from "effect/SchemaTransformation"
import * as ByteWriter from "./ByteWriter.ts"
import * as Generator from "./internal/codegen.ts"
import * as Compiler from "./internal/compile.ts"
import type { Definition, Header } from "./internal/definition.ts"
import type * as Layout from "./Layout.ts"
import * as ProtocolError from "./ProtocolError.ts"

export type { Definition, Header } from "./internal/definition.ts"

declare module "effect/Schema" {
  namespace Annotations {
    interface Annotations {
      readonly wire?: Layout.Layout | undefined
    }
  }
}

const integer = (type: Exclude<Layout.Int["type"], "Int64">, minimum: number, maximum: number) =>
  Schema.Int.check(Schema.isBetween({ minimum, maximum })).annotate({ wire: { _tag: "Int", type } })

/**
 * A signed integer of one byte.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Int8 = integer("Int8", -0x80, 0x7f)

/**
 * An unsigned integer of one byte.
 *
 * @category schemas
 * @since 0.1.0
 */
export const UInt8 = integer("UInt8", 0, 0xff)

/**
 * A signed integer of two bytes.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Int16 = integer("Int16", -0x8000, 0x7fff)

/**
 * An unsigned integer of two bytes.
 *
 * @category schemas
 * @since 0.1.0
 */
export const UInt16 = integer("UInt16", 0, 0xffff)

/**
 * A signed integer of four bytes.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Int32 = integer("Int32", -0x8000_0000, 0x7fff_ffff)

/**
 * An unsigned integer of four bytes, such as an OID.
 *
 * @category schemas
 * @since 0.1.0
 */
export const UInt32 = integer("UInt32", 0, 0xffff_ffff)

/**
 * A signed integer of eight bytes, as a `bigint`.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Int64 = Schema.BigInt.check(
  Schema.isBetweenBigInt({ minimum: -(BigInt(1) << BigInt(63)), maximum: (BigInt(1) << BigInt(63)) - BigInt(1) })
).annotate({ wire: { _tag: "Int", type: "Int64" } })

/**
 * UTF-8 text that ends with a zero byte; it contains neither zero characters nor unpaired surrogates.
 *
 * @category schemas
 * @since 0.1.0
 */
export const CString = Schema.String.check(
  Schema.isPattern(/^[^\0\ud800-\udfff]*$/u, { expected: "a well-formed string without zero characters" })
).annotate({ wire: { _tag: "CString" } })

/**
 * Like {@link CString}, for text that traces must hide: a password.
 *
 * @category schemas
 * @since 0.1.0
 */
export const SecretCString = CString.annotate({ wire: { _tag: "CString", secret: true } })

/**
 * Like {@link CString}, but hidden in traces if a sibling field has one of the given values: the detail of an error,
 * which may contain rows.
 *
 * @category schemas
 * @since 0.1.0
 */
export const secretCStringWhen = (field: string, values: ReadonlyArray<string>): typeof CString =>
  CString.annotate({ wire: { _tag: "CString", secret: { field, in: values } } })

/**
 * UTF-8 text of at least one character that ends with a zero byte: an item of a {@link Terminated} list.
 *
 * @category schemas
 * @since 0.1.0
 */
export const NonEmptyCString = Schema.String.check(
  Schema.isPattern(/^[^\0\ud800-\udfff]+$/u, { expected: "a well-formed, non-empty string without zero characters" })
).annotate({ wire: { _tag: "CString" } })

/**
 * One byte that is one of the given characters.
 *
 * @category schemas
 * @since 0.1.0
 */
export const CharOf = <const Allowed extends ReadonlyArray<string>>(allowed: Allowed): Schema.Literals<Allowed> =>
  Schema.Literals(allowed).annotate({ wire: { _tag: "Char", allowed } })

/**
 * One byte that is any character except zero.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Char = Schema.String.check(
  Schema.isPattern(/^[^\0\u0100-\uffff]$/, { expected: "a character of one byte, not zero" })
).annotate({ wire: { _tag: "Char" } })

const byteArray = (minimum: number, maximum: number, wire: Layout.Layout) => {
  const items = Schema.Array(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 255 }))).check(
    Schema.isMinLength(minimum),
    Schema.isMaxLength(Math.min(maximum, Math.max(minimum, 64)))
  )
  return Schema.declare(
    (u): u is Uint8Array => u instanceof Uint8Array && u.length >= minimum && u.length <= maximum,
    {
      expected: maximum === Infinity
        ? "Uint8Array"
        : minimum === maximum
        ? `Uint8Array of ${minimum} bytes`
        : `Uint8Array of ${minimum} to ${maximum} bytes`,
      toCodecJson: () => Schema.link<Uint8Array>()(Schema.String, SchemaTransformation.uint8ArrayFromBase64String),
      toCodecArbitrary: () =>
        Schema.link<Uint8Array>()(
          items,
          SchemaTransformation.transform({
            decode: (numbers: ReadonlyArray<number>): Uint8Array => Uint8Array.from(numbers),
            encode: (bytes: Uint8Array): ReadonlyArray<number> => [...bytes]
          })
        )
    }
  ).annotate({ wire })
}

/**
 * A fixed number of bytes.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Bytes = (length: number) => byteArray(length, length, { _tag: "Bytes", length })

/**
 * All bytes up to the end of the message.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Rest = byteArray(0, Infinity, { _tag: "Rest", minimum: 0, maximum: Infinity })

/**
 * All bytes up to the end of the message, within bounds.
 *
 * @category schemas
 * @since 0.1.0
 */
export const RestBetween = (minimum: number, maximum: number) =>
  byteArray(minimum, maximum, { _tag: "Rest", minimum, maximum })

const AnyBytes = byteArray(0, Infinity, { _tag: "Rest", minimum: 0, maximum: Infinity })

/**
 * A value that writes its bytes directly into the frame.
 *
 * **When to use**
 *
 * Use it in a message that is passed to a writer, with {@link asBytes}, to save arrays and copies: in place of a
 * `Uint8Array` in a {@link Nullable} field, or of the array of a counted field, for which it writes the count and the
 * items. Schemas do not accept it: use it only with the functions that end in `Unsafe`.
 *
 * **Gotchas**
 *
 * The output for a counted field is not validated: it must match the layout.
 *
 * @category models
 * @since 0.1.0
 */
export interface Writable {
  /**
   * Writes the bytes, without the length of a {@link Nullable}. If it throws, the frame is rolled back and the error is
   * rethrown.
   */
  readonly writeTo: (out: ByteWriter.ByteWriter) => void
}

/**
 * Casts a self-writing value to the type of a field, for messages that are only written.
 *
 * @category converting
 * @since 0.1.0
 */
export const asBytes = (writable: Writable): never => writable as never

/**
 * An Int32 length and that many bytes, or the length -1 for `null`.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Nullable = Schema.NullOr(AnyBytes).annotate({ wire: { _tag: "Nullable" } })

/**
 * A count, then that many items. The count is checked against the remaining bytes before anything is allocated.
 *
 * @category schemas
 * @since 0.1.0
 */
const Array_ = <S extends Schema.Constraint>(count: Schema.Constraint, item: S): Schema.$Array<S> =>
  Schema.Array(item).annotate({
    wire: { _tag: "Counted", count: layoutOf(count.ast) as Layout.Int, item: layoutOf(item.ast) }
  })

export { Array_ as Array }

/**
 * Items up to a zero byte, at most `Layout.maxTerminatedItems`. No item may begin with a zero byte.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Terminated = <S extends Schema.Constraint>(item: S): Schema.$Array<S> =>
  Schema.Array(item).annotate({ wire: { _tag: "Terminated", item: layoutOf(item.ast) } })

const layoutOf = (ast: SchemaAST.AST): Layout.Layout => {
  const wire = SchemaAST.resolveAt<Layout.Layout>("wire")(ast)
  if (wire !== undefined) return wire
  if (SchemaAST.isObjects(ast)) return structOf(ast)
  throw new Error(`a schema of kind ${ast._tag} has no layout on the wire`)
}

const structOf = (ast: SchemaAST.Objects): Layout.Struct => ({
  _tag: "Struct",
  fields: ast.propertySignatures
    .filter(({ name, type }) => name !== "_tag" || !SchemaAST.isLiteral(type))
    .map(({ name, type }) => ({ name: String(name), layout: layoutOf(type) }))
})

/**
 * A declared message: a `Schema.TaggedStruct` with its definition.
 *
 * @category models
 * @since 0.1.0
 */
export type Message<Name extends string, Fields extends Schema.Struct.Fields> =
  & Schema.TaggedStruct<Name, Fields>
  & { readonly definition: Definition }

/**
 * A declared message with any fields.
 *
 * @category models
 * @since 0.1.0
 */
export type AnyMessage = Schema.Codec<any, any> & { readonly definition: Definition }

/**
 * The limit of messages that carry no data: 30,000 bytes, as in libpq (`VALID_LONG_MESSAGE_TYPE`).
 *
 * @category constants
 * @since 0.1.0
 */
export const shortLimit = 30_000

/**
 * The limit of the server's messages that are descriptions or reports and are read as a whole: errors, notices and
 * descriptions of columns. 64 MiB; PostgreSQL has no limit: an error quotes the whole of a parameter that it cannot
 * read, and a DO block can raise one of a gigabyte. With every character escaped to six, a text of this size is still
 * within V8's longest string.
 *
 * @category constants
 * @since 0.1.0
 */
export const mediumLimit = 0x400_0000

/**
 * The limit of messages that may be long: 1 GiB - 1, the largest value that PostgreSQL can produce.
 *
 * @category constants
 * @since 0.1.0
 */
export const longLimit = 0x3fff_ffff

/**
 * Declares a message.
 *
 * **Example** (A custom message)
 *
 * ```ts
 * import { Wire } from "@hyperfect/protocol"
 * import { Schema } from "effect"
 * import { strict as assert } from "node:assert"
 *
 * const Greeting = Wire.message("Greeting", { from: "backend", tag: "g", limit: 1024 }, {
 *   times: Wire.Int16,
 *   text: Wire.CString
 * })
 * const codec = Wire.codec(Greeting)
 * const bytes = Schema.encodeSync(codec)(Greeting.make({ times: 2, text: "hi" }))
 * assert.equal(Buffer.from(bytes).toString("hex"), "67" + "00000009" + "0002" + "686900")
 * assert.deepEqual(Schema.decodeSync(codec)(bytes), { _tag: "Greeting", times: 2, text: "hi" })
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const message = <const Name extends string, const Fields extends Schema.Struct.Fields>(
  name: Name,
  header: Header,
  fields: Fields
): Message<Name, Fields> => {
  const schema = Schema.TaggedStruct(name, fields)
  const layout = structOf(schema.ast as SchemaAST.Objects)
  return Object.assign(schema, { definition: { limit: shortLimit, ...header, name, layout } })
}

/**
 * Returns the layout of a message as data.
 *
 * @category getters
 * @since 0.1.0
 */
export const definitionOf = (message: { readonly definition: Definition }): Definition => message.definition

/**
 * The back end that compiles declarations.
 *
 * **Details**
 *
 * `"generated"` requires a runtime that allows `new Function`; `"interpreted"` runs everywhere. The default is
 * `"generated"` if the runtime allows it. When the runtime refuses to generate code, even later and even if
 * `"generated"` was asked for, what is compiled from then on is interpreted.
 *
 * @category models
 * @since 0.1.0
 */
export type Codegen = Generator.Codegen

/**
 * The back end used by default.
 *
 * @category constants
 * @since 0.1.0
 */
export const defaultCodegen: Codegen = Generator.defaultCodegen

/**
 * Reads the frame `bytes[start, end)`, whose first byte is the tag.
 *
 * @category models
 * @since 0.1.0
 */
export type ReadFrame<A> = (bytes: Uint8Array, start: number, end: number) => A

/**
 * Writes a whole frame.
 *
 * @category models
 * @since 0.1.0
 */
export type WriteFrame<A> = (out: ByteWriter.ByteWriter, message: A) => void

/**
 * Returns the plain function that reads a message from its frame. It throws a `ProtocolError.Reason`.
 *
 * @category decoding
 * @since 0.1.0
 */
export const readerUnsafe = <M extends AnyMessage>(
  message: M,
  codegen: Codegen = defaultCodegen
): ReadFrame<M["Type"]> => Compiler.frameReader(message.definition, codegen) as ReadFrame<M["Type"]>

/**
 * Returns the plain function that writes a message's frame. If it throws a `ProtocolError.Reason`, nothing has been
 * written.
 *
 * @category encoding
 * @since 0.1.0
 */
export const writerUnsafe = <M extends AnyMessage>(
  message: M,
  codegen: Codegen = defaultCodegen
): WriteFrame<M["Type"]> => Compiler.frameWriter(message.definition, codegen) as WriteFrame<M["Type"]>

const toIssue = (thrown: unknown, input: unknown, options: SchemaAST.ParseOptions): SchemaIssue.Issue =>
  new SchemaIssue.InvalidValue({ message: ProtocolError.fromThrown(thrown).message }, input, options)

/**
 * Creates a codec between whole frames and values from a reader and a writer of frames.
 *
 * **Details**
 *
 * A reader's result is valid by construction, and a writer checks every field itself, so the fast paths installed here
 * return their results without validation. If they fail, the regular schema parser runs to produce the detailed issue.
 *
 * @internal
 */
export const codecFrom = <T>(
  schema: Schema.Codec<T, T>,
  read: ReadFrame<T>,
  write: WriteFrame<T>
): Schema.Codec<T, Uint8Array> => {
  const build = () =>
    Schema.Uint8Array.pipe(Schema.decodeTo(schema, {
      decode: SchemaGetter.transformEffect((bytes: Uint8Array, options) => {
        try {
          return Effect.succeed(read(bytes, 0, bytes.length))
        } catch (thrown) {
          return Effect.fail(toIssue(thrown, bytes, options))
        }
      }),
      encode: SchemaGetter.transformEffect((value: T, options) => {
        try {
          return Effect.succeed(ByteWriter.bytesOf(write, value))
        } catch (thrown) {
          return Effect.fail(toIssue(thrown, value, options))
        }
      })
    }))
  const explaining = build()
  const codec = build()
  setCompiled(
    codec.ast,
    (input) => input instanceof Uint8Array ? read(input, 0, input.length) : SchemaCompiler.invalid,
    SchemaParser.decodeUnknownEffect(explaining)
  )
  // A schema's encoder decodes the flipped AST.
  setCompiled(
    SchemaAST.flip(codec.ast),
    (input, { onExcessProperty = "ignore" }) =>
      onExcessProperty !== "error" && typeof input === "object" && input !== null
        ? ByteWriter.bytesOf(write, input as T)
        : SchemaCompiler.invalid,
    SchemaParser.encodeUnknownEffect(explaining)
  )
  return codec
}

/** Installs a compiled function for an AST; if it fails, the regular parser reports the reason. */
const setCompiled = (
  ast: SchemaAST.AST,
  decode: SchemaCompiler.Decode,
  decodeEffect: SchemaCompiler.DecodeEffect
): void =>
  SchemaCompiler.set(ast, {
    decode: (input, options) => {
      try {
        return decode(input, options)
      } catch (thrown) {
        if (ProtocolError.isReason(thrown)) return SchemaCompiler.invalid
        throw thrown
      }
    },
    decodeEffect
  })

/**
 * Returns the codec of one message, between a whole frame (including tag and length) and its value.
 *
 * @category constructors
 * @since 0.1.0
 */
export const codec = <M extends AnyMessage>(
  message: M,
  codegen: Codegen = defaultCodegen
): Schema.Codec<M["Type"], Uint8Array> =>
  codecFrom(
    message as Schema.Codec<M["Type"], M["Type"]>,
    readerUnsafe(message, codegen),
    writerUnsafe(message, codegen)
  )
