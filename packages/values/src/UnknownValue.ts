/**
 * Values whose type the registry does not know, or not in this format, as their bytes.
 *
 * @since 0.1.0
 */
import * as Equal from "effect/Equal"
import * as Hash from "effect/Hash"
import * as Schema from "effect/Schema"
import * as Bytes from "./internal/codec/bytes.ts"
import type { Format } from "./Type.ts"

const TypeId: unique symbol = Symbol.for("@hyperfect/values/UnknownValue")

/**
 * The bytes of a value whose type the registry does not know.
 *
 * **Details**
 *
 * It appears only in the binary formats: in text format such a value is read as a string. The bytes are a copy.
 *
 * @category models
 * @since 0.1.0
 */
export interface UnknownValue extends Equal.Equal {
  readonly [TypeId]: typeof TypeId
  readonly typeOid: number
  readonly format: Format
  readonly bytes: Uint8Array
}

class Value implements UnknownValue {
  readonly typeOid: number
  readonly format: Format
  readonly bytes: Uint8Array

  constructor(typeOid: number, format: Format, bytes: Uint8Array) {
    this.typeOid = typeOid
    this.format = format
    this.bytes = bytes
  }

  get [TypeId](): typeof TypeId {
    return TypeId
  }

  [Equal.symbol](that: Equal.Equal): boolean {
    return isUnknownValue(that) && this.typeOid === that.typeOid && this.format === that.format &&
      Equal.equals(this.bytes, that.bytes)
  }

  [Hash.symbol](): number {
    return Hash.combine(Hash.number(this.typeOid), Hash.hash(this.bytes))
  }

  toJSON(): unknown {
    return { _id: "UnknownValue", typeOid: this.typeOid, format: this.format, bytes: Bytes.toHex(this.bytes) }
  }
}

/**
 * True if the value is an {@link UnknownValue}.
 *
 * @category guards
 * @since 0.1.0
 */
export const isUnknownValue = (u: unknown): u is UnknownValue => typeof u === "object" && u !== null && TypeId in u

/**
 * Creates an unknown value that keeps a reference to these bytes.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (typeOid: number, format: Format, bytes: Uint8Array): UnknownValue =>
  new Value(typeOid, format, bytes)

/**
 * The Schema of the instances.
 *
 * @category schemas
 * @since 0.1.0
 */
export const UnknownValue: Schema.declare<UnknownValue> = Schema.declare(isUnknownValue, { expected: "UnknownValue" })
