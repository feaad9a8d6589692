/**
 * Types that users and extensions have made, out of PostgreSQL's catalogue.
 *
 * {@link query} is the one statement that asks for them, {@link Row} what it answers with, and {@link types} what becomes of
 * the answer: enums, composite types, domains, ranges, multiranges, types of extensions that are known by name, and arrays of
 * all of these, however they are nested. Nothing here talks to a server; clients do, when a type appears that they do
 * not know.
 *
 * Hyper has no types but its own, which `TypeRegistry.builtIn` holds.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import * as BuiltIn from "./BuiltIn.ts"
import type * as Type from "./Type.ts"
import * as TypeRegistry from "./TypeRegistry.ts"

const Oid = Schema.Int

/**
 * What the catalogue says of a type.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Row = Schema.Struct({
  oid: Oid,
  /** As it was created, in whatever schema. */
  name: Schema.String,
  /** As the server would write it for the session that asks: in quotation marks and with its schema where need be. */
  title: Schema.String,
  /** `b` a base type or an array, `c` composite, `d` domain, `e` enum, `r` range, `m` multirange, `p` pseudo-type. */
  kind: Schema.String,
  /** The OID of the array of it, or 0. */
  arrayOid: Oid,
  /** What an array is of, else 0. */
  elementOid: Oid,
  /** The character between the elements of arrays of it. */
  delimiter: Schema.String,
  /** What a domain is over, else 0. */
  baseOid: Oid,
  /** The type modifier of a domain, or -1. */
  typeModifier: Schema.Int,
  /** What the bounds of a range or multirange are, else 0. */
  boundOid: Oid,
  /** Whether the server has it in binary. */
  hasBinary: Schema.Boolean,
  /** The labels of an enum in their order. */
  labels: Schema.Array(Schema.String),
  /** The fields of a composite type in their order, without those that were dropped. */
  fieldNames: Schema.Array(Schema.String),
  fieldOids: Schema.Array(Oid),
  fieldTypeModifiers: Schema.Array(Schema.Int)
})

/**
 * What the catalogue says of a type.
 *
 * @category models
 * @since 0.1.0
 */
export type Row = typeof Row.Type

/**
 * The statement that asks for these types and for all that they are made of. Its columns are the fields of {@link Row}.
 *
 * **Details**
 *
 * It has no parameters, so that it can go by the simple protocol, and looks at nothing but these types, by the catalogue's
 * indices, as a database may have a hundred thousand others. PostgreSQL 9.5 and later understand it.
 *
 * @category statements
 * @since 0.1.0
 */
export const query = (oids: Iterable<number>): string => {
  const wanted = Array.from(oids, (oid) => `${oid >>> 0}`).join()
  const fields = (value: string): string =>
    `array(select ${value} from pg_catalog.pg_attribute a where a.attrelid = t.typrelid and t.typtype = 'c'
      and a.attnum > 0 and not a.attisdropped order by a.attnum)`
  // Multiranges came with PostgreSQL 14; before that the column is not there.
  const bounds = `(select r.rngsubtype from pg_catalog.pg_range r
      where r.rngtypid = t.oid or (pg_catalog.to_jsonb(r) ->> 'rngmultitypid')::oid = t.oid)`
  return `with recursive needed(oid) as (
    select pg_catalog.unnest('{${wanted}}'::oid[])
    union
    select part.oid from needed n join pg_catalog.pg_type t on t.oid = n.oid, lateral (
      select t.typelem
      union all select t.typbasetype
      union all select ${bounds}
      union all select pg_catalog.unnest(${fields("a.atttypid")})
    ) part(oid) where part.oid <> 0
  )
  select t.oid, t.typname::text as name, pg_catalog.format_type(t.oid, null) as title, t.typtype::text as kind,
    t.typarray as "arrayOid",
    coalesce((select e.oid from pg_catalog.pg_type e where e.oid = t.typelem and e.typarray = t.oid), 0) as "elementOid",
    t.typdelim::text as delimiter, t.typbasetype as "baseOid", t.typtypmod as "typeModifier",
    coalesce(${bounds}, 0) as "boundOid",
    t.typsend::oid <> 0 and t.typreceive::oid <> 0 as "hasBinary",
    array(select e.enumlabel::text from pg_catalog.pg_enum e where e.enumtypid = t.oid order by e.enumsortorder) as labels,
    ${fields("a.attname::text")} as "fieldNames", ${fields("a.atttypid")} as "fieldOids",
    ${fields("a.atttypmod")} as "fieldTypeModifiers"
  from pg_catalog.pg_type t where t.oid = any (array(select n.oid from needed n))`
}

