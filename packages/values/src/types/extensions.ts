/**
 * Types that extensions bring. Their OIDs differ from database to database, so they are known by their names.
 *
 * @since 0.1.0
 */
import type { Any, Type } from "../Type.ts"
import { cube } from "./cube.ts"
import { hstore } from "./hstore.ts"
import { halfvec, sparsevec, vector } from "./pgvector.ts"
import { text } from "./text.ts"
import { textual, versioned } from "./textual.ts"

/**
 * `citext` of the extension of that name: a text that is compared without regard to case.
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
  binary: versioned(name),
  hyper: undefined
})

/**
 * `ltree` of the extension of that name: labels with points between them, as their text.
 *
 * @category types
 * @since 0.1.0
 */
export const ltree: Type<string> = labelTree("ltree")

/**
 * `lquery`, a pattern that `ltree` values are matched with, as its text.
 *
 * @category types
 * @since 0.1.0
 */
export const lquery: Type<string> = labelTree("lquery")

/**
 * `ltxtquery`, words that are looked for among the labels of `ltree` values, as its text.
 *
 * @category types
 * @since 0.1.0
 */
export const ltxtquery: Type<string> = labelTree("ltxtquery")

/**
 * The types of extensions that are known by their names.
 *
 * @category types
 * @since 0.1.0
 */
export const extensionTypes: ReadonlyArray<Any> = [
  hstore,
  citext,
  ltree,
  lquery,
  ltxtquery,
  cube,
  vector,
  halfvec,
  sparsevec
]
