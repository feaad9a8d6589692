/**
 * Types of extensions. Their OIDs differ between databases, so they are identified by name.
 *
 * @since 0.1.0
 */
import { textual, versioned } from "../internal/text/textual.ts"
import type { Type } from "../Type.ts"
import { text } from "./text.ts"

/**
 * The type `citext` of the extension `citext`: a text that is compared case-insensitively.
 *
 * @category types
 * @since 0.1.0
 */
export const citext: Type<string> = { ...text, name: "citext", oid: 0, arrayOid: 0, hyper: undefined }

const labelTree = (name: string): Type<string> => ({
  name,
  oid: 0,
  arrayOid: 0,
  schema: text.schema,
  text: textual(name),
  binary: versioned(name)
})

/**
 * The type `ltree` of the extension `ltree`: labels separated by dots, as text.
 *
 * @category types
 * @since 0.1.0
 */
export const ltree: Type<string> = labelTree("ltree")

/**
 * `lquery`, a pattern for matching `ltree` values, as text.
 *
 * @category types
 * @since 0.1.0
 */
export const lquery: Type<string> = labelTree("lquery")

/**
 * `ltxtquery`, a search for words among the labels of `ltree` values, as text.
 *
 * @category types
 * @since 0.1.0
 */
export const ltxtquery: Type<string> = labelTree("ltxtquery")
