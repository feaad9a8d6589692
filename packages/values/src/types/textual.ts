/**
 * Types whose values are kept as the text that PostgreSQL prints.
 *
 * @since 0.1.0
 */
import { textual, versioned } from "../internal/text/textual.ts"
import type { Type } from "../Type.ts"
import { text } from "./text.ts"

/** Derives a type that is always sent as text, because its binary format is an internal structure of the server. */
const textOnly = (name: string, oid: number, arrayOid: number): Type<string> => ({
  name,
  oid,
  arrayOid,
  schema: text.schema,
  text: textual(name)
})

/**
 * `tsvector`, as its text. No binary codec: values are sent and received as text.
 *
 * @category types
 * @since 0.1.0
 */
export const tsvector: Type<string> = textOnly("tsvector", 3614, 3643)

/**
 * `tsquery`, as its text. No binary codec: values are sent and received as text.
 *
 * @category types
 * @since 0.1.0
 */
export const tsquery: Type<string> = textOnly("tsquery", 3615, 3645)

/**
 * `aclitem`, a privilege, as its text; the server has no binary format for it.
 *
 * @category types
 * @since 0.1.0
 */
export const aclitem: Type<string> = textOnly("aclitem", 1033, 1034)

/**
 * `pg_node_tree`, an expression of the catalogue, as its text.
 *
 * @category types
 * @since 0.1.0
 */
export const pgNodeTree: Type<string> = textOnly("pg_node_tree", 194, 0)

/**
 * `jsonpath`, as its text.
 *
 * @category types
 * @since 0.1.0
 */
export const jsonpath: Type<string> = {
  ...textOnly("jsonpath", 4072, 4073),
  binary: versioned("jsonpath")
}
