/**
 * From the values of a statement to what Parse declares and Bind sends.
 *
 * @internal
 */
import type { ByteWriter } from "@hyperfect/protocol/ByteWriter"
import * as ProtocolError from "@hyperfect/protocol/ProtocolError"
import type * as Wire from "@hyperfect/protocol/Wire"
import * as BuiltIn from "@hyperfect/values/BuiltIn"
import * as Parameter from "@hyperfect/values/Parameter"
import * as Type from "@hyperfect/values/Type"
import type * as TypeRegistry from "@hyperfect/values/TypeRegistry"
import * as ValueError from "@hyperfect/values/ValueError"
import * as BigDecimal from "effect/BigDecimal"

/** A parameter on its way into a Bind: it writes itself in place. */
class Bound implements Wire.Writable {
  private readonly encoder: Parameter.Encoder
  private readonly value: unknown
  private readonly index: number

  constructor(encoder: Parameter.Encoder, value: unknown, index: number) {
    this.encoder = encoder
    this.value = value
    this.index = index
  }

  writeTo(out: ByteWriter): void {
    try {
      this.encoder.write(out, this.value as never, -1)
    } catch (thrown) {
      throw ValueError.atParameter(isReason(thrown) ? thrown : unwritable(), this.index + 1)
    }
  }
}

const isReason = (thrown: unknown): boolean => ValueError.isReason(thrown) || ProtocolError.isReason(thrown)

/** Values run code of their own while they are written, such as `toJSON`. */
const unwritable = () =>
  ValueError.reason("TypeMismatch", "parameter", undefined, "a value that can be written", "one that throws")

/** What Parse and Bind need. `parameters` go into the Bind message as they are. */
export interface Encoded {
  readonly parameterTypes: ReadonlyArray<number>
  readonly parameterFormats: ReadonlyArray<number>
  readonly parameters: ReadonlyArray<Uint8Array | null>
}

const none: Encoded = { parameterTypes: [], parameterFormats: [], parameters: [] }

const encode = (
  values: ReadonlyArray<unknown>,
  encoderOf: (value: unknown, index: number) => Parameter.Encoder
): Encoded => {
  if (values.length === 0) return none
  const parameterTypes = new Array<number>(values.length)
  const parameterFormats = new Array<number>(values.length)
  const parameters = new Array<unknown>(values.length)
  let i = 0
  try {
    for (; i < values.length; i++) {
      const value = values[i]
      const encoder = encoderOf(value, i)
      parameterTypes[i] = encoder.typeOid
      parameterFormats[i] = encoder.format
      const plain = Parameter.isParameter(value) ? value.value : value
      parameters[i] = plain === null ? null : new Bound(encoder, plain, i)
    }
  } catch (thrown) {
    throw ValueError.atParameter(thrown, i + 1)
  }
  return { parameterTypes, parameterFormats, parameters: parameters as ReadonlyArray<Uint8Array | null> }
}

const checkCount = (values: ReadonlyArray<unknown>, most: number): void => {
  if (values.length > most) {
    throw ValueError.reason("OutOfRange", "parameters", undefined, `at most ${most}`, `${values.length}`)
  }
}

/** For Hyper, which wants to be told each type: inferred from the values. Throws a `ValueError.Reason`. */
export const encodeForHyper = (values: ReadonlyArray<unknown>): Encoded => {
  checkCount(values, 32_767)
  return encode(values, (value) => Parameter.encoder(value, "hyper"))
}

/**
 * The types that Parse declares to PostgreSQL. Numbers, strings and JSON are left to the server, which knows best what
 * the place that they stand in wants. Throws a `ValueError.Reason`.
 */
export const declaredTypes = (values: ReadonlyArray<unknown>): ReadonlyArray<number> => {
  checkCount(values, 65_535)
  return encode(values, (value) => Parameter.encoder(value, "postgres")).parameterTypes
    .map((typeOid, i) => isNumeric(values[i]) ? 0 : typeOid)
}

/** For PostgreSQL, which is asked to run what it has not described: see {@link declaredTypes}. Throws a `ValueError.Reason`. */
export const encodeUnprepared = (values: ReadonlyArray<unknown>): Encoded => {
  checkCount(values, 65_535)
  return encode(values, (value) => (isNumeric(value) ? decimal : Parameter.encoder(value, "postgres")))
}

/** For Hyper, which was told these types. Throws a `ValueError.Reason`. */
export const encodeDeclared = (values: ReadonlyArray<unknown>, types: ReadonlyArray<Type.Any>): Encoded => {
  checkLength(values, types)
  return encode(values, (_, i) => Parameter.encoderFor(types[i]!, "hyper"))
}

const checkLength = (values: ReadonlyArray<unknown>, types: ReadonlyArray<unknown>): void => {
  if (values.length !== types.length) {
    throw ValueError.reason("TypeMismatch", "parameter", undefined, `${types.length} parameters`, `${values.length}`)
  }
}

/** For PostgreSQL, which has said the type of each parameter. Throws a `ValueError.Reason`. */
export const encodeForPostgres = (
  values: ReadonlyArray<unknown>,
  types: ReadonlyArray<number>,
  registry: TypeRegistry.TypeRegistry
): Encoded => {
  checkLength(values, types)
  return encode(values, (value, i) => {
    // The bytes of a domain are those of what it is over.
    const known = registry.find(types[i]!)
    const type = known && Type.underlying(known)
    if (isNumeric(value)) return type === undefined || isText(type) ? decimal : Parameter.encoderFor(type, "postgres")
    const inferred = Parameter.encoder(value, "postgres")
    // An array, or an object that is no value type of its own: JSON, unless the server wants an array, a range, a point ...
    const isOpen = inferred.typeOid === 0 && typeof value === "object" && value !== null &&
      !Parameter.isParameter(value)
    return isOpen && type !== undefined && !isJson(type) && !isText(type)
      ? Parameter.encoderFor(type, "postgres")
      : inferred
  })
}

const isNumeric = (value: unknown): boolean =>
  typeof value === "number" || typeof value === "bigint" || BigDecimal.isBigDecimal(value)

const textOids = new Set(
  [BuiltIn.text, BuiltIn.varchar, BuiltIn.bpchar, BuiltIn.name, BuiltIn.unknown].map(({ oid }) => oid)
)
const isText = ({ oid }: { readonly oid: number }): boolean => textOids.has(oid)

const jsonOids = new Set([BuiltIn.json, BuiltIn.jsonb].map(({ oid }) => oid))
const isJson = ({ oid }: { readonly oid: number }): boolean => jsonOids.has(oid)

/** A number where the server wants a text, or a type that is not known here: its digits. */
const decimal: Parameter.Encoder = {
  typeOid: 0,
  format: 0,
  write: (out, value) => out.utf8(BigDecimal.isBigDecimal(value) ? BigDecimal.format(value) : String(value))
}
