/**
 * Query parameters: the type, the format and the bytes that Bind sends for a JavaScript value.
 *
 * The type is either given with {@link make} or inferred from the value:
 *
 * | value | declared as | |
 * | --- | --- | --- |
 * | `null` | nothing (OID 0) | NULL |
 * | string | nothing (OID 0) | in text: the server reads it like a quoted literal |
 * | boolean | `bool` | |
 * | 32-bit integer | `int4` | |
 * | other safe integer | `int8` | |
 * | other number, including -0 | `float8` | |
 * | 64-bit bigint | `int8` | |
 * | larger bigint, `BigDecimal` | `numeric` | on Hyper nothing (OID 0), in text |
 * | `Uint8Array` | `bytea` | |
 * | `Money` | `money` | rejected on Hyper, which has no such type |
 * | `Date`, `DateTime`, `TimestampTz` | `timestamptz` | |
 * | `CalendarDate`, `TimeOfDay`, `Timestamp`, `Interval` | `date`, `time`, `timestamp`, `interval` | |
 * | `TimeOfDayTz` | `timetz` | rejected on Hyper, which has no such type |
 * | plain object, array | nothing (OID 0) | the JSON text; a PostgreSQL array needs `make` and its type |
 * | `Json.Null` | nothing (OID 0) | JSON null |
 * | `PgArray` | nothing (OID 0) | rejected unless the server describes the parameter as an array |
 * | `UnknownValue` | its own OID | the bytes, in their format |
 *
 * PostgreSQL describes the type of each parameter of a prepared statement, and a client uses that type where the value
 * leaves it open: numbers are not declared but written in the described type, and so are arrays and objects if the
 * described type is an array, a range, a composite or similar, instead of JSON. A value that is not of the described
 * type is rejected before it is sent. A string inside such a value whose part has another type, such as the elements of
 * `["1", "2"]` for `int8[]`, is read by the server like a literal, so that everything that a preset reads can be sent
 * back. All other values are declared as in the table, and the server converts them where it can.
 *
 * If the statement does not determine a parameter's type, as in `greatest($1, $2)`, PostgreSQL assumes text or rejects
 * the statement. A client that caches statements then declares numbers as in the table, if the server accepts that:
 * `greatest(9, 10)` is 10. In `relname = $1`, which accepts only a text, a number is sent as its digits. A boolean
 * whose type is rejected is sent as JSON if the server expects JSON. Without cached statements, and for statements that
 * a program prepares itself, the type must be given by a cast in the text such as `$1::int`, with {@link make}, or with
 * the types that the program prepares the statement with.
 *
 * A `Date` is an instant. For a `timestamp` without time zone the server converts it by the session's `TimeZone`, and a
 * `Timestamp` for a `timestamptz` likewise; the time zone of this process is never used.
 *
 * `undefined` and all other values are rejected. Hyper requires a declaration for each parameter, and OID 0 declares an
 * untyped one (H-07). There `numeric` without precision and scale means `numeric(1,0)` (H-36), so decimals are sent as
 * text.
 *
 * Values are sent in PostgreSQL's binary format to PostgreSQL and in HyperBinary to Hyper, if the type has that format.
 * A client sends dates and times in text, and requests them in text, if the server reports `integer_datetimes` as off.
 *
 * @since 0.1.0
 */
import type { ByteWriter } from "@hyperfect/protocol/ByteWriter"
import * as ProtocolError from "@hyperfect/protocol/ProtocolError"
import type * as Wire from "@hyperfect/protocol/Wire"
import { memoize } from "effect/Function"
import * as BuiltIn from "./BuiltIn.ts"
import * as CalendarDate from "./CalendarDate.ts"
import { writeSized } from "./internal/codec/codec.ts"
import * as EffectTypes from "./internal/codec/effectTypes.ts"
import * as Interval from "./Interval.ts"
import * as Json from "./Json.ts"
import * as Money from "./Money.ts"
import * as PgArray from "./PgArray.ts"
import * as TimeOfDay from "./TimeOfDay.ts"
import * as TimeOfDayTz from "./TimeOfDayTz.ts"
import * as Timestamp from "./Timestamp.ts"
import * as TimestampTz from "./TimestampTz.ts"
import * as Type from "./Type.ts"
import * as TypeRegistry from "./TypeRegistry.ts"
import * as UnknownValue from "./UnknownValue.ts"
import * as ValueError from "./ValueError.ts"

