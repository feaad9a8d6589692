/**
 * What a database type is to this library: its names, the Schema of its JavaScript values, and one codec for each
 * format that the type exists in.
 *
 * A codec reads straight out of a range of a larger byte array, without a view of its own, and writes straight into a
 * `ByteWriter`; the length word before a value is the caller's. What it returns shares no memory with the bytes. When
 * bytes or value are wrong it throws a plain `ValueError.Reason`.
 *
 * @since 0.1.0
 */
import type { ByteWriter } from "@hyperfect/protocol/ByteWriter"
import type * as Schema from "effect/Schema"

/**
 * A format as the protocol numbers it: 0 text, 1 PostgreSQL binary (big-endian), 2 HyperBinary (little-endian).
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
 * Format 2: HyperBinary, which only Hyper knows.
 *
 * @category constants
 * @since 0.1.0
 */
export const hyperBinary = 2

/**
 * The two directions of one type in one format. `A` is what it reads, `I` what it is willing to write.
 *
 * **Details**
 *
 * `read` is given the value's own bytes, `bytes[start, end)`, which the caller knows to exist. `write` writes the
 * value's bytes only. The type modifier is the one of RowDescription, or -1.
 *
 * @category models
 * @since 0.1.0
 */
export interface Codec<out A, in I = A> {
  readonly read: (bytes: Uint8Array, start: number, end: number, typeModifier: number) => A
  readonly write: (out: ByteWriter, value: I, typeModifier: number) => void
}

/**
 * A codec of format 2, which also knows how many bytes a value takes.
 *
 * @category models
 * @since 0.1.0
 */
export interface HyperCodec<out A, in I = A> extends Codec<A, I> {
  /** The fixed number of bytes under a type modifier, or -1 for types that carry a length in COPY and in arrays. */
  readonly size: (typeModifier: number) => number
  /** How the value is written inside an array, where that is another way. */
  readonly element?: HyperCodec<A, I> | undefined
}

/**
 * A database type. `A` is its JavaScript value, `I` what is accepted for it when writing.
 *
 * @category models
 * @since 0.1.0
 */
export interface Type<out A, in I = A> {
  readonly name: string
  /** 0 for a type of an extension, whose OID each database chooses anew: it is found by its name. */
  readonly oid: number
  /** The OID of the array of this type, or 0 when there is none. */
  readonly arrayOid: number
  /** The byte between elements in the text of an array: a comma unless said otherwise. */
  readonly delimiter?: number | undefined
  /** Whether values are JavaScript arrays themselves, so that an array of them cannot be told from its dimensions. */
  readonly hasArrayValues?: boolean | undefined
  /** Whether results are better asked in text than in PostgreSQL's binary format, because the text is what is wanted. */
  readonly prefersText?: boolean | undefined
  /** The same type over other parts, for types that are made of others, such as the elements of an array. */
  readonly mapParts?: ((change: (part: Any) => Any) => Any) | undefined
  /** The type that a domain is made over. Values, and the bytes of a value that stands alone, are those of that type. */
  readonly base?: Any | undefined
  /** Describes the JavaScript values. Not consulted while reading or writing. */
  readonly schema: Schema.Schema<A>
  readonly text: Codec<A, I>
  readonly binary: Codec<A, I> | undefined
  readonly hyper: HyperCodec<A, I> | undefined
}

/**
 * Any type at all, for collections of types.
 *
 * @category models
 * @since 0.1.0
 */
// oxlint-disable-next-line typescript/no-explicit-any
export type Any = Type<any, any>

/**
 * The codec of a type in a format, or `undefined` when the type does not exist in it.
 *
 * @category decoding
 * @since 0.1.0
 */
export const codec = <A, I>(type: Type<A, I>, format: Format): Codec<A, I> | undefined =>
  format === text ? type.text : format === binary ? type.binary : type.hyper

/**
 * The format to ask results of a type in: the wanted one where the type exists in it, else text, which all have.
 *
 * **When to use**
 *
 * Use to choose the result formats of Bind, so that a type that is known only as text, or not at all, arrives as a string
 * instead of as bytes that nobody can read.
 *
 * @category decoding
 * @since 0.1.0
 */
export const formatFor = (type: Any | undefined, wanted: Format): Format =>
  type === undefined || codec(type, wanted) === undefined || (wanted === binary && type.prefersText === true)
    ? text
    : wanted

/**
 * The type below a domain, and below all domains that it is made over; any other type is its own.
 *
 * @category combinators
 * @since 0.1.0
 */
export const underlying = (type: Any): Any => type.base === undefined ? type : underlying(type.base)
