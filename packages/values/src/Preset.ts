/**
 * Presets: how values are to be read, where another way than the lossless one is wanted.
 *
 * A preset is a function from a type to the type that a column is read by, so presets compose as functions do:
 * {@link withTypes} and {@link withColumns} make others of them. Which one counts is said for a query
 * (`Statement.withPreset`), or for all of a client ({@link layer}).
 *
 * What is sent is not affected: parameters are written by the values that they are.
 *
 * @since 0.1.0
 */
import * as ByteWriter from "@hyperfect/protocol/ByteWriter"
import * as Context from "effect/Context"
import { dual } from "effect/Function"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as BuiltIn from "./BuiltIn.ts"
import * as Codec from "./internal/codec.ts"
import type * as RowReader from "./RowReader.ts"
import type * as Type from "./Type.ts"
import type * as TypeRegistry from "./TypeRegistry.ts"

/**
 * The type to read a column by, from the type that the column has, and the column's name.
 *
 * @category models
 * @since 0.1.0
 */
export type Preset = (type: Type.Any, column: string) => Type.Any

/**
 * Everything as it is: nothing of a value is lost. The preset that counts unless another one is chosen.
 *
 * @category constants
 * @since 0.1.0
 */
export const lossless: Preset = (type) => type

/** The text that the type itself would write for a value that came in another format. */
const printed = (type: Type.Any, codec: Type.Codec<unknown>): Type.Codec<string> => ({
  read: (bytes, start, end, typeModifier) => {
    const out = ByteWriter.make(64)
    type.text.write(out, codec.read(bytes, start, end, typeModifier), typeModifier)
    const text = out.take()
    return Codec.utf8(text, 0, text.length, type.name, 0)
  },
  write: BuiltIn.text.text.write
})

/**
 * Every value as the text that the server prints for it.
 *
 * **Details**
 *
 * On PostgreSQL the columns are asked in text, so its settings show: the time zone of the session, its date style, its
 * locale. Hyper is asked in HyperBinary all the same, because its text loses digits of floating-point numbers; what the text
 * would have been is printed from the values in PostgreSQL's way, instants in UTC. A `geography`, which only Hyper can print,
 * stays bytes.
 *
 * @category constants
 * @since 0.1.0
 */
export const text: Preset = (type) => {
  const known = texts.get(type)
  if (known !== undefined) return known
  const made = asText(type)
  texts.set(type, made)
  return made
}

const texts = new WeakMap<Type.Any, Type.Any>()

const asText = (type: Type.Any): Type.Any => {
  const { binary, hyper, name, oid } = type
  // The bytes of JSON are its text already, and only Hyper can print a geography.
  const verbatim = oid === BuiltIn.json.oid
    ? BuiltIn.jsonText
    : oid === BuiltIn.jsonb.oid
    ? BuiltIn.jsonbText
    : undefined
  return {
    ...type,
    hasArrayValues: false,
    prefersText: true,
    mapParts: undefined,
    schema: Schema.String,
    text: {
      read: (bytes, start, end) => Codec.utf8(bytes, start, end, name, 0),
      write: BuiltIn.text.text.write
    },
    binary: verbatim?.binary ?? (binary && printed(type, binary)),
    hyper: verbatim?.hyper ?? (oid === BuiltIn.geography.oid ? hyper : hyper && printedHyper(type, hyper))
  }
}

const printedHyper = (type: Type.Any, hyper: Type.HyperCodec<unknown>): Type.HyperCodec<string> => ({
  ...printed(type, hyper),
  size: hyper.size,
  element: hyper.element && printedHyper(type, hyper.element)
})

const oids = (types: Iterable<Type.Any>): ReadonlySet<number> => new Set(Array.from(types, ({ oid }) => oid))

/** Types whose lossless values are `bigint`s or classes of this package, or names that the binary format has not. */
const textInNative = oids([
  BuiltIn.int8,
  BuiltIn.numeric,
  BuiltIn.money,
  BuiltIn.date,
  BuiltIn.time,
  BuiltIn.timetz,
  BuiltIn.timestamp,
  BuiltIn.interval,
  BuiltIn.xid8,
  BuiltIn.tid,
  BuiltIn.pgLsn,
  BuiltIn.pgSnapshot,
  BuiltIn.txidSnapshot,
  ...BuiltIn.registeredTypes
])

/**
 * Values of JavaScript's own kinds, much as users of `pg` know them: booleans, numbers, strings, `Date`, `Uint8Array`, parsed
 * JSON.
 *
 * **Details**
 *
 * | type | value | what is lost |
 * | --- | --- | --- |
 * | `int2`, `int4`, `oid`, `float4`, `float8` | number | nothing |
 * | `int8`, `numeric`, `money` | string, whatever the number: one type, one kind of value | nothing |
 * | `timestamptz` | `Date`; the infinities are the numbers `Infinity` and `-Infinity` | microseconds are cut off |
 * | `timestamp`, `date`, `time`, `timetz`, `interval` | string, as the server prints it | nothing |
 * | `json`, `jsonb` | parsed | digits beyond a double's |
 * | `regclass` and the like, `tid`, `pg_lsn`, `xid8`, snapshots | string | nothing |
 * | arrays, ranges, composites | as in {@link lossless}, of values such as these | |
 * | everything else | as in {@link lossless} | nothing |
 *
 * A `timestamptz` beyond what a `Date` can hold is a `ValueError` rather than an invalid `Date`.
 *
 * **Gotchas**
 *
 * `pg` makes a `Date` of `timestamp` and of `date` as well, by the time zone of the process. That is another instant on every
 * machine, and one that does not exist in the hour that a change to summer time leaves out. Here they are strings.
 *
 * @category constants
 * @since 0.1.0
 */