const TypeId: unique symbol = Symbol.for("@hyperfect/values/Parameter")

/**
 * The server whose rules apply.
 *
 * @category models
 * @since 0.1.0
 */
export type Dialect = "postgres" | "hyper"

/**
 * A value together with the type to send it as.
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
 * Creates a parameter with an explicit type. `null` is NULL of that type.
 *
 * **Details**
 *
 * A number is accepted for any numeric type that represents it: a `bigint` for `int4` or, if a double represents it
 * exactly, for `float8`, and a number for `numeric`, which is sent the digits that JavaScript prints, NaN or an
 * infinity.
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
 * True if the value is a {@link Parameter}.
 *
 * @category guards
 * @since 0.1.0
 */
export const isParameter = (u: unknown): u is Parameter => typeof u === "object" && u !== null && TypeId in u

/**
 * The declaration of a parameter in Parse and Bind, and the writer of its value.
 *
 * @category models
 * @since 0.1.0
 */
export interface Encoder {
  /** The OID that Parse declares; 0 leaves the type to the server. */
  readonly typeOid: number
  /** The format code in Bind. */
  readonly format: Type.Format
  /** Writes the value's bytes, without a length. Throws a plain `ValueError.Reason`. */
  readonly write: Type.Codec<never, unknown>["write"]
  /**
   * Returns the encoder for a composite value that contains strings where its type has other types, such as the
   * elements of `["1", "2"]` for `int8[]`: the value is sent in text, and the server reads the strings.
   */
  readonly asText?: (() => Encoder) | undefined
}

const untyped = (codec: Type.Codec<never, unknown>): Encoder => ({ typeOid: 0, format: 0, write: codec.write })

type WriteOnly = Type.Codec<never, unknown>

const text: WriteOnly = BuiltIn.text.text as WriteOnly
/** Hyper accepts U+0000 in a parameter (H-35), and so does the codec of its own format. */
const hyperText: WriteOnly = (BuiltIn.text.hyper ?? BuiltIn.text.text) as WriteOnly

const makeEncoder = (type: Type.Any, dialect: Dialect): Encoder => {
  if (dialect === "postgres") {
    const { oid, text } = type
    const format = Type.formatFor(type, Type.binary)
    if (format === Type.text) return { typeOid: oid, format, write: text.write }
    return { typeOid: oid, format, write: type.binary!.write, asText: type.mapParts && (() => textEncoder(type)) }
  }
  const hyper = type.hyper
  if (hyper === undefined) throw ValueError.noCodec(type.name, 2, "a type that Hyper has")
  // Parse cannot declare the scale of a value, so the server must read it from the text.
  if (hyper.needsModifier === true) {
    if (type.mapParts === undefined) return { typeOid: 0, format: 0, write: type.text.write }
    throw ValueError.noCodec(type.name, 2, "a string such as [1.50,NULL] and a cast")
  }
  return { typeOid: type.oid, format: 2, write: hyper.write }
}

/** Returns the text encoder of a type that consists of others, for values with strings that the server has to read. */
const textEncoder = memoize((type: Type.Any): Encoder => ({
  typeOid: type.oid,
  format: Type.text,
  write: withLiterals(type).text.write
}))

/** Types whose text does not depend on server settings, so that invalid text can be rejected before it is sent. */
const numberOids = TypeRegistry.oidsOf("boolean", "number", "float")

const canRead = (type: Type.Any, bytes: Uint8Array, start: number, end: number): boolean => {
  try {
    type.text.read(bytes, start, end, -1)
    return true
  } catch {
    return false
  }
}

/**
 * Derives a type that accepts strings for all its parts. A string is written unchanged if the part's type does not
 * accept it.
 */
