/**
 * Parameters of a query: from a JavaScript value to the type, the format and the bytes that Bind sends.
 *
 * The type is either said, with {@link make}, or inferred from the value:
 *
 * | value | declared as | |
 * | --- | --- | --- |
 * | `null` | nothing (OID 0) | NULL |
 * | string | nothing (OID 0) | in text: the server reads it as it would read a literal in quotes |
 * | boolean | `bool` | |
 * | integer of 32 bits | `int4` | |
 * | other safe integer | `int8` | |
 * | other number, also -0 | `float8` | |
 * | bigint of 64 bits | `int8` | |
 * | larger bigint, `BigDecimal` | `numeric` | on Hyper nothing (OID 0), in text |
 * | `Uint8Array` | `bytea` | |
 * | `Date`, `DateTime`, `TimestampTz` | `timestamptz` | |
 * | `CalendarDate`, `TimeOfDay`, `Timestamp`, `Interval` | `date`, `time`, `timestamp`, `interval` | |
 * | `TimeOfDayTz` | `timetz` | refused on Hyper, which has no such type |
 * | plain object, array | nothing (OID 0) | the JSON text; an array of the database wants `make` and its type |
 * | `PgArray` | nothing (OID 0) | refused unless the server says which array it wants |
 * | `UnknownValue` | its own OID | the bytes, in their format |
 *
 * PostgreSQL says of each parameter of a prepared statement what it wants in its place, and a client follows that where the
 * value leaves it open: numbers are not declared but written as the number that is wanted, and so are arrays and objects
 * where an array, a range, a composite or the like is wanted instead of JSON. A value that is not one of the wanted type is
 * refused before it is sent. Everything else is declared as the table says, and the server converts it where it can.
 *
 * A `Date` is an instant. In the place of a `timestamp` without time zone the server converts it by the session's
 * `TimeZone`, and a `Timestamp` in the place of a `timestamptz` likewise; the time zone of this process never matters.
 *
 * `undefined` and everything else is refused. Hyper wants each parameter declared, and OID 0 is how to declare an untyped
 * one (measured); there `numeric` without precision and scale means `numeric(1,0)`, so decimals go as text.
 *
 * Values are sent in PostgreSQL's binary format to PostgreSQL and in HyperBinary to Hyper, wherever the type exists in it.
 *
 * @since 0.1.0
 */
import type { ByteWriter } from "@hyperfect/protocol/ByteWriter"
import * as ProtocolError from "@hyperfect/protocol/ProtocolError"
import type * as Wire from "@hyperfect/protocol/Wire"
import * as BigDecimal from "effect/BigDecimal"
import * as DateTime from "effect/DateTime"
import * as BuiltIn from "./BuiltIn.ts"
import * as CalendarDate from "./CalendarDate.ts"
import * as InlineWrites from "./internal/inlineWrites.ts"
import * as Interval from "./Interval.ts"
import * as PgArray from "./PgArray.ts"
import * as TimeOfDay from "./TimeOfDay.ts"
import * as TimeOfDayTz from "./TimeOfDayTz.ts"
import * as Timestamp from "./Timestamp.ts"
import * as TimestampTz from "./TimestampTz.ts"
import * as Type from "./Type.ts"
import * as UnknownValue from "./UnknownValue.ts"
import * as ValueError from "./ValueError.ts"

const TypeId = "~@hyperfect/values/Parameter"

/**
 * Whose rules hold.
 *
 * @category models
 * @since 0.1.0
 */
export type Dialect = "postgres" | "hyper"

/**
 * A value together with the type that it is to be sent as.
 *
 * @category models
 * @since 0.1.0
 */
export interface Parameter {
  readonly [TypeId]: typeof TypeId
  readonly type: Type.Any
  readonly value: unknown
}

