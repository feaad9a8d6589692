/**
 * Lossless conversion of columns of `apache-arrow` to the Arrow types of a Hyper table.
 *
 * @internal
 */
import * as Utf8 from "@hyperfect/protocol/Utf8"
import * as ValueError from "@hyperfect/values/ValueError"
import { type Data, DataType, DateUnit, makeData, Precision, TimeUnit, Type, Vector } from "apache-arrow"
import type { ArrowField } from "../ArrowSchema.ts"

/** The unscaled value and the scale of a decimal. */
interface Decimal {
  readonly unscaled: bigint
  readonly scale: number
}

/**
 * A value as it is read: text as its bytes, times and dates as the number that Arrow has, in its unit; `null` for NULL.
 */
type Value = number | bigint | boolean | Uint8Array | Decimal | null

/** Returns the value that a column stores, or `undefined` if it cannot store this one. */
type Convert = (value: never) => Exclude<Value, null> | undefined

const big = (n: number): bigint => BigInt(n)

const ten = (exponent: number): bigint => big(10) ** big(exponent)

const encode = (text: string): Uint8Array => {
  const bytes = new Uint8Array(Utf8.byteLength(text))
  Utf8.write(text, bytes, 0)
  return bytes
}

const readDecimal = (words: Uint32Array, index: number, stride: number, scale: number): Decimal => {
  let unscaled = big(words[index * stride + stride - 1]! | 0)
  for (let i = stride - 2; i >= 0; i--) unscaled = unscaled << big(32) | big(words[index * stride + i]!)
  return { unscaled, scale }
}

/** The entries of dictionaries, which many batches share. */
const dictionaries = new WeakMap<Vector, ReadonlyArray<Value>>()

const entriesOf = (dictionary: Vector): ReadonlyArray<Value> => {
  const known = dictionaries.get(dictionary)
  if (known !== undefined) return known
  const entries = dictionary.data.flatMap((data) => Array.from({ length: data.length }, (_, i) => reader(data)(i)))
  dictionaries.set(dictionary, entries)
  return entries
}

/** Returns the function that reads the values of a column. */
const reader = (data: Data): (index: number) => Value => {
  const { stride, type, valueOffsets: offsets, values } = data
  const value = ((): (index: number) => Value => {
    if (DataType.isNull(type)) return () => null
    if (DataType.isDictionary(type)) {
      const entries = entriesOf(data.dictionary!)
      return (i) => entries[Number(values[i])]!
    }
    if (
      DataType.isUtf8(type) || DataType.isLargeUtf8(type) || DataType.isBinary(type) || DataType.isLargeBinary(type)
    ) {
      return (i) => (values as Uint8Array).subarray(Number(offsets[i]), Number(offsets[i + 1]))
    }
    if (DataType.isFixedSizeBinary(type)) return (i) => (values as Uint8Array).subarray(i * stride, (i + 1) * stride)
    if (DataType.isDecimal(type)) return (i) => readDecimal(values as Uint32Array, i, stride, type.scale)
    const vector = new Vector([data])
    if (DataType.isUtf8View(type)) return (i) => encode(vector.get(i) as string)
    if (
      DataType.isBool(type) || DataType.isBinaryView(type) ||
      DataType.isFloat(type) && type.precision === Precision.HALF
    ) {
      return (i) => vector.get(i) as number | boolean | Uint8Array
    }
    return (i) => values[i] as number | bigint
  })()
  return (index) => data.getValid(index) ? value(index) : null
}

const toInteger = (bits: 16 | 32, isSigned: boolean): Convert => {
  const [min, max] = isSigned ? [-(2 ** (bits - 1)), 2 ** (bits - 1) - 1] : [0, 2 ** bits - 1]
  return (value: number | bigint) => {
    const number = Number(value)
    return Number.isInteger(number) && number >= min && number <= max ? number : undefined
  }
}

const ifInt64 = (value: bigint): bigint | undefined => BigInt.asIntN(64, value) === value ? value : undefined

const toInt64: Convert = (value: number | bigint) =>
  typeof value === "bigint" ? ifInt64(value) : Number.isInteger(value) ? ifInt64(big(value)) : undefined

const toFloat = (round: (value: number) => number): Convert => (value: number | bigint) => {
  const rounded = round(Number(value))
  const isSame = typeof value === "bigint" ? big(rounded) === value : Object.is(rounded, value)
  return isSame ? rounded : undefined
}

