/**
 * Support for servers with `integer_datetimes` off, as PostgreSQL could be built up to 9.6. In their binary format the
 * values of some types are floating-point numbers, without any mark in the data. These types, and all types that
 * contain them, are sent and requested as text.
 *
 * @internal
 */
import * as BindWriter from "@hyperfect/values/BindWriter"
import * as Parameter from "@hyperfect/values/Parameter"
import * as Preset from "@hyperfect/values/Preset"
import type * as Type from "@hyperfect/values/Type"
import * as TypeRegistry from "@hyperfect/values/TypeRegistry"
import * as UnknownValue from "@hyperfect/values/UnknownValue"
import { memoize } from "effect/Function"
import { holdsDatetimes } from "../session/typeParts.ts"

type Encoders = ReadonlyArray<Parameter.Encoder>

/** Equal columns share one type. */
const withoutBinary = memoize((type: Type.Any): Type.Any =>
  holdsDatetimes(type) ? { ...type, binary: undefined } : type
)

/** Returns a preset that reads these types only from text. */
export const textPreset = (preset: Preset.Preset): Preset.Preset =>
  Preset.withDuplicates(
    Preset.make((type, column) => {
      const read = preset(type, column)
      return holdsDatetimes(type) ? { ...read, binary: undefined } : read
    }),
    Preset.duplicates(preset)
  )

/** Replaces the encoders of values that have to be sent as text. */
export const textEncoders = (encoders: Encoders, values: ReadonlyArray<unknown>): Encoders =>
  encoders.map((encoder, i) => {
    const value = values[i]
    if (encoder.format === 0 || UnknownValue.isUnknownValue(value)) return encoder
    const type = Parameter.isParameter(value) ? value.type : TypeRegistry.builtIn.find(encoder.typeOid)
    return type !== undefined && holdsDatetimes(type) ? Parameter.encoderFor(withoutBinary(type), "postgres") : encoder
  })

/** Creates a writer of the Bind messages of one prepared statement. */
export const makeBind = (options: BindWriter.Options): BindWriter.BindWriter => {
  const { portal, resultFormats, statement } = options
  const types = options.types.map((type) => type && withoutBinary(type))
  return (out, values) =>
    BindWriter.writeUnsafe(out, {
      statement,
      portal,
      encoders: textEncoders(Parameter.describedEncoders(values, types), values),
      values,
      resultFormats
    })
}