/** Deeper than this nobody nests types; a server that says so is not believed. */
const maxDepth = 64

/** A type of which nothing is known but its text. */
const opaque = (oid: number, arrayOid: number, name: string): Type.Any => ({
  ...BuiltIn.unknown,
  name,
  oid,
  arrayOid,
  binary: undefined,
  hyper: undefined
})

const withModifier = <A, I>(codec: Type.Codec<A, I>, typeModifier: number): Type.Codec<A, I> =>
  typeModifier === -1 ? codec : {
    read: (bytes, start, end) => codec.read(bytes, start, end, typeModifier),
    write: (out, value) => codec.write(out, value, typeModifier)
  }

const domain = (base: Type.Any, row: Row): Type.Any => {
  const { arrayOid, oid, title, typeModifier } = row
  return {
    ...base,
    name: title,
    oid,
    arrayOid,
    base,
    hasArrayValues: base.hasArrayValues === true || isArray(base),
    mapParts: (change) => domain(change(base), row),
    text: withModifier(base.text, typeModifier),
    binary: base.binary && withModifier(base.binary, typeModifier),
    hyper: undefined
  }
}

const isArray = ({ arrayOid, name }: Type.Any): boolean => arrayOid === 0 && name.endsWith("[]")

/**
 * The types that rows of the catalogue describe, and the arrays of them.
 *
 * **Details**
 *
 * What they are made of is looked for in the registry first, so that a registry that reads `int8` as a number does so in
 * composite types and ranges too. A base type is one of an extension, found in the registry by its name, or else
 * nothing but its text. An enum is written whatever the label is, for there may be a new one since: the server knows.
 *
 * @category constructors
 * @since 0.1.0
 */
export const types = (rows: Iterable<Row>, registry: TypeRegistry.TypeRegistry): ReadonlyArray<Type.Any> => {
  const byOid = new Map(Array.from(rows, (row) => [row.oid, row]))
  const made = new Map<number, Type.Any>()
  const under = new Set<number>()

  const typeOf = (oid: number): Type.Any => {
    const known = registry.find(oid) ?? made.get(oid)
    if (known !== undefined) return known
    const row = byOid.get(oid)
    // No type contains itself, whatever a server says.
    if (row === undefined || under.has(oid) || under.size === maxDepth) return opaque(oid, 0, `oid ${oid}`)
    under.add(oid)
    const type = { ...build(row), delimiter: row.delimiter === "" ? undefined : row.delimiter.charCodeAt(0) }
    under.delete(oid)
    made.set(oid, type)
    return type
  }

  const build = (row: Row): Type.Any => {
    const { arrayOid, name, oid, title } = row
    const identity = { name: title, oid, arrayOid }
    switch (row.kind) {
      case "e":
        return BuiltIn.openEnumeration(row.labels, identity)
      case "c":
        return BuiltIn.composite(
          row.fieldNames.map((name, i) => ({
            name,
            type: typeOf(row.fieldOids[i]!),
            typeModifier: row.fieldTypeModifiers[i]
          })),
          identity
        )
      case "d":
        return domain(typeOf(row.baseOid), row)
      case "r":
        return BuiltIn.range(typeOf(row.boundOid), identity)
      case "m":
        return BuiltIn.multirange(typeOf(row.boundOid), identity)
      case "b": {
        if (row.elementOid !== 0) return { ...BuiltIn.array(typeOf(row.elementOid)), oid }
        const extension = registry.findByName(name)
        return extension?.oid === 0
          ? { ...extension, ...identity, binary: row.hasBinary ? extension.binary : undefined }
          : opaque(oid, arrayOid, title)
      }
      default:
        return opaque(oid, arrayOid, title)
    }
  }

  for (const oid of byOid.keys()) typeOf(oid)
  return TypeRegistry.withArrays(made.values())
}
