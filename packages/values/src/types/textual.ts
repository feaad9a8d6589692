/**
 * Types whose values are best left as the text that PostgreSQL prints.
 *
 * @since 0.1.0
 */
import * as Codec from "../internal/codec.ts"
import type { Codec as TypeCodec, Format, Type } from "../Type.ts"
import { text } from "./text.ts"

const checked = (typeName: string, format: Format, value: unknown): string => {
  if (typeof value !== "string") return Codec.typeMismatch(typeName, format, "string", value)
  return value.isWellFormed() && !value.includes("\0")
    ? value
    : Codec.notRepresentable(typeName, format, "a well-formed text without U+0000", "another")
}

/**
 * The text form of a type whose values are left as their text.
 *
 * @internal
 */
export const textual = (name: string): TypeCodec<string> => ({
  read: (bytes, start, end) => Codec.utf8(bytes, start, end, name, 0),
  write: (out, value) => out.utf8(checked(name, 0, value))
})

/** Sent in text whatever is asked for: its binary form is a structure of the server's own. */
const textOnly = (name: string, oid: number, arrayOid: number): Type<string> => ({
  name,
  oid,
  arrayOid,
  schema: text.schema,
  text: textual(name),
  binary: undefined,
  hyper: undefined
})

/**
 * `tsvector`, as its text. It has no binary form here: results come and go as text.
 *
 * @category types
 * @since 0.1.0
 */
export const tsvector: Type<string> = textOnly("tsvector", 3614, 3643)

/**
 * `tsquery`, as its text. It has no binary form here: results come and go as text.
 *
 * @category types
 * @since 0.1.0
 */
export const tsquery: Type<string> = textOnly("tsquery", 3615, 3645)

/**
 * `aclitem`, a privilege as its text; the server has no binary form of it.
 *
 * @category types
 * @since 0.1.0
 */
export const aclitem: Type<string> = textOnly("aclitem", 1033, 1034)

/**
 * `pg_node_tree`, an expression of the catalogue as its text.
 *
 * @category types
 * @since 0.1.0
 */
export const pgNodeTree: Type<string> = textOnly("pg_node_tree", 194, 0)

/** The first byte of the binary form. There is no other version. */
const version = 1

/**
 * The binary form of a type whose values are left as their text: the number of a version, and the text.
 *
 * @internal
 */
export const versioned = (name: string): TypeCodec<string> => ({
  read: (bytes, start, end) =>
    end > start && bytes[start] === version
      ? Codec.utf8(bytes, start + 1, end, name, 1)
      : Codec.malformed(name, 1, "version 1", "another first byte"),
  write: (out, value) => {
    const text = checked(name, 1, value)
    out.uint8(version)
    out.utf8(text)
  }
})

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
