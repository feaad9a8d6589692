/**
 * Presets: how result values are represented in JavaScript, where the lossless representation is not wanted.
 *
 * A preset is a function from a column's type to the type that reads it: {@link make} makes one, and
 * {@link withTypes} and {@link withColumns} derive presets from others. A preset is chosen for one query
 * (`Statement.withPreset`) or for a whole client ({@link layer}).
 *
 * Presets do not affect parameters: these are encoded by their own values, and a value that a preset has read can be
 * sent back.
 *
 * @since 0.1.0
 */
import * as ByteWriter from "@hyperfect/protocol/ByteWriter"
import * as Context from "effect/Context"
import { dual, memoize } from "effect/Function"
import * as Layer from "effect/Layer"
import * as Pipeable from "effect/Pipeable"
import * as Schema from "effect/Schema"
import * as BuiltIn from "./BuiltIn.ts"
import * as Codec from "./internal/codec/codec.ts"
import * as RowReader from "./RowReader.ts"
import type * as Type from "./Type.ts"
import type * as TypeRegistry from "./TypeRegistry.ts"

/**
 * Returns the type that reads a column, given the column's type and name.
 *
 * @category models
 * @since 0.1.0
 */
export interface Preset extends Pipeable.Pipeable {
  (type: Type.Any, column: string): Type.Any
}

/**
 * Makes a preset from a function that returns the type that reads a column, given the column's type and name.
 *
 * **Example** (Names of columns that hold JSON in text)
 *
 * ```ts
 * import { BuiltIn, Preset } from "@hyperfect/values"
 * import { strict as assert } from "node:assert"
 *
 * const preset = Preset.make((type, column) => column.endsWith("_json") ? BuiltIn.json : type)
 * assert.equal(preset(BuiltIn.text, "body_json"), BuiltIn.json)
 * const numbers = preset.pipe(Preset.withTypes({ int8: BuiltIn.int8Number }))
 * assert.equal(numbers(BuiltIn.int8, "n"), BuiltIn.int8Number)
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (choose: (type: Type.Any, column: string) => Type.Any): Preset =>
  Object.assign((type: Type.Any, column: string) => choose(type, column), Pipeable.Prototype)

/**
 * Reads every value losslessly, apart from the digits of JSON numbers that `JSON.parse` loses. This is the default
 * preset.
 *
 * **Details**
 *
 * `numeric` is a `BigDecimal`, which does not work with JavaScript's operators: `Number(x)` is `NaN` and `x > y` is
 * false. Use the functions of Effect's `BigDecimal`, such as `BigDecimal.sum` and `BigDecimal.isGreaterThan`.
 *
 * A `json` or `jsonb` document that is null is the constant `Json.Null`, and NULL is `null`.
 *
 * **Gotchas**
 *
 * Numbers in JSON are JavaScript numbers: `12345678901234567890` is read as `12345678901234567000`, and `1.10` as
 * `1.1`. If their digits matter, read the document as text, with
 * `Preset.withTypes(Preset.lossless, { json: BuiltIn.jsonText, jsonb: BuiltIn.jsonbText })`, and decode the text with a
 * parser that keeps them.
 *
 * @category constants
 * @since 0.1.0
 */
export const lossless: Preset = make((type) => type)

/**
 * Converts a codec of another format to text: it reads the text that the type would write, and writes the value that
 * the type would read from a text. Money is the exception: only the server can interpret its text.
 */
const toTextCodec = (type: Type.Any, codec: Type.Codec<unknown>, format: Type.Format): Type.Codec<string> => ({
  read: (bytes, start, end, typeModifier) => {
    const out = ByteWriter.make(64)
    type.text.write(out, codec.read(bytes, start, end, typeModifier), typeModifier)
    const text = out.take()
    return Codec.utf8(text, 0, text.length, type.name, 0)
  },
  write: (out, value, typeModifier) => {
    if (type.oid === BuiltIn.money.oid) Codec.typeMismatch(type.name, format, "Money", value)
    const scratch = ByteWriter.make(64)
    BuiltIn.text.text.write(scratch, value, -1)
    const text = scratch.take()
    codec.write(out, type.text.read(text, 0, text.length, typeModifier), typeModifier)
  }
})

const toText = memoize((type: Type.Any): Type.Any => {
  const { binary, hyper, name, oid } = type
  // The bytes of JSON already are its text, and only Hyper can print a geography.
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
    binary: verbatim?.binary ?? (binary && toTextCodec(type, binary, 1)),
    hyper: verbatim?.hyper ?? (oid === BuiltIn.geography.oid ? hyper : hyper && toHyperTextCodec(type, hyper))
  }
})

