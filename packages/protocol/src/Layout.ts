/**
 * How a value lies on the wire, as data.
 *
 * A layout is what the schemas of `Wire` carry as an annotation. Readers, writers, reference pages and limits are derived
 * from it; it holds no functions, so it can be printed and compared. All integers of the protocol are big-endian.
 *
 * @since 0.1.0
 */

/**
 * A big-endian integer; the 64-bit ones are `bigint` in JavaScript.
 *
 * @category models
 * @since 0.1.0
 */
export interface Int {
  readonly _tag: "Int"
  readonly type: "Int8" | "UInt8" | "Int16" | "UInt16" | "Int32" | "UInt32" | "Int64"
}

/**
 * One byte that is a character, such as the status of ReadyForQuery.
 *
 * @category models
 * @since 0.1.0
 */
export interface Char {
  readonly _tag: "Char"
  /** The characters that are allowed; any byte but zero when absent. */
  readonly allowed?: ReadonlyArray<string> | undefined
}

/**
 * UTF-8 text that ends with a zero byte.
 *
 * @category models
 * @since 0.1.0
 */
export interface CString {
  readonly _tag: "CString"
  /** Whether traces hide the text: always, or when a field beside it has one of some values. */
  readonly secret?: true | { readonly field: string; readonly in: ReadonlyArray<string> } | undefined
}

/**
 * A fixed number of bytes.
 *
 * @category models
 * @since 0.1.0
 */
export interface Bytes {
  readonly _tag: "Bytes"
  readonly length: number
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
 * A length, then that many bytes; length -1 is `null`.
 *
 * @category models
 * @since 0.1.0
 */
export interface Nullable {
  readonly _tag: "Nullable"
}

/**
 * A count, then that many items.
 *
 * @category models
 * @since 0.1.0
 */
export interface Counted {
  readonly _tag: "Counted"
  readonly count: Int
  readonly item: Layout
}

/**
 * Items up to a zero byte. An item never begins with a zero byte.
 *
 * @category models
 * @since 0.1.0
 */
export interface Terminated {
  readonly _tag: "Terminated"
  readonly item: Layout
}

/**
 * Fields, one behind the other.
 *
 * @category models
 * @since 0.1.0
 */
export interface Struct {
  readonly _tag: "Struct"
  readonly fields: ReadonlyArray<Field>
}

/**
 * A field of a message: its name, and how it lies on the wire.
 *
 * @category models
 * @since 0.1.0
 */
export interface Field {
  readonly name: string
  readonly layout: Layout
}

/**
 * How a value lies on the wire, as data.
 *
 * @category models
 * @since 0.1.0
 */
export type Layout = Int | Char | CString | Bytes | Rest | Nullable | Counted | Terminated | Struct

const sizes = { Int8: 1, UInt8: 1, Int16: 2, UInt16: 2, Int32: 4, UInt32: 4, Int64: 8 } as const

/**
 * The smallest and largest value of each integer that fits into a `number`.
 *
 * @category constants
 * @since 0.1.0
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
 * The bytes of an integer.
 *
 * @category getters
 * @since 0.1.0
 */
export const intSize = (int: Int): number => sizes[int.type]

/**
 * The fewest bytes that a value of this layout takes: what bounds an element count by the bytes that are left.
 *
 * @category getters
 * @since 0.1.0
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
 * Whether a text is to be hidden, by the fields of the struct that it is one of.
 *
 * @category guards
 * @since 0.1.0
 */
export const isSecret = ({ secret }: CString, beside: Readonly<Record<string, unknown>>): boolean =>
  secret === true || (secret !== undefined && secret.in.includes(beside[secret.field] as string))