export const native: Preset = (type, column) => {
  let found = natives.get(type)
  if (found === undefined) natives.set(type, found = asNative(type, column))
  return found
}

// Types share parts: were each one made for every place that it is in, some levels of composites would take forever.
const natives = new WeakMap<Type.Any, Type.Any>()

const asNative: Preset = (type, column) =>
  textInNative.has(type.oid)
    ? text(type, column)
    : type.oid === BuiltIn.timestamptz.oid
    ? BuiltIn.timestamptzDate
    : type.mapParts === undefined
    ? type
    : type.mapParts((part) => native(part, column))

/** Whether a type has a part of one of these names. What was found of others is known. */
const isChanged = (
  type: Type.Any,
  names: Readonly<Record<string, unknown>>,
  known: Map<Type.Any, boolean>
): boolean => {
  let found = known.get(type) ?? false
  if (known.has(type)) return found
  type.mapParts?.((part) => {
    found ||= Object.hasOwn(names, part.name) || isChanged(part, names, known)
    return part
  })
  known.set(type, found)
  return found
}

/** A type to read a part by, under the OID by which the server says what the part is. */
const inPlaceOf = (part: Type.Any, type: Type.Any): Type.Any =>
  type.oid === part.oid ? type : { ...type, oid: part.oid, arrayOid: part.arrayOid, delimiter: part.delimiter }

/** What stands for a preset: the type itself will do. */
const toPreset = (input: Preset | Type.Any): Preset => typeof input === "function" ? input : () => input

/**
 * A preset that reads some types, by their names, in other ways, in arrays and composites as well.
 *
 * **Example** (Integers of 64 bits as numbers where they are safe)
 *
 * ```ts
 * import * as BuiltIn from "@hyperfect/values/BuiltIn"
 * import * as Preset from "@hyperfect/values/Preset"
 * import { strict as assert } from "node:assert"
 *
 * const mine = Preset.withTypes(Preset.native, { int8: BuiltIn.int8Number, jsonb: Preset.text })
 * assert.equal(mine(BuiltIn.int8, "id"), BuiltIn.int8Number)
 * ```
 *
 * @category combinators
 * @since 0.1.0
 */
export const withTypes: {
  (types: Readonly<Record<string, Preset | Type.Any>>): (self: Preset) => Preset
  (self: Preset, types: Readonly<Record<string, Preset | Type.Any>>): Preset
} = dual(2, (self: Preset, types: Readonly<Record<string, Preset | Type.Any>>): Preset => (type, column) => {
  const made = new Map<Type.Any, Type.Any>()
  const changed = new Map<Type.Any, boolean>()
  const make = (type: Type.Any): Type.Any => {
    let found = made.get(type)
    if (found === undefined) {
      found = Object.hasOwn(types, type.name)
        ? toPreset(types[type.name]!)(type, column)
        : type.mapParts !== undefined && isChanged(type, types, changed)
        ? type.mapParts((part) => inPlaceOf(part, make(part)))
        : self(type, column)
      made.set(type, found)
    }
    return found
  }
  return make(type)
})

/**
 * A preset that reads some columns, by their names, in other ways.
 *
 * @category combinators
 * @since 0.1.0
 */
export const withColumns: {
  (columns: Readonly<Record<string, Preset | Type.Any>>): (self: Preset) => Preset
  (self: Preset, columns: Readonly<Record<string, Preset | Type.Any>>): Preset
} = dual(
  2,
  (self: Preset, columns: Readonly<Record<string, Preset | Type.Any>>): Preset => (type, column) =>
    Object.hasOwn(columns, column) ? toPreset(columns[column]!)(type, column) : self(type, column)
)

/**
 * A column together with the type that it is read by, which is `undefined` when nobody knows it.
 *
 * @category models
 * @since 0.1.0
 */
export type Typed<C extends RowReader.Column> = C & { readonly type: Type.Any | undefined }

/**
 * Columns together with the types that a preset reads them by.
 *
 * @category decoding
 * @since 0.1.0
 */
export const typed = <C extends RowReader.Column>(
  self: Preset,
  columns: ReadonlyArray<C>,
  registry: TypeRegistry.TypeRegistry
): ReadonlyArray<Typed<C>> =>
  columns.map((column) => {
    const type = registry.find(column.typeOid)
    return { ...column, type: type && self(type, column.name) }
  })

/**
 * The preset that clients use where a query does not choose one: {@link lossless} unless a layer says otherwise.
 *
 * @category services
 * @since 0.1.0
 */
export const Preset: Context.Reference<Preset> = Context.Reference<Preset>(
  "@hyperfect/values/Preset",
  { defaultValue: () => lossless }
)

/**
 * Makes a preset the one that clients built with this layer use.
 *
 * **Example** (A client for code that expects plain values)
 *
 * ```ts
 * import * as Preset from "@hyperfect/values/Preset"
 * import { Layer } from "effect"
 *
 * const plain = <A, E, R>(client: Layer.Layer<A, E, R>) => Layer.provide(client, Preset.layer(Preset.native))
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (preset: Preset): Layer.Layer<never> => Layer.succeed(Preset, preset)
