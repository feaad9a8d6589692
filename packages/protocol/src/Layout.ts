/**
 * Wire layouts of values, as data.
 *
 * The schemas of `Wire` carry a layout as an annotation. Readers, writers, reference pages and limits are derived from
 * it. A layout contains no functions, so it can be printed and compared. All integers of the protocol are big-endian.
 *
 * @since 0.1.0
 */

/**
 * A big-endian integer; 64-bit integers are `bigint` in JavaScript.
 *
 * @category models
 * @since 0.1.0
 */
export interface Int {
  readonly _tag: "Int"
  readonly type: "Int8" | "UInt8" | "Int16" | "UInt16" | "Int32" | "UInt32" | "Int64"
}

/**
 * UTF-8 text that ends with a zero byte.
 *
 * @category models
 * @since 0.1.0
 */
export interface CString {
  readonly _tag: "CString"
  /** Hides the text in traces: always, or if a sibling field has one of the listed values. */
  readonly secret?: true | { readonly field: string; readonly in: ReadonlyArray<string> } | undefined
}

/**
 * All bytes up to the end of the message.
 *
 * @category models
 * @since 0.1.0
 */
export interface Rest {
  readonly _tag: "Rest"
  readonly minimum: number
  readonly maximum: number
}

/**
 * The maximum number of items of a `Terminated` list. A three-byte item becomes an object twenty times that size,
 * so the message length alone does not bound memory; no list of the protocol has 100 items.
 *
 * @category constants
 * @since 0.1.0
 */
export const maxTerminatedItems = 1024

/**
 * Consecutive fields.
 *
 * @category models
 * @since 0.1.0
 */
export interface Struct {
  readonly _tag: "Struct"
  readonly fields: ReadonlyArray<Field>
}

/**
 * A field of a message: its name and layout.
 *
 * @category models
 * @since 0.1.0
 */
export interface Field {
  readonly name: string
  readonly layout: Layout
}

/**
 * The wire layout of a value, as data.
 *
 * @category models
 * @since 0.1.0
 */
export type Layout =
  | Int
  /** One byte that represents a character: one of those allowed, or any except zero. */
  | { readonly _tag: "Char"; readonly allowed?: ReadonlyArray<string> | undefined }
  | CString
  /** A fixed number of bytes. */
  | { readonly _tag: "Bytes"; readonly length: number }
  | Rest
  /** A length, then that many bytes; length -1 is `null`. */
  | { readonly _tag: "Nullable" }
  /** A count, then that many items. */
  | { readonly _tag: "Counted"; readonly count: Int; readonly item: Layout }
  /** Items up to a zero byte, at most {@link maxTerminatedItems}. An item never begins with a zero byte. */
  | { readonly _tag: "Terminated"; readonly item: Layout }
  | Struct

const sizes = { Int8: 1, UInt8: 1, Int16: 2, UInt16: 2, Int32: 4, UInt32: 4, Int64: 8 } as const

/**
 * The smallest and largest value of each integer type that fits into a `number`.
 *
 * @internal
 */
export const ranges = {
  Int8: [-0x80, 0x7f],
  UInt8: [0, 0xff],
  Int16: [-0x8000, 0x7fff],
  UInt16: [0, 0xffff],
  Int32: [-0x8000_0000, 0x7fff_ffff],
  UInt32: [0, 0xffff_ffff]
} as const

/**
 * Returns the size of an integer in bytes.
 *
 * @internal
 */
export const intSize = (int: Int): 1 | 2 | 4 | 8 => sizes[int.type]

/**
 * Returns the minimum number of bytes of a value of this layout, with which an element count is checked against the
 * remaining bytes.
 *
 * @internal
 */
export const minimumSize = (layout: Layout): number => {
  switch (layout._tag) {
    case "Int":
      return intSize(layout)
    case "Char":
    case "CString":
    case "Terminated":
      return 1
    case "Bytes":
      return layout.length
    case "Rest":
      return layout.minimum
    case "Nullable":
      return 4
    case "Counted":
      return intSize(layout.count)
    case "Struct":
      return layout.fields.reduce((size, field) => size + minimumSize(field.layout), 0)
  }
}

/**
 * True if a text must be hidden, given the fields of the struct that contains it.
 *
 * @category guards
 * @since 0.1.0
 */
export const isSecret = ({ secret }: CString, siblings: Readonly<Record<string, unknown>>): boolean =>
  secret === true || (secret !== undefined && secret.in.includes(siblings[secret.field] as string))