/**
 * Says the type of a parameter. `null` is NULL of that type.
 *
 * **Details**
 *
 * A number is taken for any numeric type that holds it: a `bigint` for `int4` or, where a double is exactly it, for `float8`,
 * and a number for `numeric`, which gets the digits that JavaScript prints.
 *
 * **Example** (An array of integers)
 *
 * ```ts
 * import * as BuiltIn from "@hyperfect/values/BuiltIn"
 * import * as Parameter from "@hyperfect/values/Parameter"
 * import { strict as assert } from "node:assert"
 *
 * const small = Parameter.make(1, BuiltIn.int2)
 * assert.equal(Parameter.encoder(small, "postgres").typeOid, 21)
 * assert.equal(Parameter.encoder(1, "postgres").typeOid, 23)
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = <A, I>(value: I | null, type: Type.Type<A, I>): Parameter => ({ [TypeId]: TypeId, type, value })

/**
 * Whether a value is a {@link Parameter}.
 *
 * @category guards
 * @since 0.1.0
 */
export const isParameter = (u: unknown): u is Parameter =>
  typeof u === "object" && u !== null && (u as { readonly [TypeId]?: unknown })[TypeId] === TypeId

/**
 * What Parse and Bind say of a parameter, and how its value is written.
 *
 * @category models
 * @since 0.1.0
 */
export interface Encoder {
  /** What Parse declares; 0 leaves it to the server. */
  readonly typeOid: number
  /** What Bind says. */
  readonly format: Type.Format
  /** Writes the value's bytes, without a length. Throws a plain `ValueError.Reason`. */
  readonly write: Type.Codec<never, unknown>["write"]
}

const untyped = (codec: Type.Codec<never, unknown>): Encoder => ({ typeOid: 0, format: 0, write: codec.write })

type WriteOnly = Type.Codec<never, unknown>

const text: WriteOnly = BuiltIn.text.text as WriteOnly
/** Hyper takes U+0000 in a parameter (measured), and the codec of its own format does not mind it. */
const hyperText: WriteOnly = (BuiltIn.text.hyper ?? BuiltIn.text.text) as WriteOnly

/** Numbers of another JavaScript kind than a type has, turned into its own where nothing is lost; others as they are. */
const conversions = new Map<number, (value: unknown) => unknown>([
  ...[BuiltIn.int2, BuiltIn.int4, BuiltIn.oid, BuiltIn.float4, BuiltIn.float8].map(({ oid }) =>
    [oid, (value: unknown) => {
      const number = typeof value === "bigint" ? Number(value) : NaN
      return Number.isFinite(number) && BigInt(number) === value ? number : value
    }] as const
  ),
  [
    BuiltIn.numeric.oid,
    (value) => typeof value === "number" && Number.isFinite(value) ? BigDecimal.fromNumberUnsafe(value) : value
  ]
])

const converting = (type: Type.Any, write: Encoder["write"]): Encoder["write"] => {
  const convert = conversions.get(type.oid)
  if (convert === undefined) return write
  const converted: Encoder["write"] = (out, value, typeModifier) => write(out, convert(value), typeModifier)
  InlineWrites.writesAlike(converted, write)
  return converted
}

const make_ = (type: Type.Any, dialect: Dialect): Encoder => {
  if (dialect === "postgres") {
    const { binary, oid, text } = type
    return { typeOid: oid, format: binary === undefined ? 0 : 1, write: converting(type, (binary ?? text).write) }
  }
  const hyper = type.hyper
  if (hyper === undefined) {
    throw ValueError.reason("FormatUnsupported", type.name, 2, "a type that Hyper has", type.name)
  }
  // A value says its own scale, but nothing in Parse can: the server has to see it in the text.
  if (type.oid === BuiltIn.numeric.oid) return { typeOid: 0, format: 0, write: converting(type, type.text.write) }
  if (type.oid === BuiltIn.numeric.arrayOid) {
    throw ValueError.reason("FormatUnsupported", type.name, 2, "a string such as [1.50,NULL] and a cast", type.name)
  }
  return { typeOid: type.oid, format: 2, write: converting(type, hyper.write) }
}

