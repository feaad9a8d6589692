/**
 * Database types: their names, the Schema of their JavaScript values, and one codec for each format that they have.
 *
 * A codec reads directly from a range of a larger byte array, without creating a view, and writes directly to a
 * `ByteWriter`; the caller handles the length word before a value. The returned value shares no memory with the bytes.
 * If the bytes or the value are invalid, it throws a plain `ValueError.Reason`.
 *
 * @since 0.1.0
 */
import type { ByteWriter } from "@hyperfect/protocol/ByteWriter"
import type * as Schema from "effect/Schema"

/**
 * A format code of the protocol: 0 text, 1 PostgreSQL binary (big-endian), 2 HyperBinary (little-endian).
 *
 * @category models
 * @since 0.1.0
 */
export type Format = 0 | 1 | 2

/**
 * Format 0: text.
 *
 * @category constants
 * @since 0.1.0
 */
export const text = 0

/**
 * Format 1: PostgreSQL's binary format.
 *
 * @category constants
 * @since 0.1.0
 */
export const binary = 1

/**
 * Format 2: HyperBinary, which only Hyper supports.
 *
 * @category constants
 * @since 0.1.0
 */
export const hyperBinary = 2

/**
 * The reader and writer of one type in one format. `A` is the type of values it reads, `I` of the values it accepts for
 * writing.
 *
 * **Details**
 *
 * `read` receives the range of the value, `bytes[start, end)`, which the caller has checked to exist. `write` writes
 * the value's bytes only. The type modifier is the one in RowDescription, or -1.
 *
 * @category models
 * @since 0.1.0
 */
export interface Codec<out A, in I = A> {
  readonly read: (bytes: Uint8Array, start: number, end: number, typeModifier: number) => A
  readonly write: (out: ByteWriter, value: I, typeModifier: number) => void
}

/**
 * A codec of format 2, which also knows the size of a value.
 *
 * @category models
 * @since 0.1.0
 */
export interface HyperCodec<out A, in I = A> extends Codec<A, I> {
  /**
   * Returns the fixed size in bytes under a type modifier, or -1 for types whose values have a length prefix in COPY
   * and in arrays.
   */
  readonly size: (typeModifier: number) => number
  /** The codec for the value as an array element, if it differs. */
  readonly element?: HyperCodec<A, I> | undefined
  /** The codec for the value in COPY data, if it differs. */
  readonly copy?: HyperCodec<A, I> | undefined
  /** True if the bytes depend on the type modifier, which the declaration of a parameter does not have. */
  readonly needsModifier?: boolean | undefined
}

/**
 * The kind of a type's values, where the handling of a value depends on it.
 *
 * **Details**
 *
 * `"number"` stands for integers and `numeric`, `"float"` for floating-point numbers, and `"time"` for the types that a
 * server without `integer_datetimes` sends as floating-point numbers, which `date` is not.
 *
 * @category models
 * @since 0.1.0
 */
export type Category = "boolean" | "number" | "float" | "money" | "text" | "json" | "time"

/**
 * A database type. `A` is the type of its JavaScript values, `I` of the values accepted for writing.
 *
 * @category models
 * @since 0.1.0
 */
export interface Type<out A, in I = A> {
  readonly name: string
  /** 0 for an extension type, whose OID differs between databases: it is found by its name. */
  readonly oid: number
  /** The OID of this type's array type, or 0 if there is none. */
  readonly arrayOid: number
  readonly category?: Category | undefined
  /** The byte that separates elements in the text of an array; a comma by default. */
  readonly delimiter?: number | undefined
  /**
   * True if the values are JavaScript arrays, so that the dimensions of an array of them cannot be inferred from its
   * nesting.
   */
  readonly hasArrayValues?: boolean | undefined
  /** True if values should be sent and requested in text instead of PostgreSQL's binary format. */
  readonly prefersText?: boolean | undefined
  /** Rebuilds a type that consists of others, such as an array, with other component types. */
  readonly mapParts?: ((change: (part: Any) => Any) => Any) | undefined
  /**
   * The base type of a domain. Its values, and the bytes of a value outside an array or composite, are those of the
   * base type.
   */
  readonly base?: Any | undefined
  /** Describes the JavaScript values. Not used for reading or writing. */
  readonly schema: Schema.Schema<A>
  readonly text: Codec<A, I>
  readonly binary?: Codec<A, I> | undefined
  readonly hyper?: HyperCodec<A, I> | undefined
}

/**
 * Any type, for collections of types.
 *
 * @category models
 * @since 0.1.0
 */
// oxlint-disable-next-line typescript/no-explicit-any
export type Any = Type<any, any>

/**
 * Returns the codec of a type in a format, or `undefined` if the type has none.
 *
 * @category decoding
 * @since 0.1.0
 */
export const codec = <A, I>(type: Type<A, I>, format: Format): Codec<A, I> | undefined =>
  format === text ? type.text : format === binary ? type.binary : type.hyper

/**
 * Returns the format to request results of a type in: the wanted format if the type has it, otherwise text, which all
 * types have.
 *
 * **When to use**
 *
 * Use to choose the result formats of Bind, so that a type that is unknown, or has only a text format, is sent as a
 * string instead of as bytes that cannot be decoded.
 *
 * @category decoding
 * @since 0.1.0
 */
export const formatFor = (type: Any | undefined, wanted: Format): Format =>
  type === undefined || codec(type, wanted) === undefined || (wanted === binary && type.prefersText === true)
    ? text
    : wanted

/**
 * Returns the base type of a domain, through nested domains; any other type is returned as it is.
 *
 * @category combinators
 * @since 0.1.0
 */
export const underlying = (type: Any): Any => type.base === undefined ? type : underlying(type.base)