const withLiterals = (type: Type.Any): Type.Any =>
  type.mapParts?.(withLiterals) ?? {
    ...type,
    text: {
      read: type.text.read,
      write: (out, value, typeModifier) => {
        const { size } = out
        try {
          type.text.write(out, value, typeModifier)
        } catch (thrown) {
          if (typeof value !== "string") throw thrown
          out.rewind(out.position - (out.size - size))
          text.write(out, value, typeModifier)
          const start = out.position - (out.size - size)
          if (numberOids.has(type.oid) && !canRead(type, out.bytes, start, out.position)) throw thrown
        }
      }
    }
  }

const encodersOfTypes = {
  postgres: memoize((type: Type.Any) => makeEncoder(type, "postgres")),
  hyper: memoize((type: Type.Any) => makeEncoder(type, "hyper"))
}

/**
 * Returns the encoder of a type for a server; see {@link make} for the numbers it accepts. Throws a plain
 * `ValueError.Reason` if the server does not have the type.
 *
 * @category encoding
 * @since 0.1.0
 */
export const encoderFor = (type: Type.Any, dialect: Dialect): Encoder => encodersOfTypes[dialect](type)

const refuseArray = (): never => {
  throw ValueError.reason("TypeMismatch", "parameter", undefined, "an array type, given with Parameter.make", "PgArray")
}

const makeInferred = (dialect: Dialect) => ({
  untypedNull: untyped(text),
  text: untyped(dialect === "hyper" ? hyperText : text),
  json: untyped(BuiltIn.json.text as WriteOnly),
  array: { ...untyped(text), write: refuseArray },
  bool: encoderFor(BuiltIn.bool, dialect),
  int4: encoderFor(BuiltIn.int4, dialect),
  int8: encoderFor(BuiltIn.int8, dialect),
  float8: encoderFor(BuiltIn.float8, dialect),
  numeric: encoderFor(BuiltIn.numeric, dialect),
  bytea: encoderFor(BuiltIn.bytea, dialect),
  date: encoderFor(BuiltIn.date, dialect),
  time: encoderFor(BuiltIn.time, dialect),
  timestamp: encoderFor(BuiltIn.timestamp, dialect),
  timestamptz: encoderFor(BuiltIn.timestamptz, dialect),
  interval: encoderFor(BuiltIn.interval, dialect)
})

type InferredEncoders = ReturnType<typeof makeInferred>

const inferredByDialect = { postgres: makeInferred("postgres"), hyper: makeInferred("hyper") }

/**
 * Returns the encoder of a value: for the type of its {@link Parameter}, or for the type inferred by the table of this
 * module.
 *
 * **Details**
 *
 * Nothing is allocated for values whose type is inferred. Throws a plain `ValueError.Reason` for a value that cannot be
 * sent.
 *
 * @category encoding
 * @since 0.1.0
 */
export const encoder = (value: unknown, dialect: Dialect): Encoder => {
  const known = inferredByDialect[dialect]
  switch (typeof value) {
    case "string":
      return known.text
    case "number":
      // The servers' integers have no -0.
      if ((value | 0) === value) return value === 0 && Object.is(value, -0) ? known.float8 : known.int4
      return Number.isSafeInteger(value) ? known.int8 : known.float8
    case "boolean":
      return known.bool
    case "bigint":
      return BigInt.asIntN(64, value) === value ? known.int8 : known.numeric
    case "object":
      return value === null ? known.untypedNull : objectEncoder(value, known, dialect)
    default:
      return refuse(value)
  }
}

const objectEncoder = (value: object, known: InferredEncoders, dialect: Dialect): Encoder => {
  if (isParameter(value)) return encoderFor(value.type, dialect)
  if (value instanceof Uint8Array) return known.bytea
  const prototype: unknown = Object.getPrototypeOf(value)
  if (prototype === Object.prototype || prototype === null || Array.isArray(value)) return known.json
  if (value instanceof Date || TimestampTz.isTimestampTz(value) || EffectTypes.isDateTime(value)) {
    return known.timestamptz
  }
  if (Timestamp.isTimestamp(value)) return known.timestamp
  if (CalendarDate.isCalendarDate(value)) return known.date
  if (TimeOfDay.isTimeOfDay(value)) return known.time
  if (Interval.isInterval(value)) return known.interval
  if (TimeOfDayTz.isTimeOfDayTz(value)) return encoderFor(BuiltIn.timetz, dialect)
  if (EffectTypes.isBigDecimal(value)) return known.numeric
  if (Money.isMoney(value)) return encoderFor(BuiltIn.money, dialect)
  if (PgArray.isPgArray(value)) return known.array
  if (Json.isJsonNull(value)) return known.json
  return UnknownValue.isUnknownValue(value) ? unknownValueEncoder(value) : refuse(value)
}

