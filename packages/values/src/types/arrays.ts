/**
 * Array types, derived from their element types.
 *
 * @since 0.1.0
 */
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Codec from "../internal/codec/codec.ts"
import * as Numbers from "../internal/codec/numbers.ts"
import * as ValueSchema from "../internal/schema/value.ts"
import * as ArrayText from "../internal/text/array.ts"
import * as PgArray from "../PgArray.ts"
import type { Codec as TypeCodec, Format, HyperCodec, Type } from "../Type.ts"
import * as ValueError from "../ValueError.ts"

type Parts<A> = ArrayText.Parsed<A>

const maxDimensions = 6

const assemble = <A>({ dimensions, elements }: Parts<A>, flat: boolean): PgArray.ArrayValue<A> => {
  if (dimensions.length === 0) return []
  if (dimensions.length === 1 && dimensions[0]!.lowerBound === 1) return elements
  const array = PgArray.makeUnsafe(dimensions, elements)
  return flat || dimensions.some(({ lowerBound }) => lowerBound !== 1) ? array : PgArray.toNested(array)
}

const disassemble = <I>(value: unknown, flat: boolean, typeName: string, format: Format): Parts<I> => {
  if (PgArray.isPgArray(value)) {
    const { dimensions, elements } = value
    return Option.isSome(PgArray.make(dimensions, elements)) || (dimensions.length === 0 && elements.length === 0)
      ? value as Parts<I>
      : Codec.outOfRange(typeName, format, "dimensions that hold the elements", "others")
  }
  if (!Array.isArray(value)) return Codec.typeMismatch(typeName, format, "array", value)
  if (flat) return { dimensions: value.length === 0 ? [] : [{ length: value.length, lowerBound: 1 }], elements: value }
  const parts = PgArray.fromNested(value as PgArray.Nested<I>)
  return Option.isSome(parts)
    ? parts.value
    : Codec.outOfRange(typeName, format, "nested arrays of one length and depth, up to 6 deep", "others")
}

// -- PostgreSQL's binary format (array_recv and array_send): the number of dimensions, a flag, the element OID, the
// length and lower bound of each dimension, then each element with its length

const binaryCodec = <A, I>(typeName: string, element: Type<A, I>, codec: TypeCodec<A, I>) => {
  const read = (bytes: Uint8Array, start: number, end: number, typeModifier: number): Parts<A> => {
    const truncated = (): never => Codec.malformed(typeName, 1, "all that its counts and lengths say", "fewer bytes")
    if (end - start < 12) return truncated()
    const count = Numbers.int32(bytes, start)
    const oid = Numbers.int32(bytes, start + 8) >>> 0
    if (count < 0 || count > maxDimensions) return Codec.malformed(typeName, 1, "up to 6 dimensions", `${count}`)
    if (oid !== element.oid) return Codec.malformed(typeName, 1, `elements of OID ${element.oid}`, `${oid}`)
    let at = start + 12
    if (end - at < count * 8) return truncated()
    const dimensions: Array<PgArray.Dimension> = []
    let total = count === 0 ? 0 : 1
    for (let i = 0; i < count; i++, at += 8) {
      const length = Numbers.int32(bytes, at)
      if (length < 0) return Codec.malformed(typeName, 1, "a length of 0 or more", `${length}`)
      dimensions.push({ length, lowerBound: Numbers.int32(bytes, at + 4) })
      total *= length
    }
    // Each element takes at least its length word, which bounds the number of elements before the array is allocated.
    if (total > (end - at) / 4) return truncated()
    const elements = new Array<A | null>(total)
    for (let i = 0; i < total; i++) {
      if (end - at < 4) return truncated()
      const length = Numbers.int32(bytes, at)
      at += 4
      if (length === -1) elements[i] = null
      else {
        if (length < 0 || length > end - at) return truncated()
        elements[i] = codec.read(bytes, at, at + length, typeModifier)
        at += length
      }
    }
    if (at !== end) return Codec.malformed(typeName, 1, "no bytes after the last element", `${end - at}`)
    // Hyper describes an empty array as one dimension of length 0.
    return { dimensions: total === 0 ? [] : dimensions, elements }
  }

  const write = (out: Codec.ByteWriter, { dimensions, elements }: Parts<I>, typeModifier: number): void => {
    out.int32(dimensions.length)
    out.int32(elements.includes(null) ? 1 : 0)
    out.int32(element.oid)
    for (const { length, lowerBound } of dimensions) {
      out.int32(length)
      out.int32(lowerBound)
    }
    for (const value of elements) {
      if (value === null) out.int32(-1)
      else Codec.writeSized(out, codec.write, value, typeModifier)
    }
  }
  return { read, write }
}