/**
 * Reads every value as the text that the server prints for it.
 *
 * **Details**
 *
 * Columns are requested from PostgreSQL in text, so its settings apply: the session's time zone, date style and locale.
 * Hyper's are still requested in HyperBinary, because its text loses digits of floating-point numbers; the values are
 * then printed as PostgreSQL would, instants in UTC. A `geography`, which only Hyper can print, is read as bytes.
 *
 * @category constants
 * @since 0.1.0
 */
export const text: Preset = make(toText)

const toHyperTextCodec = (type: Type.Any, hyper: Type.HyperCodec<unknown>): Type.HyperCodec<string> => ({
  ...toTextCodec(type, hyper, 2),
  size: hyper.size,
  element: hyper.element && toHyperTextCodec(type, hyper.element),
  copy: hyper.copy && toHyperTextCodec(type, hyper.copy),
  needsModifier: hyper.needsModifier
})

const oids = (types: Iterable<Type.Any>): ReadonlySet<number> => new Set(Array.from(types, ({ oid }) => oid))

/** Types that no preset but the lossless one reads as their own values. */
const textInAll = [
  BuiltIn.numeric,
  BuiltIn.money,
  BuiltIn.xid8,
  BuiltIn.tid,
  BuiltIn.pgLsn,
  BuiltIn.pgSnapshot,
  BuiltIn.txidSnapshot
]

/**
 * Types whose lossless values are `bigint`s or classes of this package, or names that the binary format does not
 * contain.
 */
const textInNative = oids([
  ...textInAll,
  BuiltIn.int8,
  BuiltIn.date,
  BuiltIn.time,
  BuiltIn.timetz,
  BuiltIn.timestamp,
  BuiltIn.interval,
  ...BuiltIn.registeredTypes
])

/** Makes a preset that reads some types as others, and those with some OIDs as text, also inside other types. */
const replacing = (replaced: ReadonlyMap<Type.Any, Type.Any>, inText: ReadonlySet<number>): Preset => {
  // Types share parts; without the cache, nested composites would take exponential time.
  const replace: (type: Type.Any) => Type.Any = memoize((type: Type.Any): Type.Any =>
    replaced.get(type) ?? (inText.has(type.oid) ? toText(type) : type.mapParts?.(replace) ?? type)
  )
  return make(replace)
}

/** Documents as plain values, in which JSON null is `null`, as NULL is. */
const plainDocuments: ReadonlyArray<readonly [Type.Any, Type.Any]> = [
  [BuiltIn.json, BuiltIn.jsonPlain],
  [BuiltIn.jsonb, BuiltIn.jsonbPlain]
]

/**
 * Reads plain JavaScript values, similar to those of `pg`: booleans, numbers, strings, `Date`, `Uint8Array`, parsed
 * JSON.
 *
 * **Details**
 *
 * | type | value | what is lost |
 * | --- | --- | --- |
 * | `int2`, `int4`, `oid`, `float4`, `float8` | number | nothing |
 * | `int8`, `numeric`, `money` | always a string, also for small numbers | nothing |
 * | `timestamptz` | `Date`; the infinities are the numbers `Infinity` and `-Infinity` | microseconds (truncated) |
 * | `timestamp`, `date`, `time`, `timetz`, `interval` | string, as the server prints it | nothing |
 * | `json`, `jsonb` | parsed; JSON null is `null`, like NULL | digits that a double cannot hold, JSON null |
 * | `regclass` and the like, `tid`, `pg_lsn`, `xid8`, snapshots | string | nothing |
 * | arrays, ranges, composites | as in {@link lossless}, of these values, and sent back as such | |
 * | everything else | as in {@link lossless} | nothing |
 *
 * A `timestamptz` outside the range of a `Date` is a `ValueError`, not an invalid `Date`.
 *
 * **Gotchas**
 *
 * `pg` also converts `timestamp` and `date` to a `Date`, in the time zone of the process. The result is a different
 * instant on machines in other time zones, and does not exist in the hour skipped by a change to summer time. This
 * preset reads them as strings.
 *
 * @category constants
 * @since 0.1.0
 */
export const native: Preset = replacing(
  new Map<Type.Any, Type.Any>([[BuiltIn.timestamptz, BuiltIn.timestamptzDate], ...plainDocuments]),
  textInNative
)

/** True if a type contains a type with one of these names. `known` caches the results. */
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

/** Gives a replacement type the OID of the part that it replaces. */
const withOidOf = (part: Type.Any, type: Type.Any): Type.Any =>
  type.oid === part.oid ? type : { ...type, oid: part.oid, arrayOid: part.arrayOid, delimiter: part.delimiter }