/** Sends a value of unknown type back with the OID and the format it came with. */
const unknownValueEncoder = ({ format, typeOid }: UnknownValue.UnknownValue): Encoder => ({
  typeOid,
  format,
  write: (out, value) => out.copy((value as UnknownValue.UnknownValue).bytes)
})

const refuse = (value: unknown): never => {
  const kind = ValueError.kind(value)
  throw ValueError.reason(
    "TypeMismatch",
    "parameter",
    undefined,
    "a value that a type can be inferred from, or a type given with Parameter.make",
    kind.startsWith("@") ? `${kind}, which is no value, or of another version of its package` : kind
  )
}

const textOids = TypeRegistry.oidsOf("text")
const isText = ({ oid }: Type.Any): boolean => textOids.has(oid)

const jsonOids = TypeRegistry.oidsOf("json")
const isJson = ({ oid }: Type.Any): boolean => jsonOids.has(oid)

/** Sends a number as its digits where the server expects a text or an unknown type; a decimal keeps its scale. */
const digitsEncoder: Encoder = {
  typeOid: 0,
  format: 0,
  write: (out, value) => {
    if (EffectTypes.isBigDecimal(value)) BuiltIn.numeric.text.write(out, value, -1)
    else out.utf8(Object.is(value, -0) ? "-0" : String(value))
  }
}

/**
 * Returns the encoder of a value for PostgreSQL, for a parameter whose type the server described; `undefined` is a type
 * that is not in the registry.
 *
 * **Details**
 *
 * Numbers are encoded in the described type, and so are arrays and objects unless that type is JSON; all other values
 * as {@link encoder} does. Throws a plain `ValueError.Reason` for a value that cannot be sent.
 *
 * **Example** (A number for a `bigint`)
 *
 * ```ts
 * import * as BuiltIn from "@hyperfect/values/BuiltIn"
 * import * as Parameter from "@hyperfect/values/Parameter"
 * import { strict as assert } from "node:assert"
 *
 * assert.equal(Parameter.encoder(1, "postgres").typeOid, 23)
 * assert.equal(Parameter.describedEncoder(1, BuiltIn.int8).typeOid, 20)
 * ```
 *
 * @category encoding
 * @since 0.1.0
 */
export const describedEncoder = (value: unknown, type: Type.Any | undefined): Encoder => {
  switch (typeof value) {
    case "number":
    case "bigint":
      return describedNumeric(type)
    case "boolean":
      return describedBoolean(type)
    case "object":
      if (value === null || value instanceof Uint8Array) return encoder(value, "postgres")
      return EffectTypes.isBigDecimal(value) ? describedNumeric(type) : describedObject(value, type)
    default:
      return encoder(value, "postgres")
  }
}

const describedNumeric = (type: Type.Any | undefined): Encoder => {
  // A domain has the encoding of its base type.
  const wanted = type && Type.underlying(type)
  return wanted === undefined || isText(wanted) ? digitsEncoder : encoderFor(wanted, "postgres")
}

const describedBoolean = (type: Type.Any | undefined): Encoder => {
  const wanted = type && Type.underlying(type)
  return wanted !== undefined && isJson(wanted) ? encoderFor(wanted, "postgres") : inferredByDialect.postgres.bool
}

const describedObject = (value: object, type: Type.Any | undefined): Encoder => {
  const inferred = encoder(value, "postgres")
  // An array, or an object of no value type: JSON, unless the server expects an array, a range, a point ...
  if (inferred.typeOid !== 0 || type === undefined || isParameter(value)) return inferred
  const wanted = Type.underlying(type)
  return isJson(wanted) || isText(wanted) ? inferred : encoderFor(wanted, "postgres")
}

