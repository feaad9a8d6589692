/**
 * Range and multirange types, derived from the type of their bounds, and PostgreSQL's own.
 *
 * @since 0.1.0
 */
import * as ByteWriter from "@hyperfect/protocol/ByteWriter"
import * as Codec from "../internal/codec/codec.ts"
import * as Numbers from "../internal/codec/numbers.ts"
import * as QuotedText from "../internal/text/quoted.ts"
import * as Range from "../Range.ts"
import type { Format, Type } from "../Type.ts"
import { date, timestamp, timestamptz } from "./dates.ts"
import { int4, int8 } from "./integers.ts"
import { numeric } from "./numeric.ts"

/**
 * The name and OIDs of a type, which PostgreSQL assigns when the type is created.
 *
 * @category models
 * @since 0.1.0
 */
export type TypeIdentity = Pick<Type<unknown>, "name" | "oid" | "arrayOid">

const check = <I>(name: string, format: Format, value: unknown): Range.Range<I> =>
  Range.isRange(value) ? value as Range.Range<I> : Codec.typeMismatch(name, format, "Range", value)

// Flags in the first byte of the binary format (range_send).
const isEmpty = 0x01
const includesLower = 0x02
const includesUpper = 0x04
const noLower = 0x08
const noUpper = 0x10

const openBracket = 0x5b
const openParenthesis = 0x28
const closeBracket = 0x5d
const closeParenthesis = 0x29
const comma = 0x2c

/** True for `empty`, in any case. */
const isEmptyText = (bytes: Uint8Array, start: number, end: number): boolean =>
  end - start === 5 && String.fromCharCode(...bytes.subarray(start, end)).toLowerCase() === "empty"

/** Creates the readers and writers of one range, for both kinds of types. */
const codecs = <A, I>(name: string, element: Type<A, I>) => {
  const readText = (bytes: Uint8Array, start: number, end: number, typeModifier: number) => {
    const fail = (): never => Codec.malformed(name, 0, "two bounds in brackets, or empty", "another text")
    const open = bytes[start]
    if (open !== openBracket && open !== openParenthesis) return fail()
    const lower = QuotedText.read(bytes, start + 1, end, closeBracket, closeParenthesis)
    if (lower === undefined || bytes[lower.next] !== comma) return fail()
    const upper = QuotedText.read(bytes, lower.next + 1, end, closeBracket, closeParenthesis)
    const close = upper === undefined ? 0 : bytes[upper.next]
    if (upper === undefined || (close !== closeBracket && close !== closeParenthesis)) return fail()
    const bound = ({ bytes }: QuotedText.QuotedPart): A | null =>
      bytes === undefined ? null : element.text.read(bytes, 0, bytes.length, typeModifier)
    const range: Range.Between<A> = {
      _tag: "Between",
      lower: bound(lower),
      upper: bound(upper),
      includesLower: open === openBracket && lower.bytes !== undefined,
      includesUpper: close === closeBracket && upper.bytes !== undefined
    }
    return { range, next: upper.next + 1 }
  }

  const writeText = (out: Codec.ByteWriter, range: Range.Range<I>, typeModifier: number): void => {
    if (range._tag === "Empty") return out.utf8("empty")
    const scratch = ByteWriter.make(64)
    const bound = (value: I | null): void => {
      if (value === null) return
      element.text.write(scratch, value, typeModifier)
      QuotedText.write(out, scratch.take())
    }
    out.uint8(range.includesLower && range.lower !== null ? openBracket : openParenthesis)
    bound(range.lower)
    out.uint8(comma)
    bound(range.upper)
    out.uint8(range.includesUpper && range.upper !== null ? closeBracket : closeParenthesis)
  }

  const readBinary = (bytes: Uint8Array, start: number, end: number, typeModifier: number): Range.Range<A> => {
    const fail = (): never =>
      Codec.malformed(name, 1, "flags and the bounds that they announce", `${end - start} other bytes`)
    if (end - start < 1) return fail()
    const flags = bytes[start]!
    let at = start + 1
    const bound = (): A => {
      const length = end - at < 4 ? -1 : Numbers.int32(bytes, at)
      at += 4
      if (length < 0 || length > end - at) return fail()
      const value = element.binary!.read(bytes, at, at + length, typeModifier)
      at += length
      return value
    }
    if ((flags & isEmpty) !== 0) return end - start === 1 ? Range.empty : fail()
    const lower = (flags & noLower) !== 0 ? null : bound()
    const upper = (flags & noUpper) !== 0 ? null : bound()
    if (at !== end) return fail()
    return {
      _tag: "Between",
      lower,
      upper,
      includesLower: lower !== null && (flags & includesLower) !== 0,
      includesUpper: upper !== null && (flags & includesUpper) !== 0
    }
  }

  const writeBinary = (out: Codec.ByteWriter, range: Range.Range<I>, typeModifier: number): void => {
    if (range._tag === "Empty") return out.uint8(isEmpty)
    const { lower, upper } = range
    out.uint8(
      (lower === null ? noLower : range.includesLower ? includesLower : 0) |
        (upper === null ? noUpper : range.includesUpper ? includesUpper : 0)
    )
    for (const bound of [lower, upper]) {
      if (bound !== null) Codec.writeSized(out, element.binary!.write, bound, typeModifier)
    }
  }
  return { readText, writeText, readBinary, writeBinary }
}