/** Converts a type to a preset that always returns it. */
const toPreset = (input: Preset | Type.Any): Preset => typeof input === "function" ? input : make(() => input)

/**
 * Derives a preset that reads the named types differently, also inside arrays and composites.
 *
 * **Example** (64-bit integers as numbers where they are safe)
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
} = dual(2, (self: Preset, types: Readonly<Record<string, Preset | Type.Any>>): Preset =>
  asIn(self, (type, column) => {
    const made = new Map<Type.Any, Type.Any>()
    const changed = new Map<Type.Any, boolean>()
    const make = (type: Type.Any): Type.Any => {
      let found = made.get(type)
      if (found === undefined) {
        found = Object.hasOwn(types, type.name)
          ? toPreset(types[type.name]!)(type, column)
          : type.mapParts !== undefined && isChanged(type, types, changed)
          ? type.mapParts((part) => withOidOf(part, make(part)))
          : self(type, column)
        made.set(type, found)
      }
      return found
    }
    return make(type)
  }))

/**
 * Derives a preset that reads the named columns differently.
 *
 * @category combinators
 * @since 0.1.0
 */
export const withColumns: {
  (columns: Readonly<Record<string, Preset | Type.Any>>): (self: Preset) => Preset
  (self: Preset, columns: Readonly<Record<string, Preset | Type.Any>>): Preset
} = dual(
  2,
  (self: Preset, columns: Readonly<Record<string, Preset | Type.Any>>): Preset =>
    asIn(
      self,
      (type, column) => Object.hasOwn(columns, column) ? toPreset(columns[column]!)(type, column) : self(type, column)
    )
)

/** The rules of a preset for the names of columns. */
interface Naming {
  readonly duplicates: RowReader.Duplicates
  readonly rename: ((column: string) => string) | undefined
}

const namingOf = new WeakMap<Preset, Naming>()

const defaultNaming: Naming = { duplicates: "refuse", rename: undefined }

const naming = (self: Preset): Naming => namingOf.get(self) ?? defaultNaming

/** Gives a derived preset the rules for names of another one, with some changed. */
const withNaming = (self: Preset, preset: Preset, changes: Partial<Naming> = {}): Preset => {
  namingOf.set(preset, { ...naming(self), ...changes })
  return preset
}

const asIn = (self: Preset, choose: (type: Type.Any, column: string) => Type.Any): Preset =>
  withNaming(self, make(choose))

/**
 * Derives a preset with another rule for duplicate column names in rows as objects, which are rejected by default.
 *
 * **Example** (The last column of a name wins)
 *
 * ```ts
 * import * as Preset from "@hyperfect/values/Preset"
 * import { strict as assert } from "node:assert"
 *
 * const lenient = Preset.withDuplicates(Preset.lossless, "last")
 * assert.equal(Preset.duplicates(lenient), "last")
 * assert.equal(Preset.duplicates(Preset.lossless), "refuse")
 * ```
 *
 * @category combinators
 * @since 0.1.0
 */
export const withDuplicates: {
  (duplicates: RowReader.Duplicates): (self: Preset) => Preset
  (self: Preset, duplicates: RowReader.Duplicates): Preset
} = dual(2, (self: Preset, duplicates: RowReader.Duplicates): Preset => withNaming(self, make(self), { duplicates }))

/**
 * Derives a preset that renames the columns of rows, for example from snake_case to camelCase.
 *
 * **Details**
 *
 * The names in `fields` of a result and those that a Schema is checked against are the new ones. Columns with the same
 * new name are duplicates. Types are chosen by the names of the server, see {@link withColumns}. Renaming twice applies
 * both functions.
 *
 * @see the option `names` of `Statement.insert` and `Statement.set` for the other direction
 *
 * **Example** (Names in camelCase)
 *
 * ```ts
 * import { Preset } from "@hyperfect/values"
 * import { String } from "effect"
 *
 * const camel = Preset.lossless.pipe(Preset.withNames(String.snakeToCamel))
 * ```
 *
 * @category combinators
 * @since 0.1.0
 */
export const withNames: {
  (rename: (column: string) => string): (self: Preset) => Preset
  (self: Preset, rename: (column: string) => string): Preset
} = dual(2, (self: Preset, rename: (column: string) => string): Preset => {
  const before = naming(self).rename
  return withNaming(self, make(self), {
    rename: before === undefined ? rename : (column) => rename(before(column))
  })
})