/**
 * Returns other encoders after a value was rejected, if there is another way to send it: in text, with strings inside
 * the value that the server reads as literals. `undefined` if there is none.
 *
 * @internal
 */
export const alternativeEncoders = (
  encoders: ReadonlyArray<Encoder>,
  refusal: unknown
): ReadonlyArray<Encoder> | undefined => {
  if (!ValueError.isReason(refusal) || refusal.location !== "parameter" || refusal.index === undefined) return undefined
  const asText = encoders[refusal.index - 1]?.asText
  return asText === undefined || refusal.found !== "string" ? undefined : encoders.with(refusal.index - 1, asText())
}

/**
 * Applies a function to each value of a statement. A reason that it throws then names the parameter.
 *
 * @internal
 */
export const forEach = <A>(
  values: ReadonlyArray<unknown>,
  choose: (value: unknown, index: number) => A
): ReadonlyArray<A> => {
  const chosen = new Array<A>(values.length)
  let i = 0
  try {
    for (; i < values.length; i++) chosen[i] = choose(values[i], i)
  } catch (thrown) {
    throw ValueError.atParameter(thrown, i + 1)
  }
  return chosen
}

/**
 * Like {@link encoder}, for all values of a statement. The thrown reason names the parameter.
 *
 * @category encoding
 * @since 0.1.0
 */
export const encoders = (values: ReadonlyArray<unknown>, dialect: Dialect): ReadonlyArray<Encoder> =>
  forEach(values, (value) => encoder(value, dialect))

/**
 * Throws a plain `ValueError.Reason` unless there is one value per type.
 *
 * @category encoding
 * @since 0.1.0
 */
export const checkCount = (values: ReadonlyArray<unknown>, types: ReadonlyArray<unknown>): void => {
  if (values.length !== types.length) {
    throw ValueError.reason("TypeMismatch", "parameters", undefined, `${types.length} parameters`, `${values.length}`)
  }
}

/**
 * Like {@link describedEncoder}, for all values of a statement. Throws unless there is one value per type. The thrown
 * reason names the parameter.
 *
 * @category encoding
 * @since 0.1.0
 */
export const describedEncoders = (
  values: ReadonlyArray<unknown>,
  types: ReadonlyArray<Type.Any | undefined>
): ReadonlyArray<Encoder> => {
  checkCount(values, types)
  return forEach(values, (value, i) => describedEncoder(value, types[i]))
}

/**
 * Writes a parameter as in Bind: a four-byte length and the value's bytes, or the length -1 for NULL.
 *
 * **Gotchas**
 *
 * If it throws, part of the parameter may have been written; the caller removes what it wrote of the message.
 *
 * @category encoding
 * @since 0.1.0
 */
export const write = (out: ByteWriter, encoder: Encoder, value: unknown): void => {
  const given = isParameter(value) ? value.value : value
  if (given === null) return out.int32(-1)
  writeSized(out, encoder.write, given)
}

/** The reason if a value's own code throws while it is written, such as `toJSON`. */
const unwritable = () =>
  ValueError.reason("TypeMismatch", "parameter", undefined, "a value that can be written", "one that throws")

/**
 * Returns the `parameters` of a Bind message, or the `arguments` of a FunctionCall, for `Wire.asBytes`: the values are
 * written directly into the frame by their encoders.
 *
 * **Details**
 *
 * The message must have the formats of {@link formats}. If a value cannot be written, writing the message throws a
 * plain `ValueError.Reason` that names the parameter.
 *
 * @category encoding
 * @since 0.1.0
 */
export const writable = (encoders: ReadonlyArray<Encoder>, values: ReadonlyArray<unknown>): Wire.Writable => ({
  writeTo: (out) => {
    out.int16(values.length)
    let i = 0
    try {
      for (; i < values.length; i++) write(out, encoders[i]!, values[i])
    } catch (thrown) {
      const isReason = ValueError.isReason(thrown) || ProtocolError.isReason(thrown)
      throw ValueError.atParameter(isReason ? thrown : unwritable(), i + 1)
    }
  }
})

/**
 * Returns the `parameterFormats` of a Bind message: a single format if all parameters have the same one, otherwise one
 * per parameter.
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
