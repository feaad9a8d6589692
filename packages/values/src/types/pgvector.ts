/**
 * The types of the extension pgvector.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import * as Codec from "../internal/codec/codec.ts"
import * as Float16 from "../internal/codec/float16.ts"
import * as Numbers from "../internal/codec/numbers.ts"
import * as ValueSchema from "../internal/schema/value.ts"
import * as NumberText from "../internal/text/number.ts"
import type { Format, Type } from "../Type.ts"

/** The number format of a vector's elements. */
interface Elements {
  readonly size: 2 | 4
  /** Rounds to the nearest number of this size. */
  readonly round: (value: number) => number
  readonly read: (bytes: Uint8Array, at: number) => number
  readonly write: (out: Codec.ByteWriter, value: number) => void
}

const singlePrecision: Elements = {
  size: 4,
  round: Math.fround,
  read: Numbers.float32,
  write: (out, value) => out.float32(value)
}

const halfPrecision: Elements = {
  size: 2,
  round: Float16.round,
  read: (bytes, at) => Float16.fromBits(bytes[at]! << 8 | bytes[at + 1]!),
  write: (out, value) => out.int16(Float16.toBits(value))
}

/** The limit of the two-byte count; the server's limit is lower. */
const maxDimensions = 0x7fff

const numberPattern = /^[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?$/

const parseNumber = (text: string, { round }: Elements): number => {
  const trimmed = text.trim()
  return numberPattern.test(trimmed) ? round(Number(trimmed)) : NaN
}

const isElement = ({ round }: Elements) => (u: unknown): u is number =>
  typeof u === "number" && Number.isFinite(round(u))

/** Rejects numbers that are NaN or infinite, also after rounding, because the server does not accept them. */
const checkNumber = (value: unknown, elements: Elements, name: string, format: Format): number => {
  if (typeof value !== "number") return Codec.typeMismatch(name, format, "numbers", value)
  const rounded = elements.round(value)
  return Number.isFinite(rounded)
    ? rounded
    : Codec.outOfRange(name, format, `finite numbers of ${elements.size * 8} bits`, "another number")
}

const finite = (elements: Elements) =>
  ValueSchema.refine(`a number of ${elements.size * 8} bits`, {
    kind: "number",
    is: (u): u is number => isElement(elements)(u) && Object.is(elements.round(u), u),
    arbitrary: Schema.Number,
    fromArbitrary: (value) => Number.isFinite(elements.round(value)) ? elements.round(value) : 1
  })

/** The number of elements in two bytes, two unused bytes, and the elements (vector_send). */
const dense = (name: string, elements: Elements): Type<ReadonlyArray<number>> => {
  const wanted = "numbers in brackets"
  const check = (value: unknown, format: Format): ReadonlyArray<number> => {
    if (!Array.isArray(value)) return Codec.typeMismatch(name, format, "array", value)
    return value.length > 0 && value.length <= maxDimensions
      ? value
      : Codec.outOfRange(name, format, `1 to ${maxDimensions} numbers`, `${value.length}`)
  }
  return {
    name,
    oid: 0,
    arrayOid: 0,
    hasArrayValues: true,
    schema: Schema.Array(finite(elements)).check(Schema.isMinLength(1), Schema.isMaxLength(maxDimensions)),
    text: Codec.text(
      name,
      wanted,
      (text) => {
        const found = /^\s*\[(.*)\]\s*$/s.exec(text)
        const numbers = found?.[1]!.split(",").map((part) => parseNumber(part, elements))
        return numbers?.every(Number.isFinite) === true ? numbers : undefined
      },
      (value: ReadonlyArray<number>) =>
        `[${check(value, 0).map((item) => NumberText.format(checkNumber(item, elements, name, 0))).join(",")}]`
    ),
    binary: {
      read: (bytes, start, end) => {
        const count = end - start < 4 ? -1 : Numbers.int16(bytes, start)
        if (count < 0 || end - start !== 4 + count * elements.size) {
          return Codec.malformed(name, 1, "as many numbers as it says", `${end - start} other bytes`)
        }
        const numbers = new Array<number>(count)
        for (let i = 0; i < count; i++) numbers[i] = elements.read(bytes, start + 4 + i * elements.size)
        return numbers
      },
      write: (out, value) => {
        const numbers = check(value, 1)
        out.int16(numbers.length)
        out.int16(0)
        for (const item of numbers) elements.write(out, checkNumber(item, elements, name, 1))
      }
    }
  }
}

/**
 * `vector`: an array of 32-bit numbers.
 *
 * @category types
 * @since 0.1.0
 */
export const vector: Type<ReadonlyArray<number>> = dense("vector", singlePrecision)

/**
 * `halfvec`: an array of 16-bit numbers. Writing rounds to the nearest 16-bit number.
 *
 * @category types
 * @since 0.1.0
 */
export const halfvec: Type<ReadonlyArray<number>> = dense("halfvec", halfPrecision)

/**
 * A vector that stores only the elements that are not 0.
 *
 * @category models
 * @since 0.1.0
 */
export interface SparseVector {
  readonly dimensions: number
  /** The positions of the values, ascending from 0. SQL counts from 1. */
  readonly indices: ReadonlyArray<number>
  /** One value per index; none is 0. */
  readonly values: ReadonlyArray<number>
}

const isSparse = (u: unknown): u is SparseVector => {
  if (typeof u !== "object" || u === null) return false
  const { dimensions, indices, values } = u as Partial<SparseVector>
  return typeof dimensions === "number" && (dimensions | 0) === dimensions && dimensions > 0 &&
    Array.isArray(indices) && Array.isArray(values) && indices.length === values.length &&
    indices.every((index, i) => Number.isInteger(index) && index > (indices[i - 1] ?? -1) && index < dimensions) &&
    values.every((value) => isElement(singlePrecision)(value) && singlePrecision.round(value) !== 0)
}

const sparseWanted = "{ dimensions, indices, values } with ascending indices below dimensions and no value 0"

const checkSparse = (value: unknown, format: Format): SparseVector =>
  isSparse(value) ? value : Codec.typeMismatch("sparsevec", format, sparseWanted, value)

const parseSparse = (text: string): SparseVector | undefined => {
  const found = /^\s*\{(.*)\}\/(\d+)\s*$/s.exec(text)
  if (found === null) return undefined
  const pairs = found[1]!.trim() === "" ? [] : found[1]!.split(",").map((pair) => /^\s*(\d+)\s*:(.*)$/s.exec(pair))
  const value = {
    dimensions: Number(found[2]),
    indices: pairs.map((pair) => Number(pair?.[1]) - 1),
    values: pairs.map((pair) => parseNumber(pair?.[2] ?? "", singlePrecision))
  }
  return isSparse(value) ? value : undefined
}

/**
 * `sparsevec`: the elements that are not 0, as 32-bit numbers.
 *
 * @category types
 * @since 0.1.0
 */
export const sparsevec: Type<SparseVector> = {
  name: "sparsevec",
  oid: 0,
  arrayOid: 0,
  schema: ValueSchema.refine("a sparse vector", {
    kind: "object",
    is: (u): u is SparseVector =>
      isSparse(u) && u.values.every((value) => Object.is(singlePrecision.round(value), value)),
    arbitrary: Schema.Array(finite(singlePrecision)).check(Schema.isMinLength(1), Schema.isMaxLength(8)),
    fromArbitrary: (numbers) => {
      const indices = [...numbers.keys()].filter((i) => numbers[i] !== 0)
      return { dimensions: numbers.length, indices, values: indices.map((i) => numbers[i]!) }
    }
  }),
  text: Codec.text("sparsevec", "{index:value,...}/dimensions", parseSparse, (value: SparseVector) => {
    const { dimensions, indices, values } = checkSparse(value, 0)
    return `{${
      indices.map((index, i) => `${index + 1}:${NumberText.format(Math.fround(values[i]!))}`).join(",")
    }}/${dimensions}`
  }),
  // The number of dimensions, the number of elements, four unused bytes, the indices from 0, and the values
  // (sparsevec_send).
  binary: {
    read: (bytes, start, end) => {
      const fail = (): never => Codec.malformed("sparsevec", 1, "as many elements as it says", `${end - start} bytes`)
      if (end - start < 12) return fail()
      const count = Numbers.int32(bytes, start + 4)
      if (count < 0 || end - start !== 12 + count * 8) return fail()
      const indices = new Array<number>(count)
      const values = new Array<number>(count)
      for (let i = 0, at = start + 12; i < count; i++, at += 4) {
        indices[i] = Numbers.int32(bytes, at)
        values[i] = Numbers.float32(bytes, at + count * 4)
      }
      const value = { dimensions: Numbers.int32(bytes, start), indices, values }
      return isSparse(value) ? value : Codec.malformed("sparsevec", 1, sparseWanted, "another")
    },
    write: (out, value) => {
      const { dimensions, indices, values } = checkSparse(value, 1)
      out.int32(dimensions)
      out.int32(indices.length)
      out.int32(0)
      for (const index of indices) out.int32(index)
      for (const item of values) out.float32(item)
    }
  }
}