/**
 * Reads values that `JSON.stringify` writes without loss: booleans, numbers, parsed JSON, and texts of everything else.
 *
 * **Details**
 *
 * `int8`, `numeric` and `bytea` are text, as the server prints it. Dates, times, instants and intervals are the values
 * of {@link lossless}, whose JSON form is text: ISO 8601 for the years 1 to 9999, and otherwise text that PostgreSQL
 * accepts, such as `0044-03-15 BC` and `infinity`. Arrays and composites are read as such.
 *
 * **Gotchas**
 *
 * JSON has no `NaN` and no infinities: those of `float4` and `float8` become null. A document that is null is `null`, as
 * NULL is.
 *
 * @category constants
 * @since 0.1.0
 */
export const json: Preset = replacing(new Map(plainDocuments), oids([...textInAll, BuiltIn.int8, BuiltIn.bytea]))

/**
 * Reads values as Effect's own PostgreSQL driver does, for programs written for `effect/sql`, and correctly what that
 * driver cannot read.
 *
 * **Details**
 *
 * | type | value | `@effect/sql-pg` 4.0.5 |
 * | --- | --- | --- |
 * | `int2`, `int4`, `oid`, `regclass`, `float4`, `float8` | number | the same |
 * | `int8` | `bigint` | the same |
 * | `numeric`, `date`, `uuid`, `inet`, `cidr`, text types | string | the same |
 * | `date` before the common era | string, as printed: `0044-03-15 BC` | `-0043-03-15` |
 * | `void` | `undefined` | an empty string |
 * | `timetz` | string, as printed: `03:04:05+02` | `03:04:05+02:00` |
 * | `timestamptz`, `timestamp` (its fields as those of UTC) | `Date` | the same |
 * | `infinity` of these | `Infinity`, `-Infinity` | an invalid `Date` |
 * | `time` | `bigint` of microseconds | the same |
 * | `interval` | an `Interval`, with `months`, `days` and `microseconds` | an object of these |
 * | `bytea` | `Uint8Array` | the same |
 * | `json`, `jsonb` | parsed | the same |
 * | arrays of any dimension | arrays of these values | of one dimension |
 * | ranges, multiranges | as in {@link lossless}, of these values | bytes as a string |
 * | `xid`, geometric types, composite types | as in {@link lossless} | bytes as a string, or a failure |
 * | `money`, `xid8`, `tid`, `pg_lsn`, snapshots, `bit`, `tsvector`, `macaddr` | string, as printed | bytes as a string, or a failure |
 *
 * If several columns have one name, the last of them wins, as there.
 *
 * @category constants
 * @since 0.1.0
 */
export const effectSql: Preset = withDuplicates(
  replacing(
    new Map<Type.Any, Type.Any>([
      [BuiltIn.timestamp, BuiltIn.timestampDate],
      [BuiltIn.timestamptz, BuiltIn.timestamptzDate],
      [BuiltIn.time, BuiltIn.timeMicroseconds],
      ...plainDocuments
    ]),
    oids([...textInAll, BuiltIn.date, BuiltIn.timetz])
  ),
  "last"
)

/**
 * Returns a preset's rule for duplicate column names.
 *
 * @category getters
 * @since 0.1.0
 */
export const duplicates = (self: Preset): RowReader.Duplicates => naming(self).duplicates

/**
 * A column with the type that reads it, which is `undefined` if the registry does not know the type.
 *
 * @category models
 * @since 0.1.0
 */
export type Typed<C extends RowReader.Column> = C & { readonly type: Type.Any | undefined }

/**
 * Returns the columns with the types that a preset reads them by, and with their names in its rows.
 *
 * @category decoding
 * @since 0.1.0
 */
export const typed = <C extends RowReader.Column>(
  self: Preset,
  columns: ReadonlyArray<C>,
  registry: Pick<TypeRegistry.TypeRegistry, "find">
): ReadonlyArray<Typed<C>> => {
  const { duplicates, rename } = naming(self)
  const renamed = rename === undefined ? undefined : columns.map(({ name }) => rename(name))
  const names = duplicates === "suffix"
    ? RowReader.suffixedNames(renamed ?? columns.map(({ name }) => name))
    : renamed
  return columns.map((column, i) => {
    const type = registry.find(column.typeOid)
    const typed = { ...column, type: type && self(type, column.name) }
    return names === undefined ? typed : { ...typed, name: names[i]! }
  })
}

/**
 * The preset that clients use for queries that do not choose one; {@link lossless} by default.
 *
 * @category services
 * @since 0.1.0
 */
export const Preset: Context.Reference<Preset> = Context.Reference<Preset>(
  "@hyperfect/values/Preset",
  { defaultValue: () => lossless }
)

/**
 * Sets the preset of the clients that are built with this layer.
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
