/**
 * Lookup of types by OID or name.
 *
 * A registry is immutable. {@link builtIn} contains the types of both servers; {@link extend} creates a registry with
 * additional or replaced types. Readers and writers are compiled against one registry, so a lookup costs nothing per
 * row.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import { dual } from "effect/Function"
import * as Layer from "effect/Layer"
import * as Pipeable from "effect/Pipeable"
import { hasProperty } from "effect/Predicate"
import * as BuiltIn from "./BuiltIn.ts"
import type * as Type from "./Type.ts"

const TypeId: unique symbol = Symbol.for("@hyperfect/values/TypeRegistry")

/**
 * Types by OID and name.
 *
 * @category models
 * @since 0.1.0
 */
export interface TypeRegistry extends Pipeable.Pipeable {
  readonly [TypeId]: typeof TypeId
  /** Returns the type with an OID, or `undefined`. */
  readonly find: (oid: number) => Type.Any | undefined
  /** Returns the type with a name such as `int4`, or `undefined`. */
  readonly findByName: (name: string) => Type.Any | undefined
  /** All types, each once. */
  readonly types: ReadonlyArray<Type.Any>
}

/** OIDs below this limit are PostgreSQL's own and looked up in an array; user types start at 16384. */
const tableSize = 0x2000

/**
 * Creates a registry of exactly these types. If two types have the same OID or name, the later one wins.
 *
 * **Details**
 *
 * A type with OID 0 is found by its name only. It stands for the extension type of that name; `Catalogue.types` derives
 * a type with the OID of a database from it.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (types: Iterable<Type.Any>): TypeRegistry => {
  const byOid = new Map<number, Type.Any>()
  const named: Array<Type.Any> = []
  // The fields of a record are read by this registry's types.
  const find = (oid: number): Type.Any | undefined => oid < tableSize ? table[oid] : byOid.get(oid)
  const record = BuiltIn.record(find)
  for (const type of [...types, record, BuiltIn.array(record)]) {
    if (type.oid === 0) named.push(type)
    else byOid.set(type.oid, type)
  }
  const all = [...byOid.values(), ...named]
  const byName = new Map(all.map((type) => [type.name, type]))
  const table = new Array<Type.Any | undefined>(tableSize).fill(undefined)
  for (const type of byOid.values()) if (type.oid < tableSize) table[type.oid] = type
  return {
    ...Pipeable.Prototype,
    [TypeId]: TypeId,
    find,
    findByName: (name) => byName.get(name),
    types: all
  }
}

/**
 * Returns a registry that also contains these types; they replace types with the same OID.
 *
 * @category combinators
 * @since 0.1.0
 */
export const extend: {
  (types: Iterable<Type.Any>): (self: TypeRegistry) => TypeRegistry
  (self: TypeRegistry, types: Iterable<Type.Any>): TypeRegistry
} = dual(2, (self: TypeRegistry, types: Iterable<Type.Any>): TypeRegistry => make([...self.types, ...types]))

const isType = (u: unknown): u is Type.Any => hasProperty(u, "arrayOid")

/** The types by their names. `int8` is found before `int8Number`, which is another reading of the same type. */
const scalars = new Map<string, Type.Any>()
for (const [, exported] of Object.entries(BuiltIn).sort(([a], [b]) => a < b ? -1 : 1)) {
  for (const type of [exported].flat().filter(isType)) {
    if (!scalars.has(type.name)) scalars.set(type.name, type)
  }
}

/**
 * Returns the types together with their array types.
 *
 * **When to use**
 *
 * Use to {@link extend} a registry with a type that reads values differently, so that arrays of it do too.
 *
 * @category combinators
 * @since 0.1.0
 */
export const withArrays = (types: Iterable<Type.Any>): ReadonlyArray<Type.Any> =>
  Array.from(types).flatMap((type) => (type.arrayOid === 0 ? [type] : [type, BuiltIn.array(type)]))

/**
 * The built-in types of PostgreSQL and Hyper and some extension types, with their arrays. Values are lossless: 64-bit
 * integers are `bigint`, numerics `BigDecimal`, dates and times this package's own types.
 *
 * @category constants
 * @since 0.1.0
 */
export const builtIn: TypeRegistry = make(withArrays(scalars.values()))

/**
 * Returns the OIDs of the built-in types of these categories.
 *
 * @category getters
 * @since 0.1.0
 */
export const oidsOf = (...categories: ReadonlyArray<Type.Category>): ReadonlySet<number> =>
  new Set(
    builtIn.types.filter(({ category, oid }) => oid !== 0 && category !== undefined && categories.includes(category))
      .map(({ oid }) => oid)
  )

/**
 * The registry that clients use; {@link builtIn} by default.
 *
 * @category services
 * @since 0.1.0
 */
export const TypeRegistry: Context.Reference<TypeRegistry> = Context.Reference<TypeRegistry>(
  "@hyperfect/values/TypeRegistry",
  { defaultValue: () => builtIn }
)

/**
 * Sets the registry that clients use.
 *
 * **Example** (JSON as text)
 *
 * ```ts
 * import * as BuiltIn from "@hyperfect/values/BuiltIn"
 * import * as TypeRegistry from "@hyperfect/values/TypeRegistry"
 *
 * const JsonAsText = TypeRegistry.layer(
 *   TypeRegistry.extend(TypeRegistry.builtIn, TypeRegistry.withArrays([BuiltIn.jsonText, BuiltIn.jsonbText]))
 * )
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (registry: TypeRegistry): Layer.Layer<never> => Layer.succeed(TypeRegistry, registry)