const known = { postgres: new WeakMap<Type.Any, Encoder>(), hyper: new WeakMap<Type.Any, Encoder>() }

/**
 * How values of a type are sent to a server; see {@link make} for the numbers that it takes. Throws a plain `ValueError.Reason` when it does not know the type.
 *
 * @category encoding
 * @since 0.1.0
 */
export const encoderFor = (type: Type.Any, dialect: Dialect): Encoder => {
  const found = known[dialect].get(type)
  if (found !== undefined) return found
  const made = make_(type, dialect)
  known[dialect].set(type, made)
  return made
}

/** The encoder of a type for values that are known to be its own. */
const plain = (type: Type.Any, dialect: Dialect): Encoder => {
  const codec = dialect === "postgres" ? type.binary : type.hyper
  return { ...encoderFor(type, dialect), write: (codec ?? type.text).write }
}

const refuseArray = (): never => {
  throw ValueError.reason("TypeMismatch", "parameter", undefined, "an array type, given with Parameter.make", "PgArray")
}

const inferred = (dialect: Dialect) => ({
  untypedNull: untyped(text),
  text: untyped(dialect === "hyper" ? hyperText : text),
  json: untyped(BuiltIn.json.text as WriteOnly),
  array: { ...untyped(text), write: refuseArray },
  bool: encoderFor(BuiltIn.bool, dialect),
  int4: plain(BuiltIn.int4, dialect),
  int8: encoderFor(BuiltIn.int8, dialect),
  float8: plain(BuiltIn.float8, dialect),
  numeric: encoderFor(BuiltIn.numeric, dialect),
  bytea: encoderFor(BuiltIn.bytea, dialect),
  date: encoderFor(BuiltIn.date, dialect),
  time: encoderFor(BuiltIn.time, dialect),
  timestamp: encoderFor(BuiltIn.timestamp, dialect),
  timestamptz: encoderFor(BuiltIn.timestamptz, dialect),
  interval: encoderFor(BuiltIn.interval, dialect)
})

type Inferred = ReturnType<typeof inferred>

const byDialect = { postgres: inferred("postgres"), hyper: inferred("hyper") }

/**
 * How a value is sent: as its {@link Parameter} says, or as inferred from the value by the table of this module.
 *
 * **Details**
 *
 * Nothing is allocated for values whose type is inferred. Throws a plain `ValueError.Reason` for what cannot be sent.
 *
 * @category encoding
 * @since 0.1.0
 */
export const encoder = (value: unknown, dialect: Dialect): Encoder => {
  const known = byDialect[dialect]
  switch (typeof value) {
    case "string":
      return known.text
    case "number":
      // -0 is no integer of the servers.
      if ((value | 0) === value) return value === 0 && Object.is(value, -0) ? known.float8 : known.int4
      return Number.isSafeInteger(value) ? known.int8 : known.float8
    case "boolean":
      return known.bool
    case "bigint":
      return BigInt.asIntN(64, value) === value ? known.int8 : known.numeric
    case "object":
      return value === null ? known.untypedNull : ofObject(value, known, dialect)
    default:
      return refuse(value)
  }
}

const ofObject = (value: object, known: Inferred, dialect: Dialect): Encoder => {
  if (isParameter(value)) return encoderFor(value.type, dialect)
  if (value instanceof Uint8Array) return known.bytea
  const prototype: unknown = Object.getPrototypeOf(value)
  if (prototype === Object.prototype || prototype === null || Array.isArray(value)) return known.json
  if (value instanceof Date || TimestampTz.isTimestampTz(value) || DateTime.isDateTime(value)) return known.timestamptz
  if (Timestamp.isTimestamp(value)) return known.timestamp
  if (CalendarDate.isCalendarDate(value)) return known.date
  if (TimeOfDay.isTimeOfDay(value)) return known.time
  if (Interval.isInterval(value)) return known.interval
  if (TimeOfDayTz.isTimeOfDayTz(value)) return encoderFor(BuiltIn.timetz, dialect)
  if (BigDecimal.isBigDecimal(value)) return known.numeric
  if (PgArray.isPgArray(value)) return known.array
  return UnknownValue.isUnknownValue(value) ? ofUnknown(value) : refuse(value)
}

