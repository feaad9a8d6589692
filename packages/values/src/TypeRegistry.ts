/**
 * Which types there are: from an OID, or a name, to the codecs.
 *
 * A registry is an immutable value. {@link builtIn} knows the types of both servers; {@link extend} makes another that
 * knows more of them, or reads some of them differently. Readers and writers are compiled against one registry, so looking
 * up costs nothing per row.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import { dual } from "effect/Function"
import * as Layer from "effect/Layer"
import * as BuiltIn from "./BuiltIn.ts"
import type * as Type from "./Type.ts"

const TypeId = "~@hyperfect/values/TypeRegistry"

/**
 * Types by their OIDs and names.
 *
 * @category models
 * @since 0.1.0
 */
export interface TypeRegistry {
  readonly [TypeId]: typeof TypeId
  /** The type of an OID, or `undefined`. */
  readonly find: (oid: number) => Type.Any | undefined
  /** The type of a name such as `int4`, or `undefined`. */
  readonly findByName: (name: string) => Type.Any | undefined
  /** All types, each once. */
  readonly types: ReadonlyArray<Type.Any>
}

/** OIDs below this are PostgreSQL's own and looked up in an array; those of user types begin at 16384. */
const tableSize = 0x2000

/**
 * A registry of exactly these types. Of two types with one OID, or one name, the later one counts.
 *
 * **Details**
 *
 * A type with the OID 0 is found by its name alone. It stands for the type of that name that an extension makes, and is what
 * `Catalogue.types` gives the OID of a database.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (types: Iterable<Type.Any>): TypeRegistry => {
  const byOid = new Map<number, Type.Any>()
  const named: Array<Type.Any> = []
  // The fields of a record are whatever this registry takes them for.
  const find = (oid: number): Type.Any | undefined => oid < tableSize ? table[oid] : byOid.get(oid)
  const record = BuiltIn.record(find)
  for (const type of [...types, record, BuiltIn.array(record)]) {
    if (type.oid === 0) named.push(type)
    else byOid.set(type.oid, type)
  }
  const all = [...byOid.values(), ...named]
  const byName = new Map(all.map((type) => [type.name, type]))
  const table = Array.from({ length: tableSize }, (_, oid) => byOid.get(oid))
  return {
    [TypeId]: TypeId,
    find,
    findByName: (name) => byName.get(name),
    types: all
  }
}

/**
 * A registry that knows these types as well; where it knew a type of the same OID, the new one takes its place.
 *
 * @category combinators
 * @since 0.1.0
 */
export const extend: {
  (types: Iterable<Type.Any>): (self: TypeRegistry) => TypeRegistry
  (self: TypeRegistry, types: Iterable<Type.Any>): TypeRegistry
} = dual(2, (self: TypeRegistry, types: Iterable<Type.Any>): TypeRegistry => make([...self.types, ...types]))

const scalars: ReadonlyArray<Type.Any> = [
  BuiltIn.bool,
  BuiltIn.bytea,
  BuiltIn.char,
  BuiltIn.name,
  BuiltIn.int8,
  BuiltIn.int2,
  BuiltIn.int4,
  BuiltIn.text,
  BuiltIn.oid,
  BuiltIn.json,
  BuiltIn.xml,
  BuiltIn.float4,
  BuiltIn.float8,
  BuiltIn.unknown,
  BuiltIn.bpchar,
  BuiltIn.varchar,
  BuiltIn.date,
  BuiltIn.time,
  BuiltIn.timestamp,
  BuiltIn.timestamptz,
  BuiltIn.interval,
  BuiltIn.numeric,
  BuiltIn.refcursor,
  BuiltIn.uuid,
  BuiltIn.jsonb,
  BuiltIn.geography,
  BuiltIn.timetz,
  BuiltIn.bit,
  BuiltIn.varbit,
  BuiltIn.money,
  BuiltIn.inet,
  BuiltIn.cidr,
  BuiltIn.macaddr,
  BuiltIn.macaddr8,
  BuiltIn.point,
  BuiltIn.line,
  BuiltIn.lseg,
  BuiltIn.box,
  BuiltIn.path,
  BuiltIn.polygon,
  BuiltIn.circle,
  BuiltIn.int4range,
  BuiltIn.int8range,
  BuiltIn.numrange,
  BuiltIn.tsrange,
  BuiltIn.tstzrange,
  BuiltIn.daterange,
  BuiltIn.int4multirange,
  BuiltIn.int8multirange,
  BuiltIn.nummultirange,
  BuiltIn.tsmultirange,
  BuiltIn.tstzmultirange,
  BuiltIn.datemultirange,
  BuiltIn.xid,
  BuiltIn.cid,
  BuiltIn.xid8,
  BuiltIn.tid,
  BuiltIn.pgLsn,
  BuiltIn.pgSnapshot,
  BuiltIn.txidSnapshot,
  ...BuiltIn.registeredTypes,
  BuiltIn.int2vector,
  BuiltIn.oidvector,
  BuiltIn.tsvector,
  BuiltIn.tsquery,
  BuiltIn.jsonpath,
  BuiltIn.aclitem,
  BuiltIn.pgNodeTree,
  BuiltIn.void_,
  ...BuiltIn.extensionTypes
]

/**
 * Types together with their array types.
 *
 * **When to use**
 *
 * Use to {@link extend} a registry by a type that reads something in another way, so that it does in arrays as well.
 *
 * @category combinators
 * @since 0.1.0
 */
export const withArrays = (types: Iterable<Type.Any>): ReadonlyArray<Type.Any> =>
  Array.from(types).flatMap((type) => (type.arrayOid === 0 ? [type] : [type, BuiltIn.array(type)]))

/**
 * The types that PostgreSQL and Hyper have by themselves, and their arrays, lossless: 64-bit integers are `bigint`, numerics
 * `BigDecimal`, dates and times this package's own.
 *
 * @category constants
 * @since 0.1.0
 */
export const builtIn: TypeRegistry = make(withArrays(scalars))

/**
 * The registry that clients use. Nobody has to provide it: it is {@link builtIn} unless a layer says otherwise.
 *
 * @category services
 * @since 0.1.0
 */
export const TypeRegistry: Context.Reference<TypeRegistry> = Context.Reference<TypeRegistry>(
  "@hyperfect/values/TypeRegistry",
  { defaultValue: () => builtIn }
)

/**
 * Makes a registry the one that clients use.
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