/**
 * Derives the range type of a type.
 *
 * @category types
 * @since 0.1.0
 */
export const range = <A, I>(element: Type<A, I>, identity: TypeIdentity): Type<Range.Range<A>, Range.Range<I>> => {
  const { arrayOid, name, oid } = identity
  const { readBinary, readText, writeBinary, writeText } = codecs(name, element)
  return {
    name,
    oid,
    arrayOid,
    prefersText: element.prefersText,
    mapParts: (change) => range(change(element), identity),
    schema: Range.Range(element.schema),
    text: {
      read: (bytes, start, end, typeModifier) => {
        if (isEmptyText(bytes, start, end)) return Range.empty
        const { next, range } = readText(bytes, start, end, typeModifier)
        return next === end ? range : Codec.malformed(name, 0, "nothing after the range", `${end - next} bytes`)
      },
      write: (out, value, typeModifier) => writeText(out, check<I>(name, 0, value), typeModifier)
    },
    binary: element.binary && {
      read: readBinary,
      write: (out, value, typeModifier) => writeBinary(out, check<I>(name, 1, value), typeModifier)
    }
  }
}

const checkMulti = <I>(name: string, format: Format, value: unknown): ReadonlyArray<Range.Between<I>> =>
  Range.isMultirange(value)
    ? value.ranges as ReadonlyArray<Range.Between<I>>
    : Codec.typeMismatch(name, format, "{ ranges } without an empty one", value)

/**
 * Derives the multirange type of a type.
 *
 * @category types
 * @since 0.1.0
 */