/** What came from a server can go back to it. */
const ofUnknown = ({ format, typeOid }: UnknownValue.UnknownValue): Encoder => ({
  typeOid,
  format,
  write: (out, value) => out.copy((value as UnknownValue.UnknownValue).bytes)
})

const refuse = (value: unknown): never => {
  throw ValueError.reason(
    "TypeMismatch",
    "parameter",
    undefined,
    "a value that a type can be inferred from, or a type given with Parameter.make",
    ValueError.kind(value)
  )
}

const textOids = new Set(
  [BuiltIn.text, BuiltIn.varchar, BuiltIn.bpchar, BuiltIn.name, BuiltIn.unknown].map(({ oid }) => oid)
)
const isText = ({ oid }: Type.Any): boolean => textOids.has(oid)

const jsonOids = new Set([BuiltIn.json, BuiltIn.jsonb].map(({ oid }) => oid))
const isJson = ({ oid }: Type.Any): boolean => jsonOids.has(oid)

/** A number where the server wants a text, or a type that is not known here: its digits. */
const digits: Encoder = {
  typeOid: 0,
  format: 0,
  write: (out, value) => out.utf8(BigDecimal.isBigDecimal(value) ? BigDecimal.format(value) : String(value))
}

/**
 * How a value is sent to PostgreSQL for a parameter of which the server has said the type; `undefined` is a type that is
 * not known here.
 *
 * **Details**
 *
 * Numbers are sent as the type wants them, and so are arrays and objects where it is not JSON that is wanted; everything
 * else as {@link encoder} says. Throws a plain `ValueError.Reason` for what cannot be sent.
 *
 * **Example** (A number for a `bigint`)
 *
 * ```ts
 * import * as BuiltIn from "@hyperfect/values/BuiltIn"
 * import * as Parameter from "@hyperfect/values/Parameter"
 * import { strict as assert } from "node:assert"
 *
 * assert.equal(Parameter.encoder(1, "postgres").typeOid, 23)
 * assert.equal(Parameter.encoderIn(1, BuiltIn.int8).typeOid, 20)
 * ```
 *
 * @category encoding
 * @since 0.1.0
 */
export const encoderIn = (value: unknown, type: Type.Any | undefined): Encoder => {
  switch (typeof value) {
    case "number":
    case "bigint":
      return numericIn(type)
    case "object":
      if (value === null || value instanceof Uint8Array) break
      return BigDecimal.isBigDecimal(value) ? numericIn(type) : objectIn(value, type)
  }
  return encoder(value, "postgres")
}

const numericIn = (type: Type.Any | undefined): Encoder => {
  // The bytes of a domain are those of what it is over.
  const wanted = type && Type.underlying(type)
  return wanted === undefined || isText(wanted) ? digits : encoderFor(wanted, "postgres")
}

const objectIn = (value: object, type: Type.Any | undefined): Encoder => {
  const inferred = encoder(value, "postgres")
  // An array, or an object that is no value type of its own: JSON, unless the server wants an array, a range, a point ...
  if (inferred.typeOid !== 0 || type === undefined || isParameter(value)) return inferred
  const wanted = Type.underlying(type)
  return isJson(wanted) || isText(wanted) ? inferred : encoderFor(wanted, "postgres")
}

const encodersBy = (
  values: ReadonlyArray<unknown>,
  choose: (value: unknown, index: number) => Encoder
): ReadonlyArray<Encoder> => {
  const chosen = new Array<Encoder>(values.length)
  let i = 0
  try {
    for (; i < values.length; i++) chosen[i] = choose(values[i], i)
  } catch (thrown) {
    throw ValueError.atParameter(thrown, i + 1)
  }
  return chosen
}