// -- HyperBinary. Elements of a fixed size: the values, then a bitmap of the NULLs. Other elements: the count, the end
// offset of each value, the bitmap, the values. An empty array has no bytes. Results and parameters contain the bitmap
// even if elements cannot be NULL; COPY then omits it (H-05).

const isNullBit = (bytes: Uint8Array, bitmap: number, index: number): boolean =>
  (bytes[bitmap + (index >> 3)]! >> (index & 7) & 1) === 1

const writeBitmap = (out: Codec.ByteWriter, elements: ReadonlyArray<unknown>): void => {
  for (let i = 0; i < elements.length; i += 8) {
    let bits = 0
    for (let j = i; j < i + 8 && j < elements.length; j++) if (elements[j] === null) bits |= 1 << (j & 7)
    out.uint8(bits)
  }
}

const hyperCodec = <A, I>(typeName: string, codec: HyperCodec<A, I>, nullable: boolean) => {
  const read = (bytes: Uint8Array, start: number, end: number, typeModifier: number): ReadonlyArray<A | null> => {
    const length = end - start
    if (length === 0) return []
    const bitmapSize = (count: number): number => nullable ? (count + 7) >> 3 : 0
    const isNull = (bitmap: number, index: number): boolean => nullable && isNullBit(bytes, bitmap, index)
    const wrong = (): never => Codec.wrongLength(typeName, 2, "values and a bitmap of NULLs", length)
    const size = codec.size(typeModifier)
    if (size >= 0) {
      const count = nullable ? Math.floor(length * 8 / (size * 8 + 1)) : Math.floor(length / size)
      const bitmap = start + count * size
      if (bitmap + bitmapSize(count) !== end) return wrong()
      const elements = new Array<A | null>(count)
      for (let i = 0, at = start; i < count; i++, at += size) {
        elements[i] = isNull(bitmap, i) ? null : codec.read(bytes, at, at + size, typeModifier)
      }
      return elements
    }
    const count = length < 4 ? 0 : Numbers.int32LE(bytes, start) >>> 0
    if (count === 0 || count > (length - 4) / 4) return wrong()
    const bitmap = start + 4 + count * 4
    const first = bitmap + bitmapSize(count)
    if (first > end) return wrong()
    const elements = new Array<A | null>(count)
    let from = first
    for (let i = 0; i < count; i++) {
      const to = first + (Numbers.int32LE(bytes, start + 4 + i * 4) >>> 0)
      if (to < from || to > end) return wrong()
      elements[i] = isNull(bitmap, i) ? null : codec.read(bytes, from, to, typeModifier)
      from = to
    }
    return from === end ? elements : wrong()
  }

  const write = (out: Codec.ByteWriter, elements: ReadonlyArray<I | null>, typeModifier: number): void => {
    if (elements.length === 0) return
    const size = codec.size(typeModifier)
    if (size >= 0) {
      for (const value of elements) {
        if (value !== null) codec.write(out, value, typeModifier)
        else for (let i = 0; i < size; i++) out.uint8(0)
      }
      if (nullable) writeBitmap(out, elements)
      return
    }
    out.int32LE(elements.length)
    const ends = out.size
    for (let i = 0; i < elements.length; i++) out.int32LE(0)
    if (nullable) writeBitmap(out, elements)
    const first = out.size
    for (const [i, value] of elements.entries()) {
      if (value !== null) codec.write(out, value, typeModifier)
      out.setInt32LE(out.position - (out.size - ends) + i * 4, out.size - first)
    }
  }
  return { read, write }
}

const checkHyper = <I>({ dimensions, elements }: Parts<I>, typeName: string): ReadonlyArray<I | null> =>
  dimensions.length > 1 || (dimensions.length === 1 && dimensions[0]!.lowerBound !== 1)
    ? Codec.notRepresentable(typeName, 2, "one dimension that begins at 1", "others")
    : elements

