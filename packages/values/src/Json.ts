/**
 * The JSON value null, as distinct from NULL.
 *
 * A `json` or `jsonb` column can be NULL, and it can contain the document `null`. Inside a document null is
 * JavaScript's `null`, as in `JSON.parse`. A document that is null as a whole, also as an element of an array or a
 * field of a composite, is the constant {@link Null}; NULL is `null`.
 *
 * @since 0.1.0
 */
import * as Inspectable from "effect/Inspectable"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as ValueSchema from "./internal/schema/value.ts"

const TypeId: unique symbol = Symbol.for("@hyperfect/values/Json/Null")

/**
 * The type of {@link Null}.
 *
 * @category models
 * @since 0.1.0
 */
export interface JsonNull {
  readonly [TypeId]: typeof TypeId
  /** `"null"` */
  toString(): string
  /** Returns `null`, so that `JSON.stringify` writes JSON null, also inside other values. */
  toJSON(): null
}

class Value implements JsonNull {
  get [TypeId](): typeof TypeId {
    return TypeId
  }

  toString(): string {
    return "null"
  }

  toJSON(): null {
    return null
  }

  [Inspectable.NodeInspectSymbol](): string {
    return "Json.Null"
  }
}

/**
 * The JSON document `null`, as the value of a JSON column that is not NULL.
 *
 * **Details**
 *
 * `BuiltIn.json` and `BuiltIn.jsonb` read it, and so does the preset `Preset.lossless`. It is written as JSON null;
 * JavaScript's `null` is written as NULL. `Preset.native` reads both as `null`.
 *
 * **Example** (JSON null as a parameter)
 *
 * ```ts
 * import { BuiltIn, Json, Parameter } from "@hyperfect/values"
 * import { strict as assert } from "node:assert"
 *
 * assert.equal(Parameter.describedEncoder(Json.Null, BuiltIn.jsonb), Parameter.describedEncoder({ a: 1 }, BuiltIn.jsonb))
 * assert.equal(JSON.stringify({ document: Json.Null }), "{\"document\":null}")
 * ```
 *
 * @category constants
 * @since 0.1.0
 */
export const Null: JsonNull = new Value()

/**
 * True if the value is {@link Null}, also of another copy of this package.
 *
 * @category guards
 * @since 0.1.0
 */
export const isJsonNull = (u: unknown): u is JsonNull => typeof u === "object" && u !== null && TypeId in u

/**
 * The Schema of {@link Null}, for row fields that may contain JSON null.
 *
 * @category schemas
 * @since 0.1.0
 */
export const JsonNull: Schema.declare<JsonNull> = ValueSchema.declare("JsonNull", {
  is: isJsonNull,
  parse: (text) => text === "null" ? Option.some(Null) : Option.none(),
  format: () => "null",
  arbitrary: Schema.Null,
  fromArbitrary: () => Null
}).instance