export const multirange = <A, I>(
  element: Type<A, I>,
  identity: TypeIdentity
): Type<Range.Multirange<A>, Range.Multirange<I>> => {
  const { arrayOid, name, oid } = identity
  const { readBinary, readText, writeBinary, writeText } = codecs(name, element)
  return {
    name,
    oid,
    arrayOid,
    prefersText: element.prefersText,
    mapParts: (change) => multirange(change(element), identity),
    schema: Range.Multirange(element.schema),
    text: {
      read: (bytes, start, end, typeModifier) => {
        const fail = (): never => Codec.malformed(name, 0, "ranges in braces", "another text")
        if (end - start < 2 || bytes[start] !== 0x7b || bytes[end - 1] !== 0x7d) return fail()
        const ranges: Array<Range.Between<A>> = []
        for (let at = start + 1; at < end - 1;) {
          if (ranges.length > 0 && bytes[at++] !== comma) return fail()
          const { next, range } = readText(bytes, at, end - 1, typeModifier)
          ranges.push(range)
          at = next
        }
        return { ranges }
      },
      write: (out, value, typeModifier) => {
        out.uint8(0x7b)
        for (const [i, range] of checkMulti<I>(name, 0, value).entries()) {
          if (i > 0) out.uint8(comma)
          writeText(out, range, typeModifier)
        }
        out.uint8(0x7d)
      }
    },
    // A count, then each range with its length (multirange_send).
    binary: element.binary && {
      read: (bytes, start, end, typeModifier) => {
        const fail = (): never => Codec.malformed(name, 1, "as many ranges as it says", `${end - start} other bytes`)
        const count = end - start < 4 ? -1 : Numbers.int32(bytes, start)
        if (count < 0) return fail()
        const ranges: Array<Range.Between<A>> = []
        let at = start + 4
        while (ranges.length < count) {
          const length = end - at < 4 ? -1 : Numbers.int32(bytes, at)
          at += 4
          if (length < 0 || length > end - at) return fail()
          const range = readBinary(bytes, at, at + length, typeModifier)
          if (range._tag === "Empty") return fail()
          ranges.push(range)
          at += length
        }
        return at === end ? { ranges } : fail()
      },
      write: (out, value, typeModifier) => {
        const ranges = checkMulti<I>(name, 1, value)
        out.int32(ranges.length)
        for (const range of ranges) Codec.writeSized(out, writeBinary, range, typeModifier)
      }
    }
  }
}

/**
 * `int4range`: a range of integers.
 *
 * @category types
 * @since 0.1.0
 */
export const int4range = range(int4, { name: "int4range", oid: 3904, arrayOid: 3905 })

/**
 * `int4multirange`: ranges of integers.
 *
 * @category types
 * @since 0.1.0
 */
export const int4multirange = multirange(int4, { name: "int4multirange", oid: 4451, arrayOid: 6150 })

/**
 * `int8range`: a range of 64-bit integers.
 *
 * @category types
 * @since 0.1.0
 */
export const int8range = range(int8, { name: "int8range", oid: 3926, arrayOid: 3927 })

/**
 * `int8multirange`: ranges of 64-bit integers.
 *
 * @category types
 * @since 0.1.0
 */
export const int8multirange = multirange(int8, { name: "int8multirange", oid: 4536, arrayOid: 6157 })

/**
 * `numrange`: a range of decimals.
 *
 * @category types
 * @since 0.1.0
 */
export const numrange = range(numeric, { name: "numrange", oid: 3906, arrayOid: 3907 })

/**
 * `nummultirange`: ranges of decimals.
 *
 * @category types
 * @since 0.1.0
 */
export const nummultirange = multirange(numeric, { name: "nummultirange", oid: 4532, arrayOid: 6151 })

/**
 * `tsrange`: a range of timestamps.
 *
 * @category types
 * @since 0.1.0
 */
export const tsrange = range(timestamp, { name: "tsrange", oid: 3908, arrayOid: 3909 })

/**
 * `tsmultirange`: ranges of timestamps.
 *
 * @category types
 * @since 0.1.0
 */
export const tsmultirange = multirange(timestamp, { name: "tsmultirange", oid: 4533, arrayOid: 6152 })

/**
 * `tstzrange`: a range of instants.
 *
 * @category types
 * @since 0.1.0
 */
export const tstzrange = range(timestamptz, { name: "tstzrange", oid: 3910, arrayOid: 3911 })

/**
 * `tstzmultirange`: ranges of instants.
 *
 * @category types
 * @since 0.1.0
 */
export const tstzmultirange = multirange(timestamptz, { name: "tstzmultirange", oid: 4534, arrayOid: 6153 })

/**
 * `daterange`: a range of days.
 *
 * @category types
 * @since 0.1.0
 */
export const daterange = range(date, { name: "daterange", oid: 3912, arrayOid: 3913 })

/**
 * `datemultirange`: ranges of days.
 *
 * @category types
 * @since 0.1.0
 */
export const datemultirange = multirange(date, { name: "datemultirange", oid: 4535, arrayOid: 6155 })