const schemaOf = <A>(element: Type<A, never>): Schema.declare<PgArray.ArrayValue<A>> => {
  const isElement: (u: unknown) => u is A = Schema.is(element.schema)
  const flat = element.hasArrayValues === true
  const is = (u: unknown): u is PgArray.ArrayValue<A> => {
    try {
      const { elements } = disassemble<A>(u, flat, "array", 0)
      return elements.every((value) => value === null || isElement(value))
    } catch (thrown) {
      if (ValueError.isReason(thrown)) return false
      throw thrown
    }
  }
  const length = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 3 }))
  const lowerBound = Schema.Int.check(Schema.isBetween({ minimum: -2, maximum: 2 }))
  const generated = Schema.Tuple([
    Schema.Array(Schema.Struct({ length, lowerBound })).check(Schema.isMaxLength(3)),
    Schema.Array(Schema.NullOr(element.schema as Schema.Codec<A, A>)).check(
      Schema.isMinLength(27),
      Schema.isMaxLength(27)
    )
  ])
  return Schema.declare(is, {
    expected: `an array of ${element.name}`,
    toCodecArbitrary: ValueSchema.generatedBy(generated, ([dimensions, elements]): PgArray.ArrayValue<A> => {
      const total = dimensions.reduce(
        (product, dimension) => product * dimension.length,
        dimensions.length === 0 ? 0 : 1
      )
      return assemble({ dimensions, elements: elements.slice(0, total) }, flat)
    })
  })
}

/**
 * Derives the array type of a type: nested JavaScript arrays, or a `PgArray` if a lower bound is not 1.
 *
 * **Details**
 *
 * An array has up to 6 dimensions, regardless of the column's declaration. In HyperBinary it has one dimension, and its
 * elements are assumed to be nullable; see {@link arrayNotNull} for COPY into `array(T not null)`. The type modifier is
 * that of the elements.
 *
 * **Gotchas**
 *
 * The text format is written as PostgreSQL's; Hyper's is accepted for reading as well.
 *
 * @category types
 * @since 0.1.0
 */
export const array = <A, I>(element: Type<A, I>): Type<PgArray.ArrayValue<A>, PgArray.ArrayValue<I>> =>
  make(element, true)

/**
 * Derives the array type of a type whose elements are not NULL, Hyper's `array(T not null)`.
 *
 * **When to use**
 *
 * Use as the type of such a column in HyperBinary COPY, where these arrays are encoded differently from arrays with
 * nullable elements.
 *
 * @category types
 * @since 0.1.0
 */
export const arrayNotNull = <A, I>(element: Type<A, I>): Type<PgArray.ArrayValue<A>, PgArray.ArrayValue<I>> =>
  make(element, false)

const make = <A, I>(element: Type<A, I>, nullable: boolean): Type<PgArray.ArrayValue<A>, PgArray.ArrayValue<I>> => {
  const name = `${element.name}[]`
  const flat = element.hasArrayValues === true
  const binary = element.binary && binaryCodec(name, element, element.binary)
  const hyperElement = element.hyper?.element ?? element.hyper
  const hyper = hyperElement && hyperCodec(name, hyperElement, nullable)
  const delimiter = element.delimiter ?? ArrayText.defaultDelimiter
  const parts = (value: PgArray.ArrayValue<I>, format: Format): Parts<I> => {
    const found = disassemble<I>(value, flat, name, format)
    if (!nullable && found.elements.includes(null)) {
      throw ValueError.reason("NullNotAllowed", name, format, "elements that are not NULL", "NULL")
    }
    return found
  }
  let schema: ReturnType<typeof schemaOf<A>> | undefined
  return {
    name,
    oid: element.arrayOid,
    arrayOid: 0,
    prefersText: element.prefersText,
    mapParts: (change) => make(change(element), nullable),
    // The Schema takes far more memory than the rest of the type, and most array types never need it.
    get schema() {
      return schema ??= schemaOf<A>(element)
    },
    text: {
      read: (bytes, start, end, typeModifier) =>
        assemble(ArrayText.read(name, element.text, delimiter, bytes, start, end, typeModifier), flat),
      write: (out, value, typeModifier) => ArrayText.write(out, element.text, delimiter, parts(value, 0), typeModifier)
    },
    binary: binary && {
      read: (bytes, start, end, typeModifier) => assemble(binary.read(bytes, start, end, typeModifier), flat),
      write: (out, value, typeModifier) => binary.write(out, parts(value, 1), typeModifier)
    },
    hyper: hyper && {
      needsModifier: hyperElement.needsModifier,
      size: Codec.variableSize,
      read: hyper.read,
      write: (out, value, typeModifier) => hyper.write(out, checkHyper(parts(value, 2), name), typeModifier)
    }
  }
}
