/**
 * The schema of an Arrow IPC stream (Arrow Columnar Format, Schema.fbs), as far as Hyper's COPY depends on it.
 *
 * @since 0.1.0
 */
import type { FlatTable } from "./internal/arrowStreams.ts"

/**
 * A column of an Arrow IPC stream.
 *
 * @category models
 * @since 0.1.0
 */
export interface ArrowField {
  readonly name: string
  /** The type, such as `Int32`, `Timestamp(us, Utc)` or `List(Utf8)`. */
  readonly type: string
  readonly nullable: boolean
  /** Hyper's own keys describe the types of which Arrow knows less, such as `hyper:type` and `hyper:max_string_length`. */
  readonly metadata: ReadonlyMap<string, string>
}

const units = ["s", "ms", "us", "ns"]
const intervals = ["year-month", "day-time", "month-day-nano"]

/** The types in the order of the union `Type`, with their parameters. */
const types: ReadonlyArray<
  readonly [name: string, parameters?: (table: FlatTable, children: Array<string>) => string]
> = [
  ["None"],
  ["Null"],
  ["Int", (table) => `${table.uint8(1) === 0 ? "Uint" : "Int"}${table.int32(0)}`],
  ["Float", (table) => `Float${[16, 32, 64][table.int16(0)]}`],
  ["Binary"],
  ["Utf8"],
  ["Bool"],
  ["Decimal", (table) => `Decimal${table.int32(2, 128)}(${table.int32(0)}, ${table.int32(1)})`],
  ["Date", (table) => table.int16(0, 1) === 0 ? "Date32" : "Date64"],
  ["Time", (table) => `Time${table.int32(1, 32)}(${units[table.int16(0, 1)]})`],
  ["Timestamp", (table) => {
    const zone = table.string(1)
    return `Timestamp(${units[table.int16(0)]}${zone === undefined ? "" : `, ${zone}`})`
  }],
  ["Interval", (table) => `Interval(${intervals[table.int16(0)]})`],
  ["List", (_, children) => `List(${children.join()})`],
  ["Struct"],
  ["Union"],
  ["FixedSizeBinary", (table) => `FixedSizeBinary(${table.int32(0)})`],
  ["FixedSizeList", (table, children) => `FixedSizeList(${table.int32(0)}, ${children.join()})`],
  ["Map"],
  ["Duration"],
  ["LargeBinary"],
  ["LargeUtf8"],
  ["LargeList", (_, children) => `LargeList(${children.join()})`],
  ["RunEndEncoded"],
  ["BinaryView"],
  ["Utf8View"],
  ["ListView"],
  ["LargeListView"]
]

/** The positions of a field's properties in its table. */
const [fieldName, isNullable, typeCode, type, dictionary, children, fieldMetadata] = [0, 1, 2, 3, 4, 5, 6]

/** More levels than this are not a schema but a loop. */
const maxDepth = 64

const readField = (table: FlatTable, depth = 0): ArrowField => {
  if (depth > maxDepth) throw new RangeError("the schema is too deep")
  const [name = "", print] = types[table.uint8(typeCode)] ?? []
  const inner = table.tables(children).map((child) => readField(child, depth + 1).type)
  const plain = print?.(table.table(type)!, inner) ?? name
  const metadata = table.tables(fieldMetadata).map((entry) => [entry.string(0) ?? "", entry.string(1) ?? ""] as const)
  return {
    name: table.string(fieldName) ?? "",
    type: table.table(dictionary) === undefined ? plain : `Dictionary(${plain})`,
    nullable: table.uint8(isNullable) !== 0,
    metadata: new Map(metadata)
  }
}

/**
 * Reads the fields of a table Schema. Throws a `RangeError` if it is damaged.
 *
 * @internal
 */
export const readFields = (schema: FlatTable): ReadonlyArray<ArrowField> =>
  schema.tables(1).map((field) => readField(field))

/**
 * Returns a field as text, for messages: its type, nullability and Hyper's keys.
 *
 * @internal
 */
export const describe = ({ metadata, nullable, type }: ArrowField): string => {
  const keys = [...metadata].filter(([key]) => key.startsWith("hyper:")).map(([key, value]) => ` ${key}=${value}`)
    .sort()
  return `${type}${nullable ? "" : " NOT NULL"}${keys.join("")}`
}

/** The types that Hyper accepts for a column of another Arrow type (H-61). */
const alternatives: Readonly<Record<string, ReadonlyArray<string>>> = {
  Int16: ["Int8", "Uint8"],
  Int32: ["Uint16"],
  Int64: ["Uint32"],
  Date64: ["Date32"],
  "Time64(us)": ["Time32(s)", "Time32(ms)", "Time64(ns)"],
  "Interval(month-day-nano)": ["Interval(year-month)", "Interval(day-time)"]
}

const kindOf = (type: string): string =>
  type.startsWith("Timestamp(") && !type.startsWith("Timestamp(ns")
    ? `Timestamp ${type.includes(",") ? "with" : "without"} a zone`
    : type

/**
 * True if Hyper's COPY accepts a field of data for a field of its table.
 *
 * @internal
 */
export const accepts = (wanted: ArrowField, found: ArrowField): boolean =>
  (wanted.nullable || !found.nullable) &&
  (kindOf(wanted.type) === kindOf(found.type) || (alternatives[wanted.type] ?? []).includes(found.type)) &&
  [...wanted.metadata].every(([key, value]) => !key.startsWith("hyper:") || found.metadata.get(key) === value)