const toDecimal = (precision: number, scale: number): Convert => (value: number | bigint | Decimal) => {
  const { scale: from, unscaled } = typeof value === "object" ? value : { unscaled: big(value as number), scale: 0 }
  const factor = ten(Math.abs(scale - from))
  if (scale < from && unscaled % factor !== big(0)) return undefined
  const scaled = scale < from ? unscaled / factor : unscaled * factor
  const limit = ten(precision)
  return scaled < limit && scaled > -limit ? scaled : undefined
}

const msPerDay = big(86_400_000)
const usPerDay = msPerDay * big(1000)

const microseconds = { [TimeUnit.SECOND]: 1_000_000, [TimeUnit.MILLISECOND]: 1000, [TimeUnit.MICROSECOND]: 1 }

const toMicroseconds = (unit: TimeUnit): (value: number | bigint) => bigint | undefined => {
  if (unit === TimeUnit.NANOSECOND) {
    return (value) => BigInt(value) % big(1000) === big(0) ? BigInt(value) / big(1000) : undefined
  }
  const factor = big(microseconds[unit])
  return (value) => ifInt64(BigInt(value) * factor)
}

const toTime = (unit: TimeUnit): Convert => {
  const convert = toMicroseconds(unit)
  return (value: number | bigint) => {
    const time = convert(value)
    return time === undefined || time < big(0) || time >= usPerDay ? undefined : time
  }
}

const days: Convert = (value: number) => big(value) * msPerDay
const milliseconds: Convert = (value: bigint) => BigInt(value) % msPerDay === big(0) ? BigInt(value) : undefined

const same: Convert = (value: Uint8Array | boolean) => value

/** Text, of which Hyper's own keys may limit the length. Hyper does not check that (H-64). */
const toText = ({ metadata }: ArrowField): Convert => {
  const length = metadata.get("hyper:max_string_length")
  const type = metadata.get("hyper:type")
  const max = length === undefined ? type === "Char1" ? 1 : undefined : Number(length)
  if (max === undefined) return same
  return (value: Uint8Array) => {
    if (value.length <= max) return value
    const text = Utf8.decode(value, 0, value.length)
    return text === undefined || Array.from(text).length > max ? undefined : value
  }
}

/**
 * Returns the conversion of values of one type to those of another, `undefined` if there is none that loses nothing, and
 * `"none"` if the values are the same.
 */
export const conversion = (wanted: ArrowField, to: DataType, from: DataType): Convert | "none" | undefined => {
  if (DataType.isNull(from)) return same
  if (DataType.isDictionary(from)) {
    const convert = conversion(wanted, to, from.dictionary)
    return convert === "none" ? same : convert
  }
  const isNumber = DataType.isInt(from) || DataType.isFloat(from)
  switch (to.typeId) {
    case Type.Bool:
      return DataType.isBool(from) ? "none" : undefined
    case Type.Int: {
      if (!isNumber || !DataType.isInt(to)) return undefined
      if (DataType.isInt(from) && from.bitWidth === to.bitWidth && from.isSigned === to.isSigned) return "none"
      return to.bitWidth === 64 ? toInt64 : toInteger(to.bitWidth as 16 | 32, to.isSigned)
    }
    case Type.Float: {
      if (!isNumber || !DataType.isFloat(to)) return undefined
      if (DataType.isFloat(from) && from.precision === to.precision) return "none"
      return toFloat(to.precision === Precision.SINGLE ? Math.fround : (value) => value)
    }
    case Type.Decimal: {
      if (!DataType.isDecimal(to)) return undefined
      if (
        DataType.isDecimal(from) && from.scale === to.scale && from.precision === to.precision && from.bitWidth === 128
      ) {
        return "none"
      }
      return DataType.isInt(from) || DataType.isDecimal(from) ? toDecimal(to.precision, to.scale) : undefined
    }
    case Type.Utf8: {
      if (!DataType.isUtf8(from) && !DataType.isLargeUtf8(from) && !DataType.isUtf8View(from)) return undefined
      const convert = toText(wanted)
      return convert === same && DataType.isUtf8(from) ? "none" : convert
    }
    case Type.Binary: {
      // Bytes of a geography are taken only if they claim to be one.
      if (wanted.metadata.has("hyper:type")) return undefined
      if (DataType.isBinary(from)) return "none"
      return DataType.isLargeBinary(from) || DataType.isBinaryView(from) || DataType.isFixedSizeBinary(from)
        ? same
        : undefined
    }
    case Type.Date:
      return DataType.isDate(from) ? from.unit === DateUnit.DAY ? days : milliseconds : undefined
    case Type.Time:
      return DataType.isTime(from) ? toTime(from.unit) : undefined
    case Type.Timestamp: {
      if (!DataType.isTimestamp(to) || !DataType.isTimestamp(from)) return undefined
      // An instant, and the date and time of a place that is not known, are not the same.
      if (
        (to.timezone === null || to.timezone === undefined) !== (from.timezone === null || from.timezone === undefined)
      ) {
        return undefined
      }
      return from.unit === to.unit ? "none" : toMicroseconds(from.unit)
    }
    default:
      return undefined
  }
}

