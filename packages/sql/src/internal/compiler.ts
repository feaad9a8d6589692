/**
 * The compiler of Effect's statements to PostgreSQL's dialect, which Hyper shares.
 *
 * @internal
 */
import * as BuiltIn from "@hyperfect/values/BuiltIn"
import * as Parameter from "@hyperfect/values/Parameter"
import * as Statement from "effect/sql/Statement"

interface Json extends Statement.Custom<"HyperfectJson", unknown> {}

const Json = Statement.custom<Json>("HyperfectJson")

/** Makes the fragment that stands for a `jsonb` parameter. */
export const json = (value: unknown): Statement.Fragment => Statement.fragment([Json(value)])

const escape = Statement.defaultEscape("\"")

/** Makes a compiler whose names of tables and columns, and keys of JSON documents, are transformed. */
export const make = (
  transform: ((name: string) => string) | undefined,
  transformJson: boolean
): Statement.Compiler => {
  const transformValue = transform === undefined || !transformJson
    ? undefined
    : Statement.defaultTransforms(transform).value
  return Statement.makeCompiler<Json>({
    dialect: "pg",
    placeholder: (index) => `$${index}`,
    onIdentifier: transform === undefined
      ? escape
      : (name, withoutTransform) => escape(withoutTransform ? name : transform(name)),
    onRecordUpdate: (placeholders, alias, columns, values, returning) => {
      const text = `(values ${placeholders}) AS ${alias}${columns}`
      return returning === undefined
        ? [text, values.flat()]
        : [`${text} RETURNING ${returning[0]}`, [...values.flat(), ...returning[1]]]
    },
    onCustom: ({ paramA }, placeholder, withoutTransform) => [
      placeholder(undefined),
      [
        Parameter.make(
          withoutTransform || transformValue === undefined ? paramA : transformValue(paramA),
          BuiltIn.jsonb
        )
      ]
    ]
  })
}