/**
 * As {@link encoder}, for all values of a statement. The reason that is thrown says the parameter.
 *
 * @category encoding
 * @since 0.1.0
 */
export const encoders = (values: ReadonlyArray<unknown>, dialect: Dialect): ReadonlyArray<Encoder> =>
  encodersBy(values, (value) => encoder(value, dialect))

/**
 * Throws a plain `ValueError.Reason` unless there are as many values as types.
 *
 * @category encoding
 * @since 0.1.0
 */
export const checkCount = (values: ReadonlyArray<unknown>, types: ReadonlyArray<unknown>): void => {
  if (values.length !== types.length) {
    throw ValueError.reason("TypeMismatch", "parameter", undefined, `${types.length} parameters`, `${values.length}`)
  }
}

/**
 * As {@link encoderIn}, for all values of a statement: as many as there are types, or it throws. The reason that is thrown
 * says the parameter.
 *
 * @category encoding
 * @since 0.1.0
 */
export const encodersIn = (
  values: ReadonlyArray<unknown>,
  types: ReadonlyArray<Type.Any | undefined>
): ReadonlyArray<Encoder> => {
  checkCount(values, types)
  return encodersBy(values, (value, i) => encoderIn(value, types[i]))
}

/**
 * Writes a parameter as Bind wants it: the length in four bytes and the value's bytes, or the length -1 for NULL.
 *
 * **Gotchas**
 *
 * When it throws, part of the parameter may have been written; the caller takes back what it wrote of the message.
 *
 * @category encoding
 * @since 0.1.0
 */
export const write = (out: ByteWriter, encoder: Encoder, value: unknown): void => {
  const plain = isParameter(value) ? value.value : value
  if (plain === null) return out.int32(-1)
  out.int32(0)
  // The writer may move its bytes while it grows, so sizes count and not positions.
  const before = out.size
  encoder.write(out, plain, -1)
  const length = out.size - before
  out.setInt32(out.position - length - 4, length)
}

/** Values on their way into a message: they write themselves in place. */
class Parameters implements Wire.Writable {
  private readonly encoders: ReadonlyArray<Encoder>
  private readonly values: ReadonlyArray<unknown>

  constructor(encoders: ReadonlyArray<Encoder>, values: ReadonlyArray<unknown>) {
    this.encoders = encoders
    this.values = values
  }

  writeTo(out: ByteWriter): void {
    const { encoders, values } = this
    out.int16(values.length)
    let i = 0
    try {
      for (; i < values.length; i++) write(out, encoders[i]!, values[i])
    } catch (thrown) {
      const isReason = ValueError.isReason(thrown) || ProtocolError.isReason(thrown)
      throw ValueError.atParameter(isReason ? thrown : unwritable(), i + 1)
    }
  }
}

/** Values run code of their own while they are written, such as `toJSON`. */
const unwritable = () =>
  ValueError.reason("TypeMismatch", "parameter", undefined, "a value that can be written", "one that throws")

/**
 * The `parameters` of a Bind message, or the `arguments` of a FunctionCall, for `Wire.inPlace`: values that are written
 * straight into the frame, each by its encoder.
 *
 * **Details**
 *
 * The formats that the message names are those of {@link formats}. What cannot be written is thrown as a plain
 * `ValueError.Reason`, which says the parameter, when the message is written.
 *
 * @category encoding
 * @since 0.1.0
 */
export const writable = (encoders: ReadonlyArray<Encoder>, values: ReadonlyArray<unknown>): Wire.Writable =>
  new Parameters(encoders, values)

/**
 * One format for all parameters where that is possible, else one for each: the `parameterFormats` of a Bind message.
 *
 * @category encoding
 * @since 0.1.0
 */
export const formats = (encoders: ReadonlyArray<Encoder>): ReadonlyArray<Type.Format> => {
  const [first] = encoders
  return first === undefined || encoders.some(({ format }) => format !== first.format)
    ? encoders.map(({ format }) => format)
    : [first.format]
}