const arrayOf = (to: DataType, length: number) => {
  const { ArrayType } = to as { readonly ArrayType: new(length: number) => Record<number, unknown> }
  return new ArrayType(length)
}

const lossOf = (wanted: string, value: Value | undefined, name: string, index: number, row: number): unknown => {
  const found = value === null ? "NULL" : "a value that it cannot store without loss"
  const reason = ValueError.reason(value === null ? "TypeMismatch" : "OutOfRange", wanted, undefined, wanted, found)
  return ValueError.atColumn(reason, name, index, row)
}

/**
 * Copies the buffers of a column that overlap those of columns before it, of whose memory `ends` has the ends:
 * `apache-arrow` would write the bytes that they share once, and the message would be too short.
 */
export const unshare = (data: Data, ends: Map<ArrayBufferLike, number>): Data => {
  let isShared = false
  const buffers = [data.valueOffsets, data.values, data.nullBitmap, data.typeIds].map((buffer: unknown) => {
    if (!ArrayBuffer.isView(buffer)) return buffer
    const end = ends.get(buffer.buffer) ?? 0
    ends.set(buffer.buffer, Math.max(end, buffer.byteOffset + buffer.byteLength))
    if (buffer.byteLength === 0 || buffer.byteOffset >= end) return buffer
    isShared = true
    return (buffer as Uint8Array).slice()
  })
  return isShared ? data.clone(data.type, data.offset, data.length, data.nullCount, buffers as never) : data
}

/** Converts the values of a column. Throws a reason of a `ValueError`; `row` is the number of the first one. */
export const convertColumn = (
  data: Data,
  to: DataType,
  convert: Convert | "none",
  wanted: ArrowField,
  column: number,
  row: number
): Data => {
  const { length, nullCount } = data
  const { name, nullable, type } = wanted
  if (convert === "none" && (nullable || nullCount === 0)) return data
  const read = reader(data)
  const values = new Array<Value>(length)
  const nullBitmap = new Uint8Array(Math.ceil(length / 8))
  let nulls = 0
  for (let i = 0; i < length; i++) {
    const value = read(i)
    if (value === null) {
      if (!nullable) throw lossOf(type, null, name, column, row + i)
      values[i] = null
      nulls++
      continue
    }
    const converted = convert === "none" ? value as number : convert(value as never)
    if (converted === undefined) throw lossOf(type, value, name, column, row + i)
    values[i] = converted
    nullBitmap[i >> 3]! |= 1 << (i & 7)
  }
  const common = { length, nullCount: nulls, ...nulls === 0 ? {} : { nullBitmap } }
  return makeData({ type: to, ...common, ...buffersOf(to, values) } as never)
}

const buffersOf = (to: DataType, values: ReadonlyArray<unknown>): object => {
  const { length } = values
  if (DataType.isUtf8(to) || DataType.isBinary(to)) {
    const valueOffsets = new Int32Array(length + 1)
    for (let i = 0; i < length; i++) {
      valueOffsets[i + 1] = valueOffsets[i]! + ((values[i] as Uint8Array | null)?.length ?? 0)
    }
    const data = new Uint8Array(valueOffsets[length]!)
    for (let i = 0; i < length; i++) if (values[i] !== null) data.set(values[i] as Uint8Array, valueOffsets[i]!)
    return { valueOffsets, data }
  }
  if (DataType.isBool(to)) {
    const data = new Uint8Array(Math.ceil(length / 8))
    for (let i = 0; i < length; i++) if (values[i] === true) data[i >> 3]! |= 1 << (i & 7)
    return { data }
  }
  if (DataType.isDecimal(to)) {
    const data = new BigInt64Array(2 * length)
    for (let i = 0; i < length; i++) {
      const value = (values[i] ?? big(0)) as bigint
      data[2 * i] = BigInt.asIntN(64, value)
      data[2 * i + 1] = value >> big(64)
    }
    return { data: new Uint32Array(data.buffer) }
  }
  const data = arrayOf(to, length)
  for (let i = 0; i < length; i++) if (values[i] !== null) data[i] = values[i]
  return { data }
}
